"""Putting records in: one producer or several, and what happens when the ring is full."""

import os
import time
import weakref
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import builtins, handles, kernels, layout
from openoutcry.ring.buffer import Buffer
from openoutcry.ring.handles import ProducerHandle
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.layout import RingHeader, RingProducer
from openoutcry.ring.repair import bury_unpublished, repair
from openoutcry.ring.sequence import Sequence
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import RingError, RingFull

_producers: "weakref.WeakSet[Producer]" = weakref.WeakSet()


def _disown_after_fork() -> None:
    """Disown the parent's producers in the child after a fork: they must not publish."""
    for producer in list(_producers):
        producer.forget()


os.register_at_fork(after_in_child=_disown_after_fork)

GIL_RECORDS_MAX = 64
"""Up to this many records are copied without releasing the GIL; releasing it takes as long."""


class WhenFull(Enum):
    """Back-pressure: what ``publish`` does when there is no room."""

    BLOCK = "block"
    """Wait for it."""
    DROP_NEWEST = "drop-newest"
    """Leave out what has no room, and count it."""
    FAIL = "fail"
    """Raise :class:`RingFull`; nothing of the call is published."""


def closed(ring: Buffer) -> RingError:
    """The error of a publication to a ring that was closed."""
    return RingError(f"{ring.name} was closed: nothing more can be published")


class Claim:
    """Slots to write in place: ``views`` (one array, or two where the ring wraps), then
    :meth:`publish`.

    Write the fields, not whole records.  The last field is the stamp: if a copied record holds its
    new sequence as a stamp, the copy itself publishes the record, perhaps half-written.
    """

    def __init__(self, producer: "Producer", first_seq: int, count: int) -> None:
        self.producer, self.first_seq, self.count = producer, first_seq, count
        self.views = producer.ring.views(first_seq, count)

    def publish(self) -> int:
        """Publish all of them, once; returns the last sequence.

        Raises :class:`RingError` if the ring was closed before them.
        """
        ring, last_seq = self.producer.ring, self.first_seq + self.count - 1
        self.producer.check_open(self)
        if ring.closed_at and last_seq >= ring.closed_at:
            raise closed(ring)
        kernels.stamp_range(
            RingHeader.of(ring.address), ring.mask, ring.shift, self.first_seq, self.count
        )
        self.producer.published(last_seq)
        return last_seq


class Producer(Closing):
    """A producer of a ring: made by :meth:`RingBuffer.producer`, given back by :meth:`close` or
    the end of a ``with`` block.

    On a ring of several producers it has a separate entry, so that its claim can be recognised and
    repaired after its death.  One thread uses it; a forked child makes its own.
    """

    def __init__(self, ring: Buffer, when_full: WhenFull) -> None:
        self.ring, self.when_full = ring, when_full
        self.entry = take_entry(ring)
        self.dropped = 0
        self._pid = os.getpid()
        self._open: Claim | None = None
        self._handle_words = np.zeros(handles.HANDLE_WORDS, np.int64)
        self._handle_words[:4] = ring.address, ring.mask, ring.shift, self.entry
        self._handle: int = self._handle_words.ctypes.data
        self._set_next(0 if ring.multi_producer else ring.published + 1)
        # Everything about an array is looked up once: a caller that publishes from one buffer
        # repeatedly pays for a comparison and one compiled call.  None: look again, at everything.
        self._named: npt.NDArray[Any] | None = None
        self._count = 0
        self._publish_few = builtins.publish_again(self._handle)
        self._publish_many = partial(handles.publish_again, ProducerHandle.of(self._handle))
        self._publish_named = self._publish_few
        _producers.add(self)

    def publish(self, records: npt.NDArray[Any], timeout_s: float | None = None) -> int:
        """Publish the records in order, under the ring's own sequences; returns how many.

        ``records``: one dimension, of the ring's dtype; anything else is a ``TypeError``.  Raises
        :class:`RingFull` when ``when_full`` says so or ``timeout_s`` pass without room, and
        :class:`RingError` after the ring was closed.
        """
        if records is not self._named:
            self._name(records)
        done = self._publish_named()
        if done == self._count:
            return done
        return self._publish_rest(done, timeout_s)

    def _name(self, records: npt.NDArray[Any]) -> None:
        """Let the handle name the records."""
        self._check_owner()
        self._named = self._checked(records)
        self._count = len(self._named)
        self._publish_named = (
            self._publish_few if self._count <= GIL_RECORDS_MAX else self._publish_many
        )
        least = self._count if self.when_full is WhenFull.FAIL else 1
        at = handles.HANDLE_DATA // 8
        self._handle_words[at : at + 3] = self._named.ctypes.data, self._count, least

    def forget(self) -> None:
        """The next publication checks everything again: who publishes, and what."""
        self._named = None

    def _publish_rest(self, done: int, timeout_s: float | None) -> int:
        """There was no room for all of them."""
        records, total, since = self._named, self._count, time.monotonic()
        if done == 0 and self.when_full is WhenFull.FAIL:
            raise RingFull(f"no room for {total} records in {self.ring.name}")
        self.forget()
        if done < 0:
            raise closed(self.ring)
        assert records is not None
        address, where = records.ctypes.data, handles.HANDLE_DATA // 8
        while done < total:
            rest = address + (done << self.ring.shift), total - done
            self._handle_words[where : where + 2] = rest
            count = int(self._publish_many())
            if count < 0:
                raise closed(self.ring)
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
        if ring.closed_at:
            raise closed(ring)
        if ring.multi_producer:
            first = int(
                kernels.claim(
                    RingHeader.of(ring.address), ring.mask, RingProducer.of(self.entry), count
                )
            )
        else:
            enough = (
                kernels.free_slots(RingHeader.of(ring.address), ring.mask, self._next - 1) >= count
            )
            first = self._next if enough else 0
            if enough:
                # For those who look on (listing.tail): these slots are being written.
                self.ring.words(self.entry + layout.CLAIM_LAST - ring.address)[0] = (
                    first + count - 1
                )
        if not first:
            return None
        self._open = Claim(self, first, count)
        self.forget()
        return self._open

    def claim(self, count: int, timeout_s: float | None = None) -> Claim:
        """:meth:`try_claim`, waiting for room; raises :class:`RingFull` after ``timeout_s``."""
        since = time.monotonic()
        while (claimed := self.try_claim(count)) is None:
            if timeout_s is not None and time.monotonic() - since > timeout_s:
                raise RingFull(f"no room for {count} slots in {self.ring.name} for {timeout_s} s")
            self.ring.segment.check()
            time.sleep(0)
        return claimed

    def free_slots(self) -> int:
        """Return how many records there is room for now; another producer may take it first."""
        ring = self.ring
        last = ring.claimed if ring.multi_producer else self._next - 1
        return int(kernels.free_slots(RingHeader.of(ring.address), ring.mask, last))

    def check_open(self, claim: Claim) -> None:
        """Raise :class:`RingError` if this is not the claim to publish: others may have its slots
        by now."""
        if self._open is not claim:
            raise RingError(f"{self.ring.name}: this claim was already published or given up")

    def published(self, last_seq: int) -> None:
        """The claim is published, and the next may be made."""
        self._open = None
        if not self.ring.multi_producer:
            self._set_next(last_seq + 1)
            self.ring.published_hint[0] = last_seq

    def close(self) -> None:
        """Give the entry back; harmless when repeated.

        Claimed records that an exception left unpublished are buried: no process could publish them
        any more, and consumers would wait for them without end.
        """
        if self.entry and self._pid == os.getpid():
            ring, words = self.ring, self.ring.words(self.entry - self.ring.address, 4)
            if ring.multi_producer and words[layout.CLAIM_LAST // 8]:
                first, last = (
                    int(words[at // 8]) for at in (layout.CLAIM_FIRST, layout.CLAIM_LAST)
                )
                bury_unpublished(ring, range(first, last + 1))
                kernels.wake_waiters(RingHeader.of(ring.address))
            holder = Sequence(self.entry + layout.PRODUCER_HOLDER)
            holder.compare_and_set(ProcessIdentity.mine().word, 0)
        self.entry, self._open = 0, None
        self.forget()

    def _checked(self, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The records, contiguous; numpy would turn any type into any other without a word."""
        if not isinstance(records, np.ndarray) or records.ndim != 1:
            raise TypeError(f"{self.ring.name}: publish takes an array of one dimension")
        if records.dtype != self.ring.dtype:
            raise TypeError(f"{self.ring.name} holds {self.ring.dtype}, not {records.dtype}")
        return np.ascontiguousarray(records)

    @property
    def _next(self) -> int:
        """The next sequence of a single producer."""
        return int(self._handle_words[handles.HANDLE_NEXT // 8])

    def _set_next(self, seq: int) -> None:
        self._handle_words[handles.HANDLE_NEXT // 8] = seq

    def _drop(self, count: int) -> None:
        self.dropped += count
        kernels.add_shared(self.ring.address + layout.DROPPED, count)

    def _check_owner(self) -> None:
        if not self.entry or self._pid != os.getpid():
            raise RingError(f"{self.ring.name}: this producer is closed, or another process's")
        if self._open is not None:
            raise RingError(f"{self.ring.name}: publish the claim that was made before")


def take_entry(ring: Buffer) -> int:
    """Address of an entry that is ours now; dead holders' entries are repaired first."""
    me = ProcessIdentity.mine()
    for attempt in range(2):
        for index in range(layout.MAX_PRODUCERS):
            at = layout.PRODUCERS + index * layout.PRODUCER_BYTES
            holder = Sequence(ring.address + at + layout.PRODUCER_HOLDER)
            if holder.compare_and_set(0, me.word):
                # The holder before may have written a claim down that it never made.
                ring.words(at + layout.CLAIM_LAST)[0] = 0
                return ring.address + at
        if attempt == 0:
            repair(ring)
    raise RingError(f"{ring.name} already has {layout.MAX_PRODUCERS} producers")
