"""Write the arena's orders and instruments as rows of a snapshot; see ``snapshot.py``."""

from collections.abc import Iterable

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.instrument_rules import (
    PEG_BITS,
    STOP_BITS,
    TRAILING_BITS,
    UNPRICED_BITS,
    is_for_auction,
)
from openoutcry.matcher.book.levels import (
    book_addr,
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.matcher.book.links import is_dormant
from openoutcry.matcher.book.orders import extension_addr, extension_of
from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    PLAIN_TIMES,
    PLAIN_TYPES,
    ROW_BYTES,
    ROW_EXTENDED,
    ROW_HAS_EXPIRY,
    ROW_LINKED,
    ROW_OWN_TRIGGER,
    ROW_TOP,
    STATE_BYTES,
    SavedOrder,
    SavedState,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_u32, store_i64
from openoutcry.wire.records import NO_PRICE


def bits(numbers: Iterable[int]) -> int:
    """A set of small numbers as one word."""
    return sum(1 << int(number) for number in numbers)


PLAIN_TYPE_BITS, PLAIN_TIME_BITS = bits(PLAIN_TYPES), bits(PLAIN_TIMES)
CALL_BITS = bits(layout.CALL_PHASES)
LIST_OFFSETS = (
    layout.PEG_LIST,
    layout.TRAILING_LIST,
    layout.AUCTION_LIST,
    layout.WAITING_BUYS,
    layout.WAITING_SELLS,
    layout.DORMANT_LIST,
)

ROW_WORD = SavedOrder.offset("word")
"""The six small fields from ``instrument`` to ``time_in_force`` are one word."""
PARTICIPANT_SHIFT = 8 * (SavedOrder.offset("participant") - ROW_WORD)
SIDE_SHIFT = 8 * (SavedOrder.offset("side") - ROW_WORD)
PLACE_SHIFT = 8 * (SavedOrder.offset("place") - ROW_WORD)
TYPE_SHIFT = 8 * (SavedOrder.offset("order_type") - ROW_WORD)
TIF_SHIFT = 8 * (SavedOrder.offset("time_in_force") - ROW_WORD)
MODE_SHIFT = TIF_SHIFT + 4
ROW_LIMIT = SavedOrder.offset("limit_ticks")
STATE_WORD = SavedState.offset("word")
CALLED_SHIFT = 8 * (SavedState.offset("called") - STATE_WORD)
USED_SHIFT = 8 * (SavedState.offset("extensions_used") - STATE_WORD)
INDICATIVE_SIDE_SHIFT = 8 * (SavedState.offset("indicative_side") - STATE_WORD)
DAY_SHIFT = 8 * (SavedState.offset("day") - STATE_WORD)


@kernel
def save_orders(arena: ArenaHeader, out: int) -> int:
    """Write every open order as a row at ``out``, in canonical order; returns how many."""
    count = 0
    for instrument in range(arena.instrument_count):
        for which in range(layout.DISPLAYED, layout.TRIGGERS + 2):
            count += save_book(arena, instrument << 4 | which, out + count * ROW_BYTES)
        for list_offset in LIST_OFFSETS:
            count += save_waiting(arena, instrument, list_offset, out + count * ROW_BYTES)
    return count


@kernel
def save_states(arena: ArenaHeader, out: int) -> None:
    """Write every instrument's state as a row at ``out``."""
    for instrument in range(arena.instrument_count):
        save_state(arena, instrument, SavedState(out + instrument * STATE_BYTES))


@kernel_outlined
def save_book(arena: ArenaHeader, book: int, out: int) -> int:
    """Write a row for each order of a book to ``out``, the best price first; returns how many."""
    level = book_addr(arena, book).best_level
    count = 0
    while level != 0:
        price = level_key(arena, level) ^ key_flip(book)
        slot = level_addr(arena, level).head
        while slot != 0:
            save_row(arena, slot, book, price, SavedOrder(out + count * ROW_BYTES))
            count += 1
            slot = slot_addr(arena, slot).next
        level = next_level(arena, level)
    return count


@kernel_outlined
def save_waiting(arena: ArenaHeader, instrument: int, list_offset: int, out: int) -> int:
    """The orders of one list that are in no level. They are written to ``out``; returns how
    many."""
    ext = first_waiting(arena, instrument, list_offset)
    count = 0
    while ext != 0:
        save_row(arena, extension_slot(arena, ext), 0, 0, SavedOrder(out + count * ROW_BYTES))
        count += 1
        ext = next_waiting(arena, ext)
    return count


@kernel
def first_waiting(arena: ArenaHeader, instrument: int, list_offset: int) -> int:
    """The first extension of a list whose order is in no level, or 0."""
    return skip_standing(
        arena, load_u32(instrument_addr(arena, instrument) + layout.LISTS + list_offset)
    )


@kernel
def next_waiting(arena: ArenaHeader, ext: int) -> int:
    """Return the next extension of a list whose order is in no book, 0 at the end."""
    return skip_standing(arena, extension_addr(arena, ext).next)


@kernel
def skip_standing(arena: ArenaHeader, ext: int) -> int:
    """Return the first extension from ``ext`` on whose order is in no book, 0 at the end."""
    while ext != 0 and slot_addr(arena, extension_slot(arena, ext)).level != 0:
        ext = extension_addr(arena, ext).next
    return ext


@kernel
def extension_slot(arena: ArenaHeader, ext: int) -> int:
    """Return the slot of an extension's order."""
    return extension_addr(arena, ext).slot


@kernel_outlined
def save_state(arena: ArenaHeader, instrument: int, row: SavedState) -> None:
    """Write an instrument's phase, prices and last indication to its row of the snapshot."""
    state = instrument_addr(arena, instrument)
    phase = state.phase
    is_call = (CALL_BITS >> phase) & 1
    word = phase | (state.called << CALLED_SHIFT) | (state.auction_extensions << USED_SHIFT)
    word |= state.day << DAY_SHIFT
    if is_call:
        word |= state.indicative_side << INDICATIVE_SIDE_SHIFT
    row.last_price_ticks = state.last_price
    row.reference_price_ticks = state.reference
    row.indicative_price_ticks = state.indicative_price if is_call else NO_PRICE
    row.indicative_volume_lots = state.indicative_volume * is_call
    row.indicative_surplus_lots = state.indicative_surplus * is_call
    row.word = word


@kernel
def save_row(arena: ArenaHeader, slot: int, book: int, price: int, row: SavedOrder) -> bool:
    """Write one order as a row; ``book`` 0 if it is in no level.  Returns whether it is
    extended: of others only the first four words are more than 0."""
    at = slot_addr(arena, slot)
    row.price_ticks = price
    row.order_id = at.id
    row.qty_lots = at.qty
    for offset in range(ROW_LIMIT, ROW_BYTES, 8):
        store_i64(row + offset, 0)
    ext = extension_of(arena, slot)
    if ext == 0:
        owner = at.owner
        row.word = plain_word(book, owner)
        return False
    return save_extended(arena, ext, book, row)


@kernel
def plain_word(book: int, owner: int) -> int:
    """The small fields of a LIMIT or POST_ONLY order, DAY or GTC."""
    order_type = const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT
    tif = const.GTC if owner & layout.SLOT_GTC else const.DAY
    return (
        book >> 4
        | ((owner & 0xFFFF) << PARTICIPANT_SHIFT)
        | (((book & 1) + const.BUY) << SIDE_SHIFT)
        | ((((book & 15) - layout.DISPLAYED) >> 1) << PLACE_SHIFT)
        | (order_type << TYPE_SHIFT)
        | (tif << TIF_SHIFT)
        | (top_bit(owner) << TIF_SHIFT)
    )


@kernel
def top_bit(owner: int) -> int:
    """Return the bit that a TOP order has in its row, else 0."""
    return ROW_TOP if owner & layout.SLOT_TOP else 0


@kernel_outlined
def save_extended(arena: int, ext: Extension, book: int, row: SavedOrder) -> bool:
    """The fields from the extension at ``ext``: those that can have an effect.  The same rules in
    Python are :func:`openoutcry.matcher.state.snapshot.order_row`."""
    order_type, tif = ext.type, ext.tif
    place = ((book & 15) - layout.DISPLAYED) >> 1 if book != 0 else NO_PLACE
    is_stop, is_peg = (STOP_BITS >> order_type) & 1, (PEG_BITS >> order_type) & 1
    may_take = is_stop | is_peg
    is_aon = 1 if order_type == const.ALL_OR_NONE else 0
    waits = 1 if place == NO_PLACE else 0
    # A market order waits for the other side, or may once the auction that it is in is over.
    may_wait = 1 if order_type == const.MARKET and not is_for_auction(tif) else 0
    has_expiry = ext.heap != 0
    dormant = 1 if is_dormant(ext) else 0
    word = (
        ext.instrument
        | (ext.participant << PARTICIPANT_SHIFT)
        | (ext.side << SIDE_SHIFT)
        | (place << PLACE_SHIFT)
        | (order_type << TYPE_SHIFT)
        | (tif << TIF_SHIFT)
        | ((ext.mode * (may_take | is_aon | may_wait | dormant)) << MODE_SHIFT)
        | (top_bit(ext.owner) << TIF_SHIFT)
    )
    row.word = word
    is_plain = (PLAIN_TYPE_BITS >> order_type) & (PLAIN_TIME_BITS >> tif) & 1 != 0
    if is_plain and not has_expiry and ext.stage == 0:
        return False
    flags = ROW_EXTENDED
    if ext.stage != 0:
        flags |= ROW_LINKED
        row.list_key = ext.list_key
        row.stage = ext.stage
        row.contingency = ext.contingency
        row.leg = ext.leg
        row.legs = ext.legs
    if (may_take | waits) & ~(UNPRICED_BITS >> order_type) & 1:
        row.limit_ticks = ext.price
    if order_type == const.ICEBERG:
        row.reserve_lots = ext.reserve
        row.display_lots = ext.display
        row.slices = ext.slices
    if is_stop:
        row.trigger_ticks = ext.trigger
    if ext.trigger_by != 0:
        flags |= ROW_OWN_TRIGGER
        row.trigger_by = ext.trigger_by
        if ext.trigger_by & const.INACTIVE != 0:
            row.display_lots = ext.display
    if dormant or (PEG_BITS | TRAILING_BITS) >> order_type & 1:
        row.aux = ext.aux
    if may_take | waits | may_wait:
        row.arrival = ext.arrival
    if has_expiry:
        flags |= ROW_HAS_EXPIRY
        row.expiry_ns = ext.expiry_ns
        row.expiry_number = ext.expiry_number
    row.flags = flags
    return True
