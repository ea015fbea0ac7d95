"""Kernels before and after the matcher are part of the core: the events and the one state hash are
the same inline, as processes, with kills, in replay, over snapshots, in a journal that is resumed.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.progress import Watcher
from openoutcry.pipeline.resume import ResumeError
from openoutcry.pipeline.run import run
from tests.support.deaths import KillerFromOutside, drawn, run_to_death
from tests.support.pipeline import core_hooks as core
from tests.support.pipeline import core_hooks_shared as shared
from tests.support.pipeline.core_hooks_shared import same

inline = shared.inline


@pytest.mark.parametrize("durability", ["durable", pytest.param("none", marks=pytest.mark.long)])
def test_as_processes_with_the_matcher_dying_twice(
    durability: str, inline: dict[str, Any], tmp_path: Path
) -> None:
    """It is rebuilt with its hooks from the journal, and without one from the preloaded input."""
    deaths = drawn(random.Random(durability), ["matcher"], core.COMMANDS)
    journal = tmp_path / "j" if durability == "durable" else None
    result = run(
        core.options(journal, durability=durability, checkpoint_every=5_000, deaths=deaths)
    )
    same(result, inline)
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert len(result["restarts"]) == len(deaths) == 2


def test_the_matcher_is_killed_from_outside(inline: dict[str, Any]) -> None:
    """SIGKILL by another process, when a third has passed."""
    killer = KillerFromOutside("matcher", core.COMMANDS // 3)
    result = run(
        core.options(durability="none", deaths=(killer.death,)), Watcher(sample=killer.sample)
    )
    same(result, inline)
    assert [row["pid"] for row in result["restarts"]] == killer.pids


def test_a_whole_pipeline_that_died_is_resumed_with_its_hooks(
    inline: dict[str, Any], tmp_path: Path
) -> None:
    """SIGKILL for all in mid-run, then --resume: one hash."""
    third = core.COMMANDS // 3
    death = Death("gate", inline["events"] // 2, Place.BEFORE_RETURN, everything=True)
    options = core.options(tmp_path / "j", orders=2 * third, deaths=(death,))
    run_to_death(options, tmp_path / "error")
    with pytest.raises(ResumeError, match="with another hooks"):
        run(core.options(tmp_path / "j", resume=True, changed={"name": core.NAME, "limit": 5}))
    result = run(core.options(tmp_path / "j", resume=True, topology="inline"))
    same(result, inline)
    assert third <= result["resumed"]["commands"] < core.COMMANDS
    assert result["replay"]["equal"] is True
