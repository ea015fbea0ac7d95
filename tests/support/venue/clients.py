"""Clients of an inline venue: those of the process tests and of the client library, over lines."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openoutcry.client import FixClient
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import Protocol
from tests.support.order_entry import sessions_clients, sessions_venue
from tests.support.order_entry.sessions_venue import PASSWORD

if TYPE_CHECKING:
    from tests.support.venue.inline import InlineVenue
    from tests.support.venue.line import Line


class Ouch(sessions_venue.Client):
    """Over SoupBinTCP; OUCH 4.2."""

    protocol = Protocol.OUCH42

    def __init__(
        self,
        venue: InlineVenue,
        name: str,
        password: str = PASSWORD,
        sequence: int = 1,
        session: str = "",
        source: str = "",
        protocol: Protocol | None = None,
    ) -> None:
        """Log in; ``answer`` is what the venue said to that."""
        self.socket: Any = venue.dial(protocol or self.protocol, source)
        self.data = b""
        self.messages: list[bytes] = []
        self.socket.sendall(
            soupbin.login_packet(soupbin.LoginRequest(name, password, session, sequence))
        )
        try:
            self.answer = self.packet()
        except ConnectionError:
            self.answer = "", b""
        kind, body = self.answer
        self.number = int(body[10:]) if kind == "A" else 0


class Ouch50(Ouch, sessions_clients.Client50):
    """OUCH 5.0."""

    protocol = Protocol.OUCH50


class Fix(FixClient):
    """FIX by the venue's clock."""

    def __init__(
        self,
        venue: InlineVenue,
        name: str,
        password: str = PASSWORD,
        *,
        protocol: Protocol = Protocol.FIX44,
        source: str = "",
        **options: Any,
    ) -> None:
        """Log on; raises ``ClientError`` if the venue refuses."""
        self.venue, self.protocol, self.source = venue, protocol, source
        options.setdefault("heartbeat_s", sessions_clients.HEARTBEAT_S)
        super().__init__("inline", 0, name, password, **options)

    def _connected(self, host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None) -> Any:
        line: Line = self.venue.dial(self.protocol, self.source)
        return line

    def _utc_text(self) -> str:
        return utc_text(self.venue)


def utc_text(venue: InlineVenue) -> str:
    """UTCTimestamp of the venue's clock."""
    now = datetime.fromtimestamp(venue.clock.now_ns() / 1e9, UTC)
    return now.strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
