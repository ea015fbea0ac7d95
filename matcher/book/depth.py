"""Look at a book without changing it: what is displayed."""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.levels import (
    book_addr,
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u32, store_i64


@kernel
def fill_best(arena: int, instrument: int, out: int) -> None:
    """Write six int64 at ``out``: for bids, then asks, whether there is an order, the best price
    and the quantity there (both 0 where there is none)."""
    for side in range(2):
        book = instrument << 4 | layout.DISPLAYED | side
        level = load_u32(book_addr(arena, book) + layout.BOOK_BEST_LEVEL)
        at = out + side * 24
        store_i64(at, 0)
        store_i64(at + 8, 0)
        store_i64(at + 16, 0)
        if level != 0:
            store_i64(at, 1)
            store_i64(
                at + 8, load_i64(book_addr(arena, book) + layout.BOOK_BEST_KEY) ^ key_flip(book)
            )
            store_i64(at + 16, load_i64(level_addr(arena, level) + layout.LEVEL_TOTAL))


@kernel
def fill_depth(arena: int, instrument: int, side: int, levels: int, out: int) -> int:
    """Write price, quantity and order count (three int64) of up to ``levels`` levels, best first,
    at ``out``; returns how many.  ``side``: 0 for bids, 1 for asks."""
    book = instrument << 4 | layout.DISPLAYED | side
    level = load_u32(book_addr(arena, book) + layout.BOOK_BEST_LEVEL)
    count = 0
    while level != 0 and count < levels:
        at = out + count * 24
        queue = level_addr(arena, level)
        store_i64(at, level_key(arena, level) ^ key_flip(book))
        store_i64(at + 8, load_i64(queue + layout.LEVEL_TOTAL))
        orders = 0
        slot = load_u32(queue + layout.LEVEL_HEAD)
        while slot != 0:
            orders += 1
            slot = load_u32(slot_addr(arena, slot) + layout.SLOT_NEXT)
        store_i64(at + 16, orders)
        count += 1
        level = next_level(arena, level)
    return count
