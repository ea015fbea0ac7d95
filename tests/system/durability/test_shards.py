"""Several matchers share the instruments: one stream of events, one event hash and one state hash,
however many they are, whoever is killed, and whatever their number when a journal is resumed."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openoutcry.pipeline.run import Watcher, run
from tests.support.deaths import KillerFromOutside
from tests.support.pipeline import shards as shared
from tests.support.pipeline.shard_kills import run_with_deaths
from tests.support.pipeline.shards import COMMANDS, options, same

one = shared.one


@pytest.mark.parametrize("shards", [pytest.param(2, marks=pytest.mark.long), 4])
def test_inline_the_shards_are_one_matcher(
    shards: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """Every byte of every event, the book, and a replay that knows nothing of shards."""
    result = run(options(shards, topology="inline", journal=tmp_path / "j"))
    same(result, one)
    assert result["depth"] == one["depth"]
    assert result["replay"]["equal"] is True
    assert {stage["name"] for stage in result["stages"]} == {s["name"] for s in one["stages"]} | {
        "journal"
    }


@pytest.mark.parametrize("durability", ["durable", pytest.param("none", marks=pytest.mark.long)])
def test_as_processes_with_dying_shards_and_a_dying_merge(
    durability: str, one: dict[str, Any], tmp_path: Path
) -> None:
    """A shard is rebuilt from a checkpoint of the whole and the journal, or from the preloaded
    input, and goes on with the numbers that its ring has."""
    sharded = partial(options, 3, checkpoint_every=5_000)
    stages = ("matcher-1", "matcher", "merge", "matcher-2")
    run_with_deaths(
        sharded, lambda result: same(result, one), COMMANDS, stages, durability, tmp_path
    )


def test_a_merge_is_killed_from_outside(one: dict[str, Any]) -> None:
    """SIGKILL by another process, when half of the events have passed."""
    killer = KillerFromOutside("merge", one["events"] // 2)
    result = run(
        options(3, durability="none", deaths=(killer.death,)), Watcher(sample=killer.sample)
    )
    same(result, one)
    assert [row["pid"] for row in result["restarts"]] == killer.pids


@pytest.mark.parametrize(
    ("before", "after"),
    [(3, 2), *(pytest.param(*row, marks=pytest.mark.long) for row in ((1, 3), (2, 1)))],
)
def test_a_journal_is_resumed_with_another_number_of_shards(
    before: int, after: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """What one number of shards has written, another goes on with."""
    journal = tmp_path / "j"
    run(options(before, topology="inline", journal=journal, orders=COMMANDS // 3, verify=False))
    run(
        options(
            after,
            topology="inline",
            journal=journal,
            resume=True,
            orders=2 * COMMANDS // 3,
            verify=False,
        )
    )
    result = run(options(before, journal=journal, resume=True, rate=0))
    same(result, one)
    assert result["replay"]["equal"] is True
