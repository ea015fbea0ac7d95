"""What is no journal, is in use, or has no room is refused in clear words, and left alone."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from openoutcry.journal import (
    Journal,
    JournalError,
    JournalLock,
    JournalReader,
)
from tests.support.journal.journal_damage import fill
from tests.support.journal.journal_refusals import read_all


def test_a_second_pipeline_is_kept_out(tmp_path):
    """While another process holds the lock it is named; when that is gone the lock is free."""
    directory = tmp_path / "new" / "j"
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        JournalLock(directory)
        os.write(to_parent, b"x")
        os.read(from_parent, 1)
        os._exit(0)
    os.read(from_child, 1)
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(
        JournalError, match=rf"{directory} is in use by a running pipeline \(pid {child}\)"
    ):
        JournalLock(directory)
    os.write(to_child, b"x")
    os.waitpid(child, 0)
    with JournalLock(directory), pytest.raises(JournalError, match=f"pid {os.getpid()}"):
        JournalLock(directory)
    JournalLock(directory).release()


def test_a_forked_stage_keeps_the_lock(tmp_path):
    """The lock outlives its taker as long as a process forked from it lives."""
    from_parent, to_child = os.pipe()
    lock = JournalLock(tmp_path)
    child = os.fork()
    if child == 0:
        os.close(to_child)
        os.read(from_parent, 1)
        os._exit(0)
    lock.release()
    lock.release()
    with pytest.raises(JournalError, match="in use"):
        JournalLock(tmp_path)
    os.close(to_child)
    os.waitpid(child, 0)
    JournalLock(tmp_path).release()


def test_a_short_write_breaks_the_writer(tmp_path, orders):
    """A write cut short by a real file size limit names file, byte and sizes; what was written
    before is all that a resume finds."""
    writer = Journal.create(tmp_path, {}, segment_bytes=32768)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fill(writer, orders, [10])
            resource.setrlimit(resource.RLIMIT_FSIZE, (12288, resource.RLIM_INFINITY))
            with pytest.raises(
                JournalError,
                match=r"segment-000000.ocj: byte 8192: only 4,096 of 8,192 bytes were written",
            ):
                fill(writer, orders, [100])
            assert writer.written_seq == 10
            with pytest.raises(JournalError, match="has stopped"):
                fill(writer, orders, [1])
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    reader = JournalReader(tmp_path)
    assert b"".join(c.tobytes() for _, c in reader.chunks()) == orders(1, 10).tobytes()
    assert reader.torn is not None
    resumed = Journal.resume(tmp_path)
    fill(resumed, orders, [5])
    resumed.close()
    assert read_all(tmp_path) == orders(1, 15).tobytes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system could be mounted: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_no_space_for_a_new_journal(small_disk):
    """Create names the file and the bytes missing, and leaves nothing behind."""
    match = r"j/segment-000000.ocj: No space left on device: 1,048,576 bytes are missing"
    with pytest.raises(JournalError, match=match):
        Journal.create(small_disk / "j", {}, segment_bytes=2 << 20)
    assert list(small_disk.iterdir()) == []
    (small_disk / "k").mkdir()
    with pytest.raises(JournalError, match=r"k/segment-000003.ocj: No space left on device"):
        Journal.create(small_disk / "k", {}, expected_records=10**6, segment_bytes=300 << 10)
    assert list((small_disk / "k").iterdir()) == []


def test_no_space_for_the_next_segment(small_disk, orders):
    """A full disk stops the writer between two blocks: all before is there, nothing half made,
    and with room again it goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(500 << 10))
    writer = Journal.create(small_disk / "j", {}, segment_bytes=300 << 10)
    match = r"segment-000001.ocj: No space left on device: [0-9,]+ bytes are missing"
    with pytest.raises(JournalError, match=match):
        fill(writer, orders, [1000] * 10)
    assert writer.written_seq == writer.durable_seq == 4000
    with pytest.raises(JournalError, match="has stopped"):
        fill(writer, orders, [1])
    writer.close()
    names = {path.name for path in (small_disk / "j").iterdir()}
    assert names == {"segment-000000.ocj", "acknowledged"}
    assert read_all(small_disk / "j") == orders(1, 4000).tobytes()
    ballast.unlink()
    writer = Journal.resume(small_disk / "j")
    fill(writer, orders, [1000] * 3)
    writer.close()
    assert read_all(small_disk / "j") == orders(1, 7000).tobytes()
