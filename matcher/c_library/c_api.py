"""What C may call: kernels of int64 arguments, each with its prototype, and the header of them.

An address is an int64 to a kernel and a pointer to C; both travel in the same register.
"""

import textwrap
from dataclasses import dataclass
from typing import Any

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.depth import fill_best, fill_depth
from openoutcry.matcher.book.empty_arena import arena_bytes, extra_events, keep_id_key, lay_out
from openoutcry.matcher.book.ids import id_addr
from openoutcry.matcher.book.levels import (
    book_addr,
    instrument_addr,
    key_flip,
    level_addr,
    page_addr,
    page_number,
    walk_to_page,
)
from openoutcry.matcher.book.shards import keep_shard
from openoutcry.matcher.c_library.table_check import NO_FAULT, SYMBOL_FIELD, faulty_field
from openoutcry.matcher.commands.dispatch import fast_path, find_instrument
from openoutcry.matcher.constants import RULE_BYTES
from openoutcry.matcher.event_bound import COMMAND_EVENTS
from openoutcry.matcher.events import number_events
from openoutcry.matcher.state.running_digest import fold_changes
from openoutcry.wire.indirect import call_after, call_batch_kernel, call_path
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64, store_release
from openoutcry.wire.record_blocks import EventRecord, InstrumentRecord, OrderRecord
from openoutcry.wire.records import (
    INSTRUMENT,
    NO_INSTRUMENT,
    NO_PRICE,
    RECORD_BYTES,
    make_instruments,
)

BAD_CAPACITY, BAD_MEMORY = -1, -2
BATCH_ARGUMENTS = 5
FIELDS = len(INSTRUMENT.fields)
EVENT_SEQ = EventRecord.offset("seq")


@kernel
def size(instrument_count: int, order_capacity: int, level_pages: int) -> int:
    """Return the bytes of an arena with these capacities, 0 if they are not possible."""
    return arena_bytes(instrument_count, order_capacity, level_pages)


@kernel
def init(
    arena: ArenaHeader,
    size_bytes: int,
    instruments: int,
    instrument_count: int,
    order_capacity: int,
    level_pages: int,
) -> int:
    """Lay out an empty arena of ``size_bytes``; returns 0, BAD_CAPACITY, BAD_MEMORY, or row *
    FIELDS + field + 1 of the first faulty field of the table. ``instruments``: address of the
    table's records."""
    needed = arena_bytes(instrument_count, order_capacity, level_pages)
    if needed == 0:
        return BAD_CAPACITY
    if size_bytes < needed or arena & 63 != 0:
        return BAD_MEMORY
    for row in range(instrument_count):
        field = faulty_field(InstrumentRecord(instruments + row * RULE_BYTES))
        if field != NO_FAULT:
            return row * FIELDS + field + 1
    twice = lay_out(arena, instruments, instrument_count, order_capacity, level_pages)
    return (twice - 1) * FIELDS + SYMBOL_FIELD + 1 if twice != 0 else 0


@kernel
def shard(arena: ArenaHeader, shard_of_instrument: int, own_shard: int) -> int:
    """Make the matcher one of several: ``shard_of_instrument`` is the address of an int64 per
    instrument."""
    keep_shard(arena, shard_of_instrument, own_shard)
    return 0


@kernel
def id_key(arena: int, key: int) -> int:
    """Set the secret key of the hash of order ids, before the first order."""
    keep_id_key(arena, key)
    return 0


@kernel
def event_capacity(order_capacity: int) -> int:
    """Return the event records of which room is always enough for one command."""
    return 2 * order_capacity + extra_events(order_capacity) + COMMAND_EVENTS


@kernel
def process(
    batch: int,
    arena: ArenaHeader,
    orders: int,
    count: int,
    events: int,
    capacity: int,
    done_at: int,
) -> int:
    """``batch`` is the address of process_batch, which the library's entry knows: compiled once,
    for Python and for C."""
    first_seq = arena.event_count + 1
    done, written = call_batch_kernel(batch, arena, orders, count, events, capacity)
    number_events(events, written, first_seq)
    store_i64(done_at, done)
    return written


@kernel
def process_one(
    on_plain: int,
    on_special: int,
    uncommon: int,
    arena: ArenaHeader,
    order: OrderRecord,
    events: EventRecord,
) -> int:
    """``dispatch.process_one`` with the rarer paths by their addresses in process_batch's code,
    which the library's entry knows: there once, and as near as if they had been named."""
    arena.command_count += 1
    instrument = find_instrument(arena, order.symbol)
    entry = id_addr(arena, instrument, order.order_id)
    end = fast_path(arena, order, instrument, entry, events)
    if end != 0:
        # Its one event is always one.
        number = arena.event_count + 1
        store_release(events + EVENT_SEQ, number)
        arena.event_count = number
        arena.last_seq = order.seq
        return 1
    if instrument != NO_INSTRUMENT:
        is_plain = instrument_addr(arena, instrument).mode == 0
        path = on_plain if is_plain else on_special
        end = EventRecord(call_path(path, arena, order, instrument, entry, events))
    if end == 0:
        end = EventRecord(call_after(uncommon, arena, order, instrument, events))
    number = arena.event_count
    for at in range(events, end, RECORD_BYTES):
        number += 1
        store_release(at + EVENT_SEQ, number)
    arena.last_seq = order.seq
    arena.event_count = number
    return (end - events) // RECORD_BYTES


@kernel
def best(arena: ArenaHeader, instrument: int, out: int) -> int:
    """Write the six words of ``fill_best`` to ``out``; return how many sides have a displayed
    price."""
    fill_best(arena, instrument, out)
    return load_i64(out) + Words(out)[3]


@kernel
def depth(arena: ArenaHeader, instrument: int, side: int, levels: int, out: int) -> int:
    """Write up to ``levels`` rows of (price, lots, orders) to ``out``, the best first; return how
    many. ``side`` is 1 (buy) or 2."""
    return fill_depth(arena, instrument, side - 1, levels, out)


@kernel
def quantity_at(arena: ArenaHeader, instrument: int, side: int, price: int) -> int:
    """Return the displayed lots at a price, 0 if it has none. ``side`` is 1 (buy) or 2."""
    book = instrument << 4 | layout.DISPLAYED | (side - 1)
    key = price ^ key_flip(book)
    page = walk_to_page(arena, book_addr(arena, book).root, page_number(key))
    is_open = (page_addr(arena, page).bitmap >> (key & 63)) & 1
    if page == 0 or is_open == 0:
        return 0
    return level_addr(arena, page << 6 | (key & 63)).total


@kernel
def digest(arena: ArenaHeader, out: int) -> int:
    """Write the running digest of the state, two words, to ``out``."""
    fold_changes(arena)
    total = arena + arena.digests_at
    store_i64(out, load_i64(total))
    Words(out)[1] = Words(total)[1]
    return 0


@kernel
def open_orders(arena: ArenaHeader) -> int:
    """Return the number of open orders."""
    return arena.open_orders


@kernel
def event_count(arena: ArenaHeader) -> int:
    """Return the number of events so far, which is the ``seq`` of the last."""
    return arena.event_count


@kernel
def last_seq(arena: ArenaHeader) -> int:
    """Return the ``seq`` of the last command, 0 before the first."""
    return arena.last_seq


@dataclass(frozen=True)
class Entry:
    """One function of the library: its C prototype, what the header says of it, and its kernel.

    ``addresses``: kernels whose addresses that kernel takes before C's arguments.  Each is a name
    in process_batch's code and its number of arguments."""

    prototype: str
    doc: str
    kernel: Any
    addresses: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """The function's name in C."""
        return "outcry_matcher_" + self.prototype.split("(")[0]

    @property
    def argument_count(self) -> int:
        """Return how many arguments the C function has."""
        return self.prototype.count(",") + 1


ENTRIES = (
    Entry(
        "size(int64_t instrument_count, int64_t order_capacity, int64_t level_pages)",
        "Bytes of an arena with room for these instruments (1 to 65,535), open orders and pages "
        "of 64 price levels; 0 if a number is out of its range.  As many pages as orders never "
        "run out.",
        size,
    ),
    Entry(
        "init(void *arena, int64_t size, const struct outcry_instrument *instruments, "
        "int64_t instrument_count, int64_t order_capacity, int64_t level_pages)",
        "Make an empty book of zeroed memory that begins at a multiple of 64, as from mmap().  "
        "The table is copied.  Returns 0, or what is wrong: OUTCRY_MATCHER_BAD_CAPACITY, or "
        "OUTCRY_MATCHER_BAD_MEMORY.  Above 0, OUTCRY_MATCHER_BAD_ROW and "
        "OUTCRY_MATCHER_BAD_FIELD give the wrong instrument and field, from 0.  A repeated symbol "
        "is reported at the second place, and the memory must be cleared before it is used "
        "again.",
        init,
    ),
    Entry(
        "shard(void *arena, const int64_t *shard_of_instrument, int64_t shard)",
        "Before the first command: from now on skip the commands of instruments that another "
        "shard has.  Returns 0.",
        shard,
    ),
    Entry(
        "id_key(void *arena, int64_t key)",
        "Call it before the first command where clients choose order ids.  With a secret key they "
        "cannot choose ids that make commands slow.  No event and no digest depends on it.  "
        "Returns 0.",
        id_key,
    ),
    Entry(
        "event_capacity(int64_t order_capacity)",
        "The most events that one command can cause.  process() continues while this many fit, so "
        "give it room for them, in addition to those that it shall write before it returns.",
        event_capacity,
    ),
    Entry(
        "process(void *arena, const struct outcry_order *orders, int64_t count, "
        "struct outcry_event *events, int64_t capacity, int64_t *done)",
        "Process commands and write their events, numbered; returns how many events.  Stops before "
        "a command whose events might not fit; *done says how many commands were processed.",
        process,
        (("process_batch", BATCH_ARGUMENTS),),
    ),
    Entry(
        "process_one(void *arena, const struct outcry_order *order, struct outcry_event *events)",
        "Process one command and write its events, numbered; returns how many, 0 only for another "
        "shard's command.  There must be room for event_capacity() of them.  They are those of "
        "process() with a count of 1, in a third of its time: nothing is prepared for what comes "
        "next.  Who reads them meanwhile may take an event once it has its number.",
        process_one,
        (("plain_on_plain", 5), ("plain_on_special", 5), ("uncommon_command", 4)),
    ),
    Entry(
        "best(const void *arena, int64_t instrument, int64_t out[6])",
        "For bids, then asks: 1 if there is an order, else 0; best price; quantity shown there.  "
        "Returns how many sides have orders.",
        best,
    ),
    Entry(
        "depth(const void *arena, int64_t instrument, int64_t side, int64_t levels, "
        "int64_t (*out)[3])",
        "Price, quantity shown and number of orders of up to ``levels`` levels of one side "
        "(OUTCRY_SIDE_BUY or OUTCRY_SIDE_SELL), best first.  Returns how many levels.",
        depth,
    ),
    Entry(
        "quantity_at(const void *arena, int64_t instrument, int64_t side, int64_t price_ticks)",
        "The quantity shown at one price of one side, or 0.  Unlike depth(), which counts orders, "
        "it costs no more where many orders rest.",
        quantity_at,
    ),
    Entry(
        "digest(void *arena, uint64_t out[2])",
        "128 bits that differ, but for chance, whenever two books differ; costs what changed since "
        "it was last asked for.  Covers every order and its place, and what became of each "
        "instrument; not the table, the time and the counters.  Returns 0.",
        digest,
    ),
    Entry("open_orders(const void *arena)", "Orders that are open.", open_orders),
    Entry("event_count(const void *arena)", "Events so far: the seq of the last.", event_count),
    Entry("last_seq(const void *arena)", "seq of the last command, 0 before it.", last_seq),
)


def header_text() -> str:
    """The C header: every entry with its comment, and what an instrument is by default."""
    defaults = _wrapped(_instrument_defaults(), initial_indent="    ", subsequent_indent="    ")
    lines = [
        "/* The matcher as a C library; generated by `make -C matcher object`.",
        " *",
        " * An arena is one block of memory that holds everything and no addresses: map it, copy",
        " * it, share it.  Nothing here allocates, locks or knows a clock; one thread at a time",
        " * may write an arena.  Every function answers at once and none fails but init(). */",
        "#ifndef OUTCRY_MATCHER_H",
        "#define OUTCRY_MATCHER_H",
        '#include "outcry_wire.h"',
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* What an instrument is when nothing is said: steps of 1, continuous, price-time. */",
        "#define OUTCRY_INSTRUMENT_DEFAULTS \\",
        *(line + " \\" for line in defaults[:-1]),
        defaults[-1],
        "",
        f"#define OUTCRY_MATCHER_BAD_CAPACITY ({BAD_CAPACITY})",
        f"#define OUTCRY_MATCHER_BAD_MEMORY ({BAD_MEMORY})",
        f"#define OUTCRY_MATCHER_BAD_ROW(error) (((error) - 1) / {FIELDS})",
        f"#define OUTCRY_MATCHER_BAD_FIELD(error) (((error) - 1) % {FIELDS})",
    ]
    for entry in ENTRIES:
        comment = textwrap.wrap(entry.doc, 94)
        lines += ["", "/* " + "\n * ".join(comment) + " */"]
        prototype = f"int64_t {entry.name}({entry.prototype.split('(', 1)[1]};"
        lines += _wrapped(prototype, subsequent_indent="    ")
    return "\n".join([*lines, "", "#ifdef __cplusplus", "}", "#endif", "#endif", ""])


def _instrument_defaults() -> str:
    row = make_instruments(["X"])[0]
    values = {name: int(row[name]) for name in row.dtype.names if name != "symbol"}
    words = {NO_PRICE: "INT64_MIN"}
    return ", ".join(f".{name} = {words.get(v, v)}" for name, v in values.items() if v)


def _wrapped(text: str, **indents: str) -> list[str]:
    """Lines of at most 94 characters, broken after commas only."""
    parts = text.replace(" ", "\xa0").replace(",\xa0", ", ")
    return [line.replace("\xa0", " ") for line in textwrap.wrap(parts, 94, **indents)]  # type: ignore[arg-type]
