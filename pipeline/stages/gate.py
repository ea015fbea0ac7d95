"""gate: releases events whose command is safe, in order: match early, release late.

Safe is what enough of the confirmers (the journal, replicas) have, by the row's policy
(ring/policy.py).
"""

import numpy as np

from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.pipeline.contract.work import StageGroup
from openoutcry.pipeline.gate_policy import STREAM
from openoutcry.ring.kernels import is_published, slot_address
from openoutcry.ring.layout import FREE
from openoutcry.ring.policy import quorum_sequence
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    compare_exchange,
    load_acquire,
    load_i64,
    load_u8,
    store_i64,
)
from openoutcry.wire.records import EVENT
from openoutcry.wire.system_calls import boottime_ns

EVENT_CAUSE = EVENT.offsets["cause_seq"]
EVENT_FLAGS = EVENT.offsets["flags"]
LAST = int(EventFlag.LAST)
READERS, READER_COUNT, LEASE = w.own_words(3)
"""Rows of the released readers: address of the cursor, and how far it may lag; address of the word
until when a confirmation that is needed lasts, 0 if all last for ever."""


@kernel
def detach_slow(context: int, released: int) -> None:
    """Wait no longer for readers that are further behind than their queue.

    A reader whose cursor this takes away sees that in the same word, before it believes what it has
    copied (``released.take``).
    """
    row = load_i64(context + READERS)
    for _ in range(load_i64(context + READER_COUNT)):
        cursor, queue = load_i64(row), load_i64(row + 8)
        at = load_acquire(cursor)
        if at != FREE and released - at > queue:
            compare_exchange(cursor, at, FREE)
        row += 16


@kernel
def step(context: int) -> int:
    next_event = load_i64(context + w.NEXT)
    confirmers, needed = load_i64(context + w.CONFIRMERS), load_i64(context + w.NEEDED)
    limit = quorum_sequence(load_i64(context + w.CONFIRMED), confirmers, needed)
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    event = next_event
    while event < next_event + 4 * w.BURST and is_published(ring, ring_mask, event):
        if load_i64(slot_address(ring, ring_mask, event) + EVENT_CAUSE) > limit:
            break
        event += 1
    if event == next_event:
        return w.idle(context)
    # Last: a process that was stopped meanwhile finds the lease over.
    lease = load_i64(context + LEASE)
    if lease != 0 and boottime_ns() >= load_acquire(lease):
        return 0
    now = w.now_ns(context)
    stamps, mask = load_i64(context + w.UNTIL), load_i64(context + w.STAMP_MASK)
    for index in range(next_event, event):
        slot = slot_address(ring, ring_mask, index)
        if load_u8(slot + EVENT_FLAGS) & LAST:
            store_i64(stamps + 8 * (load_i64(slot + EVENT_CAUSE) & mask), now)
    if load_i64(context + READER_COUNT) != 0:
        detach_slow(context, event - 1)
    return w.took(context, event - next_event)


def prepare(group: StageGroup, name: str) -> None:
    """Behind its cursor."""
    shared, contexts = group.work.shared, group.contexts
    (ring,) = shared.table.inputs(name)
    cursors = shared.rings[ring].cursors
    rows = [(cursors[r.name].ctypes.data, r.queue) for r in shared.table.released]
    words = np.array(rows, np.int64).reshape(-1, 2)
    contexts.keep_alive.append(words)
    contexts.set(name, {READERS: words.ctypes.data, READER_COUNT: len(words)})
    row, index = shared.table[name], shared.table.index
    if STREAM in row.gated_by and row.policy == "all":
        address = shared.control.stage_address(index[STREAM], ct.STAGE_SAFE_UNTIL_NS)
        contexts.set(name, {LEASE: address})
