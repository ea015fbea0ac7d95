# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Plain orders: how they rest, go and trade with each other, whatever else the instrument holds."""

from openoutcry.matcher.book.arena import (
    BOOK_BEST_KEY,
    BOOK_BEST_LEVEL,
    DISPLAYED,
    EXTENDED,
    LAST_PRICE,
    LEVEL_HEAD,
    LEVEL_TOTAL,
    MAX_PRICE,
    MAX_QTY,
    MIN_PRICE,
    MIN_QTY,
    OPEN_ORDERS,
    ORDER_CAPACITY,
    PAGE_BITMAP,
    SLOT_GTC,
    SLOT_ID,
    SLOT_LEVEL,
    SLOT_OWNER,
    SLOT_POST_ONLY,
    SLOT_QTY,
)
from openoutcry.matcher.book.ids import find_in_chain
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    has_free_page,
    is_touched,
    join_touched,
    key_flip,
    leave_level,
    leave_touched,
    level_addr,
    level_key,
    next_level,
    page_addr,
    page_number,
    slot_addr,
    touch_instrument,
)
from openoutcry.matcher.book.orders import (
    close_in_chain,
    close_order,
    open_in_chain,
    plain_book,
    take_off,
)
from openoutcry.matcher.constants import (
    ACCEPT,
    ACCEPTED,
    BOOK_FULL,
    BUY,
    DAY,
    FILLED,
    FOK,
    GTC,
    IOC,
    LAST,
    LEVEL_OVERFLOW,
    LIMIT,
    MAKER,
    MARKET,
    ORDER_ID,
    ORDER_PRICE,
    ORDER_QTY,
    ORDER_SEQ,
    POST_ONLY,
    SELL,
    SIDE_SHIFT,
    TYPE_SHIFT,
    USER,
    WOULD_CROSS,
)
from openoutcry.matcher.events import book_address, emit, emit_cancelled, event_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_fixed, load_i64, load_u32, store_i64
from openoutcry.wire.records import MAX_VALUE

POST_BIT = LIMIT ^ POST_ONLY
POST_DAY, POST_GTC = POST_ONLY | DAY << 8, POST_ONLY | GTC << 8
"""Order type and time in force as they stand in a command's word, of what rests unless it trades:
with POST_BIT set, a limit order is a post-only one."""

PLAIN = (
    (1 << DAY | 1 << IOC | 1 << FOK | 1 << GTC) << (LIMIT << 3)
    | (1 << DAY | 1 << IOC | 1 << FOK) << (MARKET << 3)
    | (1 << DAY | 1 << GTC) << (POST_ONLY << 3)
)
"""Bit type * 8 + time in force: the combinations that the fast path knows."""


@kernel
def plain_new(
    arena: int, order: int, instrument: int, state: int, entry: int, word: int, out: int
) -> int:
    side = (word >> SIDE_SHIFT) & 0xFF
    what = (word >> TYPE_SHIFT) & 0xFFFF
    rests = (what | POST_BIT == POST_DAY) | (what | POST_BIT == POST_GTC)
    if (not rests) | (side < BUY) | (side > SELL):
        return 0
    price = load_i64(order + ORDER_PRICE)
    qty = load_i64(order + ORDER_QTY)
    order_id = load_i64(order + ORDER_ID)
    book = instrument << 4 | DISPLAYED | (side - BUY)
    key = price ^ key_flip(book)
    page = find_page(arena, book, page_number(key))
    level = level_addr(arena, (page << 6) | (key & 63))
    is_open = (load_i64(page_addr(arena, page) + PAGE_BITMAP) >> (key & 63)) & 1
    total = load_i64(level + LEVEL_TOTAL) * is_open
    opposite = book_addr(arena, book ^ 1)
    crosses = (load_u32(opposite + BOOK_BEST_LEVEL) != 0) & (
        load_i64(opposite + BOOK_BEST_KEY) <= ~key
    )
    # One branch for all that is rare.
    if (
        crosses
        | (page == 0)
        | (not is_touched(arena, page))
        | (qty < load_i64(state + MIN_QTY))
        | (qty > load_i64(state + MAX_QTY))
        | (price < load_i64(state + MIN_PRICE))
        | (price > load_i64(state + MAX_PRICE))
        | (qty > MAX_VALUE - total)
        | (load_i64(arena + OPEN_ORDERS) >= load_fixed(arena + ORDER_CAPACITY))
    ):
        return 0
    if find_in_chain(arena, entry, order_id) != 0:
        return 0
    owner = word & 0xFFFF
    about = event_address(instrument, side, owner) | ACCEPTED | LAST
    cause = load_i64(order + ORDER_SEQ)
    out = emit(out, order_id, 0, price, qty, qty, cause, about)
    owner |= SLOT_POST_ONLY * (what & POST_BIT != 0) | SLOT_GTC * (what | POST_BIT == POST_GTC)
    slot = open_in_chain(arena, entry, order_id, owner)
    join_touched(arena, book, page, key, slot, qty)
    return out


@kernel
def plain_cancel(arena: int, order: int, entry: int, word: int, out: int) -> int:
    order_id = load_i64(order + ORDER_ID)
    slot = find_in_chain(arena, entry, order_id)
    at = slot_addr(arena, slot)
    owner = load_u32(at + SLOT_OWNER) & 0xFFFF
    level = load_u32(at + SLOT_LEVEL)
    if (slot == 0) | (owner != word & 0xFFFF) | (not is_touched(arena, level >> 6)):
        return 0
    book = plain_book(arena, slot)
    price = level_key(arena, level) ^ key_flip(book)
    what = book_address(book, owner) | LAST
    cause = load_i64(order + ORDER_SEQ)
    out = emit_cancelled(out, order_id, price, load_i64(at + SLOT_QTY), cause, what, USER)
    leave_touched(arena, slot)
    close_in_chain(arena, entry, slot)
    return out


@kernel
def match(
    arena: int,
    state: int,
    opposite: int,
    limit: int,
    taker_id: int,
    qty: int,
    cause: int,
    taker: int,
    out: int,
    among_special: bool,
) -> tuple[int, int]:
    """Trade ``qty`` lots against the book ``opposite``, best key first and first come first, up
    to the key ``limit``.  ``taker`` is the address of the taker's events, ``state`` that of the
    instrument.  Returns (what is left, out); with ``among_special`` also when the next maker is
    not a plain order."""
    side = book_addr(arena, opposite)
    flip = key_flip(opposite)
    instrument = opposite >> 4
    while qty > 0:
        level = load_u32(side + BOOK_BEST_LEVEL)
        key = load_i64(side + BOOK_BEST_KEY)
        if level == 0 or key > limit:
            break
        slot = load_u32(level_addr(arena, level) + LEVEL_HEAD)
        maker = slot_addr(arena, slot)
        owner = load_u32(maker + SLOT_OWNER)
        if among_special and owner & EXTENDED != 0:
            break
        maker_id = load_i64(maker + SLOT_ID)
        maker_qty = load_i64(maker + SLOT_QTY)
        traded = min(qty, maker_qty)
        qty -= traded
        about = book_address(opposite, owner & 0xFFFF) | FILLED | MAKER
        left = maker_qty - traded
        store_i64(state + LAST_PRICE, key ^ flip)
        touch_instrument(arena, instrument)
        out = emit(out, maker_id, taker_id, key ^ flip, traded, left, cause, about)
        out = emit(out, taker_id, maker_id, key ^ flip, traded, qty, cause, taker | FILLED)
        if left == 0:
            leave_level(arena, slot)
            close_order(arena, instrument, slot)
        else:
            take_off(arena, slot, traded)
    return qty, out


# Whether


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


# What is known of them


@kernel
def limit_key(book: int, price: int) -> int:
    """The worst key of the opposite book at which an order of ``book`` at ``price`` trades."""
    return price ^ key_flip(book ^ 1)


@kernel
def plain_address(arena: int, slot: int) -> int:
    owner = load_u32(slot_addr(arena, slot) + SLOT_OWNER) & 0xFFFF
    return book_address(plain_book(arena, slot), owner)
