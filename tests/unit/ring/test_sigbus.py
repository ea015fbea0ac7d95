"""A page lost under a running process: an error that names the segment, and no crash."""

import os

import numpy as np
import pytest

from openoutcry.ring import Segment, SegmentError, sigbus
from openoutcry.ring.segment import SHM
from openoutcry.wire import OutcryError
from openoutcry.wire.memory import load_acquire
from tests.support.ring import sigbus as shared
from tests.support.ring.sigbus import PAGE

name = shared.name


def test_only_what_was_lost_reads_as_zeros(name: str) -> None:
    """The bytes before the new end stay as they were; numpy reads zeros behind it."""
    segment = Segment.create(name, 8 * PAGE)
    segment.view[:] = 7
    segment.check()
    os.truncate(SHM / name, 3 * PAGE)
    assert (segment.view[: 3 * PAGE] == 7).all()
    assert not segment.map.damaged
    assert not segment.view[3 * PAGE :].any()
    assert segment.map.damaged
    with pytest.raises(SegmentError, match=f"{name} was truncated while in use"):
        segment.check()


def test_truncation_is_found_before_any_page_is_missed(name: str) -> None:
    """check() asks for the file's length, so it need not wait for a fault."""
    segment = Segment.create(name, 4 * PAGE)
    os.truncate(SHM / name, PAGE)
    with pytest.raises(SegmentError, match=r"4,096 of 16,384 bytes are left"):
        segment.check()
    assert not segment.map.damaged


def test_a_segment_made_long_again_is_still_damaged(name: str) -> None:
    """Right length, lost page: the mark stays, since this process has a page of its own there."""
    segment = Segment.create(name, 4 * PAGE)
    segment.view[:] = 7
    os.truncate(SHM / name, 0)
    assert segment.view[0] == 0
    os.truncate(SHM / name, 4 * PAGE)
    with pytest.raises(SegmentError, match=f"{name} lost a page while in use"):
        segment.check()


def test_kernels_can_see_the_damage(name: str) -> None:
    """The damage word has an address of its own, zero until a page is lost."""
    read = sigbus.c_callback(sigbus.types.int64(sigbus.types.int64))(_read)
    segment = Segment.create(name, 2 * PAGE)
    assert read.ctypes(segment.map.damage_address) == 0
    os.truncate(SHM / name, 0)
    assert segment.view[0] == 0
    assert read.ctypes(segment.map.damage_address) == 1


def _read(address):
    return load_acquire(address)


def test_mappings_come_and_go_without_end(name: str) -> None:
    """Entries of the table are given back; more than it holds at once are an error that says so."""
    Segment.create(name, PAGE)
    fd = os.open(SHM / name, os.O_RDWR)
    try:
        for _ in range(sigbus.MAX_MAPPINGS + 10):
            sigbus.Mapping(fd, PAGE)
        free = list(sigbus._free_entries)
        sigbus._free_entries.clear()
        try:
            with pytest.raises(OutcryError, match="more than 4096 segments mapped at once"):
                sigbus.Mapping(fd, PAGE)
        finally:
            sigbus._free_entries.extend(free)
    finally:
        os.close(fd)


def test_a_view_keeps_its_memory(name: str) -> None:
    """The array outlives segment and mapping: its memory is given back with it, not before."""
    view = Segment.create(name, PAGE).view
    view[:] = 9
    again = Segment.attach(name).view
    assert (again == 9).all()
    assert isinstance(np.asarray(view).base, sigbus.Mapping)


def test_large_mappings_are_aligned_for_huge_pages(name: str) -> None:
    """From 2 MiB on a mapping begins at a multiple of 2 MiB, created or attached."""
    assert Segment.create(name, 3 << 20).address % (2 << 20) == 0
    assert Segment.attach(name).address % (2 << 20) == 0
