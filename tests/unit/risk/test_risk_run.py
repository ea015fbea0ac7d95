"""Risk in the core of a run: one hash by hand, inline, as processes, in the journal's replay and
from its checkpoints."""

from typing import Any

import numpy as np
import pytest

from openoutcry.journal.core import Core
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.risk.region import RiskError, View
from tests.support.risk.risk_run import CAPACITY, TABLE, LimitedFlow, settings


def test_a_core_by_hand_reserves_what_its_open_orders_need() -> None:
    """Command by command and in one piece: the same bytes."""
    (orders,) = LimitedFlow(4_000, 5).chunks(4_000)
    orders["seq"] = np.arange(1, 4_001)
    whole = Core(TABLE, CAPACITY, hooks=settings()).fresh()
    pieces = Core(TABLE, CAPACITY, hooks=settings()).fresh()
    events = whole.process(orders)
    batches = [pieces.process(orders[n : n + 1]) for n in range(2_000)]
    again = Core(TABLE, CAPACITY, hooks=settings()).restored(pieces.snapshot())
    batches.append(again.process(orders[2_000:]))
    assert np.array_equal(np.concatenate(batches), events)
    assert again.state_hash() == whole.state_hash()
    assert len(View(whole.region).open_orders()) == whole.open_orders > 0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"set": "NO_SUCH", "value": 1}, "limits row 0: 'NO_SUCH' is not a setting"),
        ({"set": "MAX_QTY", "value": -1, "symbol": "PLAIN"}, "limits row 0: .* makes no sense"),
        ({"set": "MAX_QTY", "value": 1, "symbol": "NONE"}, "limits row 0: .* makes no sense"),
        ({"set": "MAX_QTY", "value": 2**63, "symbol": "PLAIN"}, "limits row 0: .* makes no sense"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(row: dict[str, Any], says: str) -> None:
    with pytest.raises(RiskError, match=says):
        risk_hooks(settings() | {"limits": [row]}, TABLE)
