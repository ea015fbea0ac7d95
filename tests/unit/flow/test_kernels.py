"""flow/kernels.py: an order is written where wire declares its fields."""

import numpy as np

from openoutcry.flow.kernels import write_order
from openoutcry.wire.records import ORDER_DTYPE


def test_every_field_of_a_written_order_is_what_was_given_or_zero():
    """Largest values, so that a field that is too wide or out of its place would show; the memory
    held something else before."""
    record = np.full(64, 0xAA, np.uint8).view(ORDER_DTYPE)
    symbol = int.from_bytes(b"ABCDEFGH", "little")
    write_order(
        record.ctypes.data,
        -(2**63),
        2**63 - 1,
        symbol,
        2**62 + 1,
        -1,
        0xFFFF,
        0x81,
        0x82,
        0x83,
        0x84,
    )
    given = {
        "price_ticks": -(2**63),
        "qty_lots": 2**63 - 1,
        "symbol": b"ABCDEFGH",
        "order_id": 2**62 + 1,
        "aux": -1,
        "participant": 0xFFFF,
        "kind": 0x81,
        "side": 0x82,
        "order_type": 0x83,
        "time_in_force": 0x84,
    }
    assert given.keys() < set(ORDER_DTYPE.names)
    for name in ORDER_DTYPE.names:
        assert record[0][name] == given.get(name, 0), name
