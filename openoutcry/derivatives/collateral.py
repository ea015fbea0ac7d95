"""What a participant's assets are worth as collateral, after haircuts by asset, size and share.

Values are whole units of the margin asset.  What a participant has is rounded down and what it owes
rounded up.  The rules change while trading, by sequenced commands: the value is a function of
holdings, prices and rules alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TypeVar

Asset = TypeVar("Asset", str, int)
"""A name, or the number of wallets."""
PART = 1_000_000
LARGEST = 2**61
"""No price and no sum of values is more."""
MOST_VALUE = 2**59
"""An asset's value and what it gains in a scenario are at most this."""
MOST_DELTA = 2**60
"""No asset hedges more, in millionths of a delta."""
MAX_BITS = 60
"""Of how many bits the fraction of a hedge's numbers is."""
MAX_TIERS = 4


@dataclass(frozen=True)
class Haircut:
    """The haircuts of one asset, in millionths."""

    tiers: tuple[tuple[int, int], ...] = ((0, 0),)
    """From which value in margin units which haircut counts, for the part of the value above."""
    share: int = PART
    """Share of the value of all other assets than money, before haircuts, above which one of them
    is concentrated."""
    concentrated: int = 0
    """The further haircut of what is concentrated."""

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.tiers]
        if not begins or begins[0] != 0 or begins != sorted(set(begins)):
            raise ValueError("tiers begin at 0, and increase")
        if len(begins) > MAX_TIERS or begins[-1] > LARGEST:
            raise ValueError(f"there are at most {MAX_TIERS} tiers, up to {LARGEST}")
        rates = [rate for _, rate in self.tiers] + [self.share, self.concentrated]
        if any(not 0 <= rate <= PART for rate in rates):
            raise ValueError(f"haircuts and shares are between 0 and {PART}")


@dataclass(frozen=True)
class Price:
    """Margin units that an amount is worth: amount × numerator / denominator."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 0 <= self.numerator <= LARGEST or not 1 <= self.denominator <= LARGEST:
            raise ValueError(f"a price is two numbers up to {LARGEST}, the second above 0")

    @classmethod
    def rounded(cls, numerator: int, denominator: int) -> "Price":
        """The price, or, where its numbers are too large, one a little lower."""
        while max(numerator, denominator) > LARGEST:
            numerator, denominator = numerator // 2, -(-denominator // 2)
        return cls(numerator, denominator)


@dataclass(frozen=True)
class Hedge:
    """How an asset's price moves in the scenarios of the underlying that it is."""

    commodity: int
    bits: int
    """Gains and delta are for 2**bits units of the asset."""
    gains: tuple[int, ...]
    """Margin units, by scenario; below 0: a fall of its price."""
    delta: int
    """Millionths of a delta."""

    def __post_init__(self) -> None:
        if not 0 <= self.bits <= MAX_BITS or max(self.delta, *map(abs, self.gains)) > LARGEST:
            raise ValueError(f"an asset that hedges has numbers up to {LARGEST}: its price is more")
        if self.delta < 0:
            raise ValueError("an asset that hedges has a delta of 0 or more")

    @classmethod
    def exact(cls, commodity: int, gains: Sequence[Fraction], delta: Fraction) -> "Hedge":
        """The hedge for so much a unit, to as many bits as there are; gains are rounded down, the
        delta up."""
        bits = MAX_BITS
        while bits and max(delta, *map(abs, gains)) * 2**bits > LARGEST:
            bits -= 1
        scaled = tuple(floor(gain * 2**bits) for gain in gains)
        return cls(commodity, bits, scaled, ceil(delta * 2**bits))


@dataclass(frozen=True)
class Gain:
    """What a pledge gains in the scenarios of a commodity, and the delta that it hedges."""

    by_scenario: tuple[int, ...]
    delta: int


@dataclass(frozen=True)
class CollateralRisk:
    """Margin's data of an asset that participants may pledge."""

    asset: int
    """Number of its wallets."""
    price: Price
    haircut: Haircut
    hedge: Hedge | None = None
    """None: its price is the same in every scenario."""


@dataclass(frozen=True)
class Line:
    """One asset's part of the collateral."""

    amount: int
    value: int
    """Before haircuts."""
    by_size: int
    """Taken off by the tiers."""
    by_share: int
    """Taken off because it is concentrated."""
    counts: int
    """The remaining value."""


def collateral(
    holdings: Mapping[Asset, int],
    prices: Mapping[Asset, Price],
    haircuts: Mapping[Asset, Haircut],
    money: Asset | None = None,
) -> dict[Asset, Line]:
    """Each asset's part; ``money`` is what values are in, and counts in full.  An asset without a
    price or a haircut counts nothing, unless it is owed.

    Raises ``ValueError`` for an asset that is owed and has no price.
    """
    values = {
        asset: amount if asset == money else _value(asset, amount, prices)
        for asset, amount in holdings.items()
    }
    others = [values[asset] for asset in values if asset != money and asset in haircuts]
    whole = min(sum(max(0, value) for value in others), LARGEST)
    lines = {}
    for asset, amount in sorted(holdings.items()):
        value, rules = values[asset], haircuts.get(asset)
        if value < 0 or asset == money:
            lines[asset] = Line(amount, value, 0, 0, value)
        elif rules is None:
            lines[asset] = Line(amount, value, value, 0, 0)
        else:
            size = _by_size(value, rules)
            over = max(0, value - whole * rules.share // PART)
            share = min(-(-over * rules.concentrated // PART), value - size)
            lines[asset] = Line(amount, value, size, share, value - size - share)
    return lines


def gain_of(hedge: Hedge, line: Line) -> Gain:
    """Return what an asset gains in each scenario beyond what its line counts.

    With it the asset never counts more than its value in the scenario.  Only the part that counts
    rises.  A fall is first what the haircuts took off, and costs no more than what counts.  What is
    owed hedges nothing.
    """
    if line.amount <= 0 or line.value <= 0:
        return Gain((0,) * len(hedge.gains), 0)
    units, taken = line.amount * line.counts // line.value, line.value - line.counts
    found = []
    for gain in hedge.gains:
        if gain >= 0:
            found.append(min(units * gain >> hedge.bits, MOST_VALUE))
        else:
            fall = -(line.amount * gain >> hedge.bits)
            found.append(-min(max(fall - taken, 0), line.counts))
    return Gain(tuple(found), min(-(-units * hedge.delta >> hedge.bits), MOST_DELTA))


def _value(asset: Asset, amount: int, prices: Mapping[Asset, Price]) -> int:
    price = prices.get(asset)
    if price is None:
        if amount < 0:
            raise ValueError(f"{asset}: {-amount} units are owed, and there is no price")
        return 0
    return min(amount * price.numerator // price.denominator, MOST_VALUE)


def _by_size(value: int, rules: Haircut) -> int:
    """Return the deduction by the tiers, each rounded up."""
    ends = [begin for begin, _ in rules.tiers[1:]] + [value]
    return sum(
        -(-max(0, min(value, end) - begin) * rate // PART)
        for (begin, rate), end in zip(rules.tiers, ends, strict=True)
    )
