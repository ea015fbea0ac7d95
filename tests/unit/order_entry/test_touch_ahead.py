"""Stream stores whose next pages are there before a message is written."""

import ctypes
import mmap

import numpy as np
import pytest

from openoutcry.order_entry import stream as stream_store
from openoutcry.order_entry import touch_ahead
from openoutcry.order_entry.stream import Stream, StreamHeader
from openoutcry.order_entry.touch_ahead import LEAST_BYTES, Area, TouchAhead

libc = ctypes.CDLL(None, use_errno=True)


def resident(address, size):
    """Bytes of that memory which are there."""
    pages = -(-size // mmap.PAGESIZE)
    seen = (ctypes.c_ubyte * pages)()
    assert libc.mincore(ctypes.c_void_p(address & -mmap.PAGESIZE), size, seen) == 0
    return sum(one & 1 for one in seen) * mmap.PAGESIZE


def appended(stream, count, size=128):
    message = np.arange(size, dtype=np.uint8)
    for _ in range(count):
        header = StreamHeader.of(stream.address)
        assert stream_store.append(header, message.ctypes.data, size, stream.count + 1)


def test_the_pages_after_the_last_message_are_there():
    stream = Stream(None, 1, entries=1 << 16, data_bytes=1 << 24)
    (_, _), (data, size) = stream.places
    before = resident(data, size)
    ahead = TouchAhead([stream])
    assert ahead.once()
    assert resident(data, size) - before >= LEAST_BYTES
    assert not ahead.once(), "nothing was written meanwhile"
    appended(stream, 4096)
    assert ahead.once()
    index, messages = stream.used
    assert (index, messages) == (16 * 4097, 128 * 4096)
    first = data + messages & -mmap.PAGESIZE
    assert resident(first, 2 * messages) >= messages, "as much again as there is"
    assert resident(data, size) <= 3 * messages, "and no more"


def test_what_was_written_stays():
    stream = Stream(None, 1, entries=1 << 12, data_bytes=1 << 20)
    appended(stream, 100)
    digest = stream.digest_of(100)
    TouchAhead([stream]).once()
    assert stream.digest_of(100) == digest


def test_it_ends_with_the_store():
    memory = mmap.mmap(-1, 1 << 18)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    area = Area(address, 1 << 18)
    while area.touch(area.end):
        pass
    assert area.end == 1 << 18
    assert resident(address, 1 << 18) == 1 << 18


def test_a_system_without_support_is_reported_once(monkeypatch):
    """The thread ends; the stage touches its own pages."""
    monkeypatch.setattr(touch_ahead, "MADV_POPULATE_WRITE", 1 << 20)
    stream = Stream(None, 1, entries=1 << 12, data_bytes=1 << 20)
    ahead = TouchAhead([stream])
    with pytest.raises(OSError, match="madvise"):
        ahead.once()
    wake = np.zeros(1, np.int64)
    ahead.run(wake.ctypes.data)
