"""CANCEL, REDUCE, REPLACE and SET_EXPIRY on the general path.

Each returns why the command is refused, when nothing has happened yet, or ACCEPT.
"""

import openoutcry.matcher.book.any_order as any_order
import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.expiry import expire_at
from openoutcry.matcher.book.instrument_rules import (
    has_many_slices,
    has_price,
    is_for_auction,
    is_market,
    is_peg,
    is_stop,
    is_trailing,
    refuse_aux,
    refuse_price,
    refuse_qty,
    rule_addr,
    slices_of,
)
from openoutcry.matcher.book.levels import book_addr, instrument_addr, key_flip, slot_addr
from openoutcry.matcher.book.links import has_traded, is_dormant
from openoutcry.matcher.book.orders import (
    extension_of,
    order_leaves,
    order_price,
    order_tag,
    plain_book,
    plain_price,
    touch_order,
)
from openoutcry.matcher.events import command_number, emit_next
from openoutcry.matcher.matching.allocation import rest_after_arrival, set_top
from openoutcry.matcher.matching.lists import note_trade
from openoutcry.matcher.matching.pegs import (
    best_displayed,
    current_price,
    peg_price,
    store_pegged_quotes,
    take_and_hide,
)
from openoutcry.matcher.matching.self_trade import reduce_order
from openoutcry.matcher.matching.stops import (
    first_trigger,
    refuse_passed,
    refuse_trigger,
    rest_stop,
)
from openoutcry.matcher.matching.take import (
    ALL_BOOKS,
    AT_LAST,
    fillable,
    set_taker,
    take,
)
from openoutcry.matcher.matching.waiting import crosses_waiting
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_PRICE


@kernel
def cancel_any(arena: ArenaHeader, instrument: int, slot: int) -> int:
    """Cancel an order of any type on its owner's request; returns ACCEPT."""
    any_order.cancel_order(
        arena, instrument, slot, any_order.reason_word(const.CANCELLED, const.USER)
    )
    return const.ACCEPT


@kernel_outlined
def reduce_any(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """Take lots off an order of any type; returns the Reason to reject that, or ACCEPT."""
    qty = order.qty_lots
    if qty <= 0:
        return const.BAD_QTY
    if qty % rule_addr(arena, instrument).qty_step_lots != 0:
        return const.OFF_LOT
    leaves = order_leaves(arena, slot)
    if qty >= leaves:
        any_order.cancel_order(
            arena, instrument, slot, any_order.reason_word(const.CANCELLED, const.REDUCED_TO_ZERO)
        )
        return const.ACCEPT
    reduce_order(arena, slot, qty)
    order_id = slot_addr(arena, slot).id
    word = order_tag(arena, slot) | const.REDUCED
    emit_next(arena, order_id, 0, order_price(arena, slot), qty, leaves - qty, word)
    return const.ACCEPT


@kernel_outlined
def set_expiry(arena: ArenaHeader, order: OrderRecord, slot: int) -> int:
    """Set the time (``aux``, ns) at which an order expires; returns the Reason to reject that, or
    ACCEPT."""
    expiry_ns = order.aux
    if expiry_ns < arena.now_ns:
        return const.EXPIRED
    touch_order(arena, slot)
    ext = extension_of(arena, slot)
    if ext == 0:
        ext = any_order.attach_plain_extension(arena, slot)
    if not is_for_auction(ext.tif):
        ext.tif = const.GTD
    expire_at(arena, any_order.extension_index(arena, ext), expiry_ns, command_number(arena))
    emit_replaced(
        arena, slot, order_price(arena, slot), order_leaves(arena, slot), const.KEPT_PLACE
    )
    return const.ACCEPT


@kernel_outlined
def emit_replaced(arena: ArenaHeader, slot: int, price: int, qty: int, flags: int) -> None:
    """Write the REPLACED event of an order with its new price and quantity."""
    word = order_tag(arena, slot) | const.REPLACED | any_order.order_flags(arena, slot) | flags
    order_id = slot_addr(arena, slot).id
    emit_next(arena, order_id, any_order.order_contra(arena, slot), price, qty, qty, word)


# REPLACE


@kernel
def type_of(arena: ArenaHeader, slot: int) -> int:
    """Return the OrderType of an open order."""
    ext = extension_of(arena, slot)
    if ext != 0:
        return ext.type
    owner = slot_addr(arena, slot).owner
    return const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT


@kernel
def tif_of(arena: ArenaHeader, slot: int) -> int:
    """DAY may be GTC: both rest the same way."""
    ext = extension_of(arena, slot)
    return ext.tif if ext != 0 else const.DAY


@kernel_outlined
def restate(arena: ArenaHeader, order: OrderRecord, slot: int) -> OrderRecord:
    """Address of the REPLACE as it would be without OPEN_KNOWN, its quantity as it was asked."""
    to = OrderRecord(arena + layout.RESTATED)
    for offset in range(0, 64, 8):
        store_i64(to + offset, load_i64(order + offset))
    word = order.word
    aux = 0
    if word & const.HALVES_WORD != 0:
        aux = order.aux >> 32
    elif is_peg(type_of(arena, slot)):
        aux = extension_of(arena, slot).aux
    to.aux = aux
    to.word = word & ~const.KNOWN_WORD
    return to


@kernel_outlined
def qty_lost_since(arena: ArenaHeader, order: OrderRecord, slot: int) -> int:
    """Return by how much the order's leaves fell since its sender computed a REPLACE with
    OPEN_KNOWN."""
    known, leaves = order.aux, order_leaves(arena, slot)
    if order.word & const.HALVES_WORD != 0:
        known = known & 0xFFFFFFFF
    return known - leaves if known > leaves else 0


@kernel_outlined
def replace_any(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """Replace an order of any type; returns the Reason to reject that, or ACCEPT. With OPEN_KNOWN
    fills on the way count."""
    if order.word & const.KNOWN_WORD == 0:
        return replace_order(arena, order, instrument, slot)
    restated = restate(arena, order, slot)
    reason = refuse_replace(arena, restated, instrument, slot)
    if reason != const.ACCEPT:
        return reason
    left = order.qty_lots - qty_lost_since(arena, order, slot)
    if left <= 0:
        why = any_order.reason_word(const.CANCELLED, const.REDUCED_TO_ZERO)
        any_order.cancel_order(arena, instrument, slot, why)
        return const.ACCEPT
    restated.qty_lots = left
    return replace_checked(arena, restated, instrument, slot)


@kernel_outlined
def replace_order(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """Check a REPLACE and carry it out; returns the Reason to reject it, or ACCEPT."""
    reason = refuse_replace(arena, order, instrument, slot)
    if reason != const.ACCEPT:
        return reason
    return replace_checked(arena, order, instrument, slot)


@kernel_outlined
def replace_checked(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """Carry out a REPLACE that is known to be valid; returns ACCEPT or the Reason to reject it
    after all."""
    ext = extension_of(arena, slot)
    order_type = type_of(arena, slot)
    if ext != 0 and ext.list > layout.AUCTION_LIST:
        return replace_parked(arena, order, slot, ext)
    if is_stop(order_type):
        return replace_stop(arena, order, instrument, slot, ext)
    if is_peg(order_type):
        return replace_peg(arena, order, instrument, slot, ext)
    return replace_resting(arena, order, instrument, slot, order_type)


@kernel_outlined
def refuse_replace(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """The checks of a REPLACE that need the order only, not the book."""
    price, qty = order.price_ticks, order.qty_lots
    order_type, tif = type_of(arena, slot), tif_of(arena, slot)
    ext = extension_of(arena, slot)
    if ext != 0 and is_dormant(ext):
        return const.LIST
    reason = refuse_qty(arena, instrument, qty)
    if reason == const.ACCEPT and has_price(order_type):
        reason = refuse_price(arena, instrument, price)
    if reason == const.ACCEPT:
        reason = refuse_new_aux(arena, order, instrument, slot, order_type)
    if reason != const.ACCEPT:
        return reason
    state = instrument_addr(arena, instrument)
    phase = state.phase
    is_held = state.mode & layout.MODE_HELD != 0
    if phase in (const.CLOSED, const.HALT) or is_held:
        return const.WRONG_PHASE
    if phase == const.TRADING_AT_LAST:
        last = state.last_price
        waits = is_stop(order_type) or is_peg(order_type) or order_type == const.ALL_OR_NONE
        if last == NO_PRICE or waits or is_market(order_type) or is_for_auction(tif):
            return const.WRONG_PHASE
        if price != last:
            return const.OFF_LAST
    return const.ACCEPT


@kernel_outlined
def refuse_new_aux(
    arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int, order_type: int
) -> int:
    """An aux of 0 keeps trigger, distance and display; an offset is always replaced."""
    aux, qty = order.aux, order.qty_lots
    if aux != 0 or is_peg(order_type):
        is_asked = is_stop(order_type) or is_peg(order_type) or order_type == const.ICEBERG
        return refuse_aux(arena, instrument, order_type, aux, qty) if is_asked else const.ACCEPT
    if order_type == const.ICEBERG:
        display = extension_of(arena, slot).display
        return const.BAD_AUX if has_many_slices(qty, display) else const.ACCEPT
    return const.ACCEPT


@kernel_outlined
def replace_parked(arena: ArenaHeader, order: OrderRecord, slot: int, ext: Extension) -> int:
    """An order that waits for the closing auction, or a market order for the other side."""
    qty = order.qty_lots
    price = ext.price
    if has_price(ext.type):
        price = order.price_ticks
    keeps_place = price == ext.price and qty <= order_leaves(arena, slot)
    if not keeps_place:
        requeue(arena, ext, ext.list - 1)
    set_mode(arena, order, slot)
    ext.price = price
    slot_addr(arena, slot).qty = qty
    emit_replaced(arena, slot, price, qty, const.KEPT_PLACE if keeps_place else 0)
    return const.ACCEPT


@kernel_outlined
def requeue(arena: ArenaHeader, ext: Extension, which: int) -> None:
    """The order loses its priority: it moves to the back of its list."""
    any_order.leave_list(arena, ext)
    ext.arrival = command_number(arena)
    any_order.join_list(arena, ext, which)


@kernel_outlined
def replace_stop(
    arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int, ext: Extension
) -> int:
    """A waiting stop: a new trigger or distance, limit and quantity."""
    qty, aux = order.qty_lots, order.aux
    order_type, side = ext.type, ext.side
    trigger = ext.trigger
    if aux != 0 and is_trailing(order_type):
        trigger = first_trigger(arena, instrument, ext.trigger_by, order_type, side, aux)
    elif aux != 0:
        trigger = aux
    keeps_place = trigger == ext.trigger and qty <= order_leaves(arena, slot)
    if not keeps_place:
        if refuse_trigger(arena, instrument, order_type, side, trigger) != const.ACCEPT:
            return const.BOOK_FULL
        reason = refuse_passed(arena, instrument, ext.trigger_by, order_type, side, trigger)
        if reason != const.ACCEPT:
            return reason
    set_mode(arena, order, slot)
    if aux != 0:
        ext.aux = aux
    if has_price(order_type):
        ext.price = order.price_ticks
    if keeps_place:
        reduction = order_leaves(arena, slot) - qty
        if reduction > 0:
            reduce_order(arena, slot, reduction)
        emit_replaced(arena, slot, ext.price, qty, const.KEPT_PLACE)
        return const.ACCEPT
    any_order.leave_book(arena, slot)
    ext.trigger = trigger
    ext.arrival = command_number(arena)
    if is_trailing(order_type):
        requeue(arena, ext, layout.TRAILING_LIST)
    emit_replaced(arena, slot, ext.price, qty, 0)
    rest_stop(arena, ext, qty)
    return const.ACCEPT


@kernel_outlined
def replace_peg(
    arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int, ext: Extension
) -> int:
    """A pegged order: a new limit, offset and quantity."""
    at = slot_addr(arena, slot)
    qty, limit = order.qty_lots, order.price_ticks
    offset, side = order.aux, ext.side
    before = current_price(arena, slot)
    price = NO_PRICE
    if instrument_addr(arena, instrument).phase == const.CONTINUOUS:
        order_type = ext.type
        bid = best_displayed(arena, instrument << 4 | layout.DISPLAYED)
        ask = best_displayed(arena, instrument << 4 | layout.DISPLAYED | 1)
        price = peg_price(arena, instrument, order_type, side, offset, limit, bid, ask)
    leaves = order_leaves(arena, slot)
    keeps_place = price == before and qty <= leaves
    book = any_order.book_of(instrument, any_order.which_book(ext.type), side)
    if not keeps_place and price != NO_PRICE:
        own = leaves if price == before else 0
        reason = any_order.refuse_join(arena, book, price, qty, own)
        if reason != const.ACCEPT:
            return reason
    set_mode(arena, order, slot)
    ext.price = limit
    ext.aux = offset
    reported_price = limit if price == NO_PRICE else price
    if instrument_addr(arena, instrument).phase == const.CONTINUOUS:
        store_pegged_quotes(arena, instrument)
    if keeps_place:
        if qty < leaves:
            reduce_order(arena, slot, leaves - qty)
        emit_replaced(arena, slot, reported_price, qty, const.KEPT_PLACE)
        return const.ACCEPT
    requeue(arena, ext, layout.PEG_LIST)
    any_order.leave_book(arena, slot)
    at.qty = qty
    # Out of its level it would be flagged as waiting.
    flags = any_order.order_flags(arena, slot)
    word = order_tag(arena, slot)
    reported_flags = flags if price == NO_PRICE else flags & ~const.WAITING
    emit_next(
        arena,
        at.id,
        0,
        reported_price,
        qty,
        qty,
        word | const.REPLACED | reported_flags,
    )
    if price != NO_PRICE:
        set_taker(arena, at.id, word, price, mode_of(order))
        take_and_hide(arena, instrument, ext, price, qty)
    return const.ACCEPT


@kernel
def mode_of(order: OrderRecord) -> int:
    """Return the SelfTrade mode of a command."""
    return (order.word >> const.MODE_SHIFT) & 0xF


@kernel_outlined
def set_mode(arena: ArenaHeader, order: OrderRecord, slot: int) -> None:
    """Store the REPLACE's self-trade mode.  A plain order, which matches on arrival only, has
    none."""
    ext = extension_of(arena, slot)
    if ext != 0:
        touch_order(arena, slot)
        ext.mode = mode_of(order)


@kernel_outlined
def replace_resting(
    arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int, order_type: int
) -> int:
    """An order in one of the books in which orders trade."""
    qty = order.qty_lots
    price = plain_price(arena, slot)
    same = is_market(order_type) or order.price_ticks == price
    if not same:
        price = order.price_ticks
    keeps_place = same and qty <= order_leaves(arena, slot)
    if not keeps_place:
        reason = refuse_move(arena, order, instrument, slot, order_type, price, same)
        if reason != const.ACCEPT:
            return reason
    if order_type == const.ICEBERG:
        if refuse_display(arena, order, instrument, slot) != const.ACCEPT:
            return const.BOOK_FULL
        set_display(arena, order, instrument, slot)
    set_mode(arena, order, slot)
    if keeps_place:
        reduction = order_leaves(arena, slot) - qty
        if reduction > 0:
            reduce_order(arena, slot, reduction)
        emit_replaced(arena, slot, price, qty, const.KEPT_PLACE)
        return const.ACCEPT
    move(arena, order, instrument, slot, order_type, price)
    return const.ACCEPT


@kernel_outlined
def refuse_move(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    slot: int,
    order_type: int,
    price: int,
    same: int,
) -> int:
    """Return why the order may not move to ``price``; ``same``: that is its price now."""
    book = plain_book(arena, slot)
    qty = order.qty_lots
    side = (book & 1) + const.BUY
    phase = instrument_addr(arena, instrument).phase
    if order_type == const.POST_ONLY and phase in (const.CONTINUOUS, const.TRADING_AT_LAST):
        best = any_order.best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
        crossed = best != NO_PRICE and (price >= best if side == const.BUY else price <= best)
        if crossed or crosses_waiting(arena, instrument, side):
            return const.WOULD_CROSS
    shown = qty
    if order_type == const.ICEBERG:
        shown = min(qty, requested_display(arena, order, slot))
        reason = refuse_display(arena, order, instrument, slot)
        if reason != const.ACCEPT:
            return reason
    own = slot_addr(arena, slot).qty if same else 0
    return any_order.refuse_join(arena, book, price, shown, own)


@kernel_outlined
def requested_display(arena: ArenaHeader, order: OrderRecord, slot: int) -> int:
    """The iceberg's display quantity after the REPLACE."""
    aux = order.aux
    return aux if aux != 0 else extension_of(arena, slot).display


@kernel_outlined
def refuse_display(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> int:
    """Return whether the iceberg's slices, as they would be, could cause too many events at
    once."""
    before = arena.extra_events
    old = extension_of(arena, slot).slices
    set_display_slices(arena, order, instrument, slot)
    after = arena.extra_events
    new = extension_of(arena, slot).slices
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, new, -1)
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, old, 1)
    extension_of(arena, slot).slices = old
    return const.BOOK_FULL if after > before and after > arena.extra_capacity else const.ACCEPT


@kernel_outlined
def set_display_slices(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> None:
    """Count the slices that an iceberg can show from its REPLACE on."""
    ext = extension_of(arena, slot)
    slices = slices_of(order.qty_lots, requested_display(arena, order, slot))
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, ext.slices, -1)
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, slices, 1)
    ext.slices = slices


@kernel_outlined
def set_display(arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int) -> None:
    """The iceberg's display quantity from the next refresh on."""
    touch_order(arena, slot)
    display = requested_display(arena, order, slot)
    set_display_slices(arena, order, instrument, slot)
    extension_of(arena, slot).display = display


@kernel_outlined
def move(
    arena: ArenaHeader, order: OrderRecord, instrument: int, slot: int, order_type: int, price: int
) -> None:
    """Move the order: match if the phase permits, then join the book."""
    at = slot_addr(arena, slot)
    ext = extension_of(arena, slot)
    book = plain_book(arena, slot)
    side = (book & 1) + const.BUY
    qty = order.qty_lots
    if ext != 0:
        ext.price = price
        ext.arrival = command_number(arena)
    emit_replaced(arena, slot, price, qty, 0)
    word = order_tag(arena, slot)
    best = book_addr(arena, book).best_key
    any_order.leave_book(arena, slot)
    set_taker(arena, at.id, word, price, mode_of(order))
    phase = instrument_addr(arena, instrument).phase
    books = AT_LAST if phase == const.TRADING_AT_LAST else ALL_BOOKS
    can_take = phase in (const.CONTINUOUS, const.TRADING_AT_LAST) and order_type != const.POST_ONLY
    if can_take and order_type == const.ALL_OR_NONE:
        can_take = fillable(arena, instrument, side, price, qty, books) == qty
    left = take(arena, instrument, side, price, qty, books) if can_take else qty
    if left == 0:
        any_order.remove_order(arena, instrument, slot)
        return
    if left < qty and has_traded(arena, order.order_id, instrument):
        note_trade(arena, slot)
    shown = any_order.display_slice(arena, slot, ext, left)
    if price ^ key_flip(book) < best:
        rest_after_arrival(arena, book, price, slot, shown)
        return
    # It may have been the best itself.
    set_top(arena, slot, 0)
    any_order.join_book(arena, book, price, slot, shown)
