"""The kernels of ring/kernels.py as Python's ring objects call them: by one address instead of many
arguments, which cost 20 ns each to hand over."""

from openoutcry.ring import kernels, layout
from openoutcry.ring.layout import RingConsumer, RingHeader, RingProducer
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import monotonic_ns, pause

HANDLE_WORDS = 11


class RingHandle(Layout, size_bytes=88):
    """Words of a ring's state, whose address Python's ring objects pass to kernels."""

    ring: RingHeader = i64("address of the ring", of=RingHeader)
    mask: int = i64("its slots, less one")
    shift: int = i64("logarithm of its slot size")
    entry: int = i64("address of the entry of the consumer or producer")
    after: int = i64("bit set of the consumers that the consumer depends on")
    strategy: int = i64("how it waits")
    next: int = i64("a producer's next sequence")


class ProducerHandle(RingHandle):
    """A producer's."""

    data: int = i64("address of the records")
    count: int = i64("how many they are")
    least: int = i64("the fewest that it publishes")
    allowed: int = i64("of a single one: last sequence there was room for when it looked")


class ReaderHandle(RingHandle):
    """A reader's."""

    held: int = i64("records of the last batch that it still holds")
    start: int = i64("the batch's first slot")


HANDLE_NEXT = RingHandle.offset("next")
HANDLE_DATA = ProducerHandle.offset("data")
HANDLE_HELD = ReaderHandle.offset("held")
HANDLE_START = ReaderHandle.offset("start")
BATCH_MAX = 4096
"""Records a batch of :func:`next_batch`, which keeps Python's other threads out meanwhile."""
SHORT_SPINS = 100
"""About 2 us, for the same reason."""


@kernel
def poll_handle(handle: RingHandle, limit: int) -> int:
    """:func:`kernels.available` for a reader's handle."""
    return kernels.available(
        handle.ring,
        handle.mask,
        handle.shift,
        RingConsumer(handle.entry),
        handle.after,
        limit,
    )


@kernel
def release_handle(handle: RingHandle, count: int) -> None:
    """Done with the next ``count`` records of a reader's handle."""
    if count == 0:
        # Another thread may pass over tombstones right now; storing the cursor that was read would
        # undo that.  While a record is held, no other thread can move the cursor.
        return
    entry = RingConsumer(handle.entry)
    kernels.release(entry, entry.own_value + count)
    kernels.wake_waiters(handle.ring)


@kernel
def wait_handle(handle: RingHandle, timeout_ns: int) -> bool:
    """:func:`kernels.wait_readable` for a reader's handle, :func:`kernels.wait_ready` for a
    pool's; stamps its heartbeat."""
    ring = handle.ring
    mask = handle.mask
    shift = handle.shift
    entry = RingConsumer(handle.entry)
    after = handle.after
    strategy = handle.strategy
    entry.heartbeat_ns = monotonic_ns()
    if entry.kind == layout.READER:
        return kernels.wait_readable(ring, mask, shift, entry, after, strategy, timeout_ns)
    return kernels.wait_ready(ring, mask, shift, entry, after, strategy, timeout_ns)


@kernel
def next_batch(handle: ReaderHandle) -> int:
    """Release the batch that a reader's handle holds and take the next, waiting a moment for it.

    Returns its slot if it is one record, -1 when nothing came, and -1 - n for n records from the
    slot HANDLE_START on.
    """
    held = handle.held
    if held > 0:
        release_handle(handle, held)
    entry = RingConsumer(handle.entry)
    count = poll_handle(handle, BATCH_MAX)
    if count == 0:
        entry.heartbeat_ns = monotonic_ns()
        spins = 0
        while count == 0 and spins < SHORT_SPINS:
            if handle.strategy != kernels.BUSY_SPIN:
                pause()
            count = poll_handle(handle, BATCH_MAX)
            spins += 1
    handle.held = count
    start = (entry.own_value + 1) & handle.mask
    handle.start = start
    return start if count == 1 else -1 - count


@kernel
def publish_again(handle: ProducerHandle) -> int:
    """Publish the records that a producer's handle names, up to the free slots; publish none if
    fewer than its minimum would fit.  Returns -1 when the ring is closed.  Stamps the producer's
    heartbeat."""
    ring = handle.ring
    mask = handle.mask
    shift = handle.shift
    entry = RingProducer(handle.entry)
    data = handle.data
    count = handle.count
    least = handle.least
    if ring.closed_at != 0:
        return -1
    if ring.flags & layout.MULTI_PRODUCER:
        count = kernels.publish_shared(ring, mask, shift, entry, data, least, count)
        entry.heartbeat_ns = monotonic_ns()
        return count
    next_seq = handle.next
    allowed = handle.allowed
    if next_seq + count - 1 > allowed:
        # Only now: a look at a cursor takes its line away from the consumer's core.
        allowed = next_seq - 1 + kernels.free_slots(ring, mask, next_seq - 1)
        handle.allowed = allowed
    count = min(count, allowed - next_seq + 1)
    if count < least:
        return 0
    kernels.publish_allowed(ring, mask, shift, next_seq, data, count)
    handle.next = next_seq + count
    # Last, because the clock takes a third of what the rest does.
    entry.heartbeat_ns = monotonic_ns()
    return count
