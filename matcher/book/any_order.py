# (intrinsics have no types that mypy could see)
"""Orders of every kind, on the general path: open, join and leave books, count, remove."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.expiry import never_expire
from openoutcry.matcher.book.instrument_rules import is_peg, is_pro_rata, is_stop, is_trailing
from openoutcry.matcher.book.levels import (
    book_addr,
    find_page,
    has_free_page,
    instrument_addr,
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
from openoutcry.matcher.book.orders import (
    close_order,
    extension_addr,
    extension_of,
    open_order,
    order_leaves,
    order_price,
    order_tag,
    plain_book,
    plain_price,
)
from openoutcry.matcher.event_bound import instrument_extra, order_extra
from openoutcry.matcher.events import emit_next
from openoutcry.wire.enums import OrderType
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64, store_u8, store_u32
from openoutcry.wire.order_types import Home, type_bits, types_at_home, types_elected_as
from openoutcry.wire.records import MAX_VALUE

HIDDEN_HOME_BITS, ALL_OR_NONE_HOME_BITS = (
    type_bits(types_at_home(home)) for home in (Home.HIDDEN, Home.ALL_OR_NONE)
)
ELECTED_AS_POST_ONLY = type_bits(types_elected_as(OrderType.POST_ONLY))

# Books


@kernel
def book_of(instrument: int, which: int, side: int) -> int:
    """Index of the instrument's book ``which``; sell stops trigger as bids and the other way."""
    half = side - const.BUY
    return instrument << 4 | which | (half ^ 1 if which == layout.TRIGGERS else half)


@kernel
def which_book(order_type: int) -> int:
    """The kind of book in which an order of this type rests."""
    if (ALL_OR_NONE_HOME_BITS >> order_type) & 1 != 0:
        return layout.ALL_OR_NONE_BOOK
    if (HIDDEN_HOME_BITS >> order_type) & 1 != 0:
        return layout.HIDDEN_BOOK
    return layout.TRIGGERS if is_stop(order_type) else layout.DISPLAYED


@kernel
def needs_extension(order_type: int, tif: int) -> bool:
    return not (order_type in (const.LIMIT, const.POST_ONLY) and tif in (const.DAY, const.GTC))


# Counting: see event_bound.py


@kernel
def shared_extra(state: int, pro_rata: int) -> int:
    return instrument_extra(
        load_i64(state + layout.STOP_COUNT),
        load_i64(state + layout.ALL_OR_NONE_COUNT),
        load_i64(state + layout.PEG_COUNT),
        load_i64(state + layout.TRAILING_COUNT),
        load_i64(state + layout.ORDER_COUNT),
        pro_rata,
    )


@kernel
def is_uncounted(order_type: int, tif: int) -> bool:
    """Whether the order is counted in pro-rata instruments only, like a plain one."""
    return order_type in (const.LIMIT, const.POST_ONLY, const.HIDDEN) and tif < const.AT_OPEN


@kernel_outlined
def count_order(
    arena: int, instrument: int, order_type: int, tif: int, slices: int, sign: int
) -> None:
    """Count one order of this kind in (``sign`` 1) or out (-1)."""
    pro_rata = is_pro_rata(arena, instrument)
    if pro_rata == 0 and is_uncounted(order_type, tif):
        return
    state = instrument_addr(arena, instrument)
    before = shared_extra(state, pro_rata)
    if is_stop(order_type):
        store_i64(state + layout.STOP_COUNT, load_i64(state + layout.STOP_COUNT) + sign)
    if is_trailing(order_type):
        store_i64(state + layout.TRAILING_COUNT, load_i64(state + layout.TRAILING_COUNT) + sign)
    if order_type == const.ALL_OR_NONE:
        store_i64(
            state + layout.ALL_OR_NONE_COUNT, load_i64(state + layout.ALL_OR_NONE_COUNT) + sign
        )
    if order_type == const.ICEBERG:
        store_i64(state + layout.ICEBERG_COUNT, load_i64(state + layout.ICEBERG_COUNT) + sign)
    if is_peg(order_type):
        store_i64(state + layout.PEG_COUNT, load_i64(state + layout.PEG_COUNT) + sign)
    store_i64(state + layout.ORDER_COUNT, load_i64(state + layout.ORDER_COUNT) + sign * pro_rata)
    change = shared_extra(state, pro_rata) - before + sign * order_extra(order_type, tif, slices)
    store_i64(arena + layout.EXTRA_EVENTS, load_i64(arena + layout.EXTRA_EVENTS) + change)


@kernel
def refuse_extra(arena: int, instrument: int, order_type: int, tif: int, slices: int) -> int:
    """Whether one more order of this kind could cause too many events at once."""
    if is_uncounted(order_type, tif) and is_pro_rata(arena, instrument) == 0:
        return const.ACCEPT
    before = load_i64(arena + layout.EXTRA_EVENTS)
    count_order(arena, instrument, order_type, tif, slices, 1)
    after = load_i64(arena + layout.EXTRA_EVENTS)
    count_order(arena, instrument, order_type, tif, slices, -1)
    if VERIFY:
        assert load_i64(arena + layout.EXTRA_EVENTS) == before
    return (
        const.BOOK_FULL
        if after > before and after > load_i64(arena + layout.EXTRA_CAPACITY)
        else const.ACCEPT
    )


# Capacity


@kernel
def has_slot(arena: int) -> bool:
    return load_i64(arena + layout.OPEN_ORDERS) < load_i64(arena + layout.ORDER_CAPACITY)


@kernel_outlined
def refuse_join(arena: int, book: int, price: int, qty: int, own: int) -> int:
    """Whether ``qty`` lots may join ``book`` at ``price``, where the order itself has ``own`` now.
    Quantities in trigger books are not summed."""
    key = price ^ key_flip(book)
    page = find_page(arena, book, page_number(key))
    if page == 0:
        return const.ACCEPT if has_free_page(arena) else const.BOOK_FULL
    if book & layout.WHICH == layout.TRIGGERS:
        return const.ACCEPT
    if (load_i64(page_addr(arena, page) + layout.PAGE_BITMAP) >> (key & 63)) & 1:
        total = load_i64(level_addr(arena, page << 6 | (key & 63)) + layout.LEVEL_TOTAL) - own
        if qty > MAX_VALUE - total:
            return const.LEVEL_OVERFLOW
    return const.ACCEPT


# Opening


@kernel_outlined
def attach_extension(
    arena: int, slot: int, instrument: int, side: int, order_type: int, tif: int, owner: int
) -> int:
    """Attach an extension, in no list yet, to the order in ``slot``; returns its address."""
    extension = load_i64(arena + layout.FREE_EXTENSION)
    if extension != 0:
        store_i64(
            arena + layout.FREE_EXTENSION,
            load_u32(extension_addr(arena, extension) + layout.EXT_NEXT),
        )
    else:
        extension = load_i64(arena + layout.FRESH_EXTENSIONS) + 1
        store_i64(arena + layout.FRESH_EXTENSIONS, extension)
    ext = extension_addr(arena, extension)
    for word in range(0, layout.EXTENSION_BYTES, 8):
        store_i64(ext + word, 0)
    store_u32(ext + layout.EXT_OWNER, owner)
    store_u8(ext + layout.EXT_TYPE, order_type)
    store_u8(ext + layout.EXT_TIF, tif)
    store_u8(ext + layout.EXT_SIDE, side)
    store_u32(ext + layout.EXT_INSTRUMENT, instrument)
    store_u32(ext + layout.EXT_SLOT, slot)
    owner_at = slot_addr(arena, slot) + layout.SLOT_OWNER
    noted = load_u32(owner_at) & layout.SLOT_NOTED
    store_u32(owner_at, layout.EXTENDED | extension | noted)
    state = instrument_addr(arena, instrument)
    store_i64(state + layout.MODE, load_i64(state + layout.MODE) + layout.MODE_SPECIAL)
    return ext


@kernel
def detach_extension(arena: int, ext: int) -> None:
    """Free the extension; the order, if it stays open, is a plain one."""
    slot = slot_addr(arena, load_u32(ext + layout.EXT_SLOT))
    gtc = layout.SLOT_GTC if load_u8(ext + layout.EXT_TIF) == const.GTC else 0
    word = load_u32(slot + layout.SLOT_OWNER)
    extension, noted = word & layout.EXTENSION_MASK, word & layout.SLOT_NOTED
    store_u32(slot + layout.SLOT_OWNER, load_u32(ext + layout.EXT_OWNER) | gtc | noted)
    state = instrument_addr(arena, load_u32(ext + layout.EXT_INSTRUMENT))
    store_i64(state + layout.MODE, load_i64(state + layout.MODE) - layout.MODE_SPECIAL)
    store_u32(ext + layout.EXT_NEXT, load_i64(arena + layout.FREE_EXTENSION))
    store_i64(arena + layout.FREE_EXTENSION, extension)


@kernel
def open_any(
    arena: int, instrument: int, side: int, order_id: int, order_type: int, tif: int, owner: int
) -> int:
    """A slot for an order of any kind, with an extension if it needs one, in the id table,
    in no level yet, not counted."""
    gtc = layout.SLOT_GTC if tif == const.GTC else 0
    slot = open_order(arena, instrument, order_id, owner | gtc)
    store_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL, 0)
    if needs_extension(order_type, tif):
        attach_extension(arena, slot, instrument, side, order_type, tif, owner)
    return slot


@kernel_outlined
def attach_plain_extension(arena: int, slot: int) -> int:
    """Attach an extension with what the plain order itself holds."""
    book = plain_book(arena, slot)
    owner = load_u32(slot_addr(arena, slot) + layout.SLOT_OWNER)
    price = plain_price(arena, slot)
    order_type = const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT
    tif = const.GTC if owner & layout.SLOT_GTC else const.DAY
    side = (book & 1) + const.BUY
    owner &= ~(layout.SLOT_GTC | layout.SLOT_NOTED)
    ext = attach_extension(arena, slot, book >> 4, side, order_type, tif, owner)
    store_i64(ext + layout.EXT_PRICE, price)
    return ext


@kernel_outlined
def convert_to_limit(arena: int, ext: int, price: int) -> None:
    """Make an elected stop or converted market order, in no level, a limit order at ``price``, a
    post-only one if it is to be that: plain, unless it expires or is for one auction only."""
    instrument = load_u32(ext + layout.EXT_INSTRUMENT)
    tif, before = load_u8(ext + layout.EXT_TIF), load_u8(ext + layout.EXT_TYPE)
    order_type = const.LIMIT
    if (ELECTED_AS_POST_ONLY >> before) & 1 != 0:
        order_type = const.POST_ONLY
        owner = load_u32(ext + layout.EXT_OWNER) | layout.SLOT_POST_ONLY
        store_u32(ext + layout.EXT_OWNER, owner)
    count_order(arena, instrument, before, tif, 0, -1)
    count_order(arena, instrument, order_type, tif, 0, 1)
    leave_list(arena, ext)
    store_u8(ext + layout.EXT_TYPE, order_type)
    store_i64(ext + layout.EXT_PRICE, price)
    if not needs_extension(order_type, tif):
        detach_extension(arena, ext)


@kernel_outlined
def become_market(arena: int, ext: int) -> None:
    """Make an elected stop, in no level, a market order."""
    instrument, tif = load_u32(ext + layout.EXT_INSTRUMENT), load_u8(ext + layout.EXT_TIF)
    count_order(arena, instrument, load_u8(ext + layout.EXT_TYPE), tif, 0, -1)
    count_order(arena, instrument, const.MARKET, tif, 0, 1)
    leave_list(arena, ext)
    store_u8(ext + layout.EXT_TYPE, const.MARKET)


# Joining and leaving books


@kernel_outlined
def join_book(arena: int, book: int, price: int, slot: int, qty: int) -> None:
    """Put the order at the back of its level."""
    key = price ^ key_flip(book)
    join_level(arena, book, find_page(arena, book, page_number(key)), key, slot, qty)


@kernel_outlined
def leave_book(arena: int, slot: int) -> None:
    """Take the order out of its level, if it is in one."""
    if load_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL) != 0:
        leave_level(arena, slot)
        store_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL, 0)


@kernel_outlined
def remove_order(arena: int, instrument: int, slot: int) -> None:
    """Remove an order from book, lists, heap and counts, and free its slot."""
    leave_book(arena, slot)
    ext = extension_of(arena, slot)
    if ext != 0:
        tif = load_u8(ext + layout.EXT_TIF)
        slices = load_u32(ext + layout.EXT_SLICES)
        count_order(arena, instrument, load_u8(ext + layout.EXT_TYPE), tif, slices, -1)
        leave_list(arena, ext)
        if load_u32(ext + layout.EXT_HEAP) != 0:
            never_expire(arena, extension_index(arena, ext))
        detach_extension(arena, ext)
    elif is_pro_rata(arena, instrument):
        count_order(arena, instrument, const.LIMIT, const.DAY, 0, -1)
    close_order(arena, instrument, slot)


@kernel_outlined
def cancel_order(arena: int, instrument: int, slot: int, what: int) -> None:
    """Emit the event ``what`` (kind and reason) with the order's leaves, and remove it."""
    order_id = load_i64(slot_addr(arena, slot) + layout.SLOT_ID)
    word = order_tag(arena, slot) | what
    emit_next(arena, order_id, 0, order_price(arena, slot), order_leaves(arena, slot), 0, word)
    remove_order(arena, instrument, slot)


@kernel
def reason_word(kind: int, reason: int) -> int:
    return kind | (reason << const.REASON_SHIFT)


@kernel
def extension_index(arena: int, ext: int) -> int:
    return (ext - arena - load_i64(arena + layout.EXTENSIONS_AT)) // layout.EXTENSION_BYTES


@kernel
def best_level(arena: int, book: int) -> int:
    return load_u32(book_addr(arena, book) + layout.BOOK_BEST_LEVEL)


@kernel
def better_level(arena: int, displayed: int, hidden: int) -> int:
    """Displayed quantity has priority over hidden at the same price."""
    if displayed == 0 or hidden == 0:
        return displayed | hidden
    return displayed if level_key(arena, displayed) <= level_key(arena, hidden) else hidden


@kernel_outlined
def best_price(arena: int, instrument: int, side: int, default: int) -> int:
    """The best price of ``side``, displayed or hidden, or ``default``."""
    book = instrument << 4 | (side - const.BUY)
    level = better_level(
        arena,
        best_level(arena, book | layout.DISPLAYED),
        best_level(arena, book | layout.HIDDEN_BOOK),
    )
    return level_key(arena, level) ^ key_flip(book) if level != 0 else default


@kernel
def first_order(arena: int, book: int) -> int:
    """The order that is first in price and time, or 0."""
    level = best_level(arena, book)
    return load_u32(level_addr(arena, level) + layout.LEVEL_HEAD) if level != 0 else 0


@kernel
def next_order(arena: int, slot: int) -> int:
    """The order after this one in price and time, or 0."""
    at = slot_addr(arena, slot)
    following = load_u32(at + layout.SLOT_NEXT)
    if following != 0:
        return following
    level = next_level(arena, load_u32(at + layout.SLOT_LEVEL))
    return load_u32(level_addr(arena, level) + layout.LEVEL_HEAD) if level != 0 else 0


# Icebergs


@kernel_outlined
def display_slice(arena: int, slot: int, ext: int, qty: int) -> int:
    """The next slice of an iceberg of ``qty`` lots, in no level; returns the displayed quantity."""
    if ext == 0 or load_u8(ext + layout.EXT_TYPE) != const.ICEBERG:
        return qty
    shown = min(qty, load_i64(ext + layout.EXT_DISPLAY))
    store_i64(ext + layout.EXT_RESERVE, qty - shown)
    return shown


# Lists: an instrument's pegs, trailing stops, orders that wait for the closing auction, and market
# orders that wait for the other side


@kernel_outlined
def join_list(arena: int, ext: int, which: int) -> None:
    """Put the order at the back of the instrument's list ``which``."""
    ends = instrument_addr(arena, load_u32(ext + layout.EXT_INSTRUMENT)) + layout.LISTS + which
    extension = extension_index(arena, ext)
    tail = load_u32(ends + 4)
    store_u32(ext + layout.EXT_PREV, tail)
    store_u32(ext + layout.EXT_NEXT, 0)
    store_u32(ext + layout.EXT_LIST, which + 1)
    store_u32(ends + 4, extension)
    if tail == 0:
        store_u32(ends, extension)
    else:
        store_u32(extension_addr(arena, tail) + layout.EXT_NEXT, extension)
    if which >= layout.WAITING_BUYS:
        mark_waiting(instrument_addr(arena, load_u32(ext + layout.EXT_INSTRUMENT)))


@kernel_outlined
def leave_list(arena: int, ext: int) -> None:
    """Take the order out of the list it is in, if any."""
    which = load_u32(ext + layout.EXT_LIST) - 1
    if which < 0:
        return
    ends = instrument_addr(arena, load_u32(ext + layout.EXT_INSTRUMENT)) + layout.LISTS + which
    following, previous = load_u32(ext + layout.EXT_NEXT), load_u32(ext + layout.EXT_PREV)
    if load_i64(arena + layout.LIST_CURSOR) == extension_index(arena, ext):
        store_i64(arena + layout.LIST_CURSOR, following)
    forward_at = ends if previous == 0 else extension_addr(arena, previous) + layout.EXT_NEXT
    back_at = ends + 4 if following == 0 else extension_addr(arena, following) + layout.EXT_PREV
    store_u32(forward_at, following)
    store_u32(back_at, previous)
    store_u32(ext + layout.EXT_LIST, 0)
    if which >= layout.WAITING_BUYS:
        mark_waiting(instrument_addr(arena, load_u32(ext + layout.EXT_INSTRUMENT)))


@kernel
def waiting_list(side: int) -> int:
    """The list of the market orders of ``side`` that wait."""
    return layout.WAITING_BUYS + (side - const.BUY) * (layout.WAITING_SELLS - layout.WAITING_BUYS)


@kernel
def mark_waiting(state: int) -> None:
    """Keep MODE_WAITING: whether a market order waits on either side."""
    lists = state + layout.LISTS
    some = load_u32(lists + layout.WAITING_BUYS) | load_u32(lists + layout.WAITING_SELLS)
    mode = load_i64(state + layout.MODE) & ~layout.MODE_WAITING
    store_i64(state + layout.MODE, mode | layout.MODE_WAITING if some != 0 else mode)


@kernel
def begin_list(arena: int, instrument: int, which: int) -> None:
    """Begin to iterate over a list; see :func:`next_in_list`."""
    ends = instrument_addr(arena, instrument) + layout.LISTS + which
    store_i64(arena + layout.LIST_CURSOR, load_u32(ends))


@kernel
def next_in_list(arena: int) -> int:
    """Address of the next extension of the list, or 0.  Any order may leave the list meanwhile."""
    extension = load_i64(arena + layout.LIST_CURSOR)
    if extension == 0:
        return 0
    ext = extension_addr(arena, extension)
    store_i64(arena + layout.LIST_CURSOR, load_u32(ext + layout.EXT_NEXT))
    return ext


# Event fields


@kernel_outlined
def order_flags(arena: int, slot: int) -> int:
    """The flags of an open order in ACCEPTED and REPLACED."""
    ext = extension_of(arena, slot)
    if ext == 0:
        return 0
    flags = type_flags(load_u8(ext + layout.EXT_TYPE))
    level = load_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL)
    return flags | const.WAITING if level == 0 or is_stop(load_u8(ext + layout.EXT_TYPE)) else flags


@kernel
def type_flags(order_type: int) -> int:
    if order_type == const.ICEBERG:
        return const.ICEBERG_FLAG
    return (
        const.HIDDEN_FLAG
        if which_book(order_type) in (layout.HIDDEN_BOOK, layout.ALL_OR_NONE_BOOK)
        else 0
    )


@kernel_outlined
def order_contra(arena: int, slot: int) -> int:
    """The ``contra_id`` that goes with :func:`order_flags`: display quantity or trigger."""
    ext = extension_of(arena, slot)
    if ext == 0:
        return 0
    order_type = load_u8(ext + layout.EXT_TYPE)
    if order_type == const.ICEBERG:
        return load_i64(ext + layout.EXT_DISPLAY)
    return load_i64(ext + layout.EXT_TRIGGER) if is_stop(order_type) else 0
