"""The mixed flow as the risk kernels' tests have it."""

import numpy as np

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.wire import make_instruments
from tests.support.matcher.matcher_lists import with_lists
from tests.support.matcher.matcher_quotes import with_quotes
from tests.support.risk.risk_core import PARTICIPANTS

LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}


def instruments():
    """Those of the mixed flow, all but one with price limits."""
    return make_instruments(
        [(LIMITED if n != 2 else {}) | dict(row) for n, row in enumerate(INSTRUMENTS)]
    )


def mixed_commands(count, seed):
    """The mixed flow, its participants folded into a few."""
    for chunk in MixedFlow(count, seed).chunks(count):
        who = chunk["participant"]
        chunk["participant"] = np.where(who > 0, 1 + who % PARTICIPANTS, 0)
        yield from (chunk[n : n + 1] for n in range(len(chunk)))


def list_commands(count, seed):
    """The mixed flow, parts of which are lists of orders."""
    flow = np.concatenate([row.copy() for row in mixed_commands(count, seed)])
    orders = with_lists(flow, seed, often=0.3)
    yield from (orders[at : at + 1] for at in range(len(orders)))


def quote_commands(count, seed):
    """The mixed flow, parts of which are quotes."""
    flow = np.concatenate([row.copy() for row in mixed_commands(count, seed)])
    orders = with_quotes(flow, seed, often=0.5)
    yield from (orders[at : at + 1] for at in range(len(orders)))
