"""Mark prices in ticks: an index plus a moving basis, and options by a surface of volatilities.

Every result is a function of sequenced inputs in whole numbers, so it is the same on every machine
(``fixed.py`` has the functions that a formula needs).  A thin or one-sided book moves no mark, and
no book moves one beyond the bounds of its rules.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import isqrt

from openoutcry.derivatives import fixed
from openoutcry.derivatives.contracts import CALL, Contract
from openoutcry.derivatives.pricing import YEAR_NS

PART = 1_000_000
BASIS_SCALE = 1 << 16
"""A basis is kept in parts of a tick, so that small samples are not lost."""


@dataclass(frozen=True)
class BasisRules:
    """How a future's or perpetual's basis follows its book; shares in millionths of the index."""

    window_ns: int
    """A sample after this time weighs half."""
    widest: int
    """A book whose spread is wider gives no sample."""
    furthest: int
    """The basis is never farther from the index."""


@dataclass
class Basis:
    """The moving basis of one contract."""

    rules: BasisRules
    scaled: int = 0
    """Basis × BASIS_SCALE."""
    time_ns: int = 0
    """Time of the last sample; 0 before the first."""

    def sample(self, index_ticks: int, bid_ticks: int, ask_ticks: int, now_ns: int) -> bool:
        """Take the book's middle; false if there is no usable one (0 is a side without orders)."""
        usable = 0 < bid_ticks < ask_ticks and index_ticks > 0 and now_ns > self.time_ns
        if not usable or (ask_ticks - bid_ticks) * PART > self.rules.widest * index_ticks:
            return False
        most = self.rules.furthest * index_ticks * BASIS_SCALE // PART
        middle = (bid_ticks + ask_ticks - 2 * index_ticks) * BASIS_SCALE // 2
        middle = min(max(middle, -most), most)
        if self.time_ns == 0:
            self.scaled = middle
        else:
            passed = now_ns - self.time_ns
            self.scaled += (middle - self.scaled) * passed // (passed + self.rules.window_ns)
        self.time_ns = now_ns
        return True

    def mark(self, index_ticks: int) -> int:
        """The mark price at an index, at least one tick; half a tick is rounded up."""
        most = self.rules.furthest * index_ticks * BASIS_SCALE // PART
        basis = min(max(self.scaled, -most), most)
        return max(1, index_ticks + (2 * basis + BASIS_SCALE) // (2 * BASIS_SCALE))


# Options


@dataclass(frozen=True)
class Smile:
    """Volatilities of one expiry, in millionths, at ratios of strike to forward in millionths."""

    expiry_ns: int
    ratios: tuple[int, ...]
    volatilities: tuple[int, ...]


@dataclass(frozen=True)
class Surface:
    """Smiles of several expiries, and the bounds of every volatility."""

    smiles: tuple[Smile, ...]
    lowest: int
    highest: int

    def __post_init__(self) -> None:
        expiries = [smile.expiry_ns for smile in self.smiles]
        if not expiries or expiries != sorted(set(expiries)):
            raise ValueError("a surface has smiles, in the order of their expiries")
        if not 0 < self.lowest <= self.highest:
            raise ValueError("the lowest volatility is above 0 and not above the highest")
        for smile in self.smiles:
            increasing = list(smile.ratios) == sorted(set(smile.ratios))
            if not smile.ratios or not increasing or smile.ratios[0] < 1:
                raise ValueError("a smile's ratios must be positive and increase")
            if len(smile.ratios) != len(smile.volatilities):
                raise ValueError("a smile has a volatility at each ratio")

    def volatility(self, forward: int, strike: int, expiry_ns: int, now_ns: int) -> int:
        """Millionths: between the nodes of a smile linear, between expiries linear in variance ×
        time, beyond the nodes and expiries that of the last; then within the bounds."""
        ratio = (2 * strike * PART + forward) // (2 * forward)
        place = bisect_right([smile.expiry_ns for smile in self.smiles], expiry_ns)
        if place == 0 or place == len(self.smiles):
            return self._bounded(_on_smile(self.smiles[max(0, place - 1)], ratio))
        near, far = self.smiles[place - 1], self.smiles[place]
        near_ns, far_ns = max(0, near.expiry_ns - now_ns), far.expiry_ns - now_ns
        own_ns = expiry_ns - now_ns
        if near_ns == own_ns or own_ns <= 0:
            return self._bounded(_on_smile(near, ratio))
        near_total = self._bounded(_on_smile(near, ratio)) ** 2 * near_ns
        far_total = self._bounded(_on_smile(far, ratio)) ** 2 * far_ns
        total = near_total + (far_total - near_total) * (own_ns - near_ns) // (far_ns - near_ns)
        return self._bounded(isqrt(max(0, total) // own_ns))

    def _bounded(self, volatility: int) -> int:
        return min(max(volatility, self.lowest), self.highest)


def option_mark(
    contract: Contract, surface: Surface, forward_ticks: int, now_ns: int, shift: int = 0
) -> int:
    """The mark of an option in its own ticks, rounded to the nearest, a half up.

    ``shift`` is added to its volatility, as scenarios do.  A mark is never below what the option
    would pay if the forward were the final price, nor above what it is about.
    """
    volatility = surface.volatility(
        forward_ticks, contract.strike_ticks, contract.expiry_ns, now_ns
    )
    years_ns = max(0, contract.expiry_ns - now_ns)
    return premium(contract, forward_ticks, max(1, volatility + shift), years_ns)


def premium(contract: Contract, forward_ticks: int, volatility: int, left_ns: int) -> int:
    """An option's value in its own ticks, by a volatility in millionths and the time left."""
    call = contract.kind == CALL
    value = value_of(call, forward_ticks, contract.strike_ticks, volatility, left_ns)
    units = value * contract.strike_multiplier
    if contract.inverse:
        units //= forward_ticks
    unit_ticks = contract.multiplier << fixed.BITS
    return (2 * units + unit_ticks) // (2 * unit_ticks)


def value_of(call: bool, forward: int, strike: int, volatility: int, left_ns: int) -> int:
    """Black-76 without discount, in ticks of the underlying, as a fixed-point number.

    Discounting is left to the index: a coin's forward is its future's mark, and the premium is
    settled at once.
    """
    one = fixed.ONE
    least = max(0, forward - strike if call else strike - forward) * one
    if left_ns <= 0 or volatility <= 0:
        return least
    # volatility * sqrt(years), with one root.
    variance = fixed.from_ratio(volatility * volatility * left_ns, PART * PART * YEAR_NS)
    deviation = fixed.root(variance)
    if deviation == 0:
        return least
    distance = fixed.over(fixed.logarithm(fixed.from_ratio(forward, strike)), deviation)
    first = distance + deviation // 2
    upper, lower = fixed.cumulative(first), fixed.cumulative(first - deviation)
    value = forward * upper - strike * lower
    if not call:
        value += (strike - forward) * one
    return min(max(value, least), (forward if call else strike) * one)


def _on_smile(smile: Smile, ratio: int) -> int:
    ratios, volatilities = smile.ratios, smile.volatilities
    place = bisect_right(ratios, ratio)
    if place == 0 or place == len(ratios):
        return volatilities[max(0, place - 1)]
    low, high = ratios[place - 1], ratios[place]
    below, above = volatilities[place - 1], volatilities[place]
    return below + (above - below) * (ratio - low) // (high - low)
