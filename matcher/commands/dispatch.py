"""Turn one command into events: the entries, and the fast path of plain commands.

A plain command is about a limit, market or post-only order, DAY, GTC, IOC or FOK.  Nearly all
commands are of two kinds, which have a separate body (:func:`fast_path`).  The other plain ones are
in ``plain_commands.py``, and everything else, most rejects included, is in ``general.py``.  A
faster path changes nothing before it knows that it can process the command.

Kernels know no clock, allocate nothing and raise nothing; whatever bytes a record holds, it gets
an answer.  Addresses are int64; ``arena`` is the address of what
:func:`openoutcry.matcher.book.empty_arena.new_arena` made; ``out`` is where the next event goes,
and functions that write events return it moved on.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, SymbolEntry
from openoutcry.matcher.book.ids import id_addr, link_addr, prefetch_chain
from openoutcry.matcher.book.levels import (
    book_addr,
    hinted_page,
    instrument_addr,
    key_flip,
    level_addr,
    page_addr,
    page_number,
    slot_addr,
)
from openoutcry.matcher.commands.general import process_general
from openoutcry.matcher.commands.plain_commands import plain_on_plain, plain_on_special
from openoutcry.matcher.event_bound import scratch_records
from openoutcry.matcher.events import event_tag, mark_last, reject
from openoutcry.matcher.matching.plain_orders import (
    plain_cancel,
    plain_new,
    would_cross,
)
from openoutcry.wire.kernel import STRIPPED, VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, load_u32, mul_wrapping, prefetch, store_i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT, RECORD_BYTES

__all__ = ["process_batch", "process_one", "scratch_records"]

FAR, NEAR, NEXT, RECORDS, EVENTS = 15, 9, 4, 48, 48
LARGE = 1 << 14
"""How many commands ahead :func:`process_batch` prefetches the line of a command's id entry (FAR <
AHEAD_COMMANDS) and the order that the entry leads to (NEAR).  RECORDS is the same for the record
itself and, in events, EVENTS for the lines that events will be written to.  With more than LARGE
open orders, it also prefetches the level that a new order may join (NEAR), and the level and the
neighbours of an order that leaves (NEXT).

Measured: records 1.0 ns a command (every 64 commands their 64 bytes begin a new page, which no
hardware prefetcher crosses), ids and orders 1.9.  Levels and neighbours gave nothing in a book of
10,000 orders, which fits the second-level cache, and 15 to 30 % on 100,000 scattered ones.  Events
that are written once through 64 MB cost 1.30 times those in a buffer that stays in cache; with
EVENTS, 1.15."""


@kernel
def process_batch(
    arena: ArenaHeader, orders: int, count: int, out: EventRecord, out_capacity: int
) -> tuple[int, int]:
    """Process up to ``count`` commands (64 bytes each, contiguous at ``orders``).

    Writes events at ``out`` and stops before a command when fewer than
    ``scratch_records(order_capacity)`` slots, which no command exceeds, remain of
    ``out_capacity``.  Returns (commands done, events written).
    """
    done = 0
    at = out
    commands_before = arena.command_count
    last_start = out + (out_capacity - arena.worst_events) * RECORD_BYTES
    is_large = arena.open_orders > LARGE
    for index in range(min(FAR, count)):
        prefetch_order(arena, orders, index)
    while done < count and at <= last_start:
        if done + FAR < count:
            prefetch_order(arena, orders, done + FAR)
        if done + NEAR < count:
            prefetch_chain(arena, load_i64(ahead_addr(arena, done + NEAR)))
        if is_large and done + NEAR < count:
            prefetch_level(arena, orders, done + NEAR)
            prefetch_neighbours(arena, done + NEXT)
        order = OrderRecord(orders + done * RECORD_BYTES)
        prefetch(order + RECORDS * RECORD_BYTES)
        prefetch(at + EVENTS * RECORD_BYTES)
        ahead = ahead_addr(arena, done)
        entry, instrument = load_i64(ahead), Words(ahead)[1]
        end = fast_path(arena, order, instrument, entry, at)
        if end == 0:
            # Only the general path reads the number.
            arena.command_count = commands_before + done + 1
            end = general_path(arena, order, instrument, entry, at)
        if VERIFY:
            assert_after(arena, instrument, at, end)
        at = end
        done += 1
    written = (at - out) // RECORD_BYTES
    arena.event_count += written
    arena.command_count = commands_before + done
    if done > 0:
        arena.last_seq = OrderRecord(orders + (done - 1) * RECORD_BYTES).seq
    return done, written


@kernel
def process_one(arena: ArenaHeader, order: OrderRecord, out: EventRecord) -> int:
    """Process the command at ``order`` and return how many events it wrote at ``out``: at least
    one, the last with the flag LAST, and none only for another shard's command.  Their ``seq`` is
    0 for the caller to number."""
    arena.command_count += 1
    instrument = find_instrument(arena, order.symbol)
    entry = id_addr(arena, instrument, order.order_id)
    end = fast_path(arena, order, instrument, entry, out)
    if end == 0:
        end = general_path(arena, order, instrument, entry, out)
    if VERIFY:
        assert_after(arena, instrument, out, end)
    count = (end - out) // RECORD_BYTES
    arena.last_seq = order.seq
    arena.event_count += count
    return count


@kernel
def assert_after(arena: ArenaHeader, instrument: int, out: int, end: int) -> None:
    """The invariants after every command, whose events are at ``out`` to ``end``: no more
    events than the bound, and no book crossed in continuous trading."""
    assert out <= end
    assert end - out <= arena.worst_events * RECORD_BYTES
    assert arena.open_orders <= arena.order_capacity
    assert arena.extra_events <= arena.extra_capacity
    if instrument == NO_INSTRUMENT:
        return
    if instrument_addr(arena, instrument).mode & layout.MODE_PHASE == 0:
        bids = instrument << 4 | layout.DISPLAYED
        best = book_addr(arena, bids).best_key
        has_bid = book_addr(arena, bids).best_level != 0
        assert not (has_bid and would_cross(arena, bids, best))


@kernel
def ahead_addr(arena: int, index: int) -> int:
    """Return where what is known of the batch's command ``index`` is kept: the address of its
    id's entry, and its instrument."""
    return arena + layout.AHEAD + (index & (layout.AHEAD_COMMANDS - 1)) * 16


@kernel
def prefetch_order(arena: ArenaHeader, orders: int, index: int) -> None:
    """Find instrument and id entry of the batch's command ``index``, and ask for the latter.
    ``orders``: address of the batch."""
    order = OrderRecord(orders + index * RECORD_BYTES)
    instrument = find_instrument(arena, order.symbol)
    entry = id_addr(arena, instrument, order.order_id)
    prefetch(entry)
    at = ahead_addr(arena, index)
    store_i64(at, entry)
    Words(at)[1] = instrument


@kernel
def prefetch_level(arena: ArenaHeader, orders: int, index: int) -> None:
    """Ask for the page and the level that a new or replaced order may rest in. ``orders``: address
    of the batch."""
    order = OrderRecord(orders + index * RECORD_BYTES)
    instrument = Words(ahead_addr(arena, index))[1]
    word = order.word
    book = (
        instrument << 4 | layout.DISPLAYED | (((word >> const.SIDE_SHIFT) & 0xFF) - const.BUY) & 1
    )
    key = order.price_ticks ^ key_flip(book)
    page = hinted_page(arena, book, page_number(key))
    prefetch(page_addr(arena, page))
    prefetch(level_addr(arena, (page << 6) | (key & 63)))


@kernel
def prefetch_neighbours(arena: ArenaHeader, index: int) -> None:
    """Prefetch the neighbours in the queue of the order that a command is about."""
    slot = load_u32(load_i64(ahead_addr(arena, index)))
    at = slot_addr(arena, slot)
    level = at.level
    prefetch(link_addr(arena, slot))
    prefetch(level_addr(arena, level))
    prefetch(page_addr(arena, level >> 6))
    prefetch(slot_addr(arena, at.next))
    prefetch(slot_addr(arena, at.prev))


# The two commands that nearly all are


@kernel
def fast_path(
    arena: ArenaHeader, order: OrderRecord, instrument: int, entry: int, out: EventRecord
) -> EventRecord:
    """Rest a plain limit order that does not trade, or cancel a plain order; returns ``out``
    moved on, or 0 for anything else, of which nothing has been done.

    ``entry`` is the address of the id's entry.  Few branches, one place in the code: this is what
    the processor's caches and predictors are kept for.
    """
    if instrument == NO_INSTRUMENT:
        return EventRecord(0)
    state = instrument_addr(arena, instrument)
    word = order.word
    if state.mode != 0:
        return EventRecord(0)
    error_and_kind = (word >> const.ERROR_SHIFT) & 0xFFFFFF
    if error_and_kind == const.NEW << (const.KIND_SHIFT - const.ERROR_SHIFT):
        return plain_new(arena, order, instrument, state, entry, word, out)
    if error_and_kind == const.CANCEL << (const.KIND_SHIFT - const.ERROR_SHIFT):
        return plain_cancel(arena, order, entry, word, out)
    return EventRecord(0)


# Everything else


@kernel
def general_path(
    arena: ArenaHeader, order: OrderRecord, instrument: int, entry: int, out: EventRecord
) -> EventRecord:
    """Process a command of any kind, whose id's entry is at ``entry``; returns ``out`` moved on."""
    if instrument == NO_INSTRUMENT:
        return uncommon_command(arena, order, instrument, out)
    if instrument_addr(arena, instrument).mode == 0:
        end = plain_on_plain(arena, order, instrument, entry, out)
    elif STRIPPED:
        end = EventRecord(0)
    else:
        end = plain_on_special(arena, order, instrument, entry, out)
    if end != 0:
        return end
    return uncommon_command(arena, order, instrument, out)


@kernel_outlined
def uncommon_command(
    arena: ArenaHeader, order: OrderRecord, instrument: int, out: EventRecord
) -> EventRecord:
    """Process what neither :func:`fast_path` nor ``plain_commands.py`` has done; with STRIPPED it
    is rejected as MALFORMED."""
    if STRIPPED:
        address = event_tag(instrument, 0, order.word & 0xFFFF)
        end = reject(order, out, address, const.MALFORMED, 0)
    else:
        end = process_general(arena, order, out, instrument)
    if end != out:
        mark_last(end)
    return end


@kernel
def find_instrument(arena: ArenaHeader, symbol: int) -> int:
    """Index of the instrument whose symbol's eight bytes are ``symbol``, or NO_INSTRUMENT."""
    if symbol == arena.last_symbol and symbol != 0:
        return arena.last_instrument
    table = arena + arena.fixed_symbols_at
    mask = arena.fixed_symbol_mask
    at = (mul_wrapping(symbol, layout.GOLDEN) >> 40) & mask
    while True:
        entry = SymbolEntry(table + at * layout.SYMBOL_ENTRY_BYTES)
        instrument = entry.instrument - 1
        if instrument < 0:
            return NO_INSTRUMENT
        if entry.symbol == symbol:
            arena.last_symbol = symbol
            arena.last_instrument = instrument
            return instrument
        at = (at + 1) & mask
