"""The terms of a contract after a split of its underlying: its lot, strike and prices.

A lot holds what it held: ``new`` / ``old`` times as many units of the underlying, at prices of
``old`` / ``new``.  So positions, their costs and margin stay what they are.  A lot must be whole.
What a strike's whole ticks leave over is kept in units a lot (``strike_rest``), so an option pays
exactly what it would have paid.  The mark, the index and the settlement price are rounded to the
nearest tick.  Prices of options are of a lot, and stay.

The row has the terms in force; those of the configuration are the terms at the listing.
"""

from openoutcry.risk.bits import MAX_TERM
from openoutcry.risk.contract_layout import (
    CALL,
    EXPIRED_HALT,
    MAX_MULTIPLIER,
    MAX_PRICE,
    PUT,
    UNLISTED_HALT,
    ContractRow,
)
from openoutcry.risk.corporate import move_price
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.wire import wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.wide import half_even

CLOSED = OPERATORS_HALT | EXPIRED_HALT | UNLISTED_HALT
"""While one of these is in an instrument's ``halt`` no order enters before people let it."""


@kernel
def can_adjust(rules: RiskInstrument, contract: ContractRow, value: int, second: int) -> bool:
    """Return whether its terms can be adjusted by this ratio; open orders are not looked at."""
    new, old = ratio_of(value)
    if second != 0 or new < 1 or old < 1 or max(new, old) > MAX_TERM or contract.inverse != 0:
        return False
    if rules.halt & CLOSED == 0 or contract.index < 0:
        return False
    if scaled(contract.index, new, old) > MAX_PRICE:
        return False
    if contract.kind == CALL or contract.kind == PUT:
        if lot_after(contract.strike_multiplier, new, old) == 0:
            return False
        return 1 <= strike_after(contract, new, old)[0] <= MAX_PRICE
    if min(contract.mark, contract.settlement + 1) < 1:
        return False
    if lot_after(contract.multiplier, new, old) == 0:
        return False
    if scaled(contract.settlement, new, old) > MAX_PRICE:
        return False
    mark = scaled(contract.mark, new, old)
    return max(rules.worst_sell, 1) <= mark <= min(rules.worst_buy, MAX_PRICE)


@kernel
def ratio_of(value: int) -> tuple[int, int]:
    """New and old units of the underlying."""
    return value >> 32, value & 0xFFFFFFFF


@kernel
def in_lowest_terms(new: int, old: int) -> tuple[int, int]:
    """The same ratio of two numbers (1 or more) without a common divisor."""
    common, rest = new, old
    while rest != 0:
        common, rest = rest, common % rest
    return new // common, old // common


@kernel
def scaled(price: int, new: int, old: int) -> int:
    """A price of the underlying (0 or more) in its new units, to the nearest tick."""
    return half_even(price * old, new)


@kernel
def lot_after(units: int, new: int, old: int) -> int:
    """Return what a lot is a tick; 0: it would not be whole, or too large."""
    more, less = in_lowest_terms(new, old)
    if units % less != 0:
        return 0
    lot = wide.mul(units // less, more)
    return lot if lot <= MAX_MULTIPLIER else 0


@kernel
def strike_after(contract: ContractRow, new: int, old: int) -> tuple[int, int]:
    """The strike of an option whose lot stays whole, and the units a lot by which it is more."""
    more, less = in_lowest_terms(new, old)
    share, ticks = contract.strike_multiplier // less, contract.strike * less
    rest = share * (ticks % more) + contract.strike_rest
    lot = share * more
    return ticks // more + rest // lot, rest % lot


@kernel
def multiplier_after(contract: ContractRow, value: int) -> int:
    """Return what a lot is a tick of the contract; of an option that stays."""
    new, old = ratio_of(value)
    option = contract.kind == CALL or contract.kind == PUT
    return contract.multiplier if option else lot_after(contract.multiplier, new, old)


@kernel
def mark_after(contract: ContractRow, value: int) -> int:
    """Its mark; of an option that stays."""
    new, old = ratio_of(value)
    option = contract.kind == CALL or contract.kind == PUT
    return contract.mark if option else scaled(contract.mark, new, old)


@kernel
def put_terms(state: RiskState, rules: RiskInstrument, contract: ContractRow, value: int) -> None:
    """The adjusted terms are in force."""
    new, old = ratio_of(value)
    if contract.kind == CALL or contract.kind == PUT:
        strike, rest = strike_after(contract, new, old)
        contract.strike = strike
        contract.strike_rest = rest
        contract.strike_multiplier = lot_after(contract.strike_multiplier, new, old)
    else:
        mark, multiplier = mark_after(contract, value), multiplier_after(contract, value)
        contract.mark = mark
        contract.settlement = scaled(contract.settlement, new, old)
        contract.multiplier = multiplier
        rules.multiplier = multiplier
        move_price(state, contract.instrument, mark)
    contract.index = scaled(contract.index, new, old)
    contract.adjustments += 1
    contract.ratio = value
    contract.adjusted_ns = state.now_ns
