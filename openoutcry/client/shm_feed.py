"""A reader of the feed in shared memory (wire/shm_feed.py), which comes with a session's login.

>>> with ShmClient("shm.socket", "ALICE", KEY) as client:
...     for first, messages in client.feed.take():
...         ...  # ITCH 5.0, each message behind its length; `first` is the number of the first one

A kernel calls :func:`openoutcry.wire.shm_feed.read_messages` itself.  A reader that is more than
65,536 messages behind has lost some: :attr:`ShmFeed.lost` counts them, and numbers show the gap.
:class:`openoutcry.market_data.receiver.Receiver` fills it, given :meth:`ShmFeed.packets`.
"""

import mmap
from collections.abc import Iterator

import numpy as np

from openoutcry.wire.feed_messages import FRAME_BYTES, MOLD_SESSION_BYTES
from openoutcry.wire.sealed_memory import is_sealed
from openoutcry.wire.shm_feed import (
    FEED_BYTES,
    MAGIC,
    NEXT_SESSION,
    NUMBER_MASK,
    OVERRUN,
    SESSION_SHIFT,
    SLOTS,
    ShmFeedHeader,
    name_of,
    read_messages,
)

ROOM = 1 << 16
PACKET_ROOM = 1400
"""Bytes of messages of a packet."""
MOLD_END = 0xFFFF


class ShmFeed:
    """A reader; it begins with the next message that comes, or with ``from_first`` at number 1 of
    the session."""

    def __init__(self, fd: int, from_first: bool = False) -> None:
        """``fd``: of the segment, which stays its owner's.  Raises ``ValueError``."""
        if not is_sealed(fd, FEED_BYTES):
            raise ValueError("the feed's segment may change its size")
        self._map = mmap.mmap(fd, FEED_BYTES, prot=mmap.PROT_READ)
        self._view = np.frombuffer(self._map, np.uint8)
        self.address = self._view.ctypes.data
        self.header = ShmFeedHeader(self.address)
        if self.header.magic != MAGIC:
            raise ValueError("the segment is not a feed of this layout")
        self.lost = 0
        """Messages of sessions that were overwritten before they were read."""
        self.session = ""
        """Name of the session of the next message."""
        self._ended = 0
        """Number after the last message of the session before."""
        self._room = np.zeros(ROOM, np.uint8)
        self.stamp = self.base = 0
        """Stamp of the next message, and the first stamp of its session."""
        self._begin()
        if not from_first:
            head = self.header.head
            if head >> SESSION_SHIFT == self.stamp >> SESSION_SHIFT:
                self.stamp = head + 1

    def _begin(self) -> None:
        """Begin at number 1 of the current session."""
        number = -1
        while number != self.header.session:
            number = self.header.session
            self.base, self.session = self.header.base, name_of(self.header)
        self.stamp = number << SESSION_SHIFT | 1

    @property
    def number(self) -> int:
        """Number of the next message in its session."""
        return self.stamp & NUMBER_MASK

    @property
    def is_over(self) -> bool:
        """The venue's run is over, and everything of it was read."""
        return bool(self.header.over and self.header.head < self.stamp)

    def take(self) -> Iterator[tuple[int, bytes]]:
        """Return the messages that have come: numbers and messages, piece by piece. It
        never waits."""
        while True:
            size = self._read()
            if size <= 0:
                return
            messages = self._room[:size].tobytes()
            first = self.number
            self.stamp += count_of(messages)
            yield first, messages

    def packets(self) -> list[bytes]:
        """The same as packets of MoldUDP64, as they come by a line; of a session that has ended its
        end."""
        packets: list[bytes] = []
        before = self.session
        for first, messages in self.take():
            if self.session != before and before:
                packets.append(_header(before, self._ended, MOLD_END))
            before = self.session
            packets += _packets(before, first, messages)
        return packets

    def _read(self) -> int:
        """Bytes of the next messages, in the room; 0: none have come."""
        header = ShmFeedHeader.of(self.address)
        while True:
            size = int(read_messages(header, self.base, self.stamp, self._room.ctypes.data, ROOM))
            if size == NEXT_SESSION:
                self._ended = self.number
                self._begin()
            elif size == OVERRUN:
                self._catch_up()
            else:
                return size

    def _catch_up(self) -> None:
        """Continue with a message that is still there for a while."""
        before, number = self.stamp, self.number
        self._begin()
        head = self.header.head
        if head >> SESSION_SHIFT == self.stamp >> SESSION_SHIFT:
            self.stamp = max(self.stamp, head - SLOTS // 2)
        if self.stamp >> SESSION_SHIFT == before >> SESSION_SHIFT:
            self.lost += self.number - number


def count_of(messages: bytes) -> int:
    """Return how many messages these are."""
    at = count = 0
    while at < len(messages):
        at += FRAME_BYTES + int.from_bytes(messages[at : at + FRAME_BYTES], "big")
        count += 1
    return count


def _packets(session: str, first: int, messages: bytes) -> Iterator[bytes]:
    begin = at = count = 0
    while at < len(messages):
        end = at + FRAME_BYTES + int.from_bytes(messages[at : at + FRAME_BYTES], "big")
        if end - begin > PACKET_ROOM:
            yield _header(session, first, count) + messages[begin:at]
            first, begin, count = first + count, at, 0
        at, count = end, count + 1
    if count:
        yield _header(session, first, count) + messages[begin:]


def _header(session: str, sequence: int, count: int) -> bytes:
    name = session.encode().ljust(MOLD_SESSION_BYTES)
    return name + sequence.to_bytes(8, "big") + count.to_bytes(2, "big")
