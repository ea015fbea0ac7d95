"""Look at a book without changing it, and put one back as it was."""

from openoutcry.matcher.arena import (
    BOOK_BEST_KEY,
    BOOK_BEST_LEVEL,
    BOOKS_EACH,
    DISPLAYED,
    LEVEL_HEAD,
    LEVEL_TOTAL,
    SLOT_ID,
    SLOT_NEXT,
    SLOT_OWNER,
    SLOT_QTY,
)
from openoutcry.matcher.constants import ACCEPT, BUY
from openoutcry.matcher.ids import find_id
from openoutcry.matcher.kernels import refuse_rest
from openoutcry.matcher.levels import (
    book_addr,
    find_page,
    join_level,
    key_flip,
    level_addr,
    level_key,
    next_level,
    page_number,
    slot_addr,
)
from openoutcry.matcher.orders import open_order
from openoutcry.matcher.snapshot import (
    ROW_BYTES,
    ROW_FLAGS,
    ROW_ID,
    ROW_INSTRUMENT,
    ROW_PARTICIPANT,
    ROW_PRICE,
    ROW_QTY,
    ROW_SIDE,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    store_i64,
    store_u8,
    store_u16,
)


@kernel
def fill_best(arena: int, instrument: int, out: int) -> None:
    """Write six int64 at ``out``: for bids, then asks, whether there is an order, the best price
    and the quantity there (both 0 where there is none)."""
    for side in range(2):
        book = instrument * BOOKS_EACH + DISPLAYED + side
        level = load_u32(book_addr(arena, book) + BOOK_BEST_LEVEL)
        at = out + side * 24
        store_i64(at, 0)
        store_i64(at + 8, 0)
        store_i64(at + 16, 0)
        if level != 0:
            store_i64(at, 1)
            store_i64(at + 8, load_i64(book_addr(arena, book) + BOOK_BEST_KEY) ^ key_flip(book))
            store_i64(at + 16, load_i64(level_addr(arena, level) + LEVEL_TOTAL))


@kernel
def fill_depth(arena: int, book: int, levels: int, out: int) -> int:
    """Write price, quantity and order count (three int64) of up to ``levels`` levels, best first,
    at ``out``; returns how many."""
    level = load_u32(book_addr(arena, book) + BOOK_BEST_LEVEL)
    count = 0
    while level != 0 and count < levels:
        at = out + count * 24
        queue = level_addr(arena, level)
        store_i64(at, level_key(arena, level) ^ key_flip(book))
        store_i64(at + 8, load_i64(queue + LEVEL_TOTAL))
        orders = 0
        slot = load_u32(queue + LEVEL_HEAD)
        while slot != 0:
            orders += 1
            slot = load_u32(slot_addr(arena, slot) + SLOT_NEXT)
        store_i64(at + 16, orders)
        count += 1
        level = next_level(arena, level)
    return count


@kernel
def save_orders(arena: int, instrument_count: int, out: int) -> int:
    """Write every open order as a snapshot row at ``out``: by instrument, bids then asks, best
    level first, queue order.  Returns how many."""
    count = 0
    for index in range(2 * instrument_count):
        book = (index >> 1) * BOOKS_EACH + DISPLAYED + (index & 1)
        level = load_u32(book_addr(arena, book) + BOOK_BEST_LEVEL)
        while level != 0:
            price = level_key(arena, level) ^ key_flip(book)
            slot = load_u32(level_addr(arena, level) + LEVEL_HEAD)
            while slot != 0:
                order = slot_addr(arena, slot)
                row = out + count * ROW_BYTES
                store_i64(row + ROW_PRICE, price)
                store_i64(row + ROW_ID, load_i64(order + SLOT_ID))
                store_i64(row + ROW_QTY, load_i64(order + SLOT_QTY))
                store_u16(row + ROW_INSTRUMENT, book >> 4)
                store_u16(row + ROW_PARTICIPANT, load_u32(order + SLOT_OWNER) & 0xFFFF)
                store_u8(row + ROW_SIDE, (book & 1) + BUY)
                store_u8(row + ROW_FLAGS, (load_u32(order + SLOT_OWNER) >> 16) & 0xFF)
                store_u16(row + ROW_FLAGS + 1, 0)
                count += 1
                slot = load_u32(order + SLOT_NEXT)
            level = next_level(arena, level)
    return count


@kernel
def load_orders(arena: int, rows: int, count: int) -> int:
    """Rest ``count`` snapshot rows in an empty book with room for them.  Returns how many went
    in: fewer than ``count`` if a row repeats an id, overflows a level or needs a page too many."""
    for index in range(count):
        row = rows + index * ROW_BYTES
        order_id = load_i64(row + ROW_ID)
        qty = load_i64(row + ROW_QTY)
        instrument = load_u16(row + ROW_INSTRUMENT)
        book = instrument * BOOKS_EACH + DISPLAYED + load_u8(row + ROW_SIDE) - BUY
        key = load_i64(row + ROW_PRICE) ^ key_flip(book)
        page = find_page(arena, book, page_number(key))
        if find_id(arena, instrument, order_id) != 0:
            return index
        if refuse_rest(arena, book, page, key, qty, 0, True, True) != ACCEPT:
            return index
        owner = load_u16(row + ROW_PARTICIPANT) | load_u8(row + ROW_FLAGS) << 16
        slot = open_order(arena, instrument, order_id, owner)
        join_level(arena, book, page, key, slot, qty)
    return count
