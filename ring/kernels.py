"""The ring's protocol for compiled stages: claim, publish, poll, release.

``ring`` is the address of the ring's first byte, ``mask`` its capacity minus one.  The producer
keeps its next sequence and a cached minimum of the gating cursors to itself.
"""

from openoutcry.ring.layout import (
    CONSUMER_BYTES,
    CONSUMER_COUNT,
    CONSUMERS,
    PUBLISHED,
    SEQ,
    SLOT_BYTES,
    SLOTS,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import copy56, load_acquire, load_i64, store_release


@kernel
def slot_address(ring: int, mask: int, seq: int) -> int:
    return ring + SLOTS + (seq & mask) * SLOT_BYTES


@kernel
def is_published(ring: int, mask: int, seq: int) -> bool:
    """Acquire pairs with the publishing release: a true answer makes the whole record visible."""
    return load_acquire(slot_address(ring, mask, seq) + SEQ) == seq


@kernel
def publish(ring: int, mask: int, seq: int, record: int) -> None:
    """Copy the record into its slot, then publish it.  The slot must have been claimed."""
    slot = slot_address(ring, mask, seq)
    copy56(slot, record)
    store_release(slot + SEQ, seq)


@kernel
def published_count(ring: int, mask: int, next_seq: int, limit: int) -> int:
    """How many records from ``next_seq`` on are published without a gap, at most ``limit``."""
    count = 0
    while count < limit and is_published(ring, mask, next_seq + count):
        count += 1
    return count


@kernel
def gating_cursor(ring: int) -> int:
    """The slowest consumer's cursor: what the producer must not overtake by a whole ring."""
    lowest = load_acquire(ring + CONSUMERS)
    for index in range(1, load_i64(ring + CONSUMER_COUNT)):
        cursor = load_acquire(ring + CONSUMERS + index * CONSUMER_BYTES)
        lowest = min(lowest, cursor)
    return lowest


@kernel
def last_published(ring: int, mask: int) -> int:
    """The last sequence published, found from the slots themselves: what a new producer goes on
    from after the old one was killed at any point."""
    seq = max(gating_cursor(ring), load_acquire(ring + PUBLISHED))
    while is_published(ring, mask, seq + 1):
        seq += 1
    return seq


@kernel
def publish_burst(ring: int, mask: int, next_seq: int, records: int, count: int) -> int:
    """Publish up to ``count`` contiguous 64-byte records; returns how many there was room for."""
    room = mask + 1 - (next_seq - 1 - gating_cursor(ring))
    count = min(count, room)
    for index in range(count):
        publish(ring, mask, next_seq + index, records + index * SLOT_BYTES)
    if count > 0:
        store_release(ring + PUBLISHED, next_seq + count - 1)
    return count


@kernel
def release(cursor: int, seq: int) -> None:
    """Done with everything up to ``seq``: reads before this stay before it."""
    store_release(cursor, seq)
