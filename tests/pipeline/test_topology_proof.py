"""A lane, stages and a ring are added to the table as rows and kernels only, and the whole runs
inline and as processes, with stages killed in mid-run: nothing lost, nothing doubled."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import topology_rows as rows
from processes import find_pipeline
from udp_runs import killed

from openoutcry.journal import JournalReader
from openoutcry.pipeline.lanes import journaled_lanes
from openoutcry.pipeline.run import Sample, Watcher, run
from openoutcry.pipeline.top import running

RATE = 8_000
"""Of each lane: a run of a second and a half, so that kills fall into it."""


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


class Killer:
    """Kills the processes of the named stages of this process's own run, one after the other, each
    after a further share of the commands."""

    def __init__(self, stages: list[str]) -> None:
        self.stages = stages
        self.killed: list[str] = []

    def sample(self, sample: Sample) -> None:
        """Called by the supervisor, between two looks at its children."""
        if len(self.killed) == len(self.stages):
            return
        due = (len(self.killed) + 1) * rows.COMMANDS // len(self.stages)
        if sample.commands < due:
            return
        name = self.stages[len(self.killed)]
        (pipeline,) = (one for one in running() if one.owner.pid == os.getpid())
        stage_rows = {row["name"]: row for row in pipeline.view(pipeline.positions(), 1)["stages"]}
        self.killed.append(name)
        if stage_rows[name]["alive"] and not stage_rows[name]["finished"]:
            os.kill(stage_rows[name]["pid"], signal.SIGKILL)


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_rows_and_kernels_are_all_that_a_new_lane_and_stages_need(topology, tmp_path):
    """Both lanes are sequenced whole and in their order; the new stages see every command once."""
    rows.digests[:] = 0
    result = run(rows.options(topology=topology, journal=tmp_path / "j"))
    check(result, tmp_path / "j")
    measured = {stage["name"]: stage["count"] for stage in result["stages"]}
    for name in ("receive", "gateway", "journal", "matcher", "gate", "replies", "whole"):
        assert measured[name] == 2 * rows.COMMANDS, name


def test_stages_killed_in_mid_run_lose_and_double_nothing(tmp_path):
    """The gateway dies between lanes, the journal in a block, the new stages in a burst: each goes
    on where it was."""
    for attempt in range(5):  # a machine that does not let us run for a second may miss the moment
        rows.digests[:] = 0
        journal = tmp_path / f"{attempt}"
        killer = Killer(["gateway", "copier", "journal", "receive2"])
        result = run(rows.options(journal=journal, rate=RATE), Watcher(sample=killer.sample))
        check(result, journal)
        if result["restarts"]:
            break
    assert result["restarts"]


def test_a_whole_pipeline_that_was_killed_goes_on_with_each_lane_where_it_was(tmp_path):
    """The journal knows how far each lane had come; the sources go on behind that."""
    command = [sys.executable, rows.__file__, str(tmp_path / "j"), str(RATE)]
    with subprocess.Popen(command) as process:
        pipeline = find_pipeline(process.pid)
        while pipeline.durable_seq < rows.COMMANDS // 2 and process.poll() is None:
            time.sleep(0.01)
        killed(process, tmp_path / "j")
    subprocess.run([*command[:-1], "0", "--resume"], check=True)
    commands = journaled_commands(tmp_path / "j")
    assert len(commands) == 2 * rows.COMMANDS
    rows.check_lanes(commands)
