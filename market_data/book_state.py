"""The memory of a receiver's book: orders, levels, instruments, and two tables to find them by.

Rows are named by their numbers, from 1, so that a larger memory takes them over as they stand.
"""

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, load_u32, mul_wrapping, store_u32

(
    ORDERS, ORDER_FREE, ORDERS_USED, ORDER_CAPACITY, ORDER_TABLE, ORDER_MASK,
    LEVELS, LEVEL_FREE, LEVELS_USED, LEVEL_CAPACITY, LEVEL_TABLE, LEVEL_MASK,
    INSTRUMENTS,
    ERROR, ERROR_AT,
    MESSAGES, OPEN,
    NOW,
    NODES, NODE_MASK, NODE_COUNT,
    LEVEL_1, LEVEL_2, LEVEL_3, BREACHED,
) = range(0, 8 * 25, 8)  # fmt: skip
"""MESSAGES: taken in so far; OPEN: displayed orders; NOW: ns since midnight of the last message;
NODES: of the levels' order (``book_levels.py``); LEVEL_*: of the last V; BREACHED: the letter of
the last W, 0: there was none."""
HEADER_BYTES = 256

REF, SHARES, LEVEL, BEHIND, BEFORE, PRICE = 0, 8, 12, 16, 20, 24
ORDER_BYTES = 32
"""An order: REF is a u64, all else u32, two orders a cache line; LEVEL, BEHIND and BEFORE (in its
queue) are numbers of rows; BEHIND also links free rows."""
KEY, TOTAL, COUNT, FIRST, LAST, WORSE, BETTER = 0, 8, 16, 24, 28, 32, 36
LEVEL_BYTES = 64
"""A level: its KEY is locate, side and rank, TOTAL and COUNT are int64, all else numbers of rows
(u32); WORSE also links free rows."""
SYMBOL, BEST_BID, BEST_ASK, STATE, LAST_PRICE, LAST_SHARES, VOLUME, TRADES, TURNOVER = range(
    0, 72, 8
)
PAIRED, IMBALANCE, DIRECTION, NEAR_PRICE, REASON, OPEN_PRICE, HIGH, LOW = range(72, 136, 8)
STOPPED, COLLAR_REFERENCE, COLLAR_UPPER, COLLAR_LOWER, EXTENSION = range(136, 176, 8)
INSTRUMENT_BYTES = 176
"""STATE and REASON: of the last H; OPEN_PRICE, HIGH and LOW: of all trades so far; TURNOVER: sum of
price times shares, wrapping at 2**64; STOPPED: the action of the last h; COLLAR_* and EXTENSION: of
the last J, 0 behind another H."""
SIDE_BIT, LOCATE_SHIFT = 1 << 32, 33
"""Of a level's KEY: set for a bid; where the locate begins.  A better price has a higher rank."""
MAX_PRICE = 2**32 - 1
MAX_LOCATE = 65_535

FULL, BAD_MESSAGE, UNKNOWN_ORDER, TWICE, TOO_MUCH, BEGINS = 1, 2, 3, 4, 5, 6
"""ERROR: no room (the wrapper makes some); no message of ITCH 5.0 or not of its size; about an
order that is not there; an order that is there already; more shares than it has; another session
begins (the wrapper empties the book)."""

PLACE_BYTES = 4
"""Of a table: the number of a row, 0 if the place is free.  A row begins with its key."""


@kernel
def key_of(locate: int, is_buy: int, price: int) -> int:
    """A level's KEY.  Of two levels of a side the better one has the higher."""
    if is_buy:
        return locate << LOCATE_SHIFT | SIDE_BIT | price
    return locate << LOCATE_SHIFT | (MAX_PRICE - price)


@kernel
def price_of(key: int) -> int:
    rank = key & MAX_PRICE
    return rank if key & SIDE_BIT else MAX_PRICE - rank


@kernel
def home_of(key: int, mask: int) -> int:
    """Where the search for a key begins."""
    # Sixteen keys in a row share two cache lines, as they meet often, and a free place behind each
    # ends most searches and removals at once.
    mixed = mul_wrapping(key >> 4 ^ (key >> 33 & 0x7FFFFFFF), -0x61C8864680B583EB)
    return (mixed >> 32 << 5 | (key & 15) << 1) & mask


@kernel
def place_of(table: int, mask: int, rows: int, row_bytes: int, key: int) -> int:
    """Address of the place of a key's row, or of the free one where it would be."""
    place = home_of(key, mask)
    number = load_u32(table + PLACE_BYTES * place)
    while number != 0 and load_i64(rows + row_bytes * number) != key:
        place = (place + 1) & mask
        number = load_u32(table + PLACE_BYTES * place)
    return table + PLACE_BYTES * place


@kernel
def take_out(table: int, mask: int, rows: int, row_bytes: int, entry: int) -> None:
    """Free a place; what was pushed aside by it moves back."""
    hole = (entry - table) // PLACE_BYTES
    if VERIFY:
        gone = load_i64(rows + row_bytes * load_u32(entry))
        assert load_u32(entry) != 0, "a free place has no row to take out"
        assert 0 <= hole <= mask, "the place lies in the table"
    at = (hole + 1) & mask
    number = load_u32(table + PLACE_BYTES * at)
    while number != 0:
        home = home_of(load_i64(rows + row_bytes * number), mask)
        if ((at - home) & mask) >= ((at - hole) & mask):
            store_u32(table + PLACE_BYTES * hole, number)
            hole = at
        at = (at + 1) & mask
        number = load_u32(table + PLACE_BYTES * at)
    store_u32(table + PLACE_BYTES * hole, 0)
    if VERIFY:
        free = place_of(table, mask, rows, row_bytes, gone)
        assert load_u32(free) == 0, "what is taken out is found no more"


@kernel
def order_row(state: int, number: int) -> int:
    return load_i64(state + ORDERS) + ORDER_BYTES * number


@kernel
def level_row(state: int, number: int) -> int:
    return load_i64(state + LEVELS) + LEVEL_BYTES * number


@kernel
def instrument_row(state: int, locate: int) -> int:
    return load_i64(state + INSTRUMENTS) + INSTRUMENT_BYTES * locate


@kernel
def order_place(state: int, ref: int) -> int:
    table, mask = load_i64(state + ORDER_TABLE), load_i64(state + ORDER_MASK)
    return place_of(table, mask, load_i64(state + ORDERS), ORDER_BYTES, ref)


@kernel
def level_place(state: int, key: int) -> int:
    table, mask = load_i64(state + LEVEL_TABLE), load_i64(state + LEVEL_MASK)
    return place_of(table, mask, load_i64(state + LEVELS), LEVEL_BYTES, key)
