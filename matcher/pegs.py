# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Pegged orders: hidden, and priced by the displayed best prices."""

from openoutcry.matcher.arena import (
    EXT_AUX,
    EXT_MODE,
    EXT_PRICE,
    EXT_SIDE,
    EXT_SLOT,
    EXT_TYPE,
    HIDDEN_BOOK,
    PEG_LIST,
    PEGGED_ASK,
    PEGGED_BID,
    SLOT_ID,
    SLOT_LEVEL,
    SLOT_QTY,
)
from openoutcry.matcher.constants import (
    ACCEPT,
    BUY,
    CANCELLED,
    HALF_STEP_MIDPOINT,
    HIDDEN_FLAG,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    REPEGGED,
    RULE_OPTIONS,
    SELL,
    WAITING,
)
from openoutcry.matcher.events import tell
from openoutcry.matcher.extended import (
    book_of,
    end,
    forget,
    next_listed,
    reason_word,
    refuse_place,
    stand,
    start_walk,
    withdraw,
)
from openoutcry.matcher.levels import instrument_addr, slot_addr
from openoutcry.matcher.orders import order_address, plain_price
from openoutcry.matcher.rules import (
    add_saturating,
    ceil_step,
    floor_step,
    is_within,
    rule_addr,
)
from openoutcry.matcher.stops import displayed_price
from openoutcry.matcher.walk import UNSEEN_BOOKS, set_taker, take
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def peg_price(
    arena: int, instrument: int, order_type: int, side: int, offset: int, limit: int
) -> int:
    """Where a pegged order stands now, or NO_PRICE."""
    bid = displayed_price(arena, instrument, BUY, NO_PRICE)
    ask = displayed_price(arena, instrument, SELL, NO_PRICE)
    other = ask if side == BUY else bid
    reference = other
    if order_type == PEG_PRIMARY:
        reference = bid if side == BUY else ask
    half, odd = 0, 0
    if order_type == PEG_MIDPOINT:
        # The middle rounded down, and whether half a tick is missing.
        reference = (bid & ask) + ((bid ^ ask) >> 1)
        odd = (bid ^ ask) & 1
        half = load_u8(rule_addr(arena, instrument) + RULE_OPTIONS) & HALF_STEP_MIDPOINT
        if bid == NO_PRICE or ask == NO_PRICE:
            return NO_PRICE
    if reference == NO_PRICE:
        return NO_PRICE
    if side == BUY:
        wanted = add_saturating(reference, offset)
        price = min(limit, floor_step(arena, instrument, wanted, half))
        if other != NO_PRICE:
            price = min(price, floor_step(arena, instrument, other - 1, half))
    else:
        wanted = add_saturating(add_saturating(reference, -offset), odd)
        price = ceil_step(arena, instrument, wanted, half)
        if price == NO_PRICE:
            return NO_PRICE
        price = max(limit, price)
        if other == MAX_VALUE:
            return NO_PRICE
        if other != NO_PRICE:
            short = ceil_step(arena, instrument, other + 1, half)
            if short == NO_PRICE:
                return NO_PRICE
            price = max(price, short)
    return price if is_within(arena, instrument, price) else NO_PRICE


@kernel_outlined
def current_price(arena: int, slot: int) -> int:
    """Where the pegged order stands in the hidden book, or NO_PRICE while it waits."""
    if load_u32(slot_addr(arena, slot) + SLOT_LEVEL) == 0:
        return NO_PRICE
    return plain_price(arena, slot)


@kernel_outlined
def repeg_all(arena: int, instrument: int) -> int:
    """If the displayed best prices have changed, give every peg its new price, in order of
    arrival; returns whether any has another now."""
    state = instrument_addr(arena, instrument)
    bid, ask = load_i64(state + PEGGED_BID), load_i64(state + PEGGED_ASK)
    follow_quotes(arena, instrument)
    if bid == load_i64(state + PEGGED_BID) and ask == load_i64(state + PEGGED_ASK):
        return 0
    changed = 0
    start_walk(arena, instrument, PEG_LIST)
    ext = next_listed(arena)
    while ext != 0:
        limit = load_i64(ext + EXT_PRICE)
        side, aux = load_u8(ext + EXT_SIDE), load_i64(ext + EXT_AUX)
        price = peg_price(arena, instrument, load_u8(ext + EXT_TYPE), side, aux, limit)
        if price != current_price(arena, load_u32(ext + EXT_SLOT)):
            repeg(arena, instrument, ext, price)
            changed = 1
        ext = next_listed(arena)
    return changed


@kernel_outlined
def follow_quotes(arena: int, instrument: int) -> None:
    """Remember the displayed best prices as those by which every peg has its price."""
    state = instrument_addr(arena, instrument)
    store_i64(state + PEGGED_BID, displayed_price(arena, instrument, BUY, NO_PRICE))
    store_i64(state + PEGGED_ASK, displayed_price(arena, instrument, SELL, NO_PRICE))


@kernel_outlined
def repeg(arena: int, instrument: int, ext: int, price: int) -> None:
    """Move a peg to ``price``, or (NO_PRICE) let it wait."""
    slot = load_u32(ext + EXT_SLOT)
    at = slot_addr(arena, slot)
    qty = load_i64(at + SLOT_QTY)
    word = order_address(arena, slot)
    withdraw(arena, slot)
    if price == NO_PRICE:
        limit = load_i64(ext + EXT_PRICE)
        word |= REPEGGED | HIDDEN_FLAG | WAITING
        tell(arena, load_i64(at + SLOT_ID), 0, limit, qty, qty, word)
        return
    book = book_of(instrument, HIDDEN_BOOK, load_u8(ext + EXT_SIDE))
    reason = refuse_place(arena, book, price, qty, 0)
    if reason != ACCEPT:
        end(arena, instrument, slot, reason_word(CANCELLED, reason))
        return
    event = word | REPEGGED | HIDDEN_FLAG
    tell(arena, load_i64(at + SLOT_ID), 0, price, qty, qty, event)
    set_taker(arena, load_i64(at + SLOT_ID), word, price, load_u8(ext + EXT_MODE))
    take_and_hide(arena, instrument, ext, price, qty)


@kernel_outlined
def take_and_hide(arena: int, instrument: int, ext: int, price: int, qty: int) -> None:
    """The peg, in no level, trades with what is unseen at its price; the rest is hidden."""
    slot, side = load_u32(ext + EXT_SLOT), load_u8(ext + EXT_SIDE)
    left = take(arena, instrument, side, price, qty, UNSEEN_BOOKS)
    if left == 0:
        forget(arena, instrument, slot)
    else:
        stand(arena, book_of(instrument, HIDDEN_BOOK, side), price, slot, left)


@kernel_outlined
def park_pegs(arena: int, instrument: int) -> None:
    """A call begins: the pegs that have a price lose it."""
    start_walk(arena, instrument, PEG_LIST)
    ext = next_listed(arena)
    while ext != 0:
        if current_price(arena, load_u32(ext + EXT_SLOT)) != NO_PRICE:
            repeg(arena, instrument, ext, NO_PRICE)
        ext = next_listed(arena)
    # The next settlement prices them again, whatever the best prices are then.
    state = instrument_addr(arena, instrument)
    store_i64(state + PEGGED_BID, NO_PRICE)
    store_i64(state + PEGGED_ASK, NO_PRICE)
