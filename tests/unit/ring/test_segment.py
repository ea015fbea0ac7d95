"""Shared-memory segments: private, whole, cleaned up after the dead."""

import os
import re
from pathlib import Path

import pytest

from openoutcry.ring import (
    Segment,
    SegmentError,
    remove_dead_segments,
)
from openoutcry.ring import segment as segments
from openoutcry.ring.segment import SHM
from tests.support.ring import segment as shared

name = shared.name


@pytest.mark.promise(
    "Segments are private to the user (mode 0600). A segment of another user, or one that "
    "others can write, is rejected",
    group="shared-memory",
)
def test_a_new_segment_is_private_zeroed_and_reserved(name: str) -> None:
    """Mode 0600, all zeros, and every page already paid for."""
    segment = Segment.create(name, 1 << 20)
    status = (SHM / name).stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 >= 1 << 20
    assert not segment.view.any()


def test_two_mappings_share_the_same_bytes(name: str) -> None:
    """What one mapping writes the other reads."""
    ours, theirs = Segment.create(name, 4096), Segment.attach(name)
    ours.words(8, 1)[0] = 42
    assert theirs.words(8, 1)[0] == 42
    assert theirs.size_bytes == 4096


def test_a_taken_name_is_refused_by_name(name: str) -> None:
    """Nobody maps somebody else's segment by accident."""
    Segment.create(name, 4096)
    with pytest.raises(SegmentError, match=name):
        Segment.create(name, 4096)


def test_a_segment_too_large_for_dev_shm_says_how_much_is_free(name: str) -> None:
    """No room is an error at creation, with both figures, and leaves nothing behind."""
    with pytest.raises(SegmentError, match=r"1,125,899,906,842,624 bytes needed, [\d,]+ free"):
        Segment.create(name, 1 << 50)
    assert not (SHM / name).exists()


def test_a_missing_segment_is_an_error(name: str) -> None:
    """Attaching to nothing names what was looked for."""
    with pytest.raises(SegmentError, match=f"{name} does not exist"):
        Segment.attach(name)


@pytest.mark.promise(
    "Segments are private to the user (mode 0600). A segment of another user, or one that "
    "others can write, is rejected",
    group="shared-memory",
)
def test_a_segment_that_others_can_write_is_refused(name: str) -> None:
    """Loosened permissions mean that anybody may have written it."""
    Segment.create(name, 4096)
    (SHM / name).chmod(0o666)
    with pytest.raises(SegmentError, match="open to other users"):
        Segment.attach(name)


def test_an_empty_segment_is_refused(name: str) -> None:
    """A segment truncated to nothing is an error, not a crash at the first access."""
    Segment.create(name, 4096)
    os.truncate(SHM / name, 0)
    with pytest.raises(SegmentError, match="is empty"):
        Segment.attach(name)


@pytest.mark.promise(
    "Segments are private to the user (mode 0600). A segment of another user, or one that "
    "others can write, is rejected",
    group="shared-memory",
)
def test_another_users_segment_is_refused(name: str) -> None:
    """A segment that belongs to somebody else is not attached to."""
    if os.geteuid():
        pytest.skip("only root can give a file to another user")
    Segment.create(name, 4096)
    os.chown(SHM / name, 12345, 12345)
    with pytest.raises(SegmentError, match="belongs to user 12345"):
        Segment.attach(name)


def test_what_is_no_file_is_left_alone() -> None:
    """A folder that somebody gave a name of ours neither stops the clean-up nor is removed."""
    odd = SHM / "outcry.999999999.1.odd"
    odd.mkdir()
    try:
        assert odd.name not in remove_dead_segments()
        with pytest.raises(SegmentError, match="odd"):
            Segment.attach(odd.name)
    finally:
        odd.rmdir()


# Huge pages and memory locks


def test_huge_pages_are_given_or_refused_with_a_reason(name: str) -> None:
    """Whatever this machine allows: either the kernel itself says that huge pages are there, or the
    segment works on small ones and says what would allow more."""
    segment = Segment.create(name, 4 << 20, huge_pages=True)
    segment.view[:] = 5
    if segment.pages == "small":
        assert len(segment.refused) == 2
        assert all("; `sudo " in text or "; `echo " in text for text in segment.refused)
    else:
        assert segment.refused == []
    transparent = smaps_bytes(segment.address, "ShmemPmdMapped")
    hugetlb = smaps_bytes(segment.address, "Shared_Hugetlb") + smaps_bytes(
        segment.address, "Private_Hugetlb"
    )
    assert (transparent > 0) == (segment.pages == "transparent")
    assert (hugetlb > 0) == (segment.pages == "huge")


def smaps_bytes(address: int, field: str) -> int:
    """A figure of the mapping that begins at the address, from the kernel's own account."""
    text = Path("/proc/self/smaps").read_text()
    begin = re.search(rf"^{address:x}-.*?^{field}:\s+(\d+) kB", text, re.S | re.M)
    assert begin
    return int(begin[1]) << 10


def test_a_segment_smaller_than_a_huge_page_continues_with_small_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hugetlbfs and below 2 MiB both ways are refused, each with its reason."""
    mounts = tmp_path / "mounts"
    mounts.write_text("tmpfs /dev/shm tmpfs rw 0 0\n")
    monkeypatch.setattr(segments, "MOUNTS", mounts)
    segment = Segment.create(name, 65536, huge_pages=True)
    assert (segment.pages, segment.size_bytes) == ("small", 65536)
    first, second = segment.refused
    assert f"{name}: no hugetlbfs that this user may write to is mounted; `sudo mount" in first
    assert "65,536 bytes do not fill one of 2,097,152 bytes" in second


def test_mounts_are_read_as_the_kernel_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smallest pages first, escaped spaces resolved, other file systems left out."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "none /huge hugetlbfs rw,relatime,pagesize=1024M 0 0\n"
        "tmpfs /dev/shm tmpfs rw 0 0\n"
        "none /my\\040pages hugetlbfs rw,pagesize=2M,uid=5 0 0\n"
    )
    monkeypatch.setattr(segments, "MOUNTS", mounts)
    assert [(str(place.folder), place.page_bytes) for place in segments.huge_places()] == [
        ("/my pages", 2 << 20),
        ("/huge", 1 << 30),
    ]


def test_no_wish_leaves_nothing_refused(name: str) -> None:
    """A segment that was asked for neither has nothing to say."""
    segment = Segment.create(name, 4 << 20)
    assert (segment.refused, segment.locked, segment.pages) == ([], False, "small")


def test_a_granted_memory_lock_is_the_kernels(name: str) -> None:
    """The kernel's own account of the mapping counts every byte as locked."""
    segment = Segment.create(name, 65536, lock=True)
    if not segment.locked:
        pytest.skip(f"locking 64 KiB is not allowed here: {segment.refused}")
    assert segment.refused == []
    assert smaps_bytes(segment.address, "Locked") == 65536
