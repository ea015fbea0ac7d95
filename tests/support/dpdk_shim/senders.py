"""What the tests of senders in several tiers share."""

import numpy as np

from openoutcry.dpdk_shim.receive_window import (
    SENDER_USED,
    find_sender,
    is_new,
)

KEYS = [(SENDER_USED | 7, 2**64 - 5, 0, 0), (SENDER_USED | 8, 12, 0, 0)]


def taken(state: np.ndarray, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those packets that a receiver with this state hands on, of one sender."""
    sender = find_sender(state.ctypes.data, SENDER_USED | 7, -5)
    return [part for part in parts if is_new(state.ctypes.data, sender, *part)]
