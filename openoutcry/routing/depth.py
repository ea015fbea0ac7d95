"""The consolidated depth of an instrument: every venue's levels with venue, fee and age."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import openoutcry.routing.depth_kernels as kernels
from openoutcry.market_data.book import Book
from openoutcry.market_data.book_state import BookHeader
from openoutcry.routing.depth_kernels import (
    HALTED,
    HEADER_BYTES,
    LEVEL_BYTES,
    LISTED_BYTES,
    LIVE,
    LOST,
    MERGED_BYTES,
    NAMES,
    REFUSED,
    VENUE_BYTES,
    DepthHeader,
    VenueDepth,
)
from openoutcry.routing.instruments import BUY, MAX_PRICE, MAX_QUANTITY, Market, RoutingError

__all__ = ["HALTED", "LIVE", "LOST", "Depth", "Level"]

Pairs = Sequence[tuple[int, int]]
"""(price, quantity) of a side, best first, in a venue's units."""


class Level(NamedTuple):
    """A level of the consolidated depth, in the router's units."""

    key: int
    """Price with the taker's fee in millionths; of bids negative: less is better."""
    price: int
    quantity: int
    venue: int
    since_ns: int
    """When its price or quantity changed."""


class Depth:
    """The levels of all venues of a market; ``levels`` of each side of each venue."""

    def __init__(self, market: Market, levels: int = 20) -> None:
        if not 1 <= levels <= 1_000:
            raise RoutingError(f"{levels} levels are not 1 to 1,000")
        self.market, self.levels = market, levels
        count = len(market.venues)
        stride = VENUE_BYTES + 2 * levels * LEVEL_BYTES
        room_at = HEADER_BYTES + count * stride
        listed_at = room_at + levels * LEVEL_BYTES
        self._memory = np.zeros((listed_at + levels * LISTED_BYTES) // 8, np.int64)
        self.address = self._memory.ctypes.data
        header = DepthHeader(self.address)
        header.venues, header.levels, header.stride = count, levels, stride
        header.room_at, header.listed_at = room_at, listed_at
        header.max_price, header.max_quantity = MAX_PRICE, MAX_QUANTITY
        for number, (venue, listing) in enumerate(zip(market.venues, market.listings, strict=True)):
            row = self._venue(number)
            row.taker_ppm, row.stale_ns = venue.taker_ppm, venue.stale_ns
            row.price_factor = listing.price_factor
            row.quantity_factor = listing.quantity_factor
            row.bids_at = HEADER_BYTES + number * stride + VENUE_BYTES
            row.asks_at = row.bids_at + levels * LEVEL_BYTES
        most = count * levels
        self._merged = np.zeros((most, MERGED_BYTES // 8), np.int64)
        self.merged_address = self._merged.ctypes.data
        """Of the rows of :meth:`merged`."""

    def _venue(self, number: int) -> VenueDepth:
        stride = DepthHeader(self.address).stride
        return VenueDepth(self.address + HEADER_BYTES + number * stride)

    @property
    def changes(self) -> int:
        """Return how often levels or a status changed: what was made of the depth is current if
        equal."""
        return DepthHeader(self.address).changes

    def set_status(self, venue: int, status: int, now_ns: int) -> None:
        """Note LOST (the levels are void), LIVE or HALTED; levels come by :meth:`set_levels`."""
        kernels.set_status(DepthHeader.of(self.address), venue, status, now_ns)

    def set_levels(self, venue: int, bids: Pairs, asks: Pairs, now_ns: int) -> bool:
        """Replace both sides of a venue.  False: they cannot be right, and the feed is LOST."""
        for is_bid, pairs in ((1, bids), (0, asks)):
            rows = np.array(list(pairs[: self.levels]), np.int64).reshape(-1, 2)
            at = venue, is_bid, rows.ctypes.data, 16, len(rows), now_ns
            if kernels.set_side(DepthHeader.of(self.address), *at) == REFUSED:
                return False
        return True

    def follow(self, venue: int, book: Book, locate: int, now_ns: int) -> bool:
        """Take over an instrument of a receiver's book.  False as of :meth:`set_levels`."""
        source, target = BookHeader.of(book.address), DepthHeader.of(self.address)
        return bool(kernels.follow(source, locate, target, venue, now_ns) != REFUSED)

    def heard(self, venue: int, now_ns: int) -> None:
        """Note that the venue's feed is alive and complete, though nothing changed."""
        self._venue(venue).heard_ns = now_ns

    def status(self, venue: int, now_ns: int) -> str:
        """Return ``live``, ``lost``, ``halted``, ``crossed`` or ``stale``."""
        return NAMES[kernels.status_of(VenueDepth.of(int(self._venue(venue))), now_ns)]

    def merged(self, side: int, now_ns: int) -> npt.NDArray[np.int64]:
        """The rows (:class:`Level`) that an order of that side takes, best first; a view that the
        next call overwrites."""
        most = len(self._merged)
        at = int(side != BUY), now_ns, self.merged_address, most
        return self._merged[: kernels.merge(DepthHeader.of(self.address), *at)]

    def take_side(self, side: int, now_ns: int, most: int = 1 << 30) -> list[Level]:
        """The levels that an order of that side takes, best first after fees."""
        return [Level(*row) for row in self.merged(side, now_ns)[:most].tolist()]

    def mid(self, now_ns: int) -> tuple[int, int] | None:
        """Best ask and bid before fees, None where a side is empty: their mean is the middle."""
        asks, bids = (self.merged(side, now_ns)[:, 1].copy() for side in (BUY, -BUY))
        return (int(asks.min()), int(bids.max())) if len(asks) and len(bids) else None
