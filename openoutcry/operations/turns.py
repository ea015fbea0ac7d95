"""Work in turns: a few at once, of one owner fewer; others wait, of one owner so many at most.

An owner is an address whose passwords are checked, or a user whose portfolio is computed.  Turns go
round among owners: an owner that waits for its own turn is behind all others.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from openoutcry.wire.errors import OutcryError
from openoutcry.wire.peers import HERE, owner_of

AT_ONCE, EACH = 4, 2
"""Logins that are under way, in all and of one address."""
WAITING_EACH = 16
"""Logins of one address that wait; further ones are refused."""
AGAIN_S = 1.0


class TurnsError(OutcryError):
    """Too much of one owner waits; ``wait_s`` until it is worth another try."""

    wait_s = AGAIN_S


class Turns:
    """The turns of one page or API."""

    def __init__(
        self, at_once: int = AT_ONCE, each: int = EACH, waiting: int = WAITING_EACH
    ) -> None:
        self.at_once, self.each, self.waiting = at_once, each, waiting
        self._all = asyncio.Semaphore(at_once)
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._count: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Hold a turn of an address for the block.  Raises :class:`TurnsError` if too many of the
        address wait."""
        owner = owner_of(address)
        # A proxy on this host speaks for all its clients.
        each, most = (self.at_once, 1 << 62) if owner in HERE else (self.each, self.waiting)
        async with self._turn(owner, each, most, "logins of this address"):
            yield

    @asynccontextmanager
    async def turn_of(self, user: str) -> AsyncIterator[None]:
        """Hold a turn of a user for the block.  Raises :class:`TurnsError`."""
        async with self._turn(user, self.each, self.waiting, "of your requests"):
            yield

    @asynccontextmanager
    async def _turn(self, owner: str, each: int, waiting: int, what: str) -> AsyncIterator[None]:
        if self._count[owner] >= each + waiting:
            raise TurnsError(f"too many {what} wait")
        own = self._own.setdefault(owner, asyncio.Semaphore(each))
        self._count[owner] += 1
        try:
            async with own, self._all:
                yield
        finally:
            self._count[owner] -= 1
            if not self._count[owner]:
                del self._count[owner]
