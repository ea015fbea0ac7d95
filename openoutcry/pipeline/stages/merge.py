"""merge: the events of several matchers, each with separate instruments, as one matcher's.

Events follow one another by the command that caused them.  A command about one instrument is
answered by its shard alone.  One to all (TIME, DISCONNECT, a MASS_CANCEL without a symbol) is
answered by every shard, and the answers are put into the order in which one matcher gives them:

    1. what it took out of the books: by a TIME in the order of expiry, else by instrument
    2. what that caused in each of these instruments, by instrument
    3. COMPLETED with the total; or REJECTED, which all of them say alike

The state has two copies and an index, as that of replies.  A restarted merge continues from the
copy that counts and gives the same events again; it skips those that are out.
"""

import numpy as np

from openoutcry.ring.kernels import is_published, slot_address
from openoutcry.runtime import control as control_words
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.control import MergeState
from openoutcry.runtime.table import MAX_SHARDS
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import StageGroup
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, SharedWord, i64
from openoutcry.wire.memory import (
    copy56,
    copy64,
)
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

TIME, DISCONNECT = enum_numbers.COMMAND_KIND_TIME, enum_numbers.COMMAND_KIND_DISCONNECT
MASS_CANCEL = enum_numbers.COMMAND_KIND_MASS_CANCEL
LAST, COMPLETED = enum_numbers.EVENT_FLAG_LAST, enum_numbers.EVENT_KIND_COMPLETED
CANCELLED, EXPIRED = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_EXPIRED
TIMED_OUT, MASS_CANCELLED = enum_numbers.REASON_EXPIRED, enum_numbers.REASON_MASS_CANCEL
DISCONNECTED = enum_numbers.REASON_DISCONNECTED


class MergeContext(StageContext):
    """The merge's context."""

    commands: int = i64("address of the sequenced ring")
    commands_mask: int = i64("its slots, less one")
    commands_cursor: SharedWord = i64("address of the merge's cursor on it", of=SharedWord)
    rows: int = i64("address of a row a shard")
    shards: int = i64("how many there are")
    skip_until: int = i64("events up to here were published before the stage was restarted")


NO_SHARD = -1
assert (
    MergeState.offset("shards") + MAX_SHARDS * control_words.MERGE_SHARD_BYTES
    <= control_words.MERGE_STATE_BYTES
)


class ShardRow(Layout, size_bytes=32):
    """A row a shard."""

    ring: int = i64("address of the shard's event ring")
    mask: int = i64("its slots, less one")
    cursor: SharedWord = i64("address of the merge's cursor on it", of=SharedWord)
    end: SharedWord = i64(
        "address of the word that holds 1 + last sequence once it has ended", of=SharedWord
    )


ROW_BYTES = 32


class ShardPlace(Layout):
    """How far the merge has come in a shard."""

    next: int = i64("its next event")
    done: int = i64("last command to all shards that it is done with")


@kernel
def row_of(context: MergeContext, shard: int) -> ShardRow:
    """Return the merge's row of a shard."""
    return ShardRow(context.rows + shard * ROW_BYTES)


@kernel
def place_of(state: MergeState, shard: int) -> ShardPlace:
    """Return a shard's place in one of the two states."""
    return ShardPlace(state.shards + shard * control_words.MERGE_SHARD_BYTES)


@kernel
def head_of(context: MergeContext, state: MergeState, shard: int) -> EventRecord:
    """Address of the shard's next event, or 0 if it has published none."""
    row, next_event = row_of(context, shard), place_of(state, shard).next
    ring, mask = row.ring, row.mask
    return EventRecord(
        slot_address(ring, mask, next_event) if is_published(ring, mask, next_event) else 0
    )


@kernel
def is_to_all(context: MergeContext, cause: int) -> bool:
    """Return whether every shard answers the command, as the matcher's ``process_general`` has
    it."""
    order = OrderRecord(slot_address(context.commands, context.commands_mask, cause))
    kind = order.kind
    to_all = kind in (TIME, DISCONNECT) or (kind == MASS_CANCEL and order.symbol == 0)
    return to_all and order.error_code == 0


@kernel
def is_dropped(event: EventRecord) -> bool:
    """Return whether the command to all itself took the order out of its book."""
    kind, reason = event.kind, event.reason
    return (kind == EXPIRED and reason == TIMED_OUT) or (
        kind == CANCELLED and reason in (MASS_CANCELLED, DISCONNECTED)
    )


@kernel
def next_shard(context: MergeContext, state: MergeState) -> int:
    """The shard with the next event, or NO_SHARD while that cannot be known."""
    cause, count = state.cause, context.shards
    for shard in range(count):
        head = head_of(context, state, shard)
        if head != 0 and head.cause_seq == cause:
            return next_of_all(context, state) if is_to_all(context, cause) else shard
    return NO_SHARD


@kernel
def next_of_all(context: MergeContext, state: MergeState) -> int:
    """Return the shard whose event comes first in a single matcher, among the shards that have not
    finished a command for all; NO_SHARD while one of them has published nothing."""
    cause = state.cause
    first, first_part, first_key, first_number = NO_SHARD, 0, 0, 0
    for shard in range(context.shards):
        if place_of(state, shard).done == cause:
            continue
        head = head_of(context, state, shard)
        if head == 0:
            return NO_SHARD
        if VERIFY:
            assert head.cause_seq == cause
        # NO_INSTRUMENT, of COMPLETED and REJECTED, comes last.
        part, key, number = 1, head.instrument, 0
        if is_dropped(head):
            part = 0
            if head.kind == EXPIRED:
                key, number = head.leaves_lots, head.contra_id
        is_first = part < first_part or (
            part == first_part and (key < first_key or (key == first_key and number < first_number))
        )
        if first == NO_SHARD or is_first:
            first, first_part, first_key, first_number = shard, part, key, number
    return first


@kernel
def all_done(context: MergeContext, state: MergeState) -> bool:
    """Return whether every shard is done with the command to all at work."""
    cause = state.cause
    for shard in range(context.shards):  # noqa: SIM110 (numba has no generators in kernels)
        if place_of(state, shard).done != cause:
            return False
    return True


@kernel
def take(context: MergeContext, state: MergeState, shard: int, number: int) -> int:
    """Take the shard's next event and publish it as the merged ring's ``number``; 0 if it only
    says that one shard more is done with a command to all."""
    event, place = head_of(context, state, shard), place_of(state, shard)
    cause = state.cause
    to_all, last = is_to_all(context, cause), event.flags & LAST != 0
    place.next += 1
    if to_all and last:
        gone = state.dropped + event.qty_lots
        state.dropped = gone
        place.done = cause
        if not all_done(context, state):
            return 0
    if number > context.skip_until:
        ring, mask = context.out_ring, context.out_mask
        slot = slot_address(ring, mask, number)
        copy56(slot, event)
        if to_all and is_dropped(event):
            # Of an EXPIRED, what its order was found by; of a CANCELLED both are 0.
            slot.leaves_lots = 0
            slot.contra_id = 0
        elif to_all and event.kind == COMPLETED:
            slot.qty_lots = state.dropped
        slot.stamp = number
    if last:
        state.dropped = 0
        state.cause = cause + 1
    return 1


@kernel
def step(context: MergeContext) -> int:
    """Put the events of the shards in the order of their commands, up to four bursts; returns how
    many."""
    first = context.next
    room = stage_words.free_slots(context, first, 4 * stage_words.BURST)
    control = context.control
    which = control.merge_which
    current = MergeState(control.merge_states + which * control_words.MERGE_STATE_BYTES)
    state = MergeState(control.merge_states + (1 - which) * control_words.MERGE_STATE_BYTES)
    for offset in range(0, control_words.MERGE_STATE_BYTES, 64):
        copy64(state + offset, current + offset)
    merged = taken = 0
    while merged < room:
        shard = next_shard(context, state)
        if shard == NO_SHARD:
            break
        merged += take(context, state, shard, first + merged)
        taken += 1
    if taken == 0:
        finish_at_end(context, current)
        return 0
    state.event = first + merged - 1
    if first + merged - 1 > context.skip_until:
        context.out_ring.published = first + merged - 1
    control.set_merge_which = 1 - which
    context.next = first + merged
    release_events(context, state)
    return taken


@kernel
def release_events(context: MergeContext, state: MergeState) -> None:
    """The slots of what the state counts as merged: only now, for they can be needed again."""
    for shard in range(context.shards):
        next_event = place_of(state, shard).next
        row_of(context, shard).cursor.value = next_event - 1
    context.commands_cursor.value = state.cause - 1


@kernel
def finish_at_end(context: MergeContext, state: MergeState) -> None:
    """Finish once every shard has and all that it has written is merged."""
    for shard in range(context.shards):
        end = row_of(context, shard).end.value
        if end != place_of(state, shard).next:
            return
    stage_words.finish(context, context.next - 1)


def prepare(group: StageGroup, name: str) -> None:
    """Continue after what the state counts; at the first start, where the rings begin."""
    shared, contexts = group.work.shared, group.contexts
    table, control = shared.table, shared.control
    commands = shared.rings["sequenced"]
    rings = [ring for ring in table.inputs(name) if ring != "sequenced"]
    rows = [
        (
            shared.rings[ring].address,
            shared.rings[ring].mask,
            shared.rings[ring].cursors[name].ctypes.data,
            shared.end_of(ring),
        )
        for ring in rings
    ]
    words = np.array(rows, np.int64)
    assert words.strides[0] == ROW_BYTES
    contexts.keep_alive.append(words)
    published = shared.rings[table[name].writes].published
    state = MergeState(
        control.block.merge_states + control.block.merge_which * control_words.MERGE_STATE_BYTES
    )
    if state.cause == 0:
        for shard, ring in enumerate(rings):
            at = state.shards + shard * control_words.MERGE_SHARD_BYTES
            ShardPlace(at).next = int(shared.rings[ring].cursors[name][0]) + 1
        state.event = published
        # Last: now the rest counts.
        state.cause = int(commands.cursors[name][0]) + 1
    contexts.set(
        name,
        MergeContext.words(
            next=state.event + 1,
            commands=commands.address,
            commands_mask=commands.mask,
            commands_cursor=commands.cursors[name].ctypes.data,
            rows=words.ctypes.data,
            shards=len(rings),
            skip_until=published,
        ),
    )
