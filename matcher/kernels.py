# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Turn one command into events: the matcher itself.

Public entries first, then one function a command, then what they share.  Kernels know no clock,
allocate nothing and raise nothing; whatever bytes a record holds, it gets an answer.  Addresses
are int64; ``arena`` is the address of what :func:`openoutcry.matcher.arena.new_arena` made;
``out`` is where the next event goes, and functions that write events return it moved on.
"""

from openoutcry.matcher.arena import (
    BOOK_BEST_KEY,
    BOOK_BEST_LEVEL,
    ENTRY_INSTRUMENT,
    ENTRY_SYMBOL,
    EVENT_COUNT,
    FLAG_POST_ONLY,
    FREE_ORDER,
    FRESH_ORDERS,
    GOLDEN,
    LAST_INSTRUMENT,
    LAST_SEQ,
    LAST_SYMBOL,
    LEVEL_HEAD,
    LEVEL_TOTAL,
    OPEN_ORDERS,
    ORDER_CAPACITY,
    PAGE_BITMAP,
    PAGE_BOOK,
    SLOT_FLAGS,
    SLOT_ID,
    SLOT_LEVEL,
    SLOT_NEXT,
    SLOT_OWNER,
    SLOT_QTY,
    SYMBOL_ENTRY_BYTES,
    SYMBOL_MASK,
    SYMBOLS_AT,
)
from openoutcry.matcher.ids import erase_id, find_id, insert_id, prefetch_id, prefetch_order
from openoutcry.matcher.levels import (
    book_addr,
    find_page,
    has_free_page,
    join_level,
    key_flip,
    leave_level,
    level_addr,
    level_key,
    next_level,
    page_addr,
    page_number,
    slot_addr,
)
from openoutcry.wire.enums import (
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, load_u8, load_u16, load_u32, store_i64, store_u32
from openoutcry.wire.records import EVENT, MAX_VALUE, NO_INSTRUMENT, ORDER, RECORD_BYTES

ORDER_PRICE = ORDER.offsets["price_ticks"]
ORDER_QTY = ORDER.offsets["qty_lots"]
ORDER_SYMBOL = ORDER.offsets["symbol"]
ORDER_ID = ORDER.offsets["order_id"]
ORDER_SEQ = ORDER.offsets["seq"]
ORDER_WORD = ORDER.offsets["participant"]
"""The eight small fields from ``participant`` to ``time_in_force`` are read as one word."""
ERROR_SHIFT = 8 * (ORDER.offsets["error_code"] - ORDER_WORD)
KIND_SHIFT = 8 * (ORDER.offsets["kind"] - ORDER_WORD)
SIDE_SHIFT = 8 * (ORDER.offsets["side"] - ORDER_WORD)
TYPE_SHIFT = 8 * (ORDER.offsets["order_type"] - ORDER_WORD)
TIF_SHIFT = 8 * (ORDER.offsets["time_in_force"] - ORDER_WORD)

EVENT_ORDER = EVENT.offsets["order_id"]
EVENT_CONTRA = EVENT.offsets["contra_id"]
EVENT_PRICE = EVENT.offsets["price_ticks"]
EVENT_QTY = EVENT.offsets["qty_lots"]
EVENT_LEAVES = EVENT.offsets["leaves_lots"]
EVENT_CAUSE = EVENT.offsets["cause_seq"]
EVENT_SEQ = EVENT.offsets["seq"]
EVENT_WORD = EVENT.offsets["participant"]
"""The six small fields from ``participant`` to ``flags`` are written as one word: ``address``
(whom, which instrument, which side) plus ``what`` (kind, reason, flags)."""
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - EVENT_WORD)
EVENT_KIND_SHIFT = 8 * (EVENT.offsets["kind"] - EVENT_WORD)
REASON_SHIFT = 8 * (EVENT.offsets["reason"] - EVENT_WORD)
EVENT_SIDE_SHIFT = 8 * (EVENT.offsets["side"] - EVENT_WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - EVENT_WORD)

ACCEPTED = int(EventKind.ACCEPTED) << EVENT_KIND_SHIFT
FILLED = int(EventKind.FILLED) << EVENT_KIND_SHIFT
MAKER_FILLED = FILLED | int(EventFlag.MAKER) << FLAGS_SHIFT
CANCELLED = int(EventKind.CANCELLED) << EVENT_KIND_SHIFT
REDUCED = int(EventKind.REDUCED) << EVENT_KIND_SHIFT
REPLACED = int(EventKind.REPLACED) << EVENT_KIND_SHIFT
KEPT_PLACE = int(EventFlag.KEPT_PLACE) << FLAGS_SHIFT
REJECTED = int(EventKind.REJECTED) << EVENT_KIND_SHIFT
LAST = int(EventFlag.LAST) << FLAGS_SHIFT

NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
REDUCE, REPLACE = int(CommandKind.REDUCE), int(CommandKind.REPLACE)
BUY, SELL = int(Side.BUY), int(Side.SELL)
LIMIT, MARKET, POST_ONLY = int(OrderType.LIMIT), int(OrderType.MARKET), int(OrderType.POST_ONLY)
DAY, IOC, FOK = int(TimeInForce.DAY), int(TimeInForce.IOC), int(TimeInForce.FOK)

ACCEPT = int(Reason.NONE)
GATEWAY = int(Reason.GATEWAY)
UNKNOWN_INSTRUMENT = int(Reason.UNKNOWN_INSTRUMENT)
MALFORMED = int(Reason.MALFORMED)
BAD_QTY = int(Reason.BAD_QTY)
DUPLICATE_ID = int(Reason.DUPLICATE_ID)
UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
NOT_OWNER = int(Reason.NOT_OWNER)
WOULD_CROSS = int(Reason.WOULD_CROSS)
BOOK_FULL = int(Reason.BOOK_FULL)
LEVEL_OVERFLOW = int(Reason.LEVEL_OVERFLOW)
USER = int(Reason.USER)
IOC_REST = int(Reason.IOC_REST)
MARKET_REST = int(Reason.MARKET_REST)
FOK_UNFILLABLE = int(Reason.FOK_UNFILLABLE)
REDUCED_TO_ZERO = int(Reason.REDUCED_TO_ZERO)

PREFETCH_AHEAD = 8
"""Commands by which :func:`process_batch` asks ahead for id-table lines."""


def scratch_records(order_capacity: int) -> int:
    """Event slots that always hold what one command can cause: two fills for every open order,
    ACCEPTED before them, CANCELLED after them, and two to spare."""
    return 2 * order_capacity + 4


@kernel
def process_batch(
    arena: int, orders: int, count: int, out: int, out_capacity: int
) -> tuple[int, int]:
    """Process up to ``count`` commands (64 bytes each, contiguous at ``orders``).

    Writes events at ``out`` and stops before a command when fewer than its worst case of slots
    (two an open order and 4) remain of ``out_capacity``.  Returns (commands done, events written).
    """
    done = 0
    written = 0
    while done < count:
        if out_capacity - written < 2 * load_i64(arena + OPEN_ORDERS) + 4:
            break
        order = orders + done * RECORD_BYTES
        if done + PREFETCH_AHEAD < count:
            prefetch_id(arena, load_i64(order + PREFETCH_AHEAD * RECORD_BYTES + ORDER_ID))
            prefetch_order(arena, load_i64(order + PREFETCH_AHEAD // 2 * RECORD_BYTES + ORDER_ID))
        written += process_one(arena, order, out + written * RECORD_BYTES)
        done += 1
    return done, written


@kernel
def process_one(arena: int, order: int, out: int) -> int:
    """Process the command at ``order`` and return how many events it wrote at ``out``, at least
    one; the last carries the flag LAST, and their ``seq`` is 0 for the caller to number."""
    end = dispatch(arena, order, out)
    last = end - RECORD_BYTES + EVENT_WORD
    store_i64(last, load_i64(last) | LAST)
    count = (end - out) // RECORD_BYTES
    store_i64(arena + LAST_SEQ, load_i64(order + ORDER_SEQ))
    store_i64(arena + EVENT_COUNT, load_i64(arena + EVENT_COUNT) + count)
    return count


@kernel
def dispatch(arena: int, order: int, out: int) -> int:
    word = load_i64(order + ORDER_WORD)
    instrument = find_instrument(arena, load_i64(order + ORDER_SYMBOL))
    # The address of events to whom sent the command, about the side the command names.
    address = (
        (word & 0xFFFF)
        | (instrument << INSTRUMENT_SHIFT)
        | (((word >> SIDE_SHIFT) & 0xFF) << EVENT_SIDE_SHIFT)
    )
    error_code = (word >> ERROR_SHIFT) & 0xFFFF
    if error_code != 0:
        return reject(order, out, address, GATEWAY, error_code)
    kind = (word >> KIND_SHIFT) & 0xFF
    if kind < NEW or kind > REPLACE:
        return reject(order, out, address, MALFORMED, 0)
    if instrument == NO_INSTRUMENT:
        return reject(order, out, address, UNKNOWN_INSTRUMENT, 0)
    if kind == NEW:
        return new(arena, order, out, address, instrument, word)
    slot = find_id(arena, load_i64(order + ORDER_ID))
    reason = refuse_owner(arena, slot, instrument, word & 0xFFFF)
    if reason != ACCEPT:
        return reject(order, out, address, reason, 0)
    if kind == CANCEL:
        qty = load_i64(slot_addr(arena, slot) + SLOT_QTY)
        return cancel(arena, order, out, slot, qty, USER)
    if load_i64(order + ORDER_QTY) <= 0:
        return reject(order, out, address, BAD_QTY, 0)
    if kind == REDUCE:
        return reduce(arena, order, out, slot)
    return replace(arena, order, out, address, slot)


# One function a command


@kernel
def new(arena: int, order: int, out: int, address: int, instrument: int, word: int) -> int:
    side = (word >> SIDE_SHIFT) & 0xFF
    order_type = (word >> TYPE_SHIFT) & 0xFF
    tif = (word >> TIF_SHIFT) & 0xFF
    if is_malformed(side, order_type, tif):
        return reject(order, out, address, MALFORMED, 0)
    order_id = load_i64(order + ORDER_ID)
    price = load_i64(order + ORDER_PRICE)
    qty = load_i64(order + ORDER_QTY)
    if qty <= 0:
        return reject(order, out, address, BAD_QTY, 0)
    if find_id(arena, order_id) != 0:
        return reject(order, out, address, DUPLICATE_ID, 0)
    book = (instrument << 1) | (side - BUY)
    key = price ^ key_flip(book)
    page = 0
    may_rest = order_type != MARKET and tif == DAY
    if may_rest:
        page = find_page(arena, book, page_number(key))
        has_slot = load_i64(arena + OPEN_ORDERS) < load_i64(arena + ORDER_CAPACITY)
        reason = refuse_rest(arena, book, page, key, qty, 0, order_type == POST_ONLY, has_slot)
        if reason != ACCEPT:
            return reject(order, out, address, reason, 0)
    cause = load_i64(order + ORDER_SEQ)
    out = emit(out, order_id, 0, price, qty, qty, cause, address | ACCEPTED)
    limit = MAX_VALUE if order_type == MARKET else limit_key(book, price)
    if tif == FOK and not is_fillable(arena, book ^ 1, limit, qty):
        return emit_cancelled(out, order_id, price, qty, cause, address, FOK_UNFILLABLE)
    qty, out = match(arena, book ^ 1, limit, order_id, qty, cause, address, out)
    if qty == 0:
        return out
    if may_rest:
        slot = open_order(arena, order_id, word & 0xFFFF, order_type == POST_ONLY)
        join_level(arena, book, page, key, slot, qty)
        return out
    reason = MARKET_REST if order_type == MARKET else IOC_REST
    return emit_cancelled(out, order_id, price, qty, cause, address, reason)


@kernel
def cancel(arena: int, order: int, out: int, slot: int, qty: int, reason: int) -> int:
    """Take the open order in ``slot`` out of the book: it was ``qty`` lots."""
    cause = load_i64(order + ORDER_SEQ)
    out = emit_cancelled(
        out,
        load_i64(slot_addr(arena, slot) + SLOT_ID),
        order_price(arena, slot),
        qty,
        cause,
        order_address(arena, slot),
        reason,
    )
    leave_level(arena, slot)
    close_order(arena, slot)
    return out


@kernel
def reduce(arena: int, order: int, out: int, slot: int) -> int:
    qty = load_i64(order + ORDER_QTY)
    at = slot_addr(arena, slot)
    leaves = load_i64(at + SLOT_QTY)
    if qty >= leaves:
        return cancel(arena, order, out, slot, leaves, REDUCED_TO_ZERO)
    take_off(arena, slot, qty)
    price = order_price(arena, slot)
    cause = load_i64(order + ORDER_SEQ)
    address = order_address(arena, slot) | REDUCED
    return emit(out, load_i64(at + SLOT_ID), 0, price, qty, leaves - qty, cause, address)


@kernel
def replace(arena: int, order: int, out: int, address: int, slot: int) -> int:
    """New price and open quantity; ``address`` is the command's own, for a reject."""
    at = slot_addr(arena, slot)
    order_id = load_i64(at + SLOT_ID)
    leaves = load_i64(at + SLOT_QTY)
    level = load_u32(at + SLOT_LEVEL)
    book = load_u32(page_addr(arena, level >> 6) + PAGE_BOOK)
    price = load_i64(order + ORDER_PRICE)
    qty = load_i64(order + ORDER_QTY)
    cause = load_i64(order + ORDER_SEQ)
    key = price ^ key_flip(book)
    same_level = level_key(arena, level) == key
    about = order_address(arena, slot)
    if same_level and qty <= leaves:
        take_off(arena, slot, leaves - qty)
        return emit(out, order_id, 0, price, qty, qty, cause, about | REPLACED | KEPT_PLACE)
    page = find_page(arena, book, page_number(key))
    own = leaves if same_level else 0
    post_only = load_u8(at + SLOT_FLAGS) & FLAG_POST_ONLY != 0
    reason = refuse_rest(arena, book, page, key, qty, own, post_only, True)
    if reason != ACCEPT:
        return reject(order, out, address, reason, 0)
    leave_level(arena, slot)
    out = emit(out, order_id, 0, price, qty, qty, cause, about | REPLACED)
    limit = limit_key(book, price)
    qty, out = match(arena, book ^ 1, limit, order_id, qty, cause, about, out)
    if qty == 0:
        close_order(arena, slot)
        return out
    # Leaving may have closed the page that was found above.
    join_level(arena, book, find_page(arena, book, page_number(key)), key, slot, qty)
    return out


# Whether


@kernel
def is_malformed(side: int, order_type: int, tif: int) -> bool:
    if side < BUY or side > SELL or order_type < LIMIT or order_type > POST_ONLY:
        return True
    return tif < DAY or tif > FOK or (order_type == POST_ONLY and tif != DAY)


@kernel
def refuse_owner(arena: int, slot: int, instrument: int, participant: int) -> int:
    """Why ``participant`` may not touch the order in ``slot`` (0: there is none)."""
    if slot == 0:
        return UNKNOWN_ORDER
    at = slot_addr(arena, slot)
    book = load_u32(page_addr(arena, load_u32(at + SLOT_LEVEL) >> 6) + PAGE_BOOK)
    if book >> 1 != instrument:
        return UNKNOWN_ORDER
    if load_u16(at + SLOT_OWNER) != participant:
        return NOT_OWNER
    return ACCEPT


@kernel
def refuse_rest(
    arena: int,
    book: int,
    page: int,
    key: int,
    qty: int,
    own: int,
    post_only: bool,
    has_slot: bool,
) -> int:
    """Why an order that might rest at ``key`` must be refused before anything has happened.

    ``page`` is the key's page or 0; ``own`` is what the order itself now adds to that level;
    ``has_slot`` whether there is an order slot for it.
    """
    if post_only and would_cross(arena, book, key):
        return WOULD_CROSS
    if not has_slot or (page == 0 and not has_free_page(arena)):
        return BOOK_FULL
    if page != 0 and (load_i64(page_addr(arena, page) + PAGE_BITMAP) >> (key & 63)) & 1:
        total = load_i64(level_addr(arena, (page << 6) | (key & 63)) + LEVEL_TOTAL) - own
        if qty > MAX_VALUE - total:
            return LEVEL_OVERFLOW
    return ACCEPT


@kernel
def would_cross(arena: int, book: int, key: int) -> bool:
    """Whether an order for ``book`` at ``key`` would trade on arrival."""
    opposite = book_addr(arena, book ^ 1)
    # The complement of a key is the same price seen from the other side.
    return load_u32(opposite + BOOK_BEST_LEVEL) != 0 and load_i64(opposite + BOOK_BEST_KEY) <= ~key


@kernel
def is_fillable(arena: int, opposite: int, limit: int, qty: int) -> bool:
    """Whether ``qty`` lots stand in the book ``opposite`` at keys up to ``limit``.

    Walks no further than it must, and subtracts, so that no sum can overflow.
    """
    level = load_u32(book_addr(arena, opposite) + BOOK_BEST_LEVEL)
    while level != 0 and level_key(arena, level) <= limit:
        qty -= load_i64(level_addr(arena, level) + LEVEL_TOTAL)
        if qty <= 0:
            return True
        level = next_level(arena, level)
    return False


# What commands share


@kernel
def match(
    arena: int, opposite: int, limit: int, taker_id: int, qty: int, cause: int, taker: int, out: int
) -> tuple[int, int]:
    """Trade ``qty`` lots against the book ``opposite``, best key first and first come first, up
    to the key ``limit``.  ``taker`` is the address of the taker's events.  Returns (what is left,
    out)."""
    side = book_addr(arena, opposite)
    flip = key_flip(opposite)
    while qty > 0:
        level = load_u32(side + BOOK_BEST_LEVEL)
        key = load_i64(side + BOOK_BEST_KEY)
        if level == 0 or key > limit:
            break
        slot = load_u32(level_addr(arena, level) + LEVEL_HEAD)
        maker = slot_addr(arena, slot)
        maker_id = load_i64(maker + SLOT_ID)
        maker_qty = load_i64(maker + SLOT_QTY)
        traded = min(qty, maker_qty)
        qty -= traded
        about = book_address(opposite, load_u16(maker + SLOT_OWNER)) | MAKER_FILLED
        left = maker_qty - traded
        out = emit(out, maker_id, taker_id, key ^ flip, traded, left, cause, about)
        out = emit(out, taker_id, maker_id, key ^ flip, traded, qty, cause, taker | FILLED)
        if left == 0:
            leave_level(arena, slot)
            close_order(arena, slot)
        else:
            take_off(arena, slot, traded)
    return qty, out


@kernel
def take_off(arena: int, slot: int, qty: int) -> None:
    """Take ``qty`` lots, fewer than it has, off an open order in its place."""
    at = slot_addr(arena, slot)
    total_at = level_addr(arena, load_u32(at + SLOT_LEVEL)) + LEVEL_TOTAL
    store_i64(at + SLOT_QTY, load_i64(at + SLOT_QTY) - qty)
    store_i64(total_at, load_i64(total_at) - qty)
    if VERIFY:
        assert load_i64(at + SLOT_QTY) > 0
        assert load_i64(total_at) >= load_i64(at + SLOT_QTY)


@kernel
def open_order(arena: int, order_id: int, participant: int, post_only: bool) -> int:
    """A slot for an order that is about to join its level, entered under its id."""
    slot = load_i64(arena + FREE_ORDER)
    if slot != 0:
        store_i64(arena + FREE_ORDER, load_u32(slot_addr(arena, slot) + SLOT_NEXT))
    else:
        slot = load_i64(arena + FRESH_ORDERS) + 1
        store_i64(arena + FRESH_ORDERS, slot)
    if VERIFY:
        assert slot <= load_i64(arena + ORDER_CAPACITY)
    store_i64(arena + OPEN_ORDERS, load_i64(arena + OPEN_ORDERS) + 1)
    at = slot_addr(arena, slot)
    store_i64(at + SLOT_ID, order_id)
    flags = FLAG_POST_ONLY if post_only else 0
    store_u32(at + SLOT_OWNER, participant | (flags << 16))
    insert_id(arena, order_id, slot)
    return slot


@kernel
def close_order(arena: int, slot: int) -> None:
    """Forget an order that has left its level, and give its slot back."""
    at = slot_addr(arena, slot)
    erase_id(arena, load_i64(at + SLOT_ID), slot)
    store_u32(at + SLOT_NEXT, load_i64(arena + FREE_ORDER))
    store_i64(arena + FREE_ORDER, slot)
    store_i64(arena + OPEN_ORDERS, load_i64(arena + OPEN_ORDERS) - 1)


@kernel
def find_instrument(arena: int, symbol: int) -> int:
    """Index of the instrument whose symbol's eight bytes are ``symbol``, or NO_INSTRUMENT."""
    if symbol == load_i64(arena + LAST_SYMBOL) and symbol != 0:
        return load_i64(arena + LAST_INSTRUMENT)
    table = arena + load_i64(arena + SYMBOLS_AT)
    mask = load_i64(arena + SYMBOL_MASK)
    at = ((symbol * GOLDEN) >> 40) & mask
    while True:
        entry = table + at * SYMBOL_ENTRY_BYTES
        instrument = load_i64(entry + ENTRY_INSTRUMENT) - 1
        if instrument < 0:
            return NO_INSTRUMENT
        if load_i64(entry + ENTRY_SYMBOL) == symbol:
            store_i64(arena + LAST_SYMBOL, symbol)
            store_i64(arena + LAST_INSTRUMENT, instrument)
            return instrument
        at = (at + 1) & mask


@kernel
def limit_key(book: int, price: int) -> int:
    """The worst key of the opposite book at which an order of ``book`` at ``price`` trades."""
    return price ^ key_flip(book ^ 1)


@kernel
def order_price(arena: int, slot: int) -> int:
    level = load_u32(slot_addr(arena, slot) + SLOT_LEVEL)
    book = load_u32(page_addr(arena, level >> 6) + PAGE_BOOK)
    return level_key(arena, level) ^ key_flip(book)


@kernel
def order_address(arena: int, slot: int) -> int:
    at = slot_addr(arena, slot)
    book = load_u32(page_addr(arena, load_u32(at + SLOT_LEVEL) >> 6) + PAGE_BOOK)
    return book_address(book, load_u16(at + SLOT_OWNER))


@kernel
def book_address(book: int, participant: int) -> int:
    """Address of an event to ``participant`` about an order in ``book``."""
    side = (book & 1) + BUY
    return participant | ((book >> 1) << INSTRUMENT_SHIFT) | (side << EVENT_SIDE_SHIFT)


@kernel
def reject(order: int, out: int, address: int, reason: int, contra_id: int) -> int:
    """A rejected command changes nothing; its event echoes it."""
    what = address | REJECTED | (reason << REASON_SHIFT)
    price = load_i64(order + ORDER_PRICE)
    qty = load_i64(order + ORDER_QTY)
    cause = load_i64(order + ORDER_SEQ)
    return emit(out, load_i64(order + ORDER_ID), contra_id, price, qty, 0, cause, what)


@kernel
def emit_cancelled(
    out: int, order_id: int, price: int, qty: int, cause: int, address: int, reason: int
) -> int:
    what = address | CANCELLED | (reason << REASON_SHIFT)
    return emit(out, order_id, 0, price, qty, 0, cause, what)


@kernel
def emit(
    out: int,
    order_id: int,
    contra_id: int,
    price: int,
    qty: int,
    leaves: int,
    cause: int,
    word: int,
) -> int:
    """Write one event at ``out`` and return where the next goes."""
    store_i64(out + EVENT_ORDER, order_id)
    store_i64(out + EVENT_CONTRA, contra_id)
    store_i64(out + EVENT_PRICE, price)
    store_i64(out + EVENT_QTY, qty)
    store_i64(out + EVENT_LEAVES, leaves)
    store_i64(out + EVENT_CAUSE, cause)
    store_i64(out + EVENT_WORD, word)
    store_i64(out + EVENT_SEQ, 0)
    return out + RECORD_BYTES
