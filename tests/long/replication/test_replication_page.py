"""The commands of docs/replication.md do what the page says, in its order; what is refused is
refused in the page's words."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import find_pipeline
from tests.support.replica.replica_cluster import replicated_run
from tests.support.user_commands import environment
from tests.support.waiting import wait_until


@pytest.mark.long
def test_stages_and_whole_pipelines_die_and_nothing_is_lost(cluster, tmp_path: Path) -> None:
    """The publisher is killed in the middle of a run; then everything, which is resumed."""
    running, words = replicated_run(cluster, tmp_path, "KILLS", orders=60_000, rate=20_000)
    pipeline = find_pipeline(running.pid)
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    (victim,) = {row["pid"] for row in rows if row["name"] == "replica"}
    os.kill(victim, signal.SIGKILL)
    at_death = pipeline.positions()["events"]
    wait_until(
        lambda: pipeline.positions()["events"] > at_death + 2_000 or running.poll() is not None
    )
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    done = subprocess.run(
        [*words, "--resume"], cwd=tmp_path, env=environment(), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["commands"], document["lost"], document["duplicated"]) == (60_000, 0, 0)
    assert document["replay"]["equal"] is True
