"""Hand-worked cases of the trickiest rules, and laws that hold for whatever is sent to the
reference: its own tests, for it is what the kernels are measured by.
"""

from dataclasses import astuple

import pytest

from openoutcry.wire import EventKind
from tests.support.matcher.reference_rules import SEEDS, run_by_command


def state(engine):
    """Everything that a rejected command may not change."""
    return engine.now, [
        (
            *(m.phase, m.called, m.last, m.ref, m.extensions, m.indicative),
            [(*astuple(order), order.place) for order in m.canonical()],
        )
        for m in engine.markets
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rejected_command_changes_nothing(seed):
    """Not a single field of any order or instrument, the clock neither."""
    _, engine, answers = run_by_command(200 + seed, malformed=0.1, extreme=0.05)
    before, rejected = state(engine), 0
    for events in answers:
        after = state(engine)
        if events["kind"][0] == EventKind.REJECTED:
            rejected += 1
            assert len(events) == 1
            assert after == before
        before = after
    assert rejected > 50
