"""Plan the children of an order: how much goes to which venue, at which price at worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import openoutcry.routing.split_kernels as kernels
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, PART, SELL, Listing
from openoutcry.routing.split_kernels import (
    HEADER_BYTES,
    MAX_VENUES,
    NODE_BYTES,
    ROW_BYTES,
    TOTAL_BYTES,
    VENUE_BYTES,
    SplitHeader,
    SplitVenue,
)


@dataclass(frozen=True)
class Slice:
    """Part of a plan for one venue, in the router's units."""

    venue: int
    quantity: int
    price: int
    """Price of the worst level that it takes: the limit of the child."""
    notional: int
    """Price times quantity of the levels that it takes, before fees."""


@dataclass(frozen=True)
class Plan:
    """A split of an order, and what it is expected to cost."""

    side: int
    quantity: int
    slices: tuple[Slice, ...]
    fees: int
    """Takers' fees in millionths of price times quantity, and fees of orders."""

    @property
    def filled(self) -> int:
        """Return what the slices add up to."""
        return sum(slice_.quantity for slice_ in self.slices)

    @property
    def notional(self) -> int:
        """Return price times quantity before fees."""
        return sum(slice_.notional for slice_ in self.slices)


class Splitter:
    """Plans orders on one depth; its memory is used again for each plan."""

    def __init__(self, depth: Depth) -> None:
        self.depth, self.market = depth, depth.market
        count = len(self.market.venues)
        rows = count * depth.levels
        nodes_at = HEADER_BYTES + count * VENUE_BYTES
        rows_at = nodes_at + (2 * MAX_VENUES + 2) * NODE_BYTES
        totals_at = rows_at + rows * ROW_BYTES
        self._memory = np.zeros((totals_at + rows * count * TOTAL_BYTES) // 8, np.int64)
        self.address = self._memory.ctypes.data
        header = SplitHeader(self.address)
        header.venues, header.nodes_at, header.rows_at = count, nodes_at, rows_at
        header.totals_at = totals_at
        self.rows = [
            SplitVenue(self.address + HEADER_BYTES + number * VENUE_BYTES)
            for number in range(count)
        ]
        for row, venue, listing in zip(
            self.rows, self.market.venues, self.market.listings, strict=True
        ):
            row.lot, row.shown_ppm = listing.lot_units(), venue.shown_ppm
            row.order_fee = venue.order_fee * PART

    def plan(
        self,
        side: int,
        quantity: int,
        limit: int,
        now_ns: int,
        most: Sequence[int] | None = None,
    ) -> Plan:
        """The cheapest split of an order at ``limit`` or better (0: any price).

        ``most``: by venue, what balance and risk limits leave; 0: nothing goes there."""
        levels = self.depth.merged(side, now_ns)
        self._prepare(side, limit, levels, most)
        SplitHeader(self.address).quantity = quantity
        kernels.plan(SplitHeader.of(self.address), self.depth.merged_address, len(levels))
        return self._result(side, quantity, levels)

    def _prepare(
        self,
        side: int,
        limit: int,
        levels: npt.NDArray[np.int64],
        most: Sequence[int] | None,
    ) -> None:
        """The venues' rows of a plan."""
        shown: list[list[tuple[int, int]]] = [[] for _ in self.rows]
        for _, price, quantity, number, _ in levels.tolist():
            if not limit or side * price <= side * limit:
                part = quantity * self.market.venues[number].shown_ppm // PART
                shown[number].append((price, part))
        for number, (row, venue, listing) in enumerate(
            zip(self.rows, self.market.venues, self.market.listings, strict=True)
        ):
            own = listing.most() if most is None else min(most[number], listing.most())
            row.least, row.most = sizes(listing, side, shown[number], max(own, 0))
            row.limit = limit_key(side, limit, venue.taker_ppm)

    def _result(self, side: int, quantity: int, levels: npt.NDArray[np.int64]) -> Plan:
        left = [row.best for row in self.rows]
        worst, notional = [0] * len(left), [0] * len(left)
        for _, price, shown, number, _ in levels.tolist():
            if left[number]:
                venue = self.market.venues[number]
                taken = min(left[number], max(1, shown * venue.shown_ppm // PART))
                left[number] -= taken
                worst[number] = price
                notional[number] += price * taken
        slices = tuple(
            Slice(number, row.best, worst[number], notional[number])
            for number, row in enumerate(self.rows)
            if row.best
        )
        fees = sum(
            slice_.notional * self.market.venues[slice_.venue].taker_ppm
            + self.market.venues[slice_.venue].order_fee * PART
            for slice_ in slices
        )
        return Plan(side, quantity, slices, fees)


def sizes(
    listing: Listing, side: int, levels: Sequence[tuple[int, int]], most: int
) -> tuple[int, int]:
    """The smallest and the largest order that a venue takes now, between which it takes all:
    ``levels`` are (price, quantity), the best first.  A least notional is reached by what the
    order takes, and by all of it at the order's limit, the worst of its prices."""
    least = listing.least(0) if listing.min_notional == 0 else 0
    if least or not levels:
        return least or listing.least(levels[0][0] if levels else 1), most
    wanted = listing.min_notional * listing.price_factor * listing.quantity_factor
    lot, taken, notional = listing.lot_units(), 0, 0
    start = end = 0
    for price, quantity in levels:
        quantity = min(quantity, most - taken)
        if quantity <= 0:
            break
        if side == BUY:
            # By what is paid: less than the limit would give, and growing with the quantity.
            first = taken + max(0, -(-(wanted - notional) // price))
        else:
            first = max(taken, -(-wanted // price))
        taken, notional = taken + quantity, notional + price * quantity
        if first > taken:
            continue
        if not end or end < first - 1:
            start = first
        end = taken
    smallest = max(listing.min_quantity * listing.quantity_factor, start)
    return -(-smallest // lot) * lot, end


def limit_key(side: int, limit: int, taker_ppm: int) -> int:
    """The worst key of a venue's levels at a limit price; 0: any price."""
    if limit == 0:
        return kernels.FAR
    return limit * (PART + taker_ppm if side == BUY else taker_ppm - PART)


def total_cost(plan: Plan) -> int:
    """Price times quantity with fees, in millionths: what a buyer pays, or minus what a seller
    gets."""
    assert plan.side in (BUY, SELL)
    return plan.side * plan.notional * PART + plan.fees
