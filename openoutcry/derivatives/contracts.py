"""Contracts as integers: futures, perpetuals and options, what they pay, and how amounts round.

Every amount is a number of lots times the amount of one lot, and only the amount of one lot is
rounded, always down.  What a long position is paid is therefore exactly what the short one pays,
for any division of the lots among participants and any path of prices.

A linear contract's lot is worth ``multiplier`` units of the settlement asset a tick.  An inverse
one's is paid in the asset that it is about: a lot is a fixed amount of the price's money.
``multiplier // price`` units of the asset buy that amount.  An option's premium is linear in its
own ticks, whatever its payoff is.
"""

from dataclasses import dataclass, replace
from typing import Any

FUTURE, PERPETUAL, CALL, PUT = 1, 2, 3, 4
KINDS = {"future": FUTURE, "perpetual": PERPETUAL, "call": CALL, "put": PUT}
LARGEST_MULTIPLIER = 2**55
"""Largest multiplier of a contract."""
MAX_PRICE_TICKS = 2**40
"""Largest price of contracts and their underlyings."""
RATE_UNIT = 1_000_000_000
"""Funding rates are billionths of the notional for one funding period."""
NO_VALUE = "an inverse lot has no value at"


@dataclass(frozen=True)
class Contract:
    """Terms of one lot of a contract."""

    symbol: str
    underlying: str
    """The index that it is marked and settled by."""
    kind: int
    """FUTURE, PERPETUAL, CALL or PUT."""
    asset: str
    """The settlement asset: margin, variation, premium, funding and settlement are paid in it."""
    multiplier: int
    """Units of ``asset`` a tick and lot; of an inverse future or perpetual the units of ``asset``
    times ticks that a lot is."""
    inverse: bool = False
    """Paid in the asset that the price is of."""
    expiry_ns: int = 0
    """UTC nanoseconds; 0: never."""
    strike_ticks: int = 0
    """In ticks of the underlying; 0: not an option."""
    strike_multiplier: int = 0
    """Multiplier of an option's strike: units of ``asset`` a tick in the money and lot; for an
    inverse option, the units of ``asset`` that a lot represents."""
    strike_rest: int = 0
    """Of an option that was adjusted: units of ``asset`` a lot by which its strike is more."""
    delivered_asset: str = ""
    """The asset that shorts deliver at expiry; empty: settled in cash."""
    delivered_units: int = 0
    """Units of ``delivered_asset`` a lot."""

    def __post_init__(self) -> None:
        for text in faults(**self.__dict__):
            raise ValueError(f"{self.symbol}: {text}")

    @property
    def is_option(self) -> bool:
        """Return whether it is a call or a put."""
        return self.kind in (CALL, PUT)

    @property
    def physical(self) -> bool:
        """Return whether an asset is delivered at expiry; else it is settled in cash."""
        return self.delivered_asset != ""


def faults(
    kind: int,
    multiplier: int,
    expiry_ns: int = 0,
    strike_ticks: int = 0,
    strike_multiplier: int = 0,
    **rest: Any,
) -> list[str]:
    """Return the faults in the terms of a contract, each as the end of a sentence."""
    found = []
    if kind not in KINDS.values():
        found.append(f"kind {kind} is not one of {', '.join(KINDS)}")
    if not 1 <= multiplier <= LARGEST_MULTIPLIER:
        found.append(f"multiplier is not between 1 and {LARGEST_MULTIPLIER}")
    if (kind == PERPETUAL) != (expiry_ns == 0):
        found.append("a perpetual has no expiry, and everything else has one")
    if kind in (CALL, PUT):
        if not 1 <= strike_ticks <= MAX_PRICE_TICKS:
            found.append(f"strike_ticks is not between 1 and {MAX_PRICE_TICKS}")
        if not 1 <= strike_multiplier <= LARGEST_MULTIPLIER:
            found.append(f"strike_multiplier is not between 1 and {LARGEST_MULTIPLIER}")
    elif strike_ticks or strike_multiplier:
        found.append("only an option has a strike")
    asset, units = rest.get("delivered_asset", ""), rest.get("delivered_units", 0)
    if asset:
        if kind != FUTURE or rest.get("inverse", False):
            found.append("only a linear future is delivered")
        if asset == rest.get("asset"):
            found.append("delivers the asset that it is paid in")
    if bool(asset) != (units > 0):
        found.append("delivered_units and delivered_asset come together")
    return found


# What a lot is worth


def lot_value(contract: Contract, price_ticks: int) -> int:
    """Units of the settlement asset that a long lot is worth at a price of the contract.

    An inverse contract's value is negative, and only its differences have a meaning.  The long
    side owes a fixed amount of money, which is fewer units of the asset at a higher price.
    """
    if contract.inverse and not contract.is_option:
        if price_ticks < 1:
            raise ValueError(f"{contract.symbol}: {NO_VALUE} {price_ticks}")
        return -(contract.multiplier // price_ticks)
    return contract.multiplier * price_ticks


def variation(contract: Contract, lots: int, from_ticks: int, to_ticks: int) -> int:
    """Units that a position is paid when its mark moves; lots of a short position are negative."""
    return lots * (lot_value(contract, to_ticks) - lot_value(contract, from_ticks))


def notional(contract: Contract, price_ticks: int) -> int:
    """Units of the settlement asset that a lot's underlying is worth at a price of it."""
    if not contract.is_option:
        return abs(lot_value(contract, price_ticks))
    if contract.inverse:
        return contract.strike_multiplier
    return contract.strike_multiplier * price_ticks


def payoff(contract: Contract, underlying_ticks: int) -> int:
    """Units that a long lot of an option is paid at expiry, by the final price of its underlying.

    Linear: ``strike_multiplier`` units a tick in the money.  Inverse: a lot is
    ``strike_multiplier`` units of the asset itself, of which it receives the share that it is in
    the money, rounded down.
    """
    sign = 1 if contract.kind == CALL else -1
    inside = max(0, sign * (underlying_ticks - contract.strike_ticks))
    if contract.inverse:
        if underlying_ticks < 1:
            raise ValueError(f"{contract.symbol}: {NO_VALUE} {underlying_ticks}")
        return contract.strike_multiplier * inside // underlying_ticks
    exercise = contract.strike_multiplier * contract.strike_ticks + contract.strike_rest
    return max(0, sign * (contract.strike_multiplier * underlying_ticks - exercise))


def settlement(contract: Contract, mark_ticks: int, underlying_ticks: int) -> int:
    """Units that a long lot is paid at expiry: the last variation, or an option's payoff."""
    if contract.is_option:
        return payoff(contract, underlying_ticks)
    return lot_value(contract, underlying_ticks) - lot_value(contract, mark_ticks)


def delivery(contract: Contract, settled_ticks: int) -> tuple[int, int]:
    """Return what a lot of a future with physical settlement exchanges at expiry.

    Units of the settlement asset that the long pays, and units of the delivered asset that the
    short delivers.  Variation up to ``settled_ticks`` has been paid before."""
    return lot_value(contract, settled_ticks), contract.delivered_units


def funding(contract: Contract, mark_ticks: int, rate: int, carry: int) -> tuple[int, int]:
    """Units that a long lot pays to a short one for a funding period, and the new carry.

    ``rate`` is in billionths of the notional; negative: shorts pay.  What rounding down leaves over
    is carried to the contract's next period (0 <= carry < RATE_UNIT), so that the
    sum over periods is exact.
    """
    return divmod(notional(contract, mark_ticks) * rate + carry, RATE_UNIT)


def adjusted(contract: Contract, new: int, old: int) -> Contract:
    """The contract after ``new`` units of its underlying have replaced ``old``, as a split does.

    A lot holds ``new / old`` times as many units at ``old / new`` of the price, so it is worth what
    it was.
    What a strike's whole ticks leave over is ``strike_rest``.  Raises ``ValueError`` where a lot
    would not be whole, and of an inverse contract, whose settlement asset is itself what is split:
    such contracts are settled in cash instead.
    """
    if new < 1 or old < 1:
        raise ValueError(f"{contract.symbol}: a ratio needs two numbers of 1 or more")
    if contract.inverse:
        raise ValueError(f"{contract.symbol}: an inverse contract is settled instead")
    changed: dict[str, int] = {}
    lots = ("strike_multiplier",) if contract.is_option else ("multiplier", "delivered_units")
    for name in lots:
        changed[name], rest = divmod(getattr(contract, name) * new, old)
        if rest:
            raise ValueError(f"{contract.symbol}: {name} would not be whole after {new} for {old}")
    if contract.is_option:
        exercise = contract.strike_multiplier * contract.strike_ticks + contract.strike_rest
        changed["strike_ticks"], rest = divmod(exercise, changed["strike_multiplier"])
        changed["strike_rest"] = rest
    return replace(contract, **changed)  # type: ignore[arg-type]


def in_force(
    listed: Contract, multiplier: int, strike: int, strike_multiplier: int, strike_rest: int
) -> Contract:
    """A contract with these terms; ``listed`` has those of its listing."""
    return replace(
        listed,
        multiplier=multiplier,
        strike_ticks=strike,
        strike_multiplier=strike_multiplier,
        strike_rest=strike_rest,
        delivered_units=listed.delivered_units * multiplier // listed.multiplier,
    )
