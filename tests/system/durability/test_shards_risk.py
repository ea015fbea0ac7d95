"""Risk over several matchers: each has partitions of the instruments and parts of the limits, and
what one matcher says with as many partitions is what any number of them says, byte for byte."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, Watcher, run
from openoutcry.pipeline.topology import TOPOLOGY, sharded
from tests.support.pipeline import shards_risk as shared
from tests.support.pipeline.shard_kills import run_with_deaths
from tests.support.pipeline.shards_risk import COMMANDS, KEYS, options, same

one = shared.one


def test_a_partitions_room_that_is_nearly_full_is_reported() -> None:
    """Long before the book as a whole is full."""
    notes: list[str] = []
    fills: list[float] = []
    watcher = Watcher(note=notes.append, sample=lambda sample: fills.append(sample.book_fill))

    def ran(room: int) -> dict[str, Any]:
        capacity = 4 * room + 1
        hooks = {
            "name": "risk",
            "participants": 1 << 16,
            "groups": 1,
            "order_capacity": capacity,
            "partitions": 4,
        }
        flow = GeneratedFlow("static", 3_000, seed=1)
        run_options = Options(
            source=flow,
            wiring=sharded(TOPOLOGY, 2),
            order_capacity=capacity,
            hooks=hooks,
            topology="inline",
            durability="none",
        )
        return run(run_options, watcher)

    plain = ran(3_000)
    assert 0 < fills[-1] < 0.9
    assert not notes
    room = plain["open_orders"] - 10
    full = ran(room)
    assert full["rejects"]["BOOK_FULL"] > 0
    assert fills[-1] == full["open_orders"] / room >= 0.9
    (note,) = notes
    assert re.match(rf"a partition of the book holds [\d,]+ of {room:,} orders", note)


@pytest.mark.parametrize("durability", ["durable", pytest.param("none", marks=pytest.mark.long)])
def test_as_processes_with_dying_cores_of_shards(
    durability: str, one: dict[str, Any], tmp_path: Path
) -> None:
    """It comes back from a checkpoint of the whole and the journal, or from the preloaded input,
    wherever the others wait for it, and meets them as if nothing had happened."""
    sharded = partial(options, 3, checkpoint_every=3_000)
    stages = ("matcher-1", "matcher", "matcher-2")
    run_with_deaths(
        sharded, lambda result: same(result, one), COMMANDS, stages, durability, tmp_path
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [(8, 2), *(pytest.param(*row, marks=pytest.mark.long) for row in ((1, 3), (4, 1)))],
)
def test_a_journal_with_risk_is_resumed_with_another_number_of_shards(
    before: int, after: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """What one number of shards has written, another goes on with: limits, parts, what is used."""
    journal = tmp_path / "j"
    third = one["commands"] // 3
    run(options(before, topology="inline", journal=journal, orders=third, verify=False))
    run(
        options(
            after, topology="inline", journal=journal, resume=True, orders=2 * third, verify=False
        )
    )
    result = run(options(before, topology="inline", journal=journal, resume=True))
    assert {key: result[key] for key in KEYS[:5]} == {key: one[key] for key in KEYS[:5]}
    assert result["replay"]["equal"] is True
