# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Turn one command into events: the entries, and the fast path of plain commands.

Plain is a limit, market or post-only order, DAY, GTC, IOC or FOK, without self-trade prevention,
and what happens to it, on an instrument whose MODE is 0.  Everything else, most rejects among it,
is ``every_command.py``'s: the fast path changes nothing before it knows that the command is its
own.

Kernels know no clock, allocate nothing and raise nothing; whatever bytes a record holds, it gets
an answer.  Addresses are int64; ``arena`` is the address of what
:func:`openoutcry.matcher.book.empty_arena.new_arena` made; ``out`` is where the next event goes,
and functions that write events return it moved on.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.ids import find_id, id_addr, prefetch_chain
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    instrument_addr,
    join_level,
    key_flip,
    leave_level,
    level_key,
    page_number,
    slot_addr,
)
from openoutcry.matcher.book.orders import (
    close_order,
    open_order,
    plain_book,
    plain_price,
    take_off,
)
from openoutcry.matcher.commands.every_command import every_command
from openoutcry.matcher.commands.plain_beside_special import plain_beside_special
from openoutcry.matcher.event_bound import scratch_records
from openoutcry.matcher.events import emit, emit_cancelled, event_address, mark_last, reject
from openoutcry.matcher.matching.plain_orders import (
    PLAIN,
    is_fillable,
    limit_key,
    match,
    plain_address,
    plain_cancel,
    plain_new,
    refuse_rest,
    would_cross,
)
from openoutcry.wire.kernel import STRIPPED, VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_fixed, load_i64, load_u32, mul_wrapping, prefetch, store_i64
from openoutcry.wire.records import MAX_VALUE, NO_INSTRUMENT, RECORD_BYTES

__all__ = ["process_batch", "process_one", "scratch_records"]

FAR, NEAR, RECORDS = 12, 6, 48
"""How many commands ahead :func:`process_batch` asks for the line of a command's id entry, for that
of the order that the entry then leads to, and for the record itself.  FAR < AHEAD_COMMANDS.

Measured: records 1.0 ns a command (their 64 bytes are a page of their own every 64 commands, which
no hardware prefetcher crosses), ids and orders 1.9.  Levels and queue neighbours asked for three
ahead gave nothing."""


@kernel
def process_batch(
    arena: int, orders: int, count: int, out: int, out_capacity: int
) -> tuple[int, int]:
    """Process up to ``count`` commands (64 bytes each, contiguous at ``orders``).

    Writes events at ``out`` and stops before a command when fewer than
    ``scratch_records(order_capacity)`` slots, which no command exceeds, remain of
    ``out_capacity``.  Returns (commands done, events written).
    """
    done = 0
    at = out
    commands_before = load_i64(arena + layout.COMMAND_COUNT)
    last_start = out + (out_capacity - load_i64(arena + layout.WORST_EVENTS)) * RECORD_BYTES
    for index in range(min(FAR, count)):
        look_ahead(arena, orders, index)
    while done < count and at <= last_start:
        if done + FAR < count:
            look_ahead(arena, orders, done + FAR)
        if done + NEAR < count:
            prefetch_chain(arena, load_i64(ahead_addr(arena, done + NEAR)))
        order = orders + done * RECORD_BYTES
        prefetch(order + RECORDS * RECORD_BYTES)
        ahead = ahead_addr(arena, done)
        entry, instrument = load_i64(ahead), load_i64(ahead + 8)
        end = plain(arena, order, instrument, entry, at)
        if end == 0:
            # Only the slow path looks at the number.
            store_i64(arena + layout.COMMAND_COUNT, commands_before + done + 1)
            end = slow(arena, order, instrument, entry, at)
        if VERIFY:
            assert_after(arena, instrument, at, end)
        at = end
        done += 1
    written = (at - out) // RECORD_BYTES
    store_i64(arena + layout.EVENT_COUNT, load_i64(arena + layout.EVENT_COUNT) + written)
    store_i64(arena + layout.COMMAND_COUNT, commands_before + done)
    if done > 0:
        store_i64(
            arena + layout.LAST_SEQ, load_i64(orders + (done - 1) * RECORD_BYTES + const.ORDER_SEQ)
        )
    return done, written


@kernel
def process_one(arena: int, order: int, out: int) -> int:
    """Process the command at ``order`` and return how many events it wrote at ``out``: at least
    one, the last with the flag LAST, and none only for another shard's command.  Their ``seq`` is
    0 for the caller to number."""
    store_i64(arena + layout.COMMAND_COUNT, load_i64(arena + layout.COMMAND_COUNT) + 1)
    instrument = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    entry = id_addr(arena, instrument, load_i64(order + const.ORDER_ID))
    end = plain(arena, order, instrument, entry, out)
    if end == 0:
        end = slow(arena, order, instrument, entry, out)
    if VERIFY:
        assert_after(arena, instrument, out, end)
    count = (end - out) // RECORD_BYTES
    store_i64(arena + layout.LAST_SEQ, load_i64(order + const.ORDER_SEQ))
    store_i64(arena + layout.EVENT_COUNT, load_i64(arena + layout.EVENT_COUNT) + count)
    return count


@kernel
def assert_after(arena: int, instrument: int, out: int, end: int) -> None:
    """What holds after every command, whose events are at ``out`` to ``end``: no more events than
    the bound, and no book crossed in continuous trading."""
    assert out <= end
    assert end - out <= load_i64(arena + layout.WORST_EVENTS) * RECORD_BYTES
    assert load_i64(arena + layout.OPEN_ORDERS) <= load_i64(arena + layout.ORDER_CAPACITY)
    assert load_i64(arena + layout.EXTRA_EVENTS) <= load_i64(arena + layout.EXTRA_CAPACITY)
    if instrument == NO_INSTRUMENT:
        return
    if load_i64(instrument_addr(arena, instrument) + layout.MODE) & layout.MODE_PHASE == 0:
        bids = instrument << 4 | layout.DISPLAYED
        best = load_i64(book_addr(arena, bids) + layout.BOOK_BEST_KEY)
        has_bid = load_u32(book_addr(arena, bids) + layout.BOOK_BEST_LEVEL) != 0
        assert not (has_bid and would_cross(arena, bids, best))


@kernel
def ahead_addr(arena: int, index: int) -> int:
    """Where what is known of the batch's command ``index`` is kept: the address of its id's entry,
    and its instrument."""
    return arena + layout.AHEAD + (index & (layout.AHEAD_COMMANDS - 1)) * 16


@kernel
def look_ahead(arena: int, orders: int, index: int) -> None:
    """Find instrument and id entry of the batch's command ``index``, and ask for the latter."""
    order = orders + index * RECORD_BYTES
    instrument = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    entry = id_addr(arena, instrument, load_i64(order + const.ORDER_ID))
    prefetch(entry)
    at = ahead_addr(arena, index)
    store_i64(at, entry)
    store_i64(at + 8, instrument)


# The two commands that nearly all are


@kernel
def plain(arena: int, order: int, instrument: int, entry: int, out: int) -> int:
    """Rest a plain limit order that trades with nobody, or cancel a plain order; returns ``out``
    moved on, or 0 for anything else, of which nothing has been done.

    ``entry`` is the address of the id's entry.  Few branches, one place in the code: this is what
    the processor's caches and predictors are kept for.
    """
    if instrument == NO_INSTRUMENT:
        return 0
    state = instrument_addr(arena, instrument)
    word = load_i64(order + const.ORDER_WORD)
    if load_i64(state + layout.MODE) != 0:
        return 0
    error_and_kind = (word >> const.ERROR_SHIFT) & 0xFFFFFF
    if error_and_kind == const.NEW << (const.KIND_SHIFT - const.ERROR_SHIFT):
        return plain_new(arena, order, instrument, state, entry, word, out)
    if error_and_kind == const.CANCEL << (const.KIND_SHIFT - const.ERROR_SHIFT):
        return plain_cancel(arena, order, entry, word, out)
    return 0


# All other plain commands, and the way to the general path


@kernel
def slow(arena: int, order: int, instrument: int, entry: int, out: int) -> int:
    """Process a command of any kind, whose id's entry is at ``entry``; returns ``out`` moved on."""
    if not STRIPPED and is_special(arena, instrument):
        end = plain_beside_special(arena, order, instrument, entry, out)
        if end != 0:
            return end
    return rare(arena, order, instrument, out)


@kernel
def is_special(arena: int, instrument: int) -> bool:
    """Whether the instrument has rules, holds special orders or is in another phase."""
    return (
        instrument != NO_INSTRUMENT
        and load_i64(instrument_addr(arena, instrument) + layout.MODE) != 0
    )


@kernel_outlined
def rare(arena: int, order: int, instrument: int, out: int) -> int:
    """What neither :func:`plain` nor ``plain_beside_special.py`` has done."""
    end = dispatch(arena, order, instrument, out)
    if end != out:
        mark_last(end)
    return end


@kernel
def dispatch(arena: int, order: int, instrument: int, out: int) -> int:
    """The fast path, or the way to the general one."""
    word = load_i64(order + const.ORDER_WORD)
    error_code = (word >> const.ERROR_SHIFT) & 0xFFFF
    kind = (word >> const.KIND_SHIFT) & 0xFF
    if error_code != 0 or instrument == NO_INSTRUMENT:
        return beyond(arena, order, out, instrument)
    state = instrument_addr(arena, instrument)
    if load_i64(state + layout.MODE) != 0:
        return beyond(arena, order, out, instrument)
    if kind == const.NEW:
        return new(arena, order, out, instrument, state, word)
    if kind < const.NEW or kind > const.REPLACE:
        return beyond(arena, order, out, instrument)
    slot = find_id(arena, instrument, load_i64(order + const.ORDER_ID))
    participant = word & 0xFFFF
    if slot == 0 or load_u32(slot_addr(arena, slot) + layout.SLOT_OWNER) & 0xFFFF != participant:
        if kind == const.REPLACE:
            return beyond(arena, order, out, instrument)
        address = event_address(instrument, (word >> const.SIDE_SHIFT) & 0xFF, participant)
        reason = const.UNKNOWN_ORDER if slot == 0 else const.NOT_OWNER
        return reject(order, out, address, reason, 0)
    if kind == const.CANCEL:
        qty = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY)
        return cancel(arena, order, out, instrument, slot, qty, const.USER)
    if kind == const.REDUCE:
        return reduce(arena, order, out, instrument, slot)
    return replace(arena, order, out, instrument, state, slot, word)


@kernel
def beyond(arena: int, order: int, out: int, instrument: int) -> int:
    """The general path; with STRIPPED, its commands are rejected as MALFORMED."""
    if STRIPPED:
        address = event_address(instrument, 0, load_i64(order + const.ORDER_WORD) & 0xFFFF)
        return reject(order, out, address, const.MALFORMED, 0)
    return every_command(arena, order, out, instrument)


# One function a command


@kernel
def new(arena: int, order: int, out: int, instrument: int, state: int, word: int) -> int:
    side = (word >> const.SIDE_SHIFT) & 0xFF
    order_type = (word >> const.TYPE_SHIFT) & 0xFF
    tif = (word >> const.TIF_SHIFT) & 0xFF
    price = load_i64(order + const.ORDER_PRICE)
    qty = load_i64(order + const.ORDER_QTY)
    order_id = load_i64(order + const.ORDER_ID)
    if (
        order_type > const.POST_ONLY
        or tif > const.GTC
        or (PLAIN >> (order_type * 8 + tif)) & 1 == 0
        or side < const.BUY
        or side > const.SELL
        or qty < load_i64(state + layout.MIN_QTY)
        or qty > load_i64(state + layout.MAX_QTY)
        or (
            order_type != const.MARKET
            and (
                price < load_i64(state + layout.MIN_PRICE)
                or price > load_i64(state + layout.MAX_PRICE)
            )
        )
        or find_id(arena, instrument, order_id) != 0
    ):
        return beyond(arena, order, out, instrument)
    address = event_address(instrument, side, word & 0xFFFF)
    book = instrument << 4 | layout.DISPLAYED | (side - const.BUY)
    key = price ^ key_flip(book)
    page = 0
    may_rest = order_type != const.MARKET and tif in (const.DAY, const.GTC)
    if may_rest:
        page = find_page(arena, book, page_number(key))
        has_slot = load_i64(arena + layout.OPEN_ORDERS) < load_fixed(arena + layout.ORDER_CAPACITY)
        reason = refuse_rest(
            arena, book, page, key, qty, 0, order_type == const.POST_ONLY, has_slot
        )
        if reason != const.ACCEPT:
            return reject(order, out, address, reason, 0)
    cause = load_i64(order + const.ORDER_SEQ)
    out = emit(out, order_id, 0, price, qty, qty, cause, address | const.ACCEPTED)
    limit = MAX_VALUE if order_type == const.MARKET else limit_key(book, price)
    if tif == const.FOK and not is_fillable(arena, book ^ 1, limit, qty):
        return emit_cancelled(out, order_id, price, qty, cause, address, const.FOK_UNFILLABLE)
    qty, out = match(arena, state, book ^ 1, limit, order_id, qty, cause, address, out, False)
    if qty == 0:
        return out
    if may_rest:
        owner = word & 0xFFFF
        if order_type == const.POST_ONLY:
            owner |= layout.SLOT_POST_ONLY
        if tif == const.GTC:
            owner |= layout.SLOT_GTC
        slot = open_order(arena, instrument, order_id, owner)
        join_level(arena, book, page, key, slot, qty)
        return out
    reason = const.MARKET_REST if order_type == const.MARKET else const.IOC_REST
    return emit_cancelled(out, order_id, price, qty, cause, address, reason)


@kernel
def cancel(
    arena: int, order: int, out: int, instrument: int, slot: int, qty: int, reason: int
) -> int:
    """Take the open order in ``slot`` out of the book: it was ``qty`` lots."""
    out = emit_cancelled(
        out,
        load_i64(slot_addr(arena, slot) + layout.SLOT_ID),
        plain_price(arena, slot),
        qty,
        load_i64(order + const.ORDER_SEQ),
        plain_address(arena, slot),
        reason,
    )
    leave_level(arena, slot)
    close_order(arena, instrument, slot)
    return out


@kernel
def reduce(arena: int, order: int, out: int, instrument: int, slot: int) -> int:
    qty = load_i64(order + const.ORDER_QTY)
    if qty <= 0:
        return beyond(arena, order, out, instrument)
    at = slot_addr(arena, slot)
    leaves = load_i64(at + layout.SLOT_QTY)
    if qty >= leaves:
        return cancel(arena, order, out, instrument, slot, leaves, const.REDUCED_TO_ZERO)
    take_off(arena, slot, qty)
    price = plain_price(arena, slot)
    cause = load_i64(order + const.ORDER_SEQ)
    address = plain_address(arena, slot) | const.REDUCED
    return emit(out, load_i64(at + layout.SLOT_ID), 0, price, qty, leaves - qty, cause, address)


@kernel
def replace(
    arena: int, order: int, out: int, instrument: int, state: int, slot: int, word: int
) -> int:
    """New price and open quantity."""
    price = load_i64(order + const.ORDER_PRICE)
    qty = load_i64(order + const.ORDER_QTY)
    if (
        (word >> const.MODE_SHIFT) & 0xF != 0
        or qty < load_i64(state + layout.MIN_QTY)
        or qty > load_i64(state + layout.MAX_QTY)
        or price < load_i64(state + layout.MIN_PRICE)
        or price > load_i64(state + layout.MAX_PRICE)
    ):
        return beyond(arena, order, out, instrument)
    at = slot_addr(arena, slot)
    order_id = load_i64(at + layout.SLOT_ID)
    leaves = load_i64(at + layout.SLOT_QTY)
    level = load_u32(at + layout.SLOT_LEVEL)
    book = plain_book(arena, slot)
    cause = load_i64(order + const.ORDER_SEQ)
    key = price ^ key_flip(book)
    same_level = level_key(arena, level) == key
    about = plain_address(arena, slot)
    if same_level and qty <= leaves:
        take_off(arena, slot, leaves - qty)
        return emit(
            out, order_id, 0, price, qty, qty, cause, about | const.REPLACED | const.KEPT_PLACE
        )
    page = find_page(arena, book, page_number(key))
    own = leaves if same_level else 0
    post_only = load_u32(at + layout.SLOT_OWNER) & layout.SLOT_POST_ONLY != 0
    reason = refuse_rest(arena, book, page, key, qty, own, post_only, True)
    if reason != const.ACCEPT:
        address = event_address(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)
        return reject(order, out, address, reason, 0)
    leave_level(arena, slot)
    out = emit(out, order_id, 0, price, qty, qty, cause, about | const.REPLACED)
    limit = limit_key(book, price)
    qty, out = match(arena, state, book ^ 1, limit, order_id, qty, cause, about, out, False)
    if qty == 0:
        close_order(arena, instrument, slot)
        return out
    # Leaving may have closed the page that was found above.
    join_level(arena, book, find_page(arena, book, page_number(key)), key, slot, qty)
    return out


@kernel
def find_instrument(arena: int, symbol: int) -> int:
    """Index of the instrument whose symbol's eight bytes are ``symbol``, or NO_INSTRUMENT."""
    if symbol == load_i64(arena + layout.LAST_SYMBOL) and symbol != 0:
        return load_i64(arena + layout.LAST_INSTRUMENT)
    table = arena + load_fixed(arena + layout.SYMBOLS_AT)
    mask = load_fixed(arena + layout.SYMBOL_MASK)
    at = (mul_wrapping(symbol, layout.GOLDEN) >> 40) & mask
    while True:
        entry = table + at * layout.SYMBOL_ENTRY_BYTES
        instrument = load_i64(entry + layout.ENTRY_INSTRUMENT) - 1
        if instrument < 0:
            return NO_INSTRUMENT
        if load_i64(entry + layout.ENTRY_SYMBOL) == symbol:
            store_i64(arena + layout.LAST_SYMBOL, symbol)
            store_i64(arena + layout.LAST_INSTRUMENT, instrument)
            return instrument
        at = (at + 1) & mask
