"""The bench of the bench: a stall on purpose is seen in p99.9, in its cause and in the heat map."""

import numpy as np
import pytest

from openoutcry.bench.paced import Paced
from openoutcry.bench.plot_data import heat
from openoutcry.pipeline.recording import Recording
from tests.support.bench.stall_check import RATE, SECONDS, by_window, occupied, summed


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


def test_a_stall_differs_from_a_gap_of_the_host():
    """Ten stalls a window, each with one command of 50 us, one of 40 …: p99.9 of the windows
    without the gap, two commands a stall in the band, and a cell of it in each column of the heat
    map that has a stall; the gap alone does neither."""
    runs = {}
    for name, stalled in (("stalled", True), ("undisturbed", False)):
        done = made_up(stalled)
        runs[name] = summed(
            [
                {
                    **by_window(done),
                    "heat_columns": occupied(heat(done)),
                    "share_of_decade": 0.0,
                    "watched": None,
                    "noisy": False,
                }
            ]
        )
    assert runs["stalled"]["windows"] == 5
    assert runs["stalled"]["p999_quiet_ns"] == pytest.approx(40_000, rel=0.01)
    assert runs["undisturbed"]["p999_quiet_ns"] == 500
    assert runs["stalled"]["band_per_s"] == 200
    assert runs["undisturbed"]["band_per_s"] == 0
    assert runs["stalled"]["heat_columns"] == pytest.approx(50 / 120)
    assert runs["undisturbed"]["heat_columns"] <= 2 / 120
