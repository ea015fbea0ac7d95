"""New orders on the general path, one function for each way to enter.

Each returns why the order is refused, when nothing has happened yet, or ACCEPT.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    attach_extension,
    best_price,
    book_of,
    count_order,
    display_slice,
    extension_index,
    has_slot,
    join_list,
    open_any,
    reason_word,
    refuse_extra,
    refuse_join,
    type_flags,
    which_book,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.expiry import expire_at
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.instrument_rules import (
    ceil_step,
    floor_step,
    has_budget,
    has_price,
    is_call,
    is_market,
    is_peg,
    is_stop,
    is_trailing,
    is_within,
    refuse_new,
    refuse_price,
    slices_of,
)
from openoutcry.matcher.book.levels import instrument_addr, key_flip, slot_addr
from openoutcry.matcher.book.links import link_leg
from openoutcry.matcher.book.marks import give_trigger, marks_of
from openoutcry.matcher.book.orders import extension_of, plain_book
from openoutcry.matcher.book.terms import new_terms
from openoutcry.matcher.events import command_number, emit_next, event_tag
from openoutcry.matcher.matching.allocation import rest_after_arrival
from openoutcry.matcher.matching.budget import enter_budget
from openoutcry.matcher.matching.cascade import market_limit
from openoutcry.matcher.matching.pegs import (
    best_displayed,
    peg_price,
    store_pegged_quotes,
    take_and_hide,
)
from openoutcry.matcher.matching.stops import (
    displayed_price,
    first_trigger,
    followed_price,
    is_activated,
    refuse_passed,
    refuse_trigger,
    rest_stop,
)
from openoutcry.matcher.matching.take import (
    ALL_BOOKS,
    AT_LAST,
    WAITING_ONLY,
    crosses_any,
    fillable,
    set_taker,
    take,
)
from openoutcry.matcher.matching.waiting import crosses_waiting, let_wait, may_wait
from openoutcry.wire.enums import OrderType
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.order_types import type_bits, types_resting_as
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

RESTS_AS_LIMIT, RESTS_AS_POST_ONLY = (
    type_bits(types_resting_as(kind)) for kind in (OrderType.LIMIT, OrderType.POST_ONLY)
)


@kernel
def check_new(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """The checks of a NEW that look at nothing in the book; returns the Reason, or ACCEPT."""
    slot = find_id(arena, instrument, order.order_id)
    is_open = 1 if slot != 0 and not is_own_side(arena, slot, order, order_side(order)) else 0
    price, qty = order.price_ticks, order.qty_lots
    return refuse_new(arena, instrument, order.word, price, qty, order.aux, is_open)


@kernel
def is_own_side(arena: ArenaHeader, slot: int, order: OrderRecord, side: int) -> bool:
    """Return whether an open order is the side of a quote that the NEW at work replaces: a plain
    order of its participant, type and side."""
    if arena.new_terms & const.QUOTE_TERM == 0 or extension_of(arena, slot) != 0:
        return False
    owner, order_type = slot_addr(arena, slot).owner, order_type_of(order)
    if order_type != (const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT):
        return False
    return owner & 0xFFFF == order.word & 0xFFFF and (plain_book(arena, slot) & 1) + 1 == side


@kernel_outlined
def refuse_terms(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Why a valid NEW does not go with its terms EXPIRY, TRIGGER and QUOTE, or ACCEPT."""
    new, order_type = new_terms(arena), order_type_of(order)
    if arena.new_terms & const.QUOTE_TERM != 0:
        rests = order_type in (const.LIMIT, const.POST_ONLY)
        rests = rests and order_tif(order) in (const.DAY, const.GTC)
        return const.ACCEPT if rests and arena.new_terms == const.QUOTE_TERM else const.MALFORMED
    if arena.new_terms & const.EXPIRY_TERM != 0:
        if order_tif(order) != const.GTC:
            return const.MALFORMED
        if new.expiry_ns < arena.now_ns:
            return const.EXPIRED
    if arena.new_terms & const.TRIGGER_TERM == 0:
        return const.ACCEPT
    trails = is_trailing(order_type)
    activates = new.trigger_by & const.INACTIVE != 0
    if not is_stop(order_type) or (activates and not trails):
        return const.MALFORMED
    if activates and refuse_price(arena, instrument, new.activation) != const.ACCEPT:
        return const.BAD_AUX
    marks, source = marks_of(arena, instrument), new.trigger_by & const.BY_MASK
    if source == const.BY_MARK and marks.mark == NO_PRICE:
        return const.BAD_AUX
    is_unknown = source == const.BY_INDEX and marks.index == NO_PRICE
    return const.BAD_AUX if is_unknown else const.ACCEPT


@kernel_outlined
def enter_by_type(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Enter a checked NEW, by order type and phase; returns why it is refused, or ACCEPT."""
    word = order.word
    phase = instrument_addr(arena, instrument).phase
    order_type = (word >> const.TYPE_SHIFT) & 0xFF
    if (word >> const.TIF_SHIFT) & 0xF == const.AT_CLOSE and phase != const.CLOSING_AUCTION:
        return enter_parked(arena, order, instrument)
    if is_stop(order_type):
        return enter_stop(arena, order, instrument)
    if is_call(phase):
        return enter_call(arena, order, instrument)
    if is_peg(order_type):
        return enter_peg(arena, order, instrument)
    return enter_trading(arena, order, instrument, phase == const.TRADING_AT_LAST)


# Shared


@kernel
def order_side(order: OrderRecord) -> int:
    """Return the Side of a command."""
    return (order.word >> const.SIDE_SHIFT) & 0xFF


@kernel
def order_type_of(order: OrderRecord) -> int:
    """Return the OrderType of a command."""
    return (order.word >> const.TYPE_SHIFT) & 0xFF


@kernel
def order_tif(order: OrderRecord) -> int:
    """Return the TimeInForce of a command, without self-trade mode and flags."""
    return (order.word >> const.TIF_SHIFT) & 0xF


@kernel
def requested_slices(order: OrderRecord, order_type: int) -> int:
    """Return the slices that a new iceberg can show, 0 for another type."""
    if order_type != const.ICEBERG:
        return 0
    return slices_of(order.qty_lots, order.aux)


@kernel
def sender_tag(order: OrderRecord, instrument: int) -> int:
    """Return the bits of an event's word that name the instrument, side and sender of a command."""
    word = order.word
    return event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)


@kernel
def refuse_one_more(
    arena: ArenaHeader, order: OrderRecord, instrument: int, order_type: int
) -> int:
    """Return whether there is capacity for one more order of ``order_type``."""
    if not has_slot(arena):
        return const.BOOK_FULL
    tif = order_tif(order)
    return refuse_extra(arena, instrument, order_type, tif, requested_slices(order, order_type))


@kernel
def first_displayed(order: OrderRecord, order_type: int) -> int:
    """The quantity that its level would display."""
    qty = order.qty_lots
    return min(qty, order.aux) if order_type == const.ICEBERG else qty


@kernel_outlined
def emit_accepted(
    arena: ArenaHeader, order: OrderRecord, instrument: int, price: int, contra_id: int, flags: int
) -> None:
    """Write the ACCEPTED event of a new order, with its full quantity.  A leg of a list was
    accepted before: it is ELECTED; or, a stop, has its trigger from now on."""
    qty, kind = order.qty_lots, const.ACCEPTED
    if arena.entering != 0:
        kind = const.ELECTED
        if is_stop(order_type_of(order)):
            if contra_id == NO_PRICE:
                return
            kind, price, contra_id = const.TRIGGER_MOVED, contra_id, 0
    word = sender_tag(order, instrument) | kind | flags
    emit_next(arena, order.order_id, contra_id, price, qty, qty, word)


@kernel_outlined
def open_new(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    order_type: int,
    price: int,
    number: int,
) -> int:
    """A slot for the new order as an order of ``order_type`` at ``price``, counted, its extension
    filled in; in no level yet.  ``number``: of its ACCEPTED event."""
    word = order.word
    tif, expiry_ns = order_tif(order), order.aux
    if arena.new_terms & const.EXPIRY_TERM != 0:
        tif, expiry_ns = const.GTD, new_terms(arena).expiry_ns
    owner = word & 0xFFFF
    if order_type == const.POST_ONLY:
        owner |= layout.SLOT_POST_ONLY
    side, order_id = order_side(order), order.order_id
    slices = requested_slices(order, order_type)
    slot = open_any(arena, instrument, side, order_id, order_type, tif, owner)
    count_order(arena, instrument, order_type, tif, slices, 1)
    ext = extension_of(arena, slot)
    if arena.new_terms & const.LIST_TERM != 0:
        if ext == 0:
            ext = attach_extension(arena, slot, instrument, side, order_type, tif, owner)
        note_link(arena, ext)
    if ext == 0:
        return slot
    aux = order.aux
    ext.price = price
    ext.arrival = number
    ext.mode = (word >> const.MODE_SHIFT) & 0xF
    if tif == const.GTD:
        expire_at(arena, extension_index(arena, ext), expiry_ns, number)
    if order_type == const.ICEBERG:
        ext.display = aux
        ext.slices = slices
    elif is_stop(order_type) or is_peg(order_type):
        ext.aux = aux
        if arena.new_terms & const.TRIGGER_TERM != 0:
            new = new_terms(arena)
            give_trigger(arena, ext, new.trigger_by, new.activation)
    return slot


@kernel_outlined
def note_link(arena: ArenaHeader, ext: Extension) -> None:
    """The new order is a leg of the list that the terms at work name."""
    new = new_terms(arena)
    ext.stage = new.stage
    ext.contingency = new.contingency
    ext.leg = new.leg
    ext.legs = new.legs
    ext.list_key = new.list_id
    link_leg(arena, ext, new.peer)


@kernel_outlined
def rest_new(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    order_type: int,
    price: int,
    qty: int,
    number: int,
) -> None:
    """The new order's remainder joins its book."""
    slot = open_new(arena, order, instrument, order_type, price, number)
    accepted_price = display_slice(arena, slot, extension_of(arena, slot), qty)
    book = book_of(instrument, which_book(order_type), order_side(order))
    rest_after_arrival(arena, book, price, slot, accepted_price)


@kernel
def resting_type(order_type: int) -> int:
    """The type as which a new order's remainder rests."""
    if (RESTS_AS_POST_ONLY >> order_type) & 1 != 0:
        return const.POST_ONLY
    return const.LIMIT if (RESTS_AS_LIMIT >> order_type) & 1 != 0 else order_type


# Entry by type and phase


@kernel_outlined
def enter_parked(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Parked until the closing auction."""
    order_type = order_type_of(order)
    reason = refuse_one_more(arena, order, instrument, order_type)
    if reason != const.ACCEPT:
        return reason
    price = auction_price(order)
    number = command_number(arena)
    emit_accepted(arena, order, instrument, price, 0, const.WAITING)
    slot = open_new(arena, order, instrument, order_type, price, number)
    slot_addr(arena, slot).qty = order.qty_lots
    join_list(arena, extension_of(arena, slot), layout.AUCTION_LIST)
    return const.ACCEPT


@kernel
def auction_price(order: OrderRecord) -> int:
    """The order's price in a call."""
    if is_market(order_type_of(order)):
        return MAX_VALUE if order_side(order) == const.BUY else NO_PRICE
    return order.price_ticks


@kernel_outlined
def enter_call(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Collected without matching."""
    order_type = order_type_of(order)
    if order_type == const.POST_ONLY_SLIDE:
        order_type = const.POST_ONLY
    price = auction_price(order)
    book = book_of(instrument, which_book(order_type), order_side(order))
    reason = refuse_one_more(arena, order, instrument, order_type)
    if reason == const.ACCEPT:
        reason = refuse_join(arena, book, price, first_displayed(order, order_type), 0)
    if reason != const.ACCEPT:
        return reason
    number = command_number(arena)
    display = order.aux if order_type == const.ICEBERG else 0
    emit_accepted(arena, order, instrument, price, display, type_flags(order_type))
    qty = order.qty_lots
    rest_new(arena, order, instrument, order_type, price, qty, number)
    return const.ACCEPT


@kernel_outlined
def enter_stop(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Rests in the trigger book, in every phase that accepts it."""
    order_type, side = order_type_of(order), order_side(order)
    trigger, by = order.aux, 0
    if arena.new_terms & const.TRIGGER_TERM != 0:
        new = new_terms(arena)
        by = new.trigger_by
        if by & const.INACTIVE != 0:
            at = followed_price(arena, instrument, by, order_type, side)
            if is_activated(side, new.activation, at):
                by = by & const.BY_MASK
                new.trigger_by = by
                new.activation = 0
    if is_trailing(order_type):
        trigger = first_trigger(arena, instrument, by, order_type, side, trigger)
    reason = refuse_one_more(arena, order, instrument, order_type)
    if reason == const.ACCEPT:
        reason = refuse_trigger(arena, instrument, order_type, side, trigger)
    if reason == const.ACCEPT:
        reason = refuse_passed(arena, instrument, by, order_type, side, trigger)
    if reason != const.ACCEPT:
        return reason
    price = order.price_ticks if has_price(order_type) else 0
    number = command_number(arena)
    emit_accepted(arena, order, instrument, price, trigger, const.WAITING)
    slot = open_new(arena, order, instrument, order_type, price, number)
    ext = extension_of(arena, slot)
    ext.trigger = trigger
    if is_trailing(order_type):
        join_list(arena, ext, layout.TRAILING_LIST)
    rest_stop(arena, ext, order.qty_lots)
    return const.ACCEPT


@kernel_outlined
def enter_peg(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Rests hidden at the price derived from the quotes, or waits without one."""
    order_type, side = order_type_of(order), order_side(order)
    limit, qty = order.price_ticks, order.qty_lots
    offset = order.aux
    bid = best_displayed(arena, instrument << 4 | layout.DISPLAYED)
    ask = best_displayed(arena, instrument << 4 | layout.DISPLAYED | 1)
    price = peg_price(arena, instrument, order_type, side, offset, limit, bid, ask)
    reason = refuse_one_more(arena, order, instrument, order_type)
    if reason == const.ACCEPT and price != NO_PRICE:
        book = book_of(instrument, layout.HIDDEN_BOOK, side)
        reason = refuse_join(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        return reason
    number = command_number(arena)
    flags = const.HIDDEN_FLAG | const.WAITING if price == NO_PRICE else const.HIDDEN_FLAG
    emit_accepted(arena, order, instrument, limit if price == NO_PRICE else price, 0, flags)
    slot = open_new(arena, order, instrument, order_type, limit, number)
    ext = extension_of(arena, slot)
    join_list(arena, ext, layout.PEG_LIST)
    slot_addr(arena, slot).qty = qty
    store_pegged_quotes(arena, instrument)
    if price != NO_PRICE:
        mode = (order.word >> const.MODE_SHIFT) & 0xF
        word = sender_tag(order, instrument)
        set_taker(arena, order.order_id, word, price, mode)
        take_and_hide(arena, instrument, ext, price, qty)
    return const.ACCEPT


@kernel_outlined
def enter_trading(arena: ArenaHeader, order: OrderRecord, instrument: int, at_last: int) -> int:
    """Matches, then rests or cancels."""
    order_type, tif = order_type_of(order), order_tif(order)
    side, qty = order_side(order), order.qty_lots
    price = order.price_ticks
    books = AT_LAST if at_last else ALL_BOOKS
    waits_opposite = crosses_waiting(arena, instrument, side)
    # ``limit``: how far it trades; ``rest_price``: where a remainder may rest, or NO_PRICE.
    can_take, limit, accepted_price, rest_price = 1, price, price, price
    if order_type in (const.MARKET, const.MARKET_BUDGET):
        if at_last:
            limit = instrument_addr(arena, instrument).last_price
            rest_price = NO_PRICE
        else:
            can_take, limit, rest_price = market_limit(arena, instrument, side)
            if can_take == 0 and waits_opposite:
                can_take, books = 1, WAITING_ONLY
    elif order_type == const.MARKET_TO_LIMIT:
        # Where market orders wait there is no best price to become.
        limit = NO_PRICE if waits_opposite else opposite_price(arena, instrument, side)
        rest_price = limit
        can_take = 1 if limit != NO_PRICE else 0
    elif order_type in (const.POST_ONLY, const.POST_ONLY_SLIDE):
        can_take = 0
        if waits_opposite:
            return const.WOULD_CROSS
        best = best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
        if best != NO_PRICE and (price >= best if side == const.BUY else price <= best):
            if order_type == const.POST_ONLY:
                return const.WOULD_CROSS
            rest_price = one_step_short(arena, instrument, side, best)
            if not is_within(arena, instrument, rest_price):
                return const.WOULD_CROSS
            accepted_price = rest_price
    if tif in (const.IOC, const.FOK) or (order_type == const.MARKET and tif != const.DAY):
        rest_price = NO_PRICE
    rests_as = resting_type(order_type)
    waits = may_wait(arena, instrument, order_type, tif)
    if waits:
        reason = refuse_one_more(arena, order, instrument, const.MARKET)
        if reason != const.ACCEPT:
            return reason
    if rest_price != NO_PRICE:
        reason = refuse_one_more(arena, order, instrument, rests_as)
        if reason == const.ACCEPT:
            book = book_of(instrument, which_book(rests_as), side)
            reason = refuse_join(arena, book, rest_price, first_displayed(order, rests_as), 0)
        if reason != const.ACCEPT:
            return reason
    limit_key = limit ^ key_flip(2 - side)
    number = command_number(arena)
    display = order.aux if order_type == const.ICEBERG else 0
    emit_accepted(arena, order, instrument, accepted_price, display, type_flags(order_type))
    word = sender_tag(order, instrument)
    order_id = order.order_id
    mode = (order.word >> const.MODE_SHIFT) & 0xF
    set_taker(arena, order_id, word, accepted_price, mode)
    if is_market(order_type):
        arena.taker_unpriced = 1
    if has_budget(order_type):
        enter_budget(arena, order, instrument, side, can_take, limit, books)
        return const.ACCEPT
    min_fill = min_fill_qty(order)
    if min_fill > 0:
        available = 0
        if can_take != 0:
            available = fillable(arena, instrument, side, limit, qty, books)
        if available < min_fill:
            if order_type == const.ALL_OR_NONE:
                can_take = 0
            else:
                reason = const.FOK_UNFILLABLE if tif == const.FOK else const.MIN_QTY_UNFILLABLE
                emit_next(
                    arena,
                    order_id,
                    0,
                    accepted_price,
                    qty,
                    0,
                    word | reason_word(const.CANCELLED, reason),
                )
                return const.ACCEPT
    left = qty
    if can_take != 0 and (
        at_last
        or waits_opposite
        or crosses_any(arena, book_of(instrument, layout.DISPLAYED, side), limit_key)
    ):
        left = take(arena, instrument, side, limit, qty, books)
    if left == 0:
        return const.ACCEPT
    if waits and best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE) == NO_PRICE:
        slot = open_new(arena, order, instrument, const.MARKET, 0, number)
        let_wait(arena, extension_of(arena, slot), left)
        return const.ACCEPT
    if rest_price == NO_PRICE:
        reason = const.MARKET_REST if is_market(order_type) else const.IOC_REST
        emit_next(
            arena, order_id, 0, accepted_price, left, 0, word | reason_word(const.CANCELLED, reason)
        )
        return const.ACCEPT
    if is_market(order_type):
        emit_next(arena, order_id, 0, rest_price, left, left, word | const.CONVERTED)
    rest_new(arena, order, instrument, rests_as, rest_price, left, number)
    return const.ACCEPT


@kernel
def min_fill_qty(order: OrderRecord) -> int:
    """The quantity that must fill on arrival for the order to trade at all."""
    order_type = order_type_of(order)
    if order_tif(order) == const.FOK or order_type == const.ALL_OR_NONE:
        return order.qty_lots
    return order.aux if order_type == const.MIN_QTY_TYPE else 0


@kernel_outlined
def opposite_price(arena: ArenaHeader, instrument: int, side: int) -> int:
    """The best displayed price of the other side, else the best hidden one, else NO_PRICE."""
    other = const.BUY + const.SELL - side
    hidden = best_price(arena, instrument, other, NO_PRICE)
    return displayed_price(arena, instrument, other, hidden)


@kernel_outlined
def one_step_short(arena: ArenaHeader, instrument: int, side: int, best: int) -> int:
    """The valid price one step less aggressive than ``best``."""
    if side == const.BUY:
        return floor_step(arena, instrument, best - 1, 0)
    return NO_PRICE if best == MAX_VALUE else ceil_step(arena, instrument, best + 1, 0)
