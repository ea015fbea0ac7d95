"""bench shards: its flow, its model, and that two matchers at once are two of the one."""

import numpy as np
import pytest

from openoutcry.bench import shards as bench


def test_every_instrument_has_separate_orders():
    source = bench.ManyInstruments(5_000)
    (rows,) = source.chunks()
    (again,) = bench.ManyInstruments(5_000).chunks()
    assert rows.tobytes() == again.tobytes()
    assert len(rows) == 5_000
    assert len(np.unique(rows["symbol"])) == bench.INSTRUMENTS
    of_id = rows["order_id"] % bench.INSTRUMENTS
    assert [source.symbols[k] for k in of_id] == rows["symbol"].tolist()


@pytest.mark.parametrize("limit", ["matcher", "merge", "others"])
def test_the_model_gives_back_what_its_figures_are_made_of(limit):
    """Own 40 ns, 3 ns for a foreign command; the merge 5 ns and 0.5 ns more for each shard."""
    own, skip = 40.0, 3.0
    base = {"matcher": 0.01, "merge": 50.0, "others": 0.01}[limit]
    others = 60.0 if limit == "others" else 1.0

    def time(shards):
        share = bench.imbalance(shards) / shards
        return own * share + skip * (1 - share)

    merge = {n: base + 0.5 * n * (limit == "merge") for n in (2, 4)}
    for shards in (4, 8, 16, 64):
        forecast = bench.foretell(skip, time(2), merge, others, shards)
        assert forecast["shard_ns"] == pytest.approx(time(shards))
        assert forecast["own_ns"] == pytest.approx(own)
        assert forecast["limit"] == limit
        wanted = {"matcher": time(shards), "merge": base + 0.5 * shards, "others": others}[limit]
        assert forecast["commands_per_s"] == pytest.approx(1e9 / wanted)
