"""Orders of every kind, on the general path: open, join and leave books, count, remove."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, Extension, InstrumentState
from openoutcry.matcher.book.expiry import never_expire
from openoutcry.matcher.book.instrument_rules import (
    is_for_auction,
    is_peg,
    is_pro_rata,
    is_stop,
    is_trailing,
    takes_profit,
)
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
from openoutcry.matcher.book.links import leg_ended, shared_extra
from openoutcry.matcher.book.marks import forget_trigger
from openoutcry.matcher.book.orders import (
    close_order,
    extension_addr,
    extension_of,
    is_older,
    open_order,
    order_leaves,
    order_price,
    order_tag,
    plain_book,
    plain_price,
)
from openoutcry.matcher.event_bound import order_extra
from openoutcry.matcher.events import emit_next
from openoutcry.wire.enums import OrderType
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import U32s
from openoutcry.wire.memory import load_u32, store_i64, store_u32
from openoutcry.wire.order_types import Home, type_bits, types_at_home, types_elected_as
from openoutcry.wire.records import MAX_VALUE

HIDDEN_HOME_BITS, ALL_OR_NONE_HOME_BITS = (
    type_bits(types_at_home(home)) for home in (Home.HIDDEN, Home.ALL_OR_NONE)
)
ELECTED_AS_POST_ONLY = type_bits(types_elected_as(OrderType.POST_ONLY))


# Books


@kernel
def book_of(instrument: int, which: int, side: int) -> int:
    """Index of the instrument's book ``which``, which is not that of triggers."""
    return instrument << 4 | which | (side - const.BUY)


@kernel
def trigger_book(instrument: int, order_type: int, side: int) -> int:
    """Index of the book of triggers in which a stop waits: those that a fall reaches are bids,
    those that a rise reaches are asks."""
    falls = (side == const.SELL) != takes_profit(order_type)
    return instrument << 4 | layout.TRIGGERS | (0 if falls else 1)


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
    """Return whether such an order has an extension: all but LIMIT and POST_ONLY orders with DAY or
    GTC."""
    return not (order_type in (const.LIMIT, const.POST_ONLY) and tif in (const.DAY, const.GTC))


# Counting: see event_bound.py


@kernel
def is_uncounted(order_type: int, tif: int) -> bool:
    """Return whether the order is counted in pro-rata instruments only, like a plain one."""
    return order_type in (const.LIMIT, const.POST_ONLY, const.HIDDEN) and not is_for_auction(tif)


@kernel_outlined
def count_order(
    arena: ArenaHeader, instrument: int, order_type: int, tif: int, slices: int, sign: int
) -> None:
    """Count one order of this kind in (``sign`` 1) or out (-1)."""
    pro_rata = is_pro_rata(arena, instrument)
    if pro_rata == 0 and is_uncounted(order_type, tif):
        return
    state = instrument_addr(arena, instrument)
    before = shared_extra(state, pro_rata)
    if is_stop(order_type):
        state.stop_count += sign
    if is_trailing(order_type):
        state.trailing_count += sign
    if order_type == const.ALL_OR_NONE:
        state.all_or_none_count += sign
    if order_type == const.ICEBERG:
        state.iceberg_count += sign
    if is_peg(order_type):
        state.peg_count += sign
    state.order_count += sign * pro_rata
    change = shared_extra(state, pro_rata) - before + sign * order_extra(order_type, tif, slices)
    arena.extra_events += change


@kernel
def refuse_extra(
    arena: ArenaHeader, instrument: int, order_type: int, tif: int, slices: int
) -> int:
    """Return whether one more order of this kind could cause too many events at once."""
    if is_uncounted(order_type, tif) and is_pro_rata(arena, instrument) == 0:
        return const.ACCEPT
    before = arena.extra_events
    count_order(arena, instrument, order_type, tif, slices, 1)
    after = arena.extra_events
    count_order(arena, instrument, order_type, tif, slices, -1)
    if VERIFY:
        assert arena.extra_events == before
    return const.BOOK_FULL if after > before and after > arena.extra_capacity else const.ACCEPT


# Capacity


@kernel
def has_slot(arena: ArenaHeader) -> bool:
    """Return whether there is room for another open order."""
    return arena.open_orders < arena.order_capacity


@kernel_outlined
def refuse_join(arena: ArenaHeader, book: int, price: int, qty: int, own: int) -> int:
    """Return whether ``qty`` lots may join ``book`` at ``price``, where the order itself has
    ``own`` now.  Quantities in trigger books are not summed."""
    key = price ^ key_flip(book)
    page = find_page(arena, book, page_number(key))
    if page == 0:
        return const.ACCEPT if has_free_page(arena) else const.BOOK_FULL
    if book & layout.WHICH == layout.TRIGGERS:
        return const.ACCEPT
    if (page_addr(arena, page).bitmap >> (key & 63)) & 1:
        total = level_addr(arena, page << 6 | (key & 63)).total - own
        if qty > MAX_VALUE - total:
            return const.LEVEL_OVERFLOW
    return const.ACCEPT


# Opening


@kernel_outlined
def attach_extension(
    arena: ArenaHeader, slot: int, instrument: int, side: int, order_type: int, tif: int, owner: int
) -> Extension:
    """Attach an extension, in no list yet, to the order in ``slot``; returns its address."""
    extension = arena.free_extension
    if extension != 0:
        arena.free_extension = extension_addr(arena, extension).next
    else:
        extension = arena.fresh_extensions + 1
        arena.fresh_extensions = extension
    ext = extension_addr(arena, extension)
    for word in range(0, layout.EXTENSION_BYTES, 8):
        store_i64(ext + word, 0)
    ext.owner = owner
    ext.type = order_type
    ext.tif = tif
    ext.side = side
    ext.instrument = instrument
    ext.slot = slot
    owner_at = slot_addr(arena, slot) + layout.SLOT_OWNER
    noted = load_u32(owner_at) & layout.SLOT_NOTED
    store_u32(owner_at, layout.EXTENDED | extension | noted)
    state = instrument_addr(arena, instrument)
    state.mode += layout.MODE_SPECIAL
    return ext


@kernel
def detach_extension(arena: ArenaHeader, ext: Extension) -> None:
    """Free the extension; the order, if it stays open, is a plain one."""
    forget_trigger(arena, ext)
    slot = slot_addr(arena, ext.slot)
    gtc = layout.SLOT_GTC if ext.tif == const.GTC else 0
    word = slot.owner
    extension, noted = word & layout.EXTENSION_MASK, word & layout.SLOT_NOTED
    slot.owner = ext.owner | gtc | noted
    state = instrument_addr(arena, ext.instrument)
    state.mode -= layout.MODE_SPECIAL
    ext.next = arena.free_extension
    arena.free_extension = extension


@kernel
def open_any(
    arena: ArenaHeader,
    instrument: int,
    side: int,
    order_id: int,
    order_type: int,
    tif: int,
    owner: int,
) -> int:
    """A slot for an order of any kind, with an extension if it needs one, in the id table,
    in no level yet, not counted."""
    gtc = layout.SLOT_GTC if tif == const.GTC else 0
    slot = open_order(arena, instrument, order_id, owner | gtc)
    slot_addr(arena, slot).level = 0
    if needs_extension(order_type, tif):
        attach_extension(arena, slot, instrument, side, order_type, tif, owner)
    return slot


@kernel_outlined
def attach_plain_extension(arena: ArenaHeader, slot: int) -> Extension:
    """Attach an extension with what the plain order itself holds."""
    book = plain_book(arena, slot)
    owner = slot_addr(arena, slot).owner
    price = plain_price(arena, slot)
    order_type = const.POST_ONLY if owner & layout.SLOT_POST_ONLY else const.LIMIT
    tif = const.GTC if owner & layout.SLOT_GTC else const.DAY
    side = (book & 1) + const.BUY
    owner &= ~(layout.SLOT_GTC | layout.SLOT_NOTED)
    ext = attach_extension(arena, slot, book >> 4, side, order_type, tif, owner)
    ext.price = price
    return ext


@kernel_outlined
def convert_to_limit(arena: ArenaHeader, ext: Extension, price: int) -> None:
    """Turn an elected stop or converted market order, which is in no level, into a limit order at
    ``price``, or into a post-only one if the order asks for that.  The result is a plain order,
    unless it expires or is for one auction only."""
    instrument = ext.instrument
    tif, before = ext.tif, ext.type
    order_type = const.LIMIT
    if (ELECTED_AS_POST_ONLY >> before) & 1 != 0:
        order_type = const.POST_ONLY
        owner = ext.owner | layout.SLOT_POST_ONLY
        ext.owner = owner
    count_order(arena, instrument, before, tif, 0, -1)
    count_order(arena, instrument, order_type, tif, 0, 1)
    leave_list(arena, ext)
    forget_trigger(arena, ext)
    ext.type = order_type
    ext.price = price
    if not needs_extension(order_type, tif) and ext.stage == 0:
        detach_extension(arena, ext)


@kernel_outlined
def become_market(arena: ArenaHeader, ext: Extension) -> None:
    """Make an elected stop, in no level, a market order."""
    instrument, tif = ext.instrument, ext.tif
    count_order(arena, instrument, ext.type, tif, 0, -1)
    count_order(arena, instrument, const.MARKET, tif, 0, 1)
    leave_list(arena, ext)
    forget_trigger(arena, ext)
    ext.type = const.MARKET


# Joining and leaving books


@kernel_outlined
def join_book(arena: ArenaHeader, book: int, price: int, slot: int, qty: int) -> None:
    """Put the order at the back of its level."""
    key = price ^ key_flip(book)
    join_level(arena, book, find_page(arena, book, page_number(key)), key, slot, qty)


@kernel_outlined
def leave_book(arena: ArenaHeader, slot: int) -> None:
    """Take the order out of its level, if it is in one."""
    if slot_addr(arena, slot).level != 0:
        leave_level(arena, slot)
        slot_addr(arena, slot).level = 0


@kernel_outlined
def remove_order(arena: ArenaHeader, instrument: int, slot: int) -> None:
    """Remove an order from book, lists, heap and counts, and free its slot."""
    leave_book(arena, slot)
    ext = extension_of(arena, slot)
    if ext != 0:
        if ext.stage != 0:
            leg_ended(arena, ext)
        tif = ext.tif
        slices = ext.slices
        count_order(arena, instrument, ext.type, tif, slices, -1)
        leave_list(arena, ext)
        if ext.heap != 0:
            never_expire(arena, extension_index(arena, ext))
        detach_extension(arena, ext)
    elif is_pro_rata(arena, instrument):
        count_order(arena, instrument, const.LIMIT, const.DAY, 0, -1)
    close_order(arena, instrument, slot)


@kernel_outlined
def cancel_order(arena: ArenaHeader, instrument: int, slot: int, what: int) -> None:
    """Emit the event ``what`` (kind and reason) with the order's leaves, and remove it."""
    order_id = slot_addr(arena, slot).id
    word = order_tag(arena, slot) | what
    emit_next(arena, order_id, 0, order_price(arena, slot), order_leaves(arena, slot), 0, word)
    remove_order(arena, instrument, slot)


@kernel
def reason_word(kind: int, reason: int) -> int:
    """Return the bits of an event's word that say its kind (shifted already) and its Reason."""
    return kind | (reason << const.REASON_SHIFT)


@kernel
def extension_index(arena: ArenaHeader, ext: int) -> int:
    """Return the number of the extension at an address, from 1."""
    return (ext - arena - arena.extensions_at) // layout.EXTENSION_BYTES


@kernel
def best_level(arena: ArenaHeader, book: int) -> int:
    """Return the best level of a book, 0 if the book is empty."""
    return book_addr(arena, book).best_level


@kernel
def better_level(arena: ArenaHeader, displayed: int, hidden: int) -> int:
    """Displayed quantity has priority over hidden at the same price."""
    if displayed == 0 or hidden == 0:
        return displayed | hidden
    return displayed if level_key(arena, displayed) <= level_key(arena, hidden) else hidden


@kernel_outlined
def best_price(arena: ArenaHeader, instrument: int, side: int, default: int) -> int:
    """The best price of ``side``, displayed or hidden, or ``default``."""
    book = instrument << 4 | (side - const.BUY)
    level = better_level(
        arena,
        best_level(arena, book | layout.DISPLAYED),
        best_level(arena, book | layout.HIDDEN_BOOK),
    )
    return level_key(arena, level) ^ key_flip(book) if level != 0 else default


@kernel
def first_order(arena: ArenaHeader, book: int) -> int:
    """The order that is first in price and time, or 0."""
    level = best_level(arena, book)
    return level_addr(arena, level).head if level != 0 else 0


@kernel
def next_order(arena: ArenaHeader, slot: int) -> int:
    """The order after this one in price and time, or 0."""
    at = slot_addr(arena, slot)
    following = at.next
    if following != 0:
        return following
    level = next_level(arena, at.level)
    return level_addr(arena, level).head if level != 0 else 0


# Icebergs


@kernel_outlined
def display_slice(arena: int, slot: int, ext: Extension, qty: int) -> int:
    """The next slice of an iceberg of ``qty`` lots, in no level; returns the displayed quantity."""
    if ext == 0 or ext.type != const.ICEBERG:
        return qty
    shown = min(qty, ext.display)
    ext.reserve = qty - shown
    return shown


# Lists: an instrument's pegs, trailing stops, orders that wait for the closing auction, and market
# orders that wait for the other side


@kernel_outlined
def join_list(arena: ArenaHeader, ext: Extension, which: int) -> None:
    """Put the order into the instrument's list ``which``, by arrival."""
    ends = instrument_addr(arena, ext.instrument) + layout.LISTS + which
    extension = extension_index(arena, ext)
    before, after = U32s(ends)[1], 0
    # Mostly at the back.  An elected stop, or an order from an auction, may be older than others.
    while before != 0 and is_older(arena, ext, extension_addr(arena, before)):
        after = before
        before = extension_addr(arena, before).prev
    ext.prev = before
    ext.next = after
    ext.list = which + 1
    if before == 0:
        store_u32(ends, extension)
    else:
        extension_addr(arena, before).next = extension
    if after == 0:
        U32s(ends)[1] = extension
    else:
        extension_addr(arena, after).prev = extension
    if which >= layout.WAITING_BUYS:
        mark_waiting(instrument_addr(arena, ext.instrument))


@kernel_outlined
def leave_list(arena: ArenaHeader, ext: Extension) -> None:
    """Take the order out of the list it is in, if any."""
    which = ext.list - 1
    if which < 0:
        return
    ends = instrument_addr(arena, ext.instrument) + layout.LISTS + which
    following, previous = ext.next, ext.prev
    if arena.list_cursor == extension_index(arena, ext):
        arena.list_cursor = following
    forward_at = ends if previous == 0 else extension_addr(arena, previous) + layout.EXT_NEXT
    back_at = ends + 4 if following == 0 else extension_addr(arena, following) + layout.EXT_PREV
    store_u32(forward_at, following)
    store_u32(back_at, previous)
    ext.list = 0
    if which >= layout.WAITING_BUYS:
        mark_waiting(instrument_addr(arena, ext.instrument))


@kernel
def waiting_list(side: int) -> int:
    """The list of the market orders of ``side`` that wait."""
    return layout.WAITING_BUYS + (side - const.BUY) * (layout.WAITING_SELLS - layout.WAITING_BUYS)


@kernel
def mark_waiting(state: InstrumentState) -> None:
    """Keep MODE_WAITING: whether a market order waits on either side."""
    lists = state + layout.LISTS
    some = load_u32(lists + layout.WAITING_BUYS) | load_u32(lists + layout.WAITING_SELLS)
    mode = state.mode & ~layout.MODE_WAITING
    state.mode = mode | layout.MODE_WAITING if some != 0 else mode


@kernel
def begin_list(arena: ArenaHeader, instrument: int, which: int) -> None:
    """Begin to iterate over a list; see :func:`next_in_list`."""
    ends = instrument_addr(arena, instrument) + layout.LISTS + which
    arena.list_cursor = load_u32(ends)


@kernel
def next_in_list(arena: ArenaHeader) -> Extension:
    """Address of the next extension of the list, or 0.  Any order may leave the list meanwhile."""
    extension = arena.list_cursor
    if extension == 0:
        return Extension(0)
    ext = extension_addr(arena, extension)
    arena.list_cursor = ext.next
    return ext


# Event fields


@kernel_outlined
def order_flags(arena: ArenaHeader, slot: int) -> int:
    """The flags of an open order in ACCEPTED and REPLACED."""
    ext = extension_of(arena, slot)
    if ext == 0:
        return 0
    flags = type_flags(ext.type)
    level = slot_addr(arena, slot).level
    return flags | const.WAITING if level == 0 or is_stop(ext.type) else flags


@kernel
def type_flags(order_type: int) -> int:
    """Return the EventFlag bits that every event of an order of this type has: ICEBERG, HIDDEN or
    none."""
    if order_type == const.ICEBERG:
        return const.ICEBERG_FLAG
    return (
        const.HIDDEN_FLAG
        if which_book(order_type) in (layout.HIDDEN_BOOK, layout.ALL_OR_NONE_BOOK)
        else 0
    )


@kernel_outlined
def order_contra(arena: ArenaHeader, slot: int) -> int:
    """The ``contra_id`` that goes with :func:`order_flags`: display quantity or trigger."""
    ext = extension_of(arena, slot)
    if ext == 0:
        return 0
    order_type = ext.type
    if order_type == const.ICEBERG:
        return ext.display
    return ext.trigger if is_stop(order_type) else 0
