"""What the journal's tests share: order records that anyone can make again from their sequence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.wire.records import ORDER_DTYPE

Orders = Callable[[int, int], npt.NDArray[Any]]


@pytest.fixture(scope="session")
def orders() -> Orders:
    """A function (first_seq, count) -> orders whose every field follows from their sequence."""

    def make(first_seq: int, count: int) -> npt.NDArray[Any]:
        records = np.zeros(count, ORDER_DTYPE)
        seqs = np.arange(first_seq, first_seq + count)
        records["seq"] = seqs
        records["price_ticks"] = seqs * 7919 % 100_003 + 1
        records["qty_lots"] = seqs % 997 + 1
        records["order_id"] = seqs * 31
        records["symbol"] = b"ACME"
        records["kind"] = 1
        return records

    return make
