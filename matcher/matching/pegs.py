# (intrinsics have no types that mypy could see)
"""Pegged orders: hidden, and priced by the displayed best prices."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    begin_list,
    book_of,
    cancel_order,
    join_book,
    next_in_list,
    reason_word,
    remove_order,
)
from openoutcry.matcher.book.instrument_rules import (
    add_saturating,
    ceil_step,
    floor_step,
    is_within,
    rule_addr,
)
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    instrument_addr,
    join_level,
    key_flip,
    leave_level,
    page_number,
    slot_addr,
)
from openoutcry.matcher.book.orders import plain_price
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.matcher.matching.plain_orders import refuse_rest
from openoutcry.matcher.matching.take import (
    NON_DISPLAYED_BOOKS,
    crosses_non_displayed,
    set_taker,
    take,
)
from openoutcry.matcher.matching.waiting import crosses_waiting
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, load_u32, store_i64, store_u32
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def peg_price(
    arena: int,
    instrument: int,
    order_type: int,
    side: int,
    offset: int,
    limit: int,
    bid: int,
    ask: int,
) -> int:
    """A pegged order's price at these best displayed prices (NO_PRICE: none), or NO_PRICE."""
    other = ask if side == const.BUY else bid
    reference = other
    if order_type == const.PEG_PRIMARY:
        reference = bid if side == const.BUY else ask
    half, odd = 0, 0
    if order_type == const.PEG_MIDPOINT:
        # The middle rounded down, and whether half a tick is missing.
        reference = (bid & ask) + ((bid ^ ask) >> 1)
        odd = (bid ^ ask) & 1
        half = load_u8(rule_addr(arena, instrument) + const.RULE_OPTIONS) & const.HALF_STEP_MIDPOINT
        if bid == NO_PRICE or ask == NO_PRICE:
            return NO_PRICE
    if reference == NO_PRICE:
        return NO_PRICE
    if side == const.BUY:
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


@kernel
def current_price(arena: int, slot: int) -> int:
    """The pegged order's price in the hidden book, or NO_PRICE while it waits."""
    if load_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL) == 0:
        return NO_PRICE
    return plain_price(arena, slot)


@kernel_outlined
def repeg_all(arena: int, instrument: int) -> int:
    """If the best displayed prices changed, reprice every peg in order of arrival; returns whether
    any price changed."""
    state = instrument_addr(arena, instrument)
    if not quotes_moved(arena, instrument, state):
        return 0
    store_pegged_quotes(arena, instrument)
    bid, ask = load_i64(state + layout.PEGGED_BID), load_i64(state + layout.PEGGED_ASK)
    changed = 0
    begin_list(arena, instrument, layout.PEG_LIST)
    ext = next_in_list(arena)
    while ext != 0:
        limit = load_i64(ext + layout.EXT_PRICE)
        side, aux = load_u8(ext + layout.EXT_SIDE), load_i64(ext + layout.EXT_AUX)
        order_type = load_u8(ext + layout.EXT_TYPE)
        price = peg_price(arena, instrument, order_type, side, aux, limit, bid, ask)
        if price != current_price(arena, load_u32(ext + layout.EXT_SLOT)):
            repeg(arena, instrument, ext, price)
            changed = 1
        ext = next_in_list(arena)
    return changed


@kernel_outlined
def store_pegged_quotes(arena: int, instrument: int) -> None:
    """Store the best displayed prices that the pegs are priced by."""
    state = instrument_addr(arena, instrument)
    store_i64(state + layout.PEGGED_BID, best_displayed(arena, instrument << 4 | layout.DISPLAYED))
    store_i64(
        state + layout.PEGGED_ASK, best_displayed(arena, instrument << 4 | layout.DISPLAYED | 1)
    )


@kernel
def quotes_moved(arena: int, instrument: int, state: int) -> bool:
    """Whether the best displayed prices differ from those that the pegs are priced by."""
    bids = instrument << 4 | layout.DISPLAYED
    return load_i64(state + layout.PEGGED_BID) != best_displayed(arena, bids) or load_i64(
        state + layout.PEGGED_ASK
    ) != best_displayed(arena, bids | 1)


@kernel
def best_displayed(arena: int, book: int) -> int:
    """The best price of a displayed book, or NO_PRICE."""
    side = book_addr(arena, book)
    best = load_i64(side + layout.BOOK_BEST_KEY) ^ key_flip(book)
    return best if load_u32(side + layout.BOOK_BEST_LEVEL) != 0 else NO_PRICE


@kernel_outlined
def repeg(arena: int, instrument: int, ext: int, price: int) -> None:
    """Reprice a peg to ``price``, or (NO_PRICE) let it wait."""
    slot, side = load_u32(ext + layout.EXT_SLOT), load_u8(ext + layout.EXT_SIDE)
    at = slot_addr(arena, slot)
    order_id, qty = load_i64(at + layout.SLOT_ID), load_i64(at + layout.SLOT_QTY)
    word = event_tag(instrument, side, load_u16(ext + layout.EXT_OWNER))
    if load_u32(at + layout.SLOT_LEVEL) != 0:
        leave_level(arena, slot)
        store_u32(at + layout.SLOT_LEVEL, 0)
    if price == NO_PRICE:
        limit = load_i64(ext + layout.EXT_PRICE)
        emit_next(
            arena,
            order_id,
            0,
            limit,
            qty,
            qty,
            word | const.REPEGGED | const.HIDDEN_FLAG | const.WAITING,
        )
        return
    book = book_of(instrument, layout.HIDDEN_BOOK, side)
    key = price ^ key_flip(book)
    page = find_page(arena, book, page_number(key))
    reason = refuse_rest(arena, book, page, key, qty, 0, False, True)
    if reason != const.ACCEPT:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    emit_next(arena, order_id, 0, price, qty, qty, word | const.REPEGGED | const.HIDDEN_FLAG)
    takes = crosses_non_displayed(arena, book, price ^ key_flip(book ^ 1))
    if takes or crosses_waiting(arena, instrument, side):
        set_taker(arena, order_id, word, price, load_u8(ext + layout.EXT_MODE))
        take_and_hide(arena, instrument, ext, price, qty)
    else:
        join_level(arena, book, page, key, slot, qty)


@kernel_outlined
def take_and_hide(arena: int, instrument: int, ext: int, price: int, qty: int) -> None:
    """Match the peg, in no level, with non-displayed orders; the remainder rests hidden."""
    slot, side = load_u32(ext + layout.EXT_SLOT), load_u8(ext + layout.EXT_SIDE)
    book = book_of(instrument, layout.HIDDEN_BOOK, side)
    left = take(arena, instrument, side, price, qty, NON_DISPLAYED_BOOKS)
    if left == 0:
        remove_order(arena, instrument, slot)
    else:
        join_book(arena, book, price, slot, left)


@kernel_outlined
def park_pegs(arena: int, instrument: int) -> None:
    """A call begins: pegs lose their price."""
    begin_list(arena, instrument, layout.PEG_LIST)
    ext = next_in_list(arena)
    while ext != 0:
        if current_price(arena, load_u32(ext + layout.EXT_SLOT)) != NO_PRICE:
            repeg(arena, instrument, ext, NO_PRICE)
        ext = next_in_list(arena)
    # The next cascade reprices them, whatever the best prices are then.
    state = instrument_addr(arena, instrument)
    store_i64(state + layout.PEGGED_BID, NO_PRICE)
    store_i64(state + layout.PEGGED_ASK, NO_PRICE)
