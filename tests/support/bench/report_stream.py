"""What the tests of report stream in several tiers share."""

import numpy as np
from hypothesis import strategies as st

from openoutcry.bench.report_stream import (
    CANCEL,
    HEADER_DTYPE,
    MAGIC,
    MESSAGE_DTYPE,
    MODIFY,
    NEW,
    VERSION,
)

BUY, SELL = 0, 1


def workload(path, messages):
    """Write (type, side, ioc, quantity, order id, price) as the benchmark's generator does."""
    rows = np.zeros(len(messages), MESSAGE_DTYPE)
    for seq, (kind, side, ioc, quantity, order, price) in enumerate(messages):
        rows[seq] = (kind, side, ioc, 0, quantity, seq, order, price, 0)
    path.write_bytes(np.array((MAGIC, VERSION, len(rows)), HEADER_DTYPE).tobytes() + rows.tobytes())
    return path


@st.composite
def messages(draw):
    """New orders with their modifies and cancels, also of orders that are gone.  A modify has more
    lots than its order ever had, as in the benchmark's workload."""
    drawn, orders = [], {}
    for number in range(1, draw(st.integers(1, 60)) + 1):
        kind = draw(st.sampled_from([NEW, NEW, CANCEL, MODIFY])) if orders else NEW
        price, quantity = draw(st.integers(95, 105)), draw(st.integers(1, 9))
        if kind == NEW:
            side = draw(st.sampled_from([BUY, SELL]))
            orders[number] = [side, quantity]
            drawn.append((NEW, side, draw(st.integers(0, 1)), quantity, number, price))
            continue
        order = draw(st.sampled_from(sorted(orders)))
        orders[order][1] += kind == MODIFY
        drawn.append((kind, orders[order][0], 0, orders[order][1], order, price))
    return drawn
