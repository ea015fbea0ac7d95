"""Look at a book without changing it: what is displayed."""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.levels import (
    book_addr,
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import store_i64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES

INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - EVENT.offsets["participant"])
QUOTE_BYTES = 48


@kernel
def note_best(arena: ArenaHeader, quotes: int, events: int, count: int) -> None:
    """Keep the best displayed prices of the instruments that have events."""
    noted = NO_INSTRUMENT
    for index in range(count):
        word = EventRecord(events + index * RECORD_BYTES).word
        instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if instrument not in (noted, NO_INSTRUMENT):
            noted = instrument
            fill_best(arena, instrument, quotes + instrument * QUOTE_BYTES)


@kernel
def fill_best(arena: ArenaHeader, instrument: int, out: int) -> None:
    """Write six int64 at ``out``, three for bids and then three for asks.  They are: whether there
    is an order, the best price, and the quantity there (both 0 if the side is empty)."""
    for side in range(2):
        book = instrument << 4 | layout.DISPLAYED | side
        level = book_addr(arena, book).best_level
        at = out + side * 24
        store_i64(at, 0)
        Words(at)[1] = 0
        Words(at)[2] = 0
        if level != 0:
            store_i64(at, 1)
            Words(at)[1] = book_addr(arena, book).best_key ^ key_flip(book)
            Words(at)[2] = level_addr(arena, level).total


@kernel
def fill_depth(arena: ArenaHeader, instrument: int, side: int, levels: int, out: int) -> int:
    """Write price, quantity and order count (three int64) of up to ``levels`` levels, best first,
    at ``out``; returns how many.  ``side``: 0 for bids, 1 for asks."""
    book = instrument << 4 | layout.DISPLAYED | side
    level = book_addr(arena, book).best_level
    count = 0
    while level != 0 and count < levels:
        at = out + count * 24
        queue = level_addr(arena, level)
        store_i64(at, level_key(arena, level) ^ key_flip(book))
        Words(at)[1] = queue.total
        orders = 0
        slot = queue.head
        while slot != 0:
            orders += 1
            slot = slot_addr(arena, slot).next
        Words(at)[2] = orders
        count += 1
        level = next_level(arena, level)
    return count
