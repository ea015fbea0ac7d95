# (intrinsics have no types that mypy could see)
"""Write the arena's orders and instruments as rows of a snapshot; see ``snapshot.py``."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.instrument_rules import (
    PEG_BITS,
    STOP_BITS,
    TRAILING_BITS,
    UNPRICED_BITS,
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
from openoutcry.matcher.book.orders import extension_addr, extension_of
from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    PLAIN_TIMES,
    PLAIN_TYPES,
    ROW_BYTES,
    ROW_DTYPE,
    ROW_EXTENDED,
    ROW_HAS_EXPIRY,
    ROW_TOP,
    STATE_BYTES,
    STATE_DTYPE,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, load_u32, store_i64, store_u32
from openoutcry.wire.records import NO_PRICE


def bits(numbers: Iterable[int]) -> int:
    """A set of small numbers as one word."""
    return sum(1 << int(number) for number in numbers)


def offsets(dtype: np.dtype[Any]) -> dict[str, int]:
    """Byte offset of each field of a row."""
    return {name: int(where[1]) for name, where in (dtype.fields or {}).items()}


PLAIN_TYPE_BITS, PLAIN_TIME_BITS = bits(PLAIN_TYPES), bits(PLAIN_TIMES)
CALL_BITS = bits(layout.CALL_PHASES)
LIST_OFFSETS = (
    layout.PEG_LIST,
    layout.TRAILING_LIST,
    layout.AUCTION_LIST,
    layout.WAITING_BUYS,
    layout.WAITING_SELLS,
)

_ROW, _STATE = offsets(ROW_DTYPE), offsets(STATE_DTYPE)
ROW_PRICE = _ROW["price_ticks"]
ROW_ID = _ROW["order_id"]
ROW_QTY = _ROW["qty_lots"]
ROW_WORD = _ROW["instrument"]
"""The six small fields from ``instrument`` to ``time_in_force`` are one word."""
PARTICIPANT_SHIFT = 8 * (_ROW["participant"] - ROW_WORD)
SIDE_SHIFT = 8 * (_ROW["side"] - ROW_WORD)
PLACE_SHIFT = 8 * (_ROW["place"] - ROW_WORD)
TYPE_SHIFT = 8 * (_ROW["order_type"] - ROW_WORD)
TIF_SHIFT = 8 * (_ROW["time_in_force"] - ROW_WORD)
MODE_SHIFT = TIF_SHIFT + 4
ROW_LIMIT = _ROW["limit_ticks"]
ROW_RESERVE = _ROW["reserve_lots"]
ROW_DISPLAY = _ROW["display_lots"]
ROW_TRIGGER = _ROW["trigger_ticks"]
ROW_AUX = _ROW["aux"]
ROW_EXPIRY_NS = _ROW["expiry_ns"]
ROW_EXPIRY_NUMBER = _ROW["expiry_number"]
ROW_ARRIVAL = _ROW["arrival"]
ROW_SLICES = _ROW["slices"]
ROW_FLAGS = _ROW["flags"]
STATE_LAST = _STATE["last_price_ticks"]
STATE_REFERENCE = _STATE["reference_price_ticks"]
STATE_PRICE = _STATE["indicative_price_ticks"]
STATE_VOLUME = _STATE["indicative_volume_lots"]
STATE_SURPLUS = _STATE["indicative_surplus_lots"]
STATE_WORD = _STATE["phase"]
CALLED_SHIFT = 8 * (_STATE["called"] - STATE_WORD)
USED_SHIFT = 8 * (_STATE["extensions_used"] - STATE_WORD)
INDICATIVE_SIDE_SHIFT = 8 * (_STATE["indicative_side"] - STATE_WORD)


@kernel
def save_orders(arena: int, out: int) -> int:
    """Write every open order as a row at ``out``, in canonical order; returns how many."""
    count = 0
    for instrument in range(load_i64(arena + layout.INSTRUMENT_COUNT)):
        for which in range(layout.DISPLAYED, layout.TRIGGERS + 2):
            count += save_book(arena, instrument << 4 | which, out + count * ROW_BYTES)
        for list_offset in LIST_OFFSETS:
            count += save_waiting(arena, instrument, list_offset, out + count * ROW_BYTES)
    return count


@kernel
def save_states(arena: int, out: int) -> None:
    """Write every instrument's state as a row at ``out``."""
    for instrument in range(load_i64(arena + layout.INSTRUMENT_COUNT)):
        save_state(arena, instrument, out + instrument * STATE_BYTES)


@kernel_outlined
def save_book(arena: int, book: int, out: int) -> int:
    level = load_u32(book_addr(arena, book) + layout.BOOK_BEST_LEVEL)
    count = 0
    while level != 0:
        price = level_key(arena, level) ^ key_flip(book)
        slot = load_u32(level_addr(arena, level) + layout.LEVEL_HEAD)
        while slot != 0:
            save_row(arena, slot, book, price, out + count * ROW_BYTES)
            count += 1
            slot = load_u32(slot_addr(arena, slot) + layout.SLOT_NEXT)
        level = next_level(arena, level)
    return count


@kernel_outlined
def save_waiting(arena: int, instrument: int, list_offset: int, out: int) -> int:
    """The orders of one list that are in no level."""
    ext = first_waiting(arena, instrument, list_offset)
    count = 0
    while ext != 0:
        save_row(arena, extension_slot(arena, ext), 0, 0, out + count * ROW_BYTES)
        count += 1
        ext = next_waiting(arena, ext)
    return count


@kernel
def first_waiting(arena: int, instrument: int, list_offset: int) -> int:
    """The first extension of a list whose order is in no level, or 0."""
    return skip_standing(
        arena, load_u32(instrument_addr(arena, instrument) + layout.LISTS + list_offset)
    )


@kernel
def next_waiting(arena: int, ext: int) -> int:
    return skip_standing(arena, load_u32(extension_addr(arena, ext) + layout.EXT_NEXT))


@kernel
def skip_standing(arena: int, ext: int) -> int:
    while (
        ext != 0 and load_u32(slot_addr(arena, extension_slot(arena, ext)) + layout.SLOT_LEVEL) != 0
    ):
        ext = load_u32(extension_addr(arena, ext) + layout.EXT_NEXT)
    return ext


@kernel
def extension_slot(arena: int, ext: int) -> int:
    return load_u32(extension_addr(arena, ext) + layout.EXT_SLOT)


@kernel_outlined
def save_state(arena: int, instrument: int, row: int) -> None:
    state = instrument_addr(arena, instrument)
    phase = load_u8(state + layout.PHASE)
    is_call = (CALL_BITS >> phase) & 1
    word = (
        phase
        | (load_u8(state + layout.CALLED) << CALLED_SHIFT)
        | (load_u8(state + layout.AUCTION_EXTENSIONS) << USED_SHIFT)
    )
    if is_call:
        word |= load_i64(state + layout.INDICATIVE_SIDE) << INDICATIVE_SIDE_SHIFT
    store_i64(row + STATE_LAST, load_i64(state + layout.LAST_PRICE))
    store_i64(row + STATE_REFERENCE, load_i64(state + layout.REFERENCE))
    store_i64(row + STATE_PRICE, load_i64(state + layout.INDICATIVE_PRICE) if is_call else NO_PRICE)
    store_i64(row + STATE_VOLUME, load_i64(state + layout.INDICATIVE_VOLUME) * is_call)
    store_i64(row + STATE_SURPLUS, load_i64(state + layout.INDICATIVE_SURPLUS) * is_call)
    store_i64(row + STATE_WORD, word)


@kernel
def save_row(arena: int, slot: int, book: int, price: int, row: int) -> bool:
    """Write one order as a row; ``book`` 0 if it is in no level.  Returns whether it is
    extended: of others only the first four words are more than 0."""
    at = slot_addr(arena, slot)
    store_i64(row + ROW_PRICE, price)
    store_i64(row + ROW_ID, load_i64(at + layout.SLOT_ID))
    store_i64(row + ROW_QTY, load_i64(at + layout.SLOT_QTY))
    for offset in range(ROW_LIMIT, ROW_BYTES, 8):
        store_i64(row + offset, 0)
    ext = extension_of(arena, slot)
    if ext == 0:
        owner = load_u32(at + layout.SLOT_OWNER)
        store_i64(row + ROW_WORD, plain_word(book, owner))
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
    return ROW_TOP if owner & layout.SLOT_TOP else 0


@kernel_outlined
def save_extended(arena: int, ext: int, book: int, row: int) -> bool:
    """The fields from the extension at ``ext``: those that can have an effect.  The same rules in
    Python are :func:`openoutcry.matcher.state.snapshot.order_row`."""
    order_type, tif = load_u8(ext + layout.EXT_TYPE), load_u8(ext + layout.EXT_TIF)
    place = ((book & 15) - layout.DISPLAYED) >> 1 if book != 0 else NO_PLACE
    is_stop, is_peg = (STOP_BITS >> order_type) & 1, (PEG_BITS >> order_type) & 1
    may_take = is_stop | is_peg
    is_aon = 1 if order_type == const.ALL_OR_NONE else 0
    waits = 1 if place == NO_PLACE else 0
    # A market order waits for the other side, or may once the auction that it is in is over.
    may_wait = 1 if order_type == const.MARKET and tif < const.AT_OPEN else 0
    has_expiry = load_u32(ext + layout.EXT_HEAP) != 0
    word = (
        load_u32(ext + layout.EXT_INSTRUMENT)
        | (load_u16(ext + layout.EXT_OWNER) << PARTICIPANT_SHIFT)
        | (load_u8(ext + layout.EXT_SIDE) << SIDE_SHIFT)
        | (place << PLACE_SHIFT)
        | (order_type << TYPE_SHIFT)
        | (tif << TIF_SHIFT)
        | ((load_u8(ext + layout.EXT_MODE) * (may_take | is_aon | may_wait)) << MODE_SHIFT)
        | (top_bit(load_u32(ext + layout.EXT_OWNER)) << TIF_SHIFT)
    )
    store_i64(row + ROW_WORD, word)
    if (PLAIN_TYPE_BITS >> order_type) & (PLAIN_TIME_BITS >> tif) & 1 and not has_expiry:
        return False
    flags = ROW_EXTENDED
    if (may_take | waits) & ~(UNPRICED_BITS >> order_type) & 1:
        store_i64(row + ROW_LIMIT, load_i64(ext + layout.EXT_PRICE))
    if order_type == const.ICEBERG:
        store_i64(row + ROW_RESERVE, load_i64(ext + layout.EXT_RESERVE))
        store_i64(row + ROW_DISPLAY, load_i64(ext + layout.EXT_DISPLAY))
        store_u32(row + ROW_SLICES, load_u32(ext + layout.EXT_SLICES))
    if is_stop:
        store_i64(row + ROW_TRIGGER, load_i64(ext + layout.EXT_TRIGGER))
    if (PEG_BITS | TRAILING_BITS) >> order_type & 1:
        store_i64(row + ROW_AUX, load_i64(ext + layout.EXT_AUX))
    if may_take | waits | may_wait:
        store_i64(row + ROW_ARRIVAL, load_i64(ext + layout.EXT_ARRIVAL))
    if has_expiry:
        flags |= ROW_HAS_EXPIRY
        store_i64(row + ROW_EXPIRY_NS, load_i64(ext + layout.EXT_EXPIRY_NS))
        store_i64(row + ROW_EXPIRY_NUMBER, load_i64(ext + layout.EXT_EXPIRY_NUMBER))
    store_u32(row + ROW_FLAGS, flags)
    return True
