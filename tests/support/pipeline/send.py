"""What the tests of send in several tiers share."""

import numpy as np

from openoutcry.wire import ORDER_DTYPE


def make_orders(count: int, participants: int = 4) -> np.ndarray:
    orders = np.zeros(count, ORDER_DTYPE)
    orders["order_id"] = 1_000 + np.arange(count)
    orders["participant"] = 1 + np.arange(count) % participants
    orders["price_ticks"] = np.arange(count)
    return orders
