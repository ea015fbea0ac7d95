"""What the tests of journal cuts of copies in several tiers share."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import Journal, JournalReader
from tests.support.journal.power_cut import RecordingDisks

SEGMENT_BYTES = 5 * 4096
CUTS_A_HISTORY = 10
POLICIES = [(n, policy) for n in (2, 3) for policy in ("all", "quorum", "any")]


def read_all(directory: Path) -> tuple[JournalReader, bytes]:
    reader = JournalReader(directory)
    return reader, b"".join(chunk.tobytes() for _, chunk in reader.chunks())


def live(places: list[Path], policy: str, orders: Any, rng: Any) -> tuple[RecordingDisks, int]:
    """A life of a journal in several directories; the disks, and when it was there for its user."""
    disks = RecordingDisks(places)
    writer = Journal.create(
        places[0], {}, 100, SEGMENT_BYTES, copies=places[1:], policy=policy, disk=disks
    )
    begun = len(disks.order)
    for _ in range(15):
        if rng.integers(8) == 0:
            writer.close()
            disks.acknowledge(writer.durable_seq)
            at = int(rng.integers(len(places)))
            writer = Journal.resume(places[at], disk=disks)
            assert writer.failures == []
            continue
        count = int(rng.choice([1, 20, 60, 100]))
        first_seq = writer.written_seq + 1
        lazily = bool(rng.integers(2))
        writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=not lazily)
        if lazily and rng.integers(2):
            writer.sync()
        disks.acknowledge(writer.durable_seq)
    writer.abandon()
    return disks, begun


def check_cut(
    disks: RecordingDisks, moment: int, policy: str, folder: Path, orders: Any, rng: Any
) -> None:
    """After one cut everything acknowledged is there, also with as few directories as the policy
    goes on with; they end alike."""
    left = disks.after_power_cut(moment, folder, rng)
    if policy == "quorum" and len(left) == 3 and rng.integers(2):
        shutil.rmtree(left.pop(int(rng.integers(3))))
    acknowledged = disks.acknowledged_before(moment)
    again = RecordingDisks(left)
    writer = Journal.resume(left[0], copies=left[1:], disk=again)
    if rng.integers(3) == 0:
        # The power goes once more, while the journal is being resumed.
        writer.abandon()
        at = int(rng.integers(max(1, len(again.order))))
        left = again.after_power_cut(at, folder / "twice", rng)
        writer = Journal.resume(left[0], copies=left[1:])
    assert writer.failures == []
    reached = writer.written_seq
    assert reached >= acknowledged, f"{acknowledged} acknowledged, {reached} found"
    writer.append(reached + 1, [orders(reached + 1, 7)], 7, 1, durable=True)
    writer.close()
    for place in left:
        reader, data = read_all(place)
        assert reader.torn is None
        assert data == orders(1, reached + 7).tobytes()


def cut_often(folder: Path, orders: Any, seed: int, cuts: int, count: int, policy: str) -> None:
    for done in range(0, cuts, CUTS_A_HISTORY):
        rng = np.random.default_rng([seed, done, count])
        places = [folder / name for name in "abc"[:count]]
        for place in places:
            place.mkdir()
        disks, begun = live(places, policy, orders, rng)
        for number in range(min(CUTS_A_HISTORY, cuts - done)):
            moment = int(rng.integers(begun, len(disks.order)))
            try:
                check_cut(disks, moment, policy, folder / "found", orders, rng)
            except Exception as error:
                raise AssertionError(f"seed {seed}, cut {done + number}, call {moment}") from error
            shutil.rmtree(folder / "found")
        for place in places:
            shutil.rmtree(place)
