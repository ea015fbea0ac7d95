"""bench/exports.py, report/bench_report.py: other tools read the files, the page stands alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench import plot_data as exports_pictures
from openoutcry.bench.exports import chrome_trace
from openoutcry.bench.plot_data import merged, overlapping, trace
from openoutcry.host.corewatch import Interval
from openoutcry.pipeline.recording import Step
from tests.support.bench.exports import FIRST_NS, STEPS, recorded


def test_a_trace_has_what_lies_beneath_its_commands(monkeypatch):
    """More steps than are kept come before the slowest command and one lies beneath it: that one is
    there, those beneath no command are not, and what was too much is counted."""
    early = [Step("back", "matcher", at, at + 5) for at in range(6_000)]
    run_trace = trace(recorded(steps=[*early, *STEPS]), ())
    assert [step[2:] for step in run_trace["steps"]] == [[STEPS[0].start_ns, STEPS[0].end_ns]]
    assert run_trace["left_out"] == {"steps": 0, "kernel": 0}
    monkeypatch.setattr(exports_pictures, "MAX_INTERVALS", 1)
    # One that began before any command shown does not make times negative.
    beneath = Interval(1, STEPS[0].start_ns, STEPS[0].start_ns + 9, "preempted", "cc1", 12)
    longer = Interval(1, FIRST_NS - 9, STEPS[0].end_ns, "preempted", "ld", 12)
    run_trace = trace(recorded(), [beneath, longer])
    assert [row[4] for row in run_trace["kernel"]] == ["ld"]
    assert run_trace["left_out"] == {"steps": 0, "kernel": 1}
    seen = chrome_trace(run_trace)
    assert seen["otherData"]["kernel left out"] == 1
    assert min(event["ts"] for event in seen["traceEvents"] if "ts" in event) == 0


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=12)


@given(SPANS, SPANS)
def test_overlapping_is_what_comparing_all_pairs_gives(windows, spans):
    """Merged windows and the search find what the two nested loops find."""
    starts = np.array([start for start, _ in windows])
    ends = starts + np.array([length for _, length in windows])
    steps = [Step("p", "s", start, start + length) for start, length in spans]
    expected = [
        one
        for one in steps
        if any(one.start_ns <= b and one.end_ns >= a for a, b in zip(starts, ends, strict=True))
    ]
    assert overlapping(steps, merged(starts, ends)) == expected
