"""gateway: merges the lanes, validates, and gives each command the next sequence.

The merge is fair: the lanes take turns, a burst each, so a lane's next command waits for at most
one burst of every other lane.  With several lanes each command's lane and lane sequence are stored
before its publication.  So a restarted gateway finds for every lane exactly what was sequenced, and
so does the journal.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga.call import call_batch
from openoutcry.gateway_fpga.golden import GatewayRules, validate
from openoutcry.pipeline.gateway_stage import make_gateway
from openoutcry.pipeline.stages.published import PublishedBlock, publication_of, pull_risk_flags
from openoutcry.ring.kernels import published_count, slot_address, wake_reader
from openoutcry.ring.layout import SEQ
from openoutcry.risk import constants
from openoutcry.risk import layout as lay
from openoutcry.risk.layout import RiskState
from openoutcry.risk.speed_bump import NEVER, SpeedBump
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.lanes import SHIFT
from openoutcry.runtime.table import OPERATOR_LANE
from openoutcry.runtime.words import StageContext
from openoutcry.runtime.work import PipelineError, StageGroup, Work
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, SharedWord, Words, i64
from openoutcry.wire.memory import (
    copy56,
    store_i64,
)
from openoutcry.wire.record_blocks import OrderRecord


class GatewayContext(StageContext):
    """The gateway's context."""

    rules: int = i64("address of the rules")
    rtl: int = i64("address of the Verilated gateway's function, 0: the golden model validates")
    rtl_handle: int = i64("its handle")
    lanes: int = i64("address of the lanes' rows")
    lane_count: int = i64("how many there are")
    turn: int = i64("lane that is checked first")
    lane_words: Words = i64(
        "address of a word a global sequence, filled where there are several lanes: its lane,",
        of=Words,
    )
    intended: Words = i64("when it was sent", of=Words)
    received: Words = i64("and when it was received", of=Words)
    published_bits: int = i64("address of the block of ``published.py``, 0: none")
    core_region: int = i64("address of the risk state of a core with a speed bump, 0: none")
    core_cursor: SharedWord = i64("address of the core's cursor", of=SharedWord)
    operator: int = i64("number of the operator's lane")
    journal_asleep: int = i64("address of the word on which the journal sleeps, 0: it does not")


class Lane(Layout, size_bytes=64):
    """A row of the lanes."""

    ring: int = i64("address of the lane's ring")
    mask: int = i64("its slots, less one")
    cursor: SharedWord = i64("address of the gateway's cursor on it", of=SharedWord)
    end: SharedWord = i64(
        "address of the word that holds 1 + last sequence once it has ended", of=SharedWord
    )
    next: int = i64("next sequence to take")
    number: int = i64("number of the lane")
    sent: Words = i64(
        "address of when its commands were sent, by lane sequence; 0: nothing stamps it", of=Words
    )


LANE_BYTES = Lane.size_bytes
LANE_NUMBER = Lane.offset("number")

RISK, RELEASE = enum_numbers.COMMAND_KIND_RISK, constants.SET_RELEASE


@kernel
def sequence_burst(context: GatewayContext, lane: Lane, count: int) -> int:
    """Validate and sequence ``count`` commands of the lane: the verdict is written into the record,
    and good and bad alike get the next sequence number."""
    first = context.next
    count = stage_words.free_slots(context, first, count)
    if count <= 0:
        return 0
    in_ring, in_mask = lane.ring, lane.mask
    out_ring, out_mask = context.out_ring, context.out_mask
    rules, rtl = GatewayRules(context.rules), context.rtl
    lane_first = lane.next
    for index in range(count):
        order = OrderRecord(slot_address(in_ring, in_mask, lane_first + index))
        slot = OrderRecord(slot_address(out_ring, out_mask, first + index))
        copy56(slot, order)
        if rtl == 0:
            slot.error_code = validate(order, rules)
    if rtl != 0:
        # To the ring's end, and what is left from its start.
        straight = min(count, out_mask + 1 - (first & out_mask))
        handle = context.rtl_handle
        call_batch(rtl, handle, slot_address(out_ring, out_mask, first), straight)
        call_batch(rtl, handle, slot_address(out_ring, out_mask, 0), count - straight)
    if context.lane_count > 1:
        note_lane(context, lane, first, count)
    elif VERIFY:
        assert lane_first == first
    now = stage_words.now_ns(context)
    stamps, mask = context.until, context.stamp_mask
    for seq in range(first, first + count):
        stamps[seq & mask] = now
        slot_address(out_ring, out_mask, seq).stamp = seq
    out_ring.published = first + count - 1
    lane.cursor.value = lane_first + count - 1
    lane.next = lane_first + count
    context.next = first + count
    if context.journal_asleep != 0:
        wake_reader(context.journal_asleep)
    return count


@kernel
def note_lane(context: GatewayContext, lane: Lane, first: int, count: int) -> None:
    """Store the lane of the commands from ``first`` on and, by global sequence, when each was
    received (from its record) and sent (from the lane's array).  A lane that nothing stamps counts
    as sent when received."""
    number, lane_first = lane.number, lane.next
    lane_mask, mask = lane.mask, context.stamp_mask
    sent, epoch_offset = lane.sent, context.control.epoch_offset
    for index in range(count):
        lane_seq = lane_first + index
        at = first + index & mask
        context.lane_words[at] = lane_seq << SHIFT | number
        # As the journal has it: what is published while trading and what is made again from the
        # journal bear one time, also where a packet's is its device's.
        order = OrderRecord(slot_address(lane.ring, lane_mask, lane_seq))
        received = order.rx_ts_ns - epoch_offset
        intended = received
        if sent != 0:
            intended = sent[lane_seq & lane_mask]
        context.intended[at] = intended
        context.received[at] = received


@kernel
def step(context: GatewayContext) -> int:
    """One burst of the next lane, in turn, that has any."""
    rows, lane_count = context.lanes, context.lane_count
    bits = PublishedBlock(context.published_bits)
    if bits != 0:
        pull_risk_flags(bits)
    if context.core_region != 0 and release_due(context) != 0:
        return 1
    turn = context.turn
    for _ in range(lane_count):
        lane = Lane(rows + turn * LANE_BYTES)
        turn = turn + 1 if turn + 1 < lane_count else 0
        ring, mask = lane.ring, lane.mask
        count = published_count(ring, mask, lane.next, stage_words.BURST)
        if count > 0:
            done = sequence_burst(context, lane, count)
            if done > 0:
                context.turn = turn
            return done
    return finish_if_ended(context)


@kernel
def finish_if_ended(context: GatewayContext) -> int:
    """Every lane has ended and nothing is left on it: the stage has.  Returns 0."""
    rows, lane_count = context.lanes, context.lane_count
    for index in range(lane_count):
        lane = Lane(rows + index * LANE_BYTES)
        if lane.end.value != lane.next:
            return 0
    if not somebody_waits(context):
        stage_words.finish(context, context.next - 1)
        if context.journal_asleep != 0:
            wake_reader(context.journal_asleep)
    return 0


@kernel
def release_due(context: GatewayContext) -> int:
    """Sequence a RELEASE for the operator when the core has processed every command and a command
    at its speed bump is due. So the delayed command does not have to wait for the next one. Returns
    1 if so. It has the operator's lane and that lane's last sequence, so nothing of a lane is lost.

    It has the operator's lane and that lane's last sequence, so of no lane anything is lost."""
    last = context.next - 1
    if context.core_cursor.value != last or stage_words.free_slots(context, last + 1, 1) < 1:
        return 0
    epoch_offset = context.control.epoch_offset
    now = stage_words.now_ns(context)
    if next_release(context) > now + epoch_offset:
        return 0
    seq, operator = last + 1, Lane(context.operator)
    out_ring, out_mask = context.out_ring, context.out_mask
    slot = OrderRecord(slot_address(out_ring, out_mask, seq))
    for offset in range(0, SEQ, 8):
        store_i64(slot + offset, 0)
    slot.kind = RISK
    slot.order_type = RELEASE
    slot.rx_ts_ns = now + epoch_offset
    if context.rtl != 0:
        call_batch(context.rtl, context.rtl_handle, slot, 1)
    else:
        slot.error_code = validate(slot, GatewayRules(context.rules))
    at = seq & context.stamp_mask
    number, lane_last = operator.number, operator.next - 1
    context.lane_words[at] = lane_last << SHIFT | number
    context.intended[at] = now
    context.received[at] = now
    context.until[at] = now
    slot.stamp = seq
    out_ring.published = seq
    context.next = seq + 1
    if context.journal_asleep != 0:
        wake_reader(context.journal_asleep)
    return 1


@kernel
def next_release(context: GatewayContext) -> int:
    """Return when the first delayed command enters, ns since the epoch; NEVER if no
    command waits."""
    region = RiskState(context.core_region)
    # A core that is not there yet (its process has not begun) has no queue.
    if region.magic != lay.MAGIC or region.bump_at == 0:
        return NEVER
    return SpeedBump(region + region.bump_at).next_ns


@kernel
def somebody_waits(context: GatewayContext) -> bool:
    """Return whether an acknowledged command still waits: it enters before the run ends."""
    if context.core_region == 0:
        return False
    last = context.next - 1
    behind = context.core_cursor.value != last
    return behind or next_release(context) != NEVER


def prepare(group: StageGroup, name: str) -> None:
    """Continue after the last command published on the sequenced ring, which the slots show; on
    each lane after the last command that was sequenced."""
    work, shared, contexts = group.work, group.work.shared, group.contexts
    rules, group.rtl = make_gateway(work, int(shared.sequenced.published))
    rows = np.zeros((len(shared.table.lanes), LANE_BYTES // 8), np.int64)
    contexts.keep_alive += [rules, rows]
    places = shared.lane_places()
    for row, lane in zip(rows, shared.table.lanes, strict=True):
        ring, place = shared.rings[lane.name], places[lane.name]
        # A predecessor may have died between publishing a burst and giving back its slots.
        ring.cursors[name][0] = place
        stamps = shared.lane_stamps(lane.name)
        values = (
            ring.address,
            ring.mask,
            ring.cursors[name].ctypes.data,
            shared.end_of(lane.name),
            place + 1,
            lane.lane or 0,
            (stamps or (0, 0))[0],
            0,
        )
        row[:] = np.array(values, np.int64)
    words = GatewayContext.words(
        rules=rules.ctypes.data,
        lanes=rows.ctypes.data,
        lane_count=len(rows),
        lane_words=shared.lane_words_address,
        intended=shared.stamp_address("intended"),
        received=shared.stamp_address("received"),
    )
    if work.durable:
        # Answers wait for it; what no answer waits for gathers while it sleeps for a time.
        asleep = shared.control.block.address_of("journal_asleep")
        words |= GatewayContext.words(journal_asleep=asleep)
    words |= bump_words(work, rows, name)
    bits = publication_of(work, rules, group.rtl)
    if bits is not None:
        contexts.keep_alive.append(bits)
        words |= GatewayContext.words(published_bits=bits.ctypes.data)
    if group.rtl is not None:
        words |= GatewayContext.words(rtl=group.rtl.function, rtl_handle=group.rtl.handle)
    contexts.set(name, words)


def bump_words(work: Work, rows: npt.NDArray[np.int64], name: str) -> dict[int, int]:
    """Return the words of a core with a speed bump, which the operator's lane must be able to
    release; empty if the core has none."""
    shared, hooks = work.shared, work.core.hooks or {}
    numbers = rows[:, LANE_NUMBER // 8].tolist()
    if not hooks.get("delayed") or shared.region is None:
        return {}
    if OPERATOR_LANE not in numbers or len(numbers) < 2:
        raise PipelineError("a speed bump needs the operator's lane as well as the participants'")
    core = next(s for s in shared.table.readers("sequenced") if shared.table[s].until == "matched")
    return GatewayContext.words(
        core_region=shared.region.ctypes.data,
        core_cursor=shared.sequenced.cursors[core].ctypes.data,
        operator=rows.ctypes.data + LANE_BYTES * numbers.index(OPERATOR_LANE),
    )
