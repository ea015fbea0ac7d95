"""A table of open orders by (instrument, order id); the core's risk and the ledger each keep one.
It uses open addressing, with ``mask`` + 1 entries (a power of two) of 4 words each.

An order that is a leg of a list, at most one of which trades, has a second entry, its link: the
legs of a list are a ring.  There are more than two entries for each order that may be open, so
there is always room for it.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, store_i64
from openoutcry.wire.records import NO_INSTRUMENT


class OpenOrder(Layout, size_bytes=32):
    """An open order."""

    order_id: int = i64("the client's")
    meta: int = i64("instrument | participant << 16 | side << 32 | flags << 40; 0: a free entry")
    leaves: int = i64("open lots")
    price: int = i64("the price at which it counts")


class ListLink(Layout, size_bytes=32):
    """What links an open order, a leg, to the other legs of its list."""

    order_id: int = i64("the leg's")
    meta: int = i64(
        "NO_INSTRUMENT | instrument << 16 | contingency << 32 | leg << 40 | ended << 48"
    )
    next_id: int = i64("order id of the next leg of the ring")
    list_id: int = i64("order id of the first leg")


IS_LEG = 1 << 39
"""In ``meta`` of an open order: it has a link."""
SIDE_MASK = 3
"""The bits of an open order's side, which is in ``meta`` below ``IS_LEG``."""
CONTINGENCY_SHIFT, LEG_SHIFT, ENDED = 32, 40, 1 << 48
LINK_KEY = (1 << CONTINGENCY_SHIFT) - 1
OTO, UPDATES = (
    enum_numbers.CONTINGENCY_OTO,
    (
        enum_numbers.CONTINGENCY_OUO,
        enum_numbers.CONTINGENCY_OTOUO,
    ),
)

ENTRY_BYTES = OpenOrder.size_bytes
HASH_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)


@kernel
def home_of(mask: int, instrument: int, order_id: int) -> int:
    """Index at which the search for an order begins; ``mask``: the table's entries less one."""
    mixed = mul_wrapping(add_wrapping(order_id, instrument << 40), HASH_FACTOR)
    mixed = mul_wrapping(mixed ^ (mixed >> 32), HASH_FACTOR)
    return (mixed >> 32) & mask


@kernel
def find_entry(table: int, mask: int, instrument: int, order_id: int) -> OpenOrder:
    """The open order's entry in the hash table at ``table``, or the free one where it belongs.

    ``mask``: the table's entries less one.
    """
    at = home_of(mask, instrument, order_id)
    while True:
        entry = OpenOrder(table + at * ENTRY_BYTES)
        meta = entry.meta
        same = entry.order_id == order_id and meta & 0xFFFF == instrument
        if meta == 0 or same:
            return entry
        at = (at + 1) & mask


def copy_entries(old: npt.NDArray[np.int64], new: npt.NDArray[np.int64]) -> None:
    """Enter the open orders of the table ``old`` in the table ``new``, which has none; both int64,
    (entries, 4).  Of the same size it becomes the same table."""
    if len(new) == len(old):
        new[:] = old
        return
    mask, base = len(new) - 1, new.ctypes.data
    for row in old[old[:, 1] != 0]:
        order_id, meta = row[:2].tolist()
        if is_link(meta):
            entry = int(find_link(base, mask, meta >> 16 & 0xFFFF, order_id))
        else:
            entry = int(find_entry(base, mask, meta & 0xFFFF, order_id))
        new[(entry - base) // ENTRY_BYTES] = row


@kernel
def erase_entry(table: int, mask: int, entry: int) -> None:
    """Free ``entry`` of the hash table; later entries of its chain move up into the gap."""
    free = (entry - table) // ENTRY_BYTES
    at = free
    while True:
        at = (at + 1) & mask
        other = OpenOrder(table + at * ENTRY_BYTES)
        meta = other.meta
        if meta == 0:
            break
        home = home_of(mask, meta & 0xFFFF, other.order_id)
        if (at - home) & mask >= (at - free) & mask:
            to = table + free * ENTRY_BYTES
            for word in range(0, ENTRY_BYTES, 8):
                store_i64(to + word, load_i64(other + word))
            free = at
    last = table + free * ENTRY_BYTES
    for word in range(0, ENTRY_BYTES, 8):
        store_i64(last + word, 0)


# Legs of lists


@kernel
def is_link(meta: int) -> bool:
    """Return whether an entry with this ``meta`` is a leg's link, and no open order."""
    return meta & 0xFFFF == NO_INSTRUMENT


@kernel
def find_link(table: int, mask: int, instrument: int, order_id: int) -> ListLink:
    """Return a leg's link in the table, or the free entry where it belongs: its ``meta`` is 0."""
    at = home_of(mask, NO_INSTRUMENT, order_id)
    key = NO_INSTRUMENT | instrument << 16
    while True:
        link = ListLink(table + at * ENTRY_BYTES)
        meta = link.meta
        if meta == 0 or (link.order_id == order_id and meta & LINK_KEY == key):
            return link
        at = (at + 1) & mask


@kernel_outlined
def add_link(
    table: int, mask: int, instrument: int, order_id: int, list_id: int, leg: int, contingency: int
) -> None:
    """Enter a leg's link, in a ring by itself."""
    link = find_link(table, mask, instrument, order_id)
    link.order_id = order_id
    link.meta = (
        NO_INSTRUMENT | instrument << 16 | contingency << CONTINGENCY_SHIFT | leg << LEG_SHIFT
    )
    link.next_id = order_id
    link.list_id = list_id


@kernel_outlined
def join_ring(table: int, mask: int, instrument: int, order_id: int) -> None:
    """Let a leg join the ring of its list's first leg; the first is the ring already."""
    link = find_link(table, mask, instrument, order_id)
    if link.list_id == order_id:
        return
    first = find_link(table, mask, instrument, link.list_id)
    link.next_id = first.next_id
    first.next_id = order_id


@kernel_outlined
def drop_link(table: int, mask: int, instrument: int, order_id: int) -> None:
    """Take a leg out of its ring, and forget its link."""
    link = find_link(table, mask, instrument, order_id)
    before = link
    while before.next_id != order_id:
        before = find_link(table, mask, instrument, before.next_id)
    before.next_id = link.next_id
    erase_entry(table, mask, link)


@kernel
def counts_alone(link: ListLink) -> bool:
    """Return whether the leg trades before the others, for which it needs as much as they do."""
    return counts_by_itself(link.meta)


@kernel
def counts_by_itself(meta: int) -> bool:
    """Like :func:`counts_alone`, by a link's ``meta``."""
    is_first = (meta >> LEG_SHIFT) & 0xFF == 1
    return is_first and (meta >> CONTINGENCY_SHIFT) & 0xFF >= OTO


@kernel_outlined
def end_others(table: int, mask: int, instrument: int, order_id: int, leaves: int) -> None:
    """A leg has traded, and has ``leaves`` left: what the list will do to the others, in the same
    command, holds from here on.  They trade no more, or no more than that."""
    own = find_link(table, mask, instrument, order_id)
    if counts_alone(own):
        return
    updates = (own.meta >> CONTINGENCY_SHIFT) & 0xFF in UPDATES
    other_id = own.next_id
    while other_id != order_id:
        link = find_link(table, mask, instrument, other_id)
        if not counts_alone(link):
            if updates:
                entry = find_entry(table, mask, instrument, other_id)
                entry.leaves = min(entry.leaves, leaves)
            else:
                link.meta = link.meta | ENDED
        other_id = link.next_id
