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

WORD = 8
NONE = -(2**63)


def words(count: int, start: int = 0) -> range:
    """Byte offsets of so many words."""
    return range(start * WORD, (start + count) * WORD, WORD)


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


# The header.
(PARAMS, GROUPS, LINKS, BOOKS, LEVELS, ORDERS, ORDER_HEADS, CELLS, CELL_HEADS, REPEATS, HITS,
 CLIENTS, SIDES, CASH) = words(14)  # fmt: skip
(NOW, CAUSE, ORDER_FREE, ORDER_USED, ORDER_ROOM, ORDER_MASK, CELL_USED, CELL_ROOM, CELL_MASK,
 REPEAT_USED, REPEAT_MASK, HIT_COUNT, HIT_ROOM, EVENT_SEQ, INSTRUMENTS, CLIENT_COUNT, SIDE_USED,
 SIDE_MASK, TRACKS_CASH, HIT_TOTAL, LEVEL_BOOK, ENTRY_LEFT,
 BY_OPERATOR) = words(23, 14)  # fmt: skip
HEADER_WORDS = 64

# Why the kernel stopped before an event.
DONE, MORE_ORDERS, MORE_CELLS, MORE_REPEATS, MORE_HITS, MORE_LEVELS, MORE_SIDES = range(7)

# An order.
(O_ID, O_WHO, O_INSTRUMENT, O_SIDE, O_PRICE, O_LEAVES, O_LOTS, O_SHOWN, O_BORN, O_BORN_SEQ, O_MID2,
 O_FLAGS, O_DISPLAY, O_NEXT_HASH, O_NEXT, O_BEFORE, O_CELL, O_FILLED) = words(18)  # fmt: skip
ORDER_WORDS = 18
F_HIDDEN, F_WAITING = 1, 2

# Buckets of 10 s, of cells and books alike.
BUCKET_NS = 10 * 10**9
BUCKETS = 36
(K_ID, K_BUY_TOOK, K_SELL_TOOK, K_BUY_LOTS, K_SELL_LOTS, K_BUY_VALUE, K_SELL_VALUE, K_MOVE, K_UP,
 K_DOWN, K_COUNTS, K_MIDDLE) = words(12)  # fmt: skip
DOWN_BITS = 32
"""K_COUNTS: how many moves went up, and from this bit on how many went down.  K_MIDDLE, of books:
twice the mid before the bucket's first trade."""
BUCKET_WORDS = 12
BUCKET_BYTES = BUCKET_WORDS * WORD

# A book.
LEGS = 64
LEG_WORDS = 8
(L_NS, L_SEQ, L_SELLER, L_BUYER, L_LOTS, L_PRICE, L_USED, L_WHO) = words(LEG_WORDS)
MINUTES = 5
(B_CAUSE, B_BID, B_ASK, B_LAST, B_STEP, B_PHASE, B_OPENED, B_REF, B_LEG_COUNT, B_CELL_HEAD,
 B_LEVEL_AT, B_LEVEL_ROOM, B_LEVEL_COUNT) = words(13)  # fmt: skip
B_ASK_LEVELS = 3 * WORD
"""From the words of the bids' levels to the asks'."""
(B_LEVERAGED, B_MULTIPLIER, B_VOLUME_ID, B_VOLUME, B_LEG_HOUR, B_HOUR_LEGS, B_TAKER, B_TAKER_WHO,
 B_TAKER_SIDE, B_TAKER_NS, B_TAKER_SEQ, B_TAKER_MIDDLE,
 B_VOLUME_BEFORE) = words(13, 16)  # fmt: skip
B_MINUTES = 29 * WORD
"""MINUTES times: id, orders, lots."""
B_LEGS = B_MINUTES + MINUTES * 3 * WORD
B_BUCKETS = B_LEGS + LEGS * LEG_WORDS * WORD
BOOK_WORDS = B_BUCKETS // WORD + BUCKETS * BUCKET_WORDS
BOOK_BYTES = BOOK_WORDS * WORD
LEVEL_BYTES = 2 * WORD

# A cell.
(C_OWNER, C_INSTRUMENT, C_NEXT_HASH, C_NEXT_CELL, C_OPEN, C_SECOND, C_ENTERED, C_GONE, C_TRADED,
 C_TOLD_SECOND, C_FLEETING_ID, C_FLEETING_ENTERED, C_FLEETING_GONE, C_FLEETING_TRADES, C_DAY,
 C_DAY_ORDERS, C_DAY_TRADES, C_DAY_NEXT, C_FLEETING_TOLD, C_LEG_HOUR, C_LEGS_SOLD,
 C_LEGS_BOUGHT) = words(22)  # fmt: skip
C_TOLD_AT = 24 * WORD
"""When each kind (0 to 7) was told last."""
TOLD_IGNITION, TOLD_RAMP, TOLD_CROSS = range(3)
C_CANDIDATES = 32 * WORD
(D_NS, D_SEQ, D_LOTS, D_PRICES, D_WITHDRAWN, D_GAIN, D_FILLED, D_FILL_SEQ, D_FIRST_SEQ,
 D_FIRST_NS, D_ORDERS, D_HIT) = words(12)  # fmt: skip
CANDIDATE_BYTES = 12 * WORD
C_VOLUME = 56 * WORD
"""id of the window, its lots, whether it was told, how many before it; VOLUMES windows' lots."""
VOLUMES = 12
(V_ID, V_LOTS, V_TOLD, V_COUNT, V_RING) = words(5, 56)
C_BUCKETS = 80 * WORD
CELL_WORDS = 80 + BUCKETS * BUCKET_WORDS
CELL_BYTES = CELL_WORDS * WORD

# A repeat.
REPEAT_RING = 8
R_KEY, R_COUNT = words(2)
R_TIMES, R_SEQS, R_GAINS, R_LOTS = 2 * WORD, 10 * WORD, 18 * WORD, 26 * WORD
REPEAT_WORDS = 34
HOUR_COUNT = -1
"""R_COUNT of a row that counts one pair's legs of an hour: the hour and how many are R_TIMES and
R_SEQS."""
REPEAT_BYTES = REPEAT_WORDS * WORD

# A client order that was declared, and what an owner traded around it.
(T_BROKER, T_CLIENT, T_INSTRUMENT, T_SIDE, T_LOTS, T_KNOWN, T_ENTERED, T_ENTERED_SEQ) = words(8)
CLIENT_BYTES = 8 * WORD
(S_KEY, S_AHEAD, S_AHEAD_VALUE, S_TURNED, S_TURNED_VALUE, S_FIRST_SEQ, S_FIRST_NS,
 S_TOLD) = words(8)  # fmt: skip
SIDE_BYTES = 8 * WORD

CASH_PARTICIPANTS = 65_536
(M_CASH, M_TOLD) = words(2)
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
"""What a detector found: when and at which command it was seen (``ts_ns``, ``seq``) and began,
whose it was (the first ``members`` of ``participants``), lots, how far prices moved and what it
gained at the mid before (half ticks times lots), how often it was seen, and commands that show it
(0: none); ``number`` from 1."""
HIT_BYTES = HIT_DTYPE.itemsize
(H_TS, H_FIRST, H_SEQ, H_FIRST_SEQ, H_WHAT, H_WHO, H_WHO2, H_LOTS, H_MOVE, H_GAIN, H_REPEATS,
 H_EVIDENCE) = words(12)  # fmt: skip
H_NUMBER = H_EVIDENCE + EVIDENCE * WORD
assert HIT_BYTES == H_NUMBER + WORD == 128
