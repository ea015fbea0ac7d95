"""bench shards: its flow, its model, and that two matchers at once are two of the one."""

import pytest

from openoutcry.bench import shards as bench


@pytest.mark.long
def test_a_round_is_measured(monkeypatch):
    """All stages come to their end, two at once in processes, and one hash."""
    monkeypatch.setattr(bench, "QUICK_COMMANDS", 1 << 12)
    monkeypatch.setattr(bench, "QUICK_LIVE", 1 << 12)
    document = bench.bench_shards(1, True, "outcry bench shards", lambda text: None)
    names = {row["name"] for row in document["results"]}
    assert names >= {
        "matcher_alone",
        "skip_alone",
        "shard_of_8",
        "merge_of_8",
        "foretold_64",
        "pipeline",
    }
    assert set(document["details"]["model"]) == {"2", "4", "8", "16", "64"}
