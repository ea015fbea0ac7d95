"""bench/stall_check.py: a stall on purpose is seen in p99.9, in its cause and in the heat map."""

import numpy as np
import pytest

from openoutcry.bench.paced import Paced
from openoutcry.bench.plot_data import heat
from openoutcry.bench.stall_check import RATE, SECONDS, by_window, occupied, stall_check, summed
from openoutcry.pipeline.recording import Recording
from openoutcry.report.evidence import write_evidence

ROUNDS = 12


def made_up(stalled: bool) -> Paced:
    """Half a second at 100,000/s, 500 ns each; with the stall those due in the first 50 us of each
    10 ms wait until its end, and a gap of 5 ms of the host's delays the third tenth."""
    count = int(RATE * SECONDS)
    start = 1_000_000_000 + 10_000 * np.arange(count)
    whole = np.full(count, 500)
    at = start - start[0]
    if stalled:
        whole = np.maximum(whole, 50_000 - at % 10_000_000)
    whole = np.maximum(whole, np.where(at >= 250_000_000, 255_000_000 - at, 0))
    stamps = np.stack([start, *[start + whole] * 5, 0 * start], axis=1).astype(np.int64)
    return Paced(RATE, {"durability": "none"}, Recording(stamps=stamps), 0)


def test_a_stall_stands_out_of_a_gap_of_the_hosts():
    """Ten stalls a window, each with one command of 50 us, one of 40 …: p99.9 of the windows
    without the gap, two commands a stall in the band, and a cell of it in each column of the heat
    map that has a stall; the gap alone does neither."""
    runs = {}
    for name, stalled in (("stalled", True), ("undisturbed", False)):
        done = made_up(stalled)
        runs[name] = summed([{
            **by_window(done), "heat_columns": occupied(heat(done)), "share_of_decade": 0.0,
            "watched": None, "noisy": False,
        }])  # fmt: skip
    assert runs["stalled"]["windows"] == 5
    assert runs["stalled"]["p999_quiet_ns"] == pytest.approx(40_000, rel=0.01)
    assert runs["undisturbed"]["p999_quiet_ns"] == 500
    assert runs["stalled"]["band_per_s"] == 200
    assert runs["undisturbed"]["band_per_s"] == 0
    assert runs["stalled"]["heat_columns"] == pytest.approx(50 / 120)
    assert runs["undisturbed"]["heat_columns"] <= 2 / 120


@pytest.mark.long
def test_a_stall_on_purpose_is_seen_in_the_tail_in_its_cause_and_in_the_heat_map() -> None:
    """50 us every 10 ms in the matcher, at 100,000/s, against runs without, in alternation.  The
    figures go to docs/evidence/stall.json, unless others had the cores."""
    figures = stall_check(ROUNDS)
    if figures["noisy_runs_kept"] > ROUNDS:
        pytest.skip(f"{figures['noisy_runs_kept']} of {2 * ROUNDS} runs were disturbed by others")
    command = "make test-long ARGS=tests/bench/test_stall.py"
    write_evidence("stall", figures, command)
    stalled, undisturbed = figures["stalled"], figures["undisturbed"]
    # A window's slowest thousandth is ten commands, and each of its ten stalls delays five.
    assert stalled["p999_quiet_ns"] >= 30_000
    assert stalled["band_per_s"] > undisturbed["band_per_s"] + 100
    assert stalled["heat_columns"] > undisturbed["heat_columns"]
    assert stalled["share_of_decade"] > 4 * undisturbed["share_of_decade"]
