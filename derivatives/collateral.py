"""What a participant's assets are worth as collateral, after haircuts by asset, size and share.

Values are whole units of the margin asset.  What a participant has is rounded down and what it owes
rounded up.  The rules change while trading, by sequenced commands: the value is a function of
holdings, prices and rules alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PART = 1_000_000


@dataclass(frozen=True)
class Haircut:
    """The haircuts of one asset, in millionths."""

    tiers: tuple[tuple[int, int], ...] = ((0, 0),)
    """From which value in margin units which haircut counts, for the part of the value above."""
    share: int = PART
    """Share of the value of all assets, before haircuts, above which an asset is concentrated."""
    concentrated: int = 0
    """The further haircut of what is concentrated."""

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.tiers]
        if not begins or begins[0] != 0 or begins != sorted(set(begins)):
            raise ValueError("tiers begin at 0, and increase")
        rates = [rate for _, rate in self.tiers] + [self.share, self.concentrated]
        if any(not 0 <= rate <= PART for rate in rates):
            raise ValueError(f"haircuts and shares are between 0 and {PART}")


@dataclass(frozen=True)
class Price:
    """Margin units that an amount is worth: amount × numerator / denominator."""

    numerator: int
    denominator: int


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
    holdings: Mapping[str, int], prices: Mapping[str, Price], haircuts: Mapping[str, Haircut]
) -> dict[str, Line]:
    """Each asset's part; an asset without a price or a haircut counts nothing, unless it is owed.

    Raises ``ValueError`` for an asset that is owed and has no price.
    """
    values = {asset: _value(asset, amount, prices) for asset, amount in holdings.items()}
    whole = sum(max(0, value) for asset, value in values.items() if asset in haircuts)
    lines = {}
    for asset, amount in sorted(holdings.items()):
        value, rules = values[asset], haircuts.get(asset)
        if value < 0:
            lines[asset] = Line(amount, value, 0, 0, value)
        elif rules is None:
            lines[asset] = Line(amount, value, value, 0, 0)
        else:
            size = _by_size(value, rules)
            share = -(-max(0, value * PART - whole * rules.share) * rules.concentrated // PART**2)
            share = min(share, value - size)
            lines[asset] = Line(amount, value, size, share, value - size - share)
    return lines


def _value(asset: str, amount: int, prices: Mapping[str, Price]) -> int:
    price = prices.get(asset)
    if price is None:
        if amount < 0:
            raise ValueError(f"{asset}: {-amount} units are owed, and there is no price")
        return 0
    return amount * price.numerator // price.denominator


def _by_size(value: int, rules: Haircut) -> int:
    """Return the deduction by the tiers, rounded up."""
    taken = 0
    ends = [begin for begin, _ in rules.tiers[1:]] + [value]
    for (begin, rate), end in zip(rules.tiers, ends, strict=True):
        taken += max(0, min(value, end) - begin) * rate
    return -(-taken // PART)
