"""The ring's protocol, compiled: claim, publish, poll, release, wait, repair.

Every kernel takes the address of the ring's first byte (``ring``), its capacity minus one
(``mask``) and the logarithm of its slot size (``shift``).  Those without ``shift`` are for 64-byte
slots.  The picture, the allowed interleavings and the reason for each atomic's ordering are in
docs/ring.md; tests/ring/model explores all interleavings.
"""

from openoutcry.ring import layout
from openoutcry.ring.layout import RingConsumer, RingHeader, RingProducer
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import SharedWord
from openoutcry.wire.memory import (
    compare_exchange,
    copy56,
    copy64,
    fetch_add,
    full_fence,
    futex_wait,
    futex_wake,
    monotonic_ns,
    pause,
    yield_cpu,
)
from openoutcry.wire.record_blocks import EventRecord, Slot

# One fixed length of spinning for every strategy that spins before it does something slower:
# about 20 us of pauses, several times what a publication takes to cross cores.
SPINS = 1_000
BUSY_SPIN, PAUSE, YIELD, BLOCK, ADAPTIVE = range(5)
# A sleeper looks again this often, so that a wake lost with a killed publisher is made up for.
NAP_NS = 10_000_000


# Slots


@kernel
def slot_at(ring: int, mask: int, shift: int, seq: int) -> EventRecord:
    """Address of the slot of ``seq`` in the ring at ``ring``.

    ``mask``: its slots less one; a slot has ``1 << shift`` bytes.
    """
    return EventRecord(ring + layout.SLOTS + ((seq & mask) << shift))


@kernel
def stamp_at(ring: int, mask: int, shift: int, seq: int) -> SharedWord:
    """Address of the slot's stamp: its last eight bytes."""
    return SharedWord(ring + layout.SLOTS + ((seq & mask) << shift) + (1 << shift) - 8)


@kernel
def slot_address(ring: int, mask: int, seq: int) -> EventRecord:
    """:func:`slot_at` for slots of 64 bytes."""
    return slot_at(ring, mask, layout.SLOT_SHIFT, seq)


@kernel
def is_published(ring: int, mask: int, seq: int) -> bool:
    """Acquire pairs with the publishing release: a true answer makes the whole record visible."""
    return slot_address(ring, mask, seq).stamp == seq


@kernel
def publish(ring: int, mask: int, seq: int, record: int) -> None:
    """Copy the record into its slot, then publish it.  The slot must have been claimed."""
    slot = slot_address(ring, mask, seq)
    if VERIFY:
        assert slot.seq < seq
    copy56(slot, record)
    slot.stamp = seq


@kernel
def publish_sized(ring: int, mask: int, shift: int, seq: int, record: int) -> None:
    """:func:`publish` for slots of ``1 << shift`` bytes: all lines, the last without its stamp.
    ``ring`` and ``record``: addresses of the ring and of the record."""
    slot = slot_at(ring, mask, shift, seq)
    last = (1 << shift) - layout.SLOT_BYTES
    if VERIFY:
        assert Slot(slot + last).seq < seq
    for offset in range(0, last, layout.SLOT_BYTES):
        copy64(slot + offset, record + offset)
    copy56(slot + last, record + last)
    Slot(slot + last).stamp = seq


@kernel
def published_count(ring: int, mask: int, next_seq: int, limit: int) -> int:
    """Return how many records from ``next_seq`` on are published without a gap, at most
    ``limit``."""
    return run_length(ring, mask, layout.SLOT_SHIFT, next_seq, limit)


@kernel
def sleep_until_published(ring: int, mask: int, next_seq: int, asleep: int, us: int) -> int:
    """Sleep until ``next_seq`` is published, for ``us`` at most; 1 if it is.  ``asleep``: address
    of the word that is 1 meanwhile, with which the producer wakes (:func:`wake_reader`)."""
    word = SharedWord(asleep)
    word.value = 1
    full_fence()
    if published_count(ring, mask, next_seq, 1) == 0:
        futex_wait(asleep, 1, us * 1_000)
    word.value = 0
    return published_count(ring, mask, next_seq, 1)


@kernel
def wake_reader(asleep: int) -> None:
    """Wake a reader that sleeps on the word until something is published, as it just was."""
    full_fence()
    if SharedWord(asleep).value != 0:
        SharedWord(asleep).value = 0
        futex_wake(asleep)


@kernel
def is_resolved(ring: int, mask: int, shift: int, seq: int) -> bool:
    """The sequence was published or buried, maybe laps ago."""
    return abs(SharedWord(stamp_at(ring, mask, shift, seq)).value) >= seq


@kernel
def run_length(ring: int, mask: int, shift: int, next_seq: int, limit: int) -> int:
    """:func:`published_count` for any slot size; a tombstone ends the run."""
    count = 0
    while count < limit:
        seq = next_seq + count
        if SharedWord(stamp_at(ring, mask, shift, seq)).value != seq:
            break
        count += 1
    return count


# Cursors


@kernel
def consumer_at(ring: RingHeader, index: int) -> RingConsumer:
    """The entry of the consumer with that index, from 0."""
    return RingConsumer(ring.consumers + index * layout.CONSUMER_BYTES)


@kernel
def gating_cursor(ring: RingHeader) -> int:
    """The slowest consumer's cursor: what the producer must not overtake by a whole ring.

    Reads in order of index, a pool's cursor before those of its workers.  So a worker that sets its
    own cursor and then moves the pool's is never missed.
    """
    lowest = consumer_at(ring, 0).value
    for index in range(1, ring.consumer_count):
        lowest = min(lowest, consumer_at(ring, index).value)
    return lowest


@kernel
def gate(ring: RingHeader) -> int:
    """:func:`gating_cursor` for a producer about to claim or overwrite.

    A detached reader may be coming back: either its cursor shows in the second look, or it sees
    what this producer published, or claimed, before.
    """
    lowest = gating_cursor(ring)
    if ring.detached != 0:
        full_fence()
        lowest = gating_cursor(ring)
    return lowest


@kernel
def barrier(ring: RingHeader, after: int) -> int:
    """The last sequence that every consumer of the bit set ``after`` is done with; FREE if none of
    them holds anything back."""
    lowest = layout.FREE
    for index in range(ring.consumer_count):
        if after >> index & 1:
            lowest = min(lowest, consumer_at(ring, index).value)
    return lowest


@kernel
def release(cursor: SharedWord, seq: int) -> None:
    """Done with everything up to ``seq``: reads before this stay before it."""
    if VERIFY:
        assert cursor.own_value <= seq
    cursor.value = seq


@kernel
def available(
    ring: RingHeader, mask: int, shift: int, consumer: RingConsumer, after: int, limit: int
) -> int:
    """Return how many records the consumer (address of its entry) may read, contiguous in memory
    and without a tombstone, at most ``limit``.

    Tombstones right after its cursor are passed over and counted; so is, uncounted, what was
    claimed before the consumer came back, as soon as it is published or buried.  By
    compare-and-swap: one thread of a process may wait while another polls.
    """
    begin = consumer.own_value
    last = min(barrier(ring, after), begin + mask + 1)
    cursor = begin
    while cursor < last:
        stamp = SharedWord(stamp_at(ring, mask, shift, cursor + 1)).value
        buried = stamp == -(cursor + 1)
        if not buried and (cursor >= consumer.joined or abs(stamp) <= cursor):
            break
        if compare_exchange(consumer, cursor, cursor + 1) != 1:
            return 0
        if buried:
            fetch_add(consumer + layout.CONSUMER_SKIPPED, 1)
        cursor += 1
    if cursor > begin:
        wake_waiters(ring)
    if cursor < consumer.joined:
        return 0
    limit = min(limit, last - cursor)
    # Contiguous: the sequence after next that starts again at slot 0 ends the run.
    limit = min(limit, mask + 1 - ((cursor + 1) & mask))
    if VERIFY:
        assert cursor >= begin
        assert limit <= mask + 1
    return run_length(ring, mask, shift, cursor + 1, limit)


# One producer


@kernel
def last_published_sized(ring: RingHeader, mask: int, shift: int) -> int:
    """The last sequence that a single producer published, found from the slots themselves: what a
    new producer resumes from after the old one was killed at any point."""
    seq = ring.published
    lowest = gating_cursor(ring)
    if lowest != layout.FREE:
        seq = max(seq, lowest)
    while SharedWord(stamp_at(ring, mask, shift, seq + 1)).value == seq + 1:
        seq += 1
    return seq


@kernel
def free_slots(ring: RingHeader, mask: int, last_claimed: int) -> int:
    """Return how many more sequences may be claimed after ``last_claimed``.

    Never less than 0: a late worker, before its attempt fails, sets its cursor back for a moment.
    """
    lowest = gate(ring)
    return mask + 1 if lowest == layout.FREE else max(0, lowest + mask + 1 - last_claimed)


@kernel
def publish_burst(
    ring: RingHeader, mask: int, shift: int, next_seq: int, records: int, count: int
) -> int:
    """One producer: publish up to ``count`` contiguous records; returns how many had room."""
    count = min(count, free_slots(ring, mask, next_seq - 1))
    publish_allowed(ring, mask, shift, next_seq, records, count)
    return count


@kernel
def publish_allowed(
    ring: RingHeader, mask: int, shift: int, next_seq: int, records: int, count: int
) -> None:
    """:func:`publish_burst` when there is room for all."""
    if VERIFY:
        assert count <= free_slots(ring, mask, next_seq - 1)
    for index in range(count):
        publish_sized(ring, mask, shift, next_seq + index, records + (index << shift))
    if count > 0:
        ring.published = next_seq + count - 1
        wake_waiters(ring)


# Several producers


@kernel
def claim(ring: RingHeader, mask: int, producer: RingProducer, count: int) -> int:
    """Several producers: claim ``count`` sequences for the producer (address of its entry).

    Returns the first of them, or 0 when there is no room.  The claim is written into the entry
    **before** the compare-and-swap that makes it true.  So the owner of a sequence is in some
    entry, and a slot that no living entry covers belongs to a dead producer.  A producer publishes
    its whole claim before it claims again.
    """
    while True:
        last = ring.claimed
        lowest = gate(ring)
        if not may_claim(ring, mask, last, count, lowest):
            # An attempt that another producer won must not continue to cover that producer's slots:
            # if it is killed, its claim could not be buried.
            producer.claim_last = 0
            return 0
        producer.claim_first = last + 1
        producer.claim_last = last + count
        if compare_exchange(ring + layout.CLAIMED, last, last + count) == 1:
            if VERIFY:
                assert count > 0
                assert producer.claim_first == last + 1
                assert producer.own_claim_last == last + count
            return last + 1
        pause()


@kernel
def may_claim(ring: RingHeader, mask: int, last: int, count: int, lowest: int) -> bool:
    """There is room for ``count`` sequences after ``last``, the gating cursor being ``lowest``.

    When no consumer gates, nothing keeps a producer from overtaking another by a whole ring but
    this: the slots' records of the lap before must be published or buried.
    """
    if lowest != layout.FREE:
        return lowest + mask + 1 - last >= count
    slot_bytes = ring.slot_bytes
    for seq in range(max(1, last - mask), last - mask + count):
        stamp = SharedWord(ring + layout.SLOTS + ((seq & mask) + 1) * slot_bytes - 8)
        if abs(stamp.value) != seq:
            return False
    return count <= mask + 1


@kernel
def publish_claim(
    ring: RingHeader, mask: int, shift: int, first: int, records: int, count: int
) -> None:
    """Publish contiguous records in the slots claimed from ``first`` on."""
    for index in range(count):
        publish_sized(ring, mask, shift, first + index, records + (index << shift))
    wake_waiters(ring)


@kernel
def publish_shared(
    ring: RingHeader,
    mask: int,
    shift: int,
    producer: RingProducer,
    records: int,
    least: int,
    count: int,
) -> int:
    """Several producers: claim and publish up to ``count`` contiguous records, or none when there
    is no room for ``least``; returns how many.

    One call, so that no signal handler of Python's can come between claim and publication.
    """
    while True:
        some = min(count, free_slots(ring, mask, ring.claimed))
        if some < max(1, least):
            return 0
        first = claim(ring, mask, producer, some)
        if first != 0:
            publish_claim(ring, mask, shift, first, records, some)
            return some
        if gating_cursor(ring) == layout.FREE:
            return 0


@kernel
def stamp_range(ring: RingHeader, mask: int, shift: int, first: int, count: int) -> None:
    """Publish slots whose records have been written in place."""
    for seq in range(first, first + count):
        if VERIFY:
            assert abs(stamp_at(ring, mask, shift, seq).own_value) < seq
        stamp_at(ring, mask, shift, seq).value = seq
    wake_waiters(ring)


@kernel
def bury(ring: int, mask: int, shift: int, seq: int, seen: int) -> int:
    """Make ``seq`` a tombstone if its stamp is still ``seen``; 1 for the one repairer who did."""
    if VERIFY:
        assert seq > 0
        assert abs(seen) < seq
    done = compare_exchange(stamp_at(ring, mask, shift, seq), seen, -seq)
    if done == 1:
        fetch_add(ring + layout.TOMBSTONES, 1)
    return done


@kernel
def stamp_of(ring: int, mask: int, shift: int, seq: int) -> int:
    """The slot's stamp, read with acquire; the whole record is visible if it is ``seq``."""
    return SharedWord(stamp_at(ring, mask, shift, seq)).value


@kernel
def claim_covers(producer: RingProducer, seq: int) -> int:
    """1 if the entry's claim, made or about to be made, holds the sequence."""
    last = producer.claim_last
    first = producer.claim_first_seen
    return 1 if first <= seq <= last else 0


# Work pools


@kernel
def claim_work(
    ring: RingHeader,
    mask: int,
    shift: int,
    pool: SharedWord,
    worker: RingConsumer,
    after: int,
    limit: int,
) -> int:
    """Claim up to ``limit`` published records for one worker of a pool; returns how many.

    The worker's cursor is set before the pool's is moved, so the producer never sees the records
    ungated.  Like a producer's, the worker's claim is in its entry before it is true.
    """
    while True:
        taken = pool.value
        last = min(barrier(ring, after), taken + mask + 1)
        count = 0
        # Records alone; a tombstone is taken by itself and done at once.
        room_left = min(min(limit, last - taken), mask + 1 - ((taken + 1) & mask))
        if room_left <= 0:
            return 0
        count = run_length(ring, mask, shift, taken + 1, room_left)
        buried = 0
        if count == 0:
            if SharedWord(stamp_at(ring, mask, shift, taken + 1)).value != -(taken + 1):
                return 0
            buried = 1
        worker.work_first = taken + 1
        worker.work_last = taken + count + buried
        worker.value = taken
        if compare_exchange(pool, taken, taken + count + buried) == 1:
            if buried == 0:
                return count
            worker.skipped += 1
        release_worker(worker)
        # A consumer that depends on the pool may have seen this cursor and gone to sleep.
        wake_waiters(ring)
        pause()


@kernel
def mark_done(done_marks: int, mask: int, first: int, count: int) -> None:
    """Mark records of a pool as done. ``done_marks``: address of the pool's marks."""
    for seq in range(first, first + count):
        if VERIFY:
            assert SharedWord(done_marks + 8 * (seq & mask)).own_value <= seq
        SharedWord(done_marks + 8 * (seq & mask)).value = seq


@kernel
def release_worker(worker: SharedWord) -> None:
    """The worker holds no claim: it stops gating."""
    worker.value = layout.FREE


# Waiting


@kernel
def wake_waiters(ring: RingHeader) -> None:
    """Wake sleepers, on rings that have any.  The fence orders the publication before the look at
    WAITING; the sleeper's fence orders its mark before its second look at the slot: one of the two
    sees the other."""
    if ring.flags & layout.BLOCKING:
        full_fence()
        if ring.waiting != 0:
            ring.waiting = 0
            fetch_add(ring + layout.WAKE, 1)
            futex_wake(ring + layout.WAKE)


@kernel
def is_ready(ring: RingHeader, mask: int, shift: int, cursor: int, after: int) -> bool:
    """Something (a record or a tombstone) is there to read after ``cursor``, or the ring is
    closed."""
    seq = cursor + 1
    if is_resolved(ring, mask, shift, seq) and barrier(ring, after) >= seq:
        return True
    return ring.closed_at == seq


@kernel
def sleep_until_woken(
    ring: RingHeader, mask: int, shift: int, cursor: int, after: int, timeout_ns: int
) -> None:
    """Sleep on the ring's futex for at most ``timeout_ns`` ns, unless there is something after
    ``cursor`` (:func:`is_ready`). It may return early; the caller looks again."""
    # Acquire: our mark comes after the clearing that went with this word.
    seen = ring.wake & 0xFFFFFFFF
    ring.waiting = 1
    full_fence()
    if not is_ready(ring, mask, shift, cursor, after):
        futex_wait(ring + layout.WAKE, seen, timeout_ns)


@kernel
def wait_ready(
    ring: RingHeader,
    mask: int,
    shift: int,
    consumer: RingConsumer,
    after: int,
    strategy: int,
    timeout_ns: int,
) -> bool:
    """Wait by the strategy until :func:`is_ready`; False when ``timeout_ns`` are over first.

    The cursor is looked up each time: a pool's is moved by its other workers meanwhile, and what
    follows an old one may be overwritten and never become ready.
    """
    until = monotonic_ns() + timeout_ns
    spins = 0
    while True:
        cursor = consumer.value
        if is_ready(ring, mask, shift, cursor, after):
            return True
        spins += 1
        if strategy == PAUSE or (strategy >= YIELD and spins < SPINS):
            pause()
        elif strategy == YIELD or (strategy == ADAPTIVE and spins < 2 * SPINS):
            yield_cpu()
        elif strategy >= BLOCK:
            left = until - monotonic_ns()
            sleep_until_woken(ring, mask, shift, cursor, after, max(0, min(left, NAP_NS)))
        if (spins & 63 == 0 or strategy >= BLOCK) and monotonic_ns() >= until:
            return is_ready(ring, mask, shift, consumer.value, after)


@kernel
def wait_readable(
    ring: RingHeader,
    mask: int,
    shift: int,
    consumer: RingConsumer,
    after: int,
    strategy: int,
    timeout_ns: int,
) -> bool:
    """Wait for a reader until :func:`available` is not 0, or the ring is closed and all of it is
    read; False when ``timeout_ns`` are over first.

    What :func:`available` passes over makes :func:`is_ready` true and leaves nothing to read, and
    must be passed over here: producers may be waiting for the room.
    """
    until = monotonic_ns() + timeout_ns
    left = timeout_ns
    while wait_ready(ring, mask, shift, consumer, after, strategy, left):
        if available(ring, mask, shift, consumer, after, 1) > 0:
            return True
        if ring.closed_at == consumer.value + 1:
            return True
        left = max(0, until - monotonic_ns())
        if left == 0:
            return False
    return False


# Registration


@kernel
def rejoin(ring: RingHeader, mask: int, shift: int, consumer: RingConsumer) -> None:
    """Gate again, and read what is claimed from now on.

    The cursor begins before the oldest claim that is still open, so that no producer overtakes it;
    :func:`available` passes over what was claimed before.  Reading that too would make the
    producers wait, since one that claimed without seeing the cursor may overwrite records up to its
    claim less a lap.  Producers that looked before the cursor was set may have claimed since.  The
    second look finds their claims, because the fence orders the cursor before it.
    """
    while True:
        last = position(ring, mask, shift)
        seq = last
        if ring.flags & layout.MULTI_PRODUCER:
            seq = max(0, last - mask - 1)
            while seq < last and is_resolved(ring, mask, shift, seq + 1):
                seq += 1
        consumer.joined = last
        consumer.value = seq
        full_fence()
        if position(ring, mask, shift) == last:
            if VERIFY:
                assert seq <= last
                assert consumer.own_value == seq
                assert consumer.joined == last
            return


@kernel
def position(ring: RingHeader, mask: int, shift: int) -> int:
    """The last sequence that several producers claimed, or a single one published."""
    if ring.flags & layout.MULTI_PRODUCER:
        return ring.claimed
    return last_published_sized(ring, mask, shift)


@kernel
def add_shared(address: int, amount: int) -> None:
    """Add ``amount`` to the word at ``address`` in one atomic step."""
    fetch_add(address, amount)
