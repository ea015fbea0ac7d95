"""A lane, stages and a ring are added to the table as rows and kernels only, and the whole runs
inline and as processes, with stages killed in mid-run: nothing lost, nothing doubled."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import topology_rows as rows
from processes import find_pipeline

from openoutcry.journal import JournalReader
from openoutcry.pipeline.lanes import journaled_lanes
from openoutcry.pipeline.run import run

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


def kill_when_running(stages: list[str], killed: list[str]) -> threading.Thread:
    """Kill the processes of the named stages of this process's pipeline, one after the other."""

    def work() -> None:
        pipeline = find_pipeline(os.getpid())
        for name in stages:
            time.sleep(0.15)
            found = {s["name"]: s for s in pipeline.view(pipeline.positions(), 1)["stages"]}
            if found[name]["alive"] and not found[name]["finished"]:
                os.kill(found[name]["pid"], signal.SIGKILL)
                killed.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


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
    rows.digests[:] = 0
    killed: list[str] = []
    thread = kill_when_running(["gateway", "copier", "journal", "receive2"], killed)
    result = run(rows.options(journal=tmp_path / "j", rate=RATE))
    thread.join()
    assert len(result["restarts"]) == len(killed) > 0
    check(result, tmp_path / "j")


def test_a_whole_pipeline_that_was_killed_goes_on_with_each_lane_where_it_was(tmp_path):
    """The journal knows how far each lane had come; the sources go on behind that."""
    command = [sys.executable, rows.__file__, str(tmp_path / "j"), str(RATE)]
    with subprocess.Popen(command) as process:
        pipeline = find_pipeline(process.pid)
        while pipeline.durable_seq < rows.COMMANDS // 2:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    subprocess.run([*command[:-1], "0", "--resume"], check=True)
    commands = journaled_commands(tmp_path / "j")
    assert len(commands) == 2 * rows.COMMANDS
    rows.check_lanes(commands)
