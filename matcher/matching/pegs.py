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
from openoutcry.matcher.book.arena import ArenaHeader, Extension, InstrumentState
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
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def peg_price(
    arena: ArenaHeader,
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
        half = rule_addr(arena, instrument).options & const.HALF_STEP_MIDPOINT
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
def current_price(arena: ArenaHeader, slot: int) -> int:
    """The pegged order's price in the hidden book, or NO_PRICE while it waits."""
    if slot_addr(arena, slot).level == 0:
        return NO_PRICE
    return plain_price(arena, slot)


@kernel_outlined
def repeg_all(arena: ArenaHeader, instrument: int) -> int:
    """If the best displayed prices changed, reprice every peg in order of arrival; returns whether
    any price changed."""
    state = instrument_addr(arena, instrument)
    if not quotes_moved(arena, instrument, state):
        return 0
    store_pegged_quotes(arena, instrument)
    bid, ask = state.pegged_bid, state.pegged_ask
    changed = 0
    begin_list(arena, instrument, layout.PEG_LIST)
    ext = next_in_list(arena)
    while ext != 0:
        limit = ext.price
        side, aux = ext.side, ext.aux
        order_type = ext.type
        price = peg_price(arena, instrument, order_type, side, aux, limit, bid, ask)
        if price != current_price(arena, ext.slot):
            repeg(arena, instrument, ext, price)
            changed = 1
        ext = next_in_list(arena)
    return changed


@kernel_outlined
def store_pegged_quotes(arena: ArenaHeader, instrument: int) -> None:
    """Store the best displayed prices that the pegs are priced by."""
    state = instrument_addr(arena, instrument)
    state.pegged_bid = best_displayed(arena, instrument << 4 | layout.DISPLAYED)
    state.pegged_ask = best_displayed(arena, instrument << 4 | layout.DISPLAYED | 1)


@kernel
def quotes_moved(arena: ArenaHeader, instrument: int, state: InstrumentState) -> bool:
    """Return whether the best displayed prices differ from those that the pegs are priced by."""
    bids = instrument << 4 | layout.DISPLAYED
    return state.pegged_bid != best_displayed(arena, bids) or state.pegged_ask != best_displayed(
        arena, bids | 1
    )


@kernel
def best_displayed(arena: ArenaHeader, book: int) -> int:
    """The best price of a displayed book, or NO_PRICE."""
    side = book_addr(arena, book)
    best = side.best_key ^ key_flip(book)
    return best if side.best_level != 0 else NO_PRICE


@kernel_outlined
def repeg(arena: ArenaHeader, instrument: int, ext: Extension, price: int) -> None:
    """Reprice a peg to ``price``, or (NO_PRICE) let it wait."""
    slot, side = ext.slot, ext.side
    at = slot_addr(arena, slot)
    order_id, qty = at.id, at.qty
    word = event_tag(instrument, side, ext.participant)
    if at.level != 0:
        leave_level(arena, slot)
        at.level = 0
    if price == NO_PRICE:
        limit = ext.price
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
        set_taker(arena, order_id, word, price, ext.mode)
        take_and_hide(arena, instrument, ext, price, qty)
    else:
        join_level(arena, book, page, key, slot, qty)


@kernel_outlined
def take_and_hide(
    arena: ArenaHeader, instrument: int, ext: Extension, price: int, qty: int
) -> None:
    """Match the peg, in no level, with non-displayed orders; the remainder rests hidden."""
    slot, side = ext.slot, ext.side
    book = book_of(instrument, layout.HIDDEN_BOOK, side)
    left = take(arena, instrument, side, price, qty, NON_DISPLAYED_BOOKS)
    if left == 0:
        remove_order(arena, instrument, slot)
    else:
        join_book(arena, book, price, slot, left)


@kernel_outlined
def park_pegs(arena: ArenaHeader, instrument: int) -> None:
    """A call begins: pegs lose their price."""
    begin_list(arena, instrument, layout.PEG_LIST)
    ext = next_in_list(arena)
    while ext != 0:
        if current_price(arena, ext.slot) != NO_PRICE:
            repeg(arena, instrument, ext, NO_PRICE)
        ext = next_in_list(arena)
    # The next cascade reprices them, whatever the best prices are then.
    state = instrument_addr(arena, instrument)
    state.pegged_bid = NO_PRICE
    state.pegged_ask = NO_PRICE
