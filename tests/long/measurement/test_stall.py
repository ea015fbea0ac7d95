"""The bench of the bench: a stall on purpose is seen in p99.9, in its cause and in the heat map."""

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.bench.stall_check import stall_check

ROUNDS = 12


@pytest.mark.long
def test_a_stall_on_purpose_is_seen_in_the_tail_in_its_cause_and_in_the_heat_map() -> None:
    """50 us every 10 ms in the matcher, at 100,000/s, against runs without, in alternation.  The
    figures go to docs/evidence/stall.json, unless others had the cores."""
    figures = stall_check(ROUNDS)
    if figures["noisy_runs_kept"] > ROUNDS:
        pytest.skip(f"{figures['noisy_runs_kept']} of {2 * ROUNDS} runs were disturbed by others")
    command = "make test-long ARGS=tests/long/measurement/test_stall.py"
    write_evidence("stall", figures, command)
    stalled, undisturbed = figures["stalled"], figures["undisturbed"]
    # A window's slowest thousandth is ten commands, and each of its ten stalls delays five.
    assert stalled["p999_quiet_ns"] >= 30_000
    assert stalled["band_per_s"] > undisturbed["band_per_s"] + 100
    assert stalled["heat_columns"] > undisturbed["heat_columns"]
    assert stalled["share_of_decade"] > 4 * undisturbed["share_of_decade"]
