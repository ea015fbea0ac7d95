"""Shared-memory segments: private, whole, cleaned up after the dead."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from openoutcry.ring import (
    ProcessIdentity,
    Segment,
    SegmentError,
    list_segments,
    remove_dead_segments,
)
from openoutcry.ring.segment import SHM, segment_name


@pytest.fixture
def name() -> Iterator[str]:
    """A segment name of this process, removed afterwards."""
    value = segment_name(ProcessIdentity.mine(), "test")
    yield value
    (SHM / value).unlink(missing_ok=True)


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


def test_another_users_segment_is_refused(name: str) -> None:
    """A segment that belongs to somebody else is not attached to."""
    if os.geteuid():
        pytest.skip("only root can give a file to another user")
    Segment.create(name, 4096)
    os.chown(SHM / name, 12345, 12345)
    with pytest.raises(SegmentError, match="belongs to user 12345"):
        Segment.attach(name)


def test_only_segments_of_the_dead_are_removed(name: str) -> None:
    """The owner's identity stands in the name: a dead owner's segments go, a live one's stay."""
    Segment.create(name, 4096)
    make = (
        "from openoutcry.ring import *; from openoutcry.ring.segment import segment_name;"
        "n = segment_name(ProcessIdentity.mine(), 'left'); Segment.create(n, 4096); print(n)"
    )
    left = subprocess.run(
        [sys.executable, "-c", make], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert left in [found for found, _ in list_segments()]
    assert left in remove_dead_segments()
    assert not (SHM / left).exists()
    assert (SHM / name).exists()


def test_an_identity_outlives_no_process() -> None:
    """A finished child's identity is proven dead; our own is alive; a reused pid is another."""
    me = ProcessIdentity.mine()
    assert me.alive()
    assert not ProcessIdentity(me.pid, me.start_ticks + 1).alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        theirs = ProcessIdentity.of(child.pid)
        assert theirs is not None
        assert theirs.alive()
        child.kill()
    assert not theirs.alive()
