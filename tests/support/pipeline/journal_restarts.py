"""What the tests of journal restarts in several tiers share."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.top import attached
from openoutcry.replay.replay import replay
from openoutcry.ring import list_segments, remove_dead_segments
from tests.support.deaths import STAGES, STARTING, DiesAt, run_to_death

SEED = 9
ORDERS = 40_000


def options(journal: Path, **more: Any) -> Options:
    flow = GeneratedFlow("normal", ORDERS, SEED)
    given = {"orders": ORDERS, "seed": SEED, "journal": journal, **more}
    return Options(source=flow, **given)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same commands with nobody killed; also compiles the kernels, for the forks below."""
    compile_kernels(lambda label, done, total: None)
    folder = tmp_path_factory.mktemp("calm")
    return run(options(folder / "j", topology="inline"))


def life(journal: Path, **more: Any) -> Options:
    """A life of the pipeline that goes on where the one before was."""
    return options(
        journal, resume=Journal.exists(journal), verify=False, checkpoint_every=10_000, **more
    )


def drawn_death(rng: random.Random, after: int, last: int) -> Death:
    """Of all processes, with a stage that has come to a sequence behind ``after``."""
    seq = rng.randint(after + 1, last)
    return Death(rng.choice(STAGES), seq, rng.choice(list(Place)), everything=True)


def acknowledged_by(pid: int) -> int:
    """Up to which command the pipeline of this supervisor has promised durability: events are
    handed out up to there.  What is sequenced beyond it nobody has been told of.  The supervisor
    may be dead: what it shared is there until the next run removes it."""
    for name, owner in list_segments():
        if owner.pid == pid and name.endswith(".control"):
            pipeline = attached(owner)
            return pipeline.durable_seq if pipeline else 0
    return 0


def records_of(journal: Path) -> int:
    if not Journal.exists(journal):
        return 0
    return sum(len(records) for _, records in JournalReader(journal).chunks())


def die_and_resume(folder: Path, seed: int, deaths: int) -> tuple[dict[str, Any], list[float]]:
    """One journal, its pipeline dying ``deaths`` times, one time in five while it starts, and
    resumed each time; the last result, and how long each life took."""
    rng = random.Random(seed)
    journal, output = folder / "j", folder / "error"
    reached, seconds = 0, []
    for number in range(deaths):
        started = time.monotonic()
        if rng.randrange(5):
            # No life takes so much that nothing is left to the next.
            last = reached + (ORDERS - reached) // (deaths + 1 - number)
            death = drawn_death(rng, reached, last)
            pid = run_to_death(life(journal, orders=last, deaths=(death,)), output)
        else:
            pid = run_to_death(life(journal), output, DiesAt(rng.choice(STARTING)))
        seconds.append(time.monotonic() - started)
        record_count = records_of(journal)
        assert record_count >= acknowledged_by(pid), f"seed {seed}: acknowledged and lost"
        assert record_count >= reached, f"seed {seed}: durable and lost"
        reached = record_count
    result = run(life(journal))
    remove_dead_segments()
    return result, seconds


def check_same(result: dict[str, Any], undisturbed: dict[str, Any], journal: Path) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], key
    assert (result["lost"], result["duplicated"]) == (0, 0)
    again = replay(journal)
    assert (again["equal"], again["wrong_seq"]) == (True, None)
