"""gate: releases events whose command is safe, in order: match early, release late.

Safe is what enough of the confirmers (the journal, replicas) have, by the row's policy
(ring/policy.py).
"""

import numpy as np

from openoutcry.pipeline.gate_policy import STREAM
from openoutcry.ring.kernels import is_published, slot_address
from openoutcry.ring.layout import FREE
from openoutcry.ring.policy import quorum_sequence
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import StageGroup
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, SharedWord, i64
from openoutcry.wire.memory import (
    compare_exchange,
)
from openoutcry.wire.system_calls import boottime_ns

LAST = enum_numbers.EVENT_FLAG_LAST


class ReleasedReader(Layout):
    """A released reader that a slow one must not hold up."""

    cursor: SharedWord = i64("address of its cursor", of=SharedWord)
    queue: int = i64("how far it may lag")


class GateContext(StageContext):
    """The gate's context."""

    readers: ReleasedReader = i64("address of a row a released reader", of=ReleasedReader)
    reader_count: int = i64("how many there are")
    lease: SharedWord = i64(
        "address of the word until when a needed confirmation lasts, 0: they never expire",
        of=SharedWord,
    )


READER_BYTES = ReleasedReader.size_bytes


@kernel
def detach_slow(context: GateContext, released: int) -> None:
    """Wait no longer for readers that are further behind than their queue.

    A reader whose cursor this takes away sees that in the same word, before it believes what it has
    copied (``released.take``).
    """
    row = context.readers
    for _ in range(context.reader_count):
        at = row.cursor.value
        if at != FREE and released - at > row.queue:
            compare_exchange(row.cursor, at, FREE)
        row = ReleasedReader(row + READER_BYTES)


@kernel
def step(context: GateContext) -> int:
    """Release the events whose commands are confirmed, up to four bursts; returns how many."""
    next_event = context.next
    confirmers, needed = context.confirmers, context.needed
    limit = quorum_sequence(context.confirmed, confirmers, needed)
    ring, ring_mask = context.in_ring, context.in_mask
    event = next_event
    while event < next_event + 4 * stage_words.BURST and is_published(ring, ring_mask, event):
        if slot_address(ring, ring_mask, event).cause_seq > limit:
            break
        event += 1
    if event == next_event:
        return stage_words.idle(context)
    # Last: a process that was stopped meanwhile finds the lease over.
    lease = context.lease
    if lease != 0 and boottime_ns() >= lease.value:
        return 0
    now = stage_words.now_ns(context)
    stamps, mask = context.until, context.stamp_mask
    for index in range(next_event, event):
        slot = slot_address(ring, ring_mask, index)
        if slot.flags & LAST:
            stamps[slot.cause_seq & mask] = now
    if context.reader_count != 0:
        detach_slow(context, event - 1)
    return stage_words.advance(context, event - next_event)


def prepare(group: StageGroup, name: str) -> None:
    """Continue after its cursor."""
    shared, contexts = group.work.shared, group.contexts
    (ring,) = shared.table.inputs(name)
    cursors = shared.rings[ring].cursors
    rows = [(cursors[r.name].ctypes.data, r.queue) for r in shared.table.released]
    words = np.array(rows, np.int64).reshape(-1, 2)
    contexts.keep_alive.append(words)
    contexts.set(name, GateContext.words(readers=words.ctypes.data, reader_count=len(words)))
    row, index = shared.table[name], shared.table.index
    if STREAM in row.gated_by and row.policy == "all":
        address = shared.control.stage(index[STREAM]).address_of("safe_until_ns")
        contexts.set(name, GateContext.words(lease=address))
