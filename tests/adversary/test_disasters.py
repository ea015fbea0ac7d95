"""What was acknowledged outlives every disaster: none lost, none doubled, none different; and what
fails at the file system is told by name.  `disasters.py` is the driver, and says what it does."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import disasters

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalReader
from openoutcry.pipeline.run import Options, run
from openoutcry.replay.events import events_of, starting_point


def storm(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """What a storm of ``count`` disasters found."""
    if shutil.which("cc") is None:
        pytest.skip("disk faults need a C compiler")
    evidence = folder / "evidence.json"
    command = [sys.executable, disasters.__file__, "--folder", folder, "--evidence", evidence]
    done = subprocess.run(
        [*command, "--count", f"{count}", "--seed", f"{seed}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return dict(json.loads(evidence.read_text())["disasters"][0])


def check(report: dict[str, Any], rounds: int) -> None:
    """Each kind has happened, and the faults of the disk were told."""
    assert set(report["kinds"].values()) == {rounds}
    assert len(report["kinds"]) == disasters.EPOCH
    assert report["events_told"] > 10 * rounds * disasters.EPOCH
    assert report["outcomes"]["disk fault told by name"] >= 2 * rounds


def test_what_was_acknowledged_outlives_a_disaster_of_each_kind(tmp_path: Path) -> None:
    """SIGKILL, a failing, full, lying and slow disk, damage, forks: one journal after another."""
    check(storm(tmp_path, disasters.EPOCH, seed=42), 1)


@pytest.mark.long
def test_a_journal_goes_on_after_a_checkpoint_of_a_fork(tmp_path: Path) -> None:
    """In this storm disasters follow that one."""
    check(storm(tmp_path, disasters.EPOCH, seed=3), 1)


@pytest.mark.long
def test_what_was_acknowledged_outlives_hundreds_of_disasters(tmp_path: Path) -> None:
    check(storm(tmp_path, 20 * disasters.EPOCH, seed=4), 20)


def test_the_client_would_notice(tmp_path: Path) -> None:
    """An event that the journal does not have, one that is another there, and an order that it has
    twice."""
    flow = GeneratedFlow("normal", 300, 5)
    run(Options(source=flow, topology="inline", verify=False, journal=tmp_path / "j"))
    reader = JournalReader(tmp_path / "j")
    batches = list(events_of(reader, starting_point(reader)))
    events = np.concatenate([batch.events for batch in batches])
    ids = np.concatenate([batch.commands["order_id"] for batch in batches])
    assert len(set(ids)) < len(ids), "cancels name an order again"
    one_storm = disasters.Storm(tmp_path, None, random.Random(1))
    with pytest.raises(disasters.Violation, match="an order was executed twice"):
        one_storm.check()
    one_storm.check_told({int(event["seq"]): event.tobytes() for event in events}, events)
    with pytest.raises(disasters.Violation, match="is lost"):
        one_storm.check_told({len(events) + 1: events[0].tobytes()}, events)
    with pytest.raises(disasters.Violation, match="is another one now"):
        one_storm.check_told({2: events[0].tobytes()}, events)


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
