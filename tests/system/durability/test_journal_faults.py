"""Every call to the disk may fail, and a disk may do worse than fail: it may lie."""

import errno
import shutil
from pathlib import Path
from typing import Any

from openoutcry.journal import Journal, JournalError
from openoutcry.journal.failed import note_failed
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify
from tests.support.journal.journal_faults import SECTOR, FailingDisk, read_all


def hurt(a: Path, b: Path, orders: Any) -> bytes:
    """Two directories, the first with all that repair mends: a bad block, a lost segment, a torn
    tail, a bad watermark, and the second one's note that it failed; returns the orders' bytes."""
    with Journal.create(a, {}, segment_bytes=3 * SECTOR, copies=[b]) as writer:
        for first_seq in range(1, 141, 20):
            writer.append(first_seq, [orders(first_seq, 20)], 20, 1, durable=True)
    for name, at, data in (
        ("segment-000000.ocj", SECTOR + 500, b"\xff\xff"),
        ("segment-000003.ocj", 2 * SECTOR, b"\xff"),
        ("acknowledged", 20, b"\xff\xff"),
    ):
        with (a / name).open("r+b") as file:
            file.seek(at)
            file.write(data)
    (a / "segment-000001.ocj").unlink()
    note_failed(b, writer.journal_id, a, "a sync failed")
    return bytes(orders(1, 140).tobytes())


def test_every_call_of_a_repair_may_fail(tmp_path, orders):
    """Each call of a repair fails once: told as a JournalError or without effect, the copy is as it
    was, and the repair can be done again."""
    a, b = tmp_path / "a", tmp_path / "b"
    expected = hurt(a, b, orders)
    kept = tmp_path / "kept"
    for path in (a, b):
        shutil.copytree(path, kept / path.name)
    calls = FailingDisk(-1, errno.EIO)
    assert len(done := repair(a, b, disk=calls)) == 5, done
    messages: list[str] = []
    for number in range(calls.calls):
        for path in (a, b):
            shutil.rmtree(path)
            shutil.copytree(kept / path.name, path)
        try:
            repair(a, b, disk=FailingDisk(number, errno.EIO))
        except JournalError as caught:
            messages.append(str(caught))
        assert read_all(b) == expected
        repair(a, b)
        assert verify(a).sound
        assert not list(a.glob("*.new"))
        assert read_all(a) == expected
        with Journal.resume(a) as writer:
            assert (writer.failures, writer.written_seq) == ([], 140)
    assert len(messages) > calls.calls // 2
    assert all(str(tmp_path) in message for message in messages)
