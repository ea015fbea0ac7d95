"""Plain commands, alone and among special orders, on instruments with rules, and in calls.

Most commands are about plain orders that match plain orders only, also on an instrument that holds
a stop or an iceberg.  They are handled here; what they trigger is left to ``matching/cascade.py``,
which runs only if something moved.  Everything else, most rejects included, falls through to the
general path with no state changed.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import cancel_order, reason_word
from openoutcry.matcher.book.arena import ArenaHeader, InstrumentState
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
from openoutcry.matcher.book.terms import has_terms
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.new import rest_new
from openoutcry.matcher.events import (
    command_number,
    emit,
    emit_cancelled,
    event_tag,
    mark_last,
)
from openoutcry.matcher.matching.cascade import is_stable
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
from openoutcry.wire.layout import Words
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import MAX_VALUE

GENERAL_ALONE = layout.MODE_FOREIGN | layout.MODE_STEPS | layout.MODE_WAITING | layout.MODE_HELD
"""In such an instrument every command is the general path's."""


@kernel_outlined
def plain_on_plain(
    arena: ArenaHeader, order: OrderRecord, instrument: int, entry: int, out: EventRecord
) -> EventRecord:
    """Like :func:`plain_command`, on an instrument that holds plain orders only, without rules, in
    continuous trading."""
    return plain_command(arena, order, instrument, entry, out, False)


@kernel_outlined
def plain_on_special(
    arena: ArenaHeader, order: OrderRecord, instrument: int, entry: int, out: EventRecord
) -> EventRecord:
    """Like :func:`plain_command`, on any instrument of this shard that may be traded or is in a
    call, and is not held."""
    state = instrument_addr(arena, instrument)
    mode = state.mode
    if mode & GENERAL_ALONE != 0 or (mode & layout.MODE_PHASE != 0 and not is_call(state.phase)):
        return EventRecord(0)
    return plain_command(arena, order, instrument, entry, out, True)


@kernel
def plain_command(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    entry: int,
    out: EventRecord,
    special: bool,
) -> EventRecord:
    """Process the command at ``order``, whose id's entry is at ``entry``.  Returns the new ``out``,
    or 0 to fall through.  The argument ``special``, a constant for each caller, says whether the
    instrument's MODE is not 0.  One source is compiled for both: measured, one compiled body for
    both costs 4 to 8 % of a plain command."""
    state = instrument_addr(arena, instrument)
    in_call = special and state.mode & layout.MODE_PHASE != 0
    word = order.word
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
        return EventRecord(0)
    if after == 0:
        return EventRecord(0)
    if not special:
        is_done = True
    elif in_call:
        is_done = (
            kind != const.REPLACE << (const.KIND_SHIFT - const.ERROR_SHIFT)
            and state.mode & layout.MODE_LISTS == 0
            and leaves_cross_unchanged(state, out)
        )
    else:
        is_done = is_stable(arena, instrument, state)
    if not is_done:
        begin_general_path(arena, order, after)
        touch_instrument(arena, instrument)
        after_command(arena, instrument)
        after = arena.next_event_at
    mark_last(after)
    return EventRecord(after)


@kernel
def leaves_cross_unchanged(state: InstrumentState, event: EventRecord) -> bool:
    """Return whether the order of ``event``, added, cancelled or reduced in a call, is priced
    where it can change neither the uncrossing price nor its volume."""
    price = event.price_ticks
    if (event.word >> const.EVENT_SIDE_SHIFT) & 0xFF == const.BUY:
        return price < state.call_from
    return price > state.call_to


# The commands; each returns ``out`` moved on, or 0 with nothing done


@kernel
def enter_plain(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    state: InstrumentState,
    entry: int,
    word: int,
    out: int,
    in_call: bool,
    special: bool,
) -> int:
    """A NEW order: match, then rest or cancel. ``out``: address where its events go; returns the
    address after the last, 0 if the general path must take the command."""
    side = (word >> const.SIDE_SHIFT) & 0xFF
    order_type = (word >> const.TYPE_SHIFT) & 0xFF
    tif = (word >> const.TIF_SHIFT) & 0xF
    expires = order_type == const.LIMIT and tif == const.GTD
    if (
        order_type > const.POST_ONLY
        or (not expires and (tif > const.GTC or (PLAIN >> (order_type * 8 + tif)) & 1 == 0))
        or (expires and order.aux < arena.now_ns)
        or side < const.BUY
        or side > const.SELL
        or (word >> const.MODE_SHIFT) & 0xF > const.DECREMENT
        or (not special and (expires or (word >> const.MODE_SHIFT) & 0xF != const.ALLOW))
    ):
        return 0
    price, qty = order.price_ticks, order.qty_lots
    order_id = order.order_id
    if order_id >= LEG_ORDER_IDS or (
        special
        and state.mode & layout.MODE_TERMS != 0
        and has_terms(arena, instrument, word & 0xFFFF, order_id)
    ):
        return 0
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
        has_slot = arena.open_orders < arena.fixed_order_capacity
        if (
            (trades and order_type == const.POST_ONLY)
            or refuse_rest(arena, book, page, key, qty, 0, False, has_slot) != const.ACCEPT
            or (shares and not has_extra(arena, state))
        ):
            return 0
    elif in_call:
        return 0
    cause = order.seq
    tag = event_tag(instrument, side, word & 0xFFFF)
    out = emit(EventRecord(out), order_id, 0, price, qty, qty, cause, tag | const.ACCEPTED)
    if tif == const.FOK and (
        not trades or not can_fill(arena, order, book, limit, price, qty, tag, special)
    ):
        return emit_cancelled(
            EventRecord(out), order_id, price, qty, cause, tag, const.FOK_UNFILLABLE
        )
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
        return arena.next_event_at
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
    return emit_cancelled(EventRecord(out), order_id, price, qty, cause, tag, reason)


@kernel
def cancel_any_kind(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    state: InstrumentState,
    entry: int,
    word: int,
    out: EventRecord,
    special: bool,
) -> int:
    """Cancel an order, plain or not; returns the address after the last event, 0 if the general
    path must take the command."""
    slot = find_in_chain(arena, entry, order.order_id)
    if slot == 0 or order_owner(arena, slot) != word & 0xFFFF:
        return 0
    if special and slot_addr(arena, slot).owner & layout.EXTENDED != 0:
        begin_general_path(arena, order, out)
        touch_instrument(arena, instrument)
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.USER))
        return arena.next_event_at
    qty = slot_addr(arena, slot).qty
    return remove_plain(arena, order, instrument, state, entry, slot, qty, out, const.USER, special)


@kernel
def reduce_plain(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    state: InstrumentState,
    entry: int,
    word: int,
    out: EventRecord,
    special: bool,
) -> int:
    """Take lots off a plain order; returns the address after the last event, 0 if the general path
    must take the command."""
    slot = own_plain(arena, order, entry, word)
    qty = order.qty_lots
    if slot == 0 or qty <= 0 or not is_in_lots(arena, instrument, state, qty, special):
        return 0
    leaves = slot_addr(arena, slot).qty
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
    cause, tag = order.seq, plain_tag(arena, slot) | const.REDUCED
    price, order_id = plain_price(arena, slot), order.order_id
    return emit(out, order_id, 0, price, qty, leaves - qty, cause, tag)


@kernel
def replace_plain(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    state: InstrumentState,
    entry: int,
    word: int,
    out: int,
    in_call: bool,
    special: bool,
) -> int:
    """Replace a plain order; returns the address after the last event, 0 if the general path must
    take the command. ``out``: address where the events go."""
    slot = own_plain(arena, order, entry, word)
    price, qty = order.price_ticks, order.qty_lots
    if (
        slot == 0
        or (word >> const.MODE_SHIFT) & 0xF > (const.DECREMENT if special else const.ALLOW)
        or not is_in_rules(arena, instrument, state, price, qty, False, special)
    ):
        return 0
    at = slot_addr(arena, slot)
    leaves = at.qty
    book = plain_book(arena, slot)
    key = price ^ key_flip(book)
    same = level_key(arena, at.level) == key
    tag = plain_tag(arena, slot)
    cause, order_id = order.seq, order.order_id
    if same and qty <= leaves:
        reduce_in_level(arena, slot, leaves - qty)
        return emit(
            EventRecord(out),
            order_id,
            0,
            price,
            qty,
            qty,
            cause,
            tag | const.REPLACED | const.KEPT_PLACE,
        )
    trades = not in_call and crosses_any(arena, book, ~key)
    post_only = at.owner & layout.SLOT_POST_ONLY != 0
    page = find_page(arena, book, page_number(key))
    own = leaves if same else 0
    if (trades and post_only) or refuse_rest(
        arena, book, page, key, qty, own, False, True
    ) != const.ACCEPT:
        return 0
    leave_level(arena, slot)
    out = emit(EventRecord(out), order_id, 0, price, qty, qty, cause, tag | const.REPLACED)
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
def begin_general_path(arena: ArenaHeader, order: OrderRecord, out: int) -> None:
    """Hand the command to the general path; its next event goes to ``out``."""
    arena.next_event_at = out
    arena.cause_seq = order.seq


@kernel
def trade(
    arena: ArenaHeader,
    order: OrderRecord,
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
    order_id, cause = order.order_id, order.seq
    self_trade = (order.word >> const.MODE_SHIFT) & 0xF
    if not special or (
        self_trade == const.ALLOW
        and not crosses_non_displayed(arena, book, limit)
        and not counts_orders(arena, instrument, state, special)
    ):
        qty, out = match(
            arena, state, opposite, limit, order_id, qty, cause, tag, EventRecord(out), special
        )
        if not special or qty == 0 or not crosses(arena, opposite, limit):
            return qty, out
    begin_general_path(arena, order, out)
    touch_instrument(arena, instrument)
    set_taker(arena, order_id, tag, price, self_trade)
    to_price = limit ^ key_flip(opposite)
    qty = take(arena, instrument, (book & 1) + const.BUY, to_price, qty, ALL_BOOKS)
    return qty, arena.next_event_at


@kernel
def can_fill(
    arena: ArenaHeader,
    order: OrderRecord,
    book: int,
    limit: int,
    price: int,
    qty: int,
    tag: int,
    special: bool,
) -> bool:
    """Return whether all of a fill-or-kill order for ``book`` would trade up to the key
    ``limit``."""
    if not special:
        return is_fillable(arena, book ^ 1, limit, qty)
    self_trade = (order.word >> const.MODE_SHIFT) & 0xF
    set_taker(arena, order.order_id, tag, price, self_trade)
    to_price = limit ^ key_flip(book ^ 1)
    side = (book & 1) + const.BUY
    return fillable(arena, book >> 4, side, to_price, qty, ALL_BOOKS) == qty


@kernel
def remove_plain(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    state: InstrumentState,
    entry: int,
    slot: int,
    qty: int,
    out: EventRecord,
    reason: int,
    special: bool,
) -> int:
    """Cancel the order, which had ``qty`` lots."""
    if counts_orders(arena, instrument, state, special):
        count_plain(arena, state, -1)
    cause, order_id = order.seq, order.order_id
    price, tag = plain_price(arena, slot), plain_tag(arena, slot)
    out = emit_cancelled(out, order_id, price, qty, cause, tag, reason)
    leave_level(arena, slot)
    close_in_chain(arena, entry, slot)
    return out


@kernel
def own_plain(arena: ArenaHeader, order: OrderRecord, entry: int, word: int) -> int:
    """Slot of the plain order named by the command if its participant owns it, or 0."""
    slot = find_in_chain(arena, entry, order.order_id)
    owner = slot_addr(arena, slot).owner
    is_own = slot != 0 and owner & layout.EXTENDED == 0 and owner & 0xFFFF == word & 0xFFFF
    return slot if is_own else 0


# Checks


@kernel
def is_in_rules(
    arena: ArenaHeader,
    instrument: int,
    state: InstrumentState,
    price: int,
    qty: int,
    is_market: bool,
    special: bool,
) -> bool:
    """Return whether price (of a market order: none, no band, no waiting) and quantity are
    valid."""
    if qty < state.min_qty or qty > state.max_qty:
        return False
    if not is_market and (price < state.min_price or price > state.max_price):
        return False
    if not special or state.mode & layout.MODE_RULES == 0:
        return True
    rule = rule_addr(arena, instrument)
    if is_market:
        return (
            rule.market_band_ticks == 0
            and rule.options & const.MARKET_WAITS == 0
            and is_multiple(qty, rule.qty_step_lots)
        )
    step = rule.price_step_ticks
    if Words(rule + const.RULE_BANDS)[1] != 0:
        step = step_at(arena, instrument, price)
    return is_multiple(price, step) and is_multiple(qty, rule.qty_step_lots)


@kernel
def is_in_lots(
    arena: ArenaHeader, instrument: int, state: InstrumentState, qty: int, special: bool
) -> bool:
    """Return whether a quantity is a whole number of the instrument's steps."""
    if not special or state.mode & layout.MODE_RULES == 0:
        return True
    return is_multiple(qty, rule_addr(arena, instrument).qty_step_lots)


@kernel
def counts_orders(
    arena: ArenaHeader, instrument: int, state: InstrumentState, special: bool
) -> bool:
    """Return whether the instrument counts its plain orders: see event_bound.py."""
    return special and state.mode & layout.MODE_RULES != 0 and is_pro_rata(arena, instrument) != 0


@kernel
def has_extra(arena: ArenaHeader, state: InstrumentState) -> bool:
    """Return whether the events that one more plain order could cause in a pro-rata instrument
    leave room for themselves."""
    runs = state.stop_count + state.all_or_none_count + state.linked_count
    extra = arena.extra_events + 2 * runs
    return runs == 0 or extra <= arena.extra_capacity


@kernel
def count_plain(arena: ArenaHeader, state: InstrumentState, sign: int) -> None:
    """One plain order more (``sign`` 1) or less (-1) in a pro-rata instrument."""
    runs = state.stop_count + state.all_or_none_count + state.linked_count
    arena.extra_events += sign * 2 * runs
    state.order_count += sign
