"""An instrument's rules: price steps by band, lots, what may be combined and in which phase."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, InstrumentState
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import TIF_MASK, OrderType, TimeInForce
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64
from openoutcry.wire.order_types import (
    BUDGETS,
    MARKETS,
    PEGS,
    STOPS,
    TAKE_PROFITS,
    TRAILING,
    TRAILING_BPS,
    UNPRICED,
    type_bits,
    types_taking,
)
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE, TICK_BANDS

PRICE_TIME = enum_numbers.ALLOCATION_PRICE_TIME


STOP_BITS, TRAILING_BITS, TRAILING_BPS_BITS, PEG_BITS, MARKET_BITS, UNPRICED_BITS = (
    type_bits(types) for types in (STOPS, TRAILING, TRAILING_BPS, PEGS, MARKETS, UNPRICED)
)
BUDGET_BITS = type_bits(BUDGETS)
TAKE_PROFIT_BITS = type_bits(TAKE_PROFITS)
LAST_TYPE = int(max(OrderType))
TIMES = {int(tif): tif for tif in TimeInForce}
TAKES = tuple(type_bits(types_taking(TIMES[n])) if n in TIMES else 0 for n in range(TIF_MASK + 1))
"""By time in force, a bit for each type that goes with it; any other combination is malformed."""


@kernel
def rule_addr(arena: ArenaHeader, instrument: int) -> InstrumentRecord:
    """Return an instrument's row of the table as it was given."""
    return InstrumentRecord(arena + arena.rules_at + instrument * const.RULE_BYTES)


@kernel
def is_pro_rata(arena: ArenaHeader, instrument: int) -> int:
    """Return whether a level is shared, by either of the two ways."""
    return 1 if rule_addr(arena, instrument).allocation != PRICE_TIME else 0


# Order types


@kernel
def is_stop(order_type: int) -> bool:
    """Return whether an OrderType waits for a trigger, trailing ones included."""
    return (STOP_BITS >> order_type) & 1 != 0


@kernel
def takes_profit(order_type: int) -> bool:
    """Return whether an OrderType waits where a stop of the other side would."""
    return (TAKE_PROFIT_BITS >> order_type) & 1 != 0


@kernel
def is_trailing(order_type: int) -> bool:
    """Return whether the trigger of an OrderType follows the market."""
    return (TRAILING_BITS >> order_type) & 1 != 0


@kernel
def trails_by_bps(order_type: int) -> bool:
    """Return whether a trailing stop's distance is in basis points."""
    return (TRAILING_BPS_BITS >> order_type) & 1 != 0


@kernel
def is_peg(order_type: int) -> bool:
    """Return whether the price of an OrderType follows the best displayed prices."""
    return (PEG_BITS >> order_type) & 1 != 0


@kernel
def is_market(order_type: int) -> bool:
    """Return whether an OrderType is entered without a limit."""
    return (MARKET_BITS >> order_type) & 1 != 0


@kernel
def has_budget(order_type: int) -> bool:
    """Return whether the order trades for what ``aux`` pays for."""
    return (BUDGET_BITS >> order_type) & 1 != 0


@kernel
def has_price(order_type: int) -> bool:
    """Return whether ``price_ticks`` of the record means something."""
    return (UNPRICED_BITS >> order_type) & 1 == 0


@kernel
def takes_tif(order_type: int, tif: int) -> bool:
    """Return whether the time in force goes with the type (one that there is)."""
    return (TAKES[tif] >> order_type) & 1 != 0


@kernel
def is_for_auction(tif: int) -> bool:
    """Return whether orders of a TimeInForce are for one auction only."""
    return (const.FOR_AUCTION_BITS >> tif) & 1 != 0


@kernel
def is_call(phase: int) -> bool:
    """Return whether orders only collect in a Phase, until an uncrossing."""
    return phase in (
        const.PRE_OPEN,
        const.OPENING_AUCTION,
        const.VOLATILITY_AUCTION,
        const.CLOSING_AUCTION,
    )


# Prices


@kernel
def add_saturating(a: int, b: int) -> int:
    """Return ``a + b``, or the end of the int64 range that the sum would pass."""
    if b >= 0:
        return a + b if a <= MAX_VALUE - b else MAX_VALUE
    return a + b if a >= NO_PRICE - b else NO_PRICE


@kernel_outlined
def step_at(arena: ArenaHeader, instrument: int, price: int) -> int:
    """The price step at ``price``."""
    rule = rule_addr(arena, instrument)
    step = rule.price_step_ticks
    for band in range(TICK_BANDS):
        at = rule + const.RULE_BANDS + 16 * band
        if Words(at)[1] == 0 or price < load_i64(at):
            break
        step = Words(at)[1]
    return step


@kernel
def is_multiple(value: int, step: int) -> bool:
    """Most steps are 1, and to ask takes less time than to divide."""
    return step == 1 or value % step == 0


@kernel
def half_of(step: int, half: int) -> int:
    """Half the step if ``half`` and it can be."""
    return step >> 1 if half != 0 and step & 1 == 0 else step


@kernel
def has_rules(arena: ArenaHeader, instrument: int) -> bool:
    """If not, every price and quantity is in step, and allocation is by time."""
    return instrument_addr(arena, instrument).mode & layout.MODE_RULES != 0


@kernel
def floor_step(arena: ArenaHeader, instrument: int, price: int, half: int) -> int:
    """The largest valid price <= ``price``; every band begins with one."""
    return floor_by_rules(arena, instrument, price, half) if has_rules(arena, instrument) else price


@kernel
def ceil_step(arena: ArenaHeader, instrument: int, price: int, half: int) -> int:
    """The smallest valid price >= ``price``, or NO_PRICE if it is beyond int64."""
    return ceil_by_rules(arena, instrument, price, half) if has_rules(arena, instrument) else price


@kernel_outlined
def floor_by_rules(arena: ArenaHeader, instrument: int, price: int, half: int) -> int:
    """Return the greatest valid price that is not above ``price``; with ``half`` 1 half steps are
    valid."""
    step = half_of(step_at(arena, instrument, price), half)
    return price - price % step


@kernel_outlined
def ceil_by_rules(arena: ArenaHeader, instrument: int, price: int, half: int) -> int:
    """Return the least valid price that is not below ``price``, NO_PRICE if int64 has none; with
    ``half`` 1 half steps are valid."""
    step = half_of(step_at(arena, instrument, price), half)
    missing = -price % step
    if price > MAX_VALUE - missing:
        return NO_PRICE
    rule = rule_addr(arena, instrument)
    for band in range(TICK_BANDS):
        at = rule + const.RULE_BANDS + 16 * band
        if Words(at)[1] == 0:
            break
        if price < load_i64(at):
            return min(price + missing, load_i64(at))
    return price + missing


@kernel
def is_within(arena: ArenaHeader, instrument: int, price: int) -> bool:
    """Return whether ``price`` is inside the instrument's limits."""
    state = instrument_addr(arena, instrument)
    return state.min_price <= price <= state.max_price


# Refusals, in the order of the checks


@kernel_outlined
def refuse_price(arena: ArenaHeader, instrument: int, price: int) -> int:
    """Return the Reason to reject a limit price (off its step or out of bounds), or ACCEPT."""
    if not is_multiple(price, step_at(arena, instrument, price)):
        return const.OFF_STEP
    return const.ACCEPT if is_within(arena, instrument, price) else const.PRICE_LIMIT


@kernel
def refuse_qty(arena: ArenaHeader, instrument: int, qty: int) -> int:
    """Return the Reason to reject a quantity in lots, or ACCEPT."""
    if qty <= 0:
        return const.BAD_QTY
    if not is_multiple(qty, rule_addr(arena, instrument).qty_step_lots):
        return const.OFF_LOT
    state = instrument_addr(arena, instrument)
    if qty < state.min_qty or qty > state.max_qty:
        return const.QTY_LIMIT
    return const.ACCEPT


@kernel_outlined
def refuse_aux(arena: ArenaHeader, instrument: int, order_type: int, aux: int, qty: int) -> int:
    """Return whether trigger, distance, display, offset, minimum or budget makes sense."""
    good = True
    if is_trailing(order_type):
        distance = aux & 0xFFFFFFFF
        most = 9999 if trails_by_bps(order_type) else 2**31 - 1
        good = aux >= 0 and 1 <= distance <= most
    elif is_stop(order_type):
        good = refuse_price(arena, instrument, aux) == const.ACCEPT
    elif order_type == const.ICEBERG:
        lot = rule_addr(arena, instrument).qty_step_lots
        good = 0 < aux <= qty and aux % lot == 0 and not has_many_slices(qty, aux)
    elif is_peg(order_type):
        good = -const.MAX_OFFSET <= aux <= const.MAX_OFFSET
    elif order_type == const.MIN_QTY_TYPE:
        good = 1 <= aux <= qty
    elif has_budget(order_type):
        good = aux >= 1
    return const.ACCEPT if good else const.BAD_AUX


@kernel
def slices_of(qty: int, display: int) -> int:
    """Return how many slices of ``display`` lots an iceberg of ``qty`` lots shows in all."""
    return (qty - 1) // display + 1


@kernel
def has_many_slices(qty: int, display: int) -> bool:
    """Return whether an iceberg would show more slices than an order may."""
    return slices_of(qty, display) > const.MAX_DISPLAY_SLICES


@kernel
def refuse_phase(state: InstrumentState, order_type: int, tif: int, price: int) -> int:
    """Return whether a new order may come in the instrument's phase."""
    phase = state.phase
    if state.mode & layout.MODE_HELD != 0:
        return const.WRONG_PHASE
    if phase == const.CONTINUOUS:
        return const.WRONG_PHASE if tif == const.AT_OPEN else const.ACCEPT
    if phase in (const.CLOSED, const.HALT):
        return const.WRONG_PHASE
    if phase == const.TRADING_AT_LAST:
        last = state.last_price
        if last == NO_PRICE or order_type > const.MARKET or is_for_auction(tif):
            return const.WRONG_PHASE
        return const.OFF_LAST if order_type == const.LIMIT and price != last else const.ACCEPT
    if tif in (const.IOC, const.FOK) or is_peg(order_type) or order_type == const.MIN_QTY_TYPE:
        return const.WRONG_PHASE
    late = tif == const.AT_OPEN and phase not in (const.PRE_OPEN, const.OPENING_AUCTION)
    return const.WRONG_PHASE if late else const.ACCEPT


@kernel
def refuse_new(
    arena: ArenaHeader, instrument: int, word: int, price: int, qty: int, aux: int, is_open: int
) -> int:
    """The checks of a new order that look at nothing in the book; ``is_open``: its id is."""
    state = instrument_addr(arena, instrument)
    side = (word >> const.SIDE_SHIFT) & 0xFF
    order_type = (word >> const.TYPE_SHIFT) & 0xFF
    tif = (word >> const.TIF_SHIFT) & 0xF
    if side < const.BUY or side > const.SELL or order_type < const.LIMIT or order_type > LAST_TYPE:
        return const.MALFORMED
    if not takes_tif(order_type, tif) or (word >> const.MODE_SHIFT) & 0xF > const.DECREMENT:
        return const.MALFORMED
    reason = refuse_qty(arena, instrument, qty)
    if reason == const.ACCEPT and has_price(order_type):
        reason = refuse_price(arena, instrument, price)
    if reason == const.ACCEPT:
        reason = refuse_aux(arena, instrument, order_type, aux, qty)
    if reason == const.ACCEPT:
        reason = refuse_phase(state, order_type, tif, price)
    if reason == const.ACCEPT and is_open != 0:
        reason = const.DUPLICATE_ID
    if reason == const.ACCEPT and tif == const.GTD and aux < arena.now_ns:
        reason = const.EXPIRED
    return reason
