"""The slow, obvious counterparts of the kernels of depth and split."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from openoutcry.routing.instruments import BUY, MAX_PRICE, MAX_QUANTITY, PART, Market

Pairs = Sequence[tuple[int, int]]


@dataclass
class _Side:
    levels: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Quantity and time by price."""


class ReferenceDepth:
    """State of :class:`openoutcry.routing.depth.Depth`, from all that was ever reported."""

    def __init__(self, market: Market, levels: int = 20) -> None:
        self.market, self.most = market, levels
        count = len(market.venues)
        self.statuses = ["lost"] * count
        self.heard_ns = [0] * count
        self.sides = [{BUY: _Side(), -BUY: _Side()} for _ in range(count)]
        """By venue and the side of its resting orders."""

    def set_status(self, venue: int, status: str, now_ns: int) -> None:
        """Like the depth's."""
        self.statuses[venue], self.heard_ns[venue] = status, now_ns
        if status == "lost":
            self.sides[venue] = {BUY: _Side(), -BUY: _Side()}

    def set_levels(self, venue: int, bids: Pairs, asks: Pairs, now_ns: int) -> bool:
        """Like the depth's."""
        listing = self.market.listings[venue]
        for side, pairs in ((BUY, bids[: self.most]), (-BUY, asks[: self.most])):
            prices = [price for price, _ in pairs]
            if (
                prices != sorted(set(prices), reverse=side == BUY)
                or any(not 0 < p <= MAX_PRICE // listing.price_factor for p in prices)
                or any(not 0 < q <= MAX_QUANTITY // listing.quantity_factor for _, q in pairs)
            ):
                self.set_status(venue, "lost", now_ns)
                return False
            old, new = self.sides[venue][side].levels, {}
            for price, quantity in pairs:
                price, quantity = price * listing.price_factor, quantity * listing.quantity_factor
                before = old.get(price, (0, 0))
                new[price] = before if before[0] == quantity else (quantity, now_ns)
            self.sides[venue][side].levels = new
        self.heard_ns[venue] = now_ns
        return True

    def status(self, venue: int, now_ns: int) -> str:
        """Like the depth's."""
        bids, asks = (self.sides[venue][side].levels for side in (BUY, -BUY))
        if self.statuses[venue] != "live":
            return self.statuses[venue]
        if bids and asks and max(bids) >= min(asks):
            return "crossed"
        is_stale = now_ns - self.heard_ns[venue] > self.market.venues[venue].stale_ns
        return "stale" if is_stale else "live"

    def take_side(self, side: int, now_ns: int) -> list[tuple[int, int, int, int, int]]:
        """Like the depth's: all levels of all venues, sorted."""
        levels = [
            (price * (side * PART + venue.taker_ppm), price, quantity, number, since_ns)
            for number, venue in enumerate(self.market.venues)
            if self.status(number, now_ns) == "live"
            for price, (quantity, since_ns) in self.sides[number][-side].levels.items()
        ]
        return sorted(levels, key=lambda level: (level[0], level[3]))


@dataclass(frozen=True)
class SplitLimits:
    """A venue in :func:`optimal_split`."""

    levels: Pairs
    """(cost of a unit, quantity), cheapest first."""
    lot: int
    least: int
    most: int
    order_fee: int = 0


def optimal_split(quantity: int, venues: Sequence[SplitLimits]) -> tuple[int, int]:
    """The most that can be filled, and the least cost of that: all quantities of all venues."""
    costs: dict[int, int] = {0: 0}
    for venue in venues:
        choices = {0: 0}
        for lots in range(1, min(quantity, venue.most) // venue.lot + 1):
            taken = cost = 0
            wanted = lots * venue.lot
            for price, shown in venue.levels:
                part = min(shown, wanted - taken)
                taken, cost = taken + part, cost + part * price
            if taken == wanted >= venue.least:
                choices[wanted] = cost + venue.order_fee
        new: dict[int, int] = {}
        for before, cost in costs.items():
            for wanted, more in choices.items():
                total = before + wanted
                if total <= quantity:
                    new[total] = min(new.get(total, cost + more), cost + more)
        costs = new
    filled = max(costs)
    return filled, costs[filled]
