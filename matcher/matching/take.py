# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""A taker's way through the displayed, hidden and all-or-none books of the other side.

Who takes stands in the header's TAKER words (:func:`set_taker`); no taker's run is inside another.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    best_level,
    count_order,
    end,
    first_order,
    forget,
    next_order,
    reason_word,
    refuse_place,
    show,
    stand,
    standing_contra,
    withdraw,
)
from openoutcry.matcher.book.instrument_rules import is_pro_rata, rule_addr
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    instrument_addr,
    key_flip,
    leave_level,
    level_addr,
    level_key,
    next_level,
    page_addr,
    page_number,
    slot_addr,
)
from openoutcry.matcher.book.orders import (
    close_order,
    extension_addr,
    extension_of,
    order_address,
    order_leaves,
    order_owner,
    order_price,
    plain_book,
    plain_price,
    take_off,
    touch_order,
)
from openoutcry.matcher.events import book_address, emit, tell
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import count_leading_zeros, load_i64, load_u16, load_u32, store_i64
from openoutcry.wire.records import MAX_VALUE

# Which books a taker trades against.
ALL_BOOKS = 0
UNSEEN_BOOKS = 1
"""Hidden and all-or-none: a pegged order, which never reaches what is displayed."""
AT_LIMIT = 2
"""Displayed and hidden at exactly the limit: trading at last."""


@kernel
def reaches(arena: int, opposite: int, limit: int) -> bool:
    """Whether the best of the book ``opposite`` is at the key ``limit`` or better."""
    side = book_addr(arena, opposite)
    return (
        load_u32(side + layout.BOOK_BEST_LEVEL) != 0
        and load_i64(side + layout.BOOK_BEST_KEY) <= limit
    )


@kernel
def meets_unseen(arena: int, book: int, limit: int) -> bool:
    """Whether an order for the side of ``book`` meets hidden or all-or-none orders at keys up to
    ``limit``."""
    opposite = book & ~layout.WHICH ^ 1
    return reaches(arena, opposite | layout.HIDDEN_BOOK, limit) or reaches(
        arena, opposite | layout.ALL_OR_NONE_BOOK, limit
    )


@kernel
def meets(arena: int, book: int, limit: int) -> bool:
    """As :func:`meets_unseen`, or displayed ones."""
    return reaches(arena, book & ~layout.WHICH ^ 1 | layout.DISPLAYED, limit) or meets_unseen(
        arena, book, limit
    )


@kernel
def set_taker(arena: int, order_id: int, word: int, price: int, mode: int) -> None:
    """Who takes: its id, the address and the price of its events, its self-trade mode."""
    store_i64(arena + layout.TAKER_ID, order_id)
    store_i64(arena + layout.TAKER_WORD, word)
    store_i64(arena + layout.TAKER_PRICE, price)
    store_i64(arena + layout.TAKER_MODE, mode)


@kernel_outlined
def take(arena: int, instrument: int, side: int, limit: int, qty: int, books: int) -> int:
    """Trade ``qty`` lots of the taker of ``side`` up to the price ``limit``.  Returns what is left
    to rest: 0 also if self-trade prevention ended it."""
    opposite = instrument << 4 | (2 - side)
    flip = key_flip(opposite)
    worst = limit ^ flip
    mode = load_i64(arena + layout.TAKER_MODE)
    owner = load_i64(arena + layout.TAKER_WORD) & 0xFFFF
    shares = is_pro_rata(arena, instrument)
    in_time_order = 0
    aon = 0 if books == AT_LIMIT else first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while qty > 0:
        shown = 0
        if books != UNSEEN_BOOKS:
            shown = front_level(arena, opposite | layout.DISPLAYED, worst, books)
        unseen = front_level(arena, opposite | layout.HIDDEN_BOOK, worst, books)
        level = better_level(arena, shown, unseen)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, load_u32(slot_addr(arena, aon) + layout.SLOT_LEVEL))
            if aon_key <= worst and (level == 0 or aon_key < key):
                maker = aon
                aon = next_order(arena, aon)
                # Less than it wants is left: it is passed by.
                if load_i64(slot_addr(arena, maker) + layout.SLOT_QTY) <= qty:
                    qty = meet(arena, instrument, maker, owner, mode, qty)
                continue
        if level == 0:
            break
        if shares != 0 and level == shown:
            if in_time_order <= 0:
                in_time_order = load_i64(level_addr(arena, level) + layout.LEVEL_TOTAL)
                if qty < in_time_order and not has_own(arena, level, owner, mode):
                    share_level(arena, instrument, level, qty)
                    return 0
            in_time_order -= shown_of_head(arena, level)
        maker = load_u32(level_addr(arena, level) + layout.LEVEL_HEAD)
        qty = meet(arena, instrument, maker, owner, mode, qty)
    return qty


@kernel
def shown_of_head(arena: int, level: int) -> int:
    """What the level's first order shows: all of it goes, or the taker is done."""
    head = load_u32(level_addr(arena, level) + layout.LEVEL_HEAD)
    return load_i64(slot_addr(arena, head) + layout.SLOT_QTY)


@kernel
def front_level(arena: int, book: int, worst: int, books: int) -> int:
    """The best level of ``book`` up to the key ``worst`` (AT_LIMIT: the one at it), or 0."""
    if books == AT_LIMIT:
        page = find_page(arena, book, page_number(worst))
        is_open = (load_i64(page_addr(arena, page) + layout.PAGE_BITMAP) >> (worst & 63)) & 1
        return page << 6 | (worst & 63) if page != 0 and is_open else 0
    level = best_level(arena, book)
    return level if level != 0 and level_key(arena, level) <= worst else 0


@kernel
def better_level(arena: int, shown: int, unseen: int) -> int:
    """What is displayed trades before what is hidden at the same price."""
    if shown == 0 or unseen == 0:
        return shown | unseen
    return shown if level_key(arena, shown) <= level_key(arena, unseen) else unseen


@kernel
def meet(arena: int, instrument: int, maker: int, owner: int, mode: int, qty: int) -> int:
    """The taker with ``qty`` lots left meets ``maker``; returns what it has left then."""
    if mode != const.ALLOW and order_owner(arena, maker) == owner:
        return meet_own(arena, instrument, maker, mode, qty)
    traded = min(qty, load_i64(slot_addr(arena, maker) + layout.SLOT_QTY))
    fill(arena, instrument, maker, traded, qty - traded)
    return qty - traded


@kernel_outlined
def fill(arena: int, instrument: int, maker: int, traded: int, left: int) -> None:
    """Trade ``traded`` lots with the maker at its price; ``left``: what the taker has after it."""
    at = slot_addr(arena, maker)
    if load_u32(at + layout.SLOT_OWNER) & layout.EXTENDED == 0:
        fill_plain(arena, instrument, maker, traded, left)
        return
    price = plain_price(arena, maker)
    maker_id = load_i64(at + layout.SLOT_ID)
    taker_id = load_i64(arena + layout.TAKER_ID)
    leaves = order_leaves(arena, maker) - traded
    word = order_address(arena, maker) | const.FILLED | const.MAKER
    tell(arena, maker_id, taker_id, price, traded, leaves, word)
    word = load_i64(arena + layout.TAKER_WORD) | const.FILLED
    tell(arena, taker_id, maker_id, price, traded, left, word)
    store_i64(instrument_addr(arena, instrument) + layout.LAST_PRICE, price)
    if traded < load_i64(at + layout.SLOT_QTY):
        take_off(arena, maker, traded)
    elif leaves == 0:
        forget(arena, instrument, maker)
    else:
        refresh(arena, instrument, maker, leaves)


@kernel
def fill_plain(arena: int, instrument: int, maker: int, traded: int, left: int) -> None:
    """As :func:`fill`, of a plain order: what most makers are."""
    at = slot_addr(arena, maker)
    price, maker_id = plain_price(arena, maker), load_i64(at + layout.SLOT_ID)
    taker_id, taker = load_i64(arena + layout.TAKER_ID), load_i64(arena + layout.TAKER_WORD)
    leaves = load_i64(at + layout.SLOT_QTY) - traded
    owner = load_u32(at + layout.SLOT_OWNER) & 0xFFFF
    about = book_address(plain_book(arena, maker), owner) | const.FILLED | const.MAKER
    cause, out = load_i64(arena + layout.CAUSE_SEQ), load_i64(arena + layout.NEXT_EVENT_AT)
    out = emit(out, maker_id, taker_id, price, traded, leaves, cause, about)
    out = emit(out, taker_id, maker_id, price, traded, left, cause, taker | const.FILLED)
    store_i64(arena + layout.NEXT_EVENT_AT, out)
    store_i64(instrument_addr(arena, instrument) + layout.LAST_PRICE, price)
    if leaves > 0:
        take_off(arena, maker, traded)
        return
    if is_pro_rata(arena, instrument):
        count_order(arena, instrument, const.LIMIT, const.DAY, 0, -1)
    leave_level(arena, maker)
    close_order(arena, instrument, maker)


@kernel_outlined
def refresh(arena: int, instrument: int, slot: int, leaves: int) -> None:
    """An iceberg's slice is gone: the next goes to the back of the level."""
    book = plain_book(arena, slot)
    price = plain_price(arena, slot)
    word = order_address(arena, slot)
    order_id = load_i64(slot_addr(arena, slot) + layout.SLOT_ID)
    withdraw(arena, slot)
    shown = show(arena, slot, extension_of(arena, slot), leaves)
    reason = refuse_place(arena, book, price, shown, 0)
    if reason != 0:
        word |= reason_word(const.CANCELLED, reason)
        tell(arena, order_id, 0, price, leaves, 0, word)
        forget(arena, instrument, slot)
        return
    display = standing_contra(arena, slot)
    tell(
        arena, order_id, display, price, shown, leaves, word | const.REFRESHED | const.ICEBERG_FLAG
    )
    stand(arena, book, price, slot, shown)


# Self-trade prevention


@kernel_outlined
def meet_own(arena: int, instrument: int, maker: int, mode: int, qty: int) -> int:
    """The taker meets an order of its own participant; returns what the taker has left."""
    if mode == const.DECREMENT:
        leaves = order_leaves(arena, maker)
        both = min(qty, leaves)
        decrement_maker(arena, instrument, maker, both, leaves - both)
        tell_taker(arena, const.REDUCED if qty > both else const.CANCELLED, both, qty - both)
        return qty - both
    if mode != const.CANCEL_NEWEST:
        end(arena, instrument, maker, reason_word(const.CANCELLED, const.SELF_TRADE))
    if mode == const.CANCEL_OLDEST:
        return qty
    if VERIFY:
        assert mode in (const.CANCEL_NEWEST, const.CANCEL_BOTH)
    tell_taker(arena, const.CANCELLED, qty, 0)
    return 0


@kernel
def tell_taker(arena: int, kind: int, qty: int, leaves: int) -> None:
    word = load_i64(arena + layout.TAKER_WORD) | reason_word(kind, const.SELF_TRADE)
    price = load_i64(arena + layout.TAKER_PRICE)
    tell(arena, load_i64(arena + layout.TAKER_ID), 0, price, qty, leaves, word)


@kernel
def decrement_maker(arena: int, instrument: int, maker: int, qty: int, leaves: int) -> None:
    if leaves == 0:
        end(arena, instrument, maker, reason_word(const.CANCELLED, const.SELF_TRADE))
        return
    word = order_address(arena, maker) | reason_word(const.REDUCED, const.SELF_TRADE)
    order_id = load_i64(slot_addr(arena, maker) + layout.SLOT_ID)
    tell(arena, order_id, 0, order_price(arena, maker), qty, leaves, word)
    lessen(arena, maker, qty)


@kernel_outlined
def lessen(arena: int, slot: int, qty: int) -> None:
    """Take ``qty`` lots, fewer than it has, off an order: an iceberg's reserve first."""
    touch_order(arena, slot)
    ext = extension_of(arena, slot)
    if ext != 0:
        spared = min(qty, load_i64(ext + layout.EXT_RESERVE))
        store_i64(ext + layout.EXT_RESERVE, load_i64(ext + layout.EXT_RESERVE) - spared)
        qty -= spared
    at = slot_addr(arena, slot)
    if qty == 0:
        return
    if load_u32(at + layout.SLOT_LEVEL) != 0:
        take_off(arena, slot, qty)
    else:
        store_i64(at + layout.SLOT_QTY, load_i64(at + layout.SLOT_QTY) - qty)


# Pro-rata


@kernel_outlined
def has_own(arena: int, level: int, owner: int, mode: int) -> bool:
    """Whether self-trade prevention would strike in the level."""
    if mode == const.ALLOW:
        return False
    slot = load_u32(level_addr(arena, level) + layout.LEVEL_HEAD)
    while slot != 0:
        if order_owner(arena, slot) == owner:
            return True
        slot = load_u32(slot_addr(arena, slot) + layout.SLOT_NEXT)
    return False


@kernel_outlined
def share_level(arena: int, instrument: int, level: int, qty: int) -> None:
    """Allot ``qty`` lots, fewer than the level shows, to its orders: the first one's top share,
    what is left pro rata, and what rounding leaves in time order."""
    rule = rule_addr(arena, instrument)
    lot = load_i64(rule + const.RULE_QTY_STEP)
    least = load_i64(rule + const.RULE_MIN_ALLOCATION)
    queue = level_addr(arena, level)
    head, tail = load_u32(queue + layout.LEVEL_HEAD), load_u32(queue + layout.LEVEL_TAIL)
    top = 0
    if load_u16(rule + const.RULE_TOP_SHARE) > 0:
        top = multiply_divide(qty, load_u16(rule + const.RULE_TOP_SHARE), 10_000)
        top = min(load_i64(slot_addr(arena, head) + layout.SLOT_QTY), top)
        top -= top % lot
    rest, total = qty - top, load_i64(queue + layout.LEVEL_TOTAL) - top
    residual = rest
    slot, taken = head, top
    while slot != 0:
        open_qty = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY) - taken
        residual -= share(open_qty, rest, total, lot, least)
        slot, taken = load_u32(slot_addr(arena, slot) + layout.SLOT_NEXT), 0
    slot, taken = head, top
    while slot != 0:
        at = slot_addr(arena, slot)
        # A refreshed slice comes to stand behind the tail, and is not part of this.
        following = load_u32(at + layout.SLOT_NEXT) if slot != tail else 0
        open_qty = load_i64(at + layout.SLOT_QTY) - taken
        part = share(open_qty, rest, total, lot, least)
        more = min(residual, open_qty - part)
        residual -= more
        part += taken + more
        if part > 0:
            qty -= part
            fill(arena, instrument, slot, part, qty)
        slot, taken = following, 0
    if VERIFY:
        assert qty == 0
        assert residual == 0


@kernel
def share(open_qty: int, rest: int, total: int, lot: int, least: int) -> int:
    """floor(open_qty * rest / total), whole lots, nothing if below ``least``."""
    part = multiply_divide(open_qty, rest, total)
    part -= part % lot
    return part if part >= least else 0


@kernel_outlined
def multiply_divide(a: int, b: int, c: int) -> int:
    """floor(a * b / c) for 0 <= a, 0 <= b <= c, 0 < c, whatever the product: bit by bit where it
    would not fit an int64."""
    if a == 0 or b == 0:
        return 0
    if count_leading_zeros(a) + count_leading_zeros(b) >= 65:
        return a * b // c
    quotient = 0
    remainder = 0
    for shift in range(63 - count_leading_zeros(a), -1, -1):
        quotient <<= 1
        if remainder >= c - remainder:
            remainder -= c - remainder
            quotient += 1
        else:
            remainder += remainder
        if (a >> shift) & 1:
            if remainder >= c - b:
                remainder -= c - b
                quotient += 1
            else:
                remainder += b
    return quotient


# Whether


@kernel_outlined
def fillable(arena: int, instrument: int, side: int, limit: int, qty: int, books: int) -> int:
    """How much of ``qty`` lots the taker would trade up to the price ``limit``: the walk of
    :func:`take` with nothing touched."""
    opposite = instrument << 4 | (2 - side)
    worst = limit ^ key_flip(opposite)
    mode = load_i64(arena + layout.TAKER_MODE)
    owner = load_i64(arena + layout.TAKER_WORD) & 0xFFFF
    shown = front_level(arena, opposite | layout.DISPLAYED, worst, books)
    unseen = front_level(arena, opposite | layout.HIDDEN_BOOK, worst, books)
    aon = 0 if books == AT_LIMIT else first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    left = qty
    while left > 0:
        level = better_level(arena, shown, unseen)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, load_u32(slot_addr(arena, aon) + layout.SLOT_LEVEL))
            if aon_key <= worst and (level == 0 or aon_key < key):
                size = load_i64(slot_addr(arena, aon) + layout.SLOT_QTY)
                if size <= left:
                    if mode == const.ALLOW or order_owner(arena, aon) != owner:
                        left -= size
                    elif mode != const.CANCEL_OLDEST:
                        break
                aon = next_order(arena, aon)
                continue
        if level == 0:
            break
        left, ended = left_after_level(arena, level, owner, mode, left)
        if ended:
            break
        following = 0 if books == AT_LIMIT else next_level(arena, level)
        if following != 0 and level_key(arena, following) > worst:
            following = 0
        if level == shown:
            shown = following
        else:
            unseen = following
    return qty - left


@kernel_outlined
def left_after_level(arena: int, level: int, owner: int, mode: int, left: int) -> tuple[int, bool]:
    """What of ``left`` lots the orders of one level leave, and whether the walk ends there.

    Reserves trade after everything shown, so when the walk ends at an own order only what is shown
    before it counts.
    """
    queue = level_addr(arena, level)
    ends = mode not in (const.ALLOW, const.CANCEL_OLDEST) and has_own(arena, level, owner, mode)
    slot = load_u32(queue + layout.LEVEL_HEAD)
    while slot != 0 and left > 0:
        at = slot_addr(arena, slot)
        word = load_u32(at + layout.SLOT_OWNER)
        is_own = mode != const.ALLOW and order_owner(arena, slot) == owner
        if is_own and ends:
            break
        if not is_own:
            left -= min(left, load_i64(at + layout.SLOT_QTY))
            if word & layout.EXTENDED and not ends:
                left -= min(left, load_i64(extension_addr(arena, word) + layout.EXT_RESERVE))
        slot = load_u32(at + layout.SLOT_NEXT)
    return left, ends


@kernel_outlined
def best_price(arena: int, instrument: int, side: int, default: int) -> int:
    """The best price of ``side`` that a taker could meet, displayed or hidden, or ``default``."""
    book = instrument << 4 | (side - const.BUY)
    level = better_level(
        arena,
        best_level(arena, book | layout.DISPLAYED),
        best_level(arena, book | layout.HIDDEN_BOOK),
    )
    return level_key(arena, level) ^ key_flip(book) if level != 0 else default
