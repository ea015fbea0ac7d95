"""What the tests of bench matcher in several tiers share."""

import numpy as np

from openoutcry.bench.peers import matchers
from openoutcry.flow import GeneratedFlow


def commands(count: int) -> matchers.Array:
    orders = np.concatenate(list(GeneratedFlow("normal", count, 5).chunks()))
    orders["seq"] = np.arange(1, count + 1)
    return orders
