"""bench operations: both ways are measured over the same orders, and the watched one is watched."""

import pytest

from openoutcry.bench import operations as bench
from openoutcry.bench import watched
from openoutcry.bench.first_paint import missing


@pytest.mark.long
def test_a_round_has_every_figure(monkeypatch):
    monkeypatch.setattr(bench, "PAIRS", 1)
    monkeypatch.setattr(watched, "PAIRS", 1)
    monkeypatch.setattr(bench, "PAINTS", 1)
    document = bench.bench_operations(1, True, "test", lambda text: None)
    rows = {row["name"]: row for row in document["results"]}
    painted = set() if missing() else {"first_paint"}
    wanted = {"throughput_watched", "p99_watched", "button_to_last_cancel"} | painted
    assert set(rows) == wanted
    assert all(row["median"] > 0 for row in rows.values())
    assert set(rows["throughput_watched"]["against"]) == {"unwatched"}
    assert document["details"]["viewers"] == 20
