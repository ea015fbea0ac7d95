# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""An instrument's rules: price steps by band, lots, what may be combined and in which phase."""

from openoutcry.matcher.book.arena import (
    LAST_PRICE,
    MAX_PRICE,
    MAX_QTY,
    MIN_PRICE,
    MIN_QTY,
    MODE,
    MODE_RULES,
    NOW_NS,
    PHASE,
    RULES_AT,
)
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.matcher.constants import (
    ACCEPT,
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BAD_AUX,
    BAD_QTY,
    BUY,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    DAY,
    DECREMENT,
    DUPLICATE_ID,
    EXPIRED,
    FOK,
    GTC,
    GTD,
    HALT,
    HIDDEN,
    ICEBERG,
    IOC,
    LIMIT,
    MALFORMED,
    MARKET,
    MARKET_TO_LIMIT,
    MAX_DISPLAY_SLICES,
    MAX_OFFSET,
    MIN_QTY_TYPE,
    MODE_SHIFT,
    OFF_LAST,
    OFF_LOT,
    OFF_STEP,
    OPENING_AUCTION,
    PEG_MARKET,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    POST_ONLY,
    POST_ONLY_SLIDE,
    PRE_OPEN,
    PRICE_LIMIT,
    QTY_LIMIT,
    RULE_ALLOCATION,
    RULE_BANDS,
    RULE_BYTES,
    RULE_PRICE_STEP,
    RULE_QTY_STEP,
    SELL,
    SIDE_SHIFT,
    STOP,
    STOP_LIMIT,
    TIF_SHIFT,
    TRADING_AT_LAST,
    TRAILING_STOP,
    TRAILING_STOP_BPS,
    TYPE_SHIFT,
    VOLATILITY_AUCTION,
    WRONG_PHASE,
)
from openoutcry.wire.enums import Allocation
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8
from openoutcry.wire.records import MAX_VALUE, NO_PRICE, TICK_BANDS

PRO_RATA = int(Allocation.PRO_RATA)


def _combinations() -> tuple[int, int]:
    """The times in force of every order type, a bit each, eight bits a type: two int64 words."""
    resting = (DAY, GTC, GTD)
    allowed = {
        LIMIT: (DAY, IOC, FOK, GTC, GTD, AT_OPEN, AT_CLOSE),
        MARKET: (DAY, IOC, FOK, AT_OPEN, AT_CLOSE),
        POST_ONLY: resting,
        POST_ONLY_SLIDE: resting,
        MARKET_TO_LIMIT: (*resting, AT_OPEN, AT_CLOSE),
        STOP: (DAY, GTC),
        STOP_LIMIT: (DAY, GTC),
        TRAILING_STOP: (DAY, GTC),
        TRAILING_STOP_BPS: (DAY, GTC),
        ICEBERG: (DAY, GTC),
        HIDDEN: resting,
        PEG_PRIMARY: (DAY, GTC),
        PEG_MARKET: (DAY, GTC),
        PEG_MIDPOINT: (DAY, GTC),
        ALL_OR_NONE: resting,
        MIN_QTY_TYPE: (DAY, GTC, IOC),
    }
    bits = sum(1 << ((t - 1) * 8 + tif) for t, tifs in allowed.items() for tif in tifs)
    words = [(bits >> shift) & (2**64 - 1) for shift in (0, 64)]
    low, high = (word - 2**64 if word >> 63 else word for word in words)
    return low, high


FIRST_TYPES, LATER_TYPES = _combinations()


@kernel
def rule_addr(arena: int, instrument: int) -> int:
    return arena + load_i64(arena + RULES_AT) + instrument * RULE_BYTES


@kernel
def is_pro_rata(arena: int, instrument: int) -> int:
    return 1 if load_u8(rule_addr(arena, instrument) + RULE_ALLOCATION) == PRO_RATA else 0


# Order types


@kernel
def is_stop(order_type: int) -> bool:
    return STOP <= order_type <= TRAILING_STOP_BPS


@kernel
def is_trailing(order_type: int) -> bool:
    return TRAILING_STOP <= order_type <= TRAILING_STOP_BPS


@kernel
def is_peg(order_type: int) -> bool:
    return PEG_PRIMARY <= order_type <= PEG_MIDPOINT


@kernel
def is_market(order_type: int) -> bool:
    return order_type in (MARKET, MARKET_TO_LIMIT)


@kernel
def has_price(order_type: int) -> bool:
    """Whether ``price_ticks`` of the record means something."""
    return not is_market(order_type) and (not is_stop(order_type) or order_type == STOP_LIMIT)


@kernel
def is_call(phase: int) -> bool:
    return phase in (PRE_OPEN, OPENING_AUCTION, VOLATILITY_AUCTION, CLOSING_AUCTION)


# Prices


@kernel
def add_saturating(a: int, b: int) -> int:
    if b >= 0:
        return a + b if a <= MAX_VALUE - b else MAX_VALUE
    return a + b if a >= NO_PRICE - b else NO_PRICE


@kernel_outlined
def step_at(arena: int, instrument: int, price: int) -> int:
    """The price step at ``price``."""
    rule = rule_addr(arena, instrument)
    step = load_i64(rule + RULE_PRICE_STEP)
    for band in range(TICK_BANDS):
        at = rule + RULE_BANDS + 16 * band
        if load_i64(at + 8) == 0 or price < load_i64(at):
            break
        step = load_i64(at + 8)
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
def has_rules(arena: int, instrument: int) -> bool:
    """If not, every price and quantity is in step, and allocation is by time."""
    return load_i64(instrument_addr(arena, instrument) + MODE) & MODE_RULES != 0


@kernel
def floor_step(arena: int, instrument: int, price: int, half: int) -> int:
    """The largest valid price <= ``price``; every band begins with one."""
    return floor_by_rules(arena, instrument, price, half) if has_rules(arena, instrument) else price


@kernel
def ceil_step(arena: int, instrument: int, price: int, half: int) -> int:
    """The smallest valid price >= ``price``, or NO_PRICE if it is beyond int64."""
    return ceil_by_rules(arena, instrument, price, half) if has_rules(arena, instrument) else price


@kernel_outlined
def floor_by_rules(arena: int, instrument: int, price: int, half: int) -> int:
    step = half_of(step_at(arena, instrument, price), half)
    return price - price % step


@kernel_outlined
def ceil_by_rules(arena: int, instrument: int, price: int, half: int) -> int:
    step = half_of(step_at(arena, instrument, price), half)
    missing = -price % step
    if price > MAX_VALUE - missing:
        return NO_PRICE
    rule = rule_addr(arena, instrument)
    for band in range(TICK_BANDS):
        at = rule + RULE_BANDS + 16 * band
        if load_i64(at + 8) == 0:
            break
        if price < load_i64(at):
            return min(price + missing, load_i64(at))
    return price + missing


@kernel
def is_within(arena: int, instrument: int, price: int) -> bool:
    """Whether ``price`` is inside the instrument's limits."""
    state = instrument_addr(arena, instrument)
    return load_i64(state + MIN_PRICE) <= price <= load_i64(state + MAX_PRICE)


# Refusals, in the order of the checks


@kernel_outlined
def refuse_price(arena: int, instrument: int, price: int) -> int:
    if not is_multiple(price, step_at(arena, instrument, price)):
        return OFF_STEP
    return ACCEPT if is_within(arena, instrument, price) else PRICE_LIMIT


@kernel
def refuse_qty(arena: int, instrument: int, qty: int) -> int:
    if qty <= 0:
        return BAD_QTY
    if not is_multiple(qty, load_i64(rule_addr(arena, instrument) + RULE_QTY_STEP)):
        return OFF_LOT
    state = instrument_addr(arena, instrument)
    if qty < load_i64(state + MIN_QTY) or qty > load_i64(state + MAX_QTY):
        return QTY_LIMIT
    return ACCEPT


@kernel_outlined
def refuse_aux(arena: int, instrument: int, order_type: int, aux: int, qty: int) -> int:
    """Whether trigger, distance, display, offset or minimum makes sense."""
    good = True
    if order_type in (STOP, STOP_LIMIT):
        good = refuse_price(arena, instrument, aux) == ACCEPT
    elif is_trailing(order_type):
        distance = aux & 0xFFFFFFFF
        most = 2**31 - 1 if order_type == TRAILING_STOP else 9999
        good = aux >= 0 and 1 <= distance <= most
    elif order_type == ICEBERG:
        lot = load_i64(rule_addr(arena, instrument) + RULE_QTY_STEP)
        good = 0 < aux <= qty and aux % lot == 0 and not has_many_slices(qty, aux)
    elif is_peg(order_type):
        good = -MAX_OFFSET <= aux <= MAX_OFFSET
    elif order_type == MIN_QTY_TYPE:
        good = 1 <= aux <= qty
    return ACCEPT if good else BAD_AUX


@kernel
def slices_of(qty: int, display: int) -> int:
    return (qty - 1) // display + 1


@kernel
def has_many_slices(qty: int, display: int) -> bool:
    return slices_of(qty, display) > MAX_DISPLAY_SLICES


@kernel
def refuse_phase(state: int, order_type: int, tif: int, price: int) -> int:
    """Whether a new order may come in the instrument's phase."""
    phase = load_u8(state + PHASE)
    if phase == CONTINUOUS:
        return WRONG_PHASE if tif == AT_OPEN else ACCEPT
    if phase in (CLOSED, HALT):
        return WRONG_PHASE
    if phase == TRADING_AT_LAST:
        last = load_i64(state + LAST_PRICE)
        if last == NO_PRICE or order_type > MARKET or tif > GTC:
            return WRONG_PHASE
        return OFF_LAST if order_type == LIMIT and price != last else ACCEPT
    if tif in (IOC, FOK) or is_peg(order_type) or order_type == MIN_QTY_TYPE:
        return WRONG_PHASE
    late = tif == AT_OPEN and phase not in (PRE_OPEN, OPENING_AUCTION)
    return WRONG_PHASE if late else ACCEPT


@kernel
def refuse_new(
    arena: int, instrument: int, word: int, price: int, qty: int, aux: int, is_open: int
) -> int:
    """The checks of a new order that look at nothing in the book; ``is_open``: its id is."""
    state = instrument_addr(arena, instrument)
    side = (word >> SIDE_SHIFT) & 0xFF
    order_type = (word >> TYPE_SHIFT) & 0xFF
    tif = (word >> TIF_SHIFT) & 0xF
    if side < BUY or side > SELL or order_type < LIMIT or order_type > MIN_QTY_TYPE:
        return MALFORMED
    tifs = FIRST_TYPES if order_type <= 8 else LATER_TYPES
    if (
        tif > AT_CLOSE
        or (tifs >> (((order_type - 1) & 7) * 8 + tif)) & 1 == 0
        or (word >> MODE_SHIFT) & 0xF > DECREMENT
    ):
        return MALFORMED
    reason = refuse_qty(arena, instrument, qty)
    if reason == ACCEPT and has_price(order_type):
        reason = refuse_price(arena, instrument, price)
    if reason == ACCEPT:
        reason = refuse_aux(arena, instrument, order_type, aux, qty)
    if reason == ACCEPT:
        reason = refuse_phase(state, order_type, tif, price)
    if reason == ACCEPT and is_open != 0:
        reason = DUPLICATE_ID
    if reason == ACCEPT and tif == GTD and aux < load_i64(arena + NOW_NS):
        reason = EXPIRED
    return reason
