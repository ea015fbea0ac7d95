"""replies: hands released events out, counts and hashes them, and measures the way of each command.

The inactive copy of the state is updated, and one store makes it active.  So a kill at any point
neither loses nor doubles an event here.  A reply on the network may be sent again after a kill; it
carries its event's sequence, so a client recognises the repetition.
"""

import numpy as np

from openoutcry.dpdk_shim.call import call_reply
from openoutcry.journal.event_hash import hash_event
from openoutcry.ring.kernels import slot_address
from openoutcry.runtime import control as control_words
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.control import ReplyState
from openoutcry.runtime.histogram import record_spans
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import StageGroup
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, Words, i64
from openoutcry.wire.memory import (
    copy64,
)
from openoutcry.wire.record_blocks import EventRecord

LAST = enum_numbers.EVENT_FLAG_LAST
MAKER = enum_numbers.EVENT_FLAG_MAKER
AUCTION = enum_numbers.EVENT_FLAG_AUCTION
BUY = enum_numbers.SIDE_BUY
FILLED = enum_numbers.EVENT_KIND_FILLED
REJECTED = enum_numbers.EVENT_KIND_REJECTED


class RepliesContext(StageContext):
    """The replies' context."""

    event_hashes: Words = i64(
        "address of the hash of all events up to its last, by command", of=Words
    )
    intervals: int = i64("address of the intervals that end at the reply or before")
    interval_count: int = i64("how many there are")
    shim: int = i64("address of the packet shim")
    shim_reply: int = i64("address of its function for replies, 0: none")


REPLY_BURST = 16 * stage_words.BURST
"""Events that are taken at once, if as many wait: the more, the larger is one participant's share
of a packet."""


class IntervalRow(Layout, size_bytes=24):
    """An interval that is measured."""

    histogram: int = i64("address of its histogram")
    since: Words = i64("address of the stamps where it begins", of=Words)
    until: Words = i64("address of the stamps where it ends", of=Words)


INTERVAL_BYTES = 24


@kernel
def count_event(state: ReplyState, slot: EventRecord) -> None:
    """Count one event in a reply state.  Commands come back complete and in order, so the cause of
    each LAST event must be one more than that of the one before: a gap is a loss."""
    kind = slot.kind
    flags = slot.flags
    state.kinds[min(kind, control_words.REPLY_KIND_COUNT - 1)] += 1
    # The first of a trade's two fills: the maker's, in an auction the buyer's.
    in_auction = flags & AUCTION and slot.side == BUY
    if kind == FILLED and (flags & MAKER or in_auction):
        state.trades += 1
    if kind == REJECTED:
        reason = min(slot.reason, control_words.REPLY_REASON_COUNT - 1)
        state.reasons[reason] += 1
    if flags & LAST:
        cause = slot.cause_seq
        step = cause - state.commands - state.lost
        if step < 1:
            state.duplicated += 1
        else:
            state.lost += step - 1
            state.commands += 1


@kernel
def commands_of(state: ReplyState) -> int:
    """The last command whose events have all been counted."""
    return state.commands + state.lost


@kernel
def record_latencies(context: RepliesContext, first_seq: int, count: int, now: int) -> None:
    """Count the intervals of ``count`` commands whose last event was handed out at ``now``."""
    mask = context.stamp_mask
    row = IntervalRow(context.intervals)
    for _ in range(context.interval_count):
        since, until = row.since, row.until
        record_spans(Words(row.histogram), since, until, mask, first_seq, count, now)
        row = IntervalRow(row + (INTERVAL_BYTES))
    kept = context.until
    if kept != 0:
        for seq in range(first_seq, first_seq + count):
            kept[seq & mask] = now


@kernel
def send_replies(context: RepliesContext, next_event: int, count: int) -> int:
    """Send events to their participants, where there is a network; returns how many of ``count``,
    because a sender wants contiguous memory: up to where the ring wraps."""
    shim_reply = context.shim_reply
    if shim_reply == 0:
        return count
    ring, ring_mask = context.in_ring, context.in_mask
    count = min(count, ring_mask + 1 - (next_event & ring_mask))
    events = slot_address(ring, ring_mask, next_event)
    call_reply(shim_reply, context.shim, events, count)
    return count


@kernel
def step(context: RepliesContext) -> int:
    """Send a burst of events to the addresses that sent their orders; returns how many."""
    control = context.control
    next_event = context.next
    count = stage_words.available(context, REPLY_BURST)
    if count == 0:
        return stage_words.idle(context)
    count = send_replies(context, next_event, count)
    ring, ring_mask = context.in_ring, context.in_mask
    which = control.reply_which
    current = control.reply_states + which * control_words.REPLY_STATE_BYTES
    state = ReplyState(control.reply_states + (1 - which) * control_words.REPLY_STATE_BYTES)
    for offset in range(0, control_words.REPLY_STATE_BYTES, 64):
        copy64(state + offset, current + offset)
    chain = state.event_hash
    hashes, mask = context.event_hashes, context.stamp_mask
    replied_before = commands_of(state)
    for event in range(next_event, next_event + count):
        slot = slot_address(ring, ring_mask, event)
        chain = hash_event(chain, slot)
        count_event(state, slot)
        # Every command, by its own sequence: the journal picks the one that ends a block.
        hashes[slot.cause_seq & mask] = chain
    now = stage_words.now_ns(context)
    state.event_hash = chain
    state.cursor = next_event + count - 1
    state.last_ns = now
    control.set_reply_which = 1 - which
    replied = commands_of(state)
    record_latencies(context, replied_before + 1, replied - replied_before, now)
    return stage_words.advance(context, count)


def prepare(group: StageGroup, name: str) -> None:
    """Continue after the last event that the state counts."""
    shared, contexts = group.work.shared, group.contexts
    done = shared.control.reply.cursor
    shared.events.cursors[name][0] = done
    table = shared.table
    intervals = [
        (
            shared.histogram(row.name).ctypes.data,
            shared.stamp_address(row.since),
            shared.stamp_address(row.until) if row.until != table[name].until else 0,
        )
        for row in table.measured
    ]
    rows = np.array(intervals, np.int64)
    contexts.keep_alive.append(rows)
    words = RepliesContext.words(
        next=done + 1,
        event_hashes=shared.stamp_address(control_words.EVENT_HASHES),
        intervals=rows.ctypes.data,
        interval_count=len(rows),
    )
    contexts.set(name, words)


def opened(group: StageGroup, name: str) -> None:
    """The group's ports are open: replies leave by them."""
    assert group.shim is not None
    words = RepliesContext.words(shim=group.shim.address, shim_reply=group.shim.reply_function)
    group.contexts.set(name, words)
