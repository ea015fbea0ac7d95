"""Connections to a page on which nobody has logged in: none of them keeps others out.

There are MAX_STRANGERS at most.  For one more, the address that has most of them loses its oldest,
and each is closed STRANGER_S after it came unless somebody logs in on it.
"""

import asyncio
from collections import Counter
from typing import Any

MAX_STRANGERS = 256
STRANGER_S = 120.0
Peer = tuple[str, int]


class Strangers:
    """Those of one page, the oldest first."""

    def __init__(self, most: int = MAX_STRANGERS) -> None:
        self.most = most
        self._transports: dict[Peer, asyncio.Transport] = {}

    def came(self, peer: Peer, transport: asyncio.Transport) -> None:
        if len(self._transports) >= self.most:
            ((address, _),) = Counter(host for host, _ in self._transports).most_common(1)
            self.drop(next(one for one in self._transports if one[0] == address))
        self._transports[peer] = transport

    def known(self, peer: Peer) -> None:
        """Somebody who has logged in asks on this connection."""
        self._transports.pop(peer, None)

    def drop(self, peer: Peer) -> None:
        """Close a connection on which nobody has logged in; any other is left alone."""
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
