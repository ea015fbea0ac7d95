# (intrinsics have no types that mypy could see)
"""The table of open orders: found, entered and erased by (instrument, order id)."""

import openoutcry.ledger.layout as lay
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.open_orders import ENTRY_BYTES, META, ORDER_ID, erase_entry, find_entry

assert (lay.ORDER_ID, lay.ORDER_META, lay.ORDER_WORDS * lay.WORD) == (ORDER_ID, META, ENTRY_BYTES)


@kernel
def find_order(books: int, instrument: int, order_id: int) -> int:
    """Address of the open order's entry, or of the free one where it would stand."""
    table, mask = load_i64(books + lay.ORDERS_AT), load_i64(books + lay.ORDER_MASK)
    return find_entry(table, mask, instrument, order_id)


@kernel
def erase_order(books: int, entry: int) -> None:
    erase_entry(load_i64(books + lay.ORDERS_AT), load_i64(books + lay.ORDER_MASK), entry)
    store_i64(books + lay.ORDERS_OPEN, load_i64(books + lay.ORDERS_OPEN) - 1)
