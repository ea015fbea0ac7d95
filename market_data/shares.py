"""A share of a server's places for each address, so that one client does not take all of them.

Addresses of this host have no share: a proxy on it acts for all its clients.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openoutcry.wire.peers import HERE, address_of


class Shares:
    """Places in use, by address."""

    def __init__(self, places: int, each: int) -> None:
        """``places`` in all, ``each`` of one address."""
        self.places, self.each = places, each
        self.taken: Counter[str] = Counter()

    def has_place(self, peer: Any) -> bool:
        """``peer``: as a socket names it; what has no address counts as one."""
        address = address_of(peer)
        own = self.each if address not in HERE else self.places
        return self.taken.total() < self.places and self.taken[address] < own

    @contextmanager
    def place(self, peer: Any) -> Iterator[None]:
        """Hold a place for the block."""
        address = address_of(peer)
        self.taken[address] += 1
        try:
            yield
        finally:
            self.taken[address] -= 1
            if not self.taken[address]:
                del self.taken[address]
