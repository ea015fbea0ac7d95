"""Clients of an inline venue: those of the process tests and of the client library, over lines."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openoutcry.client import FixClient
from openoutcry.client.shm import ShmClient
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import Protocol
from tests.support.order_entry import sessions_clients, sessions_venue
from tests.support.order_entry.sessions_venue import KEY, PASSWORD

TIMER_S = 0.005

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


class LoginEnd:
    """The client's end of a login over shared memory: after each send the venue goes on."""

    def __init__(self, venue: InlineVenue, end: socket.socket) -> None:
        self.venue, self.end = venue, end

    def sendall(self, data: bytes) -> None:
        self.end.sendall(data)
        self.venue.step()

    def close(self) -> None:
        """The venue sees it, and looks at its timers."""
        if self.end.fileno() >= 0:
            self.end.close()
            self.venue.step()
            self.venue.clock.advance(TIMER_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.end, name)


class Shm(ShmClient):
    """Over shared memory; what waits lets the venue go on."""

    def __init__(
        self, venue: InlineVenue, name: str, key: bytes = KEY, *, first_reply: int = 1, **login: Any
    ) -> None:
        self.venue = venue
        super().__init__("inline", name, key, first_reply=first_reply, **login)

    def _dialled(self, path: Any, timeout_s: float) -> Any:
        return dial_shm(self.venue)

    def _wait(self, nap_s: float) -> None:
        self.venue.step()

    def told(self) -> list[Any]:
        """All that the venue has to say."""
        told = []
        self.venue.step()
        while came := self.poll():
            told += came
            self.venue.step()
        return told


def dial_shm(venue: InlineVenue) -> LoginEnd:
    """A connection to the venue's Unix socket."""
    assert venue.acceptor is not None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0)
    venue.loop.call_soon(venue.acceptor.admit_shm, theirs)
    venue.loop.settle()
    return LoginEnd(venue, ours)
