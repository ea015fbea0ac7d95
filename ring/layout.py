"""A ring's memory layout.

::

    byte 0      magic | layout hash | slot bytes | capacity | owner | counts
    byte 64     flags | closed at | dtype hash | version | detached
    byte 128    published: a single producer's last sequence, stored once a burst (a hint: the
                truth is in the slots)
    byte 256    claimed: the last sequence that several producers have claimed
    byte 384    wake: the futex word | waiting: somebody sleeps on it
    byte 512    tombstones | dropped
    byte 1024   consumer 0: cursor | name | holder | joined | ...  24 x 128 bytes
    byte 4096   producer 0: holder | claim first, last | ...       32 x 128 bytes
    byte 8192   slot 0 | slot 1 | ... | slot capacity-1
    then        a pool's done marks: one word a slot, for each work pool

Words that different cores write are 128 bytes apart, because the adjacent-line prefetcher moves
lines in pairs.

A slot's last eight bytes hold its **stamp**.  Stamp = s publishes the record of sequence s; stamp =
-s says that s will never come, because its producer is proven dead (a tombstone).  Anything else
means that s has not come yet.  One message costs the transfer of one line.  Sequences are 64-bit,
start at 1 and are masked only to find the slot, so every slot is usable and 0 means "never".

A **cursor** is the last sequence that its consumer is done with.  A consumer that does not gate (it
is detached, or a worker that holds nothing) has the cursor FREE.

A **holder** is the process that an entry belongs to: pid and start time in one word (0: no
process), so that a reader never combines parts of two holders.  It is negative while the cursor is
being made: the holder is coming back to a ring or being detached.  If it dies then, the cursor
means nothing.
"""

from openoutcry.wire.layout import Layout, SharedWord, area, i64
from openoutcry.wire.record_blocks import Slot

VERSION = 2
"""Version of everything below; tests/ring keeps a digest of it, so that each change needs a new
version."""


class RingConsumer(SharedWord, size_bytes=128):
    """A consumer's entry: begins with its cursor."""

    name: int = area(24, "its name, padded with NULs")
    holder: int = i64("the process that holds the entry, 0: none")
    joined: int = i64("up to here a reader that came back passes over what it has not read")
    kind: int = i64("READER, POOL or WORKER")
    after: int = i64("bit set of the consumers that it depends on")
    pool: int = i64("of a worker: index of its pool's entry")
    saved: int = i64("cursor at the time it was detached")
    skipped: int = i64("tombstones that it passed over")
    work_first: int = i64("of a worker: first sequence that it holds, or was about to claim")
    work_last: int = i64("of a worker: and the last one", atomic=True)
    pool_number: int = i64("of a pool: which array of done marks is its own")
    heartbeat_ns: int = i64("when it last waited, CLOCK_MONOTONIC")


class RingProducer(Layout, size_bytes=128):
    """A producer's entry."""

    holder: int = i64("the process that holds the entry, 0: none")
    claim_first: int = i64("first sequence that it has claimed, or is about to", at=16)
    claim_last: int = i64("and the last one; 0: it claims none", atomic=True)
    dropped: int = i64("records that it dropped because the ring was full")
    heartbeat_ns: int = i64("when it last published from Python, CLOCK_MONOTONIC")
    own_claim_last: int = i64("``claim_last`` as the producer itself reads it", at=24)
    claim_first_seen: int = i64("``claim_first`` as others read it", at=16, atomic=True)


class RingHeader(Layout, size_bytes=8192):
    """Everything before the first slot."""

    magic: int = i64("which kind of segment it is")
    layout_hash: int = i64("hash of the records' layout")
    slot_bytes: int = i64("size of a slot, a power of two")
    capacity: int = i64("slots, a power of two")
    owner_pid: int = i64("process that made the ring")
    owner_start: int = i64("and when it started, clock ticks since boot")
    consumer_count: int = i64("consumers that were added")
    pool_count: int = i64("work pools among them")
    flags: int = i64("MULTI_PRODUCER, BLOCKING")
    closed_at: int = i64("1 + last sequence once no more will be published", atomic=True)
    dtype_hash: int = i64("hash of the slots' numpy dtype")
    version: int = i64("VERSION")
    detached: int = i64("1 once any reader was detached: producers then look twice")
    published: int = i64("last sequence of a single producer, a hint", at=128, atomic=True)
    claimed: int = i64("last sequence that several producers have claimed", at=256, atomic=True)
    wake: int = i64("the futex word", at=384, atomic=True)
    waiting: int = i64("1: a consumer sleeps on ``wake``", atomic=True)
    tombstones: int = i64("sequences that will never come", at=512)
    dropped: int = i64("records that producers dropped")
    consumers: int = area(24 * 128, "24 entries of consumers", at=1024)
    producers: int = area(32 * 128, "32 entries of producers", at=4096)


MAGIC = RingHeader.offset("magic")
LAYOUT_HASH = RingHeader.offset("layout_hash")
SLOT_BYTES_AT = RingHeader.offset("slot_bytes")
CAPACITY = RingHeader.offset("capacity")
OWNER_PID = RingHeader.offset("owner_pid")
OWNER_START = RingHeader.offset("owner_start")
CONSUMER_COUNT = RingHeader.offset("consumer_count")
POOL_COUNT = RingHeader.offset("pool_count")
FLAGS = RingHeader.offset("flags")
CLOSED_AT = RingHeader.offset("closed_at")
DTYPE_HASH = RingHeader.offset("dtype_hash")
VERSION_AT = RingHeader.offset("version")
DETACHED = RingHeader.offset("detached")
PUBLISHED = RingHeader.offset("published")
CLAIMED = RingHeader.offset("claimed")
WAKE = RingHeader.offset("wake")
WAITING = RingHeader.offset("waiting")
TOMBSTONES = RingHeader.offset("tombstones")
DROPPED = RingHeader.offset("dropped")
CONSUMERS = RingHeader.offset("consumers")
PRODUCERS = RingHeader.offset("producers")

CONSUMER_BYTES = RingConsumer.size_bytes
CONSUMER_NAME_BYTES = 24
MAX_CONSUMERS = 24
CONSUMER_NAME = RingConsumer.offset("name")
CONSUMER_HOLDER = RingConsumer.offset("holder")
CONSUMER_KIND = RingConsumer.offset("kind")
CONSUMER_AFTER = RingConsumer.offset("after")
CONSUMER_POOL = RingConsumer.offset("pool")
CONSUMER_SAVED = RingConsumer.offset("saved")
CONSUMER_SKIPPED = RingConsumer.offset("skipped")
WORK_FIRST = RingConsumer.offset("work_first")
WORK_LAST = RingConsumer.offset("work_last")
POOL_NUMBER = RingConsumer.offset("pool_number")
CONSUMER_HEARTBEAT_NS = RingConsumer.offset("heartbeat_ns")

PRODUCER_BYTES = RingProducer.size_bytes
MAX_PRODUCERS = 32
PRODUCER_HOLDER = RingProducer.offset("holder")
CLAIM_FIRST = RingProducer.offset("claim_first")
CLAIM_LAST = RingProducer.offset("claim_last")
PRODUCER_HEARTBEAT_NS = RingProducer.offset("heartbeat_ns")

SLOTS = RingHeader.size_bytes
SLOT_BYTES = 64
SLOT_SHIFT = 6
SEQ = Slot.offset("stamp")

MULTI_PRODUCER, BLOCKING = 1, 2
READER, POOL, WORKER = 0, 1, 2
FREE = 2**63 - 1
