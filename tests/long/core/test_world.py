"""Many random lives of the world: every judge looks after each sentence."""

import os
import time

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.tally import Tally
from tests.world.judges import Reported, Routing, Takeovers
from tests.world.stories import Teller
from tests.world.world import World

TESTED = (
    *("risk", "matcher", "derivatives", "ledger", "order_entry", "routing", "venue", "wire"),
    *("tests/world", "tests/oracles"),
)
LIVES, SENTENCES = 300, 64
"""Lives of three days, and sentences a day."""
COMMAND = "make test-long ARGS=tests/long/core/test_world.py"


@pytest.mark.long
def test_many_lives_satisfy_every_judge(tmp_path):
    """OUTCRY_WORLD_SECONDS stops it sooner, OUTCRY_TALLY is the folder from which the next call
    goes on."""
    tally = Tally("world", TESTED)
    seconds = int(os.environ.get("OUTCRY_WORLD_SECONDS", 0))
    started = before = time.monotonic()
    while tally.seeds < LIVES and (not seconds or before - started < seconds):
        folder = tmp_path / str(tally.seeds)
        folder.mkdir()
        world = World(folder)
        Teller(world, 1_000 + tally.seeds).days(SENTENCES)
        tally.add(
            1,
            sentences=len(world.story),
            commands=world.seq,
            orders=len(world.judge(Reported).plain.orders),
            takeovers=world.judge(Takeovers).count,
            splits=world.judge(Routing).compared,
            kills=world.story.count("the venue is killed"),
            seconds=time.monotonic() - before,
        )
        before = time.monotonic()
    figures = {name: int(value) for name, value in sorted(tally.figures.items())}
    assert figures["takeovers"] > tally.seeds // 2
    write_evidence("world", {"lives": tally.seeds, "days": 3 * tally.seeds, **figures}, COMMAND)
