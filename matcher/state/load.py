# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Put the rows of a snapshot into an empty arena; see ``snapshot.py``.

An empty arena hands out its slots in turn, so the order of row ``n`` lies in slot ``n + 1``, and
the ``n``-th extended one has extension ``n``.
"""

from openoutcry.matcher.book.arena import (
    ALL_OR_NONE_COUNT,
    AUCTION_LIST,
    BOOK_BEST_KEY,
    BOOK_BEST_LEVEL,
    CALLED,
    DISPLAYED,
    EXPIRIES_AT,
    EXPIRY_COUNT,
    EXT_ARRIVAL,
    EXT_AUX,
    EXT_DISPLAY,
    EXT_EXPIRY_NS,
    EXT_EXPIRY_NUMBER,
    EXT_HEAP,
    EXT_INSTRUMENT,
    EXT_LIST,
    EXT_MODE,
    EXT_NEXT,
    EXT_OWNER,
    EXT_PREV,
    EXT_PRICE,
    EXT_RESERVE,
    EXT_SIDE,
    EXT_SLICES,
    EXT_SLOT,
    EXT_TIF,
    EXT_TRIGGER,
    EXT_TYPE,
    EXTENDED,
    EXTENSIONS_USED,
    EXTRA_EVENTS,
    FRESH_EXTENSIONS,
    ICEBERG_COUNT,
    INDICATIVE_PRICE,
    INDICATIVE_SIDE,
    INDICATIVE_SURPLUS,
    INDICATIVE_VOLUME,
    INSTRUMENT_COUNT,
    LAST_PRICE,
    LEVEL_TOTAL,
    LISTS,
    MODE,
    MODE_PHASE,
    MODE_SPECIAL,
    ORDER_COUNT,
    PAGE_BITMAP,
    PEG_COUNT,
    PEG_LIST,
    PEGGED_ASK,
    PEGGED_BID,
    PHASE,
    REFERENCE,
    RULES_AT,
    SLOT_GTC,
    SLOT_LEVEL,
    SLOT_OWNER,
    SLOT_POST_ONLY,
    SLOT_QTY,
    STOP_COUNT,
    TRAILING_COUNT,
    TRAILING_LIST,
)
from openoutcry.matcher.book.ids import find_id
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
from openoutcry.matcher.book.orders import extension_addr, open_order
from openoutcry.matcher.constants import (
    ALL_OR_NONE,
    BUY,
    CONTINUOUS,
    GTC,
    ICEBERG,
    POST_ONLY,
    RULE_ALLOCATION,
    RULE_BYTES,
)
from openoutcry.matcher.event_bound import instrument_extra, order_extra
from openoutcry.matcher.state.save import (
    CALLED_SHIFT,
    INDICATIVE_SIDE_SHIFT,
    MODE_SHIFT,
    NO_LIMIT_BITS,
    PARTICIPANT_SHIFT,
    PEG_BITS,
    PLACE_SHIFT,
    ROW_ARRIVAL,
    ROW_AUX,
    ROW_DISPLAY,
    ROW_EXPIRY_NS,
    ROW_EXPIRY_NUMBER,
    ROW_FLAGS,
    ROW_ID,
    ROW_LIMIT,
    ROW_PRICE,
    ROW_QTY,
    ROW_RESERVE,
    ROW_SLICES,
    ROW_TRIGGER,
    ROW_WORD,
    SIDE_SHIFT,
    STATE_LAST,
    STATE_PRICE,
    STATE_REFERENCE,
    STATE_SURPLUS,
    STATE_VOLUME,
    STATE_WORD,
    STOP_BITS,
    TIF_SHIFT,
    TRAILING_BITS,
    TYPE_SHIFT,
    USED_SHIFT,
)
from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    ROW_BYTES,
    ROW_EXTENDED,
    STATE_BYTES,
    TRIGGER_PLACE,
)
from openoutcry.wire.enums import Allocation
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64, store_u8, store_u32
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

PRO_RATA = int(Allocation.PRO_RATA)
UNSEEN_PRICE = NO_PRICE + 1
"""A price at which nothing ever stands, and which is not the absence of one."""
REPEATED_ID, NO_PAGE, OVERFLOWN = 1, 2, 3
"""Why :func:`load_orders` stopped."""


@kernel
def load_states(arena: int, rows: int) -> None:
    """Enter every instrument's state.  What trailing stops and pegs have followed is not known: at
    the next command they look again, whatever the prices are then."""
    for instrument in range(load_i64(arena + INSTRUMENT_COUNT)):
        row = rows + instrument * STATE_BYTES
        state = instrument_addr(arena, instrument)
        word = load_i64(row + STATE_WORD)
        phase = word & 0xFF
        store_i64(state + LAST_PRICE, load_i64(row + STATE_LAST))
        store_i64(state + REFERENCE, load_i64(row + STATE_REFERENCE))
        store_i64(state + INDICATIVE_PRICE, load_i64(row + STATE_PRICE))
        store_i64(state + INDICATIVE_VOLUME, load_i64(row + STATE_VOLUME))
        store_i64(state + INDICATIVE_SURPLUS, load_i64(row + STATE_SURPLUS))
        store_i64(state + INDICATIVE_SIDE, (word >> INDICATIVE_SIDE_SHIFT) & 0xFF)
        store_i64(state + PEGGED_BID, UNSEEN_PRICE)
        store_i64(state + PEGGED_ASK, UNSEEN_PRICE)
        store_u8(state + PHASE, phase)
        store_u8(state + CALLED, (word >> CALLED_SHIFT) & 0xFF)
        store_u8(state + EXTENSIONS_USED, (word >> USED_SHIFT) & 0xFF)
        mode = load_i64(state + MODE) & ~MODE_PHASE
        store_i64(state + MODE, mode if phase == CONTINUOUS else mode | MODE_PHASE)


@kernel
def load_orders(arena: int, rows: int, count: int) -> tuple[int, int]:
    """Open the orders of ``count`` rows, for which there are slots.  Returns how many went in and,
    if not all, why the next did not.  Lists and expiries are left for :func:`load_lists`."""
    for index in range(count):
        reason = load_order(arena, rows + index * ROW_BYTES)
        if reason != 0:
            return index, reason
    for instrument in range(load_i64(arena + INSTRUMENT_COUNT)):
        state = instrument_addr(arena, instrument)
        extra = instrument_extra(
            load_i64(state + STOP_COUNT),
            load_i64(state + ALL_OR_NONE_COUNT),
            load_i64(state + PEG_COUNT),
            load_i64(state + TRAILING_COUNT),
            load_i64(state + ORDER_COUNT),
            is_pro_rata(arena, instrument),
        )
        add(arena + EXTRA_EVENTS, extra)
    return count, 0


@kernel_outlined
def load_order(arena: int, row: int) -> int:
    word = load_i64(row + ROW_WORD)
    instrument = word & 0xFFFF
    side, place = (word >> SIDE_SHIFT) & 0xFF, (word >> PLACE_SHIFT) & 0xFF
    order_id, price, qty = (
        load_i64(row + ROW_ID),
        load_i64(row + ROW_PRICE),
        load_i64(row + ROW_QTY),
    )
    if find_id(arena, instrument, order_id) != 0:
        return REPEATED_ID
    # A book of triggers has its sides the other way round.
    bit = side - BUY if place != TRIGGER_PLACE else 2 - side
    book = instrument << 4 | (DISPLAYED + 2 * place) | bit
    key = price ^ key_flip(book)
    page = 0
    if place != NO_PLACE:
        page = find_page(arena, book, page_number(key))
        if page == 0 and not has_free_page(arena):
            return NO_PAGE
        if place != TRIGGER_PLACE and qty > MAX_VALUE - standing_qty(arena, page, key):
            return OVERFLOWN
    slot = open_order(arena, instrument, order_id, plain_owner(word))
    store_i64(slot_addr(arena, slot) + SLOT_QTY, qty)
    store_u32(slot_addr(arena, slot) + SLOT_LEVEL, 0)
    if load_u32(row + ROW_FLAGS) & ROW_EXTENDED:
        load_extension(arena, slot, row)
    if place != NO_PLACE:
        join_level(arena, book, page, key, slot, qty)
    if is_pro_rata(arena, instrument):
        add(instrument_addr(arena, instrument) + ORDER_COUNT, 1)
    return 0


@kernel
def standing_qty(arena: int, page: int, key: int) -> int:
    """Sum of the level ``key``, whose page this is (0: it has none)."""
    if page == 0 or (load_i64(page_addr(arena, page) + PAGE_BITMAP) >> (key & 63)) & 1 == 0:
        return 0
    return load_i64(level_addr(arena, (page << 6) | (key & 63)) + LEVEL_TOTAL)


@kernel
def plain_owner(word: int) -> int:
    owner = (word >> PARTICIPANT_SHIFT) & 0xFFFF
    if (word >> TYPE_SHIFT) & 0xFF == POST_ONLY:
        owner |= SLOT_POST_ONLY
    if (word >> TIF_SHIFT) & 15 == GTC:
        owner |= SLOT_GTC
    return owner


@kernel_outlined
def load_extension(arena: int, slot: int, row: int) -> None:
    """Give the order in ``slot`` its extension, and count it."""
    number = load_i64(arena + FRESH_EXTENSIONS) + 1
    store_i64(arena + FRESH_EXTENSIONS, number)
    ext = extension_addr(arena, number)
    owner_at = slot_addr(arena, slot) + SLOT_OWNER
    store_u32(ext + EXT_OWNER, load_u32(owner_at))
    store_u32(owner_at, EXTENDED | number)
    word = load_i64(row + ROW_WORD)
    instrument, order_type = word & 0xFFFF, (word >> TYPE_SHIFT) & 0xFF
    tif, place = (word >> TIF_SHIFT) & 15, (word >> PLACE_SHIFT) & 0xFF
    slices = load_u32(row + ROW_SLICES)
    store_u8(ext + EXT_TYPE, order_type)
    store_u8(ext + EXT_TIF, tif)
    store_u8(ext + EXT_MODE, (word >> MODE_SHIFT) & 15)
    store_u8(ext + EXT_SIDE, (word >> SIDE_SHIFT) & 0xFF)
    store_u32(ext + EXT_INSTRUMENT, instrument)
    store_u32(ext + EXT_SLOT, slot)
    store_i64(ext + EXT_PRICE, extension_price(row, order_type, place))
    store_i64(ext + EXT_RESERVE, load_i64(row + ROW_RESERVE))
    store_i64(ext + EXT_DISPLAY, load_i64(row + ROW_DISPLAY))
    store_i64(ext + EXT_TRIGGER, load_i64(row + ROW_TRIGGER))
    store_i64(ext + EXT_AUX, load_i64(row + ROW_AUX))
    store_i64(ext + EXT_EXPIRY_NS, load_i64(row + ROW_EXPIRY_NS))
    store_i64(ext + EXT_EXPIRY_NUMBER, load_i64(row + ROW_EXPIRY_NUMBER))
    store_i64(ext + EXT_ARRIVAL, load_i64(row + ROW_ARRIVAL))
    store_u32(ext + EXT_SLICES, slices)
    state = instrument_addr(arena, instrument)
    add(state + MODE, MODE_SPECIAL)
    add(state + STOP_COUNT, (STOP_BITS >> order_type) & 1)
    add(state + TRAILING_COUNT, (TRAILING_BITS >> order_type) & 1)
    add(state + PEG_COUNT, (PEG_BITS >> order_type) & 1)
    add(state + ICEBERG_COUNT, 1 if order_type == ICEBERG else 0)
    add(state + ALL_OR_NONE_COUNT, 1 if order_type == ALL_OR_NONE else 0)
    add(arena + EXTRA_EVENTS, order_extra(order_type, tif, slices))


@kernel
def extension_price(row: int, order_type: int, place: int) -> int:
    """Its limit; of what has none the price at which it stands or will stand."""
    if ((STOP_BITS | PEG_BITS) >> order_type) & 1:
        return load_i64(row + ROW_LIMIT)
    if place != NO_PLACE:
        return load_i64(row + ROW_PRICE)
    if (NO_LIMIT_BITS >> order_type) & 1:
        # A market order that waits for an auction: the most aggressive price.
        side = (load_i64(row + ROW_WORD) >> SIDE_SHIFT) & 0xFF
        return MAX_VALUE if side == BUY else -MAX_VALUE - 1
    return load_i64(row + ROW_LIMIT)


@kernel
def load_lists(arena: int, lists: int, listed: int, expiries: int, expiring: int) -> None:
    """Hang extensions into the lists of their instruments and the heap of expiries.

    ``lists``: ``listed`` extensions (u32), those of one list by arrival; ``expiries``: ``expiring``
    extensions (u32) by expiry, then number: what is sorted is a heap.
    """
    for index in range(listed):
        append(arena, load_u32(lists + index * 4))
    heap = arena + load_i64(arena + EXPIRIES_AT)
    for place in range(1, expiring + 1):
        number = load_u32(expiries + (place - 1) * 4)
        store_u32(heap + place * 4, number)
        store_u32(extension_addr(arena, number) + EXT_HEAP, place)
    store_i64(arena + EXPIRY_COUNT, expiring)


@kernel
def append(arena: int, number: int) -> None:
    """Put an extension at the end of the list its type belongs to."""
    ext = extension_addr(arena, number)
    order_type = load_u8(ext + EXT_TYPE)
    offset = AUCTION_LIST
    if (PEG_BITS >> order_type) & 1:
        offset = PEG_LIST
    elif (TRAILING_BITS >> order_type) & 1:
        offset = TRAILING_LIST
    ends = instrument_addr(arena, load_u32(ext + EXT_INSTRUMENT)) + LISTS + offset
    tail = load_u32(ends + 4)
    store_u32(ends if tail == 0 else extension_addr(arena, tail) + EXT_NEXT, number)
    store_u32(ends + 4, number)
    store_u32(ext + EXT_PREV, tail)
    store_u32(ext + EXT_NEXT, 0)
    store_u32(ext + EXT_LIST, offset + 1)


@kernel
def crossed_instrument(arena: int) -> int:
    """The first instrument in continuous trading whose displayed bid is not below its displayed
    ask, or -1."""
    for instrument in range(load_i64(arena + INSTRUMENT_COUNT)):
        bids = book_addr(arena, instrument << 4 | DISPLAYED)
        asks = book_addr(arena, instrument << 4 | DISPLAYED | 1)
        if (
            load_u8(instrument_addr(arena, instrument) + PHASE) == CONTINUOUS
            and load_u32(bids + BOOK_BEST_LEVEL) != 0
            and load_u32(asks + BOOK_BEST_LEVEL) != 0
            and ~load_i64(bids + BOOK_BEST_KEY) >= load_i64(asks + BOOK_BEST_KEY)
        ):
            return instrument
    return -1


@kernel
def is_pro_rata(arena: int, instrument: int) -> int:
    rules = arena + load_i64(arena + RULES_AT) + instrument * RULE_BYTES
    return 1 if load_u8(rules + RULE_ALLOCATION) == PRO_RATA else 0


@kernel
def add(address: int, amount: int) -> None:
    store_i64(address, load_i64(address) + amount)
