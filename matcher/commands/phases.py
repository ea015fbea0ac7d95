# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""PHASE: the reference price, the uncrossing of a call that ends, and what a phase begins with."""

from openoutcry.matcher.book.any_order import (
    book_of,
    end,
    next_listed,
    reason_word,
    refuse_place,
    stand,
    start_walk,
    unlist,
)
from openoutcry.matcher.book.arena import (
    AUCTION_LIST,
    CALL_FROM,
    CALL_TO,
    CALLED,
    DISPLAYED,
    EXT_PRICE,
    EXT_SIDE,
    EXT_SLOT,
    EXTENSIONS_USED,
    INDICATIVE_PRICE,
    INDICATIVE_SIDE,
    INDICATIVE_SURPLUS,
    INDICATIVE_VOLUME,
    LAST_PRICE,
    MODE,
    MODE_PHASE,
    PHASE,
    REFERENCE,
    SETTLED_LAST,
    SLOT_ID,
    SLOT_QTY,
)
from openoutcry.matcher.book.instrument_rules import add_saturating, is_call, rule_addr
from openoutcry.matcher.book.levels import instrument_addr, slot_addr
from openoutcry.matcher.book.orders import order_address
from openoutcry.matcher.commands.mass import DAY_ORDERS, sweep
from openoutcry.matcher.constants import (
    ACCEPT,
    AUCTION_EXTENDED,
    BUY,
    CANCELLED,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    DAY_END,
    ELECTED,
    EXPIRED_EVENT,
    MALFORMED,
    ORDER_AUX,
    ORDER_PRICE,
    ORDER_QTY,
    ORDER_WORD,
    PHASE_CHANGED,
    RULE_AUCTION_BAND,
    RULE_EXTENSIONS,
    SELL,
    TRADING_AT_LAST,
)
from openoutcry.matcher.events import event_address, tell
from openoutcry.matcher.matching.auction_price import crossing_price
from openoutcry.matcher.matching.pegs import park_pegs
from openoutcry.matcher.matching.take import best_price
from openoutcry.matcher.matching.uncross import uncross
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64, store_u8
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def change_phase(arena: int, order: int, instrument: int) -> int:
    """The PHASE command; returns why it is refused, or ACCEPT."""
    phase = load_i64(order + ORDER_AUX)
    if load_i64(order + ORDER_WORD) & 0xFFFF != 0 or phase < CLOSED or phase > TRADING_AT_LAST:
        return MALFORMED
    state = instrument_addr(arena, instrument)
    if load_i64(order + ORDER_QTY) == 1:
        store_i64(state + REFERENCE, load_i64(order + ORDER_PRICE))
    elif load_i64(state + LAST_PRICE) != NO_PRICE:
        store_i64(state + REFERENCE, load_i64(state + LAST_PRICE))
    old = load_u8(state + PHASE)
    uncrosses = must_uncross(arena, instrument, phase)
    if uncrosses and is_extended(arena, instrument):
        store_u8(state + EXTENSIONS_USED, load_u8(state + EXTENSIONS_USED) + 1)
        tell_phase(arena, instrument, old, old, AUCTION_EXTENDED)
        return ACCEPT
    set_phase(arena, instrument, phase)
    tell_phase(arena, instrument, phase, old, 0)
    if uncrosses:
        uncross(arena, instrument)
        store_u8(state + CALLED, 0)
        store_u8(state + EXTENSIONS_USED, 0)
    if is_call(phase):
        begin_call(arena, instrument, phase)
    elif phase == CLOSED:
        sweep(arena, instrument, DAY_ORDERS, 0, reason_word(EXPIRED_EVENT, DAY_END))
    return ACCEPT


@kernel_outlined
def set_phase(arena: int, instrument: int, phase: int) -> None:
    state = instrument_addr(arena, instrument)
    store_u8(state + PHASE, phase)
    # Trailing stops may have come while nothing was settled: the next settlement looks at all.
    store_i64(state + SETTLED_LAST, NO_PRICE)
    mode = load_i64(state + MODE) & ~MODE_PHASE
    store_i64(state + MODE, mode if phase == CONTINUOUS else mode | MODE_PHASE)


@kernel_outlined
def tell_phase(arena: int, instrument: int, phase: int, old: int, reason: int) -> None:
    reference = load_i64(instrument_addr(arena, instrument) + REFERENCE)
    word = event_address(instrument, 0, 0) | reason_word(PHASE_CHANGED, reason)
    tell(arena, 0, old, reference, phase, 0, word)


@kernel_outlined
def must_uncross(arena: int, instrument: int, phase: int) -> bool:
    """Whether the call that was, or a book that trading at last left crossed, ends in an
    uncrossing."""
    if phase not in (CONTINUOUS, TRADING_AT_LAST, CLOSED):
        return False
    if load_u8(instrument_addr(arena, instrument) + CALLED) != 0:
        return True
    if phase != CONTINUOUS:
        return False
    bid = best_price(arena, instrument, BUY, NO_PRICE)
    ask = best_price(arena, instrument, SELL, NO_PRICE)
    return bid != NO_PRICE and ask != NO_PRICE and bid >= ask


@kernel_outlined
def is_extended(arena: int, instrument: int) -> bool:
    """Whether the auction's price lies outside its band and the call may still go on."""
    rule, state = rule_addr(arena, instrument), instrument_addr(arena, instrument)
    band, reference = load_i64(rule + RULE_AUCTION_BAND), load_i64(state + REFERENCE)
    if band == 0 or reference == NO_PRICE:
        return False
    if load_u8(state + EXTENSIONS_USED) >= load_u8(rule + RULE_EXTENSIONS):
        return False
    price = crossing_price(arena, instrument)
    if price == NO_PRICE:
        return False
    above, below = add_saturating(reference, band), add_saturating(reference, -band)
    return price > above or price < below


@kernel_outlined
def begin_call(arena: int, instrument: int, phase: int) -> None:
    """Nothing trades from here on until the uncrossing."""
    state = instrument_addr(arena, instrument)
    store_u8(state + CALLED, 1)
    store_i64(state + INDICATIVE_PRICE, NO_PRICE)
    store_i64(state + INDICATIVE_VOLUME, 0)
    store_i64(state + INDICATIVE_SURPLUS, 0)
    store_i64(state + INDICATIVE_SIDE, 0)
    store_i64(state + CALL_FROM, NO_PRICE)
    store_i64(state + CALL_TO, MAX_VALUE)
    park_pegs(arena, instrument)
    if phase == CLOSING_AUCTION:
        start_walk(arena, instrument, AUCTION_LIST)
        ext = next_listed(arena)
        while ext != 0:
            join_call(arena, instrument, ext)
            ext = next_listed(arena)


@kernel_outlined
def join_call(arena: int, instrument: int, ext: int) -> None:
    """The call that an order waited for has begun."""
    slot = load_u32(ext + EXT_SLOT)
    at = slot_addr(arena, slot)
    price, qty = load_i64(ext + EXT_PRICE), load_i64(at + SLOT_QTY)
    book = book_of(instrument, DISPLAYED, load_u8(ext + EXT_SIDE))
    reason = refuse_place(arena, book, price, qty, 0)
    if reason != ACCEPT:
        end(arena, instrument, slot, reason_word(CANCELLED, reason))
        return
    word = order_address(arena, slot) | ELECTED
    tell(arena, load_i64(at + SLOT_ID), 0, price, qty, qty, word)
    unlist(arena, ext)
    stand(arena, book, price, slot, qty)
