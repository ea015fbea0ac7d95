"""What the attacks on a journal share with its other tests: orders made from their sequence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.wire.records import ORDER_DTYPE

Orders = Callable[[int, int], npt.NDArray[Any]]


@pytest.fixture(scope="session")
def orders() -> Orders:
    """A function (first_seq, count) -> orders whose fields follow from their sequence."""

    def make(first_seq: int, count: int) -> npt.NDArray[Any]:
        records = np.zeros(count, ORDER_DTYPE)
        records["seq"] = np.arange(first_seq, first_seq + count)
        records["order_id"] = records["seq"] * 31
        records["symbol"] = b"ACME"
        records["price_ticks"] = 100
        records["qty_lots"] = 1
        records["kind"] = 1
        return records

    return make
