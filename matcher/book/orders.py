"""Order slots: taken, given back, and what is known of an order from its slot alone."""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader, Extension, OwnedSlot
from openoutcry.matcher.book.ids import erase_from_chain, id_addr, insert_in_chain
from openoutcry.matcher.book.levels import (
    key_flip,
    level_addr,
    level_key,
    page_addr,
    slot_addr,
    touch_page,
)
from openoutcry.matcher.constants import BUY
from openoutcry.matcher.events import event_tag
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_i64,
    store_i64,
)

SIGN = -(1 << 63)


@kernel
def open_order(arena: ArenaHeader, instrument: int, order_id: int, owner: int) -> int:
    """A slot for an order that is about to join a level, entered under its id.  ``owner``: the
    participant and the SLOT bits."""
    return open_in_chain(arena, id_addr(arena, instrument, order_id), order_id, owner)


@kernel
def open_in_chain(arena: ArenaHeader, entry: int, order_id: int, owner: int) -> int:
    """:func:`open_order` with the address of the id's entry."""
    if not is_next_noted(arena):
        note_slot(arena, arena.free_order)
    return open_noted(arena, entry, order_id, owner)


@kernel
def is_next_noted(arena: ArenaHeader) -> bool:
    """Return whether the slot of the next order is noted.  A fresh one counts as noted, as slot
    0 does."""
    free = slot_addr(arena, arena.free_order)
    return free.owner & layout.SLOT_NOTED != 0


@kernel
def open_noted(arena: ArenaHeader, entry: int, order_id: int, owner: int) -> int:
    """:func:`open_in_chain` where :func:`is_next_noted`."""
    slot = arena.free_order
    if slot != 0:
        arena.free_order = slot_addr(arena, slot).next
    else:
        slot = arena.fresh_orders + 1
        arena.fresh_orders = slot
    if VERIFY:
        assert slot <= arena.fixed_order_capacity
    arena.open_orders += 1
    at = slot_addr(arena, slot)
    at.id = order_id
    at.owner = owner | layout.SLOT_NOTED
    insert_in_chain(arena, entry, slot)
    return slot


@kernel_outlined
def note_slot(arena: ArenaHeader, slot: int) -> None:
    """The lists of owners.py do not know of the order that takes the slot."""
    row = OwnedSlot(arena + arena.owned_at + slot * layout.OWNED_BYTES)
    row.noted = arena.noted_slots
    arena.noted_slots = slot


@kernel
def close_order(arena: ArenaHeader, instrument: int, slot: int) -> None:
    """Forget an order that is in no level and has no extension, and give its slot back."""
    order_id = slot_addr(arena, slot).id
    close_in_chain(arena, id_addr(arena, instrument, order_id), slot)


@kernel
def close_in_chain(arena: ArenaHeader, entry: int, slot: int) -> None:
    """:func:`close_order` with the address of the id's entry."""
    at = slot_addr(arena, slot)
    erase_from_chain(arena, entry, slot)
    at.next = arena.free_order
    arena.free_order = slot
    arena.open_orders -= 1


@kernel
def reduce_in_level(arena: ArenaHeader, slot: int, qty: int) -> None:
    """Take ``qty`` lots, fewer than it has there, off an open order in its place."""
    at = slot_addr(arena, slot)
    level = at.level
    total_at = level_addr(arena, level) + layout.LEVEL_TOTAL
    touch_page(arena, level >> 6)
    at.qty -= qty
    store_i64(total_at, load_i64(total_at) - qty)
    if VERIFY:
        assert at.qty > 0
        assert load_i64(total_at) >= at.qty


@kernel
def touch_order(arena: ArenaHeader, slot: int) -> None:
    """The order changes within its level: see :func:`openoutcry.matcher.book.levels.touch_page`."""
    level = slot_addr(arena, slot).level
    if level != 0:
        touch_page(arena, level >> 6)


# Plain and extended orders alike


@kernel
def extension_addr(arena: ArenaHeader, extension: int) -> Extension:
    """``extension`` may carry the bits EXTENDED and SLOT_NOTED."""
    return Extension(
        arena
        + arena.fixed_extensions_at
        + (extension & layout.EXTENSION_MASK) * layout.EXTENSION_BYTES
    )


@kernel
def extension_of(arena: ArenaHeader, slot: int) -> Extension:
    """Address of the order's extension, or 0."""
    word = slot_addr(arena, slot).owner
    return Extension(extension_addr(arena, word) if word & layout.EXTENDED else 0)


@kernel
def order_owner(arena: ArenaHeader, slot: int) -> int:
    """The order's participant."""
    word = slot_addr(arena, slot).owner
    if word & layout.EXTENDED:
        return extension_addr(arena, word).participant
    return word & 0xFFFF


@kernel
def is_id_before(arena: ArenaHeader, slot: int, other: int) -> bool:
    """Return whether the id of one order is below another's, as unsigned numbers."""
    return slot_addr(arena, slot).id ^ SIGN < slot_addr(arena, other).id ^ SIGN


@kernel
def is_older(arena: ArenaHeader, ext: Extension, other: Extension) -> bool:
    """Return whether one order is before another by arrival.  Legs of lists that enter with one
    command are of one age: the lower id is first."""
    if ext.arrival != other.arrival:
        return ext.arrival < other.arrival
    return is_id_before(arena, ext.slot, other.slot)


@kernel
def order_leaves(arena: ArenaHeader, slot: int) -> int:
    """All that is open of it, an iceberg's reserve included."""
    ext = extension_of(arena, slot)
    qty = slot_addr(arena, slot).qty
    return qty + ext.reserve if ext != 0 else qty


@kernel
def plain_book(arena: ArenaHeader, slot: int) -> int:
    """The book that the order rests in."""
    level = slot_addr(arena, slot).level
    return page_addr(arena, level >> 6).book


@kernel
def plain_price(arena: ArenaHeader, slot: int) -> int:
    """The price at which the order rests (of a waiting stop: its trigger)."""
    level = slot_addr(arena, slot).level
    return level_key(arena, level) ^ key_flip(plain_book(arena, slot))


@kernel
def stands_as_trigger(arena: ArenaHeader, slot: int) -> bool:
    """Return whether an order waits in the book of triggers."""
    return plain_book(arena, slot) & layout.WHICH == layout.TRIGGERS


@kernel
def order_price(arena: ArenaHeader, slot: int) -> int:
    """The price that events about the order carry."""
    if slot_addr(arena, slot).level == 0 or stands_as_trigger(arena, slot):
        return extension_of(arena, slot).price
    return plain_price(arena, slot)


@kernel_outlined
def order_tag(arena: ArenaHeader, slot: int) -> int:
    """Address of events about the order."""
    ext = extension_of(arena, slot)
    if ext != 0:
        side = ext.side
        return event_tag(ext.instrument, side, ext.participant)
    book = plain_book(arena, slot)
    return event_tag(book >> 4, (book & 1) + BUY, order_owner(arena, slot))
