"""The matcher's memory: one block of bytes whose header says where each table begins.

Nothing in it is an address, so it may be copied, shared or mapped anywhere.  Slot 0 of orders,
pages and branches means "none".  A price is kept as a *key* by which smaller is better on both
sides: the price itself for asks, its bitwise complement for bids.

    header     64 int64 words, see the offsets below
    books      32 bytes a side        best key, best level, root of the side's page index
    orders     32 bytes an order      id, quantity, queue links, level, owner
    ids         8 bytes an entry      open addressing: order id -> order slot
    pages      32 bytes a page        64 consecutive keys: which of them have orders
    levels     16 bytes a level       head and tail of the queue, total; 64 a page
    branches  320 bytes a branch      inner nodes of the ordered index over the pages
    hints       4 bytes an entry      page that was last found under this hash; may be stale
    symbols    16 bytes an entry      open addressing: symbol -> instrument
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.errors import MatcherError
from openoutcry.wire.records import INSTRUMENT_DTYPE, MAX_INSTRUMENTS

# Header: byte offset of each int64 word.
MAGIC = 0
SIZE_BYTES = 8
# Read by most commands.
LAST_SYMBOL = 64
LAST_INSTRUMENT = 72
LAST_SEQ = 80
EVENT_COUNT = 88
OPEN_ORDERS = 96
FREE_ORDER = 104
FRESH_ORDERS = 112
ORDER_CAPACITY = 120
BOOKS_AT = 128
ORDERS_AT = 136
IDS_AT = 144
ID_MASK = 152
ID_SHIFT = 160
PAGES_AT = 168
LEVELS_AT = 176
HINTS_AT = 184
# Read when a page comes or goes, or the symbol changes.
HINT_MASK = 192
BRANCHES_AT = 200
SYMBOLS_AT = 208
SYMBOL_MASK = 216
OPEN_PAGES = 224
FREE_PAGE = 232
FRESH_PAGES = 240
PAGE_CAPACITY = 248
FREE_BRANCH = 256
FRESH_BRANCHES = 264
INSTRUMENT_COUNT = 272
HEADER_BYTES = 512

ARENA_MAGIC = int.from_bytes(b"OUTCRYMA", "little")

# Book: one side of one instrument; book index = instrument * 2 + (0 bids, 1 asks).
BOOK_BYTES = 32
BOOK_BEST_KEY = 0
BOOK_BEST_LEVEL = 8
BOOK_ROOT = 12

# Order slot.
ORDER_SLOT_BYTES = 32
SLOT_ID = 0
SLOT_QTY = 8
SLOT_NEXT = 16  # towards the back of the queue; links the free slots too
SLOT_PREV = 20
SLOT_LEVEL = 24
SLOT_OWNER = 28
SLOT_FLAGS = 30
FLAG_POST_ONLY = 1

# Entry of the id table.
ID_ENTRY_BYTES = 8
ENTRY_TAG = 0
ENTRY_SLOT = 4

# Page; level index = page * 64 + the key's low six bits.
PAGE_BYTES = 32
PAGE_BITMAP = 0
PAGE_NUMBER = 8
PAGE_PARENT = 16
PAGE_BOOK = 20
PAGE_NEXT_FREE = 24
NO_BOOK = 0xFFFFFFFF
PAGE_LEVELS = 64
PAGE_BIAS = 1 << 57  # added to key >> 6, so that page numbers are 0 .. 2**58 - 1

LEVEL_BYTES = 16
LEVEL_HEAD = 0
LEVEL_TAIL = 4
LEVEL_TOTAL = 8

# Branch; a child is a page, or a branch if its top bit is set.
BRANCH_BYTES = 320
BRANCH_BITMAP = 0
BRANCH_PREFIX = 8
BRANCH_PARENT = 16
BRANCH_SHIFT = 20
BRANCH_NEXT_FREE = 24
BRANCH_CHILDREN = 64
IS_BRANCH = 1 << 31

SYMBOL_ENTRY_BYTES = 16
ENTRY_SYMBOL = 0
ENTRY_INSTRUMENT = 8  # instrument + 1; 0 is an empty entry

GOLDEN = -7046029254386353131
"""2**64 / golden ratio, as a signed word: Fibonacci hashing."""

MAX_ORDER_CAPACITY = 1 << 26

Arena = npt.NDArray[np.uint8]


def _power_of_two(at_least: int) -> int:
    return 1 << max(0, at_least - 1).bit_length()


def check_instruments(instruments: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A contiguous private copy of the table, or :class:`MatcherError` naming what is wrong."""
    if not isinstance(instruments, np.ndarray) or instruments.dtype != INSTRUMENT_DTYPE:
        raise MatcherError("instruments: not an array of INSTRUMENT_DTYPE")
    if instruments.ndim != 1 or not 1 <= len(instruments) <= MAX_INSTRUMENTS:
        raise MatcherError(
            f"instruments: a table has one dimension and 1 to {MAX_INSTRUMENTS} rows"
        )
    symbols = instruments["symbol"].tolist()
    for row, symbol in enumerate(symbols):
        if not symbol:
            raise MatcherError(f"instruments row {row}: symbol is empty")
    if len(set(symbols)) != len(symbols):
        twice = next(s for s in symbols if symbols.count(s) > 1)
        raise MatcherError(f"instruments: symbol {twice!r} is there twice")
    return np.ascontiguousarray(instruments).copy()


def new_arena(instruments: npt.NDArray[Any], order_capacity: int, level_pages: int) -> Arena:
    """Lay out an empty book for ``instruments`` (INSTRUMENT_DTYPE, checked by the caller).

    Room for ``order_capacity`` open orders and ``level_pages`` pages of 64 price levels.  Memory
    is zeroed lazily by the system: what is never used costs nothing.  The array's address is a
    multiple of 64.
    """
    for name, value in (("order_capacity", order_capacity), ("level_pages", level_pages)):
        if not 1 <= value <= MAX_ORDER_CAPACITY:
            raise MatcherError(f"{name} is {value}, not 1 to {MAX_ORDER_CAPACITY}")
    # A quarter full at most, so that probes stay short without tombstones.
    id_entries = max(64, _power_of_two(4 * order_capacity))
    hint_entries = min(4096, _power_of_two(2 * level_pages))
    symbol_entries = _power_of_two(4 * len(instruments))
    tables = (
        (BOOKS_AT, 2 * len(instruments) * BOOK_BYTES),
        (ORDERS_AT, (order_capacity + 1) * ORDER_SLOT_BYTES),
        (IDS_AT, id_entries * ID_ENTRY_BYTES),
        (PAGES_AT, (level_pages + 1) * PAGE_BYTES),
        (LEVELS_AT, (level_pages + 1) * PAGE_LEVELS * LEVEL_BYTES),
        (BRANCHES_AT, (level_pages + 1) * BRANCH_BYTES),
        (HINTS_AT, hint_entries * 4),
        (SYMBOLS_AT, symbol_entries * SYMBOL_ENTRY_BYTES),
    )
    size = HEADER_BYTES + sum(-(-length // 64) * 64 for _, length in tables)
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    arena = raw[start : start + size]
    words = arena[:HEADER_BYTES].view(np.int64)
    words[MAGIC // 8] = ARENA_MAGIC
    words[SIZE_BYTES // 8] = size
    at = HEADER_BYTES
    for word, length in tables:
        words[word // 8] = at
        at += -(-length // 64) * 64
    words[ORDER_CAPACITY // 8] = order_capacity
    words[PAGE_CAPACITY // 8] = level_pages
    words[ID_MASK // 8] = id_entries - 1
    words[ID_SHIFT // 8] = 32 - (id_entries.bit_length() - 1)
    words[HINT_MASK // 8] = hint_entries - 1
    words[SYMBOL_MASK // 8] = symbol_entries - 1
    words[INSTRUMENT_COUNT // 8] = len(instruments)
    pages_at = int(words[PAGES_AT // 8])
    arena[pages_at + PAGE_BOOK : pages_at + PAGE_BOOK + 4].view(np.uint32)[0] = NO_BOOK
    _enter_symbols(arena, instruments, int(words[SYMBOLS_AT // 8]), symbol_entries)
    return arena


def symbol_hash(code: int) -> int:
    """Hash of a symbol's eight bytes read as a signed little-endian word; as the kernel's."""
    return ((code * GOLDEN) >> 40) & 0xFFFFFF


def _enter_symbols(
    arena: Arena, instruments: npt.NDArray[Any], symbols_at: int, entries: int
) -> None:
    size = entries * SYMBOL_ENTRY_BYTES
    table = arena[symbols_at : symbols_at + size].view(np.int64).reshape(-1, 2)
    for index, symbol in enumerate(instruments["symbol"].tolist()):
        code = int.from_bytes(symbol.ljust(8, b"\0"), "little", signed=True)
        at = symbol_hash(code) & (entries - 1)
        while table[at, 1]:
            at = (at + 1) & (entries - 1)
        table[at] = code, index + 1
