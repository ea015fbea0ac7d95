"""Algorithms: how much of a parent may have traded by a time, and where the rest may rest.

Each is a pure function of the parent, the time and the market as seen: the same records give the
same children, live and in a backtest.  Parameters are in the parent's terms, and so in its file.
"""

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, PART, RoutingError
from openoutcry.routing.parents import Parent

MAX_BARS = 10_000
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class Seen:
    """Input of an algorithm."""

    now_ns: int
    depth: Depth
    volume: int = 0
    """Traded at all venues since the parent came, or since the router began again."""
    had: int = 0
    """What of the parent had traded by then."""
    own: Mapping[tuple[int, int, int], int] = field(default_factory=dict)
    """What the router's orders rest with, by side, the venue's number and price."""


@dataclass(frozen=True)
class Algorithm(ABC):  # noqa: B024
    """All at once; the others say less."""

    shown: int = 0
    """Quantity of a resting order; 0: all."""

    def target(self, parent: Parent, market: Seen) -> int:
        """Return how much may have traded or be out by now."""
        return parent.quantity

    def price(self, parent: Parent, market: Seen) -> int:
        """Return where a resting order is; 0: nowhere."""
        return parent.limit

    def is_over(self, parent: Parent, market: Seen) -> bool:
        """Return whether the target does not rise any more: then a parent that finds nothing
        ends."""
        return True


@dataclass(frozen=True)
class Twap(Algorithm):
    """Equal slices over a time."""

    span_ns: int = 0
    slices: int = 10

    def __post_init__(self) -> None:
        if self.span_ns <= 0 or not 1 <= self.slices <= MAX_BARS:
            raise RoutingError(f"twap needs span_ns and 1 to {MAX_BARS:,} slices")

    def target(self, parent: Parent, market: Seen) -> int:
        elapsed_ns = market.now_ns - parent.terms.created_ns
        begun = min(self.slices, 1 + elapsed_ns * self.slices // self.span_ns)
        return parent.quantity * begun // self.slices

    def is_over(self, parent: Parent, market: Seen) -> bool:
        return market.now_ns - parent.terms.created_ns >= self.span_ns


@dataclass(frozen=True)
class Vwap(Algorithm):
    """Slices in proportion to the usual volume of each bar (:mod:`market_data.bars`)."""

    bar_ns: int = 0
    volumes: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.bar_ns <= 0 or not 1 <= len(self.volumes) <= MAX_BARS or sum(self.volumes) <= 0:
            raise RoutingError("vwap needs bar_ns and the volumes of the bars")

    def target(self, parent: Parent, market: Seen) -> int:
        elapsed_ns = market.now_ns - parent.terms.created_ns
        bar, within_ns = divmod(elapsed_ns, self.bar_ns)
        if bar >= len(self.volumes):
            return parent.quantity
        done = sum(self.volumes[:bar]) * self.bar_ns + self.volumes[bar] * within_ns
        return parent.quantity * done // (sum(self.volumes) * self.bar_ns)

    def is_over(self, parent: Parent, market: Seen) -> bool:
        elapsed_ns = market.now_ns - parent.terms.created_ns
        return elapsed_ns >= self.bar_ns * len(self.volumes)


def usual_volumes(
    bars: Iterable[tuple[int, int]], bar_ns: int, from_ns: int, span_ns: int
) -> list[int]:
    """The volumes of :class:`Vwap` for a span from a time on: all that ``bars`` (begin in ns since
    the epoch, volume) traded at that time of day."""
    count = -(-span_ns // max(bar_ns, 1))
    if bar_ns <= 0 or not 1 <= count <= MAX_BARS:
        raise RoutingError(f"vwap needs bar_ns and a span_ns of 1 to {MAX_BARS:,} bars")
    volumes = [0] * count
    for begin_ns, volume in bars:
        place = (begin_ns - from_ns) % DAY_NS // bar_ns
        if place < count:
            volumes[place] += volume
    return volumes


@dataclass(frozen=True)
class Pov(Algorithm):
    """A share of what trades: ``rate_ppm`` of the volume, the own trades included."""

    rate_ppm: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.rate_ppm < PART:
            raise RoutingError(f"pov needs rate_ppm of 1 to {PART - 1:,}")

    def target(self, parent: Parent, market: Seen) -> int:
        return min(parent.quantity, market.had + market.volume * self.rate_ppm // PART)

    def is_over(self, parent: Parent, market: Seen) -> bool:
        """Never: more may always trade."""
        return False


@dataclass(frozen=True)
class Peg(Algorithm):
    """Rests ``offset`` away from the best price that others show on the order's side, never beyond
    the limit."""

    offset: int = 0

    def price(self, parent: Parent, market: Seen) -> int:
        """The best price on the order's side less the offset; 0: that side has no level."""
        side = parent.terms.side
        # What an order of the other side takes is what this side shows.  A price that only our own
        # orders show is left out: it would be left, or outbid, again and again.
        levels = market.depth.take_side(-side, market.now_ns)
        prices = [
            level.price
            for level in levels
            if level.quantity != market.own.get((side, level.venue, level.price))
        ]
        if not prices:
            return 0
        best = max(prices) if side == BUY else min(prices)
        price = best - side * self.offset
        return min(price, parent.limit) if side == BUY else max(price, parent.limit)


@dataclass(frozen=True)
class Arrival(Algorithm):
    """Faster at first, to end near the price at arrival: what is left halves every ``half_ns``, and
    all of it is due after ``span_ns``."""

    span_ns: int = 0
    half_ns: int = 0

    def __post_init__(self) -> None:
        if self.span_ns <= 0 or self.half_ns <= 0:
            raise RoutingError("arrival needs span_ns and half_ns")

    def target(self, parent: Parent, market: Seen) -> int:
        elapsed_ns = market.now_ns - parent.terms.created_ns
        if elapsed_ns >= self.span_ns:
            return parent.quantity
        # In whole numbers: linear between the halvings.
        halvings, within_ns = divmod(elapsed_ns, self.half_ns)
        left = parent.quantity * (2 * self.half_ns - within_ns) // (2 * self.half_ns)
        return parent.quantity - (left >> min(halvings, 64))

    def is_over(self, parent: Parent, market: Seen) -> bool:
        return market.now_ns - parent.terms.created_ns >= self.span_ns


ALGORITHMS: dict[str, type[Algorithm]] = {
    "": Algorithm,
    "twap": Twap,
    "vwap": Vwap,
    "pov": Pov,
    "iceberg": Algorithm,
    "peg": Peg,
    "arrival": Arrival,
}


def algorithm_of(terms: Mapping[str, Any]) -> Algorithm:
    """The algorithm of a parent's terms: ``name`` and its parameters.  Raises
    :class:`RoutingError`."""
    values = dict(terms)
    name = values.pop("name", "")
    if name not in ALGORITHMS:
        raise RoutingError(f"there is no algorithm {name!r}: {', '.join(sorted(ALGORITHMS)[1:])}")
    try:
        return ALGORITHMS[name](**values)
    except TypeError as error:
        raise RoutingError(f"{name}: {str(error).partition('() ')[2]}") from None
