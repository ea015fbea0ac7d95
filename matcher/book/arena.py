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
    terms        40 bytes each       TERMS commands that wait for their NEW, the oldest first
    new terms   128 bytes            those of the NEW at work
    marks        32 bytes each       of each instrument, what elects stops and is not in its books
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.enums import Phase
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.layout import Layout, area, i64, u8, u16, u32
from openoutcry.wire.records import (
    INSTRUMENT_DTYPE,
    MAX_INSTRUMENTS,
    make_instruments,
)


class ArenaHeader(Layout, size_bytes=1024):
    """The header: offsets of the tables, counts, and what the command at work knows."""

    magic: int = i64("ARENA_MAGIC")
    size_bytes_: int = i64("size of the arena")
    id_key: int = i64("secret word of the hash of ids (ids.py)", fixed=True)
    id_multiplier: int = i64("the same", fixed=True)
    id_multiplier_2: int = i64("the same", fixed=True)
    id_spread: int = i64("the same", fixed=True)
    is_shard: int = i64("1: other engines have the other instruments, see shards.py")
    shares_at: int = i64("offset of the shares of a level that is shared out", fixed=True)
    last_symbol: int = i64("symbol that was looked up last,")
    last_instrument: int = i64("and its instrument")
    last_seq: int = i64("last command")
    event_count: int = i64("events so far")
    open_orders: int = i64("open orders")
    free_order: int = i64("first free slot, 0: none")
    fresh_orders: int = i64("first slot that was never used")
    order_capacity: int = i64("slots")
    instruments_at: int = i64("offset of the instruments", fixed=True)
    orders_at: int = i64("offset of the orders' slots", fixed=True)
    ids_at: int = i64("offset of the table of ids", fixed=True)
    id_mask: int = i64("its entries, less one", fixed=True)
    id_links_at: int = i64("offset of the links of its chains", fixed=True)
    pages_at: int = i64("offset of the pages", fixed=True)
    levels_at: int = i64("offset of the levels", fixed=True)
    hints_at: int = i64("offset of the hints", fixed=True)
    hint_mask: int = i64("hints, less one", fixed=True)
    branches_at: int = i64("offset of the branches", fixed=True)
    symbols_at: int = i64("offset of the table of symbols")
    symbol_mask: int = i64("its entries, less one")
    open_pages: int = i64("pages in use")
    free_page: int = i64("first free page, 0: none")
    fresh_pages: int = i64("first page that was never used")
    page_capacity: int = i64("pages")
    free_branch: int = i64("first free branch, 0: none")
    fresh_branches: int = i64("first branch that was never used")
    instrument_count: int = i64("instruments")
    extensions_at: int = i64("offset of the extensions")
    free_extension: int = i64("first free extension, 0: none")
    fresh_extensions: int = i64("first extension that was never used")
    rules_at: int = i64("offset of the instrument table as it was given")
    expiries_at: int = i64("offset of the heap of expiries")
    expiry_count: int = i64("entries of the heap")
    now_ns: int = i64("sequenced time, ns since the epoch")
    extra_events: int = i64("bound on events beyond two an order: see event_bound.py")
    extra_capacity: int = i64("most that it may be")
    shard: int = i64("number of the shard")
    worst_events: int = i64("scratch_records(order_capacity): no command causes more")
    changed_pages: int = i64(
        "first page changed since the state hash was last taken, or END_OF_CHANGED"
    )
    changed_instruments: int = i64("the same of instruments; links are the instrument + 1")
    digests_at: int = i64("offset of the parts of the last state hash")
    command_count: int = i64("commands seen, another shard's among them; the current one's number")
    next_event_at: int = i64("address at which the next event is written")
    trade_price: int = i64(
        "price at which the taker trades with all makers; NO_PRICE: each maker's own"
    )
    cause_seq: int = i64("the command at work")
    taker_id: int = i64("its order id")
    taker_word: int = i64("tag of the taker's events")
    taker_price: int = i64("its limit price")
    taker_mode: int = i64("its SelfTrade")
    touched_from: int = i64(
        "first instrument that the TIME, MASS_CANCEL or DISCONNECT at work touched"
    )
    touched_to: int = i64("instrument after the last one")
    cross_from: int = i64("lowest price that auction_price.py checks")
    list_cursor: int = i64("next extension of the list iterator")
    cross_volume: int = i64("result of auction_price.py: volume,")
    cross_surplus: int = i64("surplus,")
    cross_side: int = i64("and its side")
    ahead: int = area(
        256, "of the batch at work: AHEAD_COMMANDS entries of 16 bytes, see commands/dispatch.py"
    )
    cross_to: int = i64("highest price that auction_price.py checks")
    taker_has_budget: int = i64("1 while an order for a budget takes, see matching/budget.py")
    taker_budget: int = i64("what is left of the budget")
    taker_unpriced: int = i64("1: a market order, which did not ask for its limit")
    waiting_price: int = i64(
        "price at which the taker trades with waiting market orders, see matching/waiting.py"
    )
    restated: int = area(64, "a REPLACE with OPEN_KNOWN as it would be without", at=832)
    noted_slots: int = i64("owners.py: first slot taken since the lists were last read, 0: none")
    entered_orders: int = i64("of ``fresh_orders``, as many are entered or among the noted ones")
    free_group: int = i64("first free list of an owner, 0: none")
    fresh_groups: int = i64("first list that was never used")
    owned_at: int = i64("offset of the links of these lists", fixed=True)
    groups_at: int = i64("offset of the lists: one a participant, side and instrument", fixed=True)
    owners_at: int = i64("offset of the first list of each participant and side", fixed=True)
    owner_mask: int = i64("entries of that table, less one", fixed=True)
    group_ids_at: int = i64(
        "offset of the first list of each (participant, side, instrument)", fixed=True
    )
    sweep_at: int = i64("offset of the orders that a mass cancel sorts", fixed=True)
    defers: int = i64("1: what the command sets off waits, see hooks.enter_reducing")
    terms_at: int = i64("offset of the terms that wait for their NEW")
    terms_count: int = i64("how many there are")
    new_terms: int = i64("terms of the NEW at work: a bit for each Term; see NewTerms")
    rules_changed: int = i64("how often the rules of an instrument have changed in this memory")
    entering: int = i64("1 while a leg of a list enters, which was accepted before")
    fixed_order_capacity: int = i64(
        "``order_capacity`` where no kernel that writes it is inlined", at=120, fixed=True
    )
    fixed_symbols_at: int = i64("``symbols_at``, likewise", at=208, fixed=True)
    fixed_symbol_mask: int = i64("``symbol_mask``, likewise", at=216, fixed=True)
    fixed_page_capacity: int = i64("``page_capacity``, likewise", at=248, fixed=True)
    fixed_extensions_at: int = i64("``extensions_at``, likewise", at=280, fixed=True)


HEADER_BYTES = ArenaHeader.size_bytes
"""Size of the header; from NEXT_EVENT_AT to its end nothing is state."""
MAGIC = ArenaHeader.offset("magic")
SIZE_BYTES = ArenaHeader.offset("size_bytes_")
ID_KEY = ArenaHeader.offset("id_key")
ID_MULTIPLIER = ArenaHeader.offset("id_multiplier")
ID_MULTIPLIER_2 = ArenaHeader.offset("id_multiplier_2")
ID_SPREAD = ArenaHeader.offset("id_spread")
SHARES_AT = ArenaHeader.offset("shares_at")
LAST_SEQ = ArenaHeader.offset("last_seq")
EVENT_COUNT = ArenaHeader.offset("event_count")
OPEN_ORDERS = ArenaHeader.offset("open_orders")
FREE_ORDER = ArenaHeader.offset("free_order")
FRESH_ORDERS = ArenaHeader.offset("fresh_orders")
ORDER_CAPACITY = ArenaHeader.offset("order_capacity")
INSTRUMENTS_AT = ArenaHeader.offset("instruments_at")
ORDERS_AT = ArenaHeader.offset("orders_at")
IDS_AT = ArenaHeader.offset("ids_at")
ID_MASK = ArenaHeader.offset("id_mask")
ID_LINKS_AT = ArenaHeader.offset("id_links_at")
PAGES_AT = ArenaHeader.offset("pages_at")
LEVELS_AT = ArenaHeader.offset("levels_at")
HINTS_AT = ArenaHeader.offset("hints_at")
BRANCHES_AT = ArenaHeader.offset("branches_at")
SYMBOLS_AT = ArenaHeader.offset("symbols_at")
OPEN_PAGES = ArenaHeader.offset("open_pages")
FREE_PAGE = ArenaHeader.offset("free_page")
FRESH_PAGES = ArenaHeader.offset("fresh_pages")
PAGE_CAPACITY = ArenaHeader.offset("page_capacity")
FREE_BRANCH = ArenaHeader.offset("free_branch")
FRESH_BRANCHES = ArenaHeader.offset("fresh_branches")
INSTRUMENT_COUNT = ArenaHeader.offset("instrument_count")
EXTENSIONS_AT = ArenaHeader.offset("extensions_at")
FREE_EXTENSION = ArenaHeader.offset("free_extension")
FRESH_EXTENSIONS = ArenaHeader.offset("fresh_extensions")
RULES_AT = ArenaHeader.offset("rules_at")
EXPIRIES_AT = ArenaHeader.offset("expiries_at")
EXPIRY_COUNT = ArenaHeader.offset("expiry_count")
NOW_NS = ArenaHeader.offset("now_ns")
EXTRA_EVENTS = ArenaHeader.offset("extra_events")
EXTRA_CAPACITY = ArenaHeader.offset("extra_capacity")
WORST_EVENTS = ArenaHeader.offset("worst_events")
CHANGED_PAGES = ArenaHeader.offset("changed_pages")
DIGESTS_AT = ArenaHeader.offset("digests_at")
COMMAND_COUNT = ArenaHeader.offset("command_count")
AHEAD = ArenaHeader.offset("ahead")
RESTATED = ArenaHeader.offset("restated")
NOTED_SLOTS = ArenaHeader.offset("noted_slots")
ENTERED_ORDERS = ArenaHeader.offset("entered_orders")
FREE_GROUP = ArenaHeader.offset("free_group")
FRESH_GROUPS = ArenaHeader.offset("fresh_groups")
OWNED_AT = ArenaHeader.offset("owned_at")
GROUPS_AT = ArenaHeader.offset("groups_at")
OWNERS_AT = ArenaHeader.offset("owners_at")
GROUP_IDS_AT = ArenaHeader.offset("group_ids_at")
SWEEP_AT = ArenaHeader.offset("sweep_at")
TERMS_AT = ArenaHeader.offset("terms_at")
TERMS_COUNT = ArenaHeader.offset("terms_count")
RULES_CHANGED = ArenaHeader.offset("rules_changed")

AHEAD_COMMANDS = 16
ARENA_MAGIC = int.from_bytes(b"OUTCRYMA", "little")

# Instrument: sixteen entries of 32 bytes.  Book index = instrument * 16 + which + side, where side
# is 0 for bids and 1 for asks.  So ``book & 1`` says how prices become keys, ``book >> 4`` is the
# instrument, and ``book ^ 1`` is the opposite book.
INSTRUMENT_BYTES = 512
BOOKS_EACH = 16
DISPLAYED, HIDDEN_BOOK, ALL_OR_NONE_BOOK = 2, 4, 6
TRIGGERS = 8
"""Triggers that a fall reaches (sell stops, take-profits that buy) are a book of bids, the others
one of asks.  The next to be elected is the best."""
WHICH = 14


class InstrumentState(Layout, size_bytes=512):
    """An instrument: sixteen entries of 32 bytes; the first line is all that a plain command looks
    at."""

    mode: int = i64("0 exactly when a plain command needs nothing but the displayed book")
    last_price: int = i64("last price, NO_PRICE: none")
    min_qty: int = i64("smallest quantity")
    max_qty: int = i64("largest quantity")
    min_price: int = i64("lowest price")
    max_price: int = i64("highest price")
    reference: int = i64("reference price before the first trade")
    phase: int = u8("Phase")
    called: int = u8("1: a call phase has not been uncrossed yet")
    auction_extensions: int = u8("how often the auction was put off")
    touched: int = u8("1: by the TIME, MASS_CANCEL or DISCONNECT at work")
    changed: int = u32("next in the list of changed instruments; 0: it is not in it")
    cascaded_last: int = i64(
        "price that elected stops at the last cascade; NO_PRICE: check all stops", at=320
    )
    pegged_bid: int = i64("best displayed bid by which the pegs are priced, or NO_PRICE")
    pegged_ask: int = i64("and the best ask")
    indicative_price: int = i64("price last published in a call")
    indicative_volume: int = i64("and its volume,")
    indicative_surplus: int = i64("surplus")
    indicative_side: int = i64("and side")
    lists: int = area(24, "head and tail (u32 each) of PEG_LIST, TRAILING_LIST and AUCTION_LIST")
    stop_count: int = i64("waiting stops, trailing ones among them")
    all_or_none_count: int = i64("open all-or-none orders")
    peg_count: int = i64("open pegs")
    trailing_count: int = i64("waiting trailing stops")
    order_count: int = i64("open orders, in pro-rata instruments only")
    iceberg_count: int = i64("open icebergs")
    call_from: int = i64("only bids from here up can change what was published in the call")
    call_to: int = i64("and asks from here down")
    day: int = u32(
        "trading day, YYYYMMDD, of an instrument that never closes; 0: none has begun", at=480
    )
    linked_count: int = u32("open legs of lists")
    dormant: int = area(8, "head and tail (u32 each) of DORMANT_LIST")
    act_first: int = u32("first leg whose list has something to do, see links.py")
    act_last: int = u32("and the last")
    due_first: int = u32("first leg that enters as soon as it may")
    due_last: int = u32("and the last")


MODE = InstrumentState.offset("mode")
LAST_PRICE = InstrumentState.offset("last_price")
REFERENCE = InstrumentState.offset("reference")
PHASE = InstrumentState.offset("phase")
INSTRUMENT_CHANGED = InstrumentState.offset("changed")
CASCADED_LAST = InstrumentState.offset("cascaded_last")
PEGGED_BID = InstrumentState.offset("pegged_bid")
PEGGED_ASK = InstrumentState.offset("pegged_ask")
INDICATIVE_PRICE = InstrumentState.offset("indicative_price")
LISTS = InstrumentState.offset("lists")
STOP_COUNT = InstrumentState.offset("stop_count")
ALL_OR_NONE_COUNT = InstrumentState.offset("all_or_none_count")
PEG_COUNT = InstrumentState.offset("peg_count")
TRAILING_COUNT = InstrumentState.offset("trailing_count")
ORDER_COUNT = InstrumentState.offset("order_count")
ICEBERG_COUNT = InstrumentState.offset("iceberg_count")
CALL_FROM = InstrumentState.offset("call_from")

PEG_LIST, TRAILING_LIST, AUCTION_LIST = 0, 8, 16
WAITING_BUYS, WAITING_SELLS = 88, 96  # market orders that wait, oldest first: bytes 464 to 479
DORMANT_LIST = InstrumentState.offset("dormant") - LISTS
"""Legs of lists that have not entered, oldest first."""
ACT_CHAIN, DUE_CHAIN = InstrumentState.offset("act_first"), InstrumentState.offset("due_first")
# MODE is 0 exactly when a plain command needs nothing but the displayed book.
MODE_RULES = 1  # steps, lots, bands, pro-rata or MARKET_WAITS
MODE_PHASE = 2  # not CONTINUOUS
MODE_FOREIGN = 4  # another shard's
MODE_STEPS = 8  # Allocation.STEPS: no plain command; permanent
MODE_WAITING = 16  # a market order waits: no plain command
MODE_HELD = 32  # the hooks let nothing trade, see hooks.py; no state of the matcher
MODE_TERMS = 64  # terms wait for a NEW of the instrument: a plain NEW asks whether they are its own
MODE_LISTS = 128  # a list of orders has something to do
MODE_SPECIAL = 1 << 8  # added for every open order that has an extension

# Book: one side of one kind.
BOOK_BYTES = 32


class BookSide(Layout, size_bytes=32):
    """One side of one kind of an instrument's orders."""

    best_key: int = i64("key of the best level")
    best_level: int = u32("the best level, 0: none")
    root: int = u32("root of the index of its pages")


# Order slot.
ORDER_SLOT_BYTES = 32


class OrderSlot(Layout, size_bytes=32):
    """An order."""

    id: int = i64("order id")
    qty: int = i64("open lots; of an iceberg: what it shows")
    next: int = u32("next slot towards the back of the queue; links the free slots too")
    prev: int = u32("slot before it")
    level: int = u32("its level; 0: it waits in none, which only an order with an extension can")
    owner: int = u32("participant | flags, or EXTENDED | extension")


SLOT_ID = OrderSlot.offset("id")
SLOT_QTY = OrderSlot.offset("qty")
SLOT_NEXT = OrderSlot.offset("next")
SLOT_PREV = OrderSlot.offset("prev")
SLOT_LEVEL = OrderSlot.offset("level")
SLOT_OWNER = OrderSlot.offset("owner")

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


class Extension(Layout, size_bytes=128):
    """All of an order that is more than a DAY or GTC limit."""

    owner: int = u32("participant | flags, as in a plain order's slot")
    type: int = u8("OrderType; a stop that was elected or a market order that was converted: LIMIT")
    tif: int = u8("TimeInForce")
    mode: int = u8("SelfTrade")
    side: int = u8("Side")
    instrument: int = u32("its instrument")
    slot: int = u32("its slot")
    price: int = i64("limit; MARKET types: the book price; STOP and trailing: 0")
    reserve: int = i64("iceberg: lots open but not shown")
    display: int = i64(
        "iceberg: slice from the next refresh on; INACTIVE trailing stop: its activation price"
    )
    trigger: int = i64(
        "stops: trigger price; NO_PRICE: a trailing one that waits for its first trade"
    )
    aux: int = i64("trailing: distance and step as sent; pegs: offset")
    expiry_ns: int = i64("when it expires")
    expiry_number: int = i64(
        "number of the command that gave it its expiry: the earlier goes first"
    )
    arrival: int = i64("number of its NEW, or of the REPLACE that lost it its place")
    next: int = u32("next in its instrument's list; links the free ones too")
    prev: int = u32("the one before")
    heap: int = u32("its place in the heap of expiries, from 1; 0: it has none")
    slices: int = u32("iceberg: most slices it can have shown before it is gone")
    list: int = u32("offset of the list that it is in plus 1; 0: none")
    stage: int = u8("leg of a list: its stage, see links.py; 0 of any other order")
    contingency: int = u8("Contingency")
    leg: int = u8("its place in the list, from 1")
    legs: int = u8("how many there were")
    list_key: int = i64(
        "the list's id; once it is whole, the number of the command that made it so"
    )
    next_leg: int = u32("extension of the next leg, around; its own if it is the only one")
    act_next: int = u32("next leg of its chain")
    act_prev: int = u32("the one before")
    act: int = u8("what there is to do with its list, see links.py")
    trigger_by: int = u8("of a stop with a named price: TriggerBy, and INACTIVE")
    participant: int = u16("of ``owner``: the participant", at=0)


EXT_OWNER = Extension.offset("owner")
EXT_TYPE = Extension.offset("type")
EXT_SIDE = Extension.offset("side")
EXT_INSTRUMENT = Extension.offset("instrument")
EXT_SLOT = Extension.offset("slot")
EXT_NEXT = Extension.offset("next")
EXT_PREV = Extension.offset("prev")
EXT_HEAP = Extension.offset("heap")


class OwnedSlot(Layout, size_bytes=16):
    """A slot's place in the lists of owners.py."""

    next: int = u32("next slot of the list, 0: none")
    prev: int = u32("the one before")
    group: int = u32("its list, 0: none")
    noted: int = u32("the next noted slot")


OWNED_BYTES = OwnedSlot.size_bytes


class OwnerGroup(Layout, size_bytes=32):
    """A list of a participant's orders on one side of an instrument."""

    first: int = u32("its first slot")
    owner: int = u32("participant * 2 + side - 1")
    instrument: int = u32("the instrument")
    chain: int = u32("next list of the same hash; links the free ones, too")
    next: int = u32("next list of the same owner, or of another that shares its entry")
    prev: int = u32("the one before")


GROUP_BYTES = OwnerGroup.size_bytes
GROUP_CHAIN = OwnerGroup.offset("chain")
MAX_OWNERS = 1 << 17


class SweepRow(Layout, size_bytes=16):
    """An order that a mass cancel takes."""

    key: int = i64("place in its queue")
    place: int = u32("its place in canonical order")
    slot: int = u32("its slot")


SWEEP_BYTES = SweepRow.size_bytes


class WaitingTerm(Layout, size_bytes=40):
    """A TERMS command that waits for its NEW; the same words are its row of a snapshot."""

    participant: int = u16("whose order it is about")
    instrument: int = u16("in which instrument")
    term: int = u32("Term")
    order_id: int = i64("the order's id")
    price_ticks: int = i64("the command's values")
    qty_lots: int = i64("likewise")
    aux: int = i64("likewise")
    key: int = i64("``participant`` to ``term`` as one", at=0)


TERM_BYTES = WaitingTerm.size_bytes


class InstrumentMarks(Layout, size_bytes=32):
    """What elects stops of an instrument and is not in its books.  Mark and index are the hooks'
    state, which the arena follows (``matcher/marks.py``), and so in no snapshot of the matcher."""

    mark: int = i64("mark price, NO_PRICE: none")
    index: int = i64("index price, NO_PRICE: none")
    own_triggers: int = i64("open stops that have a named price (``trigger_by``)")


MARKS_BYTES = InstrumentMarks.size_bytes


class NewTerms(Layout, size_bytes=128):
    """The terms of the NEW at work: each is meant only if its bit of ``new_terms`` is set."""

    list_id: int = i64("LIST: id of the list")
    leg: int = i64("the order's place in it, from 1")
    legs: int = i64("how many legs it has")
    contingency: int = i64("Contingency")
    stage: int = i64("the leg's stage, see links.py")
    peer: int = i64("extension of another leg, 0: it is the first")
    expiry_ns: int = i64("EXPIRY: when it expires")
    trigger_by: int = i64("TRIGGER: TriggerBy, and INACTIVE")
    activation: int = i64("and its activation price, where it is INACTIVE")
    quote_price: int = i64("QUOTE: price of the other side")
    quote_qty: int = i64("and its lots, 0: it has none")
    quote_id: int = i64("and its order id")


NEW_TERMS_BYTES = NewTerms.size_bytes
MAX_TERMS = 4096
"""Most terms that wait at a time, of all participants,"""
MAX_OWN_TERMS = 16
"""and of one,"""
LEAST_OWN_TERMS = 3
"""of which three (all that an order can have) are its own, if there is any space, and"""
SPACE_FOR_A_TERM = 128
"""one more for each 128 that are free: nearly 400 participants fill the table, none alone."""
NEW_TERMS_OFFSET = MAX_TERMS * TERM_BYTES
MARKS_OFFSET = NEW_TERMS_OFFSET + NEW_TERMS_BYTES
"""Offsets of these tables in that of the terms."""

ID_ENTRY_BYTES = 4
ID_LINK_BYTES = 4

# Page; level index = page * 64 + the key's low six bits.
PAGE_BYTES = 32


class Page(Layout, size_bytes=32):
    """64 consecutive keys; a level's index is page * 64 + the key's low six bits."""

    bitmap: int = i64("keys that have orders")
    number: int = i64("key >> 6, plus PAGE_BIAS")
    parent: int = u32("branch above it")
    book: int = u32("its book")
    next_free: int = u32("next free page")
    changed: int = u32(
        "next in the list of changed pages, where a closed page stays; 0: it is not in it"
    )


PAGE_BITMAP = Page.offset("bitmap")
PAGE_CHANGED = Page.offset("changed")

END_OF_CHANGED = 0xFFFFFFFF
NO_BOOK = 0xFFFFFFFF
PAGE_LEVELS = 64
PAGE_BIAS = 1 << 57  # added to key >> 6, so that page numbers are 0 .. 2**58 - 1

LEVEL_BYTES = 16


class Level(Layout, size_bytes=16):
    """A queue of orders at one price."""

    head: int = u32("slot of its first order")
    tail: int = u32("slot of its last order")
    total: int = i64("lots of the queue")


LEVEL_HEAD = Level.offset("head")
LEVEL_TAIL = Level.offset("tail")
LEVEL_TOTAL = Level.offset("total")


# Branch; a child is a page, or a branch if its top bit is set.
BRANCH_BYTES = 320


class Branch(Layout, size_bytes=320):
    """An inner node of the index; a child is a page, or a branch if its top bit is set."""

    bitmap: int = i64("children that there are")
    prefix: int = i64("bits that its pages share")
    parent: int = u32("branch above it")
    shift: int = u32("of the bits by which its children differ")
    next_free: int = u32("next free branch")
    children: int = area(256, "64 children, u32", at=64)


BRANCH_CHILDREN = Branch.offset("children")

IS_BRANCH = 1 << 31

# What the state hash last knew: the sum, then each page, then each instrument; then room to write a
# row of a snapshot in.
DIGEST_BYTES = 16
FOLD_ROOM_BYTES = 128

SYMBOL_ENTRY_BYTES = 16


class SymbolEntry(Layout, size_bytes=16):
    """An entry of the table of symbols."""

    symbol: int = i64("as it is in a record")
    instrument: int = i64("instrument + 1; 0: an empty entry")


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
        raise MatcherError(f"instruments: symbol {twice!r} occurs twice")
    names = instruments.dtype.names or ()
    try:
        make_instruments(dict(zip(names, row, strict=True)) for row in instruments.tolist())
    except ValueError as error:
        raise MatcherError(f"instruments: {error}") from None
    return np.ascontiguousarray(instruments).copy()
