"""The segment of the feed in shared memory (wire/shm_feed.py), as the feed's process writes it.

A message is written here once its datagrams are with the sockets, so no reader sees it earlier than
the lines do.  The segment is the supervisor's: a feed's process that is made again continues
after the last message that the one before has written.
"""

import os

import numpy as np
import numpy.typing as npt

from openoutcry.wire.feed_messages import FRAME_BYTES
from openoutcry.wire.sealed_memory import make_written_here, read_only
from openoutcry.wire.shm_feed import (
    FEED_BYTES,
    MAGIC,
    MESSAGE_BYTES,
    NUMBER_MASK,
    SESSION_SHIFT,
    SLOTS,
    ShmFeedHeader,
    put_messages,
    store_name,
)


class ShmFeedSegment:
    """The segment, as the process of the feed writes it."""

    def __init__(self) -> None:
        self.fd, self._map = make_written_here("feed", FEED_BYTES)
        self.view: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self.address = self.view.ctypes.data
        self.header = ShmFeedHeader(self.address)
        self.header.slots = SLOTS
        self.header.magic = MAGIC

    def descriptor(self) -> int:
        """Return another descriptor, for reading only."""
        return read_only(self.fd)

    def begin(self, session: int, name: str, before: int) -> None:
        """The next message is of this session; the one before had ``before`` messages."""
        header = self.header
        if header.session == session:
            return
        store_name(header.name, name)
        if header.session != 0:
            header.base += header.head & NUMBER_MASK
        header.before = before
        header.session = session

    def put(self, session: int, first: int, messages: bytes) -> None:
        """Write messages, each after its length; the first has that number.  Messages that are
        there already (from a process that has died) are skipped."""
        data = messages + bytes(MESSAGE_BYTES)
        at, stamp, head = 0, session << SESSION_SHIFT | first, self.header.head
        while at < len(messages) and stamp <= head:
            at += FRAME_BYTES + int.from_bytes(data[at : at + FRAME_BYTES], "big")
            stamp += 1
        if at < len(messages):
            begin = np.frombuffer(data, np.uint8).ctypes.data
            put_messages(ShmFeedHeader.of(self.address), begin + at, begin + len(messages), stamp)

    def close(self) -> None:
        """Close the descriptor; readers keep the memory."""
        os.close(self.fd)
