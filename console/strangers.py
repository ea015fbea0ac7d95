"""Connections to a page without a login: bounded, so that they cannot keep operators out.

There are MAX_STRANGERS at most.  For one more, the page closes the oldest of the address that has
most of them, as the acceptor of sessions does.  It closes each after STRANGER_S without a login.
"""

import asyncio
from typing import Any

from openoutcry.order_entry.acceptor import oldest_of_most

MAX_STRANGERS = 256
STRANGER_S = 120.0
Peer = tuple[str, int]


class Strangers:
    """The connections of one page that have no login, the oldest first."""

    def __init__(self, most: int = MAX_STRANGERS) -> None:
        self.most = most
        self._transports: dict[Peer, asyncio.Transport] = {}

    def came(self, peer: Peer, transport: asyncio.Transport) -> None:
        if len(self._transports) >= self.most:
            self.drop(oldest_of_most({peer: peer[0] for peer in self._transports}))
        self._transports[peer] = transport

    def known(self, peer: Peer) -> None:
        """Forget a connection: a request with a login came on it, or it has ended."""
        self._transports.pop(peer, None)

    def drop(self, peer: Peer) -> None:
        """Close a connection if it has no login yet."""
        transport = self._transports.pop(peer, None)
        if transport is not None:
            transport.abort()

    def protocol(self) -> Any:
        """uvicorn's protocol of HTTP, whose connections are counted here."""
        from uvicorn.protocols.http.auto import AutoHTTPProtocol

        strangers = self

        class Counted(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
            peer: Peer

            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                self.peer = tuple((transport.get_extra_info("peername") or ("", 0))[:2])
                strangers.came(self.peer, transport)
                loop = asyncio.get_running_loop()
                self.deadline = loop.call_later(STRANGER_S, strangers.drop, self.peer)

            def connection_lost(self, error: Exception | None) -> None:
                self.deadline.cancel()
                strangers.known(self.peer)
                super().connection_lost(error)

        return Counted
