# (intrinsics have no types that mypy could see)
"""A table of open orders by (instrument, order id), as the core's risk and the ledger each keep
one: open addressing, entries of 4 words, as many of them as ``mask`` + 1, a power of two.

An entry is its order id, META (the instrument in the lowest 16 bits; 0: the entry is free) and two
words of whoever keeps the table.
"""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, store_i64

ORDER_ID, META, ENTRY_BYTES = 0, 8, 32
HASH_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)


@kernel
def home_of(mask: int, instrument: int, order_id: int) -> int:
    mixed = mul_wrapping(add_wrapping(order_id, instrument << 40), HASH_FACTOR)
    mixed = mul_wrapping(mixed ^ (mixed >> 32), HASH_FACTOR)
    return (mixed >> 32) & mask


@kernel
def find_entry(table: int, mask: int, instrument: int, order_id: int) -> int:
    """Address of the open order's entry, or of the free one where it would stand."""
    at = home_of(mask, instrument, order_id)
    while True:
        entry = table + at * ENTRY_BYTES
        meta = load_i64(entry + META)
        same = load_i64(entry + ORDER_ID) == order_id and meta & 0xFFFF == instrument
        if meta == 0 or same:
            return entry
        at = (at + 1) & mask


@kernel
def erase_entry(table: int, mask: int, entry: int) -> None:
    """Free an entry; those behind it that could stand here move up."""
    free = (entry - table) // ENTRY_BYTES
    at = free
    while True:
        at = (at + 1) & mask
        other = table + at * ENTRY_BYTES
        meta = load_i64(other + META)
        if meta == 0:
            break
        home = home_of(mask, meta & 0xFFFF, load_i64(other + ORDER_ID))
        if (at - home) & mask >= (at - free) & mask:
            to = table + free * ENTRY_BYTES
            for word in range(0, ENTRY_BYTES, 8):
                store_i64(to + word, load_i64(other + word))
            free = at
    last = table + free * ENTRY_BYTES
    for word in range(0, ENTRY_BYTES, 8):
        store_i64(last + word, 0)
