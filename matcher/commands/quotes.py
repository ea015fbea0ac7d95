"""Quotes: a NEW with the term QUOTE is one side, and the term is the other.

Both sides enter, replace what is open by their ids, or go, in one command; or it is refused and
nothing has changed.  Of the two, the side first that would meet the other where that is now.  So
no side of a quote ever trades with the other, and each is done by the functions of NEW, REPLACE and
CANCEL.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    best_price,
    book_of,
    count_order,
    first_order,
    next_order,
    refuse_join,
    which_book,
)
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.instrument_rules import refuse_phase, refuse_price, refuse_qty
from openoutcry.matcher.book.levels import (
    find_page,
    instrument_addr,
    key_flip,
    page_number,
)
from openoutcry.matcher.book.orders import order_leaves, plain_price
from openoutcry.matcher.book.terms import new_terms
from openoutcry.matcher.commands.amend import cancel_any, replace_resting
from openoutcry.matcher.commands.new import (
    enter_by_type,
    is_own_side,
    order_side,
    order_tif,
    order_type_of,
)
from openoutcry.matcher.matching.waiting import crosses_waiting
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_PRICE

NAMED, OTHER = 0, 1
"""The side that the NEW names, and that of its term."""
SIDES = const.BUY + const.SELL


@kernel_outlined
def enter_quote(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """NEW of a quote, valid as an order: replace both sides.  Returns why it is refused, or
    ACCEPT."""
    reason = refuse_other(arena, order, instrument)
    if reason == const.ACCEPT:
        reason = refuse_crossing(arena, order, instrument)
    if reason == const.ACCEPT:
        reason = refuse_space(arena, order, instrument)
    if reason != const.ACCEPT:
        return reason
    first = OTHER if meets_other(arena, order, instrument) else NAMED
    place_side(arena, order, instrument, first)
    place_side(arena, order, instrument, OTHER - first)
    return const.ACCEPT


@kernel
def side_of(arena: ArenaHeader, order: OrderRecord, which: int) -> tuple[int, int, int, int]:
    """Return side, price, lots and order id of a side of the quote."""
    if which == NAMED:
        return order_side(order), order.price_ticks, order.qty_lots, order.order_id
    new = new_terms(arena)
    return SIDES - order_side(order), new.quote_price, new.quote_qty, new.quote_id


@kernel
def own_slot(arena: ArenaHeader, order: OrderRecord, instrument: int, which: int) -> int:
    """Return the slot of what is open of a side, 0: nothing is."""
    return find_id(arena, instrument, side_of(arena, order, which)[3])


@kernel_outlined
def refuse_other(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Why the other side is refused, or ACCEPT: it must be what the NEW could be, and the bid below
    the offer."""
    side, price, qty, _ = side_of(arena, order, OTHER)
    slot = own_slot(arena, order, instrument, OTHER)
    if qty != 0:
        reason = refuse_qty(arena, instrument, qty)
        if reason == const.ACCEPT:
            reason = refuse_price(arena, instrument, price)
        if reason == const.ACCEPT and reaches(side, price, order.price_ticks):
            reason = const.BAD_AUX
        if reason == const.ACCEPT:
            state, order_type = instrument_addr(arena, instrument), order_type_of(order)
            reason = refuse_phase(state, order_type, order_tif(order), price)
        if reason != const.ACCEPT:
            return reason
    if slot != 0 and not is_own_side(arena, slot, order, side):
        return const.DUPLICATE_ID
    return const.ACCEPT


@kernel
def reaches(side: int, price: int, other: int) -> bool:
    """Return whether an order at ``price`` trades with one of the other side at ``other``."""
    return price >= other if side == const.BUY else price <= other


@kernel
def stays(arena: ArenaHeader, order: OrderRecord, instrument: int, which: int) -> bool:
    """Return whether the side keeps its place in the book, or goes, or never came."""
    _, price, qty, _ = side_of(arena, order, which)
    slot = own_slot(arena, order, instrument, which)
    if qty == 0:
        return True
    return slot != 0 and plain_price(arena, slot) == price and order_leaves(arena, slot) >= qty


@kernel_outlined
def refuse_crossing(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Return whether a POST_ONLY quote would trade: with any order but what is open of itself."""
    if order_type_of(order) != const.POST_ONLY:
        return const.ACCEPT
    if instrument_addr(arena, instrument).phase != const.CONTINUOUS:
        return const.ACCEPT
    for which in range(NAMED, OTHER + 1):
        side, price, _, _ = side_of(arena, order, which)
        if stays(arena, order, instrument, which):
            continue
        best = best_of_others(arena, order, instrument, which)
        if crosses_waiting(arena, instrument, side):
            return const.WOULD_CROSS
        if best != NO_PRICE and reaches(side, price, best):
            return const.WOULD_CROSS
    return const.ACCEPT


@kernel
def best_of_others(arena: ArenaHeader, order: OrderRecord, instrument: int, which: int) -> int:
    """Return the best price that a side could trade at with others, or NO_PRICE.  Of
    the quote's other side at most one order is open, which does not count."""
    opposite = SIDES - side_of(arena, order, which)[0]
    own = own_slot(arena, order, instrument, OTHER - which)
    book = book_of(instrument, layout.DISPLAYED, opposite)
    slot = first_order(arena, book)
    if slot == 0 or slot != own:
        return best_price(arena, instrument, opposite, NO_PRICE)
    slot = next_order(arena, slot)
    shown = plain_price(arena, slot) if slot != 0 else NO_PRICE
    slot = first_order(arena, book_of(instrument, layout.HIDDEN_BOOK, opposite))
    hidden = plain_price(arena, slot) if slot != 0 else NO_PRICE
    if NO_PRICE in (shown, hidden):
        return shown if hidden == NO_PRICE else hidden
    return max(shown, hidden) if opposite == const.BUY else min(shown, hidden)


@kernel_outlined
def refuse_space(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Return whether there is capacity for both sides, whatever of them trades."""
    order_type, more, pages = order_type_of(order), 0, 0
    for which in range(NAMED, OTHER + 1):
        side, price, qty, _ = side_of(arena, order, which)
        slot = own_slot(arena, order, instrument, which)
        if stays(arena, order, instrument, which):
            continue
        more += 1 if slot == 0 else 0
        book = book_of(instrument, which_book(order_type), side)
        own = order_leaves(arena, slot) if slot != 0 and plain_price(arena, slot) == price else 0
        reason = refuse_join(arena, book, price, qty, own)
        if reason != const.ACCEPT:
            return reason
        key = price ^ key_flip(book)
        pages += 1 if find_page(arena, book, page_number(key)) == 0 else 0
    if arena.open_pages + pages > arena.fixed_page_capacity:
        return const.BOOK_FULL
    if arena.open_orders + more > arena.order_capacity:
        return const.BOOK_FULL
    before = arena.extra_events
    for _ in range(more):
        count_order(arena, instrument, order_type, order_tif(order), 0, 1)
    after = arena.extra_events
    for _ in range(more):
        count_order(arena, instrument, order_type, order_tif(order), 0, -1)
    return const.BOOK_FULL if after > before and after > arena.extra_capacity else const.ACCEPT


@kernel
def meets_other(arena: ArenaHeader, order: OrderRecord, instrument: int) -> bool:
    """Return whether the side that the NEW names would trade with what is open of the other."""
    slot = own_slot(arena, order, instrument, OTHER)
    if slot == 0:
        return False
    return reaches(order_side(order), order.price_ticks, plain_price(arena, slot))


@kernel_outlined
def place_side(arena: ArenaHeader, order: OrderRecord, instrument: int, which: int) -> None:
    """Enter a side, replace what is open of it, or cancel that."""
    side, price, qty, order_id = side_of(arena, order, which)
    slot = own_slot(arena, order, instrument, which)
    if qty == 0:
        if slot != 0:
            cancel_any(arena, instrument, slot)
        return
    record = OrderRecord(arena + layout.RESTATED)
    record.price_ticks = price
    record.qty_lots = qty
    record.order_id = order_id
    record.aux = 0
    record.word = order.word & ~(0xFF << const.SIDE_SHIFT) | side << const.SIDE_SHIFT
    if slot != 0:
        reason = replace_resting(arena, record, instrument, slot, order_type_of(order))
    else:
        reason = enter_by_type(arena, record, instrument)
    if VERIFY:
        assert reason == const.ACCEPT, "what a quote may do was known before"
