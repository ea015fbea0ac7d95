"""What the kernels of the generated flows share: words of their state, random bits, records."""

import numpy as np

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES


@kernel
def get_word(base: int, index: int) -> int:
    """The int64 with this index in the array at the address ``base``."""
    return Words(base)[index]


@kernel
def set_word(base: int, index: int, value: int) -> None:
    """Store the int64 with this index in the array at the address ``base``."""
    Words(base)[index] = value


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
    record: OrderRecord,
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
    record.price_ticks = price
    record.qty_lots = qty
    record.symbol = symbol
    record.order_id = order_id
    record.aux = aux
    record.participant = participant
    record.kind = kind
    record.side = side
    record.order_type = order_type
    record.time_in_force = time_in_force
