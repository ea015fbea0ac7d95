"""The pump's memory, as Python sees it: buffers, sockets, and the published messages."""

import select
import time
from dataclasses import dataclass

import numpy as np

import openoutcry.market_data.pump as pump
from openoutcry.market_data.encode import room_for
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.publisher import Publisher
from openoutcry.market_data.pump import PumpContext
from openoutcry.market_data.state import FeedState
from openoutcry.runtime import loop
from openoutcry.wire import sockets
from openoutcry.wire.feed_messages import MOLD_HEADER_BYTES, MOLD_SESSION_BYTES
from openoutcry.wire.records import RECORD_BYTES
from openoutcry.wire.shm_feed import MESSAGE_BYTES

MIN_ROOM = 1 << 22
"""Bytes of messages that wait to be kept, at least."""


@dataclass(frozen=True)
class Source:
    """Where released events are: addresses, of the event ring and its cursors and of the stamps."""

    ring: int
    mask: int
    cursor: int
    gate: int
    stamps: int
    stamp_mask: int
    epoch_offset: int
    after_seq: int = 0
    private: tuple[int, ...] = ()
    """Cursors (two at most) of the stages that report to participants."""
    released: int = 0
    """When commands' events were released; 0: no interval begins there."""
    to_datagram: int = 0
    """Histograms of how long after that their datagrams are with the sockets,"""
    to_shm: int = 0
    """and the messages in shared memory."""
    wake: int = 0
    """The word that counts when stages have work; 0: no such word."""
    shm: int = 0
    """The feed in shared memory; 0: the venue has no such feed."""


class Pump:
    """Events of a ring to a publisher's lines, by the kernel :func:`pump.run`.

    ``sent``: address of the word that has the last message's number that was sent.
    """

    def __init__(
        self, source: Source, feed: Feed, publisher: Publisher, sent: int, idle_us: int
    ) -> None:
        self.feed, self.publisher = feed, publisher
        self.epoll = select.epoll()
        self._events = np.zeros(pump.BATCH * RECORD_BYTES + 64, np.uint8)
        self._times = np.zeros(pump.BATCH, np.int64)
        self._messages = np.zeros(0, np.uint8)
        self._epoll_events = np.zeros(2 * sockets.EVENT_BYTES, np.uint8)
        self.context = np.zeros(pump.CONTEXT_WORDS, np.int64)
        self._at = PumpContext(self.context.ctypes.data)
        self._nap = np.zeros(loop.NAP_WORDS, np.int64)
        nap = loop.Nap(self._nap.ctypes.data)
        nap.us, nap.quiet_ns = idle_us, pump.LONE_AFTER_NS
        nap.wake = source.wake
        nap.busy_ns = nap.work_ns = nap.since_ns = time.monotonic_ns()
        self.name(publisher.session, 0)
        a, *b = (line.fileno() for line in publisher.sockets)
        events = self._events.ctypes.data
        for name, value in {
            "ring": source.ring,
            "mask": source.mask,
            "cursor": source.cursor,
            "gate": source.gate,
            "stamps": source.stamps,
            "stamp_mask": source.stamp_mask,
            "epoch_offset": source.epoch_offset,
            "after_seq": source.after_seq,
            "private": source.private[0] if source.private else 0,
            "private_2": source.private[1] if len(source.private) > 1 else 0,
            "events": events + -events % 64,
            "state": feed.address,
            "times": self._times.ctypes.data,
            "packet_room": publisher.spec.room - MOLD_HEADER_BYTES,
            "line_a": a,
            "line_b": b[0] if b else -1,
            "sent": sent,
            "epoll": self.epoll.fileno(),
            "epoll_events": self._epoll_events.ctypes.data,
            "nap": self._nap.ctypes.data,
            "released": source.released,
            "to_datagram": source.to_datagram,
            "to_shm": source.to_shm,
            "shm": source.shm,
        }.items():
            setattr(self._at, name, value)

    def name(self, session: str, base: int) -> None:
        """Packets are of this session from now on; ``base`` is added to the number that is sent."""
        name = session.encode()
        assert len(name) == MOLD_SESSION_BYTES
        self._at.name = int.from_bytes(name[:8], "little")
        self._at.name_end = int.from_bytes(name[8:], "big")
        self._at.sent_base = base

    def run(self, until_ns: int) -> int:
        """Publish what is released, until that time (CLOCK_MONOTONIC) at most; return why it
        ended."""
        room = int(room_for(FeedState.of(self.feed.address), pump.BATCH))
        if len(self._messages) < 2 * room:
            size = max(MIN_ROOM, 4 * room)
            self._messages = np.zeros(size + MESSAGE_BYTES, np.uint8)
            self._at.messages = self._messages.ctypes.data + pump.IN_FRONT
            self._at.room = size - pump.IN_FRONT
        before = self.packets
        why = int(pump.run(PumpContext.of(self.context.ctypes.data), until_ns))
        publisher = self.publisher
        publisher.packets += self.packets - before
        publisher.not_taken += self._at.not_taken
        self._at.not_taken = 0
        return why

    @property
    def packets(self) -> int:
        """Packets sent so far."""
        return self._at.packets_sent

    @property
    def place(self) -> tuple[int, int]:
        """The last published event, and its command."""
        return self._at.event_seq, self._at.cause_seq

    def messages(self) -> bytes:
        """Return the messages published since the last call."""
        used = self._at.used
        self._at.used = 0
        return self._messages[pump.IN_FRONT : pump.IN_FRONT + used].tobytes()

    def close(self) -> None:
        """Close the epoll descriptor."""
        self.epoll.close()
