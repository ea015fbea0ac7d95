"""The memory of a receiver's book: orders, levels, instruments, and two tables to find them by.

Rows are named by their numbers, from 1, so that a larger memory takes them over as they stand.
"""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64

(
    ORDERS, ORDER_FREE, ORDERS_USED, ORDER_CAPACITY, ORDER_TABLE, ORDER_MASK,
    LEVELS, LEVEL_FREE, LEVELS_USED, LEVEL_CAPACITY, LEVEL_TABLE, LEVEL_MASK,
    INSTRUMENTS,
    ERROR, ERROR_AT,
    MESSAGES, OPEN,
    NOW,
) = range(0, 8 * 18, 8)  # fmt: skip
"""MESSAGES: taken in so far; OPEN: displayed orders; NOW: ns since midnight of the last message."""
HEADER_BYTES = 256

REF, PRICE, SHARES, LEVEL, BEHIND, BEFORE = range(0, 48, 8)
ORDER_BYTES = 48
"""An order: LEVEL, BEHIND and BEFORE (in its queue) are numbers of rows; BEHIND also links free
rows."""
KEY, TOTAL, COUNT, FIRST, LAST, WORSE, BETTER = range(0, 56, 8)
LEVEL_BYTES = 56
"""A level: its KEY is locate, side and price; WORSE also links free rows."""
SYMBOL, BEST_BID, BEST_ASK, STATE, LAST_PRICE, LAST_SHARES, VOLUME, TRADES, TURNOVER = range(
    0, 72, 8
)
PAIRED, IMBALANCE, DIRECTION, NEAR_PRICE, REASON = range(72, 112, 8)
INSTRUMENT_BYTES = 112
"""STATE and REASON: of the last H; TURNOVER: sum of price times shares, wrapping at 2**64."""
SIDE_BIT, LOCATE_SHIFT = 1 << 32, 33
"""Of a level's KEY: set for a bid; where the locate begins."""
MAX_LOCATE = 65_535

FULL, BAD_MESSAGE, UNKNOWN_ORDER, TWICE, TOO_MUCH = 1, 2, 3, 4, 5
"""ERROR: no room (the wrapper makes some); no message of ITCH 5.0 or not of its size; about an
order that is not there; an order that is there already; more shares than it has."""

ENTRY_BYTES = 16
"""Of a table: a key, 0 if the place is free, and a number."""


@kernel
def home_of(key: int, mask: int) -> int:
    # Four keys in a row share a cache line: numbers and prices that are near meet often.
    mixed = mul_wrapping(key >> 2 ^ (key >> 31 & 0x1FFFFFFFF), -0x61C8864680B583EB)
    return (mixed >> 32 << 2 | key & 3) & mask


@kernel
def place_of(table: int, mask: int, key: int) -> int:
    """Address of a key's entry, or of the free one where it would be."""
    place = home_of(key, mask)
    found = load_i64(table + ENTRY_BYTES * place)
    while found != 0 and found != key:
        place = (place + 1) & mask
        found = load_i64(table + ENTRY_BYTES * place)
    return table + ENTRY_BYTES * place


@kernel
def take_out(table: int, mask: int, entry: int) -> None:
    """Free an entry; what was pushed aside by it moves back."""
    hole = (entry - table) // ENTRY_BYTES
    at = (hole + 1) & mask
    key = load_i64(table + ENTRY_BYTES * at)
    while key != 0:
        if ((at - home_of(key, mask)) & mask) >= ((at - hole) & mask):
            store_i64(table + ENTRY_BYTES * hole, key)
            number = load_i64(table + ENTRY_BYTES * at + 8)
            store_i64(table + ENTRY_BYTES * hole + 8, number)
            hole = at
        at = (at + 1) & mask
        key = load_i64(table + ENTRY_BYTES * at)
    store_i64(table + ENTRY_BYTES * hole, 0)


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
def best_of(state: int, key: int) -> int:
    """Address of the number of the best level on a level's side."""
    row = instrument_row(state, key >> LOCATE_SHIFT)
    return row + (BEST_BID if key & SIDE_BIT else BEST_ASK)


@kernel
def new_level(state: int, key: int, entry: int) -> int:
    """The number of a new, empty level, linked in its place; it is sought from the best on."""
    number = load_i64(state + LEVEL_FREE)
    if number != 0:
        store_i64(state + LEVEL_FREE, load_i64(level_row(state, number) + WORSE))
    else:
        number = load_i64(state + LEVELS_USED) + 1
        store_i64(state + LEVELS_USED, number)
    store_i64(entry, key)
    store_i64(entry + 8, number)
    row = level_row(state, number)
    for at in range(0, LEVEL_BYTES, 8):
        store_i64(row + at, 0)
    store_i64(row + KEY, key)
    best = best_of(state, key)
    better, worse = 0, load_i64(best)
    while worse != 0:
        other = load_i64(level_row(state, worse) + KEY)
        if (other < key) == (key & SIDE_BIT != 0):
            break
        better, worse = worse, load_i64(level_row(state, worse) + WORSE)
    store_i64(row + BETTER, better)
    store_i64(row + WORSE, worse)
    if better != 0:
        store_i64(level_row(state, better) + WORSE, number)
    else:
        store_i64(best, number)
    if worse != 0:
        store_i64(level_row(state, worse) + BETTER, number)
    return number


@kernel
def drop_level(state: int, number: int) -> None:
    """Forget a level that has no order."""
    row = level_row(state, number)
    key = load_i64(row + KEY)
    better, worse = load_i64(row + BETTER), load_i64(row + WORSE)
    if better != 0:
        store_i64(level_row(state, better) + WORSE, worse)
    else:
        store_i64(best_of(state, key), worse)
    if worse != 0:
        store_i64(level_row(state, worse) + BETTER, better)
    table, mask = load_i64(state + LEVEL_TABLE), load_i64(state + LEVEL_MASK)
    take_out(table, mask, place_of(table, mask, key))
    store_i64(row + WORSE, load_i64(state + LEVEL_FREE))
    store_i64(state + LEVEL_FREE, number)
