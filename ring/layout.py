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

Words that different cores write stand 128 bytes apart, because the adjacent-line prefetcher moves
lines in pairs.

A slot's last eight bytes hold its **stamp**.  Stamp = s publishes the record of sequence s; stamp =
-s says that s will never come, because its producer is proven dead (a tombstone).  Anything else
means that s has not come yet.  One message costs the transfer of one line.  Sequences are 64-bit,
start at 1 and are masked only to find the slot, so every slot is usable and 0 means "never".

A **cursor** is the last sequence that its consumer is done with.  A consumer that does not gate (it
is detached, or a worker that holds nothing) has the cursor FREE.

A **holder** is the process that an entry belongs to, pid and start time in one word (0: nobody), so
that one is never seen beside another's.  It is negative while the cursor is in the making: the
holder is coming back to a ring or being detached, and if it dies so, the cursor means nothing.
"""

VERSION = 2
"""Of everything below; tests/ring keeps a digest of it: no change goes without a new version."""

MAGIC = 0
LAYOUT_HASH = 8
SLOT_BYTES_AT = 16
CAPACITY = 24
OWNER_PID = 32
OWNER_START = 40
CONSUMER_COUNT = 48
POOL_COUNT = 56
FLAGS = 64
CLOSED_AT = 72  # 1 + last sequence once no more will be published
DTYPE_HASH = 80
VERSION_AT = 88
DETACHED = 96  # 1 once any reader was detached: producers then look twice

PUBLISHED = 128
CLAIMED = 256
WAKE = 384
WAITING = 392
TOMBSTONES = 512
DROPPED = 520

CONSUMERS = 1024
CONSUMER_BYTES = 128
CONSUMER_NAME = 8
CONSUMER_NAME_BYTES = 24
CONSUMER_HOLDER = 32
CONSUMER_JOINED = 40  # what a reader that came back passes over unread, up to here
CONSUMER_KIND = 48
CONSUMER_AFTER = 56  # bit set of the consumers it depends on
CONSUMER_POOL = 64  # worker: index of its pool's entry
CONSUMER_SAVED = 72  # cursor at the time it was detached
CONSUMER_SKIPPED = 80  # tombstones it passed over
WORK_FIRST = 88  # worker: what it holds, or was about to claim
WORK_LAST = 96
POOL_NUMBER = 104  # pool: which array of done marks
CONSUMER_HEARTBEAT_NS = 112  # CLOCK_MONOTONIC, when it last waited
MAX_CONSUMERS = 24

PRODUCERS = 4096
PRODUCER_BYTES = 128
PRODUCER_HOLDER = 0
CLAIM_FIRST = 16
CLAIM_LAST = 24
PRODUCER_DROPPED = 32
PRODUCER_HEARTBEAT_NS = 40  # CLOCK_MONOTONIC, when it last published from Python
MAX_PRODUCERS = 32

SLOTS = 8192
SLOT_BYTES = 64
SLOT_SHIFT = 6
SEQ = 56

MULTI_PRODUCER, BLOCKING = 1, 2
READER, POOL, WORKER = 0, 1, 2
FREE = 2**63 - 1
