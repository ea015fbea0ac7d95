"""The feed in shared memory: every message once and whole, gaps seen by number and filled as those
of a line, and memory that its readers cannot write."""

import mmap
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.client.shm_feed import ShmFeed, count_of
from openoutcry.market_data import mold
from openoutcry.market_data.lines import Lines
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.shm_feed import ShmFeedSegment
from openoutcry.wire.shm_feed import (
    FEED_BYTES,
    MESSAGE_BYTES,
    OVERRUN,
    SLOTS,
    WAITS,
    ShmFeedHeader,
    read_messages,
)

NAMES = {1: "A0000000-1", 2: "A0000000-2"}


def message(number, size=None):
    """Behind its length: of any size that there is, so that no two neighbours are alike."""
    size = 12 + number % (MESSAGE_BYTES - 13) if size is None else size
    body = bytes((number * 7 + place) & 255 for place in range(size))
    return len(body).to_bytes(2, "big") + body


def messages(first, count):
    return b"".join(message(number) for number in range(first, first + count))


@pytest.fixture
def feed():
    segment = ShmFeedSegment()
    segment.begin(1, NAMES[1], 0)
    yield segment
    segment.close()


def reader(segment, **more):
    fd = segment.descriptor()
    try:
        return ShmFeed(fd, **more)
    finally:
        os.close(fd)


def all_of(one):
    return [(first, data) for first, data in one.take()]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_a_reader_gets_each_message_once_whole_and_in_order(pieces):
    segment = ShmFeedSegment()
    try:
        segment.begin(1, NAMES[1], 0)
        one, next_number = reader(segment), 1
        for count in pieces:
            segment.put(1, next_number, messages(next_number, count))
            got = all_of(one)
            assert got[0][0] == next_number
            assert b"".join(data for _, data in got) == messages(next_number, count)
            next_number += count
        assert all_of(one) == []
        assert one.lost == 0
    finally:
        segment.close()


def test_a_reader_begins_with_what_comes_or_with_the_first(feed):
    feed.put(1, 1, messages(1, 5))
    late, early = reader(feed), reader(feed, from_first=True)
    feed.put(1, 6, messages(6, 2))
    assert all_of(late) == [(6, messages(6, 2))]
    assert all_of(early) == [(1, messages(1, 7))]


def test_what_a_dead_process_has_written_is_not_written_again(feed):
    feed.put(1, 1, messages(1, 5))
    one = reader(feed, from_first=True)
    feed.put(1, 3, messages(3, 6))
    assert all_of(one) == [(1, messages(1, 8))]


def test_another_session_begins_at_number_1_after_the_whole_previous_one(feed):
    feed.put(1, 1, messages(1, 3))
    one, other = reader(feed, from_first=True), reader(feed)
    feed.begin(2, NAMES[2], 3)
    feed.put(2, 1, messages(1, 2))
    assert one.session == NAMES[1]
    packets = [mold.parse(data) for data in one.packets()]
    assert [(p.session.decode(), p.sequence, p.count, p.is_end) for p in packets] == [
        (NAMES[1], 1, 3, False),
        (NAMES[1], 4, mold.MOLD_END, True),
        (NAMES[2], 1, 2, False),
    ]
    assert all_of(other) == [(1, messages(1, 2))], "it had nothing left of the first"


def test_an_overrun_reader_sees_the_gap_by_number_and_has_it_filled(feed):
    one = reader(feed)
    total = 2 * SLOTS + 10
    data = messages(1, total)
    feed.put(1, 1, data)
    asked, delivered = [], []
    lines = Lines(lambda part, first: delivered.append((first, part)))
    for packet in one.packets():
        lines.take(packet, 1)
    assert one.lost > SLOTS
    first, count = lines.missing
    assert (first, count) == (1, one.lost)
    while request := lines.request(10**9 * (len(asked) + 1)):
        wanted = mold.parse_request(request)
        asked.append(wanted.count)
        part = messages(wanted.sequence, wanted.count)
        for packet in mold.packets(NAMES[1], wanted.sequence, part, 1_400):
            lines.take(packet, 10**9 * len(asked))
    assert lines.next_sequence == total + 1
    assert b"".join(part for _, part in delivered) == data


def test_a_receiver_takes_the_feed_in_place_of_a_line(feed):
    got = []
    with_feed = Receiver([], packets=reader(feed).packets, deliver=lambda m, f: got.append((f, m)))
    feed.put(1, 1, message(1, 12) * 3)
    assert with_feed.poll(0) == 1
    assert [(first, count_of(data)) for first, data in got] == [(1, 3)]
    with_feed.close()


def test_what_is_being_written_is_not_there_and_what_is_overwritten_is_lost(feed):
    feed.put(1, 1, messages(1, 3))
    header, out = ShmFeedHeader.of(feed.address), np.zeros(4096, np.uint8)
    stamp = 1 << 40 | 3

    def read(wanted):
        return int(read_messages(header, 0, wanted, out.ctypes.data, len(out)))

    assert read(stamp) == len(message(3))
    assert read(stamp + 1) == WAITS
    slot_at_3 = feed.address + 4096 + 64 * 2
    feed.view[slot_at_3 - feed.address + 56 : slot_at_3 - feed.address + 64] = 0
    assert read(stamp) == OVERRUN, "the writer is at the message a lap later"
    assert read(stamp + 1) == WAITS


def test_no_descriptor_of_it_can_be_written_through_nor_change_its_size(feed):
    fd = feed.descriptor()
    try:
        with pytest.raises(PermissionError):
            mmap.mmap(fd, FEED_BYTES)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)  # its owner's user may open it so
        try:
            with pytest.raises(PermissionError):
                mmap.mmap(again, FEED_BYTES)
            with pytest.raises(PermissionError):
                os.pwrite(again, b"x", 4096)
            with pytest.raises(PermissionError):
                os.ftruncate(again, 1)
        finally:
            os.close(again)
    finally:
        os.close(fd)
    feed.put(1, 1, messages(1, 1))
    assert feed.header.head == 1 << 40 | 1, "whoever has made it writes on"


def test_a_segment_that_is_no_feed_is_refused():
    fd = os.memfd_create("other", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, FEED_BYTES)
        with pytest.raises(ValueError, match="may change its size"):
            ShmFeed(fd)
    finally:
        os.close(fd)
