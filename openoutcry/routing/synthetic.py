"""Synthetic books: an instrument priced through others, with the size that could be executed.

A :class:`Path` converts through up to three instruments.  A
:class:`Basket` is a weighted sum of instruments with one quote asset (a spread, an index).  All is
exact: amounts are whole units of 10^-24, and prices are rounded against the order.  Sizes do not
regard the legs' lots and minimums; a plan of each leg does.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from openoutcry.routing.depth import Depth, Level
from openoutcry.routing.instruments import BUY, PART, Instrument, RoutingError

MAX_LEGS = 3
DECIMALS = 24
"""Decimals of amounts: the product of a price and a quantity of 12 decimals each is a whole number.
"""
DUST = 10**6
"""Less than this is left of a level when rounding, and no quantity, is what remains."""


class SyntheticLevel(NamedTuple):
    """A level of a synthetic book, in the units of its instrument."""

    price: int
    """With the takers' fees of the legs."""
    quantity: int


class _Part(NamedTuple):
    """A level of a leg: what is got for what is given, whole units of 10^-24."""

    get: int
    give: int


class Synthetic(ABC):
    """A book that is made of others.  It is computed again only when one of them has changed."""

    instrument: Instrument
    depths: Sequence[Depth]

    def __init__(self) -> None:
        self._levels: dict[int, tuple[object, list[SyntheticLevel]]] = {}

    def take_side(self, side: int, now_ns: int) -> list[SyntheticLevel]:
        """The levels that an order of that side takes, best first."""
        state = [
            (depth.changes, [depth.status(v, now_ns) for v in range(len(depth.market.venues))])
            for depth in self.depths
        ]
        known = self._levels.get(side)
        if known is None or known[0] != state:
            known = self._levels[side] = state, self._made(side, now_ns)
        return known[1]

    @abstractmethod
    def _made(self, side: int, now_ns: int) -> list[SyntheticLevel]: ...


class Path(Synthetic):
    """An instrument through a chain of others: each leg shares an asset with the next one."""

    def __init__(self, instrument: Instrument, depths: Sequence[Depth]) -> None:
        """Raises :class:`RoutingError` unless the legs lead from the base to the quote asset."""
        super().__init__()
        if not 1 <= len(depths) <= MAX_LEGS:
            raise RoutingError(f"{instrument.symbol}: {len(depths)} legs, not 1 to {MAX_LEGS}")
        self.instrument, self.depths = instrument, tuple(depths)
        self._inverted: list[bool] = []
        asset = instrument.base
        for depth in depths:
            leg = depth.market.instrument
            if asset not in (leg.base, leg.quote):
                raise RoutingError(f"{instrument.symbol}: {leg.symbol} does not trade {asset}")
            self._inverted.append(asset == leg.quote)
            asset = leg.base if asset == leg.quote else leg.quote
        if asset != instrument.quote:
            raise RoutingError(f"{instrument.symbol}: the legs end at {asset}")

    def _made(self, side: int, now_ns: int) -> list[SyntheticLevel]:
        legs = [
            _parts(depth, side if not is_inverted else -side, now_ns)
            for depth, is_inverted in zip(self.depths, self._inverted, strict=True)
        ]
        # Who buys pays the quote for the base, who sells the base for the quote: the other way.
        prices = 10**self.instrument.price_decimals
        unit = 10 ** (DECIMALS - self.instrument.quantity_decimals)
        levels = _Levels(side)
        for get, give, cost, gain in _chained(legs if side == BUY else legs[::-1]):
            if side == BUY:
                levels.add(-(-cost * prices // gain), get, unit)
            else:
                levels.add(gain * prices // cost, give, unit)
        return levels.rows


class Basket(Synthetic):
    """A weighted sum of instruments, divided by ``divisor``: a negative weight is sold when the
    basket is bought.  Prices may be negative."""

    def __init__(
        self,
        instrument: Instrument,
        depths: Sequence[Depth],
        weights: Sequence[int],
        divisor: int = 1,
    ) -> None:
        """Raises :class:`RoutingError` for a leg of another quote asset, or of weight 0."""
        super().__init__()
        for depth, weight in zip(depths, weights, strict=True):
            leg = depth.market.instrument
            if leg.quote != instrument.quote or weight == 0:
                raise RoutingError(
                    f"{instrument.symbol}: {leg.symbol} needs a weight, and {instrument.quote} "
                    "as its quote asset"
                )
        self.instrument, self.depths = instrument, tuple(depths)
        self.weights, self.divisor = tuple(weights), divisor

    def _made(self, side: int, now_ns: int) -> list[SyntheticLevel]:
        legs = []
        for depth, weight in zip(self.depths, self.weights, strict=True):
            own = side if weight > 0 else -side
            leg = depth.market.instrument
            unit = 10 ** (DECIMALS - leg.quantity_decimals)
            legs.append(
                [
                    [_price(one, own, leg), one.quantity * unit]
                    for one in depth.take_side(own, now_ns)
                ]
            )
        places = [0] * len(legs)
        levels = _Levels(side)
        scale = 10 ** (DECIMALS - self.instrument.price_decimals) * self.divisor
        unit = 10 ** (DECIMALS - self.instrument.quantity_decimals)
        while all(place < len(leg) for place, leg in zip(places, legs, strict=True)):
            rows = [leg[place] for place, leg in zip(places, legs, strict=True)]
            count = min(
                row[1] // abs(weight) for row, weight in zip(rows, self.weights, strict=True)
            )
            total = sum(row[0] * weight for row, weight in zip(rows, self.weights, strict=True))
            if count:
                levels.add(-(-total // scale) if side == BUY else total // scale, count, unit)
            for index, (row, weight) in enumerate(zip(rows, self.weights, strict=True)):
                row[1] -= count * abs(weight)
                places[index] += row[1] < max(abs(weight), DUST)
        return levels.rows


@dataclass
class _Levels:
    """Levels as they come: equal prices are one level, quantities whole units of the instrument.
    What is less than a unit is carried on to the next, worse level."""

    side: int
    rows: list[SyntheticLevel] = field(default_factory=list)
    _total: int = 0
    """Return the total, in 10^-24."""
    _shown: int = 0

    def add(self, price: int, amount: int, unit: int) -> None:
        self._total += amount
        quantity = self._total // unit - self._shown
        if quantity == 0:
            return
        self._shown += quantity
        if self.rows and self.rows[-1].price == price:
            self.rows[-1] = SyntheticLevel(price, self.rows[-1].quantity + quantity)
        else:
            self.rows.append(SyntheticLevel(price, quantity))


def _price(level: Level, side: int, leg: Instrument) -> int:
    """A price with its fee in 10^-24, rounded against the order."""
    factor = 10 ** (DECIMALS - leg.price_decimals)
    return side * -(-level.key * factor // PART)


def _parts(depth: Depth, side: int, now_ns: int) -> list[_Part]:
    """A leg's levels: bought, the base for the quote; sold, the quote for the base.  Fees are
    rounded up."""
    leg = depth.market.instrument
    unit = 10 ** (DECIMALS - leg.quantity_decimals)
    value = 10 ** (DECIMALS - leg.quantity_decimals - leg.price_decimals)
    parts = []
    for level in depth.take_side(side, now_ns):
        base, quote = level.quantity * unit, -(-level.key * level.quantity * value // PART)
        parts.append(_Part(base, quote) if side == BUY else _Part(-quote, base))
    return parts


def _chained(legs: Sequence[Sequence[_Part]]) -> list[tuple[int, int, int, int]]:
    """Return the amounts received and given through the chain, and the exact ratio (given, got) of
    its levels. The first leg gets what is wanted, each leg pays with what the next one gets."""
    places = [0] * len(legs)
    left = [leg[0] if leg else _Part(0, 0) for leg in legs]
    segments = []
    while all(place < len(leg) for place, leg in zip(places, legs, strict=True)):
        most = left[-1].get
        for part in left[-2::-1]:
            most = part.get * min(part.give, most) // part.give
        get = flow = most
        cost = gain = 1
        for index, part in enumerate(left):
            whole = legs[index][places[index]]
            cost, gain = cost * whole.give, gain * whole.get
            give = min(-(-flow * whole.give // whole.get), part.give)
            left[index] = _Part(part.get - flow, part.give - give)
            flow = min(give, left[index + 1].get) if index + 1 < len(left) else give
        if get > DUST and flow > 0:
            segments.append((get, flow, cost, gain))
        for index, part in enumerate(left):
            if part.get <= DUST or part.give <= DUST:
                places[index] += 1
                if places[index] < len(legs[index]):
                    left[index] = legs[index][places[index]]
    return segments
