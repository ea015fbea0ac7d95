"""What the tests of journal power cuts in several tiers share."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import Journal, JournalReader
from tests.support.journal.power_cut import RecordingDisk, after_power_cut

SEGMENT_BYTES = 5 * 4096
CUTS_A_HISTORY = 50


def read_all(directory: Path) -> tuple[JournalReader, bytes]:
    reader = JournalReader(directory)
    return reader, b"".join(chunk.tobytes() for _, chunk in reader.chunks())


def live(directory: Path, orders: Any, rng: np.random.Generator) -> tuple[RecordingDisk, int]:
    """A journal's life on a recording disk: durable and lazy appends, clock records, evidence,
    new segments, being closed and resumed.  Returns the disk and when the journal was
    there for its user."""
    disk = RecordingDisk(directory)
    writer = Journal.create(directory, {"seed": 1}, 100, SEGMENT_BYTES, disk=disk)
    begun = len(disk.log)
    for _ in range(30):
        chance = rng.integers(12)
        if chance == 0:
            writer.close()
            disk.acknowledge(writer.written_seq)
            writer = Journal.resume(directory, disk=disk)
            continue
        if chance == 1:
            writer.clock(orders(1, 2), 1)
            continue
        if chance == 2:
            writer.evidence({"seq": writer.written_seq})
        else:
            count = int(rng.choice([1, 20, 60, 100]))
            first_seq = writer.written_seq + 1
            lazily = bool(rng.integers(2))
            writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=not lazily)
            if lazily and rng.integers(2):
                writer.sync()
        disk.acknowledge(writer.durable_seq)
    writer.abandon()
    return disk, begun


def check_cut(disk: RecordingDisk, moment: int, folder: Path, orders: Any, rng: Any) -> int:
    """After one cut everything acknowledged is there; the journal is gone on with and whole."""
    after_power_cut(disk, moment, folder, rng)
    acknowledged = disk.acknowledged_before(moment)
    again = RecordingDisk(folder)
    writer = Journal.resume(folder, disk=again)
    reached = writer.written_seq
    assert reached >= acknowledged, f"call {moment}: {acknowledged} acknowledged, {reached} found"
    if rng.integers(4) == 0:
        # The power goes once more, while the journal is being resumed.
        writer.abandon()
        twice = folder.with_name(folder.name + "-twice")
        after_power_cut(again, int(rng.integers(max(1, len(again.log)))), twice, rng)
        writer = Journal.resume(twice)
        assert writer.written_seq >= acknowledged
        folder, reached = twice, writer.written_seq
    writer.append(reached + 1, [orders(reached + 1, 7)], 7, 1, durable=True)
    writer.close()
    reader, data = read_all(folder)
    assert reader.torn is None
    assert data == orders(1, reached + 7).tobytes()
    return reached


def cut_often(folder: Path, orders: Any, seed: int, cuts: int) -> int:
    """``cuts`` power cuts at random moments of a few journals' lives; returns how many."""
    done = 0
    while done < cuts:
        rng = np.random.default_rng([seed, done])
        home = folder / "j"
        home.mkdir()
        disk, begun = live(home, orders, rng)
        for _ in range(min(CUTS_A_HISTORY, cuts - done)):
            moment = int(rng.integers(begun, len(disk.log)))
            try:
                check_cut(disk, moment, folder / "found", orders, rng)
            except Exception as error:
                raise AssertionError(f"seed {seed}, cut {done}, call {moment}") from error
            for path in folder.glob("found*"):
                shutil.rmtree(path)
            done += 1
        shutil.rmtree(home)
    return done
