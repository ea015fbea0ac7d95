"""matcher: commands into events; what the event ring has no room for waits in the scratch.

The core's batch kernel is called by address: the matcher's, or with hooks the one around it
(``matcher/hooks.py``); each is compiled once, with the engine.
"""

import numpy as np

from openoutcry.matcher import scratch_records
from openoutcry.matcher.book.arena import OPEN_ORDERS as OPEN_ORDERS_AT
from openoutcry.ring.kernels import slot_address
from openoutcry.runtime import words
from openoutcry.runtime.control import STAGE_PLACE_BYTES
from openoutcry.runtime.shared import EVENT_NOTES
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import StageGroup
from openoutcry.wire import EVENT_DTYPE, enum_numbers
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words, i64
from openoutcry.wire.memory import (
    copy56,
    load_i64,
    store_i64,
)
from openoutcry.wire.record_blocks import EventRecord

LAST = enum_numbers.EVENT_FLAG_LAST
TOUCHED_EVENTS = 1 << 20
"""This much of the scratch has its memory from the start, for one command that cancels many open
orders."""


class MatcherContext(StageContext):
    """The matcher's context."""

    batch: int = i64("address of the batch kernel")
    core: int = i64("address of what it is called with")
    scratch: int = i64("address of events that are not published yet")
    scratch_count: int = i64("how many there are")
    pending_from: int = i64("first of them that waits")
    pending_count: int = i64("how many wait")
    next_event: int = i64("sequence of the next event")
    skip_until: int = i64("events up to here were published before the stage was restarted")
    place: int = i64("of a shard: address where it notes its next place")
    other_place: int = i64("and of the place noted before, which counts until the cursor has moved")
    open_orders: int = i64("address of how many orders the book holds")
    shown_orders: int = i64("address of the control segment's word for that")
    notes: int = i64("address of what the hooks note, a word a slot of the event ring; 0: nothing")


@kernel
def publish_events(context: MatcherContext) -> int:
    """Publish what the matcher has pending, as far as the event ring has room."""
    pending = context.pending_count
    first = context.next_event
    source = context.scratch + 64 * context.pending_from
    skip_until = context.skip_until
    skipped = min(pending, max(0, skip_until - first + 1))
    count = skipped + max(0, words.free_slots(context, first + skipped, pending - skipped))
    now = words.now_ns(context)
    stamps, mask = context.until, context.stamp_mask
    ring, ring_mask, notes = context.out_ring, context.out_mask, context.notes
    for index in range(skipped, count):
        event = EventRecord(source + 64 * index)
        if event.flags & LAST:
            stamps[event.cause_seq & mask] = now
        slot = slot_address(ring, ring_mask, first + index)
        copy56(slot, event)
        if notes != 0:
            Words(notes)[first + index & ring_mask] = event.seq
        slot.stamp = first + index
    if count > 0:
        if count > skipped:
            ring.published = first + count - 1
        context.next_event = first + count
        context.pending_from += count
        context.pending_count = pending - count
    if count == pending:
        # Only now: a matcher restarted takes it that all events up to its cursor are out.
        last_seq = context.next - 1
        if context.place != 0:
            note_place(context, last_seq, first + count - 1)
        context.in_cursor.value = last_seq
    return count


@kernel
def note_place(context: MatcherContext, last_seq: int, events: int) -> None:
    """How many events a shard has published by ``last_seq``: no journal knows it."""
    place = context.place
    Words(place)[1] = events
    SharedWord(place).value = last_seq
    context.place = context.other_place
    context.other_place = place


@kernel
def step(context: MatcherContext) -> int:
    """Process up to a burst of commands, and publish their events; returns how much was done."""
    done = 0
    if context.pending_count > 0:
        done = publish_events(context)
        if context.pending_count > 0:
            return done
    next_seq = context.next
    ring, ring_mask = context.in_ring, context.in_mask
    # Contiguous memory for the matcher: stop where the ring wraps.
    count = words.available(context, min(words.BURST, ring_mask + 1 - (next_seq & ring_mask)))
    if count == 0:
        if words.input_ended(context):
            words.finish(context, context.next_event - 1)
        return done
    # One command can cause many events: the scratch holds one worst case beyond a burst.
    taken, events = call_batch_kernel(
        context.batch,
        context.core,
        slot_address(ring, ring_mask, next_seq),
        count,
        context.scratch,
        context.scratch_count,
    )
    context.next = next_seq + taken
    context.pending_from = 0
    context.pending_count = events
    store_i64(context.shown_orders, load_i64(context.open_orders))
    publish_events(context)
    return taken


def prepare(group: StageGroup, name: str) -> None:
    """Continue after the last command whose events are all published, with the book as of then."""
    work, contexts = group.work, group.contexts
    engine = group.engines[name] = group.rebuild_engine(name)
    # One worst case beyond a burst: see `step`.
    scratch = np.zeros(words.BURST + scratch_records(engine.order_capacity), EVENT_DTYPE)
    # Memory that is there: a kill must not wait for pages.
    scratch[:TOUCHED_EVENTS].view(np.uint8).fill(0)
    contexts.keep_alive.append(scratch)
    has_notes = engine.hooks is not None and engine.hooks.leaves_notes
    index, control = work.table.index[name], work.shared.control
    control.stage(index).open_orders = engine.open_orders
    contexts.set(
        name,
        MatcherContext.words(
            batch=kernel_address(engine.batch, 5),
            core=engine.core_address,
            scratch=scratch.ctypes.data,
            scratch_count=len(scratch),
            next=engine.last_seq + 1,
            next_event=engine.event_count + 1,
            open_orders=engine.address + OPEN_ORDERS_AT,
            shown_orders=control.stage(index).address_of("open_orders"),
            skip_until=work.shared.rings[work.shared.table[name].writes].published,
            notes=work.shared.stamp_address(EVENT_NOTES) if has_notes else 0,
        ),
    )
    if work.table[name].shard is not None:
        places = int(control.stage(index).places)
        # The one that says where the cursor is now must outlive the next to be noted.
        first, second = sorted(
            (places, places + STAGE_PLACE_BYTES),
            key=lambda place: Words(place)[0] == engine.last_seq,
        )
        contexts.set(name, MatcherContext.words(place=first, other_place=second))
