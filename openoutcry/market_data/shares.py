"""A share of a server's places and of its time for each address, so that one client does not take
all of them.

Addresses of this host have no share of places: a proxy on it acts for all its clients.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openoutcry.wire.peers import HERE, address_of

MAX_CLIENTS = 4096
"""Clients whose requests are counted; of more the one that asked longest ago is forgotten."""


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


@dataclass
class Allowance:
    """Messages that a client may still request, as of a time."""

    left: float
    as_of_ns: int


class Allowances:
    """Requests of each client: ``at_once`` of them, and ``per_s`` more each second."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self.per_s, self.at_once = per_s, at_once
        self.known: dict[Hashable, Allowance] = {}

    def of(self, client: Hashable, now_ns: int) -> Allowance:
        """Return how much a client has left now; it is the one that asked last from here on."""
        one = self.known.pop(client, None)
        if one is None:
            one = Allowance(self.at_once, now_ns)
            if len(self.known) >= MAX_CLIENTS:
                del self.known[next(iter(self.known))]
        earned = (now_ns - one.as_of_ns) * self.per_s / 1e9
        one.left, one.as_of_ns = min(self.at_once, one.left + earned), now_ns
        self.known[client] = one
        return one

    def take(self, client: Hashable, now_ns: int) -> bool:
        """Use one; False if the client has none left."""
        one = self.of(client, now_ns)
        if one.left < 1:
            return False
        one.left -= 1
        return True
