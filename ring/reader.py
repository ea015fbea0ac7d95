"""Taking records out: a consumer at its own cursor, or a worker of a pool."""

import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import builtins, handles, kernels, layout
from openoutcry.ring.buffer import Buffer
from openoutcry.ring.handles import RingHandle
from openoutcry.ring.layout import RingConsumer, RingHeader
from openoutcry.ring.repair import unfinished_claims
from openoutcry.ring.sequence import Sequence
from openoutcry.ring.wait_strategy import WaitStrategy
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import RingError
from openoutcry.wire.layout import SharedWord

FOREVER_NS = 10**18
# A waiting kernel comes back this often, so that a signal handler gets its turn.
SLICE_NS = 50_000_000


class SequenceBarrier:
    """A barrier for the consumer, or the pool, whose entry is at ``entry``. It depends on the
    consumers in the bit set ``after``, or only on the producer if that is 0. The kernels that
    Python calls take all of this by its address, ``handle``."""

    def __init__(self, ring: Buffer, entry: int, after: int, strategy: WaitStrategy) -> None:
        self.words = np.zeros(handles.HANDLE_WORDS, np.int64)
        self.words[:6] = ring.address, ring.mask, ring.shift, entry, after, int(strategy)
        self.handle: int = self.words.ctypes.data

    def available(self, limit: int) -> int:
        """Return how many records may be read now, contiguous in memory; passes over tombstones."""
        return int(handles.poll_handle(RingHandle.of(self.handle), limit))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a reader has a record to read, until anything follows a pool's cursor, or
        until the ring is closed there; False if ``timeout_s`` are over first.  The GIL is free
        meanwhile."""
        left_ns = FOREVER_NS if timeout_s is None else int(timeout_s * 1e9)
        while True:
            slice_ns = min(left_ns, SLICE_NS)
            if handles.wait_handle(RingHandle.of(self.handle), slice_ns):
                return True
            left_ns -= slice_ns
            if left_ns <= 0:
                return False


DEFAULT_BATCH = 1 << 16
SINGLE_SLOTS_MAX = 4096


class Reader(Closing):
    """A consumer: ``poll`` shows what is there, ``release`` gives the slots back.

    Made by :meth:`RingBuffer.reader`.  ``for batch in reader`` waits for batches until the ring is
    closed and releases each when the loop comes back; ``async for`` does so in an event loop.
    """

    def __init__(self, ring: Buffer, index: int, strategy: WaitStrategy) -> None:
        if strategy.sleeps and not ring.blocking:
            raise RingError(f"{ring.name}: {strategy.name} needs a ring made with blocking=True")
        self.ring = ring
        self.entry = ring.take_consumer_entry(index, again=True)
        self.cursor = Sequence(self.entry)
        after = int(ring.words(self.entry + layout.CONSUMER_AFTER - ring.address)[0])
        self.barrier = SequenceBarrier(ring, self.entry, after, strategy)
        self._cursor_word = ring.words(self.entry - ring.address)
        self._handle = self.barrier.handle
        self._none = ring.slots[:0]
        self._singles: list[npt.NDArray[Any]] = []

    def poll(self, limit: int = DEFAULT_BATCH) -> npt.NDArray[Any]:
        """Records after the cursor, contiguous in memory, no copy; maybe none.

        They stay valid until released.
        """
        count = handles.poll_handle(RingHandle.of(self._handle), limit)
        if not count:
            return self._none
        start = int(self._cursor_word[0]) + 1 & self.ring.mask
        return self.ring.slots[start : start + count]

    def release(self, count: int) -> None:
        """Done with the next ``count`` records: the producer may overwrite them."""
        handles.release_handle(RingHandle.of(self._handle), count)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait, by the reader's strategy, until ``poll`` has a record or the ring is at its end;
        False on time-out.  Passes over tombstones, as ``poll`` does."""
        if self.ring.segment.map.damaged:
            self.ring.segment.check()
        return self.barrier.wait(timeout_s)

    @property
    def at_end(self) -> bool:
        """The ring is closed and all of it is read."""
        return self.ring.closed_at == self.cursor.get() + 1

    @property
    def skipped(self) -> int:
        """Tombstones passed over."""
        return int(self.ring.words(self.entry + layout.CONSUMER_SKIPPED - self.ring.address)[0])

    def drain(self, limit: int = DEFAULT_BATCH) -> Iterator[npt.NDArray[Any]]:
        """Batches that are available now; each is released when the loop asks for the next."""
        while len(batch := self.poll(limit)):
            yield batch
            self.release(len(batch))

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        slots, words, singles = self.ring.slots, self.barrier.words, self._single_slots()
        next_batch = builtins.next_batch(self._handle)
        # What an earlier loop was left with is not released but read again.
        words[handles.HANDLE_HELD // 8] = 0
        while True:
            at = next_batch()
            if at >= 0:
                yield singles[at] if singles else slots[at : at + 1]
            elif at < -1:
                start = int(words[handles.HANDLE_START // 8])
                yield slots[start : start - 1 - at]
            elif self.at_end:
                return
            else:
                self.wait()

    def _single_slots(self) -> list[npt.NDArray[Any]]:
        """A view of each slot by itself: to make one takes as long as to move the message.  On
        larger rings, where they would fill the caches, none."""
        if not self._singles and self.ring.capacity <= SINGLE_SLOTS_MAX:
            self._singles = [self.ring.slots[at : at + 1] for at in range(self.ring.capacity)]
        return self._singles

    async def __aiter__(self) -> AsyncIterator[npt.NDArray[Any]]:
        with Readiness(self) as ready:
            while True:
                for batch in self.drain():
                    yield batch
                if self.at_end:
                    return
                await ready.wait()

    def close(self) -> None:
        """Leave: another process may take the entry, at this cursor.  Until then it still gates."""
        self.ring.leave_consumer_entry(self.entry)


class Readiness:
    """An eventfd that becomes readable when its reader has something to poll: for event loops.

    A thread waits in a compiled kernel without the GIL; it is asked for one readiness at a time.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._armed = threading.Event()
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The descriptor, for ``select`` and asyncio."""
        return self.fd

    def arm(self) -> None:
        """Make the eventfd readable once, when there is something to poll."""
        self._armed.set()

    async def wait(self) -> None:
        """Give the event loop away until there is something to poll; raises what waiting does."""
        import asyncio

        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        loop.add_reader(self.fd, wake)
        try:
            self.arm()
            await done
            os.eventfd_read(self.fd)
        finally:
            loop.remove_reader(self.fd)
        if self._error:
            raise self._error

    def _watch(self) -> None:
        while True:
            self._armed.wait()
            self._armed.clear()
            try:
                while not self._stopping and not self.reader.wait(0.05):
                    continue
            except BaseException as error:
                # Raised here, it would end this thread and leave the event loop waiting without
                # end.
                self._error = error
            if self._stopping:
                return
            os.eventfd_write(self.fd, 1)

    def __enter__(self) -> "Readiness":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._armed.set()
        self._thread.join()
        os.close(self.fd)


class Worker(Closing):
    """One worker of a pool: each record goes to exactly one of the pool's workers.

    Call ``take`` to claim records and ``finish`` to mark them done.  When a worker is killed, its
    successor receives the records that it held.  So a record is seen twice only if its worker died
    before ``finish``, and then only by the successor.
    """

    def __init__(self, ring: Buffer, index: int, strategy: WaitStrategy) -> None:
        if strategy.sleeps and not ring.blocking:
            raise RingError(f"{ring.name}: {strategy.name} needs a ring made with blocking=True")
        self.ring, self.strategy = ring, strategy
        self.entry = ring.take_consumer_entry(index, again=False)
        entry = ring.words(self.entry - ring.address, layout.CONSUMER_BYTES // 8)
        pool = int(entry[layout.CONSUMER_POOL // 8])
        self._entry = entry
        self.pool = ring.address + layout.CONSUMERS + pool * layout.CONSUMER_BYTES
        self._after = int(entry[layout.CONSUMER_AFTER // 8])
        self.barrier = SequenceBarrier(ring, self.pool, self._after, strategy)
        number = int(ring.words(self.pool + layout.POOL_NUMBER - ring.address)[0])
        self._done = ring.done_marks_address(number)
        self._held = (0, 0)
        self._inherited = unfinished_claims(ring, self.entry, self.pool, self._done)
        if not self._inherited:
            kernels.release_worker(SharedWord.of(self.entry))
            # The predecessor's cursor may have kept a consumer of the pool's records asleep.
            kernels.wake_waiters(RingHeader.of(ring.address))

    def take(self, limit: int = 1) -> npt.NDArray[Any]:
        """Claim up to ``limit`` records, contiguous in memory; maybe none.  ``finish`` them before
        taking more."""
        ring = self.ring
        if self._held[1]:
            raise RingError(f"{ring.name}: finish() what was taken before taking more")
        if self._inherited:
            self._held = self._inherited.pop(0)
        else:
            count = kernels.claim_work(
                RingHeader.of(ring.address),
                ring.mask,
                ring.shift,
                SharedWord.of(self.pool),
                RingConsumer.of(self.entry),
                self._after,
                limit,
            )
            self._held = int(self._entry[layout.WORK_FIRST // 8]), int(count)
        first, count = self._held
        return ring.views(first, count)[0] if count else ring.slots[:0]

    def finish(self) -> None:
        """Finish the messages that were taken."""
        first, count = self._held
        kernels.mark_done(self._done, self.ring.mask, first, count)
        self._held = (0, 0)
        # With more to do again, the entry continues to gate for it, and names it for a successor.
        if not self._inherited:
            kernels.release_worker(SharedWord.of(self.entry))
        kernels.wake_waiters(RingHeader.of(self.ring.address))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for something to take or the end; False on time-out.  No promise: another worker
        may take it first, and ``take`` passes over tombstones."""
        self.ring.segment.check()
        return bool(self._inherited) or self.barrier.wait(timeout_s)

    @property
    def at_end(self) -> bool:
        """The ring is closed and the pool has taken all of it."""
        return not self._inherited and self.ring.closed_at == Sequence(self.pool).get() + 1

    def close(self) -> None:
        """Leave the pool; finish first."""
        self.ring.leave_consumer_entry(self.entry)
