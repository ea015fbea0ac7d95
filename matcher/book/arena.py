"""The matcher's memory: one block of bytes whose header says where each table begins.

Nothing that stays in it is an address, so it may be copied, shared or mapped anywhere.  Slot 0 of
orders, extensions, pages and branches means "none".  A price is kept as a *key* by which smaller
is better on both sides: the price itself for asks, its bitwise complement for bids.

    header      128 int64 words, see the offsets below
    instruments 512 bytes each       what is tested first, eight books, what changes rarely
    rules       256 bytes each       the instrument table as it was given
    orders       32 bytes an order   id, quantity, queue links, level, owner or extension
    extensions  128 bytes each       what only some orders have; as many as orders, touched lazily
    ids           4 bytes an entry   first order of each chain of ids; two entries an order
    links         4 bytes an order   the next order of the same chain
    expiries      4 bytes an entry   heap of the extensions that have an expiry, earliest first
    shares        8 bytes an order   what a level's orders get while it is shared out
    pages        32 bytes a page     64 consecutive keys: which of them have orders
    levels       16 bytes a level    head and tail of the queue, total; 64 a page
    branches    320 bytes a branch   inner nodes of the ordered index over the pages
    hints         4 bytes an entry   page that was last found under this hash; may be stale
    symbols      16 bytes an entry   open addressing: symbol -> instrument
    digests      16 bytes an entry   what the state hash was made of when it was last asked for
    owned        16 bytes an order   links of the lists of owners.py; touched by mass cancels alone
    groups       32 bytes an order   these lists: one a participant, side and instrument
    owners        4 bytes an entry   first list of each participant and side
    group ids     4 bytes an entry   first list of each chain of (participant, side, instrument)
    sweep        16 bytes an order   the orders that a mass cancel is about, to sort them
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.errors import MatcherError
from openoutcry.wire.enums import Phase
from openoutcry.wire.records import (
    INSTRUMENT_DTYPE,
    MAX_INSTRUMENTS,
    make_instruments,
)

# Header: byte offset of each int64 word.
MAGIC = 0
SIZE_BYTES = 8
# Secret words of the id table's hash: see ids.py.
ID_KEY = 16
ID_MULTIPLIER = 24
ID_MULTIPLIER_2 = 32
ID_SPREAD = 40
IS_SHARD = 48  # 1: other engines have the other instruments, see shards.py
SHARES_AT = 56  # read when a level is shared in steps
# Read by most commands.
LAST_SYMBOL = 64
LAST_INSTRUMENT = 72
LAST_SEQ = 80
EVENT_COUNT = 88
OPEN_ORDERS = 96
FREE_ORDER = 104
FRESH_ORDERS = 112
ORDER_CAPACITY = 120
INSTRUMENTS_AT = 128
ORDERS_AT = 136
IDS_AT = 144
ID_MASK = 152
ID_LINKS_AT = 160
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
# Read by the general path.
EXTENSIONS_AT = 280
FREE_EXTENSION = 288
FRESH_EXTENSIONS = 296
RULES_AT = 304
EXPIRIES_AT = 312
EXPIRY_COUNT = 320
NOW_NS = 328
EXTRA_EVENTS = 336  # bound on events beyond two an order: see event_bound.py
EXTRA_CAPACITY = 344
SHARD = 352
WORST_EVENTS = 360  # scratch_records(order_capacity): no command causes more
CHANGED_PAGES = 368  # since the state hash was asked for: first of the list, or END_OF_CHANGED
CHANGED_INSTRUMENTS = 376  # the same of instruments; links are the instrument + 1
DIGESTS_AT = 384
COMMAND_COUNT = 392  # commands seen, another shard's among them; the current one's number
# Of the current command, stale between commands: the general path keeps them here rather than
# in the arguments of every function.
NEXT_EVENT_AT = 400  # address at which the next event goes
TRADE_PRICE = 408  # at which the taker trades with everybody; NO_PRICE: each maker's own
CAUSE_SEQ = 416
TAKER_ID = 424
TAKER_WORD = 432  # tag of the taker's events
TAKER_PRICE = 440
TAKER_MODE = 448  # SelfTrade
TOUCHED_FROM = 456  # instruments that a TIME, MASS_CANCEL or DISCONNECT touched lie in
TOUCHED_TO = 464  # TOUCHED_FROM .. TOUCHED_TO - 1
CROSS_FROM = 472  # from the lowest to the highest price that auction_price.py looks at
LIST_CURSOR = 480  # the list iterator's next extension
CROSS_VOLUME = 488  # result of auction_price.py
CROSS_SURPLUS = 496
CROSS_SIDE = 504
AHEAD = 512  # of the batch at work: AHEAD_COMMANDS entries of 16 bytes, see commands/dispatch.py
AHEAD_COMMANDS = 16
CROSS_TO = 768
TAKER_HAS_BUDGET = 776  # 1 while an order for a budget takes, see matching/budget.py
TAKER_BUDGET = 784  # what is left of it
TAKER_UNPRICED = 792  # 1: a market order, whose limit is no price of its own
WAITING_PRICE = 800  # at which the taker trades with waiting market orders, see matching/waiting.py
RESTATED = 832  # a REPLACE with OPEN_KNOWN as it would be without
# The lists of owners.py: no state.
NOTED_SLOTS = 896  # first of those taken since the lists were last read; 0: none
ENTERED_ORDERS = 904  # of FRESH_ORDERS, as many are entered or among the noted ones
FREE_GROUP = 912
FRESH_GROUPS = 920
OWNED_AT = 928
GROUPS_AT = 936
OWNERS_AT = 944
OWNER_MASK = 952
GROUP_IDS_AT = 960
SWEEP_AT = 968
HEADER_BYTES = 1024
TRANSIENT = NEXT_EVENT_AT
"""From here to the header's end nothing is state."""

ARENA_MAGIC = int.from_bytes(b"OUTCRYMA", "little")

# Instrument: sixteen entries of 32 bytes.  Book index = instrument * 16 + which + side, where side
# is 0 for bids and 1 for asks; so ``book & 1`` tells how prices become keys, ``book >> 4`` the
# instrument, and ``book ^ 1`` is the opposite book.
INSTRUMENT_BYTES = 512
BOOKS_EACH = 16
DISPLAYED, HIDDEN_BOOK, ALL_OR_NONE_BOOK = 2, 4, 6
TRIGGERS = 8
"""The triggers of sell stops are a book of bids, those of buy stops one of asks: the next to be
elected is the best."""
WHICH = 14
# First line: all that a plain command on a plain instrument looks at.
MODE = 0
LAST_PRICE = 8
MIN_QTY = 16
MAX_QTY = 24
MIN_PRICE = 32
MAX_PRICE = 40
REFERENCE = 48
PHASE = 56  # u8
CALLED = 57  # u8: a call phase has not been uncrossed yet
AUCTION_EXTENSIONS = 58  # u8: how often the auction was put off
TOUCHED = 59  # u8: by the TIME, MASS_CANCEL or DISCONNECT at work
INSTRUMENT_CHANGED = 60  # u32, next in the list of changed ones; 0: it is not in it
# Behind the books (bytes 64 to 319).
CASCADED_LAST = 320  # what elects stops at the last cascade; NO_PRICE: check all stops
PEGGED_BID = 328  # best displayed prices by which the pegs are priced, or NO_PRICE
PEGGED_ASK = 336
INDICATIVE_PRICE = 344  # last published
INDICATIVE_VOLUME = 352
INDICATIVE_SURPLUS = 360
INDICATIVE_SIDE = 368
LISTS = 376  # head and tail (u32 each) of PEG_LIST, TRAILING_LIST and AUCTION_LIST
PEG_LIST, TRAILING_LIST, AUCTION_LIST = 0, 8, 16
WAITING_BUYS, WAITING_SELLS = 88, 96  # market orders that wait, oldest first: bytes 464 to 479
STOP_COUNT = 400  # int64 words from here: waiting stops, trailing ones among them
ALL_OR_NONE_COUNT = 408
PEG_COUNT = 416
TRAILING_COUNT = 424
ORDER_COUNT = 432  # kept in pro-rata instruments only
ICEBERG_COUNT = 440
CALL_FROM = 448  # only bids from here up and asks from CALL_TO down can change what was published
CALL_TO = 456
# MODE is 0 exactly when a plain command needs nothing but the displayed book.
MODE_RULES = 1  # steps, lots, bands, pro-rata or MARKET_WAITS: for ever
MODE_PHASE = 2  # not CONTINUOUS
MODE_FOREIGN = 4  # another shard's
MODE_STEPS = 8  # Allocation.STEPS: no plain command; for ever
MODE_WAITING = 16  # a market order waits: no plain command
MODE_HELD = 32  # the hooks let nothing trade, see commands/holds.py; no state of the matcher
MODE_SPECIAL = 1 << 8  # added for every open order that has an extension

# Book: one side of one kind.
BOOK_BYTES = 32
BOOK_BEST_KEY = 0
BOOK_BEST_LEVEL = 8
BOOK_ROOT = 12

# Order slot.
ORDER_SLOT_BYTES = 32
SLOT_ID = 0
SLOT_QTY = 8  # of an iceberg: what it shows
SLOT_NEXT = 16  # towards the back of the queue; links the free slots too
SLOT_PREV = 20
SLOT_LEVEL = 24  # 0: it waits in no level, which only an order with an extension can
SLOT_OWNER = 28  # participant | flags, or EXTENDED | extension
FLAG_POST_ONLY = 1
FLAG_GTC = 2
SLOT_POST_ONLY = FLAG_POST_ONLY << 16
SLOT_GTC = FLAG_GTC << 16
FLAG_TOP = 4
"""It has bettered the market: Allocation.STEPS, see matching/top.py."""
SLOT_TOP = FLAG_TOP << 16
EXTENDED = 1 << 31
SLOT_NOTED = 1 << 30
"""Its order, or one before it, took the slot since the lists of owners.py were last read."""
EXTENSION_MASK = SLOT_NOTED - 1

# Extension: all of an order that is more than a DAY or GTC limit.
EXTENSION_BYTES = 128
EXT_OWNER = 0  # participant | flags, as in a plain order's slot
EXT_TYPE = 4  # u8, OrderType; a stop that was elected or a market order that was converted: LIMIT
EXT_TIF = 5  # u8, TimeInForce
EXT_MODE = 6  # u8, SelfTrade
EXT_SIDE = 7  # u8, Side
EXT_INSTRUMENT = 8  # u32
EXT_SLOT = 12  # u32
EXT_PRICE = 16  # limit; MARKET types: the book price; STOP and trailing: 0
EXT_RESERVE = 24  # iceberg: open but not shown
EXT_DISPLAY = 32  # iceberg: slice from the next refresh on
EXT_TRIGGER = 40  # stops; NO_PRICE: a trailing one that waits for its first trade
EXT_AUX = 48  # trailing: distance and step as sent; pegs: offset
EXT_EXPIRY_NS = 56
EXT_EXPIRY_NUMBER = 64  # number of the command that gave it its expiry: the earlier goes first
EXT_ARRIVAL = 72  # number of its NEW, or the REPLACE that lost it its place
EXT_NEXT = 80  # u32, in its instrument's list; links the free ones too
EXT_PREV = 84  # u32
EXT_HEAP = 88  # u32, its place in the heap of expiries, from 1; 0: it has none
EXT_SLICES = 92  # u32, iceberg: most slices it can have shown before it is gone
EXT_LIST = 96  # u32, offset of the list it is in plus 1; 0: none

# A slot's row in the lists of owners.py.
OWNED_BYTES = 16
OWNED_NEXT = 0
OWNED_PREV = 4
OWNED_GROUP = 8  # 0: in no list
OWNED_NOTED = 12  # the next noted slot

GROUP_BYTES = 32
GROUP_FIRST = 0
GROUP_OWNER = 4  # participant * 2 + side - 1
GROUP_INSTRUMENT = 8
GROUP_CHAIN = 12  # links the free ones, too
GROUP_NEXT = 16  # of the same owner, or of another that shares its entry
GROUP_PREV = 20
MAX_OWNERS = 1 << 17

SWEEP_BYTES = 16
SWEEP_KEY = 0
SWEEP_PLACE = 8
SWEEP_SLOT = 12

ID_ENTRY_BYTES = 4
ID_LINK_BYTES = 4

# Page; level index = page * 64 + the key's low six bits.
PAGE_BYTES = 32
PAGE_BITMAP = 0
PAGE_NUMBER = 8
PAGE_PARENT = 16
PAGE_BOOK = 20
PAGE_NEXT_FREE = 24
PAGE_CHANGED = 28  # next in the list of changed pages; 0: it is not in it.  Closed ones stay in it.
END_OF_CHANGED = 0xFFFFFFFF
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

# What the state hash last knew: the sum, then each page, then each instrument; then room to write a
# row of a snapshot in.
DIGEST_BYTES = 16
FOLD_ROOM_BYTES = 128

SYMBOL_ENTRY_BYTES = 16
ENTRY_SYMBOL = 0
ENTRY_INSTRUMENT = 8  # instrument + 1; 0 is an empty entry

GOLDEN = -7046029254386353131
"""2**64 / golden ratio, as a signed word: Fibonacci hashing."""

MAX_ORDER_CAPACITY = 1 << 26

CALL_PHASES = [
    int(phase)
    for phase in (
        Phase.PRE_OPEN,
        Phase.OPENING_AUCTION,
        Phase.VOLATILITY_AUCTION,
        Phase.CLOSING_AUCTION,
    )
]

Arena = npt.NDArray[np.uint8]


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
    names = instruments.dtype.names or ()
    try:
        make_instruments(dict(zip(names, row, strict=True)) for row in instruments.tolist())
    except ValueError as error:
        raise MatcherError(f"instruments: {error}") from None
    return np.ascontiguousarray(instruments).copy()
