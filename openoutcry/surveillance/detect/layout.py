"""The flat state of the detectors: tables of int64 words, and the records of what they find.

::

    header ──► params, groups, links, books, levels, orders, cells, repeats, hits
    book   an instrument: its sorted price levels, last price, its matched trades, its buckets
    order  an open order: a pool with a hash by (instrument, id), in the list of its cell
    cell   an owner (a group of related participants) in an instrument: its open orders, a candidate
           a side, counts of messages, its buckets of 10 s
    repeat what has been seen so far of one pattern, owner or ring, and instrument
"""

from enum import IntEnum

import numpy as np

from openoutcry.wire.layout import Layout, i64

WORD = 8
NONE = -(2**63)


class Detector(IntEnum):
    """The patterns that are looked for."""

    SPOOFING = 1
    LAYERING = 2
    WASH_SELF = 3
    WASH_RELATED = 4
    WASH_PAIR = 5
    WASH_RING = 6
    MOMENTUM_IGNITION = 7
    RAMPING = 8
    MARKING_CLOSE = 9
    MARKING_OPEN = 10
    CROSS_MARKET = 11
    FRONT_RUNNING = 12
    INSIDER_TIMING = 13
    QUOTE_STUFFING = 14
    EXCESSIVE_CANCELS = 15
    ORDER_TO_TRADE = 16
    SUSPICIOUS_VOLUME = 17
    NEGATIVE_BALANCE = 18
    MOVING_PEGS = 19
    CALLED_TRADES = 20
    OFF_BOOK_PRICE = 21


class DetectorState(Layout, size_bytes=512):
    """The header: addresses of the tables, counts and the time."""

    params: int = i64("address of the detectors' parameters")
    groups: int = i64("address of each participant's owner")
    links: int = i64("address of the accounts that belong together")
    books: int = i64("address of the instruments' books")
    levels: int = i64("address of the price levels")
    orders: int = i64("address of the pool of open orders")
    order_heads: int = i64("address of the hash table of orders")
    cells: int = i64("address of the pool of cells")
    cell_heads: int = i64("address of the hash table of cells")
    repeats: int = i64("address of the table of repeats")
    hits: int = i64("address of the hits")
    clients: int = i64("address of the client orders that were declared")
    sides: int = i64("address of what owners traded around them")
    cash: int = i64("address of the participants' cash")
    now: int = i64("sequenced time, ns since the epoch")
    cause: int = i64("command of the event at work")
    order_free: int = i64("first free row of the pool of orders")
    order_used: int = i64("rows of the pool used so far")
    order_room: int = i64("rows that it has")
    order_mask: int = i64("entries of the hash table of orders, less one")
    cell_used: int = i64("cells used so far")
    cell_room: int = i64("cells that there are")
    cell_mask: int = i64("entries of the hash table of cells, less one")
    repeat_used: int = i64("repeats so far")
    repeat_mask: int = i64("entries of the table of repeats, less one")
    hit_count: int = i64("hits that were not taken out yet")
    hit_room: int = i64("hits that fit")
    event_seq: int = i64("the last event")
    instruments: int = i64("books that there are")
    client_count: int = i64("client orders that were declared")
    side_used: int = i64("rows of ``sides`` used")
    side_mask: int = i64("entries of ``sides``, less one")
    tracks_cash: int = i64("1: balances are watched")
    hit_total: int = i64("hits so far")
    level_book: int = i64("book whose levels have no room")
    entry_left: int = i64("events of a command from the speed bump that are still to come")
    by_operator: int = i64("1: the command at work is the operator's")
    off_book: int = i64("1: the command at work trades off the book")
    mover: int = i64("cell whose order the command at work entered or moved, 0: none")
    staged_step: int = i64("price step from the next INSTRUMENT_APPLY on, 0: as before")


NOW = DetectorState.offset("now")
ORDER_USED = DetectorState.offset("order_used")
ORDER_ROOM = DetectorState.offset("order_room")
ORDER_MASK = DetectorState.offset("order_mask")
CELL_USED = DetectorState.offset("cell_used")
CELL_ROOM = DetectorState.offset("cell_room")
CELL_MASK = DetectorState.offset("cell_mask")
REPEAT_USED = DetectorState.offset("repeat_used")
REPEAT_MASK = DetectorState.offset("repeat_mask")
HIT_COUNT = DetectorState.offset("hit_count")
HIT_ROOM = DetectorState.offset("hit_room")
EVENT_SEQ = DetectorState.offset("event_seq")
INSTRUMENTS = DetectorState.offset("instruments")
CLIENT_COUNT = DetectorState.offset("client_count")
SIDE_USED = DetectorState.offset("side_used")
SIDE_MASK = DetectorState.offset("side_mask")
TRACKS_CASH = DetectorState.offset("tracks_cash")
HIT_TOTAL = DetectorState.offset("hit_total")
LEVEL_BOOK = DetectorState.offset("level_book")

HEADER_WORDS = 64

# Why the kernel stopped before an event.
DONE, MORE_ORDERS, MORE_CELLS, MORE_REPEATS, MORE_HITS, MORE_LEVELS, MORE_SIDES = range(7)


class WatchedOrder(Layout, size_bytes=152):
    """An open order."""

    id: int = i64("its order id")
    who: int = i64("participant")
    instrument: int = i64("instrument")
    side: int = i64("side")
    price: int = i64("price, ticks")
    leaves: int = i64("open lots")
    lots: int = i64("lots when it was entered")
    shown: int = i64("lots displayed")
    born: int = i64("when it was entered, ns")
    born_seq: int = i64("command that entered it")
    mid2: int = i64("twice the mid when it was entered")
    flags: int = i64("F_HIDDEN, F_WAITING")
    display: int = i64("lots that an iceberg shows")
    next_hash: int = i64("next row of the same hash, -1: none")
    next: int = i64("next row of its cell")
    before: int = i64("row before it in its cell")
    cell: int = i64("its cell")
    filled: int = i64("lots filled")
    pegged: int = i64("1: it is pegged, and has had another price")


O_ID = WatchedOrder.offset("id")
O_INSTRUMENT = WatchedOrder.offset("instrument")
O_NEXT_HASH = WatchedOrder.offset("next_hash")
O_CELL = WatchedOrder.offset("cell")

ORDER_WORDS = 19
F_HIDDEN, F_WAITING = 1, 2

# Buckets of 10 s, of cells and books alike.
BUCKET_NS = 10 * 10**9
BUCKETS = 36


class Bucket(Layout, size_bytes=96):
    """Ten seconds of a cell or of a book."""

    id: int = i64("number of the ten seconds")
    buy_took: int = i64("lots bought by taking")
    sell_took: int = i64("lots sold by taking")
    buy_lots: int = i64("lots bought")
    sell_lots: int = i64("lots sold")
    buy_value: int = i64("value bought")
    sell_value: int = i64("value sold")
    move: int = i64("how far takes moved the mid, half ticks")
    up: int = i64("moves up, half ticks")
    down: int = i64("moves down, half ticks")
    counts: int = i64("moves up, and from bit DOWN_BITS on moves down")
    middle: int = i64("of a book: twice the mid before the bucket's first trade")


K_BUY_TOOK = Bucket.offset("buy_took")
K_SELL_TOOK = Bucket.offset("sell_took")
K_BUY_LOTS = Bucket.offset("buy_lots")
K_SELL_LOTS = Bucket.offset("sell_lots")
K_BUY_VALUE = Bucket.offset("buy_value")
K_SELL_VALUE = Bucket.offset("sell_value")
K_MOVE = Bucket.offset("move")
K_UP = Bucket.offset("up")
K_DOWN = Bucket.offset("down")
K_COUNTS = Bucket.offset("counts")

DOWN_BITS = 32
"""K_COUNTS: how many moves went up, and from this bit on how many went down.  K_MIDDLE, of books:
twice the mid before the bucket's first trade."""
BUCKET_WORDS = 12
BUCKET_BYTES = BUCKET_WORDS * WORD

# A book.
LEGS = 64
LEG_WORDS = 8


class Leg(Layout, size_bytes=64):
    """A trade that two related owners made."""

    ns: int = i64("when")
    seq: int = i64("command")
    seller: int = i64("owner that sold")
    buyer: int = i64("owner that bought")
    lots: int = i64("lots")
    price: int = i64("price, ticks")
    used: int = i64("1: it is part of a hit")
    who: int = i64("participant")


MINUTES = 5


class DetectorBook(Layout):
    """An instrument."""

    cause: int = i64("last command that changed it")
    bid: int = i64("best bid, ticks")
    ask: int = i64("best ask, ticks")
    last: int = i64("last price")
    step: int = i64("price step")
    phase: int = i64("phase")
    opened: int = i64("when continuous trading began, ns")
    ref: int = i64("reference price")
    leg_count: int = i64("trades in the ring of legs")
    cell_head: int = i64("first cell of the instrument")
    level_at: int = i64(
        "address of its levels: bids, their room and their count; asks B_ASK_LEVELS later"
    )
    level_room: int = i64("levels that fit")
    level_count: int = i64("levels that there are")
    leveraged: int = i64("1: positions are margined", at=128)
    multiplier: int = i64("money a lot and tick")
    volume_id: int = i64("number of the volume window")
    volume: int = i64("lots traded in it")
    leg_hour: int = i64("number of the hour of the last trade")
    leg_hours: int = i64("hours in which there were trades")
    hour_legs: int = i64("legs, halved each hour in which there are trades")
    taker: int = i64("order that took last")
    taker_who: int = i64("its owner")
    taker_side: int = i64("its side")
    taker_ns: int = i64("when")
    taker_seq: int = i64("its command")
    taker_middle: int = i64("twice the mid before it")
    volume_before: int = i64("lots of the windows before")
    mark: int = i64("mark of a contract, NONE: it is none, or not known")
    staged: int = i64("mark that CONTRACT_APPLY puts in force, or NONE")
    called_ns: int = i64("when a participant was liquidated in it last")
    called_seq: int = i64("by which command, 0: none ever was")
    halted_ns: int = i64("when it was halted; 0: it has traded since")
    halted_price: int = i64("last price before that")
    call_ns: int = i64("when the closing call began, ns; 0: there is none")
    call_mid2: int = i64("twice the mid then, or the last price where a side was empty")
    fast_second: int = i64("second of the count that follows")
    fast_gone: int = i64("orders cancelled in it within a second of entry, by all owners")
    fast_told: int = i64("second of the last hit for orders over several accounts")


B_BID = DetectorBook.offset("bid")
B_ASK = DetectorBook.offset("ask")
B_LAST = DetectorBook.offset("last")
B_STEP = DetectorBook.offset("step")
B_PHASE = DetectorBook.offset("phase")
B_OPENED = DetectorBook.offset("opened")
B_LEVEL_AT = DetectorBook.offset("level_at")
B_LEVEL_ROOM = DetectorBook.offset("level_room")
B_LEVEL_COUNT = DetectorBook.offset("level_count")
B_LEVERAGED = DetectorBook.offset("leveraged")
B_MULTIPLIER = DetectorBook.offset("multiplier")
B_VOLUME_ID = DetectorBook.offset("volume_id")
B_VOLUME = DetectorBook.offset("volume")
B_TAKER = DetectorBook.offset("taker")
B_MARK = DetectorBook.offset("mark")
B_STAGED = DetectorBook.offset("staged")
B_VOLUME_BEFORE = DetectorBook.offset("volume_before")

B_ASK_LEVELS = 3 * WORD
"""Offset from the words of the bids' levels to the asks'."""
B_MINUTES = 41 * WORD
"""MINUTES times: id, orders, lots."""
B_LEGS = B_MINUTES + MINUTES * 3 * WORD
B_BUCKETS = B_LEGS + LEGS * LEG_WORDS * WORD
BOOK_WORDS = B_BUCKETS // WORD + BUCKETS * BUCKET_WORDS
BOOK_BYTES = BOOK_WORDS * WORD


class DetectorLevel(Layout):
    """A price with displayed lots."""

    key: int = i64("price, of asks negative: ascending")
    lots: int = i64("displayed lots")


class OrderMinute(Layout):
    """Orders entered in a minute."""

    id: int = i64("number of the minute")
    orders: int = i64("orders")
    lots: int = i64("their lots")


LEVEL_BYTES = DetectorLevel.size_bytes


class DetectorCell(Layout):
    """An owner's data in an instrument."""

    owner: int = i64("the owner")
    instrument: int = i64("the instrument")
    next_hash: int = i64("next cell of the same hash")
    next_cell: int = i64("next cell of the same instrument")
    open: int = i64("first of its open orders")
    second: int = i64("second of the counts that follow")
    entered: int = i64("orders entered in it")
    gone: int = i64("orders cancelled in it")
    traded: int = i64("trades in it")
    told_second: int = i64("second of the last hit for many messages")
    fleeting_id: int = i64("number of the window of short-lived orders")
    fleeting_entered: int = i64("orders entered in it")
    fleeting_gone: int = i64("orders cancelled soon after they were entered")
    fleeting_trades: int = i64("trades in it")
    day: int = i64("number of the day")
    day_orders: int = i64("orders of the day")
    day_trades: int = i64("trades of the day")
    day_next: int = i64("orders at which the ratio is checked next")
    fleeting_hit: int = i64("window of the last hit for short-lived orders")
    leg_hour: int = i64("``leg_hours`` of the book up to which the counts that follow are halved")
    legs_taken: int = i64("legs in which it took, halved as those of the book")
    legs_made: int = i64("legs in which its order rested, halved likewise")
    trades: int = i64("trades, halved likewise")
    position: int = i64("lots bought less lots sold since the journal's begin")


C_OWNER = DetectorCell.offset("owner")
C_INSTRUMENT = DetectorCell.offset("instrument")
C_NEXT_HASH = DetectorCell.offset("next_hash")
C_ENTERED = DetectorCell.offset("entered")
C_GONE = DetectorCell.offset("gone")
C_TRADED = DetectorCell.offset("traded")
C_FLEETING_ENTERED = DetectorCell.offset("fleeting_entered")
C_FLEETING_GONE = DetectorCell.offset("fleeting_gone")
C_FLEETING_TRADES = DetectorCell.offset("fleeting_trades")
C_DAY_ORDERS = DetectorCell.offset("day_orders")
C_DAY_TRADES = DetectorCell.offset("day_trades")

C_LAST_HIT_AT = 24 * WORD
"""When each kind (0 to 7) was reported last."""
COOLDOWN_IGNITION, COOLDOWN_RAMP, COOLDOWN_CROSS = range(3)
C_CANDIDATES = 32 * WORD


class Candidate(Layout):
    """A possible hit, of one side of a cell."""

    ns: int = i64("when the pressure was seen")
    seq: int = i64("command that showed it")
    lots: int = i64("lots of the orders that press")
    prices: int = i64("prices that they are at")
    withdrawn: int = i64("lots withdrawn since")
    gain: int = i64("gain of the fill, half ticks times lots")
    filled: int = i64("lots filled on the other side")
    fill_seq: int = i64("command of the fill")
    first_seq: int = i64("command of the first order")
    first_ns: int = i64("when it was entered")
    orders: int = i64("orders that press")
    hit: int = i64("number of the hit that it became, 0: none")


D_WITHDRAWN = Candidate.offset("withdrawn")
D_GAIN = Candidate.offset("gain")
D_FILLED = Candidate.offset("filled")
D_HIT = Candidate.offset("hit")

CANDIDATE_BYTES = 12 * WORD
C_VOLUME = 56 * WORD
"""id of the window, its lots, whether it was reported, how many before it; VOLUMES windows'
lots."""
VOLUMES = 12


class VolumeWindow(Layout):
    """A cell's volume in the current window and in those before."""

    id: int = i64("number of the window", at=448)
    lots: int = i64("lots traded")
    told: int = i64("1: it was reported")
    count: int = i64("windows before it that are known")
    ring: int = i64("lots of the last VOLUMES windows")


V_LOTS = VolumeWindow.offset("lots")
V_RING = VolumeWindow.offset("ring")

C_PEGS = 73 * WORD
"""By side: a move of pegged orders."""


class PegMove(Layout):
    """An order that moved pegged orders of others, and what its owner traded with them since."""

    ns: int = i64("when it moved them last, ns")
    seq: int = i64("command of that, or 0")
    first_seq: int = i64("command that moved them first")
    first_ns: int = i64("its time, ns")
    middle: int = i64("twice the mid before it")
    open: int = i64("1: the order of the last move is open")
    trade_ns: int = i64("last trade with a pegged order, ns")
    trade_seq: int = i64("its command, 0: none yet")
    lots: int = i64("lots traded with pegged orders")
    gain: int = i64("what they gained over the mid before, half ticks times lots")


PEG_BYTES = PegMove.size_bytes
C_FLIPS = C_PEGS + 2 * PEG_BYTES
"""By side: pressure that went before its owner traded on the other side."""


class Flip(Layout):
    """Displayed orders near the market that an owner withdrew one right after the other."""

    ns: int = i64("when the last one went, ns")
    seq: int = i64("command of that, or 0")
    lots: int = i64("their lots")
    first_seq: int = i64("command that entered the oldest")
    first_ns: int = i64("its time, ns")
    middle: int = i64("twice the mid before it")
    depth: int = i64("lots of the five best levels before the first went")


FLIP_BYTES = Flip.size_bytes
CELL_HEAD_WORDS = 112
C_BUCKETS = CELL_HEAD_WORDS * WORD
assert C_FLIPS + 2 * FLIP_BYTES <= C_BUCKETS
CELL_WORDS = CELL_HEAD_WORDS + BUCKETS * BUCKET_WORDS
CELL_BYTES = CELL_WORDS * WORD

# A repeat.
REPEAT_RING = 8


class Repeat(Layout):
    """State of a pattern so far."""

    key: int = i64("pattern, owner and instrument as a hash")
    count: int = i64("how often")


R_COUNT = Repeat.offset("count")

R_TIMES, R_SEQS, R_GAINS, R_LOTS = 2 * WORD, 10 * WORD, 18 * WORD, 26 * WORD
REPEAT_WORDS = 34
PAIR_COUNT = -1
"""``count`` of a row that is a :class:`PairLegs`."""
PAIR_HOURS = 168
"""Hours after which a pair's legs are forgotten."""


class PairLegs(Layout):
    """A row among the repeats: legs in which one owner took from another."""

    key: int = i64("both owners and the instrument as a hash")
    count: int = i64("PAIR_COUNT")
    hour: int = i64("number of the hour of the last one")
    legs: int = i64("legs, halved as those of the book")
    leg_hours: int = i64("``leg_hours`` of the book up to which they are halved")


P_HOUR = PairLegs.offset("hour")
REPEAT_BYTES = REPEAT_WORDS * WORD


class ClientOrder(Layout):
    """A client order that was declared."""

    broker: int = i64("participant that has it")
    client: int = i64("participant that gave it")
    instrument: int = i64("instrument")
    side: int = i64("side")
    lots: int = i64("lots")
    known: int = i64("since when the broker knows it, ns")
    entered: int = i64("when the broker entered it, ns; 0: not yet")
    entered_seq: int = i64("and by which command")


CLIENT_BYTES = 8 * WORD


class ClientSide(Layout):
    """An owner's trading around a client order."""

    key: int = i64("owner and client order, 0: a free row")
    ahead: int = i64("lots traded ahead of it")
    ahead_value: int = i64("their value")
    turned: int = i64("lots traded back after it")
    turned_value: int = i64("their value")
    first_seq: int = i64("command of the first trade")
    first_ns: int = i64("its time")
    told: int = i64("1: it was reported")


S_AHEAD = ClientSide.offset("ahead")
S_AHEAD_VALUE = ClientSide.offset("ahead_value")
S_TURNED = ClientSide.offset("turned")
S_TURNED_VALUE = ClientSide.offset("turned_value")

SIDE_BYTES = 8 * WORD

CASH_PARTICIPANTS = 65_536


class CashRow(Layout):
    """A participant's cash."""

    cash: int = i64("its balance")
    told: int = i64("1: a negative balance was reported")


M_CASH = CashRow.offset("cash")

CASH_BYTES = 2 * WORD

MEMBERS = 8
EVIDENCE = 4
HIT_DTYPE = np.dtype([
    ("ts_ns", "<i8"), ("first_ns", "<i8"), ("seq", "<i8"), ("first_seq", "<i8"),
    ("detector", "<u2"), ("instrument", "<u2"), ("members", "<u2"), ("score", "<u2"),
    ("participants", "<u2", (MEMBERS,)), ("lots", "<i8"), ("move_half_ticks", "<i8"),
    ("gain_half_ticks", "<i8"), ("repeats", "<i8"), ("evidence", "<i8", (EVIDENCE,)),
    ("number", "<i8"),
])  # fmt: skip
"""A finding of a detector: when and at which command it was seen (``ts_ns``, ``seq``) and began.

The first ``members`` of ``participants`` did it.  Then lots, how far prices moved, the gain over
the mid before (half ticks times lots), and how often it was seen.  Commands that show it are in
``evidence`` (0: none), and ``number`` counts from 1."""
HIT_BYTES = HIT_DTYPE.itemsize


class Hit(Layout):
    """A finding of a detector."""

    ts: int = i64("when it was seen, ns since the epoch")
    first: int = i64("when it began")
    seq: int = i64("command at which it was seen")
    first_seq: int = i64("command with which it began")
    what: int = i64("detector | instrument << 16 | members << 32 | score << 48")
    who: int = i64("the first four participants")
    who2: int = i64("the others")
    lots: int = i64("lots")
    move: int = i64("how far prices moved, half ticks")
    gain: int = i64("what it gained, half ticks times lots")
    repeats: int = i64("how often it was seen")
    evidence: int = i64("commands that show it, EVIDENCE words; 0: none")
    number: int = i64("from 1", at=120)


H_WHO = Hit.offset("who")
H_EVIDENCE = Hit.offset("evidence")
H_NUMBER = Hit.offset("number")

assert HIT_BYTES == H_NUMBER + WORD == 128
