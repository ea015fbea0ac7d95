"""matcher: commands into events; what the event ring has no room for waits in the scratch.

The core's batch kernel is called by address: the matcher's, or with hooks the one around it
(``matcher/hooks.py``); each is compiled once, with the engine.
"""

import numpy as np

from openoutcry.matcher import scratch_records
from openoutcry.matcher.book.arena import OPEN_ORDERS as OPEN_ORDERS_AT
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.pipeline.contract.work import StageGroup
from openoutcry.ring.kernels import slot_address
from openoutcry.ring.layout import PUBLISHED, SEQ
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    copy56,
    load_i64,
    load_u8,
    store_i64,
    store_release,
)
from openoutcry.wire.records import EVENT

EVENT_CAUSE = EVENT.offsets["cause_seq"]
EVENT_FLAGS = EVENT.offsets["flags"]
LAST = int(EventFlag.LAST)
TOUCHED_EVENTS = 1 << 20
"""Of the scratch, so many have their memory from the start: what many open orders are cancelled
with by one command."""
(
    BATCH,  # address of the batch kernel
    CORE,  # and what it is called with
    SCRATCH,  # events not yet published
    SCRATCH_COUNT,
    PENDING_FROM,
    PENDING_COUNT,
    NEXT_EVENT,
    SKIP_UNTIL,  # events up to here were published before the stage was restarted
    PLACE,  # of a shard: address where it notes its next place
    OTHER_PLACE,  # and of the place noted before, which counts until the cursor has moved
    OPEN_ORDERS,  # address of how many orders the book holds
    SHOWN_ORDERS,  # address where everybody sees it
) = w.own_words(12)


@kernel
def publish_events(context: int) -> int:
    """Publish what the matcher has pending, as far as the event ring has room."""
    pending = load_i64(context + PENDING_COUNT)
    first = load_i64(context + NEXT_EVENT)
    source = load_i64(context + SCRATCH) + 64 * load_i64(context + PENDING_FROM)
    skip_until = load_i64(context + SKIP_UNTIL)
    skipped = min(pending, max(0, skip_until - first + 1))
    count = skipped + max(0, w.room(context, first + skipped, pending - skipped))
    now = w.now_ns(context)
    stamps, mask = load_i64(context + w.UNTIL), load_i64(context + w.STAMP_MASK)
    ring, ring_mask = load_i64(context + w.OUT_RING), load_i64(context + w.OUT_MASK)
    for index in range(skipped, count):
        event = source + 64 * index
        if load_u8(event + EVENT_FLAGS) & LAST:
            store_i64(stamps + 8 * (load_i64(event + EVENT_CAUSE) & mask), now)
        slot = slot_address(ring, ring_mask, first + index)
        copy56(slot, event)
        store_release(slot + SEQ, first + index)
    if count > 0:
        if count > skipped:
            store_release(ring + PUBLISHED, first + count - 1)
        store_i64(context + NEXT_EVENT, first + count)
        store_i64(context + PENDING_FROM, load_i64(context + PENDING_FROM) + count)
        store_i64(context + PENDING_COUNT, pending - count)
    if count == pending:
        # Only now: a matcher restarted takes it that all events up to its cursor are out.
        last_seq = load_i64(context + w.NEXT) - 1
        if load_i64(context + PLACE) != 0:
            note_place(context, last_seq, first + count - 1)
        store_release(load_i64(context + w.IN_CURSOR), last_seq)
    return count


@kernel
def note_place(context: int, last_seq: int, events: int) -> None:
    """How many events a shard has published by ``last_seq``: no journal knows it."""
    place = load_i64(context + PLACE)
    store_i64(place + 8, events)
    store_release(place, last_seq)
    store_i64(context + PLACE, load_i64(context + OTHER_PLACE))
    store_i64(context + OTHER_PLACE, place)


@kernel
def step(context: int) -> int:
    done = 0
    if load_i64(context + PENDING_COUNT) > 0:
        done = publish_events(context)
        if load_i64(context + PENDING_COUNT) > 0:
            return done
    next_seq = load_i64(context + w.NEXT)
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    # Contiguous memory for the matcher: stop where the ring wraps.
    count = w.ready(context, min(w.BURST, ring_mask + 1 - (next_seq & ring_mask)))
    if count == 0:
        if w.input_ended(context):
            w.finish(context, load_i64(context + NEXT_EVENT) - 1)
        return done
    # One command can cause many events: the scratch holds one worst case beyond a burst.
    taken, events = call_batch_kernel(
        load_i64(context + BATCH),
        load_i64(context + CORE),
        slot_address(ring, ring_mask, next_seq),
        count,
        load_i64(context + SCRATCH),
        load_i64(context + SCRATCH_COUNT),
    )
    store_i64(context + w.NEXT, next_seq + taken)
    store_i64(context + PENDING_FROM, 0)
    store_i64(context + PENDING_COUNT, events)
    store_i64(load_i64(context + SHOWN_ORDERS), load_i64(load_i64(context + OPEN_ORDERS)))
    publish_events(context)
    return taken


def prepare(group: StageGroup, name: str) -> None:
    """Behind the last command whose events are all out, with the book as of then."""
    work, contexts = group.work, group.contexts
    engine = group.engines[name] = group.rebuild_engine(name)
    # One worst case beyond a burst: see `step`.
    scratch = np.zeros(w.BURST + scratch_records(engine.order_capacity), EVENT_DTYPE)
    # Memory that is there: a kill must not wait for pages.
    scratch[:TOUCHED_EVENTS].view(np.uint8).fill(0)
    contexts.keep_alive.append(scratch)
    index, control = work.table.index[name], work.shared.control
    control.set_stage(index, ct.STAGE_OPEN_ORDERS, engine.open_orders)
    contexts.set(
        name,
        {
            BATCH: kernel_address(engine.batch, 5),
            CORE: engine.core_address,
            SCRATCH: scratch.ctypes.data,
            SCRATCH_COUNT: len(scratch),
            w.NEXT: engine.last_seq + 1,
            NEXT_EVENT: engine.event_count + 1,
            OPEN_ORDERS: engine.address + OPEN_ORDERS_AT,
            SHOWN_ORDERS: control.stage_address(index, ct.STAGE_OPEN_ORDERS),
            SKIP_UNTIL: work.shared.rings[work.shared.table[name].writes].published,
        },
    )
    if work.table[name].shard is not None:
        places = [ct.STAGE_PLACES, ct.STAGE_PLACES + ct.STAGE_PLACE_BYTES]
        # The one that says where the cursor is now must outlive the next to be noted.
        places.sort(key=lambda place: control.stage(index, place) == engine.last_seq)
        first, second = (control.stage_address(index, place) for place in places)
        contexts.set(name, {PLACE: first, OTHER_PLACE: second})
