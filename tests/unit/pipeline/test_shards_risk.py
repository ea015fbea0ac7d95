"""Risk over several matchers: each has partitions of the instruments and parts of the limits, and
what one matcher says with as many partitions is what any number of them says, byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.pipeline.run import run
from openoutcry.pipeline.stall import work_of
from openoutcry.pipeline.topology import geometry
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import PipelineError, Work
from tests.support.pipeline import shards_risk as shared
from tests.support.pipeline.shards_risk import options, same

one = shared.one


def test_there_is_something_to_disagree_about(one: dict[str, Any]) -> None:
    assert one["rejects"]["RISK"] > 500
    assert one["event_kinds"]["FILLED"] > 500
    assert one["event_kinds"]["EXPIRED"] + one["event_kinds"]["CANCELLED"] > 200


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_any_number_of_matchers_says_what_one_does(
    shards: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """Every byte of every event and of the state, and a replay that knows nothing of shards."""
    journal = tmp_path / "j"
    result = run(options(shards, topology="inline", journal=journal))
    same(result, one)
    assert result["replay"]["equal"] is True
    view = View(recover(journal).engine.region)
    assert view.word(lay.REBALANCES) > 200
    refusals = [part.word(lay.REFUSALS) for part in view.partitions]
    assert sum(refusal > 20 for refusal in refusals) >= 4, refusals


@pytest.mark.parametrize("partitions", [1, 2])
def test_more_matchers_than_partitions_are_refused(partitions: int) -> None:
    with pytest.raises(PipelineError, match=f"4 matchers need .* partitions, not {partitions}"):
        run(options(4, partitions, topology="inline", durability="none"))


def test_who_waits_for_another_shard_is_not_stalled() -> None:
    """All but one have come to the first command that is a rebalance point: only that one is looked
    for."""
    run_options = options(3, topology="inline", durability="none")
    table = run_options.wiring.for_durability("none")
    (orders,) = run_options.source.chunks() if run_options.source else ()
    shared = Shared(
        geometry("inline", "none", table), table, exchange_bytes=run_options.core.exchange_bytes(3)
    )
    try:
        shared.preload([orders], 100, 100)
        shared.control.block.go = 1
        work = Work(
            shared=shared,
            core=run_options.core,
            rate=0,
            limit=100,
            durability="none",
            journal=None,
            writer=None,
        )
        group = CompiledStages(work, table.names)
        for _ in range(8):
            for name in ("receive", "gateway", "matcher", "matcher-2", "merge"):
                module = table[name].code
                module.step(group.contexts.address_of(name))
        stands = {name: work_of(shared, name) for name in ("matcher", "matcher-1", "matcher-2")}
        assert {name: waits for name, (_, waits) in stands.items()} == {
            "matcher": False,
            "matcher-1": True,
            "matcher-2": False,
        }
        assert stands["matcher"][0][1] == stands["matcher-2"][0][1] < 100
        for _ in range(8):
            for name in ("matcher", "matcher-1", "matcher-2", "merge"):
                module = table[name].code
                module.step(group.contexts.address_of(name))
        assert {work_of(shared, name)[0][1] for name in stands} == {100}
    finally:
        shared.unlink()
