"""A table of open orders by (instrument, order id); the core's risk and the ledger each keep one.
It uses open addressing, with ``mask`` + 1 entries (a power of two) of 4 words each.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, store_i64


class OpenOrder(Layout, size_bytes=32):
    """An open order."""

    order_id: int = i64("the client's")
    meta: int = i64("instrument | participant << 16 | side << 32 | flags << 40; 0: a free entry")
    leaves: int = i64("open lots")
    price: int = i64("the price at which it counts")


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
        entry = find_entry(base, mask, meta & 0xFFFF, order_id)
        new[(int(entry) - base) // ENTRY_BYTES] = row


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
