"""The risk state: one block of bytes without addresses in it, all int64 words.

    header   counts, offsets, sequenced time, switches of the market, the last refusal; of a state
             in partitions (``partitions.py``) one more for each of them
    symbols  instrument by symbol: open addressing, 2 words an entry
    rows     a participant each, a group each, an instrument each
    cells    a participant's in an instrument: position, open orders' totals, limits
    orders   every open order by (instrument, order id): open addressing, 4 words an entry

Totals are kept: what a command needs to know lies in one participant's row, one group's, one
instrument's and one cell, whatever is open.
"""

from openoutcry.wire.order_ids import VENUE_ORDER_IDS

WORD = 8
MAGIC = int.from_bytes(b"OUTCRYRK", "little")


def _words(names: str, first: int = 0) -> list[int]:
    """Byte offsets of consecutive words."""
    return [WORD * (first + index) for index in range(len(names.split()))]


(
    MAGIC_AT, TRACKING, PARTICIPANTS, GROUPS, INSTRUMENTS, SYMBOL_MASK, ORDER_MASK, ORDERS_OPEN,
    SYMBOLS_AT, PARTICIPANT_AT, GROUP_AT, INSTRUMENT_AT, CELL_AT, ORDER_AT, NOW_NS, MARKET_KILL,
    FIRST_OPERATOR, REFUSED_SEQ, REFUSED_BITS, REFUSED_BIT, REFUSED_LIMIT, REFUSED_VALUE,
    REFUSED_ASKED, REFUSALS, FILE_DIGEST, EMERGENCY, PROTECTION_AT, PUBLICATION, PASSED,
    PARTS, PART_WHO, PART_INSTRUMENT, PART_QTY, PART_PRICE, BUMP_AT,
    PARTITIONS, STRIDE, MEET, MEETINGS, OWNED,
) = _words("x " * 40)  # fmt: skip
HEADER_BYTES = 40 * WORD
"""TRACKING 0: nothing is checked and nothing counted.  PROTECTION_AT: offset of ``guard_layout``'s
block, BUMP_AT of ``speed_bump``'s; 0: there is none.  PUBLICATION: counts what the gateway is told
(``publish``).
FIRST_OPERATOR: who asked first for the market's reopening.  REFUSED_*: of the last order refused:
command, bits, first bit, and of this one the limit, what stands against it now, and what it would
be.  PASSED, within a command: the totals hold what a NEW will be once it is open.  PARTS: how many
parts of liquidations there were; PART_WHO: whose next order is one, 0: nobody's, and of that one
the instrument, the lots (negative: sold) and the price; its order id is PART_IDS + PARTS.
Of a state in partitions: PARTITIONS, how many (0: it has none), STRIDE, bytes from a table of one
to that of the next, MEET, 1: the next command is a meeting, MEETINGS, how many there were (while
cores deal at the next, its number, negative), and in a partition's own header OWNED, 1: this core
decides about it."""
PART_IDS = VENUE_ORDER_IDS

# A participant's row.
(
    BALANCE, RESERVED, CREDIT, FLAGS, GROUP, OPEN, OPEN_LIMIT, DUPLICATE_NS,
    BUY_EXPOSURE, BUY_EXPOSURE_LIMIT, SELL_EXPOSURE, SELL_EXPOSURE_LIMIT, GROSS, GROSS_LIMIT,
    FULL_AT_NS, RATE_NS, RATE_BURST, PROFIT, PEAK, LOSS_LIMIT, DRAWDOWN_LIMIT, FUNDED, MARGINED,
    MAINTENANCE_BPS, KILLS, KILLED_SEQ, CALLED_SEQ,
) = _words("x " * 27)  # fmt: skip
PARTICIPANT_BYTES = 32 * WORD
"""RESERVED: what open orders need.  FULL_AT_NS: when the bucket of orders will be full again.
FUNDED: what was paid in, and what it held at the beginning; with PROFIT it is the participant's
equity.  MARGINED: the initial margin of what it holds.  KILLED_SEQ: the command that killed it
last, CALLED_SEQ: the one that took it under its maintenance margin."""
KILLED_BY_HOUSE, KILLED_BY_LOSS, KILLED_BY_ARITHMETIC, CANCEL_WANTED, NAMES_SELF_TRADE = (
    1, 2, 4, 8, 16,
)  # fmt: skip
KILLED_BY_MARGIN = 32
KILLED_FLAGS = KILLED_BY_HOUSE | KILLED_BY_LOSS | KILLED_BY_ARITHMETIC | KILLED_BY_MARGIN
"""CANCEL_WANTED: killed by the core itself, and its orders are still open: the operator's lane
sends its DISCONNECT, which clears it."""

# A group's.
GROUP_GROSS, GROUP_GROSS_LIMIT, GROUP_KILL, GROUP_NAME = _words("x x x x")
GROUP_BYTES = 4 * WORD

# An instrument's.
(
    WORST_BUY, WORST_SELL, BOUND, MULTIPLIER, FEE, MARGIN, LEVERAGED, WEIGHT, DISTANCE_BPS, ADV,
    ADV_BPS, REFERENCE, LAST, VOLUME, HALT, BAND_LOW, BAND_HIGH, BANDED, PRICE_LIMITED, PARTITION,
    MARKET_RESTS,
) = _words("x " * 21)  # fmt: skip
INSTRUMENT_BYTES = 24 * WORD
"""WORST_BUY, WORST_SELL: what a market order may have to pay or take; BOUND: the larger, without
sign.  BANDED: there are bands; PRICE_LIMITED: an order without a price has a worst one.  PARTITION:
its number, from 1; 0: the state has none.  MARKET_RESTS: a DAY market order may stay open, by the
instrument's options, or because the phase is a call; 0: it never does."""
RESTS_BY_OPTION, RESTS_IN_CALL = 1, 2

# A cell.
(
    POSITION, BUY_LOTS, SELL_LOTS, COST, MARK, CELL_FLAGS, LAST_BUY_PRICE, LAST_BUY_QTY,
    LAST_BUY_NS, LAST_SELL_PRICE, LAST_SELL_QTY, LAST_SELL_NS, LONG_LIMIT, SHORT_LIMIT, MAX_QTY,
    MAX_VALUE,
) = _words("x " * 16)  # fmt: skip
CELL_BYTES = 16 * WORD
"""COST: what its open orders could pay at their worst prices.  MARK: the price that PROFIT has the
position at.  LAST_*: the last order accepted of each side, for duplicates."""
RESTRICTED_FLAG, NO_SHORT_FLAG = 1, 2

# An open order.
ORDER_ID, ORDER_META, ORDER_LEAVES, ORDER_PRICE = _words("x x x x")
ORDER_BYTES = 4 * WORD
"""ORDER_META: instrument | participant << 16 | side << 32 | flags << 40; 0: a free entry."""
META_PARTICIPANT, META_SIDE, META_FLAGS = 16, 32, 40
PRICED_FLAG, PEG_FLAG = 1, 2

HASH_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
