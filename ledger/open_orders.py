# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""The table of open orders: found, entered and erased by (instrument, order id)."""

import openoutcry.ledger.layout as lay
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, store_i64

ENTRY_BYTES = lay.ORDER_WORDS * lay.WORD


@kernel
def home_of(books: int, instrument: int, order_id: int) -> int:
    mixed = mul_wrapping(add_wrapping(order_id, instrument << 40), lay.HASH_FACTOR)
    mixed = mul_wrapping(mixed ^ (mixed >> 32), lay.HASH_FACTOR)
    return (mixed >> 32) & load_i64(books + lay.ORDER_MASK)


@kernel
def find_order(books: int, instrument: int, order_id: int) -> int:
    """Address of the open order's entry, or of the free one where it would stand."""
    mask, table = load_i64(books + lay.ORDER_MASK), load_i64(books + lay.ORDERS_AT)
    at = home_of(books, instrument, order_id)
    while True:
        entry = table + at * ENTRY_BYTES
        meta = load_i64(entry + lay.ORDER_META)
        same = load_i64(entry + lay.ORDER_ID) == order_id and meta & 0xFFFF == instrument
        if meta == 0 or same:
            return entry
        at = (at + 1) & mask


@kernel
def erase_order(books: int, entry: int) -> None:
    """Free an entry; those behind it that could stand here move up."""
    mask, table = load_i64(books + lay.ORDER_MASK), load_i64(books + lay.ORDERS_AT)
    free = (entry - table) // ENTRY_BYTES
    at = free
    while True:
        at = (at + 1) & mask
        other = table + at * ENTRY_BYTES
        meta = load_i64(other + lay.ORDER_META)
        if meta == 0:
            break
        home = home_of(books, meta & 0xFFFF, load_i64(other + lay.ORDER_ID))
        if (at - home) & mask >= (at - free) & mask:
            for word in range(0, ENTRY_BYTES, 8):
                store_i64(table + free * ENTRY_BYTES + word, load_i64(other + word))
            free = at
    for word in range(0, ENTRY_BYTES, 8):
        store_i64(table + free * ENTRY_BYTES + word, 0)
    store_i64(books + lay.ORDERS_OPEN, load_i64(books + lay.ORDERS_OPEN) - 1)
