"""Checkpoints, archive, retire: a journal is kept small, and every call to the disk may fail."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Disk, Journal, JournalError, JournalLock, JournalReader
from openoutcry.journal.archive import archive, maintenance_lock, retire
from openoutcry.journal.checkpoints import (
    checkpoint_path,
    checkpoint_seqs,
    newest_checkpoint,
    read_checkpoint,
    remove_later_checkpoints,
    remove_old_checkpoints,
    write_checkpoint,
)
from openoutcry.journal.history import pack_history
from openoutcry.journal.listing import describe
from openoutcry.journal.lock import InUse
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.verify import verify
from openoutcry.wire.records import make_instruments
from tests.support.journal.journal_checkpoint import own_checkpoint

SECTOR = 4096
DISK_CALLS = (
    "open",
    "read",
    "write",
    "sync",
    "datasync",
    "truncate",
    "rename",
    "unlink",
    "sync_directory",
)


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


def make(directory: Path, orders: Any, blocks: int = 20) -> bytes:
    """A closed journal of blocks of 100 orders in segments of four sectors; its orders' bytes."""
    config = {"seed": 4, "instruments": instruments_to_json(make_instruments(["ACME"]))}
    with Journal.create(directory, config, segment_bytes=4 * SECTOR) as writer:
        for _ in range(blocks):
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, 100)], 100, 1, durable=True)
    return bytes(orders(1, 100 * blocks).tobytes())


def checkpoint(directory: Path, seq: int, disk: Disk | None = None) -> Path:
    return write_checkpoint(directory, own_checkpoint(directory, seq), disk or Disk())


def spoil(path: Path) -> None:
    """Flip one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def bridges(directory: Path) -> bool:
    """Whether a good checkpoint stands for what is before the journal's first command."""
    reader = JournalReader(directory)
    newest = newest_checkpoint(directory, reader.journal_id, 2**62)
    return reader.first_seq == 1 or (newest is not None and newest.seq >= reader.first_seq - 1)


def test_an_archived_journal_is_still_verifiable(tmp_path, orders):
    """Finished segments are compressed; every order, the chain and the resume are as before."""
    expected = make(tmp_path, orders)
    before = verify(tmp_path)
    assert len(archive(tmp_path)) == 19
    assert archive(tmp_path) == []
    assert len(list(tmp_path.glob("*.zst"))) == 19
    assert sum(p.stat().st_size for p in tmp_path.glob("segment-*")) < before.bytes / 3
    after = verify(tmp_path)
    assert (after.sound, after.head, after.commands) == (True, before.head, 2000)
    assert read_all(tmp_path) == expected
    assert {row["state"] for row in describe(tmp_path)["segments"]} == {"archived", "last"}
    writer = Journal.resume(tmp_path)
    writer.append(2001, [orders(2001, 1)], 1, 1)
    writer.close()
    assert verify(tmp_path).commands == 2001
    spoil(tmp_path / "segment-000004.ocj.zst")
    assert not verify(tmp_path).sound


def test_retiring_needs_two_good_checkpoints(tmp_path, orders):
    """None, one, one and a damaged, one and another journal's: refused, and nothing is touched."""
    make(tmp_path, orders)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("segment-*")}
    with pytest.raises(JournalError, match="has 0 good checkpoints, and retiring needs 2"):
        retire(tmp_path)
    newer = checkpoint(tmp_path, 1750)
    with pytest.raises(JournalError, match="has 1 good checkpoint, and retiring needs 2"):
        retire(tmp_path)
    checkpoint(tmp_path, 1250)
    spoil(newer)
    with pytest.raises(JournalError, match="has 1 good checkpoint, and"):
        retire(tmp_path)
    write_checkpoint(tmp_path, own_checkpoint(tmp_path, 1750)._replace(journal_id=1))
    with pytest.raises(JournalError, match="has 1 good checkpoint, and"):
        retire(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("segment-*")} == before


def test_what_two_checkpoints_stand_for_may_go(tmp_path, orders):
    """Segments before the older of the two newest go; what remains is sound, says where it begins,
    and is still missed if it goes without being retired."""
    make(tmp_path, orders)
    for seq in (450, 1250, 1750):
        checkpoint(tmp_path, seq)
    assert len(retire(tmp_path)) == 12
    assert retire(tmp_path) == []
    reader = JournalReader(tmp_path)
    assert reader.first_seq == 1201
    assert read_all(tmp_path) == orders(1201, 800).tobytes()
    report = verify(tmp_path)
    assert (report.sound, report.first_seq, report.last_seq) == (True, 1201, 2000)
    assert checkpoint_seqs(tmp_path) == [450, 1250, 1750]
    (tmp_path / "segment-000012.ocj").unlink()
    with pytest.raises(JournalError, match=r"segment-000012.ocj is missing"):
        read_all(tmp_path)


def test_who_resumed_is_known_when_its_segment_is_gone(tmp_path, orders):
    """Three runs go on with a journal, one of them with a configuration of 9 KiB: each later
    segment says so, and with the first ones retired only what takes too much room is lost."""
    segment_bytes = 16 * SECTOR
    Journal.create(tmp_path, {"seed": 4}, segment_bytes=segment_bytes).close()

    def go_on(config: dict[str, Any], blocks: int) -> None:
        with Journal.resume(tmp_path) as writer:
            writer.resumed({"seq": writer.written_seq, "config": config})
            for _ in range(blocks):
                first_seq = writer.written_seq + 1
                writer.append(first_seq, [orders(first_seq, 100)], 100, 1)

    go_on({"host": "a"}, 20)
    go_on({"host": "x" * 9_000}, 20)
    go_on({"host": "c"}, 20)
    whole = describe(tmp_path)["resumed"]
    assert [(row["seq"], row["config"]["host"][:1]) for row in whole] == [
        (0, "a"),
        (2_000, "x"),
        (4_000, "c"),
    ]
    for seq in (5_300, 5_900):
        checkpoint(tmp_path, seq)
    assert len(retire(tmp_path)) > 5
    expected = [{"seq": row["seq"], "ts_ns": row["ts_ns"]} for row in whole]
    expected[2] = whole[2]  # the newest has room, and from the first that has none on nobody
    reader = JournalReader(tmp_path)
    assert (
        b"".join(c.tobytes() for _, c in reader.chunks())
        == orders(reader.first_seq, 6_001 - reader.first_seq).tobytes()
    )
    assert reader.first_seq > 4_000
    assert reader.resumed == describe(tmp_path)["resumed"] == expected
    assert reader.evidence is None
    go_on({"host": "d"}, 5)
    again = describe(tmp_path)
    assert again["resumed"][:3] == expected
    assert [row["seq"] for row in again["resumed"]] == [0, 2_000, 4_000, 6_000]
    assert verify(tmp_path).sound


def test_the_list_of_runs_has_a_bound(orders):
    """An eighth of a segment at most: the oldest runs lose their configuration, then go."""
    runs = [{"seq": n, "ts_ns": n, "config": {"host": "h" * 100}} for n in range(1_000)]
    assert pack_history([], 1 << 20) == b""
    assert pack_history(runs, 4 * SECTOR) == b""
    for segment_bytes in (8 * SECTOR, 64 * SECTOR, 1 << 20, 64 << 20):
        text = pack_history(runs, segment_bytes)
        assert len(text) + 128 <= segment_bytes // 8
        kept = json.loads(text)["resumed_before"]
        full = [row for row in kept if "config" in row]
        assert kept[len(kept) - len(full) :] == runs[1_000 - len(full) :] == full
        assert [row["seq"] for row in kept] == list(range(1_000 - len(kept), 1_000))
        assert segment_bytes // 8 - len(text) - 128 < 200 or full == runs


@pytest.mark.promise(
    "Archiving and retiring work while a pipeline runs; the loss of one of two "
    "checkpoints loses nothing",
    group="files",
)
@pytest.mark.parametrize("damaged", [1250, 1750])
def test_one_damaged_checkpoint_loses_nothing_that_was_retired(tmp_path, orders, damaged):
    """After a retirement a bit flips in either checkpoint: the other still bridges what is gone,
    another retirement is refused, and no removal of old checkpoints takes the good one."""
    make(tmp_path, orders)
    for seq in (1250, 1750):
        checkpoint(tmp_path, seq)
    retire(tmp_path)
    spoil(checkpoint_path(tmp_path, damaged))
    assert bridges(tmp_path)
    with pytest.raises(JournalError, match="has 1 good checkpoint, and"):
        retire(tmp_path)
    checkpoint(tmp_path, 1900)
    journal_id = JournalReader(tmp_path).journal_id
    remove_old_checkpoints(tmp_path, journal_id, 2)
    spoil(checkpoint_path(tmp_path, 1900))
    assert bridges(tmp_path)


def test_old_checkpoints_go_when_enough_good_ones_are_there(tmp_path, orders):
    """Only what is older than the newest good ones goes, and what was left half made."""
    make(tmp_path, orders, 1)
    journal_id = JournalReader(tmp_path).journal_id
    for seq in (10, 20, 30, 40):
        checkpoint(tmp_path, seq)
    spoil(checkpoint_path(tmp_path, 30))
    (tmp_path / "checkpoint-000000000000050.occ.new").write_bytes(b"half")
    assert remove_old_checkpoints(tmp_path, journal_id, 4) == []
    assert remove_old_checkpoints(tmp_path, journal_id, 2) == [10]
    assert checkpoint_seqs(tmp_path) == [20, 30, 40]
    assert len(list(tmp_path.glob("checkpoint-*"))) == 3
    assert remove_later_checkpoints(tmp_path, 20) == [30, 40]
    assert remove_later_checkpoints(tmp_path, 20) == []
    assert checkpoint_seqs(tmp_path) == [20]


def test_of_a_journal_without_its_begin_the_oldest_good_checkpoint_stays(tmp_path, orders):
    """Whatever stands behind it can be computed from nothing else."""
    make(tmp_path, orders)
    for seq in (1250, 1350, 1450, 1650, 1750):
        checkpoint(tmp_path, seq)
    retire(tmp_path, until_seq=1350)
    spoil(checkpoint_path(tmp_path, 1350))
    journal_id = JournalReader(tmp_path).journal_id
    assert remove_old_checkpoints(tmp_path, journal_id, 2) == [1250, 1350]
    assert checkpoint_seqs(tmp_path) == [1450, 1650, 1750]


@pytest.mark.promise(
    "Archiving and retiring work while a pipeline runs; the loss of one of two "
    "checkpoints loses nothing",
    group="files",
)
@pytest.mark.parametrize("act", [archive, retire])
def test_both_work_while_a_pipeline_runs(tmp_path, orders, act):
    """On what is finished: the writer goes on, and the journal is sound.  Only one of them at a
    time; a directory that is not there is not made."""
    directory = tmp_path / "j"
    with JournalLock(directory), Journal.create(directory, {}, segment_bytes=4 * SECTOR) as writer:
        for _ in range(20):
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, 100)], 100, 1, durable=True)
        for seq in (1250, 1750):
            checkpoint(directory, seq)
        before = sorted(directory.glob("segment-*"))
        with maintenance_lock(directory), pytest.raises(InUse, match="already"):
            act(directory)
        assert sorted(directory.glob("segment-*")) == before
        assert len(act(directory)) > 10
        for _ in range(3):
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, 100)], 100, 1, durable=True)
    report = verify(directory)
    assert (report.sound, report.last_seq) == (True, 2300)
    Journal.resume(directory).close()
    with pytest.raises(JournalError, match="no such directory"):
        act(tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["j"]


class FailingDisk(Disk):
    """The real disk, one of whose calls, counted from 0, fails without doing anything."""

    def __init__(self, fails_at: int, error: int) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.error = error

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        return self._counted(attribute) if name in DISK_CALLS else attribute

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.fails_at:
                raise OSError(self.error, "injected")
            return call(*arguments, **more)

        return counted


def write_one(directory: Path, disk: Disk) -> None:
    checkpoint(directory, 350, disk)


def remove_old(directory: Path, disk: Disk) -> None:
    remove_old_checkpoints(directory, JournalReader(directory).journal_id, 2, disk)


def remove_later(directory: Path, disk: Disk) -> None:
    remove_later_checkpoints(directory, 150, disk)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("act", [write_one, remove_old, remove_later, archive, retire])
def test_every_call_of_the_upkeep_may_fail(tmp_path, orders, act, error):
    """Each call of checkpoint, archive and retire fails once: told as a JournalError naming the
    place; the journal is sound with its end, a good checkpoint bridges what is retired, and the
    same act on a real disk then comes to the same files as if nothing had failed."""
    make(tmp_path / "made", orders, 4)
    original = tmp_path / "made"
    for seq in (50, 150, 250):
        checkpoint(original, seq)
    calm = shutil.copytree(original, tmp_path / "calm")
    calls = FailingDisk(-1, error)
    act(calm, calls)
    assert calls.calls >= 2
    expected = {p.name: p.read_bytes() for p in calm.iterdir() if p.name not in ("lock", "upkeep")}
    end = verify(original).head
    for number in range(calls.calls):
        directory = shutil.copytree(original, tmp_path / "tried")
        with pytest.raises(JournalError, match=str(directory)):
            act(directory, FailingDisk(number, error))
        report = verify(directory)
        assert (report.sound, report.head, report.last_seq) == (True, end, 400), number
        read_all(directory)
        assert bridges(directory)
        for seq in set(checkpoint_seqs(original)) & set(checkpoint_seqs(directory)):
            read_checkpoint(checkpoint_path(directory, seq))
        act(directory, Disk())
        files = {
            p.name: p.read_bytes() for p in directory.iterdir() if p.name not in ("lock", "upkeep")
        }
        assert files == expected, number
        shutil.rmtree(directory)
