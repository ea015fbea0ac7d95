"""Owners of order ids: which source may choose which.

A session's order id is allocated by the venue, and the venue finds the order's owner by it. Every
door that takes ids from outside therefore refuses the ids of other owners."""

from dataclasses import dataclass

VENUE_ORDER_IDS = 1 << 61
"""The first id that the venue itself allocates."""
SESSION_ORDER_IDS = 1 << 62
"""The first id of the orders of sessions."""
LEG_ORDER_IDS = SESSION_ORDER_IDS | VENUE_ORDER_IDS
"""The first id of the orders of sessions that have terms, as legs of lists do.  A NEW with such an
id whose terms are gone is refused: it is never an order without them."""
OFF_BOOK_ORDER_IDS = VENUE_ORDER_IDS | VENUE_ORDER_IDS >> 1
"""First of the venue's ids for the two sides of an off-book trade or takeover: this plus twice the
command's sequence, plus 1 for the seller."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """Order ids from ``first`` to ``last`` (signed 64 bits), and the allocator."""

    first: int
    last: int
    owner: str
    doc: str


ORDER_ID_RANGES = (
    IdRange(-(1 << 63), VENUE_ORDER_IDS - 1, "packets", "chosen by the sender of the packet"),
    IdRange(
        VENUE_ORDER_IDS,
        SESSION_ORDER_IDS - 1,
        "venue",
        "allocated by the venue: the orders with which it liquidates positions, and, from "
        f"{OFF_BOOK_ORDER_IDS} on, the two sides of each off-book trade and takeover",
    ),
    IdRange(
        SESSION_ORDER_IDS,
        (1 << 63) - 1,
        "sessions",
        "allocated by the venue for each order that a session enters; from "
        f"{LEG_ORDER_IDS} on those that have terms (legs of lists)",
    ),
)
"""Every id has one owner; ascending, without a hole."""


@dataclass(frozen=True, slots=True)
class Door:
    """A way by which commands come in, and the owners whose order ids it may bring."""

    name: str
    brings: tuple[str, ...]
    doc: str


DOORS = (
    Door("packets", ("packets",), "UDP, AF_XDP and DPDK, with a session's key or without"),
    Door("sessions", (), "OUCH, FIX and the participants' page: names, each session's its own"),
    Door("desk", (), "the operator's requests: participants, never orders"),
)
"""Each refuses the ids of all other owners."""
