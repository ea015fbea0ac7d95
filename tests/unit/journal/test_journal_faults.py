"""Every call to the disk may fail, and a disk may do worse than fail: it may lie."""

import errno
import mmap
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import Disk, Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.block import aligned_copy
from openoutcry.journal.disk import cached_pages
from openoutcry.journal.listing import describe
from openoutcry.journal.repair import repair
from openoutcry.journal.segment import read_from_disk
from openoutcry.journal.verify import verify
from openoutcry.wire.errors import OutcryError
from tests.support.journal.journal_faults import SECTOR, FailingDisk, flip_every, read_all, stretch


def life(directory: Path, orders: Any, disk: Disk, durable_seqs: list[int]) -> None:
    """A short life with all there is in it; ``durable_seqs`` gets every durable sequence."""
    writer = Journal.create(directory, {"a": 1}, 60, 3 * SECTOR, disk=disk)
    durable_seqs.append(0)
    for turn, count in enumerate([5, 60, 3, 62, 1]):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=turn % 2 == 0)
        durable_seqs.append(writer.durable_seq)
        if turn == 2:
            writer.close()
            durable_seqs.append(writer.written_seq)
            writer = Journal.resume(directory, disk=disk)
    writer.evidence({"seq": writer.written_seq})
    durable_seqs.append(writer.durable_seq)
    writer.close()


@pytest.mark.promise(
    "A disk that is filling up is reported in time. A failed write or sync stops "
    "acknowledgements and is never retried into success",
    group="files",
)
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_every_call_may_fail(tmp_path, orders, error):
    """Each call of a journal's life fails once: it is told as a JournalError naming the file, or
    has no effect on what was acknowledged; a real disk then goes on from everything that was."""
    calls = FailingDisk(-1, error)
    life(tmp_path / "calm", orders, calls, [])
    assert calls.calls > 60
    messages: list[str] = []
    for number in range(calls.calls):
        directory = tmp_path / str(number)
        durable_seqs: list[int] = []
        try:
            life(directory, orders, FailingDisk(number, error), durable_seqs)
        except JournalError as caught:
            messages.append(str(caught))
        if not durable_seqs:
            assert not Journal.exists(directory), "nothing is left of what was not made"
            continue
        writer = Journal.resume(directory)
        assert writer.written_seq >= max(durable_seqs), number
        reached = writer.written_seq
        writer.close()
        assert read_all(directory) == orders(1, reached).tobytes()
        shutil.rmtree(directory)
    assert len(messages) > calls.calls // 2
    assert all(str(tmp_path) in message for message in messages)


class LyingDisk(Disk):
    """The real disk, which does something else with one of its data writes and says nothing."""

    def __init__(self, lie: Callable[[Disk, int, bytes, int], None], at: int) -> None:
        self.lie = lie
        self.at = at
        self.blocks = 0

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        if len(data) % SECTOR or len(data) > 4 * SECTOR or bytes(data[:8]) != b"OUTCRYJB":
            return super().write(fd, data, offset, durable)
        self.blocks += 1
        if self.blocks - 1 != self.at:
            return super().write(fd, data, offset, durable)
        self.lie(super(), fd, bytes(data), offset)
        return len(data)


def lost(disk: Any, fd: int, data: bytes, offset: int) -> None:
    """The write never happens."""


def misdirected(disk: Any, fd: int, data: bytes, offset: int) -> None:
    """It goes to the sector before, onto another block."""
    disk.write(fd, aligned_copy(data), offset - SECTOR)


def half_stale(disk: Any, fd: int, data: bytes, offset: int) -> None:
    """Its last sector keeps what was there."""
    disk.write(fd, aligned_copy(data[:-SECTOR] or bytes(SECTOR)), offset)


def flipped(disk: Any, fd: int, data: bytes, offset: int) -> None:
    """One bit changes on the way."""
    changed = bytearray(data)
    changed[len(data) // 3] ^= 16
    disk.write(fd, aligned_copy(bytes(changed)), offset)


def serve(directory: Path, orders: Any, served: list[int]) -> None:
    for first_seq, chunk in JournalReader(directory).chunks():
        assert chunk.tobytes() == orders(first_seq, len(chunk)).tobytes()
        served.append(len(chunk))


@pytest.mark.parametrize("lie", [lost, misdirected, half_stale, flipped])
def test_a_disk_that_lies_is_found_out(tmp_path, orders, lie):
    """Each block of a journal in turn is lost, written elsewhere, left half stale or changed: the
    reader and verify both say so, and no wrong record is served before they do."""
    counts = [50, 100, 7, 100, 62, 3]
    for at in range(len(counts)):
        directory = tmp_path / f"{at}"
        writer = Journal.create(
            directory, {}, segment_bytes=16 * SECTOR, disk=LyingDisk(lie, at + 1)
        )
        for count in counts:
            first_seq = writer.written_seq + 1
            writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=True)
        writer.abandon()
        served: list[int] = []
        with pytest.raises(OutcryError):
            serve(directory, orders, served)
        assert served == counts[: len(served)]
        if lie is not misdirected or at:  # there the configuration itself is gone
            report = verify(directory)
            assert not report.sound
            assert report.bad_file.endswith("segment-000000.ocj")


def test_a_sector_that_cannot_be_read(tmp_path, orders):
    """A latent read error names file and byte, for the reader and for resume."""

    class Unreadable(Disk):
        def read(self, fd: int, size: int, offset: int) -> bytes:
            if offset <= 3 * SECTOR < offset + size:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(fd, size, offset)

    with Journal.create(tmp_path, {}, segment_bytes=16 * SECTOR) as writer:
        for first_seq in range(1, 500, 50):
            writer.append(first_seq, [orders(first_seq, 50)], 50, 1)
    for open_it in (
        lambda: list(JournalReader(tmp_path, disk=Unreadable()).chunks()),
        lambda: Journal.resume(tmp_path, disk=Unreadable()),
    ):
        with pytest.raises(JournalError, match=r"segment-000000.ocj: byte \d+: cannot read: Input"):
            open_it()


def write_copies(
    places: list[Path], orders: Any, policy: str, disk: Disk
) -> tuple[JournalWriter, list[str]]:
    writer = Journal.create(
        places[0], {}, segment_bytes=4 * SECTOR, copies=places[1:], policy=policy, disk=disk
    )
    errors = []
    for _ in range(6):
        first_seq = writer.written_seq + 1
        try:
            writer.append(first_seq, [orders(first_seq, 20)], 20, 1, durable=True)
        except JournalError as error:
            errors.append(str(error))
            break
    return writer, errors


class BrokenPlace(Disk):
    """The real disk, where one directory takes no more data after its third block."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.fds: set[int] = set()
        self.blocks = 0

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        (self.fds.add if path.parent == self.place else self.fds.discard)(fd)
        return fd

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        if fd in self.fds and bytes(data[:8]) == b"OUTCRYJB":
            self.blocks += 1
            if self.blocks > 4:
                raise OSError(errno.EIO, "Input/output error")
        return super().write(fd, data, offset, durable)


@pytest.mark.parametrize(("policy", "goes_on"), [("all", False), ("quorum", True), ("any", True)])
def test_a_copy_that_fails(tmp_path, orders, policy, goes_on):
    """One of three directories stops taking data: `all` stops acknowledging, the others go on and
    say which copy has stopped, which comes back only when asked for; resumed, all three end
    alike."""
    places = [tmp_path / name for name in "abc"]
    writer, errors = write_copies(places, orders, policy, BrokenPlace(places[1]))
    if goes_on:
        assert errors == []
        assert writer.durable_seq == 120
    else:
        assert "cannot be written as `all` asks" in errors[0]
        assert writer.durable_seq < 120
    acknowledged = writer.durable_seq
    writer.abandon()
    assert "b/segment-000001.ocj: byte 0: cannot write: Input" in writer.failures[0]
    if goes_on:
        assert all(
            describe(p)["failed"] == {str(places[1]): writer.failures[0]} for p in places[::2]
        )
        with pytest.raises(JournalError, match=r"b failed before .*repair .*b --copy .*a"):
            Journal.resume(places[1])
        with Journal.resume(places[2]) as without:
            assert "b failed before" in without.failures[0]
            assert without.written_seq == acknowledged
        done = repair(places[1], places[0])
        assert [line.split("/")[-1] for line in done[-2:]] == ["a", "c"]
        assert "b: counts again for " in done[-1]
        assert repair(places[1], places[0]) == []
    writer = Journal.resume(places[0])
    assert writer.failures == []
    assert writer.written_seq >= acknowledged
    reached = writer.written_seq
    writer.append(reached + 1, [orders(reached + 1, 5)], 5, 1, durable=True)
    writer.close()
    for place in places:
        assert read_all(place) == orders(1, reached + 5).tobytes()
    images = [(p / "segment-000000.ocj").read_bytes() for p in places]
    assert images[0] == images[1] == images[2]


class ForgetfulDisk(Disk):
    """The real files are the page cache; what is on the disk comes to them only with a sync, and
    one that fails leaves pages that count as clean."""

    def __init__(self) -> None:
        self.medium: dict[int, bytes] = {}
        self.fails = False

    def datasync(self, fd: int) -> None:
        inode = os.fstat(fd).st_ino
        if self.fails:
            self.fails = False
            raise OSError(errno.EIO, "Input/output error")
        self.medium.setdefault(inode, os.pread(fd, 1 << 20, 0))

    def forget(self, fd: int) -> None:
        """Only what was not synced before the failure is other on the disk than in the cache."""
        kept = self.medium.get(os.fstat(fd).st_ino)
        if kept is not None:
            os.pwrite(fd, kept, 0)
        super().forget(fd)


def test_a_failed_sync_is_not_forgotten(tmp_path, orders):
    """Blocks that a failed sync left in the page cache only are not resumed as durable, though
    the next sync says yes."""
    disk = ForgetfulDisk()
    writer = Journal.create(tmp_path, {}, segment_bytes=8 * SECTOR, direct=False, disk=disk)
    writer.append(1, [orders(1, 5)], 5, 1)
    writer.sync()
    writer.append(6, [orders(6, 5)], 5, 1)
    disk.fails = True
    with pytest.raises(JournalError, match="cannot sync"):
        writer.sync()
    writer.abandon()
    assert len(read_all(tmp_path)) == 10 * 64, "the cache has them"
    with Journal.resume(tmp_path, disk=disk) as writer:
        assert (writer.written_seq, writer.durable_seq) == (5, 5)


@pytest.fixture
def cached(tmp_path, orders) -> Iterator[int]:
    """A segment's file, two blocks of which are in the page cache."""
    writer = Journal.create(tmp_path, {}, segment_bytes=8 * SECTOR, direct=False)
    writer.append(1, [orders(1, 5)], 5, 1)
    writer.sync()
    writer.abandon()
    fd = os.open(tmp_path / "segment-000000.ocj", os.O_RDONLY)
    try:
        os.preadv(fd, [bytearray(SECTOR)], SECTOR)
        os.preadv(fd, [bytearray(SECTOR)], SECTOR, os.RWF_NOWAIT)
        yield fd
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system cannot say what is in the page cache")
    finally:
        os.close(fd)


def test_the_page_cache_is_really_dropped(tmp_path, cached):
    """On the file system of the tests: after a resume's look the last segment is in no cache."""
    assert cached_pages(cached)[1]
    read_from_disk(tmp_path)
    assert not cached_pages(cached).any()
    with pytest.raises(BlockingIOError):
        os.preadv(cached, [bytearray(SECTOR)], SECTOR, os.RWF_NOWAIT)


def test_a_page_that_something_refers_to_is_dropped_later(tmp_path, cached, monkeypatch):
    """As the kernel leaves a page that it looks at itself; here somebody has it mapped."""
    mapped = mmap.mmap(cached, 2 * SECTOR, prot=mmap.PROT_READ)
    assert mapped[SECTOR] == os.pread(cached, 1, SECTOR)[0]
    advised = []

    def advise(*asked: int) -> None:
        if advised:
            mapped.close()
        advised.append(asked)
        os_advise(*asked)

    os_advise = os.posix_fadvise
    monkeypatch.setattr(os, "posix_fadvise", advise)
    read_from_disk(tmp_path)
    assert len(advised) > 1
    with pytest.raises(BlockingIOError):
        os.preadv(cached, [bytearray(SECTOR)], SECTOR, os.RWF_NOWAIT)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("no"), KeyboardInterrupt()])
def test_whatever_ends_a_copys_thread_is_a_failure(tmp_path, orders, error):
    """The writer never waits for a copy whose thread met something else than a refusing disk."""
    places = [tmp_path / name for name in "abc"]

    class Odd(BrokenPlace):
        def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
            try:
                return super().write(fd, data, offset, durable)
            except OSError:
                raise error from None

    for policy in ("quorum", "all"):
        folder = [place / policy for place in places]
        writer, errors = write_copies(folder, orders, policy, Odd(folder[1]))
        assert writer.durable_seq == 120 if policy == "quorum" else len(errors) == 1
        writer.abandon()
        assert f"b/{policy}: the copy's thread ended: {type(error).__name__}" in writer.failures[0]


def test_no_thread_for_a_copy(tmp_path, orders, monkeypatch):
    """Where the system gives no thread the copies fail and the writer says so."""
    places = [tmp_path / name for name in "abc"]
    writer = Journal.create(places[0], {}, copies=places[1:], segment_bytes=4 * SECTOR)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(JournalError, match=r"c: no thread to write with: can't start"):
        writer.append(1, [orders(1, 5)], 5, 1, durable=True)
    assert writer.durable_seq == 0
    writer.abandon()
    monkeypatch.undo()
    assert Journal.resume(places[0]).written_seq == 0


def test_a_note_that_cannot_be_read_or_written(tmp_path, orders):
    """A damaged note refuses the resume; a directory that takes no note has failed itself."""
    places = [tmp_path / name for name in "abc"]

    class NoNotes(BrokenPlace):
        def open(self, path: Path, flags: int) -> int:
            if path.name.startswith("failed"):
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().open(path, flags)

    writer, errors = write_copies(places, orders, "quorum", NoNotes(places[1]))
    writer.abandon()
    assert "cannot note that" in "".join([*errors, *writer.failures])
    (places[0] / "failed").write_text("[1]")
    with pytest.raises(JournalError, match=f"{places[0]}/failed: .* cannot be read"):
        Journal.resume(places[0])


@pytest.mark.parametrize(
    ("policy", "missing", "enough"),
    [("all", 2, False), ("quorum", 1, True), ("quorum", 2, False), ("any", 1, False)],
)
def test_too_few_copies_are_refused(tmp_path, orders, policy, missing, enough):
    """Resume asks for as many copies as make sure that one of them has all acknowledged."""
    places = [tmp_path / name for name in "abc"]
    writer, _ = write_copies(places, orders, policy, Disk())
    writer.close()
    for place in places[1 : 1 + missing]:
        shutil.rmtree(place)
    if enough:
        writer = Journal.resume(places[0])
        assert len(writer.failures) == missing
        writer.append(121, [orders(121, 5)], 5, 1, durable=True)
        writer.close()
        assert read_all(places[2]) == orders(1, 125).tobytes()
    else:
        with pytest.raises(JournalError, match=f"too few copies for the policy `{policy}`"):
            Journal.resume(places[0])


@pytest.mark.promise(
    "Flipped bits, a block changed with its checksum, changed event hashes and a cut end of "
    "the evidence are detected. A journal that cannot be replayed is not sound to `verify`",
    group="files",
)
def test_flipped_bits_anywhere_in_64_kib(tmp_path, orders):
    """A thousand single bits of a 64 KiB stretch: every one is found."""
    image = stretch(tmp_path, orders)
    bits = np.random.default_rng(7).integers(0, len(image) * 8, 1000)
    assert flip_every(tmp_path, image, bits, orders, 930) == 0
