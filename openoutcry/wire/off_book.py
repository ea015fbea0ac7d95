"""Order ids of the sides of off-book trades."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel
from openoutcry.wire.order_ids import OFF_BOOK_ORDER_IDS

OFF_BOOK_SHIFT = 60


@kernel
def is_off_book(order_id: int) -> bool:
    """Return whether an order id is that of a side of an off-book trade."""
    return order_id >> OFF_BOOK_SHIFT == OFF_BOOK_ORDER_IDS >> OFF_BOOK_SHIFT


def are_off_book(order_ids: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The same of each of an array."""
    return np.asarray(order_ids >> OFF_BOOK_SHIFT == OFF_BOOK_ORDER_IDS >> OFF_BOOK_SHIFT)
