"""The kernels of ring/kernels.py as Python's ring objects call them: by one address instead of many
arguments, which cost 20 ns each to hand over."""

from openoutcry.ring import kernels, layout
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_acquire, load_i64, monotonic_ns, pause, store_i64

# What Python's ring objects hand over is one address, of these words.
HANDLE_WORDS = 11
(
    HANDLE_RING,
    HANDLE_MASK,
    HANDLE_SHIFT,
    HANDLE_ENTRY,
    HANDLE_AFTER,
    HANDLE_STRATEGY,
    HANDLE_NEXT,
) = range(0, 56, 8)
# A producer's: where the records are, how many, and the fewest that it publishes.  A single one's:
# the last sequence there was room for when it looked.
HANDLE_DATA, HANDLE_COUNT, HANDLE_LEAST, HANDLE_ALLOWED = 56, 64, 72, 80
# A reader's: how many records of the last batch it still holds, and the batch's first slot.
HANDLE_HELD, HANDLE_START = 56, 64
BATCH_MAX = 4096
"""Records a batch of :func:`next_batch`, which keeps Python's other threads out meanwhile."""
SHORT_SPINS = 100
"""About 2 us, for the same reason."""


@kernel
def poll_handle(handle: int, limit: int) -> int:
    """:func:`kernels.available` for a reader's handle."""
    return kernels.available(
        load_i64(handle + HANDLE_RING),
        load_i64(handle + HANDLE_MASK),
        load_i64(handle + HANDLE_SHIFT),
        load_i64(handle + HANDLE_ENTRY),
        load_i64(handle + HANDLE_AFTER),
        limit,
    )


@kernel
def release_handle(handle: int, count: int) -> None:
    """Done with the next ``count`` records of a reader's handle."""
    if count == 0:
        # Another thread may pass over tombstones right now: writing the cursor that was read would
        # put it back.  With a record held, nobody else can move it.
        return
    entry = load_i64(handle + HANDLE_ENTRY)
    kernels.release(entry, load_i64(entry) + count)
    kernels.wake_waiters(load_i64(handle + HANDLE_RING))


@kernel
def wait_handle(handle: int, timeout_ns: int) -> bool:
    """:func:`kernels.wait_readable` for a reader's handle, :func:`kernels.wait_ready` for a
    pool's; stamps its heartbeat."""
    ring = load_i64(handle + HANDLE_RING)
    mask = load_i64(handle + HANDLE_MASK)
    shift = load_i64(handle + HANDLE_SHIFT)
    entry = load_i64(handle + HANDLE_ENTRY)
    after = load_i64(handle + HANDLE_AFTER)
    strategy = load_i64(handle + HANDLE_STRATEGY)
    store_i64(entry + layout.CONSUMER_HEARTBEAT_NS, monotonic_ns())
    if load_i64(entry + layout.CONSUMER_KIND) == layout.READER:
        return kernels.wait_readable(ring, mask, shift, entry, after, strategy, timeout_ns)
    return kernels.wait_ready(ring, mask, shift, entry, after, strategy, timeout_ns)


@kernel
def next_batch(handle: int) -> int:
    """Release the batch that a reader's handle holds and take the next, waiting a moment for it.

    Returns its slot if it is one record, -1 when nothing came, and -1 - n for n records from the
    slot HANDLE_START on.
    """
    held = load_i64(handle + HANDLE_HELD)
    if held > 0:
        release_handle(handle, held)
    entry = load_i64(handle + HANDLE_ENTRY)
    count = poll_handle(handle, BATCH_MAX)
    if count == 0:
        store_i64(entry + layout.CONSUMER_HEARTBEAT_NS, monotonic_ns())
        spins = 0
        while count == 0 and spins < SHORT_SPINS:
            if load_i64(handle + HANDLE_STRATEGY) != kernels.BUSY_SPIN:
                pause()
            count = poll_handle(handle, BATCH_MAX)
            spins += 1
    store_i64(handle + HANDLE_HELD, count)
    start = (load_i64(entry) + 1) & load_i64(handle + HANDLE_MASK)
    store_i64(handle + HANDLE_START, start)
    return start if count == 1 else -1 - count


@kernel
def publish_again(handle: int) -> int:
    """Publish the records that a producer's handle names: as many as there is room for now, or none
    if that is fewer than its least; -1 when the ring is closed.  Stamps its heartbeat."""
    ring = load_i64(handle + HANDLE_RING)
    mask = load_i64(handle + HANDLE_MASK)
    shift = load_i64(handle + HANDLE_SHIFT)
    entry = load_i64(handle + HANDLE_ENTRY)
    data = load_i64(handle + HANDLE_DATA)
    count = load_i64(handle + HANDLE_COUNT)
    least = load_i64(handle + HANDLE_LEAST)
    if load_acquire(ring + layout.CLOSED_AT) != 0:
        return -1
    if load_i64(ring + layout.FLAGS) & layout.MULTI_PRODUCER:
        count = kernels.publish_shared(ring, mask, shift, entry, data, least, count)
        store_i64(entry + layout.PRODUCER_HEARTBEAT_NS, monotonic_ns())
        return count
    next_seq = load_i64(handle + HANDLE_NEXT)
    allowed = load_i64(handle + HANDLE_ALLOWED)
    if next_seq + count - 1 > allowed:
        # Only now: a look at a cursor takes its line away from the consumer's core.
        allowed = next_seq - 1 + kernels.free_slots(ring, mask, next_seq - 1)
        store_i64(handle + HANDLE_ALLOWED, allowed)
    count = min(count, allowed - next_seq + 1)
    if count < least:
        return 0
    kernels.publish_allowed(ring, mask, shift, next_seq, data, count)
    store_i64(handle + HANDLE_NEXT, next_seq + count)
    # Last, because the clock takes a third of what the rest does.
    store_i64(entry + layout.PRODUCER_HEARTBEAT_NS, monotonic_ns())
    return count
