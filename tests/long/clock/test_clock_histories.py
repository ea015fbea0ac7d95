"""Ten thousand random histories of a clock within its own assumptions: no reading is outside."""

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.ptp.clock_histories import judge

SEEDS = range(1_000, 11_000)
COMMAND = "make test-long ARGS=tests/long/clock/test_clock_histories.py"


@pytest.mark.long
def test_ten_thousand_histories_hold_the_truth():
    """Each with its own drift, path, noise and silences (tests/oracles/clock.py)."""
    readings, missed = 0, {}
    for seed in SEEDS:
        count, outside = judge(seed)
        readings += count
        if outside:
            missed[seed] = len(outside)
    figures = {
        "histories": len(SEEDS),
        "readings": readings,
        "histories_outside": len(missed),
        "readings_outside": sum(missed.values()),
    }
    write_evidence("clock_histories", figures, COMMAND)
    assert missed == {}
    assert readings > 1_000 * len(SEEDS)
