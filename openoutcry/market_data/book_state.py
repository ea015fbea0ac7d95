"""The memory of a receiver's book: orders, levels, instruments, and two tables to find them by.

Rows are named by their numbers, from 1, so that a larger memory takes them over unchanged.
"""

from openoutcry.wire.feed_messages import SYMBOL_BYTES
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, area, i64, u32
from openoutcry.wire.memory import load_i64, load_u32, mul_wrapping, store_u32


class BookHeader(Layout, size_bytes=256):
    """The header of a receiver's book."""

    orders: int = i64("address of the orders' rows")
    order_free: int = i64("first free row, 0: none")
    orders_used: int = i64("rows used so far")
    order_capacity: int = i64("rows that there are")
    order_table: int = i64("address of the hash table of orders")
    order_mask: int = i64("its entries, less one")
    levels: int = i64("address of the levels' rows")
    level_free: int = i64("first free row, 0: none")
    levels_used: int = i64("rows used so far")
    level_capacity: int = i64("rows that there are")
    level_table: int = i64("address of the hash table of levels")
    level_mask: int = i64("its entries, less one")
    instruments: int = i64("address of the instruments' rows")
    error: int = i64("FULL to BEGINS, 0: none")
    error_at: int = i64("message that it came with")
    messages: int = i64("messages taken so far")
    open: int = i64("displayed orders")
    now: int = i64("time of the last message, ns since midnight")
    nodes: int = i64("address of the nodes of the levels' order (``book_levels.py``)")
    node_mask: int = i64("their number, less one")
    node_count: int = i64("nodes in use")
    level_1: int = i64("level 1 of the market-wide breaker, of the last V,")
    level_2: int = i64("level 2")
    level_3: int = i64("and level 3")
    breached: int = i64("letter of the last W, 0 before the first")
    directory: int = i64("address of what o says of the instruments")
    tape: int = i64("address of the last trades, 0: they are not kept")
    tape_mask: int = i64("their rows, less one")
    tape_count: int = i64("trades so far")


class TapeRow(Layout, size_bytes=64):
    """A trade, as the tape has it."""

    locate: int = i64("of its instrument")
    price: int = i64("as in the message")
    shares: int = i64("traded")
    match: int = i64("number of the trade")
    time_ns: int = i64("ns since midnight")


TAPE_ROW_BYTES = TapeRow.size_bytes


HEADER_BYTES = BookHeader.size_bytes


class BookOrder(Layout, size_bytes=32):
    """An order; two a cache line."""

    ref: int = i64("its reference number, a u64")
    shares: int = u32("displayed shares")
    level: int = u32("number of its level")
    behind: int = u32("number of the next order in its queue; links free rows too")
    before: int = u32("number of the order before it")
    price: int = u32("price")


ORDER_BYTES = BookOrder.size_bytes
SHARES = BookOrder.offset("shares")
BEHIND = BookOrder.offset("behind")
BEFORE = BookOrder.offset("before")


class BookLevel(Layout, size_bytes=64):
    """A level."""

    key: int = i64("locate, side and rank")
    total: int = i64("shares")
    count: int = i64("orders")
    first: int = u32("number of its first order")
    last: int = u32("number of its last order")
    worse: int = u32("number of the next worse level; links free rows too")
    better: int = u32("number of the next better level")


LEVEL_BYTES = BookLevel.size_bytes
FIRST = BookLevel.offset("first")
LAST = BookLevel.offset("last")
WORSE = BookLevel.offset("worse")


class BookInstrument(Layout, size_bytes=176):
    """An instrument."""

    symbol: int = i64("its symbol, eight characters")
    best_bid: int = i64("number of the best bid's level, 0: none")
    best_ask: int = i64("number of the best ask's level, 0: none")
    state: int = i64("trading state of the last H")
    last_price: int = i64("price of the last trade")
    last_shares: int = i64("its shares")
    volume: int = i64("shares traded")
    trades: int = i64("trades")
    turnover: int = i64("sum of price times shares, wrapping at 2**64")
    paired: int = i64("of the last I: paired shares,")
    imbalance: int = i64("imbalance,")
    direction: int = i64("its direction")
    near_price: int = i64("and near price")
    reason: int = i64("reason of the last H")
    open_price: int = i64("price of the first trade")
    high: int = i64("highest price of all trades so far")
    low: int = i64("lowest price of all trades so far")
    stopped: int = i64("action of the last h")
    collar_reference: int = i64("of the last J: reference,")
    collar_upper: int = i64("upper bound,")
    collar_lower: int = i64("lower bound; 0 after another H")
    extension: int = i64("and the auction's extension")


INSTRUMENT_BYTES = BookInstrument.size_bytes
BEST_BID = BookInstrument.offset("best_bid")
BEST_ASK = BookInstrument.offset("best_ask")


class BookDirectory(Layout, size_bytes=40):
    """Data of an instrument in the order book directory."""

    price_decimals: int = i64("decimals of its prices, plus 1; 0: not announced")
    symbol: int = area(SYMBOL_BYTES, "its symbol, padded with spaces")


DIRECTORY_BYTES = BookDirectory.size_bytes
DIRECTORY_SYMBOL = BookDirectory.offset("symbol")

SIDE_BIT, LOCATE_SHIFT = 1 << 32, 33
"""Parts of a level's KEY: the bit that is set for a bid, and where the locate begins. A better
price has a higher rank."""
MAX_PRICE = 2**32 - 1
MAX_LOCATE = 65_535

FULL, BAD_MESSAGE, UNKNOWN_ORDER, TWICE, TOO_MUCH, BEGINS = 1, 2, 3, 4, 5, 6
"""Values of ERROR: there is no room (the wrapper makes some); the message is not of ITCH 5.0, or
has another size.  The order is unknown, exists already, or has fewer shares.  With BEGINS another
session begins, and the wrapper empties the book."""

PLACE_BYTES = 4
"""Size of a place in a table: the number of a row, 0 if the place is free. A row begins with its
key."""


@kernel
def key_of(locate: int, is_buy: int, price: int) -> int:
    """A level's KEY.  Of two levels of a side the better one has the higher."""
    if is_buy:
        return locate << LOCATE_SHIFT | SIDE_BIT | price
    return locate << LOCATE_SHIFT | (MAX_PRICE - price)


@kernel
def price_of(key: int) -> int:
    """Return the price of a level's key, which has the side as well."""
    rank = key & MAX_PRICE
    return rank if key & SIDE_BIT else MAX_PRICE - rank


@kernel
def home_of(key: int, mask: int) -> int:
    """Return where the search for a key begins."""
    # Sixteen keys in a row share two cache lines, as they meet often, and a free place after each
    # ends most searches and removals at once.
    mixed = mul_wrapping(key >> 4 ^ (key >> 33 & 0x7FFFFFFF), -0x61C8864680B583EB)
    return (mixed >> 32 << 5 | (key & 15) << 1) & mask


@kernel
def place_of(table: int, mask: int, rows: int, row_bytes: int, key: int) -> int:
    """Address of the place of a key's row, or of the free one where it would be. Addresses:
    ``table`` of the hash table, ``rows`` of the rows, each beginning with its key."""
    place = home_of(key, mask)
    number = load_u32(table + PLACE_BYTES * place)
    while number != 0 and load_i64(rows + row_bytes * number) != key:
        place = (place + 1) & mask
        number = load_u32(table + PLACE_BYTES * place)
    return table + PLACE_BYTES * place


@kernel
def take_out(table: int, mask: int, rows: int, row_bytes: int, entry: int) -> None:
    """Free a place; what was pushed aside by it moves back. ``entry``: its address; the others as
    in :func:`place_of`."""
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
def order_row(state: BookHeader, number: int) -> BookOrder:
    """Return an order's row, by its number."""
    return BookOrder(state.orders + ORDER_BYTES * number)


@kernel
def level_row(state: BookHeader, number: int) -> BookLevel:
    """Return a level's row, by its number."""
    return BookLevel(state.levels + LEVEL_BYTES * number)


@kernel
def instrument_row(state: BookHeader, locate: int) -> BookInstrument:
    """Return an instrument's row, by its locate code."""
    return BookInstrument(state.instruments + INSTRUMENT_BYTES * locate)


@kernel
def order_place(state: BookHeader, ref: int) -> int:
    """Return the address of the table entry that has, or would have, an order's reference."""
    table, mask = state.order_table, state.order_mask
    return place_of(table, mask, state.orders, ORDER_BYTES, ref)


@kernel
def level_place(state: BookHeader, key: int) -> int:
    """Return the address of the table entry that has, or would have, a level's key."""
    table, mask = state.level_table, state.level_mask
    return place_of(table, mask, state.levels, LEVEL_BYTES, key)
