"""The open orders of a participant: a list for each participant, side and instrument.

The lists are brought up to date only when one is asked for, so that an order that rests or goes
costs nothing but a look at one bit.  A slot that is taken for an order is *noted* (SLOT_NOTED) and
entered into a list when the next command asks; until then further orders in it change nothing.  A
slot that is given back stays in its list until the list is read or another participant's order
takes it.  So reading a list costs what its participant opened since it was last read, and noted
slots cost the next reader one step each, however many readers follow.

The lists are not state: they say nothing that the slots do not say, and a clone or a restored book
makes them again.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, OwnedSlot, OwnerGroup, SweepRow
from openoutcry.matcher.book.ids import find_id, id_home
from openoutcry.matcher.book.levels import level_key, page_addr, slot_addr
from openoutcry.matcher.book.orders import extension_of, is_id_before, order_owner, plain_book
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_i64,
    load_u32,
    not_inlined,
    prefetch,
    store_i64,
    store_u32,
)
from openoutcry.wire.records import NO_INSTRUMENT

LISTED_PLACE = 10
"""Places of an instrument in canonical order: its eight books (2 to 9), then its six lists."""
LIST_PLACES = (
    (layout.PEG_LIST, 0),
    (layout.TRAILING_LIST, 1),
    (layout.AUCTION_LIST, 2),
    (layout.WAITING_BUYS, 3),
    (layout.WAITING_SELLS, 4),
    (layout.DORMANT_LIST, 5),
)


@kernel
def owned_addr(arena: ArenaHeader, slot: int) -> OwnedSlot:
    """Return an order's links in the list of its owner."""
    return OwnedSlot(arena + arena.owned_at + slot * layout.OWNED_BYTES)


@kernel
def group_addr(arena: ArenaHeader, group: int) -> OwnerGroup:
    """Return a list of one owner, side and instrument."""
    return OwnerGroup(arena + arena.groups_at + group * layout.GROUP_BYTES)


@kernel
def sweep_addr(arena: ArenaHeader, index: int) -> SweepRow:
    """Return a row of the orders that a mass cancel sorts."""
    return SweepRow(arena + arena.sweep_at + index * layout.SWEEP_BYTES)


@kernel
def owner_head_addr(arena: ArenaHeader, owner: int) -> int:
    """Return where the first list of ``owner`` (participant * 2 + side - 1) is kept; in a small
    arena several owners share one."""
    bucket = owner & arena.owner_mask
    return arena + arena.owners_at + bucket * 4


@kernel
def group_chain_addr(arena: ArenaHeader, owner: int, instrument: int) -> int:
    """Return the address of the chain (a u32) in which the list of an owner and an instrument is
    found."""
    entry = id_home(arena, instrument, owner) & arena.id_mask
    return arena + arena.group_ids_at + entry * 4


# Bringing the lists up to date


@kernel_outlined
def enter_noted(arena: ArenaHeader) -> None:
    """Enter the slots that were taken since the last time into the lists of their orders."""
    not_inlined()
    slot = arena.noted_slots
    while slot != 0:
        following = owned_addr(arena, slot).noted
        prefetch(owned_addr(arena, following))
        prefetch(slot_addr(arena, following))
        enter_slot(arena, slot)
        slot = following
    arena.noted_slots = 0
    fresh = arena.fresh_orders
    for slot in range(arena.entered_orders + 1, fresh + 1):
        enter_slot(arena, slot)
    arena.entered_orders = fresh


@kernel
def enter_slot(arena: ArenaHeader, slot: int) -> None:
    """The slot is noted no longer, and in the list of the order that is in it, if there is one."""
    at = slot_addr(arena, slot)
    word = at.owner
    if VERIFY:
        assert word & layout.SLOT_NOTED != 0
    at.owner = word & ~layout.SLOT_NOTED
    group = 0
    ext = extension_of(arena, slot)
    if ext != 0:
        owner = order_owner(arena, slot) << 1 | (ext.side - const.BUY)
        group = group_of(arena, owner, ext.instrument)
    else:
        # A slot without an order may name a level that is another's by now: it leaves the list it
        # is entered into when that is read.
        book = plain_book(arena, slot)
        if at.level != 0 and book != layout.NO_BOOK:
            group = group_of(arena, (word & 0xFFFF) << 1 | (book & 1), book >> 4)
    row = owned_addr(arena, slot)
    before = row.group
    if group == before:
        return
    if before != 0:
        leave_group(arena, slot)
    if group != 0:
        join_group(arena, group, slot)


@kernel_outlined
def group_of(arena: ArenaHeader, owner: int, instrument: int) -> int:
    """The list of this owner's orders in the instrument; made if it does not exist."""
    chain = group_chain_addr(arena, owner, instrument)
    group = load_u32(chain)
    while group != 0:
        at = group_addr(arena, group)
        is_owners = at.owner == owner
        if is_owners and at.instrument == instrument:
            return group
        group = at.chain
    group = arena.free_group
    if group != 0:
        following = group_addr(arena, group).chain
        arena.free_group = following
    else:
        group = arena.fresh_groups + 1
        arena.fresh_groups = group
    if VERIFY:
        # A slot enters its new list before it leaves the one it was in.
        assert group <= arena.fresh_orders + 1
    at = group_addr(arena, group)
    head = owner_head_addr(arena, owner)
    first = load_u32(head)
    at.first = 0
    at.owner = owner
    at.instrument = instrument
    at.chain = load_u32(chain)
    store_u32(chain, group)
    at.next = first
    at.prev = 0
    store_u32(head, group)
    if first != 0:
        group_addr(arena, first).prev = group
    return group


@kernel
def join_group(arena: ArenaHeader, group: int, slot: int) -> None:
    """Put an order at the front of a list."""
    at, row = group_addr(arena, group), owned_addr(arena, slot)
    first = at.first
    row.next = first
    row.prev = 0
    row.group = group
    at.first = slot
    if first != 0:
        owned_addr(arena, first).prev = slot


@kernel
def leave_group(arena: ArenaHeader, slot: int) -> None:
    """Take the slot out of its list; a list without a slot is given back."""
    row = owned_addr(arena, slot)
    group = row.group
    following, previous = row.next, row.prev
    row.group = 0
    if following != 0:
        owned_addr(arena, following).prev = previous
    if previous != 0:
        owned_addr(arena, previous).next = following
        return
    group_addr(arena, group).first = following
    if following == 0:
        close_group(arena, group)


@kernel_outlined
def close_group(arena: ArenaHeader, group: int) -> None:
    """Free an empty list, and take it out of its owner's lists and of its chain."""
    at = group_addr(arena, group)
    owner, instrument = at.owner, at.instrument
    link = group_chain_addr(arena, owner, instrument)
    while load_u32(link) != group:
        if VERIFY:
            assert load_u32(link) != 0
        link = group_addr(arena, load_u32(link)) + layout.GROUP_CHAIN
    store_u32(link, at.chain)
    following, previous = at.next, at.prev
    if following != 0:
        group_addr(arena, following).prev = previous
    if previous != 0:
        group_addr(arena, previous).next = following
    else:
        store_u32(owner_head_addr(arena, owner), following)
    at.chain = arena.free_group
    arena.free_group = group


# Reading them


@kernel
def keep_slot(arena: ArenaHeader, instrument: int, owner: int, slot: int) -> None:
    """Put an order that :func:`gather` took out of its list back; ``owner``: participant * 2 +
    side - 1."""
    join_group(arena, group_of(arena, owner, instrument), slot)


@kernel_outlined
def gather(arena: ArenaHeader, instrument: int, participant: int, side: int) -> int:
    """Take the participant's open orders on ``side`` (0: both) of ``instrument`` (NO_INSTRUMENT:
    all) out of their lists, and write them, unordered, as rows of the SWEEP table.  The caller
    cancels them, or keeps them (:func:`keep_slot`).  Returns their number."""
    enter_noted(arena)
    count = 0
    for half in range(2):
        if side != 0 and side != const.BUY + half:
            continue
        owner = participant << 1 | half
        if instrument == NO_INSTRUMENT:
            group = load_u32(owner_head_addr(arena, owner))
            while group != 0:
                at = group_addr(arena, group)
                following = at.next
                if at.owner == owner:
                    count = gather_group(arena, group, count)
                group = following
            continue
        group = load_u32(group_chain_addr(arena, owner, instrument))
        while group != 0:
            at = group_addr(arena, group)
            is_owners = at.owner == owner
            if is_owners and at.instrument == instrument:
                count = gather_group(arena, group, count)
                break
            group = at.chain
    return count


@kernel_outlined
def gather_group(arena: ArenaHeader, group: int, count: int) -> int:
    """Append the open orders of the list and give it back; returns the new count."""
    at = group_addr(arena, group)
    instrument = at.instrument
    slot = at.first
    while slot != 0:
        row = owned_addr(arena, slot)
        following = row.next
        prefetch(slot_addr(arena, following))
        row.group = 0
        order_id = slot_addr(arena, slot).id
        # A slot without an order is in no chain of ids.
        if find_id(arena, instrument, order_id) == slot:
            write_row(arena, instrument, slot, count)
            count += 1
        slot = following
    close_group(arena, group)
    return count


@kernel
def write_row(arena: ArenaHeader, instrument: int, slot: int, index: int) -> None:
    """Write the row by which the order is sorted: its place, and there its level's key or its
    arrival."""
    level = slot_addr(arena, slot).level
    if level != 0:
        place = page_addr(arena, level >> 6).book
        key = level_key(arena, level)
    else:
        ext = extension_of(arena, slot)
        place = instrument << 4 | list_place(ext.list - 1)
        key = ext.arrival
    row = sweep_addr(arena, index)
    row.key = key
    row.place = place
    row.slot = slot


@kernel
def list_place(which: int) -> int:
    """Return where the orders of an extension list are in the order of a mass cancel."""
    place = LISTED_PLACE
    for listed, number in LIST_PLACES:
        if listed == which:
            place += number
    return place


# Canonical order


@kernel_outlined
def sort_rows(arena: ArenaHeader, count: int) -> None:
    """Sort the rows by place, key and queue; those in a list by arrival."""
    for root in range(count // 2 - 1, -1, -1):
        sift_down(arena, root, count)
    for end in range(count - 1, 0, -1):
        swap_rows(arena, 0, end)
        sift_down(arena, 0, end)
    first = 0
    while first < count:
        beyond = first + 1
        while beyond < count and is_level_of(arena, first, beyond):
            beyond += 1
        if beyond - first > 1:
            sort_queue(arena, first, beyond - first)
        first = beyond


@kernel
def is_level_of(arena: ArenaHeader, one: int, other: int) -> bool:
    """Return whether two rows are orders of the same place and price."""
    return not is_before(arena, one, other) and not is_before(arena, other, one)


@kernel
def is_before(arena: ArenaHeader, one: int, other: int) -> bool:
    """Return whether a mass cancel removes the order of one row before that of the other, by
    place, then price.  In a list no two are alike: it is by arrival, then id."""
    a, b = sweep_addr(arena, one), sweep_addr(arena, other)
    first, second = a.place, b.place
    if first != second:
        return first < second
    if a.key == b.key and first & 15 >= LISTED_PLACE:
        return is_id_before(arena, a.slot, b.slot)
    return a.key < b.key


@kernel
def swap_rows(arena: ArenaHeader, one: int, other: int) -> None:
    """Exchange two rows of the orders that a mass cancel sorts."""
    a, b = sweep_addr(arena, one), sweep_addr(arena, other)
    for word in (0, 8):
        kept = load_i64(a + word)
        store_i64(a + word, load_i64(b + word))
        store_i64(b + word, kept)


@kernel
def sift_down(arena: ArenaHeader, root: int, count: int) -> None:
    """One step of a heap sort: the largest row of a heap is its root."""
    while 2 * root + 1 < count:
        child = 2 * root + 1
        if child + 1 < count and is_before(arena, child, child + 1):
            child += 1
        if not is_before(arena, root, child):
            return
        swap_rows(arena, root, child)
        root = child


@kernel_outlined
def sort_queue(arena: ArenaHeader, first: int, count: int) -> None:
    """Put the ``count`` rows of one level, all of its orders of the owner, in queue order: look
    both ways from one of them, by turns, until all are found.  That passes no more orders of
    others than joined the queue between the owner's first and last."""
    start = sweep_addr(arena, first).slot
    owner = order_owner(arena, start)
    head, back, ahead, found = start, start, start, 1
    while found < count:
        if VERIFY:
            assert back != 0 or ahead != 0
        if back != 0:
            back = slot_addr(arena, back).prev
            if back != 0 and order_owner(arena, back) == owner:
                head = back
                found += 1
        if ahead != 0:
            ahead = slot_addr(arena, ahead).next
            if ahead != 0 and order_owner(arena, ahead) == owner:
                found += 1
    slot = head
    for index in range(first, first + count):
        while order_owner(arena, slot) != owner:
            slot = slot_addr(arena, slot).next
        sweep_addr(arena, index).slot = slot
        slot = slot_addr(arena, slot).next
