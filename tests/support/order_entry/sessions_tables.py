"""What the tests of sessions tables in several tiers share."""

import numpy as np

from openoutcry.order_entry import stream


def put(store, message, event):
    data = np.frombuffer(message + b"\0" * 8, np.uint8)
    return int(stream.append(store.address, data.ctypes.data, len(message), event))
