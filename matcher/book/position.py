"""Look at an order's place in its queue without changing anything."""

from typing import NamedTuple

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    level_addr,
    level_key,
    next_level,
    page_addr,
    page_number,
    slot_addr,
)
from openoutcry.matcher.book.orders import order_leaves, plain_book, plain_price
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.records import MAX_VALUE


class Position(NamedTuple):
    """An open order's place in its book: what a taker meets before it.

    ``orders_ahead`` and ``lots_ahead`` are at its own price, ``better_orders`` and ``better_lots``
    at better ones, displayed or not; prices in ticks.  Of an iceberg that is ahead at the same
    price and displayed as the order is, only the slice counts: its next one goes to the back.
    """

    price_ticks: int
    orders_ahead: int
    lots_ahead: int
    better_orders: int
    better_lots: int


POSITION_BYTES = 8 * len(Position._fields)


@kernel
def fill_position(arena: ArenaHeader, instrument: int, order_id: int, out: int) -> bool:
    """Write the fields of :class:`Position` (int64 each) of an open order at ``out``; False if it
    is not open or is in no book.  Lots saturate at 2**63 - 1."""
    slot = find_id(arena, instrument, order_id)
    if slot == 0 or slot_addr(arena, slot).level == 0:
        return False
    book = plain_book(arena, slot)
    which = book & layout.WHICH
    if which == layout.TRIGGERS:
        return False
    level = slot_addr(arena, slot).level
    key = level_key(arena, level)
    for offset in range(0, POSITION_BYTES, 8):
        store_i64(out + offset, 0)
    store_i64(out, plain_price(arena, slot))
    other = book & ~layout.WHICH | layout.DISPLAYED
    while other & layout.WHICH != layout.TRIGGERS:
        at_better = book_addr(arena, other).best_level
        while at_better != 0 and level_key(arena, at_better) < key:
            add_level(arena, at_better, out + 24)
            at_better = next_level(arena, at_better)
        if other & layout.WHICH < which:
            page = find_page(arena, other, page_number(key))
            if page != 0 and (page_addr(arena, page).bitmap >> (key & 63)) & 1:
                add_level(arena, page << 6 | (key & 63), out + 8)
        other += layout.HIDDEN_BOOK - layout.DISPLAYED
    ahead = slot_addr(arena, slot).prev
    while ahead != 0:
        add_lots(out + 8, slot_addr(arena, ahead).qty)
        ahead = slot_addr(arena, ahead).prev
    return True


@kernel
def add_level(arena: ArenaHeader, level: int, at: int) -> None:
    """All of a level, its icebergs with their reserves."""
    slot = level_addr(arena, level).head
    while slot != 0:
        add_lots(at, order_leaves(arena, slot))
        slot = slot_addr(arena, slot).next


@kernel
def add_lots(at: int, lots: int) -> None:
    """One order more, and its lots. ``at``: address of the two words."""
    store_i64(at, load_i64(at) + 1)
    before = Words(at)[1]
    Words(at)[1] = before + min(lots, MAX_VALUE - before)
