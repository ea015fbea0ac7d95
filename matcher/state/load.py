"""Put the rows of a snapshot into an empty arena; see ``snapshot.py``.

An empty arena hands out its slots in turn, so the order of row ``n`` lies in slot ``n + 1``, and
the ``n``-th extended one has extension ``n``.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
import openoutcry.matcher.state.save as saved
from openoutcry.matcher.book.any_order import book_of, mark_waiting, trigger_book, waiting_list
from openoutcry.matcher.book.arena import ArenaHeader, WaitingTerm
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.instrument_rules import (
    PEG_BITS,
    STOP_BITS,
    TRAILING_BITS,
    UNPRICED_BITS,
    is_for_auction,
)
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    has_free_page,
    instrument_addr,
    join_level,
    key_flip,
    level_addr,
    page_addr,
    page_number,
    slot_addr,
)
from openoutcry.matcher.book.links import DUE, ENTER, is_dormant, note_act
from openoutcry.matcher.book.marks import give_trigger
from openoutcry.matcher.book.orders import extension_addr, open_order
from openoutcry.matcher.book.terms import copy_term, mark_terms, term_addr
from openoutcry.matcher.event_bound import LEG_EXTRA, instrument_extra, order_extra
from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    ROW_BYTES,
    ROW_EXTENDED,
    ROW_TOP,
    STATE_BYTES,
    TRIGGER_PLACE,
    SavedOrder,
    SavedState,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import U32s
from openoutcry.wire.memory import load_i64, load_u32, store_i64, store_u32
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

PRICE_TIME = enum_numbers.ALLOCATION_PRICE_TIME
INVISIBLE_PRICE = NO_PRICE + 1
"""A price at which no order ever rests, distinct from NO_PRICE."""
REPEATED_ID, NO_PAGE, OVERFLOWN = 1, 2, 3
"""Why :func:`load_orders` stopped."""


@kernel
def load_states(arena: ArenaHeader, rows: int) -> None:
    """Enter every instrument's state.  What trailing stops and pegs have followed is not known: at
    the next command they look again, whatever the prices are then.  ``rows``: address of a
    :class:`SavedState` an instrument."""
    for instrument in range(arena.instrument_count):
        row = SavedState(rows + instrument * STATE_BYTES)
        state = instrument_addr(arena, instrument)
        word = row.word
        phase = word & 0xFF
        state.last_price = row.last_price_ticks
        state.reference = row.reference_price_ticks
        state.indicative_price = row.indicative_price_ticks
        state.indicative_volume = row.indicative_volume_lots
        state.indicative_surplus = row.indicative_surplus_lots
        state.indicative_side = (word >> saved.INDICATIVE_SIDE_SHIFT) & 0xFF
        state.pegged_bid = INVISIBLE_PRICE
        state.pegged_ask = INVISIBLE_PRICE
        state.phase = phase
        state.called = (word >> saved.CALLED_SHIFT) & 0xFF
        state.auction_extensions = (word >> saved.USED_SHIFT) & 0xFF
        state.day = word >> saved.DAY_SHIFT
        mode = state.mode & ~layout.MODE_PHASE
        state.mode = mode if phase == const.CONTINUOUS else mode | layout.MODE_PHASE


@kernel
def load_orders(arena: ArenaHeader, rows: int, count: int) -> tuple[int, int]:
    """Open the orders of ``count`` rows, for which there are slots.  Returns how many went in and,
    if not all, why the next did not.  Lists and expiries are left for :func:`load_lists`."""
    for index in range(count):
        reason = load_order(arena, SavedOrder(rows + index * ROW_BYTES))
        if reason != 0:
            return index, reason
    for instrument in range(arena.instrument_count):
        state = instrument_addr(arena, instrument)
        extra = instrument_extra(
            state.stop_count,
            state.all_or_none_count,
            state.peg_count,
            state.trailing_count,
            state.order_count,
            state.linked_count,
            is_pro_rata(arena, instrument),
        )
        add(arena + layout.EXTRA_EVENTS, extra)
    return count, 0


@kernel_outlined
def load_order(arena: ArenaHeader, row: SavedOrder) -> int:
    """Enter one order of a snapshot; returns 0, REPEATED_ID, NO_PAGE or OVERFLOWN."""
    word = row.word
    instrument = word & 0xFFFF
    side, place = (word >> saved.SIDE_SHIFT) & 0xFF, (word >> saved.PLACE_SHIFT) & 0xFF
    order_id, price, qty = (
        row.order_id,
        row.price_ticks,
        row.qty_lots,
    )
    if find_id(arena, instrument, order_id) != 0:
        return REPEATED_ID
    book = book_of(instrument, layout.DISPLAYED + 2 * place, side)
    if place == TRIGGER_PLACE:
        book = trigger_book(instrument, (word >> saved.TYPE_SHIFT) & 0xFF, side)
    key = price ^ key_flip(book)
    page = 0
    if place != NO_PLACE:
        page = find_page(arena, book, page_number(key))
        if page == 0 and not has_free_page(arena):
            return NO_PAGE
        if place != TRIGGER_PLACE and qty > MAX_VALUE - standing_qty(arena, page, key):
            return OVERFLOWN
    slot = open_order(arena, instrument, order_id, plain_owner(word))
    slot_addr(arena, slot).qty = qty
    slot_addr(arena, slot).level = 0
    if row.flags & ROW_EXTENDED:
        load_extension(arena, slot, row)
    if place != NO_PLACE:
        join_level(arena, book, page, key, slot, qty)
    if is_pro_rata(arena, instrument):
        add(instrument_addr(arena, instrument) + layout.ORDER_COUNT, 1)
    return 0


@kernel
def standing_qty(arena: ArenaHeader, page: int, key: int) -> int:
    """Sum of the level ``key``, whose page this is (0: it has none)."""
    if page == 0 or (page_addr(arena, page).bitmap >> (key & 63)) & 1 == 0:
        return 0
    return level_addr(arena, (page << 6) | (key & 63)).total


@kernel
def plain_owner(word: int) -> int:
    """Return the owner's word of a plain order's slot: participant and bits for type, time in force
    and TOP."""
    owner = (word >> saved.PARTICIPANT_SHIFT) & 0xFFFF
    if (word >> saved.TYPE_SHIFT) & 0xFF == const.POST_ONLY:
        owner |= layout.SLOT_POST_ONLY
    if (word >> saved.TIF_SHIFT) & 15 == const.GTC:
        owner |= layout.SLOT_GTC
    if (word >> saved.TIF_SHIFT) & ROW_TOP != 0:
        owner |= layout.SLOT_TOP
    return owner


@kernel_outlined
def load_extension(arena: ArenaHeader, slot: int, row: SavedOrder) -> None:
    """Give the order in ``slot`` its extension, and count it."""
    number = arena.fresh_extensions + 1
    arena.fresh_extensions = number
    ext = extension_addr(arena, number)
    owner_at = slot_addr(arena, slot) + layout.SLOT_OWNER
    word = load_u32(owner_at)
    ext.owner = word & ~layout.SLOT_NOTED
    store_u32(owner_at, layout.EXTENDED | number | (word & layout.SLOT_NOTED))
    word = row.word
    instrument, order_type = word & 0xFFFF, (word >> saved.TYPE_SHIFT) & 0xFF
    tif, place = (word >> saved.TIF_SHIFT) & 15, (word >> saved.PLACE_SHIFT) & 0xFF
    slices = row.slices
    ext.type = order_type
    ext.tif = tif
    ext.mode = (word >> saved.MODE_SHIFT) & 7
    ext.side = (word >> saved.SIDE_SHIFT) & 0xFF
    ext.instrument = instrument
    ext.slot = slot
    ext.price = extension_price(row, order_type, place)
    ext.reserve = row.reserve_lots
    ext.display = row.display_lots
    ext.trigger = row.trigger_ticks
    ext.aux = row.aux
    ext.expiry_ns = row.expiry_ns
    ext.expiry_number = row.expiry_number
    ext.arrival = row.arrival
    ext.slices = slices
    if row.trigger_by != 0:
        give_trigger(arena, ext, row.trigger_by, row.display_lots)
    state = instrument_addr(arena, instrument)
    ext.stage = row.stage
    if row.stage != 0:
        ext.contingency = row.contingency
        ext.leg = row.leg
        ext.legs = row.legs
        ext.list_key = row.list_key
        ext.next_leg = number
        state.linked_count += 1
        add(arena + layout.EXTRA_EVENTS, LEG_EXTRA)
    add(state + layout.MODE, layout.MODE_SPECIAL)
    add(state + layout.STOP_COUNT, (STOP_BITS >> order_type) & 1)
    add(state + layout.TRAILING_COUNT, (TRAILING_BITS >> order_type) & 1)
    add(state + layout.PEG_COUNT, (PEG_BITS >> order_type) & 1)
    add(state + layout.ICEBERG_COUNT, 1 if order_type == const.ICEBERG else 0)
    add(state + layout.ALL_OR_NONE_COUNT, 1 if order_type == const.ALL_OR_NONE else 0)
    add(arena + layout.EXTRA_EVENTS, order_extra(order_type, tif, slices))


@kernel
def extension_price(row: SavedOrder, order_type: int, place: int) -> int:
    """Return its limit; without one, its price in the book."""
    if ((STOP_BITS | PEG_BITS) >> order_type) & 1:
        return row.limit_ticks
    if place != NO_PLACE:
        return row.price_ticks
    if (UNPRICED_BITS >> order_type) & 1:
        # A market order that waits for an auction: the most aggressive price.
        side = (row.word >> saved.SIDE_SHIFT) & 0xFF
        return MAX_VALUE if side == const.BUY else -MAX_VALUE - 1
    return row.limit_ticks


@kernel
def load_lists(arena: ArenaHeader, lists: int, listed: int, expiries: int, expiring: int) -> None:
    """Hang extensions into the lists of their instruments and the heap of expiries.

    ``lists``: ``listed`` extensions (u32), those of one list by arrival; ``expiries``: ``expiring``
    extensions (u32) by expiry, then number: what is sorted is a heap.
    """
    for index in range(listed):
        append(arena, U32s(lists)[index])
    heap = arena + arena.expiries_at
    for place in range(1, expiring + 1):
        number = U32s(expiries)[place - 1]
        U32s(heap)[place] = number
        extension_addr(arena, number).heap = place
    arena.expiry_count = expiring


@kernel
def append(arena: ArenaHeader, number: int) -> None:
    """Put an extension at the end of the list its type belongs to."""
    ext = extension_addr(arena, number)
    order_type = ext.type
    offset = layout.AUCTION_LIST
    if is_dormant(ext):
        offset = layout.DORMANT_LIST
    elif (PEG_BITS >> order_type) & 1:
        offset = layout.PEG_LIST
    elif (TRAILING_BITS >> order_type) & 1:
        offset = layout.TRAILING_LIST
    elif order_type == const.MARKET and not is_for_auction(ext.tif):
        offset = waiting_list(ext.side)
    state = instrument_addr(arena, ext.instrument)
    ends = state + layout.LISTS + offset
    tail = U32s(ends)[1]
    store_u32(ends if tail == 0 else extension_addr(arena, tail) + layout.EXT_NEXT, number)
    U32s(ends)[1] = number
    ext.prev = tail
    ext.next = 0
    ext.list = offset + 1
    mark_waiting(state)


@kernel
def load_rings(arena: ArenaHeader, pairs: int, count: int) -> None:
    """Make the rings of lists: ``pairs`` is the address of ``count`` legs' extensions (u32), each
    with the next of its list.  Legs that are due join their chain."""
    for index in range(count):
        extension_addr(arena, U32s(pairs)[2 * index]).next_leg = U32s(pairs)[2 * index + 1]
    for index in range(count):
        ext = extension_addr(arena, U32s(pairs)[2 * index])
        if ext.stage == DUE:
            note_act(arena, ext, ENTER)


@kernel
def load_terms(arena: ArenaHeader, rows: int, count: int) -> None:
    """Enter ``count`` terms that wait for their NEW, whose rows are at ``rows``."""
    arena.terms_count = count
    for index in range(count):
        copy_term(term_addr(arena, index), WaitingTerm(rows + index * layout.TERM_BYTES))
    mark_terms(arena, layout.MODE_TERMS)


@kernel
def crossed_instrument(arena: ArenaHeader) -> int:
    """The first instrument in continuous trading whose displayed bid is not below its displayed
    ask, or -1."""
    for instrument in range(arena.instrument_count):
        bids = book_addr(arena, instrument << 4 | layout.DISPLAYED)
        asks = book_addr(arena, instrument << 4 | layout.DISPLAYED | 1)
        if (
            instrument_addr(arena, instrument).phase == const.CONTINUOUS
            and bids.best_level != 0
            and asks.best_level != 0
            and ~bids.best_key >= asks.best_key
        ):
            return instrument
    return -1


@kernel
def is_pro_rata(arena: ArenaHeader, instrument: int) -> int:
    """Return 1 if an instrument allocates otherwise than by price and time, else 0."""
    rules = InstrumentRecord(arena + arena.rules_at + instrument * const.RULE_BYTES)
    return 1 if rules.allocation != PRICE_TIME else 0


@kernel
def add(address: int, amount: int) -> None:
    """Add to the int64 at an address."""
    store_i64(address, load_i64(address) + amount)
