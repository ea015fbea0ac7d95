"""Where everything stands in a ring's memory.

::

    byte 0     magic | layout hash | slot bytes | capacity | owner pid | owner start | consumers
    byte 128   published: the producer's last sequence, stored once a burst (a hint: the truth
               is in the slots)
    byte 256   consumer 0: cursor | name       one 128-byte line pair each, because the
    byte 384   consumer 1: cursor | name       adjacent-line prefetcher moves lines in pairs
    ...
    byte 4096  slot 0 | slot 1 | ... | slot capacity-1

A slot is a 64-byte record whose last eight bytes hold its sequence number: storing it (release)
publishes the slot, so one message costs the transfer of one line.  Sequences are 64-bit, start at
1 and are masked only to find the slot, so every slot is usable and 0 means "never written".
A cursor is the last sequence that its consumer is done with.
"""

MAGIC = 0
LAYOUT_HASH = 8
SLOT_BYTES_AT = 16
CAPACITY = 24
OWNER_PID = 32
OWNER_START = 40
CONSUMER_COUNT = 48
PUBLISHED = 128
CONSUMERS = 256
CONSUMER_BYTES = 128
CONSUMER_NAME = 8
CONSUMER_NAME_BYTES = 24
MAX_CONSUMERS = 16
SLOTS = 4096
SLOT_BYTES = 64
SEQ = 56
