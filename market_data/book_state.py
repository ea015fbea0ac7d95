"""The memory of a receiver's book: orders, levels, instruments, and two tables to find them by.

Rows are named by their numbers, from 1, so that a larger memory takes them over as they stand.
"""

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, load_u32, mul_wrapping, store_i64, store_u32

(
    ORDERS, ORDER_FREE, ORDERS_USED, ORDER_CAPACITY, ORDER_TABLE, ORDER_MASK,
    LEVELS, LEVEL_FREE, LEVELS_USED, LEVEL_CAPACITY, LEVEL_TABLE, LEVEL_MASK,
    INSTRUMENTS,
    ERROR, ERROR_AT,
    MESSAGES, OPEN,
    NOW,
    HINTS,
    LEVEL_1, LEVEL_2, LEVEL_3, BREACHED,
) = range(0, 8 * 23, 8)  # fmt: skip
"""MESSAGES: taken in so far; OPEN: displayed orders; NOW: ns since midnight of the last message;
LEVEL_*: of the last V; BREACHED: the letter of the last W, 0: there was none."""
HEADER_BYTES = 256

REF, SHARES, LEVEL, BEHIND, BEFORE, PRICE = 0, 8, 12, 16, 20, 24
ORDER_BYTES = 32
"""An order: REF is a u64, all else u32, two orders a cache line; LEVEL, BEHIND and BEFORE (in its
queue) are numbers of rows; BEHIND also links free rows."""
KEY, TOTAL, COUNT, FIRST, LAST, WORSE, BETTER = range(0, 56, 8)
LEVEL_BYTES = 64
"""A level: its KEY is locate, side and price; WORSE also links free rows."""
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
"""Of a level's KEY: set for a bid; where the locate begins."""
MAX_LOCATE = 65_535

FULL, BAD_MESSAGE, UNKNOWN_ORDER, TWICE, TOO_MUCH, BEGINS = 1, 2, 3, 4, 5, 6
"""ERROR: no room (the wrapper makes some); no message of ITCH 5.0 or not of its size; about an
order that is not there; an order that is there already; more shares than it has; another session
begins (the wrapper empties the book)."""

ENTRY_BYTES = 16
"""Of a table: a key, 0 if the place is free, and a number."""


HINT_SHIFTS = (4, 9, 14)
HINTS_EACH = 1 << 12
"""Where a new level's place is sought from: for prices that agree but for so many low bits, a level
that there was; so many numbers (u32) for each shift.  Levels of a book that is deep and changes far
from its best would else be walked over one by one (measured: 36 a message)."""


@kernel
def hint_at(state: int, which: int, key: int, shift: int) -> int:
    mixed = mul_wrapping(key >> shift, -0x61C8864680B583EB) >> 40
    return load_i64(state + HINTS) + 4 * (HINTS_EACH * which + (mixed & (HINTS_EACH - 1)))


@kernel
def home_of(key: int, mask: int) -> int:
    # Four keys in a row share two cache lines, as they meet often, and a free place behind each
    # ends most searches and removals at once.
    mixed = mul_wrapping(key >> 2 ^ (key >> 31 & 0x1FFFFFFFF), -0x61C8864680B583EB)
    return (mixed >> 32 << 3 | (key & 3) << 1) & mask


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
    if VERIFY:
        gone = load_i64(entry)
        assert gone != 0, "a free entry has no key to take out"
        assert 0 <= hole <= mask, "the entry lies in the table"
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
    if VERIFY:
        assert load_i64(place_of(table, mask, gone)) == 0, "what is taken out is found no more"


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
def sought(state: int, key: int) -> int:
    """The level behind which that of ``key``, which is none yet, stands; 0: it is the best.  From
    the nearest hint there is."""
    at, is_bid = load_i64(best_of(state, key)), key & SIDE_BIT != 0
    for which in range(len(HINT_SHIFTS)):
        shift = HINT_SHIFTS[which]
        number = load_u32(hint_at(state, which, key, shift))
        row = level_row(state, number)
        # A row that is free, or another level's by now, may stand there too.
        if (
            number != 0
            and load_i64(row + COUNT) != 0
            and load_i64(row + KEY) >> shift == key >> shift
        ):
            at = number
            break
    better = 0
    if at != 0 and (load_i64(level_row(state, at) + KEY) < key) == is_bid:
        # It is worse: the place is on the way to the best.
        better = load_i64(level_row(state, at) + BETTER)
        while better != 0 and (load_i64(level_row(state, better) + KEY) < key) == is_bid:
            better = load_i64(level_row(state, better) + BETTER)
        return better
    while at != 0 and (load_i64(level_row(state, at) + KEY) < key) != is_bid:
        better, at = at, load_i64(level_row(state, at) + WORSE)
    return better


@kernel
def new_level(state: int, key: int, entry: int) -> int:
    """The number of a new, empty level, linked in its place."""
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
    better = sought(state, key)
    worse = load_i64(level_row(state, better) + WORSE) if better != 0 else load_i64(best)
    if VERIFY:
        is_bid = key & SIDE_BIT != 0
        assert number <= load_i64(state + LEVEL_CAPACITY), "a level for each order at most"
        assert better == 0 or (load_i64(level_row(state, better) + KEY) > key) == is_bid
        assert worse == 0 or (load_i64(level_row(state, worse) + KEY) < key) == is_bid
    store_i64(row + BETTER, better)
    store_i64(row + WORSE, worse)
    if better != 0:
        store_i64(level_row(state, better) + WORSE, number)
    else:
        store_i64(best, number)
    if worse != 0:
        store_i64(level_row(state, worse) + BETTER, number)
    for which in range(len(HINT_SHIFTS)):
        store_u32(hint_at(state, which, key, HINT_SHIFTS[which]), number)
    return number


@kernel
def drop_level(state: int, number: int) -> None:
    """Forget a level that has no order."""
    row = level_row(state, number)
    key = load_i64(row + KEY)
    better, worse = load_i64(row + BETTER), load_i64(row + WORSE)
    if VERIFY:
        assert load_i64(row + COUNT) == 0, "a level that goes has no order"
        assert load_i64(row + TOTAL) == 0, "and no shares"
        assert load_i64(row + FIRST) == 0, "and its queue is empty"
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
