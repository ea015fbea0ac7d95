"""What a participant's assets are worth as collateral, after haircuts by asset, size and share.

Values are whole units of the margin asset.  What a participant has is rounded down and what it owes
rounded up.  The rules change while trading, by sequenced commands: the value is a function of
holdings, prices and rules alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Asset = TypeVar("Asset", str, int)
"""A name, or the number of wallets."""
PART = 1_000_000
LARGEST = 2**61
"""No value is more; what would be is this."""
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
class CollateralRisk:
    """Margin's data of an asset that participants may pledge."""

    asset: int
    """Number of its wallets."""
    price: Price
    haircut: Haircut


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


def _value(asset: Asset, amount: int, prices: Mapping[Asset, Price]) -> int:
    price = prices.get(asset)
    if price is None:
        if amount < 0:
            raise ValueError(f"{asset}: {-amount} units are owed, and there is no price")
        return 0
    return min(amount * price.numerator // price.denominator, LARGEST)


def _by_size(value: int, rules: Haircut) -> int:
    """Return the deduction by the tiers, each rounded up."""
    ends = [begin for begin, _ in rules.tiers[1:]] + [value]
    return sum(
        -(-max(0, min(value, end) - begin) * rate // PART)
        for (begin, rate), end in zip(rules.tiers, ends, strict=True)
    )
