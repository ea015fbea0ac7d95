"""A lane, stages and a ring are added to the table as rows and kernels only, and the whole runs
inline and as processes, with stages killed in mid-run: nothing lost, nothing doubled."""

import random
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.run import Watcher, run
from openoutcry.runtime.lanes import journaled_lanes
from tests.support.deaths import KillerFromOutside, drawn, run_to_death
from tests.support.pipeline import topology_rows as rows


def journaled_commands(journal: Path):
    return np.concatenate([orders for _, orders in JournalReader(journal).chunks()])


def check(result, journal: Path) -> None:
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["commands"] == 2 * rows.COMMANDS
    assert result["replay"]["equal"] is True
    commands = journaled_commands(journal)
    rows.check_lanes(commands)
    assert np.array_equal(rows.digests[1:], commands["order_id"])
    reached = journaled_lanes([journal], rows.TABLE, len(commands))
    assert reached == {"lane": rows.COMMANDS, "lane2": rows.COMMANDS}


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_rows_and_kernels_are_all_that_a_new_lane_and_stages_need(topology, tmp_path):
    """Both lanes are sequenced whole and in their order; the new stages see every command once."""
    rows.digests[:] = 0
    result = run(rows.options(topology=topology, journal=tmp_path / "j"))
    check(result, tmp_path / "j")
    measured = {stage["name"]: stage["count"] for stage in result["stages"]}
    for name in ("receive", "gateway", "journal", "matcher", "gate", "replies", "whole"):
        assert measured[name] == 2 * rows.COMMANDS, name


def test_stages_that_die_in_mid_run_lose_and_double_nothing(tmp_path):
    """The gateway dies between lanes, the journal in a block, the new stages in a burst: each goes
    on where it was."""
    rows.digests[:] = 0
    stages = ["gateway", "copier", "journal", "receive2", "tally"]
    deaths = drawn(random.Random(1), stages, rows.COMMANDS)
    result = run(rows.options(journal=tmp_path / "j", deaths=deaths))
    check(result, tmp_path / "j")
    assert len(result["restarts"]) == len(deaths)


def test_a_new_stage_is_killed_from_outside(tmp_path):
    """SIGKILL by another process, when half of the commands have passed."""
    rows.digests[:] = 0
    killer = KillerFromOutside("copier", rows.COMMANDS)
    result = run(
        rows.options(journal=tmp_path / "j", deaths=(killer.death,)), Watcher(sample=killer.sample)
    )
    check(result, tmp_path / "j")
    assert [row["pid"] for row in result["restarts"]] == killer.pids


def test_a_whole_pipeline_that_died_continues_with_each_lane_where_it_was(tmp_path):
    """The journal knows how far each lane had come; the sources go on behind that."""
    death = Death("gate", rows.COMMANDS, Place.BEFORE_RETURN, everything=True)
    options = rows.options(journal=tmp_path / "j", orders=rows.COMMANDS // 2, deaths=(death,))
    run_to_death(options, tmp_path / "error")
    assert 0 < len(journaled_commands(tmp_path / "j")) < 2 * rows.COMMANDS
    result = run(rows.options(journal=tmp_path / "j", resume=True))
    assert (result["lost"], result["duplicated"]) == (0, 0)
    commands = journaled_commands(tmp_path / "j")
    assert len(commands) == 2 * rows.COMMANDS
    rows.check_lanes(commands)
