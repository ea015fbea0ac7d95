"""The feed's pump over a ring in memory: from an event's release to its datagram, and how many
messages a core sends."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.market_data.pump as pump
from openoutcry.market_data.encode import BY_EVENT, encode
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.live import Pump, Source
from openoutcry.market_data.publisher import Publisher
from openoutcry.market_data.pump import PumpContext
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.state import FeedState
from openoutcry.market_data.store import Store
from openoutcry.ring import layout
from openoutcry.wire import OutcryError
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50, MOLD_HEADER_BYTES
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    monotonic_ns,
)
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import RECORD_BYTES

GROUPS = ("239.193.99.1", 26_499), ("239.193.99.2", 26_499)
"""No process listens there: what is measured is the handing over."""
SESSION = "00000BENCH"
SILENCE_NS = 30_000_000_000
PAUSE_NS = 20_000
"""Pause between an event's datagram and the next event's release."""

Array = npt.NDArray[Any]


@kernel
def encode_all(
    state: FeedState,
    events: int,
    count: int,
    stamps: int,
    buffer: int,
    times: int,
    out: int,
    took: int,
) -> int:
    """ns that the encoding of each BATCH of events took, to ``took``: from the buffer that
    :func:`pump.take` has just filled.  ``stamps``: of the events' commands, from the first on.
    Returns bytes of messages; ``out`` has the last batch's.  ``times``: address of the commands'
    times, ns."""
    size = first = 0
    while first < count:
        part = min(pump.BATCH, count - first)
        for index in range(part):
            event = EventRecord(buffer + RECORD_BYTES * index)
            copy64(event, events + RECORD_BYTES * (first + index))
            cause = event.cause_seq
            Words(times)[index] = Words(stamps)[cause - 1]
        start = monotonic_ns()
        end = encode(state, buffer, part, times, 8, BY_EVENT, out)
        Words(took)[first // pump.BATCH] = monotonic_ns() - start
        size, first = size + end - out, first + part
    return size


@kernel
def release(gate: int, handed: int, mask: int, first: int, count: int, pause: int, out: int) -> int:
    """Release ``count`` events one by one, each a pause after the one before was with the sockets;
    ns of each to ``out``. Returns 0, or -1 if one never was. Addresses: ``gate`` of the gate's
    cursor, ``handed`` of the times (by sequence and ``mask``) at which the pump handed events over,
    ``out`` of ``count`` words."""
    for index in range(count):
        start = monotonic_ns()
        while monotonic_ns() - start < pause:
            pass
        at = handed + 8 * ((first + index) & mask)
        start = monotonic_ns()
        SharedWord(gate).value = first + index
        now = start
        while SharedWord(at).value == 0:
            now = monotonic_ns()
            if now - start > SILENCE_NS:
                return -1
        Words(out)[index] = load_i64(at) - start
    return 0


@kernel
def turns(c: PumpContext, gate: int, first: int, count: int, pause: int, out: int) -> int:
    """Like :func:`release`, and the pump's turn in the same thread: the cost of a notification
    without the transfer between cores."""
    for index in range(count):
        start = monotonic_ns()
        while monotonic_ns() - start < pause:
            pass
        start = monotonic_ns()
        SharedWord(gate).value = first + index
        if pump.take(c) != 1 or pump.encode_and_send(c, 1) != pump.DUE:
            return -1
        Words(out)[index] = monotonic_ns() - start
    return 0


class Bench:
    """A pump whose ring has all the events (EVENT_DTYPE, from sequence 1 on)."""

    def __init__(
        self, instruments: Array, events: Array, order_capacity: int, lines: int, folder: Path
    ) -> None:
        count = 1 << len(events).bit_length()
        self._ring = np.zeros(layout.SLOTS + RECORD_BYTES * count + 4096, np.uint8)
        base = self._ring.ctypes.data + -self._ring.ctypes.data % 4096
        slots = self._ring[base - self._ring.ctypes.data + layout.SLOTS :]
        slots = slots[: RECORD_BYTES * count].view(events.dtype)
        slots[(np.arange(1, len(events) + 1)) & (count - 1)] = events
        self.events = events
        self._words = np.zeros(3 * 64, np.int64)  # cursor, gate and sent, a line each
        self._stamps = np.arange(1 << 16, dtype=np.int64)
        self.handed = np.zeros(count, np.int64)
        self.gate = self._words[64:].ctypes.data
        self._store = Store(folder / f"{lines}.itch")
        second = GROUPS[1] if lines > 1 else None
        spec = FeedSpec(GROUPS[0], second, interface="127.0.0.1", ttl=0, idle_us=0)
        self.publisher = Publisher(spec, SESSION, self._store, None)
        self.feed = Feed(instruments, order_capacity)
        source = Source(
            base,
            count - 1,
            self._words.ctypes.data,
            self.gate,
            self._stamps.ctypes.data,
            len(self._stamps) - 1,
            0,
        )
        self.pump = Pump(source, self.feed, self.publisher, self._words[128:].ctypes.data, 0)

    def note_handed(self) -> None:
        """Have the pump note when it handed each event to the sockets, in :attr:`handed`."""
        self.pump.context[pump.HANDED_NS // 8] = self.handed.ctypes.data
        self.pump.context[pump.HANDED_MASK // 8] = len(self.handed) - 1

    def turn(self, until_ns: int) -> None:
        """Publish what is released until CLOCK_MONOTONIC is ``until_ns`` or Python has something to
        do. Raises :class:`FeedError` if an event could not be encoded."""
        self.pump.run(until_ns)
        self.feed.require_sound()
        self.pump.messages()

    def latencies(self, first: int, count: int) -> Array:
        """ns from the release of ``count`` events, one by one, until each was with the sockets."""
        out = np.zeros(count, np.int64)
        self.note_handed()
        self.handed[:] = 0
        self.turn(0)  # compiled by now
        latencies_ns: list[int] = []
        producer = threading.Thread(
            target=lambda: latencies_ns.append(
                release(
                    self.gate,
                    self.handed.ctypes.data,
                    len(self.handed) - 1,
                    first,
                    count,
                    PAUSE_NS,
                    out.ctypes.data,
                )
            )
        )
        producer.start()
        while producer.is_alive():
            self.turn(time.monotonic_ns() + 5_000_000)
        producer.join()
        if latencies_ns != [0]:
            raise OutcryError("bench market-data: an event was never published")
        return out

    def turn_ns(self, first: int, count: int) -> Array:
        """ns of ``count`` events one by one, released and published in one thread."""
        out = np.zeros(count, np.int64)
        self.turn(0)
        c = self.pump.context.ctypes.data
        if turns(PumpContext.of(c), self.gate, first, count, PAUSE_NS, out.ctypes.data):
            raise OutcryError("bench market-data: an event was not published")
        self.pump.messages()
        return out

    def messages_per_s(self, first: int, last: int) -> float:
        """All of these events at once: messages a second, encoded, packed and sent."""
        before = self.feed.messages
        start = time.monotonic_ns()
        self._words[64] = last
        while self.feed.event_seq < last:
            self.turn(0)
        took = time.monotonic_ns() - start
        assert self.feed.event_seq == last >= first
        if self.publisher.not_taken:
            raise OutcryError(f"bench market-data: {self.publisher.not_taken} packets not taken")
        return (self.feed.messages - before) * 1e9 / took

    def close(self) -> None:
        """Close the pump, its sockets and its file."""
        self.pump.close()
        self.publisher.close()
        self._store.close()


@contextmanager
def bench(instruments: Array, events: Array, order_capacity: int, lines: int) -> Iterator[Bench]:
    """A :class:`Bench` with its store in a temporary folder, closed at the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="outcry-bench-"))
        market_bench = Bench(instruments, events, order_capacity, lines, Path(folder))
        stack.callback(market_bench.close)
        yield market_bench


def datagram_bytes() -> int:
    """Return the size of one event's packet in the measured stream: its Add."""
    return MOLD_HEADER_BYTES + FRAME_BYTES + ITCH50.from_server("A").size_bytes


def can_multicast() -> str:
    """Return why loopback takes no multicast; empty if it does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            one.sendto(b"", GROUPS[0])
        except OSError as error:
            return f"loopback takes no multicast: {error.strerror}"
    return ""
