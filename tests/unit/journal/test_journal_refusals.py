"""What is no journal, is in use, or has no room is refused in clear words, and left alone."""

import errno
from typing import Any

import pytest

from openoutcry.journal import (
    Disk,
    Journal,
    JournalError,
    JournalLock,
    JournalReader,
    stream,
)
from openoutcry.journal.core import Core
from tests.support.journal.journal_damage import fill
from tests.support.journal.journal_refusals import read_all


@pytest.mark.parametrize("opening", [JournalReader, Journal.resume])
def test_what_is_no_journal(tmp_path, opening):
    """Missing, a file, empty, foreign, and a foreign file under a segment's name."""
    with pytest.raises(JournalError, match=f"{tmp_path}/no: no such directory"):
        opening(tmp_path / "no")
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match=f"{tmp_path}/file is not a directory"):
        opening(tmp_path / "file")
    (tmp_path / "d").mkdir()
    with pytest.raises(JournalError, match=f"{tmp_path}/d is not a journal: it is empty"):
        opening(tmp_path / "d")
    (tmp_path / "d" / "holiday.jpg").write_text("x")
    with pytest.raises(JournalError, match=r"is not a journal: it holds holiday.jpg, no segment"):
        opening(tmp_path / "d")
    segment = tmp_path / "d" / "segment-000000.ocj"
    for content, words in [
        (b"", "it is empty"),
        (b"holiday in Crete", "it begins with b'holiday '"),
        (bytes(4096), r"it begins with b'\\x00"),
    ]:
        segment.write_bytes(content)
        with pytest.raises(JournalError, match=f"{segment} is not a journal segment: {words}"):
            opening(tmp_path / "d")
    assert segment.read_bytes() == bytes(4096)
    segment.unlink()
    segment.mkdir()
    with pytest.raises(JournalError, match=f"{segment}: byte 0: cannot read: Is a directory"):
        opening(tmp_path / "d")


def test_a_foreign_later_segment(tmp_path, orders):
    """A foreign file under the next segment's name is no torn tail: resume must not zero it."""
    with Journal.create(tmp_path, {}, segment_bytes=8192) as writer:
        fill(writer, orders, [13])
    foreign = tmp_path / "segment-000001.ocj"
    foreign.write_bytes(b"holiday in Crete" * 64)
    for opening in (read_all, Journal.resume):
        with pytest.raises(JournalError, match=f"{foreign} is not a journal segment"):
            opening(tmp_path)
    assert foreign.read_bytes() == b"holiday in Crete" * 64


def test_a_cut_configuration(tmp_path):
    """A first segment that ends inside its configuration says where."""
    Journal.create(tmp_path, {"a": 1}).close()
    segment = tmp_path / "segment-000000.ocj"
    whole = segment.read_bytes()
    for size in range(16, len(whole), 7):
        segment.write_bytes(whole[:size])
        with pytest.raises(JournalError, match=f"{segment}: byte 0: the file ends inside a block"):
            JournalReader(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"instruments": []},
        {"instruments": None},
        {"instruments": [{"symbol": "A", "band1_step_ticks": []}]},
        {"instruments": [{"symbol": "A", "min_qty_lots": "x"}]},
        {"order_capacity": None},
        {"order_capacity": "many"},
    ],
)
def test_a_configuration_that_no_run_writes(wrong):
    """Its checksum and its place in the chain are right."""
    with pytest.raises(JournalError, match="the journal's configuration: "):
        Core.of({"instruments": ["A"], "order_capacity": 8} | wrong)


def test_create_refuses_an_existing_journal(tmp_path, orders):
    """It names the directory and leaves the journal as it is."""
    with Journal.create(tmp_path, {}) as writer:
        fill(writer, orders, [9])
    with pytest.raises(JournalError, match=f"{tmp_path} already holds a journal"):
        Journal.create(tmp_path, {})
    assert read_all(tmp_path) == orders(1, 9).tobytes()


def test_create_refuses_bad_arguments(tmp_path):
    """Segment sizes that cannot be, a configuration that does not fit, a file for a directory."""
    for size in (0, 4096, 8193, -8192):
        with pytest.raises(JournalError, match=f"segment_bytes is {size}"):
            Journal.create(tmp_path / "j", {}, segment_bytes=size)
    with pytest.raises(JournalError, match="does not fit a segment"):
        Journal.create(tmp_path / "j", {"x": "y" * 8192}, segment_bytes=8192)
    with pytest.raises(JournalError, match="policy 'some' is not one of all, quorum, any"):
        Journal.create(tmp_path / "j", {}, policy="some")
    with pytest.raises(JournalError, match="given twice"):
        Journal.create(tmp_path / "j", {}, copies=[tmp_path / "j"])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match=f"{tmp_path}/file is not a directory"):
        Journal.create(tmp_path / "file", {})
    with pytest.raises(JournalError, match=f"{tmp_path}/file is not a directory"):
        JournalLock(tmp_path / "file")


class FailingDisk(Disk):
    """The real disk, whose n-th data sync, counted from 1, fails."""

    def __init__(self, fails_at: int) -> None:
        self.calls = 0
        self.fails_at = fails_at

    def datasync(self, fd: int) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError(errno.EIO, "Input/output error")
        super().datasync(fd)


@pytest.mark.promise(
    "A disk that is filling up is reported in time. A failed write or sync stops "
    "acknowledgements and is never retried into success",
    group="files",
)
def test_a_failed_sync_stops_acknowledging(tmp_path, orders):
    """After one failed fdatasync nothing is called durable any more, and it is not retried."""
    disk = FailingDisk(2)
    writer = Journal.create(tmp_path, {}, disk=disk)
    fill(writer, orders, [4])
    writer.sync()
    fill(writer, orders, [3])
    with pytest.raises(JournalError, match=r"segment-000000.ocj: cannot sync: Input/output error"):
        writer.sync()
    assert (writer.durable_seq, writer.written_seq) == (4, 7)
    for attempt in (
        writer.sync,
        lambda: fill(writer, orders, [1]),
        lambda: writer.evidence({}),
    ):
        with pytest.raises(JournalError, match=r"has stopped: .*Input/output error"):
            attempt()
    writer.close()
    assert (disk.calls, writer.durable_seq, writer.written_seq) == (2, 4, 7)


@pytest.mark.parametrize("then", ["sync", "append", "close", "roll"])
def test_a_failed_sync_in_the_background_stops_acknowledging(then, tmp_path, orders, monkeypatch):
    """The kernel tells of a lost page once: whoever was told in the background, nothing after it is
    called durable, though the next fdatasync says yes."""
    monkeypatch.setattr(stream, "FLUSH_BYTES", 12_288)
    disk = FailingDisk(2)
    writer = Journal.create(tmp_path, {}, disk=disk, direct=False)
    fill(writer, orders, [4])
    writer.sync()
    fill(writer, orders, [3, 3])
    writer._copies.rest()
    assert disk.calls == 2
    attempt = {"append": lambda: fill(writer, orders, [3])}.get(then) or getattr(writer, then)
    with pytest.raises(JournalError, match=r"segment-000000.ocj: cannot sync: Input/output error"):
        attempt()
    assert (disk.calls, writer.durable_seq, writer.written_seq) == (2, 4, 10)
    for attempt in (writer.sync, lambda: fill(writer, orders, [1])):
        with pytest.raises(JournalError, match=r"has stopped: .*Input/output error|is closed"):
            attempt()
    writer.close()
    assert writer.durable_seq == 4


def test_what_is_written_is_brought_to_the_disk_meanwhile(tmp_path, orders, monkeypatch):
    """Each so many bytes and not past the page cache only; what is read back is the same."""
    monkeypatch.setattr(stream, "FLUSH_BYTES", 8192)
    calls = {}
    for direct in (False, True):
        disk = FailingDisk(0)
        directory = tmp_path / str(direct)
        with Journal.create(
            directory, {}, disk=disk, direct=direct, segment_bytes=1 << 16
        ) as writer:
            assert writer.direct == direct
            for _ in range(40):
                fill(writer, orders, [4])
                writer._copies.rest()
        calls[direct] = disk.calls
        assert read_all(directory) == orders(1, 160).tobytes()
    assert calls[True] == 0
    assert 10 < calls[False] <= 20


def test_a_failed_durable_append_stops_acknowledging(tmp_path, orders):
    """A block whose durable write fails is not called written, nor is anything after it."""

    class NoDurableWrite(Disk):
        def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
            if durable:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(fd, data, offset)

    writer = Journal.create(tmp_path, {}, disk=NoDurableWrite())
    fill(writer, orders, [4])
    writer.sync()
    with pytest.raises(JournalError, match="byte 8192: cannot write: Input/output error"):
        writer.append(5, [orders(5, 3)], 3, 1, durable=True)
    assert (writer.durable_seq, writer.written_seq) == (4, 4)
    with pytest.raises(JournalError, match="has stopped"):
        fill(writer, orders, [3])
    writer.close()
    assert read_all(tmp_path) == orders(1, 4).tobytes()


def test_a_failed_sync_at_the_end_of_a_segment(tmp_path, orders):
    """Going on to the next segment needs the old one durable: if that fails nothing follows."""

    class NoSync(Disk):
        def sync(self, fd: int) -> None:
            if self.refuses:
                raise OSError(errno.EIO, "Input/output error")
            super().sync(fd)

        refuses = False

    disk = NoSync()
    writer = Journal.create(tmp_path, {}, segment_bytes=8192, disk=disk)
    fill(writer, orders, [13])
    disk.refuses = True
    with pytest.raises(JournalError, match="cannot finish: Input/output error"):
        fill(writer, orders, [13])
    assert (writer.written_seq, writer.durable_seq) == (13, 0)
    writer.close()
    assert read_all(tmp_path) == orders(1, 13).tobytes()


def test_a_closed_writer_refuses(tmp_path, orders):
    """Nothing is appended after close."""
    writer = Journal.create(tmp_path, {})
    writer.close()
    writer.close()
    with pytest.raises(JournalError, match="the journal is closed"):
        fill(writer, orders, [1])
