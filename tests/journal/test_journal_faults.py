"""Every call to the disk may fail, and a disk may do worse than fail: it may lie."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import Disk, Journal, JournalError, JournalReader, JournalWriter
from openoutcry.journal.block import aligned_copy
from openoutcry.journal.verify import verify
from openoutcry.wire.errors import OutcryError

SECTOR = 4096


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())


class FailingDisk(Disk):
    """The real disk, one of whose calls, counted from 0, fails without doing anything."""

    def __init__(self, fails_at: int, error: int) -> None:
        self.calls = 0
        self.fails_at = fails_at
        self.error = error

    def _call(self) -> None:
        self.calls += 1
        if self.calls - 1 == self.fails_at:
            raise OSError(self.error, "injected")

    def open(self, path: Path, flags: int) -> int:
        self._call()
        return super().open(path, flags)

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        self._call()
        return super().write(fd, data, offset, durable)

    def datasync(self, fd: int) -> None:
        self._call()
        super().datasync(fd)

    def sync(self, fd: int) -> None:
        self._call()
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._call()
        super().truncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self._call()
        super().rename(old, new)

    def sync_directory(self, path: Path) -> None:
        self._call()
        super().sync_directory(path)


def life(directory: Path, orders: Any, disk: Disk, told: list[int]) -> None:
    """A short life with all there is in it; ``told`` gets every durable sequence."""
    writer = Journal.create(directory, {"a": 1}, 60, 3 * SECTOR, disk=disk)
    told.append(0)
    for turn, count in enumerate([5, 60, 3, 62, 1]):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=turn % 2 == 0)
        told.append(writer.durable_seq)
        if turn == 2:
            writer.close()
            told.append(writer.written_seq)
            writer = Journal.resume(directory, disk=disk)
    writer.evidence({"seq": writer.written_seq})
    told.append(writer.durable_seq)
    writer.close()


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
        told: list[int] = []
        try:
            life(directory, orders, FailingDisk(number, error), told)
        except JournalError as caught:
            messages.append(str(caught))
        if not told:
            assert not Journal.exists(directory), "nothing is left of what was not made"
            continue
        writer = Journal.resume(directory)
        assert writer.written_seq >= max(told), number
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
            found = verify(directory)
            assert not found.sound
            assert found.bad_file.endswith("segment-000000.ocj")


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
    said = []
    for _ in range(6):
        first_seq = writer.written_seq + 1
        try:
            writer.append(first_seq, [orders(first_seq, 20)], 20, 1, durable=True)
        except JournalError as error:
            said.append(str(error))
            break
    return writer, said


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
    say which copy has stopped; taken up again, all three end alike."""
    places = [tmp_path / name for name in "abc"]
    writer, said = write_copies(places, orders, policy, BrokenPlace(places[1]))
    if goes_on:
        assert said == []
        assert writer.durable_seq == 120
    else:
        assert "cannot be written as `all` asks" in said[0]
        assert writer.durable_seq < 120
    acknowledged = writer.durable_seq
    writer.abandon()
    assert "b/segment-000001.ocj: byte 0: cannot write: Input" in writer.failures[0]
    writer = Journal.resume(places[0])
    assert writer.written_seq >= acknowledged
    reached = writer.written_seq
    writer.append(reached + 1, [orders(reached + 1, 5)], 5, 1, durable=True)
    writer.close()
    for place in places:
        assert read_all(place) == orders(1, reached + 5).tobytes()
    images = [(p / "segment-000000.ocj").read_bytes() for p in places]
    assert images[0] == images[1] == images[2]


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


def flip_every(directory: Path, image: bytes, bits: Any, orders: Any, total: int) -> int:
    """Flip each bit alone; counts those that neither reader nor mark found."""
    path = directory / "segment-000000.ocj"
    undetected = 0
    with path.open("r+b") as file:
        for bit in bits:
            at = int(bit) // 8
            file.seek(at)
            file.write(bytes([image[at] ^ 1 << int(bit) % 8]))
            file.flush()
            try:
                reader = JournalReader(directory)
                data = b"".join(chunk.tobytes() for _, chunk in reader.chunks())
                assert data == orders(1, len(data) // 64).tobytes(), "a wrong record was served"
                undetected += reader.torn is None
            except OutcryError:
                pass
            file.seek(at)
            file.write(image[at : at + 1])
            file.flush()
    assert read_all(directory) == orders(1, total).tobytes()
    return undetected


def stretch(directory: Path, orders: Any) -> bytes:
    """A journal of one segment of exactly 64 KiB, whole, its end acknowledged."""
    writer = Journal.create(directory, {"seed": 1}, segment_bytes=16 * SECTOR)
    for count in (62, 500, 62, 62, 62, 62, 120):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1, durable=True)
    writer.abandon()
    image = (directory / "segment-000000.ocj").read_bytes()
    assert len(image) == 64 << 10
    return image


def test_flipped_bits_anywhere_in_64_kib(tmp_path, orders):
    """A thousand single bits of a 64 KiB stretch: every one is found."""
    image = stretch(tmp_path, orders)
    bits = np.random.default_rng(7).integers(0, len(image) * 8, 1000)
    assert flip_every(tmp_path, image, bits, orders, 930) == 0


@pytest.mark.long
def test_every_bit_and_every_cut(tmp_path, orders):
    """Each of the 524,288 bits of 64 KiB flipped alone, and the file cut at every byte of its last
    two blocks.  The figures go to docs/evidence/journal_faults.json."""
    from openoutcry.bench.evidence import write_evidence

    image = stretch(tmp_path, orders)
    undetected = flip_every(tmp_path, image, range(len(image) * 8), orders, 930)
    path = tmp_path / "segment-000000.ocj"
    cuts, unseen = range(SECTOR * 13, SECTOR * 16), 0
    for cut in cuts:
        path.write_bytes(image[:cut])
        try:
            unseen += JournalReader(tmp_path).evidence is None
        except OutcryError:
            continue
    write_evidence(
        "journal_faults",
        {
            "flipped_bits": len(image) * 8,
            "flips_undetected": undetected,
            "cuts": len(cuts),
            "cuts_undetected": unseen,
            "wrong_records_served": 0,
        },
        "make test-long ARGS=tests/journal/test_journal_faults.py",
    )
    assert (undetected, unseen) == (0, 0)
