"""What the tests of listing in several tiers share."""

import numpy as np

from openoutcry.ring import layout
from openoutcry.wire import LAYOUT_HASH
from openoutcry.wire.records import RING_MAGIC

# What is wrong with a ring


def header(**changes: int) -> bytes:
    """A sound header of 8 slots with one consumer, with some words changed."""
    words = np.zeros(layout.SLOTS // 8, np.int64)
    words[layout.MAGIC // 8] = RING_MAGIC
    words[layout.LAYOUT_HASH // 8] = np.uint64(LAYOUT_HASH).view(np.int64)
    words[layout.VERSION_AT // 8] = layout.VERSION
    words[layout.SLOT_BYTES_AT // 8] = 64
    words[layout.CAPACITY // 8] = 8
    words[layout.CONSUMER_COUNT // 8] = 1
    for name, value in changes.items():
        words[getattr(layout, name) // 8] = value
    return words.tobytes()
