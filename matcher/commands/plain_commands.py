# (intrinsics have no types that mypy could see)
"""Plain commands, alone and among special orders, on instruments with rules, and in calls.

Most commands are about plain orders that match plain orders only, also on an instrument that holds
a stop or an iceberg.  They are handled here; what they trigger is left to ``matching/cascade.py``,
which runs only if something moved.  Everything else, most rejects included, falls through to the
general path with no state changed.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import cancel_order, reason_word
from openoutcry.matcher.book.ids import find_in_chain
from openoutcry.matcher.book.instrument_rules import (
    is_call,
    is_multiple,
    is_pro_rata,
    rule_addr,
    step_at,
)
from openoutcry.matcher.book.levels import (
    find_page,
    instrument_addr,
    join_level,
    key_flip,
    leave_level,
    level_key,
    page_number,
    slot_addr,
    touch_instrument,
)
from openoutcry.matcher.book.orders import (
    close_in_chain,
    open_in_chain,
    order_owner,
    plain_book,
    plain_price,
    reduce_in_level,
)
from openoutcry.matcher.commands.new import rest_new
from openoutcry.matcher.events import (
    command_number,
    emit,
    emit_cancelled,
    event_tag,
    mark_last,
)
from openoutcry.matcher.matching.cascade import after_command, is_stable
from openoutcry.matcher.matching.plain_orders import (
    PLAIN,
    is_fillable,
    match,
    plain_tag,
    refuse_rest,
)
from openoutcry.matcher.matching.take import (
    ALL_BOOKS,
    crosses,
    crosses_any,
    crosses_non_displayed,
    fillable,
    set_taker,
    take,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_fixed, load_i64, load_u8, load_u32, store_i64
from openoutcry.wire.records import MAX_VALUE

GENERAL_ALONE = layout.MODE_FOREIGN | layout.MODE_STEPS | layout.MODE_WAITING | layout.MODE_HELD
"""In such an instrument every command is the general path's."""


@kernel_outlined
def plain_on_plain(arena: int, order: int, instrument: int, entry: int, out: int) -> int:
    """As :func:`plain_command`, on an instrument that holds plain orders only, without rules, in
    continuous trading."""
    return plain_command(arena, order, instrument, entry, out, False)


@kernel_outlined
def plain_on_special(arena: int, order: int, instrument: int, entry: int, out: int) -> int:
    """As :func:`plain_command`, on any instrument of this shard that may be traded or is in a
    call, and is not held."""
    state = instrument_addr(arena, instrument)
    mode = load_i64(state + layout.MODE)
    if mode & GENERAL_ALONE != 0 or (
        mode & layout.MODE_PHASE != 0 and not is_call(load_u8(state + layout.PHASE))
    ):
        return 0
    return plain_command(arena, order, instrument, entry, out, True)


@kernel
def plain_command(
    arena: int, order: int, instrument: int, entry: int, out: int, special: bool
) -> int:
    """Process the command at ``order``, whose id's entry is at ``entry``; returns ``out`` moved on,
    or 0 to fall through.  ``special`` is a constant to each caller: whether the instrument's
    MODE is not 0.  One source, compiled for both (measured: one compiled body for
    both costs 4 to 8 % of a plain command)."""
    state = instrument_addr(arena, instrument)
    in_call = special and load_i64(state + layout.MODE) & layout.MODE_PHASE != 0
    word = load_i64(order + const.ORDER_WORD)
    kind = (word >> const.ERROR_SHIFT) & 0xFFFFFF
    if kind == const.NEW << (const.KIND_SHIFT - const.ERROR_SHIFT):
        after = enter_plain(arena, order, instrument, state, entry, word, out, in_call, special)
    elif kind == const.CANCEL << (const.KIND_SHIFT - const.ERROR_SHIFT):
        after = cancel_any_kind(arena, order, instrument, state, entry, word, out, special)
    elif kind == const.REPLACE << (const.KIND_SHIFT - const.ERROR_SHIFT):
        after = replace_plain(arena, order, instrument, state, entry, word, out, in_call, special)
    elif kind == const.REDUCE << (const.KIND_SHIFT - const.ERROR_SHIFT):
        after = reduce_plain(arena, order, instrument, state, entry, word, out, special)
    else:
        return 0
    if after == 0:
        return 0
    if not special:
        is_done = True
    elif in_call:
        is_done = kind != const.REPLACE << (
            const.KIND_SHIFT - const.ERROR_SHIFT
        ) and leaves_cross_unchanged(state, out)
    else:
        is_done = is_stable(arena, instrument, state)
    if not is_done:
        begin_general_path(arena, order, after)
        touch_instrument(arena, instrument)
        after_command(arena, instrument)
        after = load_i64(arena + layout.NEXT_EVENT_AT)
    mark_last(after)
    return after


@kernel
def leaves_cross_unchanged(state: int, event: int) -> bool:
    """Whether the order of ``event``, added, cancelled or reduced in a call, is priced where it can
    change neither the uncrossing price nor its volume."""
    price = load_i64(event + const.EVENT_PRICE)
    if (load_i64(event + const.EVENT_WORD) >> const.EVENT_SIDE_SHIFT) & 0xFF == const.BUY:
        return price < load_i64(state + layout.CALL_FROM)
    return price > load_i64(state + layout.CALL_TO)


# The commands; each returns ``out`` moved on, or 0 with nothing done


@kernel
def enter_plain(
    arena: int,
    order: int,
    instrument: int,
    state: int,
    entry: int,
    word: int,
    out: int,
    in_call: bool,
    special: bool,
) -> int:
    """A NEW order: match, then rest or cancel."""
    side = (word >> const.SIDE_SHIFT) & 0xFF
    order_type = (word >> const.TYPE_SHIFT) & 0xFF
    tif = (word >> const.TIF_SHIFT) & 0xF
    expires = order_type == const.LIMIT and tif == const.GTD
    if (
        order_type > const.POST_ONLY
        or (not expires and (tif > const.GTC or (PLAIN >> (order_type * 8 + tif)) & 1 == 0))
        or (expires and load_i64(order + const.ORDER_AUX) < load_i64(arena + layout.NOW_NS))
        or side < const.BUY
        or side > const.SELL
        or (word >> const.MODE_SHIFT) & 0xF > const.DECREMENT
        or (not special and (expires or (word >> const.MODE_SHIFT) & 0xF != const.ALLOW))
    ):
        return 0
    price, qty = load_i64(order + const.ORDER_PRICE), load_i64(order + const.ORDER_QTY)
    order_id = load_i64(order + const.ORDER_ID)
    is_market = order_type == const.MARKET
    if not is_in_rules(arena, instrument, state, price, qty, is_market, special):
        return 0
    if find_in_chain(arena, entry, order_id) != 0:
        return 0
    book = instrument << 4 | layout.DISPLAYED | (side - const.BUY)
    key = price ^ key_flip(book)
    limit = MAX_VALUE if is_market else ~key
    may_rest = not is_market and tif in (const.DAY, const.GTC, const.GTD)
    trades = not in_call and crosses_any(arena, book, limit)
    shares = counts_orders(arena, instrument, state, special)
    page = 0
    if may_rest:
        page = find_page(arena, book, page_number(key))
        has_slot = load_i64(arena + layout.OPEN_ORDERS) < load_fixed(arena + layout.ORDER_CAPACITY)
        if (
            (trades and order_type == const.POST_ONLY)
            or refuse_rest(arena, book, page, key, qty, 0, False, has_slot) != const.ACCEPT
            or (shares and not has_extra(arena, state))
        ):
            return 0
    elif in_call:
        return 0
    cause = load_i64(order + const.ORDER_SEQ)
    tag = event_tag(instrument, side, word & 0xFFFF)
    out = emit(out, order_id, 0, price, qty, qty, cause, tag | const.ACCEPTED)
    if tif == const.FOK and (
        not trades or not can_fill(arena, order, book, limit, price, qty, tag, special)
    ):
        return emit_cancelled(out, order_id, price, qty, cause, tag, const.FOK_UNFILLABLE)
    if trades:
        qty, out = trade(arena, order, book, limit, price, qty, tag, out, special)
        if qty == 0:
            return out
    if special and expires:
        begin_general_path(arena, order, out)
        touch_instrument(arena, instrument)
        rest_new(
            arena,
            order,
            instrument,
            const.LIMIT,
            price,
            qty,
            command_number(arena),
        )
        return load_i64(arena + layout.NEXT_EVENT_AT)
    if may_rest:
        owner = word & 0xFFFF
        owner |= layout.SLOT_POST_ONLY * (order_type == const.POST_ONLY) | layout.SLOT_GTC * (
            tif == const.GTC
        )
        slot = open_in_chain(arena, entry, order_id, owner)
        join_level(arena, book, page, key, slot, qty)
        if shares:
            count_plain(arena, state, 1)
        return out
    reason = const.MARKET_REST if is_market else const.IOC_REST
    return emit_cancelled(out, order_id, price, qty, cause, tag, reason)


@kernel
def cancel_any_kind(
    arena: int,
    order: int,
    instrument: int,
    state: int,
    entry: int,
    word: int,
    out: int,
    special: bool,
) -> int:
    slot = find_in_chain(arena, entry, load_i64(order + const.ORDER_ID))
    if slot == 0 or order_owner(arena, slot) != word & 0xFFFF:
        return 0
    if special and load_u32(slot_addr(arena, slot) + layout.SLOT_OWNER) & layout.EXTENDED != 0:
        begin_general_path(arena, order, out)
        touch_instrument(arena, instrument)
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.USER))
        return load_i64(arena + layout.NEXT_EVENT_AT)
    qty = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY)
    return remove_plain(arena, order, instrument, state, entry, slot, qty, out, const.USER, special)


@kernel
def reduce_plain(
    arena: int,
    order: int,
    instrument: int,
    state: int,
    entry: int,
    word: int,
    out: int,
    special: bool,
) -> int:
    slot = own_plain(arena, order, entry, word)
    qty = load_i64(order + const.ORDER_QTY)
    if slot == 0 or qty <= 0 or not is_in_lots(arena, instrument, state, qty, special):
        return 0
    leaves = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY)
    if qty >= leaves:
        return remove_plain(
            arena,
            order,
            instrument,
            state,
            entry,
            slot,
            leaves,
            out,
            const.REDUCED_TO_ZERO,
            special,
        )
    reduce_in_level(arena, slot, qty)
    cause, tag = load_i64(order + const.ORDER_SEQ), plain_tag(arena, slot) | const.REDUCED
    price, order_id = plain_price(arena, slot), load_i64(order + const.ORDER_ID)
    return emit(out, order_id, 0, price, qty, leaves - qty, cause, tag)


@kernel
def replace_plain(
    arena: int,
    order: int,
    instrument: int,
    state: int,
    entry: int,
    word: int,
    out: int,
    in_call: bool,
    special: bool,
) -> int:
    slot = own_plain(arena, order, entry, word)
    price, qty = load_i64(order + const.ORDER_PRICE), load_i64(order + const.ORDER_QTY)
    if (
        slot == 0
        or (word >> const.MODE_SHIFT) & 0xF > (const.DECREMENT if special else const.ALLOW)
        or not is_in_rules(arena, instrument, state, price, qty, False, special)
    ):
        return 0
    at = slot_addr(arena, slot)
    leaves = load_i64(at + layout.SLOT_QTY)
    book = plain_book(arena, slot)
    key = price ^ key_flip(book)
    same = level_key(arena, load_u32(at + layout.SLOT_LEVEL)) == key
    tag = plain_tag(arena, slot)
    cause, order_id = load_i64(order + const.ORDER_SEQ), load_i64(order + const.ORDER_ID)
    if same and qty <= leaves:
        reduce_in_level(arena, slot, leaves - qty)
        return emit(
            out, order_id, 0, price, qty, qty, cause, tag | const.REPLACED | const.KEPT_PLACE
        )
    trades = not in_call and crosses_any(arena, book, ~key)
    post_only = load_u32(at + layout.SLOT_OWNER) & layout.SLOT_POST_ONLY != 0
    page = find_page(arena, book, page_number(key))
    own = leaves if same else 0
    if (trades and post_only) or refuse_rest(
        arena, book, page, key, qty, own, False, True
    ) != const.ACCEPT:
        return 0
    leave_level(arena, slot)
    out = emit(out, order_id, 0, price, qty, qty, cause, tag | const.REPLACED)
    if trades:
        qty, out = trade(arena, order, book, ~key, price, qty, tag, out, special)
        if qty == 0:
            if counts_orders(arena, instrument, state, special):
                count_plain(arena, state, -1)
            close_in_chain(arena, entry, slot)
            return out
    # leave_level may have closed the page found above.
    join_level(arena, book, find_page(arena, book, page_number(key)), key, slot, qty)
    return out


# Shared


@kernel
def begin_general_path(arena: int, order: int, out: int) -> None:
    """Hand the command to the general path; its next event goes to ``out``."""
    store_i64(arena + layout.NEXT_EVENT_AT, out)
    store_i64(arena + layout.CAUSE_SEQ, load_i64(order + const.ORDER_SEQ))


@kernel
def trade(
    arena: int,
    order: int,
    book: int,
    limit: int,
    price: int,
    qty: int,
    tag: int,
    out: int,
    special: bool,
) -> tuple[int, int]:
    """Trade an order for ``book`` up to the key ``limit``: with plain orders as the fast path does,
    from the first other one on as the general path does.  Returns (what is left to rest, out)."""
    opposite, instrument = book ^ 1, book >> 4
    state = instrument_addr(arena, instrument)
    order_id, cause = load_i64(order + const.ORDER_ID), load_i64(order + const.ORDER_SEQ)
    self_trade = (load_i64(order + const.ORDER_WORD) >> const.MODE_SHIFT) & 0xF
    if not special or (
        self_trade == const.ALLOW
        and not crosses_non_displayed(arena, book, limit)
        and not counts_orders(arena, instrument, state, special)
    ):
        qty, out = match(arena, state, opposite, limit, order_id, qty, cause, tag, out, special)
        if not special or qty == 0 or not crosses(arena, opposite, limit):
            return qty, out
    begin_general_path(arena, order, out)
    touch_instrument(arena, instrument)
    set_taker(arena, order_id, tag, price, self_trade)
    to_price = limit ^ key_flip(opposite)
    qty = take(arena, instrument, (book & 1) + const.BUY, to_price, qty, ALL_BOOKS)
    return qty, load_i64(arena + layout.NEXT_EVENT_AT)


@kernel
def can_fill(
    arena: int, order: int, book: int, limit: int, price: int, qty: int, tag: int, special: bool
) -> bool:
    """Whether all of a fill-or-kill order for ``book`` would trade up to the key ``limit``."""
    if not special:
        return is_fillable(arena, book ^ 1, limit, qty)
    self_trade = (load_i64(order + const.ORDER_WORD) >> const.MODE_SHIFT) & 0xF
    set_taker(arena, load_i64(order + const.ORDER_ID), tag, price, self_trade)
    to_price = limit ^ key_flip(book ^ 1)
    side = (book & 1) + const.BUY
    return fillable(arena, book >> 4, side, to_price, qty, ALL_BOOKS) == qty


@kernel
def remove_plain(
    arena: int,
    order: int,
    instrument: int,
    state: int,
    entry: int,
    slot: int,
    qty: int,
    out: int,
    reason: int,
    special: bool,
) -> int:
    """Cancel the order, which had ``qty`` lots."""
    if counts_orders(arena, instrument, state, special):
        count_plain(arena, state, -1)
    cause, order_id = load_i64(order + const.ORDER_SEQ), load_i64(order + const.ORDER_ID)
    price, tag = plain_price(arena, slot), plain_tag(arena, slot)
    out = emit_cancelled(out, order_id, price, qty, cause, tag, reason)
    leave_level(arena, slot)
    close_in_chain(arena, entry, slot)
    return out


@kernel
def own_plain(arena: int, order: int, entry: int, word: int) -> int:
    """Slot of the plain order named by the command if its participant owns it, or 0."""
    slot = find_in_chain(arena, entry, load_i64(order + const.ORDER_ID))
    owner = load_u32(slot_addr(arena, slot) + layout.SLOT_OWNER)
    is_own = slot != 0 and owner & layout.EXTENDED == 0 and owner & 0xFFFF == word & 0xFFFF
    return slot if is_own else 0


# Checks


@kernel
def is_in_rules(
    arena: int, instrument: int, state: int, price: int, qty: int, is_market: bool, special: bool
) -> bool:
    """Whether price (of a market order: none, no band, no waiting) and quantity are valid."""
    if qty < load_i64(state + layout.MIN_QTY) or qty > load_i64(state + layout.MAX_QTY):
        return False
    if not is_market and (
        price < load_i64(state + layout.MIN_PRICE) or price > load_i64(state + layout.MAX_PRICE)
    ):
        return False
    if not special or load_i64(state + layout.MODE) & layout.MODE_RULES == 0:
        return True
    rule = rule_addr(arena, instrument)
    if is_market:
        return (
            load_i64(rule + const.RULE_MARKET_BAND) == 0
            and load_u8(rule + const.RULE_OPTIONS) & const.MARKET_WAITS == 0
            and is_multiple(qty, load_i64(rule + const.RULE_QTY_STEP))
        )
    step = load_i64(rule + const.RULE_PRICE_STEP)
    if load_i64(rule + const.RULE_BANDS + 8) != 0:
        step = step_at(arena, instrument, price)
    return is_multiple(price, step) and is_multiple(qty, load_i64(rule + const.RULE_QTY_STEP))


@kernel
def is_in_lots(arena: int, instrument: int, state: int, qty: int, special: bool) -> bool:
    if not special or load_i64(state + layout.MODE) & layout.MODE_RULES == 0:
        return True
    return is_multiple(qty, load_i64(rule_addr(arena, instrument) + const.RULE_QTY_STEP))


@kernel
def counts_orders(arena: int, instrument: int, state: int, special: bool) -> bool:
    """Whether the instrument counts its plain orders: see event_bound.py."""
    return (
        special
        and load_i64(state + layout.MODE) & layout.MODE_RULES != 0
        and is_pro_rata(arena, instrument) != 0
    )


@kernel
def has_extra(arena: int, state: int) -> bool:
    """Whether the events that one more plain order could cause in a pro-rata instrument leave room
    for themselves."""
    runs = load_i64(state + layout.STOP_COUNT) + load_i64(state + layout.ALL_OR_NONE_COUNT)
    extra = load_i64(arena + layout.EXTRA_EVENTS) + 2 * runs
    return runs == 0 or extra <= load_i64(arena + layout.EXTRA_CAPACITY)


@kernel
def count_plain(arena: int, state: int, sign: int) -> None:
    """One plain order more (``sign`` 1) or less (-1) in a pro-rata instrument."""
    runs = load_i64(state + layout.STOP_COUNT) + load_i64(state + layout.ALL_OR_NONE_COUNT)
    store_i64(arena + layout.EXTRA_EVENTS, load_i64(arena + layout.EXTRA_EVENTS) + sign * 2 * runs)
    store_i64(state + layout.ORDER_COUNT, load_i64(state + layout.ORDER_COUNT) + sign)
