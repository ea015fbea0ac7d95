# (intrinsics have no types that mypy could see)
"""CANCEL, REDUCE, REPLACE and SET_EXPIRY on the general path.

Each returns why the command is refused, when nothing has happened yet, or ACCEPT.
"""

import openoutcry.matcher.book.any_order as any_order
import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.expiry import expire_at
from openoutcry.matcher.book.instrument_rules import (
    has_many_slices,
    has_price,
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
from openoutcry.matcher.matching.pegs import (
    best_displayed,
    current_price,
    peg_price,
    store_pegged_quotes,
    take_and_hide,
)
from openoutcry.matcher.matching.self_trade import reduce_order
from openoutcry.matcher.matching.stops import (
    electing_price,
    refuse_trigger,
    rest_stop,
    trailing_trigger,
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
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64, store_u8, store_u32
from openoutcry.wire.records import NO_PRICE


@kernel
def cancel_any(arena: int, instrument: int, slot: int) -> int:
    any_order.cancel_order(
        arena, instrument, slot, any_order.reason_word(const.CANCELLED, const.USER)
    )
    return const.ACCEPT


@kernel_outlined
def reduce_any(arena: int, order: int, instrument: int, slot: int) -> int:
    qty = load_i64(order + const.ORDER_QTY)
    if qty <= 0:
        return const.BAD_QTY
    if qty % load_i64(rule_addr(arena, instrument) + const.RULE_QTY_STEP) != 0:
        return const.OFF_LOT
    leaves = order_leaves(arena, slot)
    if qty >= leaves:
        any_order.cancel_order(
            arena, instrument, slot, any_order.reason_word(const.CANCELLED, const.REDUCED_TO_ZERO)
        )
        return const.ACCEPT
    reduce_order(arena, slot, qty)
    order_id = load_i64(slot_addr(arena, slot) + layout.SLOT_ID)
    word = order_tag(arena, slot) | const.REDUCED
    emit_next(arena, order_id, 0, order_price(arena, slot), qty, leaves - qty, word)
    return const.ACCEPT


@kernel_outlined
def set_expiry(arena: int, order: int, slot: int) -> int:
    expiry_ns = load_i64(order + const.ORDER_AUX)
    if expiry_ns < load_i64(arena + layout.NOW_NS):
        return const.EXPIRED
    touch_order(arena, slot)
    ext = extension_of(arena, slot)
    if ext == 0:
        ext = any_order.attach_plain_extension(arena, slot)
    if load_u8(ext + layout.EXT_TIF) < const.AT_OPEN:
        store_u8(ext + layout.EXT_TIF, const.GTD)
    expire_at(arena, any_order.extension_index(arena, ext), expiry_ns, command_number(arena))
    emit_replaced(
        arena, slot, order_price(arena, slot), order_leaves(arena, slot), const.KEPT_PLACE
    )
    return const.ACCEPT


@kernel_outlined
def emit_replaced(arena: int, slot: int, price: int, qty: int, flags: int) -> None:
    word = order_tag(arena, slot) | const.REPLACED | any_order.order_flags(arena, slot) | flags
    order_id = load_i64(slot_addr(arena, slot) + layout.SLOT_ID)
    emit_next(arena, order_id, any_order.order_contra(arena, slot), price, qty, qty, word)


# REPLACE


@kernel
def type_of(arena: int, slot: int) -> int:
    ext = extension_of(arena, slot)
    if ext != 0:
        return load_u8(ext + layout.EXT_TYPE)
    owner = load_u32(slot_addr(arena, slot) + layout.SLOT_OWNER)
    return const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT


@kernel
def tif_of(arena: int, slot: int) -> int:
    """DAY may be GTC: both rest the same way."""
    ext = extension_of(arena, slot)
    return load_u8(ext + layout.EXT_TIF) if ext != 0 else const.DAY


@kernel_outlined
def restate(arena: int, order: int, slot: int) -> int:
    """Address of the REPLACE as it would be without OPEN_KNOWN, its quantity as it was asked."""
    to = arena + layout.RESTATED
    for offset in range(0, 64, 8):
        store_i64(to + offset, load_i64(order + offset))
    word = load_i64(order + const.ORDER_WORD)
    aux = 0
    if word & const.HALVES_WORD != 0:
        aux = load_i64(order + const.ORDER_AUX) >> 32
    elif is_peg(type_of(arena, slot)):
        aux = load_i64(extension_of(arena, slot) + layout.EXT_AUX)
    store_i64(to + const.ORDER_AUX, aux)
    store_i64(to + const.ORDER_WORD, word & ~const.KNOWN_WORD)
    return to


@kernel_outlined
def qty_lost_since(arena: int, order: int, slot: int) -> int:
    """By how much the order's leaves fell since its sender computed a REPLACE with OPEN_KNOWN."""
    known, leaves = load_i64(order + const.ORDER_AUX), order_leaves(arena, slot)
    if load_i64(order + const.ORDER_WORD) & const.HALVES_WORD != 0:
        known = known & 0xFFFFFFFF
    return known - leaves if known > leaves else 0


@kernel_outlined
def replace_any(arena: int, order: int, instrument: int, slot: int) -> int:
    if load_i64(order + const.ORDER_WORD) & const.KNOWN_WORD == 0:
        return replace_order(arena, order, instrument, slot)
    restated = restate(arena, order, slot)
    reason = refuse_replace(arena, restated, instrument, slot)
    if reason != const.ACCEPT:
        return reason
    left = load_i64(order + const.ORDER_QTY) - qty_lost_since(arena, order, slot)
    if left <= 0:
        why = any_order.reason_word(const.CANCELLED, const.REDUCED_TO_ZERO)
        any_order.cancel_order(arena, instrument, slot, why)
        return const.ACCEPT
    store_i64(restated + const.ORDER_QTY, left)
    return replace_checked(arena, restated, instrument, slot)


@kernel_outlined
def replace_order(arena: int, order: int, instrument: int, slot: int) -> int:
    reason = refuse_replace(arena, order, instrument, slot)
    if reason != const.ACCEPT:
        return reason
    return replace_checked(arena, order, instrument, slot)


@kernel_outlined
def replace_checked(arena: int, order: int, instrument: int, slot: int) -> int:
    ext = extension_of(arena, slot)
    order_type = type_of(arena, slot)
    if ext != 0 and load_u32(ext + layout.EXT_LIST) > layout.AUCTION_LIST:
        return replace_parked(arena, order, slot, ext)
    if is_stop(order_type):
        return replace_stop(arena, order, instrument, slot, ext)
    if is_peg(order_type):
        return replace_peg(arena, order, instrument, slot, ext)
    return replace_resting(arena, order, instrument, slot, order_type)


@kernel_outlined
def refuse_replace(arena: int, order: int, instrument: int, slot: int) -> int:
    """The checks of a REPLACE that need the order only, not the book."""
    price, qty = load_i64(order + const.ORDER_PRICE), load_i64(order + const.ORDER_QTY)
    order_type, tif = type_of(arena, slot), tif_of(arena, slot)
    reason = refuse_qty(arena, instrument, qty)
    if reason == const.ACCEPT and has_price(order_type):
        reason = refuse_price(arena, instrument, price)
    if reason == const.ACCEPT:
        reason = refuse_new_aux(arena, order, instrument, slot, order_type)
    if reason != const.ACCEPT:
        return reason
    state = instrument_addr(arena, instrument)
    phase = load_u8(state + layout.PHASE)
    is_held = load_i64(state + layout.MODE) & layout.MODE_HELD != 0
    if phase in (const.CLOSED, const.HALT) or is_held:
        return const.WRONG_PHASE
    if phase == const.TRADING_AT_LAST:
        last = load_i64(state + layout.LAST_PRICE)
        waits = is_stop(order_type) or is_peg(order_type) or order_type == const.ALL_OR_NONE
        if last == NO_PRICE or waits or is_market(order_type) or tif >= const.AT_OPEN:
            return const.WRONG_PHASE
        if price != last:
            return const.OFF_LAST
    return const.ACCEPT


@kernel_outlined
def refuse_new_aux(arena: int, order: int, instrument: int, slot: int, order_type: int) -> int:
    """An aux of 0 keeps trigger, distance and display; an offset is always replaced."""
    aux, qty = load_i64(order + const.ORDER_AUX), load_i64(order + const.ORDER_QTY)
    if aux != 0 or is_peg(order_type):
        is_asked = is_stop(order_type) or is_peg(order_type) or order_type == const.ICEBERG
        return refuse_aux(arena, instrument, order_type, aux, qty) if is_asked else const.ACCEPT
    if order_type == const.ICEBERG:
        display = load_i64(extension_of(arena, slot) + layout.EXT_DISPLAY)
        return const.BAD_AUX if has_many_slices(qty, display) else const.ACCEPT
    return const.ACCEPT


@kernel_outlined
def replace_parked(arena: int, order: int, slot: int, ext: int) -> int:
    """An order that waits for the closing auction, or a market order for the other side."""
    qty = load_i64(order + const.ORDER_QTY)
    price = load_i64(ext + layout.EXT_PRICE)
    if has_price(load_u8(ext + layout.EXT_TYPE)):
        price = load_i64(order + const.ORDER_PRICE)
    keeps_place = price == load_i64(ext + layout.EXT_PRICE) and qty <= order_leaves(arena, slot)
    if not keeps_place:
        requeue(arena, ext, load_u32(ext + layout.EXT_LIST) - 1)
    set_mode(arena, order, slot)
    store_i64(ext + layout.EXT_PRICE, price)
    store_i64(slot_addr(arena, slot) + layout.SLOT_QTY, qty)
    emit_replaced(arena, slot, price, qty, const.KEPT_PLACE if keeps_place else 0)
    return const.ACCEPT


@kernel_outlined
def requeue(arena: int, ext: int, which: int) -> None:
    """The order loses its priority: it moves to the back of its list."""
    any_order.leave_list(arena, ext)
    store_i64(ext + layout.EXT_ARRIVAL, command_number(arena))
    any_order.join_list(arena, ext, which)


@kernel_outlined
def replace_stop(arena: int, order: int, instrument: int, slot: int, ext: int) -> int:
    """A waiting stop: a new trigger or distance, limit and quantity."""
    qty, aux = load_i64(order + const.ORDER_QTY), load_i64(order + const.ORDER_AUX)
    order_type, side = load_u8(ext + layout.EXT_TYPE), load_u8(ext + layout.EXT_SIDE)
    trigger = load_i64(ext + layout.EXT_TRIGGER)
    if aux != 0 and is_trailing(order_type):
        last = electing_price(arena, instrument)
        trigger = trailing_trigger(order_type, side, aux, last)
    elif aux != 0:
        trigger = aux
    keeps_place = trigger == load_i64(ext + layout.EXT_TRIGGER) and qty <= order_leaves(arena, slot)
    if not keeps_place and refuse_trigger(arena, instrument, side, trigger) != const.ACCEPT:
        return const.BOOK_FULL
    set_mode(arena, order, slot)
    if aux != 0:
        store_i64(ext + layout.EXT_AUX, aux)
    if has_price(order_type):
        store_i64(ext + layout.EXT_PRICE, load_i64(order + const.ORDER_PRICE))
    if keeps_place:
        reduction = order_leaves(arena, slot) - qty
        if reduction > 0:
            reduce_order(arena, slot, reduction)
        emit_replaced(arena, slot, load_i64(ext + layout.EXT_PRICE), qty, const.KEPT_PLACE)
        return const.ACCEPT
    any_order.leave_book(arena, slot)
    store_i64(ext + layout.EXT_TRIGGER, trigger)
    store_i64(ext + layout.EXT_ARRIVAL, command_number(arena))
    if is_trailing(order_type):
        requeue(arena, ext, layout.TRAILING_LIST)
    emit_replaced(arena, slot, load_i64(ext + layout.EXT_PRICE), qty, 0)
    rest_stop(arena, ext, qty)
    return const.ACCEPT


@kernel_outlined
def replace_peg(arena: int, order: int, instrument: int, slot: int, ext: int) -> int:
    """A pegged order: a new limit, offset and quantity."""
    at = slot_addr(arena, slot)
    qty, limit = load_i64(order + const.ORDER_QTY), load_i64(order + const.ORDER_PRICE)
    offset, side = load_i64(order + const.ORDER_AUX), load_u8(ext + layout.EXT_SIDE)
    before = current_price(arena, slot)
    price = NO_PRICE
    if load_u8(instrument_addr(arena, instrument) + layout.PHASE) == const.CONTINUOUS:
        order_type = load_u8(ext + layout.EXT_TYPE)
        bid = best_displayed(arena, instrument << 4 | layout.DISPLAYED)
        ask = best_displayed(arena, instrument << 4 | layout.DISPLAYED | 1)
        price = peg_price(arena, instrument, order_type, side, offset, limit, bid, ask)
    leaves = order_leaves(arena, slot)
    keeps_place = price == before and qty <= leaves
    book = any_order.book_of(instrument, any_order.which_book(load_u8(ext + layout.EXT_TYPE)), side)
    if not keeps_place and price != NO_PRICE:
        own = leaves if price == before else 0
        reason = any_order.refuse_join(arena, book, price, qty, own)
        if reason != const.ACCEPT:
            return reason
    set_mode(arena, order, slot)
    store_i64(ext + layout.EXT_PRICE, limit)
    store_i64(ext + layout.EXT_AUX, offset)
    reported_price = limit if price == NO_PRICE else price
    if load_u8(instrument_addr(arena, instrument) + layout.PHASE) == const.CONTINUOUS:
        store_pegged_quotes(arena, instrument)
    if keeps_place:
        if qty < leaves:
            reduce_order(arena, slot, leaves - qty)
        emit_replaced(arena, slot, reported_price, qty, const.KEPT_PLACE)
        return const.ACCEPT
    requeue(arena, ext, layout.PEG_LIST)
    any_order.leave_book(arena, slot)
    store_i64(at + layout.SLOT_QTY, qty)
    # Out of its level it would be flagged as waiting.
    flags = any_order.order_flags(arena, slot)
    word = order_tag(arena, slot)
    reported_flags = flags if price == NO_PRICE else flags & ~const.WAITING
    emit_next(
        arena,
        load_i64(at + layout.SLOT_ID),
        0,
        reported_price,
        qty,
        qty,
        word | const.REPLACED | reported_flags,
    )
    if price != NO_PRICE:
        set_taker(arena, load_i64(at + layout.SLOT_ID), word, price, mode_of(order))
        take_and_hide(arena, instrument, ext, price, qty)
    return const.ACCEPT


@kernel
def mode_of(order: int) -> int:
    return (load_i64(order + const.ORDER_WORD) >> const.MODE_SHIFT) & 0xF


@kernel_outlined
def set_mode(arena: int, order: int, slot: int) -> None:
    """Store the REPLACE's self-trade mode.  A plain order, which matches on arrival only, has
    none."""
    ext = extension_of(arena, slot)
    if ext != 0:
        touch_order(arena, slot)
        store_u8(ext + layout.EXT_MODE, mode_of(order))


@kernel_outlined
def replace_resting(arena: int, order: int, instrument: int, slot: int, order_type: int) -> int:
    """An order in one of the books in which orders trade."""
    qty = load_i64(order + const.ORDER_QTY)
    price = plain_price(arena, slot)
    same = is_market(order_type) or load_i64(order + const.ORDER_PRICE) == price
    if not same:
        price = load_i64(order + const.ORDER_PRICE)
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
    arena: int, order: int, instrument: int, slot: int, order_type: int, price: int, same: int
) -> int:
    """Why the order may not move to ``price``; ``same``: that is its price now."""
    book = plain_book(arena, slot)
    qty = load_i64(order + const.ORDER_QTY)
    side = (book & 1) + const.BUY
    phase = load_u8(instrument_addr(arena, instrument) + layout.PHASE)
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
    own = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY) if same else 0
    return any_order.refuse_join(arena, book, price, shown, own)


@kernel_outlined
def requested_display(arena: int, order: int, slot: int) -> int:
    """The iceberg's display quantity after the REPLACE."""
    aux = load_i64(order + const.ORDER_AUX)
    return aux if aux != 0 else load_i64(extension_of(arena, slot) + layout.EXT_DISPLAY)


@kernel_outlined
def refuse_display(arena: int, order: int, instrument: int, slot: int) -> int:
    """Whether the iceberg's slices, as they would be, could cause too many events at once."""
    before = load_i64(arena + layout.EXTRA_EVENTS)
    old = load_u32(extension_of(arena, slot) + layout.EXT_SLICES)
    set_display_slices(arena, order, instrument, slot)
    after = load_i64(arena + layout.EXTRA_EVENTS)
    new = load_u32(extension_of(arena, slot) + layout.EXT_SLICES)
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, new, -1)
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, old, 1)
    store_u32(extension_of(arena, slot) + layout.EXT_SLICES, old)
    return (
        const.BOOK_FULL
        if after > before and after > load_i64(arena + layout.EXTRA_CAPACITY)
        else const.ACCEPT
    )


@kernel_outlined
def set_display_slices(arena: int, order: int, instrument: int, slot: int) -> None:
    ext = extension_of(arena, slot)
    slices = slices_of(load_i64(order + const.ORDER_QTY), requested_display(arena, order, slot))
    any_order.count_order(
        arena, instrument, const.ICEBERG, const.GTC, load_u32(ext + layout.EXT_SLICES), -1
    )
    any_order.count_order(arena, instrument, const.ICEBERG, const.GTC, slices, 1)
    store_u32(ext + layout.EXT_SLICES, slices)


@kernel_outlined
def set_display(arena: int, order: int, instrument: int, slot: int) -> None:
    """The iceberg's display quantity from the next refresh on."""
    touch_order(arena, slot)
    display = requested_display(arena, order, slot)
    set_display_slices(arena, order, instrument, slot)
    store_i64(extension_of(arena, slot) + layout.EXT_DISPLAY, display)


@kernel_outlined
def move(arena: int, order: int, instrument: int, slot: int, order_type: int, price: int) -> None:
    """Move the order: match if the phase permits, then join the book."""
    at = slot_addr(arena, slot)
    ext = extension_of(arena, slot)
    book = plain_book(arena, slot)
    side = (book & 1) + const.BUY
    qty = load_i64(order + const.ORDER_QTY)
    if ext != 0:
        store_i64(ext + layout.EXT_PRICE, price)
        store_i64(ext + layout.EXT_ARRIVAL, command_number(arena))
    emit_replaced(arena, slot, price, qty, 0)
    word = order_tag(arena, slot)
    best = load_i64(book_addr(arena, book) + layout.BOOK_BEST_KEY)
    any_order.leave_book(arena, slot)
    set_taker(arena, load_i64(at + layout.SLOT_ID), word, price, mode_of(order))
    phase = load_u8(instrument_addr(arena, instrument) + layout.PHASE)
    books = AT_LAST if phase == const.TRADING_AT_LAST else ALL_BOOKS
    can_take = phase in (const.CONTINUOUS, const.TRADING_AT_LAST) and order_type != const.POST_ONLY
    if can_take and order_type == const.ALL_OR_NONE:
        can_take = fillable(arena, instrument, side, price, qty, books) == qty
    left = take(arena, instrument, side, price, qty, books) if can_take else qty
    if left == 0:
        any_order.remove_order(arena, instrument, slot)
        return
    shown = any_order.display_slice(arena, slot, ext, left)
    if price ^ key_flip(book) < best:
        rest_after_arrival(arena, book, price, slot, shown)
        return
    # It may have been the best itself.
    set_top(arena, slot, 0)
    any_order.join_book(arena, book, price, slot, shown)
