"""What was acknowledged outlives every disaster: none lost, none doubled, none different; and what
fails at the file system is told by name.  `disasters.py` is the driver, and says what it does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.adversary import disasters
from tests.support.adversary.disasters_shared import check, storm


@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
@pytest.mark.long
def test_a_journal_continues_after_a_checkpoint_of_a_fork(tmp_path: Path) -> None:
    """In this storm disasters follow that one."""
    check(storm(tmp_path, disasters.EPOCH, seed=3), 1)


@pytest.mark.promise(
    "No disaster of these kinds loses, duplicates or changes an acknowledged command, and a "
    "failing disk is named with status 1. The test's client detects planted losses and "
    "duplicates",
    group="disasters",
)
@pytest.mark.long
def test_what_was_acknowledged_outlives_hundreds_of_disasters(tmp_path: Path) -> None:
    check(storm(tmp_path, 20 * disasters.EPOCH, seed=4), 20)


@pytest.mark.promise(
    "Each order of a sender is delivered at most once, although packets are duplicated, "
    "delayed and reordered; with a journal also across SIGKILL of all processes and "
    "`--resume`. Replies of another exchange are counted and ignored by the client",
    group="network",
)
@pytest.mark.long
def test_no_datagram_is_executed_twice_across_many_restarts(tmp_path: Path) -> None:
    """100,000 packets, each sent at least twice, delayed and reordered across 50 kills."""
    evidence = tmp_path / "evidence.json"
    command = [sys.executable, Path(disasters.__file__).with_name("once.py"), "--folder", tmp_path]
    command += ["--packets", "100000", "--restarts", "50", "--evidence", evidence]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4_000:]
    report = json.loads(evidence.read_text())["at_most_once"]
    assert report["executed_twice"] == 0
    assert report["executed"] > 10_000
