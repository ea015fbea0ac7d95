"""replies: hands released events out, counts and hashes them, and measures the way of each command.

The state is counted up in the copy that does not count yet and switched to in one store, so a kill
at any point neither loses nor doubles an event here.  A reply on the network may be sent again
after a kill; it carries its event's sequence, so a client sees that it has it already.
"""

import numpy as np

from openoutcry.dpdk_shim.call import call_reply
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.pipeline.contract.histogram import record_spans
from openoutcry.pipeline.contract.work import StageGroup
from openoutcry.replay.event_hash import hash_event
from openoutcry.ring.kernels import slot_address
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    load_u8,
    store_i64,
    store_release,
)
from openoutcry.wire.records import EVENT

EVENT_CAUSE = EVENT.offsets["cause_seq"]
EVENT_FLAGS = EVENT.offsets["flags"]
EVENT_KIND = EVENT.offsets["kind"]
EVENT_REASON = EVENT.offsets["reason"]
EVENT_SIDE = EVENT.offsets["side"]
LAST = int(EventFlag.LAST)
MAKER = int(EventFlag.MAKER)
AUCTION = int(EventFlag.AUCTION)
BUY = int(Side.BUY)
FILLED = int(EventKind.FILLED)
REJECTED = int(EventKind.REJECTED)
(
    EVENT_HASHES,  # by command: hash of all events up to its last
    INTERVALS,  # rows of the intervals that end at the reply or before
    INTERVAL_COUNT,
    SHIM,  # address of the packet shim
    SHIM_REPLY,  # and of its function for replies, 0 for none
) = w.own_words(5)

REPLY_BURST = 16 * w.BURST
"""Events that are taken at once, where so many wait: the more, the more of one participant's share
a packet."""

# An interval's row: its histogram, its stamps from and to; 0: to the reply.
INTERVAL_HISTOGRAM, INTERVAL_SINCE, INTERVAL_UNTIL, INTERVAL_BYTES = 0, 8, 16, 24


@kernel
def add(address: int, amount: int) -> None:
    store_i64(address, load_i64(address) + amount)


@kernel
def count_event(state: int, slot: int) -> None:
    """Count one event in a reply state.  Commands come back complete and in order, so the cause of
    each LAST event must be one more than that of the one before: a gap is a loss."""
    kind = load_u8(slot + EVENT_KIND)
    flags = load_u8(slot + EVENT_FLAGS)
    add(state + ct.REPLY_KINDS + 8 * min(kind, ct.REPLY_KIND_COUNT - 1), 1)
    # The first of a trade's two fills: the maker's, in an auction the buyer's.
    in_auction = flags & AUCTION and load_u8(slot + EVENT_SIDE) == BUY
    if kind == FILLED and (flags & MAKER or in_auction):
        add(state + ct.REPLY_TRADES, 1)
    if kind == REJECTED:
        reason = min(load_u8(slot + EVENT_REASON), ct.REPLY_REASON_COUNT - 1)
        add(state + ct.REPLY_REASONS + 8 * reason, 1)
    if flags & LAST:
        cause = load_i64(slot + EVENT_CAUSE)
        step = cause - load_i64(state + ct.REPLY_COMMANDS) - load_i64(state + ct.REPLY_LOST)
        if step < 1:
            add(state + ct.REPLY_DUPLICATED, 1)
        else:
            add(state + ct.REPLY_LOST, step - 1)
            add(state + ct.REPLY_COMMANDS, 1)


@kernel
def commands_of(state: int) -> int:
    """The last command whose events have all been counted."""
    return load_i64(state + ct.REPLY_COMMANDS) + load_i64(state + ct.REPLY_LOST)


@kernel
def record_latencies(context: int, first_seq: int, count: int, now: int) -> None:
    """Count the intervals of ``count`` commands whose last event was handed out at ``now``."""
    mask = load_i64(context + w.STAMP_MASK)
    row = load_i64(context + INTERVALS)
    for _ in range(load_i64(context + INTERVAL_COUNT)):
        since, until = load_i64(row + INTERVAL_SINCE), load_i64(row + INTERVAL_UNTIL)
        record_spans(load_i64(row + INTERVAL_HISTOGRAM), since, until, mask, first_seq, count, now)
        row += INTERVAL_BYTES
    kept = load_i64(context + w.UNTIL)
    if kept != 0:
        for seq in range(first_seq, first_seq + count):
            store_i64(kept + 8 * (seq & mask), now)


@kernel
def send_replies(context: int, next_event: int, count: int) -> int:
    """Send events to their participants, where there is a network; returns how many of ``count``,
    because a sender wants contiguous memory: up to where the ring wraps."""
    shim_reply = load_i64(context + SHIM_REPLY)
    if shim_reply == 0:
        return count
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    count = min(count, ring_mask + 1 - (next_event & ring_mask))
    events = slot_address(ring, ring_mask, next_event)
    call_reply(shim_reply, load_i64(context + SHIM), events, count)
    return count


@kernel
def step(context: int) -> int:
    control = load_i64(context + w.CONTROL)
    next_event = load_i64(context + w.NEXT)
    count = w.ready(context, REPLY_BURST)
    if count == 0:
        return w.idle(context)
    count = send_replies(context, next_event, count)
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    which = load_i64(control + ct.REPLY_WHICH)
    current = control + ct.REPLY_STATES + which * ct.REPLY_STATE_BYTES
    state = control + ct.REPLY_STATES + (1 - which) * ct.REPLY_STATE_BYTES
    for offset in range(0, ct.REPLY_STATE_BYTES, 64):
        copy64(state + offset, current + offset)
    chain = load_i64(state + ct.REPLY_EVENT_HASH)
    hashes, mask = load_i64(context + EVENT_HASHES), load_i64(context + w.STAMP_MASK)
    replied_before = commands_of(state)
    for event in range(next_event, next_event + count):
        slot = slot_address(ring, ring_mask, event)
        chain = hash_event(chain, slot)
        count_event(state, slot)
        # Every command, by its own sequence: the journal picks the one that ends a block.
        store_i64(hashes + 8 * (load_i64(slot + EVENT_CAUSE) & mask), chain)
    now = w.now_ns(context)
    store_i64(state + ct.REPLY_EVENT_HASH, chain)
    store_i64(state + ct.REPLY_CURSOR, next_event + count - 1)
    store_i64(state + ct.REPLY_LAST_NS, now)
    store_release(control + ct.REPLY_WHICH, 1 - which)
    replied = commands_of(state)
    record_latencies(context, replied_before + 1, replied - replied_before, now)
    return w.took(context, count)


def prepare(group: StageGroup, name: str) -> None:
    """Behind the last event that the state counts."""
    shared, contexts = group.work.shared, group.contexts
    done = shared.control.reply(ct.REPLY_CURSOR)
    shared.events.cursors[name][0] = done
    table = shared.table
    intervals = [
        (shared.histogram(row.name).ctypes.data, shared.stamp_address(row.since),
         shared.stamp_address(row.until) if row.until != table[name].until else 0)
        for row in table.measured
    ]  # fmt: skip
    rows = np.array(intervals, np.int64)
    contexts.keep_alive.append(rows)
    words = {
        w.NEXT: done + 1,
        EVENT_HASHES: shared.stamp_address(ct.EVENT_HASHES),
        INTERVALS: rows.ctypes.data,
        INTERVAL_COUNT: len(rows),
    }
    contexts.set(name, words)


def opened(group: StageGroup, name: str) -> None:
    """The group's ports are open: replies leave by them."""
    assert group.shim is not None
    words = {SHIM: group.shim.address, SHIM_REPLY: group.shim.reply_function}
    group.contexts.set(name, words)
