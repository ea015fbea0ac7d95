"""The speed bump in the core: to the nanosecond of sequenced time, in turn, as the plain reference
says it; and what the operator cancels enters no more."""

import numpy as np
import pytest

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk.bits import RiskBit
from openoutcry.risk.region import View
from openoutcry.wire.enums import EventKind
from tests.support.risk.risk_delayed import Plain, delayed_core, same_risk, without_places
from tests.support.risk.speed_bump import CAPACITY, LIMITS, TABLE, flow, with_switches, with_terms


@pytest.mark.parametrize(
    ("seed", "window_ns", "places"),
    [(1, 0, 512), pytest.param(2, 90_000, 512, marks=pytest.mark.long), (3, 700_000, 24)],
)
def test_the_core_is_the_reference(seed, window_ns, places):
    """Events, risk state, and who waits, however the commands are cut into batches; and from a
    snapshot in the middle."""
    records = with_switches(with_terms(flow(6_000, seed), seed), seed, window_ns)
    core = delayed_core(TABLE, LIMITS, CAPACITY, places)
    plain = Plain(TABLE, LIMITS, CAPACITY, places)
    rng, at, kinds = np.random.default_rng(seed), 0, set()
    while at < len(records):
        size = int(rng.integers(1, 900))
        events = core.process(records[at : at + size])
        np.testing.assert_array_equal(
            without_places(events), plain.process(records[at : at + size])
        )
        same_risk(core, plain)
        waits = [(release, seq) for release, seq, _ in View(core.region).delayed()]
        assert waits == sorted(plain.bump.waiting)
        kinds |= set(events["kind"].tolist())
        bits = events["contra_id"][events["kind"] == EventKind.REJECTED]
        kinds |= {-int(bit) for bit in np.unique(bits)}
        if at < 3_000 <= at + size:
            hooks = risk_hooks(LIMITS | {"delayed": places}, TABLE)
            again = Engine.restore(core.snapshot(), CAPACITY, hooks=hooks)
            assert again.state_hash() == core.state_hash()
            core = again
        at += size
    assert {EventKind.DELAYED, EventKind.ENTERED, -(1 << RiskBit.WITHDRAWN)} <= kinds
    assert -(1 << RiskBit.SPEED_BUMP_FULL) in kinds
