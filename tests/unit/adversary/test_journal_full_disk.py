"""A disk that fills is told of before it is full."""

import errno
import os
from pathlib import Path

import pytest

from openoutcry.journal import Disk, Journal, JournalError
from openoutcry.journal.space import SpaceWatch
from openoutcry.journal.verify import verify

BLOCK = 4_000
SEGMENT_BYTES = 1 << 20


class FullDisk(Disk):
    """No room for the second segment until somebody makes some."""

    full = True

    def open(self, path: Path, flags: int) -> int:
        if self.full and "segment-000001" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


@pytest.mark.promise(
    "A disk that is filling up is reported in time. A failed write or sync stops "
    "acknowledgements and is never retried into success",
    group="files",
)
@pytest.mark.parametrize("room_is_made", [True, False])
def test_a_failed_prewrite_is_reported_while_there_is_time(tmp_path, orders, room_is_made):
    """The segment is half full: the warning names the next one and why it cannot be made; if room
    is made in time nothing stops."""
    disk = FullDisk()
    writer = Journal.create(tmp_path, {}, segment_bytes=SEGMENT_BYTES, disk=disk)

    def append() -> None:
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, BLOCK)], BLOCK, 1, durable=True)

    for _ in range(4):
        assert writer.warnings == []
        append()
        writer._copies.rest()
    (warning,) = writer.warnings
    assert f"{tmp_path}/segment-000001.ocj.new: No space left on device" in warning
    assert "the journal stops when segment-000000.ocj is full" in warning
    disk.full = not room_is_made
    if room_is_made:
        append()
        writer.close()
    else:
        with pytest.raises(JournalError, match="No space left on device"):
            append()
        writer.abandon()
    assert verify(tmp_path).last_seq == (5 if room_is_made else 4) * BLOCK


@pytest.mark.promise(
    "A disk that is filling up is reported in time. A failed write or sync stops "
    "acknowledgements and is never retried into success",
    group="files",
)
def test_when_the_disk_will_be_full_is_said_an_hour_ten_minutes_and_a_minute_before() -> None:
    """Once each, by the rate of the last ten seconds; again after room was made and filled."""
    mib = 1 << 20
    free = 4_000 * mib
    watch = SpaceWatch(Path("/j"), 0.0, 0, lambda directory: free)
    assert watch.poll(5.0, 50 * mib) == "", "no rate yet"
    assert watch.poll(10.0, 10 * mib) == "", "more than an hour is left"
    warned_mib = []
    written, now_s = 10 * mib, 10.0
    for free_mib in (3_900, 3_500, 3_000, 599, 500, 59, 20, 9_000, 3_000):
        free = free_mib * mib
        written, now_s = written + 10 * mib, now_s + 10.0
        if text := watch.poll(now_s, written):
            warned_mib.append(free_mib)
            assert f"{free_mib:,} MiB are free, full in about {free_mib:,} s at 60 MiB" in text
            assert "`outcry journal archive /j --retire`" in text
    assert warned_mib == [3_500, 599, 59, 3_000]


def test_a_journal_that_does_not_grow_fills_no_disk() -> None:
    """Nothing is told however little is free."""
    watch = SpaceWatch(Path("/j"), 0.0, 7, lambda directory: 1)
    assert watch.poll(20.0, 7) == ""
