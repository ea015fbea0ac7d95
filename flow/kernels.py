"""What the kernels of the generated flows share: words of their state, random bits, records."""

import numpy as np

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64, store_u8, store_u16
from openoutcry.wire.records import ORDER, RECORD_BYTES

PRICE_AT = ORDER.offsets["price_ticks"]
QTY_AT = ORDER.offsets["qty_lots"]
SYMBOL_AT = ORDER.offsets["symbol"]
ORDER_ID_AT = ORDER.offsets["order_id"]
AUX_AT = ORDER.offsets["aux"]
PARTICIPANT_AT = ORDER.offsets["participant"]
KIND_AT = ORDER.offsets["kind"]
SIDE_AT = ORDER.offsets["side"]
ORDER_TYPE_AT = ORDER.offsets["order_type"]
TIME_IN_FORCE_AT = ORDER.offsets["time_in_force"]


@kernel
def get_word(base: int, index: int) -> int:
    return load_i64(base + 8 * index)


@kernel
def set_word(base: int, index: int, value: int) -> None:
    store_i64(base + 8 * index, value)


@kernel
def random_bits(word: int) -> int:
    """63 random bits from the generator whose state is the word at that address (splitmix64)."""
    z = np.uint64(load_i64(word)) + np.uint64(0x9E3779B97F4A7C15)
    store_i64(word, int(np.int64(z)))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int(np.int64(z >> np.uint64(1)))


@kernel
def write_order(
    record: int,
    price: int,
    qty: int,
    symbol: int,
    order_id: int,
    aux: int,
    participant: int,
    kind: int,
    side: int,
    order_type: int,
    time_in_force: int,
) -> None:
    """An order record at that address; ``symbol`` is its eight bytes as a word.  What receive,
    gateway and sequencer write is 0."""
    for at in range(0, RECORD_BYTES, 8):
        store_i64(record + at, 0)
    store_i64(record + PRICE_AT, price)
    store_i64(record + QTY_AT, qty)
    store_i64(record + SYMBOL_AT, symbol)
    store_i64(record + ORDER_ID_AT, order_id)
    store_i64(record + AUX_AT, aux)
    store_u16(record + PARTICIPANT_AT, participant)
    store_u8(record + KIND_AT, kind)
    store_u8(record + SIDE_AT, side)
    store_u8(record + ORDER_TYPE_AT, order_type)
    store_u8(record + TIME_IN_FORCE_AT, time_in_force)
