"""Putting records in: one producer or several, and what happens when the ring is full."""

import os
import time
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import kernels, layout
from openoutcry.ring.errors import RingError, RingFull
from openoutcry.ring.repair import bury_unpublished

if TYPE_CHECKING:
    from openoutcry.ring.ring import RingBuffer


# How often this process was forked off another: a look at it tells a forked child's handle from its
# parent's for a fifth of what getpid(2) costs on each publication.
_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class WhenFull(Enum):
    """Back-pressure: what ``publish`` does when there is no room."""

    BLOCK = "block"
    """Wait for it."""
    DROP_NEWEST = "drop-newest"
    """Leave out what has no room, and count it."""
    FAIL = "fail"
    """Raise :class:`RingFull`; nothing of the call is published."""


class Claim:
    """Slots to write in place: ``views`` (one array, or two where the ring wraps), then
    :meth:`publish`."""

    def __init__(self, producer: "Producer", first_seq: int, count: int) -> None:
        self.producer, self.first_seq, self.count = producer, first_seq, count
        self.views = producer.ring.views(first_seq, count)

    def publish(self) -> int:
        """Publish all of them, once; returns the last sequence."""
        ring = self.producer.ring
        self.producer.check_open(self)
        kernels.stamp_range(ring.address, ring.mask, ring.shift, self.first_seq, self.count)
        self.producer.published(self.first_seq + self.count - 1)
        return self.first_seq + self.count - 1


class Producer:
    """A producer of a ring: made by :meth:`RingBuffer.producer`, given back by :meth:`close` or
    the end of a ``with`` block.

    On a ring of several producers it stands in an entry of its own, so that its claim can be told
    from others' and repaired after its death.  One thread uses it; a forked child makes its own.
    """

    def __init__(self, ring: "RingBuffer", when_full: WhenFull) -> None:
        self.ring, self.when_full = ring, when_full
        self.entry = ring.take_producer_entry()
        self.dropped = 0
        self._pid = os.getpid()
        self._forks = _forks
        self._open: Claim | None = None
        self._handle_words = np.zeros(kernels.HANDLE_WORDS, np.int64)
        self._handle_words[:4] = ring.address, ring.mask, ring.shift, self.entry
        self._handle: int = self._handle_words.ctypes.data
        self._set_next(0 if ring.multi_producer else ring.published + 1)
        # The address of an array costs a microsecond to ask for; who publishes from one buffer
        # again and again pays once.
        self._last: npt.NDArray[Any] | None = None
        self._last_address = 0

    def publish(self, records: npt.NDArray[Any], timeout_s: float | None = None) -> int:
        """Publish the records in order, under the ring's own sequences; returns how many.

        ``records``: one dimension, of the ring's dtype; anything else is a ``TypeError``.  Raises
        :class:`RingFull` when ``when_full`` says so or ``timeout_s`` pass without room.
        """
        if records is not self._last:
            self._last = records = self._checked(records)
            self._last_address = records.ctypes.data
        total = len(records)
        all_or_none = self.when_full is WhenFull.FAIL
        done = self._publish_some(self._last_address, total, total if all_or_none else 1)
        if done == total:
            return done
        if all_or_none:
            raise RingFull(f"no room for {total} records in {self.ring.name}")
        return self._publish_rest(done, total, timeout_s)

    def _publish_rest(self, done: int, total: int, timeout_s: float | None) -> int:
        """There was no room for all of them."""
        since = time.monotonic()
        while done < total:
            at = self._last_address + (done << self.ring.shift)
            count = self._publish_some(at, total - done, 1)
            done += count
            if count:
                since = time.monotonic()
            elif self.when_full is WhenFull.DROP_NEWEST:
                self._drop(total - done)
                break
            elif timeout_s is not None and time.monotonic() - since > timeout_s:
                raise RingFull(f"no room in {self.ring.name} for {timeout_s} s")
            else:
                self.ring.segment.check()
                time.sleep(0)
        return done

    def try_claim(self, count: int) -> Claim | None:
        """Claim ``count`` slots to write in place; None at once when there is no room.

        Publish one claim before making the next.
        """
        ring = self.ring
        self._check_owner()
        if not 1 <= count <= ring.capacity:
            raise ValueError(f"{ring.name}: a claim holds 1 to {ring.capacity} slots, not {count}")
        if ring.multi_producer:
            first = int(kernels.claim(ring.address, ring.mask, self.entry, count))
        else:
            enough = kernels.room(ring.address, ring.mask, self._next - 1) >= count
            first = self._next if enough else 0
            if enough:
                # For those who look on (listing.tail): these slots are being written.
                self.ring.words(self.entry + layout.CLAIM_LAST - ring.address)[0] = (
                    first + count - 1
                )
        if not first:
            return None
        self._open = Claim(self, first, count)
        return self._open

    def claim(self, count: int, timeout_s: float | None = None) -> Claim:
        """:meth:`try_claim`, waiting for room; raises :class:`RingFull` after ``timeout_s``."""
        since = time.monotonic()
        while (made := self.try_claim(count)) is None:
            if timeout_s is not None and time.monotonic() - since > timeout_s:
                raise RingFull(f"no room for {count} slots in {self.ring.name} for {timeout_s} s")
            self.ring.segment.check()
            time.sleep(0)
        return made

    def room(self) -> int:
        """How many records there is room for now; another producer may take it first."""
        ring = self.ring
        last = ring.claimed if ring.multi_producer else self._next - 1
        return int(kernels.room(ring.address, ring.mask, last))

    def check_open(self, claim: Claim) -> None:
        """Raise :class:`RingError` if this is not the claim to publish: others may have its slots
        by now."""
        if self._open is not claim:
            raise RingError(f"{self.ring.name}: this claim was published already, or given up")

    def published(self, last_seq: int) -> None:
        """The claim is published, and the next may be made."""
        self._open = None
        if not self.ring.multi_producer:
            self._set_next(last_seq + 1)
            self.ring.published_hint[0] = last_seq

    def close(self) -> None:
        """Give the entry back; harmless when repeated.

        What was claimed and not published (an exception came between) is buried: nobody could
        publish it any more, and consumers would wait for it for ever.
        """
        if self.entry and self._pid == os.getpid():
            ring, words = self.ring, self.ring.words(self.entry - self.ring.address, 4)
            if ring.multi_producer and words[layout.CLAIM_LAST // 8]:
                first, last = (
                    int(words[at // 8]) for at in (layout.CLAIM_FIRST, layout.CLAIM_LAST)
                )
                bury_unpublished(ring, range(first, last + 1))
                kernels.wake_waiters(ring.address)
            start = int(words[layout.PRODUCER_START // 8])
            kernels.free_entry(self.entry + layout.PRODUCER_PID, self._pid, start)
        self.entry, self._open = 0, None

    def _checked(self, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The records, contiguous; numpy would turn any type into any other without a word."""
        if not isinstance(records, np.ndarray) or records.ndim != 1:
            raise TypeError(f"{self.ring.name}: publish takes an array of one dimension")
        if records.dtype != self.ring.dtype:
            raise TypeError(f"{self.ring.name} holds {self.ring.dtype}, not {records.dtype}")
        return np.ascontiguousarray(records)

    def _publish_some(self, data: int, wanted: int, least: int) -> int:
        """Publish as many of the records at address ``data`` as there is room for now; none if
        that is fewer than ``least``."""
        self._check_owner()
        if self.ring.multi_producer:
            return int(kernels.publish_shared_handle(self._handle, data, least, wanted))
        if least > 1 and self.room() < least:
            return 0
        return int(kernels.publish_handle(self._handle, data, wanted))

    @property
    def _next(self) -> int:
        """The next sequence of a single producer."""
        return int(self._handle_words[kernels.HANDLE_NEXT // 8])

    def _set_next(self, seq: int) -> None:
        self._handle_words[kernels.HANDLE_NEXT // 8] = seq

    def _drop(self, count: int) -> None:
        self.dropped += count
        kernels.add_shared(self.ring.address + layout.DROPPED, count)

    def _check_owner(self) -> None:
        if not self.entry or self._forks != _forks:
            raise RingError(f"{self.ring.name}: this producer is closed, or another process's")
        if self._open is not None:
            raise RingError(f"{self.ring.name}: publish the claim that was made before")

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
