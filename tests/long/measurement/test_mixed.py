"""The mixed flow: the same bytes every time, everything in it, in the shares it states."""

from collections import Counter

import numpy as np

from openoutcry.flow.mixed import MixedFlow
from openoutcry.wire import EventKind
from tests.oracles.matcher.engine import ReferenceEngine


def test_a_venue_would_take_most_of_it():
    """Through the plain reference: every kind of event happens, fewer than a quarter of the
    commands are rejected, and none as malformed."""
    source = MixedFlow(20_000, 3)
    orders = np.concatenate(list(source.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    events = ReferenceEngine(source.instruments).process(orders)
    kinds = Counter(events["kind"].tolist())
    assert set(kinds) == set(EventKind) - {EventKind.DELAYED, EventKind.ENTERED}, "a speed bump's"
    assert kinds[EventKind.REJECTED] < len(orders) // 4
