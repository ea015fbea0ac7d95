"""A ring in shared memory: one producer, several consumers, each at its own cursor."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import layout
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.kernels import (
    gating_cursor,
    last_published,
    publish_burst,
    published_count,
    release,
)
from openoutcry.ring.segment import SHM, Segment, SegmentError
from openoutcry.wire import LAYOUT_HASH, RECORD_BYTES, check_layout
from openoutcry.wire.records import RING_MAGIC

MAX_CAPACITY = 1 << 28


class RingClosed(Exception):
    """Waiting for a ring came to its time-out."""


class RingBuffer:
    """A ring of 64-byte records.

    ``cursors[name]`` is a one-element int64 array on the shared cursor of that consumer: the last
    sequence it is done with.  The producer never overtakes the slowest of them by a whole ring.

    >>> with RingBuffer.create("outcry.1.1.demo", 1024, ORDER_DTYPE, ["reader"]) as ring:
    ...     ring.publish(orders)
    ...     for batch in ring.reader("reader"): ...
    """

    def __init__(self, segment: Segment, dtype: np.dtype[Any]) -> None:
        self.segment = segment
        self.dtype = dtype
        header = segment.words(0, layout.SLOTS // 8)
        self.capacity = int(header[layout.CAPACITY // 8])
        self.mask = self.capacity - 1
        self.address = segment.address
        self.slots = segment.records(layout.SLOTS, self.capacity, dtype)
        self.published_hint = header[layout.PUBLISHED // 8 :][:1]
        self.cursors: dict[str, npt.NDArray[np.int64]] = {}
        for index in range(int(header[layout.CONSUMER_COUNT // 8])):
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
            name = segment.view[at + layout.CONSUMER_NAME :][: layout.CONSUMER_NAME_BYTES]
            self.cursors[bytes(name).rstrip(b"\0").decode()] = segment.words(at, 1)

    @classmethod
    def create(
        cls, name: str, capacity: int, dtype: np.dtype[Any], consumers: Sequence[str]
    ) -> "RingBuffer":
        """Make a ring of ``capacity`` records (a power of two) for the named consumers.

        Raises ``ValueError`` for a wrong geometry and :class:`SegmentError` when the name is taken
        or the memory is not there.
        """
        if capacity & (capacity - 1) or not 2 <= capacity <= MAX_CAPACITY:
            raise ValueError(f"ring {name}: capacity {capacity} is no power of two from 2 to 2**28")
        if dtype.itemsize != RECORD_BYTES:
            raise ValueError(f"ring {name}: records have {dtype.itemsize} bytes, not 64")
        if not 1 <= len(consumers) <= layout.MAX_CONSUMERS or len(set(consumers)) < len(consumers):
            raise ValueError(
                f"ring {name}: 1 to 16 consumers with different names, not {consumers}"
            )
        segment = Segment.create(name, layout.SLOTS + capacity * layout.SLOT_BYTES)
        header = segment.words(0, layout.SLOTS // 8)
        owner = ProcessIdentity.mine()
        header[layout.SLOT_BYTES_AT // 8] = layout.SLOT_BYTES
        header[layout.CAPACITY // 8] = capacity
        header[layout.OWNER_PID // 8] = owner.pid
        header[layout.OWNER_START // 8] = owner.start_ticks
        header[layout.CONSUMER_COUNT // 8] = len(consumers)
        for index, consumer in enumerate(consumers):
            text = consumer.encode()[: layout.CONSUMER_NAME_BYTES]
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES + layout.CONSUMER_NAME
            segment.view[at : at + len(text)] = np.frombuffer(text, np.uint8)
        header[layout.LAYOUT_HASH // 8] = np.uint64(LAYOUT_HASH).view(np.int64)
        # Last, so that nobody attaches to a half-made header.
        header[layout.MAGIC // 8] = RING_MAGIC
        return cls(segment, dtype)

    @classmethod
    def attach(cls, name: str, dtype: np.dtype[Any]) -> "RingBuffer":
        """Join a ring that another process made; refuses foreign memory, another layout and a
        geometry that does not fit the segment."""
        segment = Segment.attach(name)
        where = str(SHM / name)
        if segment.size_bytes < layout.SLOTS:
            raise SegmentError(f"{where} is too small for a ring: {segment.size_bytes} bytes")
        header = segment.words(0, layout.SLOTS // 8)
        if int(header[layout.MAGIC // 8]) != RING_MAGIC:
            raise SegmentError(f"{where} is no ring: wrong magic at byte 0")
        check_layout(int(header[layout.LAYOUT_HASH // 8].view(np.uint64)), where)
        capacity = int(header[layout.CAPACITY // 8])
        consumers = int(header[layout.CONSUMER_COUNT // 8])
        sound = (
            2 <= capacity <= MAX_CAPACITY
            and not capacity & (capacity - 1)
            and 1 <= consumers <= layout.MAX_CONSUMERS
            and int(header[layout.SLOT_BYTES_AT // 8]) == layout.SLOT_BYTES
            and segment.size_bytes == layout.SLOTS + capacity * layout.SLOT_BYTES
        )
        if not sound:
            raise SegmentError(f"{where}: the ring's header is damaged (capacity {capacity})")
        return cls(segment, dtype)

    @property
    def published(self) -> int:
        """The last sequence published."""
        return int(last_published(self.address, self.mask))

    @property
    def gating(self) -> int:
        """The slowest consumer's cursor."""
        return int(gating_cursor(self.address))

    def publish(self, records: npt.NDArray[Any], timeout_s: float | None = None) -> int:
        """Publish all records in order, under the ring's own ``seq``; waits for room.

        Returns the last sequence.  Raises :class:`RingClosed` if ``timeout_s`` pass without room.
        One producer only: the caller sees to that.
        """
        records = np.ascontiguousarray(records, self.dtype)
        next_seq = self.published + 1
        done, waited_since = 0, time.monotonic()
        while done < len(records):
            address = records.ctypes.data + done * RECORD_BYTES
            count = publish_burst(
                self.address, self.mask, next_seq + done, address, len(records) - done
            )
            if count:
                done += count
                waited_since = time.monotonic()
                continue
            if timeout_s is not None and time.monotonic() - waited_since > timeout_s:
                raise RingClosed(f"no room in {self.segment.name} for {timeout_s} s")
            time.sleep(0)
        return next_seq + done - 1

    def reader(self, name: str) -> "Reader":
        """The consumer of that name, at its own cursor."""
        return Reader(self, name)

    def views(self, first_seq: int, count: int) -> list[npt.NDArray[Any]]:
        """The slots of ``count`` sequences as one array, or two where the ring wraps; no copy."""
        start = first_seq & self.mask
        head = self.slots[start : start + count]
        return [head] if len(head) == count else [head, self.slots[: count - len(head)]]

    def unlink(self) -> None:
        self.segment.unlink()

    def __enter__(self) -> "RingBuffer":
        return self

    def __exit__(self, *_: object) -> None:
        self.unlink()


class Reader:
    """One consumer: ``poll`` shows what is there, ``release`` gives the slots back."""

    def __init__(self, ring: RingBuffer, name: str) -> None:
        if name not in ring.cursors:
            raise KeyError(f"{ring.segment.name} has no consumer {name!r}: {sorted(ring.cursors)}")
        self.ring = ring
        self.cursor = ring.cursors[name]

    def poll(self, limit: int = 1 << 16) -> npt.NDArray[Any]:
        """Published records after the cursor, contiguous in memory, no copy; maybe none.

        They stay valid until released.
        """
        ring = self.ring
        next_seq = int(self.cursor[0]) + 1
        count = published_count(ring.address, ring.mask, next_seq, min(limit, ring.capacity))
        return ring.views(next_seq, count)[0] if count else ring.slots[:0]

    def release(self, count: int) -> None:
        """Done with the next ``count`` records: the producer may overwrite them."""
        release(self.cursor.ctypes.data, int(self.cursor[0]) + count)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Batches as they come, released as the loop goes on; ends when nothing is there."""
        while len(batch := self.poll()):
            yield batch
            self.release(len(batch))
