"""What was acknowledged outlives every disaster: none lost, none doubled, none different; and what
fails at the file system is told by name.  `disasters.py` is the driver, and says what it does."""

import random
from pathlib import Path

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.pipeline.run import Options, run
from tests.support.adversary import disasters
from tests.support.adversary.disasters_shared import check, storm


@pytest.mark.promise(
    "No disaster of these kinds loses, duplicates or changes an acknowledged command, and a "
    "failing disk is named with status 1. The test's client detects planted losses and "
    "duplicates",
    group="disasters",
)
def test_what_was_acknowledged_outlives_a_disaster_of_each_kind(tmp_path: Path) -> None:
    """SIGKILL, a failing, full, lying and slow disk, damage, forks: one journal after another."""
    check(storm(tmp_path, disasters.EPOCH, seed=42), 1)


@pytest.mark.smoke
@pytest.mark.promise(
    "No disaster of these kinds loses, duplicates or changes an acknowledged command, and a "
    "failing disk is named with status 1. The test's client detects planted losses and "
    "duplicates",
    group="disasters",
)
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
