"""Where things lie in the books, and the columns of a transaction.

header        addresses and counts, time, what was posted last, what went wrong
balances      128-bit integers: owner, asset, kind
instruments   a row each: what a lot costs, needs and is quoted in
participants  a row each: fee schedule, trading volume by day
cells         a participant's in an instrument: position, open lots, what they need
orders        every open order by (instrument, order id): open addressing, 4 words an entry
schedules     256 fee schedules of 8 tiers
"""

from enum import IntEnum

import numpy as np

WORD = 8


def _words(names: str) -> list[int]:
    """Byte offsets of consecutive words."""
    return [WORD * index for index in range(len(names.split()))]


(
    BALANCES_AT, INSTRUMENTS_AT, PARTICIPANTS_AT, CELLS_AT, ORDERS_AT, SCHEDULES_AT,
    PARTICIPANTS, INSTRUMENTS, ASSETS, ORDER_MASK, ORDERS_OPEN, TRACKS, NOW_NS, EVENT_SEQ, PART,
    CAUSE_SEQ, SCHEDULE_OF_ALL, ERROR, ERROR_SEQ, ENTRY_LEFT,
) = _words("x " * 20)  # fmt: skip
MONEY_NAMES, ENTRY, HEADER_WORDS = 24 * WORD, 32 * WORD, 40
ADDRESSES = 6
"""The first words, which another process has otherwise.  TRACKS 0: there is no risk in the core, so
nothing is reserved.  EVENT_SEQ: the last event that was posted; PART: how many transactions of it.
SCHEDULE_OF_ALL and each SCHEDULE: its number + 1; 0: none is named.  MONEY_NAMES: 8
words, the characters of each money's name.  ENTRY: of a command that waited at the core's speed
bump and enters what events say of it, as its record; ENTRY_LEFT: how many of its events are still
to come."""

BALANCE_BYTES = 16
MONEY_SLOTS = 8
"""Assets 0 to 7 are money, the others the instruments in their order."""

# An instrument's row.
(
    WORST_BUY, WORST_SELL, MULTIPLIER, FEE, MARGIN, LEVERAGED, QUOTE, INSTRUMENT_SCHEDULE, LAST,
    TOUCHED, SYMBOL,
) = _words("x " * 11)  # fmt: skip
INSTRUMENT_WORDS = 12
"""As of the core's risk.  QUOTE: which money.  TOUCHED: something was posted in it.  LAST: the last
price; NO_LAST: there is none."""
NO_LAST = 2**63 - 1

# A participant's row.
PARTICIPANT_SCHEDULE, DAY, VOLUME = _words("x x x")
VOLUMES = 8 * WORD
RING_DAYS = 31
PARTICIPANT_WORDS = 40
"""DAY: the last on which it traded; VOLUME: of the 30 days before that, 2**63 - 1 at most; VOLUMES:
of each day, by the day's number modulo 31."""

# A cell.
POSITION, BUY_LOTS, SELL_LOTS, COST, MARK, CELL_SCHEDULE = _words("x x x x x x")
CELL_WORDS = 8

# An open order, as the core's risk has it.
ORDER_ID, ORDER_META, ORDER_LEAVES, ORDER_PRICE = _words("x x x x")
ORDER_WORDS = 4
META_PARTICIPANT, META_SIDE, META_FLAGS = 16, 32, 40
PRICED_FLAG, PEG_FLAG = 1, 2

# A fee schedule.
MINIMUM, TIERS = 0, WORD
TIER_FROM, TIER_MAKER, TIER_TAKER = _words("x x x")
TIER_COUNT, TIER_WORDS, SCHEDULE_WORDS = 8, 3, 25
SCHEDULES = 256
UNUSED_TIER = -1
FEE_UNIT = 1_000_000
"""Rates are millionths: 100 are a basis point."""

DAY_NS = 86_400_000_000_000


class Kind(IntEnum):
    """What a transaction is."""

    PENDING = 1
    """An order is open: what it needs is reserved."""
    POSTED = 2
    """A fill: of what was reserved a part is spent."""
    VOIDED = 3
    """An order is gone without a trade: what it needed is available again."""
    CHANGED = 4
    """An open order needs something else."""
    DEPOSIT = 5
    POSITION = 6
    """Lots held at the beginning."""
    REPRICED = 7
    """The lot fee or the margin of an instrument is another: open orders need something else."""
    MARKED = 8
    """A leveraged position was brought to the last price."""
    DIVIDEND = 9
    """Money for lots held, from outside; who is short pays it."""
    SPLIT = 10
    """Other lots for lots held, from outside, and money for the fraction of one."""


class Error(IntEnum):
    """Why an event could not be posted."""

    NOTIONAL = 1
    ORDER = 2
    GAP = 3
    UNBALANCED = 4


MONEY_COLUMNS = (
    "available", "reserved", "margin", "fees_due", "fee_income", "clearing", "suspense", "outside",
)  # fmt: skip
"""Deltas of money: the participant's four accounts, then the venue's."""
LOT_COLUMNS = ("lots_available", "lots_reserved", "lots_clearing", "lots_outside")
"""Deltas of the instrument: the participant's accounts, then the venue's."""
TRANSACTION_DTYPE = np.dtype(
    [(name, "<i8") for name in (
        "event_seq", "part", "cause_seq", "ts_ns", "order_id", "contra_id", "price_ticks",
        "qty_lots", *MONEY_COLUMNS, *LOT_COLUMNS,
    )]
    + [("participant", "<u2"), ("instrument", "<u2"), ("asset", "u1"), ("kind", "u1"),
       ("side", "u1"), ("flags", "u1")]
)  # fmt: skip
"""A transaction: the postings of one participant by one event, a column an account.  Its key is
(event_seq, part); each of the two groups of deltas sums to 0."""
ROW_BYTES = TRANSACTION_DTYPE.itemsize
AT = {name: TRANSACTION_DTYPE.fields[name][1] for name in TRANSACTION_DTYPE.names or ()}  # type: ignore[index]
NO_INSTRUMENT = 65535
