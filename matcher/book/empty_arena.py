"""Lay out an empty arena: how large it is, where its tables begin, what is in it at first.

The arena is written by a kernel, so that C can lay one out too, with no Python in the process.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import Arena, ArenaHeader, InstrumentState, SymbolEntry
from openoutcry.matcher.book.levels import instrument_addr, page_addr, slot_addr, touch_instrument
from openoutcry.matcher.book.marks import marks_of
from openoutcry.matcher.event_bound import COMMAND_EVENTS, extra_capacity
from openoutcry.wire import enum_numbers
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    count_leading_zeros,
    mul_wrapping,
    not_inlined,
    store_i64,
)
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import MAX_INSTRUMENTS, MAX_VALUE, NO_PRICE, RECORD_BYTES

CALL_BITS = sum(1 << phase for phase in layout.CALL_PHASES)
PRICE_TIME = enum_numbers.ALLOCATION_PRICE_TIME
LEAST_ID_ENTRIES = 1 << 13
Zeros = Callable[[int], Arena]
"""Gives a number of zero bytes, aligned to 64."""
MAX_HINTS = 1 << 16
"""256 KiB, of which only what open pages lead to is ever touched."""

extra_events = kernel(extra_capacity)


def new_arena(
    instruments: npt.NDArray[Any],
    order_capacity: int,
    level_pages: int,
    id_key: int = 0,
    zeros: Zeros | None = None,
) -> Arena:
    """An empty arena for ``instruments`` (INSTRUMENT_DTYPE, checked by the caller).

    Room for ``order_capacity`` open orders and ``level_pages`` pages of 64 price levels.  Memory
    is zeroed lazily by the system: what is never used costs nothing.  The array's address is a
    multiple of 64.  ``zeros`` gives the memory, by default :func:`zeroed`.
    """
    _require_integer("order_capacity", order_capacity, 1, layout.MAX_ORDER_CAPACITY)
    _require_integer("level_pages", level_pages, 1, layout.MAX_ORDER_CAPACITY)
    _require_integer("id_key", id_key, 0, MAX_VALUE)
    count = len(instruments)
    arena = (zeros or zeroed)(arena_bytes(count, order_capacity, level_pages))
    lay_out(
        ArenaHeader.of(arena.ctypes.data),
        instruments.ctypes.data,
        count,
        order_capacity,
        level_pages,
    )
    keep_id_key(arena.ctypes.data, id_key)
    return arena


def _require_integer(name: str, value: int, least: int, most: int) -> None:
    if not isinstance(value, int | np.integer):
        raise MatcherError(f"{name} is {value!r}, not an integer")
    if not least <= value <= most:
        raise MatcherError(f"{name} is {value}, not {least} to {most}")


def zeroed(size: int) -> Arena:
    """Return ``size`` zero bytes, aligned to 64."""
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


@kernel
def arena_bytes(instrument_count: int, order_capacity: int, level_pages: int) -> int:
    """Size of an arena, or 0 for a capacity out of its range."""
    if (
        min(instrument_count, order_capacity, level_pages) < 1
        or instrument_count > MAX_INSTRUMENTS
        or max(order_capacity, level_pages) > layout.MAX_ORDER_CAPACITY
    ):
        return 0
    return place_tables(0, instrument_count, order_capacity, level_pages)


@kernel
def lay_out(
    arena: ArenaHeader,
    instruments: int,
    instrument_count: int,
    order_capacity: int,
    level_pages: int,
) -> int:
    """Make memory of zeros at ``arena``, :func:`arena_bytes` long, an empty book for the table at
    ``instruments``.  Returns 0, or the number from 1 of a row whose symbol was there before."""
    arena.magic = layout.ARENA_MAGIC
    size = place_tables(arena, instrument_count, order_capacity, level_pages)
    arena.size_bytes_ = size
    arena.order_capacity = order_capacity
    arena.page_capacity = level_pages
    arena.id_mask = id_entries(instrument_count, order_capacity) - 1
    arena.hint_mask = hint_entries(level_pages) - 1
    arena.owner_mask = owner_entries(order_capacity) - 1
    arena.symbol_mask = symbol_entries(instrument_count) - 1
    arena.instrument_count = instrument_count
    extra = extra_events(order_capacity)
    arena.extra_capacity = extra
    arena.worst_events = 2 * order_capacity + extra + COMMAND_EVENTS
    keep_id_key(arena, 0)
    arena.changed_pages = layout.END_OF_CHANGED
    arena.changed_instruments = layout.END_OF_CHANGED
    return enter_table(arena, instruments, instrument_count)


@kernel
def keep_id_key(arena: int, key: int) -> None:
    """Set the secret words of the id table's hash, of an arena without orders: splitmix64 of
    ``key``, odd because they multiply."""
    for word in (layout.ID_KEY, layout.ID_MULTIPLIER, layout.ID_MULTIPLIER_2, layout.ID_SPREAD):
        key = add_wrapping(key, layout.GOLDEN)
        bits = mul_wrapping(key ^ ((key >> 30) & 0x3FFFFFFFF), -4658895280553007687)
        bits = mul_wrapping(bits ^ ((bits >> 27) & 0x1FFFFFFFFF), -7723592293110705685)
        store_i64(arena + word, bits ^ ((bits >> 31) & 0x1FFFFFFFF) | 1)


@kernel_outlined
def enter_table(arena: ArenaHeader, instruments: int, instrument_count: int) -> int:
    """Every instrument as it is before the first command; returns what :func:`lay_out` does.

    What it calls loads the header's words as ones that are never written, so it is kept apart from
    where they are. ``instruments``: address of the instruments' records.
    """
    not_inlined()
    # Page 0 belongs to no book, so that nothing is ever found in it.
    page_addr(arena, 0).book = layout.NO_BOOK
    slot_addr(arena, 0).owner = layout.SLOT_NOTED
    for instrument in range(instrument_count):
        rules = InstrumentRecord(instruments + instrument * const.RULE_BYTES)
        for offset in range(0, const.RULE_BYTES, RECORD_BYTES):
            to = arena + arena.rules_at + instrument * const.RULE_BYTES
            copy64(to + offset, rules + offset)
        if not enter_symbol(arena, instrument, rules.symbol):
            return instrument + 1
        enter_instrument(arena, instrument, rules)
    return 0


@kernel
def place_tables(arena: int, instruments: int, orders: int, pages: int) -> int:
    """Write where each table begins into the header (``arena`` 0: nowhere); returns where the last
    ends."""
    at = layout.HEADER_BYTES
    at = place(arena, layout.INSTRUMENTS_AT, at, instruments * layout.INSTRUMENT_BYTES)
    at = place(arena, layout.RULES_AT, at, instruments * const.RULE_BYTES)
    at = place(arena, layout.ORDERS_AT, at, (orders + 1) * layout.ORDER_SLOT_BYTES)
    at = place(arena, layout.EXTENSIONS_AT, at, (orders + 1) * layout.EXTENSION_BYTES)
    at = place(arena, layout.IDS_AT, at, id_entries(instruments, orders) * layout.ID_ENTRY_BYTES)
    at = place(arena, layout.ID_LINKS_AT, at, (orders + 1) * layout.ID_LINK_BYTES)
    at = place(arena, layout.EXPIRIES_AT, at, (orders + 1) * 4)
    at = place(arena, layout.SHARES_AT, at, (orders + 1) * 8)
    at = place(arena, layout.PAGES_AT, at, (pages + 1) * layout.PAGE_BYTES)
    at = place(arena, layout.LEVELS_AT, at, (pages + 1) * layout.PAGE_LEVELS * layout.LEVEL_BYTES)
    at = place(arena, layout.BRANCHES_AT, at, (pages + 1) * layout.BRANCH_BYTES)
    at = place(arena, layout.HINTS_AT, at, hint_entries(pages) * 4)
    at = place(
        arena, layout.SYMBOLS_AT, at, symbol_entries(instruments) * layout.SYMBOL_ENTRY_BYTES
    )
    digests = (2 + pages + instruments) * layout.DIGEST_BYTES
    at = place(arena, layout.DIGESTS_AT, at, digests + layout.FOLD_ROOM_BYTES)
    at = place(arena, layout.OWNED_AT, at, (orders + 1) * layout.OWNED_BYTES)
    at = place(arena, layout.GROUPS_AT, at, (orders + 2) * layout.GROUP_BYTES)
    at = place(arena, layout.OWNERS_AT, at, owner_entries(orders) * 4)
    at = place(arena, layout.GROUP_IDS_AT, at, id_entries(instruments, orders) * 4)
    at = place(arena, layout.SWEEP_AT, at, orders * layout.SWEEP_BYTES)
    terms = layout.MARKS_OFFSET + instruments * layout.MARKS_BYTES
    return place(arena, layout.TERMS_AT, at, terms)


@kernel_outlined
def place(arena: int, word: int, at: int, length: int) -> int:
    """One table of ``length`` bytes at ``at``; returns where the next begins. ``arena``: address of
    the arena whose word at offset ``word`` then says so, 0: none."""
    if arena != 0:
        store_i64(arena + word, at)
    return at + ((length + 63) & -64)


@kernel
def id_entries(instrument_count: int, order_capacity: int) -> int:
    """Half full at most; more entries than instruments, see ids.py."""
    return power_of_two(max(LEAST_ID_ENTRIES, 2 * instrument_count, 2 * order_capacity))


@kernel
def hint_entries(level_pages: int) -> int:
    """Return how many hints an arena has, a power of two."""
    return min(MAX_HINTS, power_of_two(2 * level_pages))


@kernel
def owner_entries(order_capacity: int) -> int:
    """Return the entries of the owners' table, a power of two."""
    return min(layout.MAX_OWNERS, power_of_two(2 * order_capacity))


@kernel
def symbol_entries(instrument_count: int) -> int:
    """Return the entries of the symbols' table, a power of two."""
    return power_of_two(4 * instrument_count)


@kernel
def power_of_two(at_least: int) -> int:
    """``at_least``: 2 or more."""
    return 1 << (64 - count_leading_zeros(at_least - 1))


@kernel_outlined
def enter_symbol(arena: ArenaHeader, instrument: int, symbol: int) -> bool:
    """Let the symbol's eight bytes lead to the instrument; False if they lead to another."""
    table = arena + arena.symbols_at
    mask = arena.symbol_mask
    at = (mul_wrapping(symbol, layout.GOLDEN) >> 40) & mask
    while SymbolEntry(table + at * layout.SYMBOL_ENTRY_BYTES).instrument != 0:
        if SymbolEntry(table + at * layout.SYMBOL_ENTRY_BYTES).symbol == symbol:
            return False
        at = (at + 1) & mask
    SymbolEntry(table + at * layout.SYMBOL_ENTRY_BYTES).symbol = symbol
    SymbolEntry(table + at * layout.SYMBOL_ENTRY_BYTES).instrument = instrument + 1
    return True


@kernel_outlined
def enter_symbols(arena: ArenaHeader, before: int, changed: int) -> None:
    """Let each symbol of the rules in force lead to its instrument, and no other symbol to any.
    The instrument that has ``changed`` is still found by its symbol ``before``, for the answer to
    the command at hand, which then forgets it."""
    not_inlined()
    for word in range((arena.symbol_mask + 1) * layout.SYMBOL_ENTRY_BYTES // 8):
        store_i64(arena + arena.symbols_at + 8 * word, 0)
    for instrument in range(arena.instrument_count):
        rules = InstrumentRecord(arena + arena.rules_at + instrument * const.RULE_BYTES)
        enter_symbol(arena, instrument, rules.symbol)
    arena.last_symbol = before
    arena.last_instrument = changed


@kernel_outlined
def enter_instrument(arena: ArenaHeader, instrument: int, rules: InstrumentRecord) -> None:
    """The state of an instrument before the first command; the state hash has yet to see it."""
    state = instrument_addr(arena, instrument)
    enter_limits(state, rules)
    state.reference = rules.reference_price_ticks
    for word in (
        layout.LAST_PRICE,
        layout.CASCADED_LAST,
        layout.PEGGED_BID,
        layout.PEGGED_ASK,
        layout.INDICATIVE_PRICE,
        layout.CALL_FROM,
    ):
        store_i64(state + word, NO_PRICE)
    state.call_to = MAX_VALUE
    marks = marks_of(arena, instrument)
    marks.mark = NO_PRICE
    marks.index = NO_PRICE
    phase = rules.initial_phase
    state.phase = phase
    state.called = (CALL_BITS >> phase) & 1
    mode = layout.MODE_RULES if needs_rules(rules) else 0
    if rules.allocation == const.STEPS:
        mode |= layout.MODE_STEPS
    if phase != const.CONTINUOUS:
        mode |= layout.MODE_PHASE
    state.mode = mode
    touch_instrument(arena, instrument)


@kernel
def enter_limits(state: InstrumentState, rules: InstrumentRecord) -> None:
    """Copy the limits that every order is checked by next to what else it looks at."""
    state.min_qty = rules.min_qty_lots
    state.max_qty = rules.max_qty_lots
    state.min_price = rules.min_price_ticks
    state.max_price = rules.max_price_ticks


@kernel
def needs_rules(rules: InstrumentRecord) -> bool:
    """Return whether a plain command must look at the rules: MODE_RULES."""
    return (
        rules.price_step_ticks != 1
        or rules.band1_step_ticks != 0
        or rules.qty_step_lots != 1
        or rules.market_band_ticks != 0
        or rules.allocation != PRICE_TIME
        or rules.options & const.MARKET_WAITS != 0
    )
