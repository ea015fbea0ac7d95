"""Executed lots of orders without a session, for drop copies over FIX, which report sums.

An open-addressing table by the core's order id, 32 bytes an order: its quantity and what is done of
it. A finished order is removed, and the entries after it move up, so that a search never passes a
deleted entry.
"""

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64

ENTRY_BYTES = 32


class SumEntry(Layout, size_bytes=32):
    """Executed lots and value of an order."""

    key: int = i64("~order id, 0: a free entry")
    qty: int = i64("whole quantity, lots")
    cum: int = i64("executed lots")
    cum_value: int = i64("their value, lots times ticks")


KEY = SumEntry.offset("key")
CUM = SumEntry.offset("cum")

HASH = -7046029254386353131  # 2**64 / golden ratio, as a signed word


@kernel
def place_of(key: int, mask: int) -> int:
    """Return where the search for ``key`` begins; ``mask``: the table's entries less one."""
    return mul_wrapping(key, HASH) >> 32 & mask


@kernel
def find(table: int, mask: int, order_id: int) -> SumEntry:
    """Address of the order's entry, or of the free one for it; 0: the table is
    full of others."""
    key = ~order_id
    place = place_of(key, mask)
    for step in range(mask + 1):
        entry = SumEntry(table + ENTRY_BYTES * (place + step & mask))
        entry_key = entry.key
        if entry_key in (key, 0):
            return entry
    return SumEntry(0)


@kernel
def put(entry: SumEntry, order_id: int, qty: int) -> None:
    """A free entry is an order's from here on."""
    if VERIFY:
        assert entry.key in (0, ~order_id), "an entry has one order"
        assert ~order_id != 0, "the key of a free entry belongs to no order"
    entry.key = ~order_id
    entry.qty = qty
    entry.cum = 0
    entry.cum_value = 0


@kernel
def remove(table: int, mask: int, entry: SumEntry) -> None:
    """The order is over. ``table``: address of the table."""
    hole = (entry - table) // ENTRY_BYTES
    place = hole
    if VERIFY:
        gone = entry.key
        assert gone != 0, "a free entry has no order to take out"
        assert 0 <= hole <= mask, "the entry lies in the table"
    for _ in range(mask):
        place = place + 1 & mask
        key = SumEntry(table + ENTRY_BYTES * place).key
        if key == 0:
            break
        # An entry that may not precede its own place stays.
        if place - place_of(key, mask) & mask < place - hole & mask:
            continue
        for offset in range(0, ENTRY_BYTES, 8):
            value = load_i64(table + ENTRY_BYTES * place + offset)
            store_i64(table + ENTRY_BYTES * hole + offset, value)
        hole = place
    for offset in range(0, ENTRY_BYTES, 8):
        store_i64(table + ENTRY_BYTES * hole + offset, 0)
    if VERIFY:
        free = find(table, mask, ~gone)
        assert free.key == 0, "a removed entry is not found"
