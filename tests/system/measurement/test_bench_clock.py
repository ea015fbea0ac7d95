"""bench/clock.py: the document has the figures that docs/clock.md names, and they can be true."""

from openoutcry.bench.clock import bench_clock
from openoutcry.bench.results import check_document


def test_the_clock_subject_gives_every_figure(monkeypatch):
    """One short round: costs above nothing, a bound that grants the path, no violation."""
    monkeypatch.setattr("openoutcry.bench.clock.QUICK_CALLS", 10_000)
    monkeypatch.setattr("openoutcry.bench.clock.QUICK_SECONDS", 120)
    document = bench_clock(1, True, "outcry bench clock", lambda text: None)
    check_document(document, "here")
    rows = {row["name"]: row for row in document["results"]}
    assert set(rows) == {
        "now_ns",
        "page_update_ns",
        "bound_p99_ns",
        "drift_error_ppb",
        "violations",
    }
    assert rows["now_ns"]["against"]["clock_gettime"]["median"] > 0
    assert rows["page_update_ns"]["median"] > 0
    assert rows["bound_p99_ns"]["median"] > 2_000
    assert rows["violations"]["median"] == 0
