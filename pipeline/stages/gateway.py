"""gateway: merges the lanes, validates, and gives each command the next sequence.

The merge is fair: the lanes take turns, a burst each, so that a lane's next command waits for at
most one burst of every other lane.  With several lanes each command's lane and lane sequence are
noted before its publication: a gateway that is restarted finds for every lane exactly what was
sequenced, and so does the journal.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga.call import call_batch
from openoutcry.gateway_fpga.golden import validate
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.pipeline.contract.lanes import SHIFT
from openoutcry.pipeline.contract.table import OPERATOR_LANE
from openoutcry.pipeline.contract.work import PipelineError, StageGroup, Work
from openoutcry.pipeline.gateway_stage import make_gateway
from openoutcry.pipeline.stages.published import publication_of, take_publication
from openoutcry.ring.kernels import published_count, slot_address
from openoutcry.ring.layout import PUBLISHED, SEQ
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.speed_bump import NEVER, NEXT_NS
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import (
    copy56,
    load_acquire,
    load_i64,
    store_i64,
    store_release,
    store_u8,
    store_u16,
)
from openoutcry.wire.records import ORDER

ORDER_TS = ORDER.offsets["rx_ts_ns"]
ORDER_ERROR = ORDER.offsets["error_code"]
ORDER_KIND, ORDER_TYPE = ORDER.offsets["kind"], ORDER.offsets["order_type"]
(
    RULES, RTL, RTL_HANDLE, LANES, LANE_COUNT, TURN, LANE_WORDS, INTENDED, RECEIVED, PUBLISHED_BITS,
    CORE_REGION, CORE_CURSOR, OPERATOR,
) = w.own_words(13)  # fmt: skip
"""RTL: address of the Verilated gateway's function, 0 for the golden model.  LANE_WORDS, INTENDED
and RECEIVED: arrays by global sequence that are filled here where there are several lanes.
PUBLISHED_BITS: block of ``published.py``, 0 for none.  CORE_REGION: risk state of a core that has a
speed bump, 0 for none; CORE_CURSOR: how far the core has come; OPERATOR: the operator's lane."""

LANE_RING, LANE_MASK, LANE_CURSOR, LANE_END, LANE_NEXT, LANE_NUMBER = range(0, 48, 8)
LANE_SENT, LANE_RECEIVED = 48, 56  # its stamps by lane sequence, 0 for a lane that nothing stamps
LANE_BYTES = 64
RISK, RELEASE = int(CommandKind.RISK), int(Setting.RELEASE)


@kernel
def sequence_burst(context: int, lane: int, count: int) -> int:
    """Validate and sequence ``count`` commands of the lane: the verdict is written into the record,
    and good and bad alike get the next sequence number."""
    first = load_i64(context + w.NEXT)
    count = w.room(context, first, count)
    if count <= 0:
        return 0
    in_ring, in_mask = load_i64(lane + LANE_RING), load_i64(lane + LANE_MASK)
    out_ring, out_mask = load_i64(context + w.OUT_RING), load_i64(context + w.OUT_MASK)
    rules, rtl = load_i64(context + RULES), load_i64(context + RTL)
    lane_first = load_i64(lane + LANE_NEXT)
    for index in range(count):
        order = slot_address(in_ring, in_mask, lane_first + index)
        slot = slot_address(out_ring, out_mask, first + index)
        copy56(slot, order)
        if rtl == 0:
            store_u16(slot + ORDER_ERROR, validate(order, rules))
    if rtl != 0:
        # To the ring's end, and what is left from its start.
        straight = min(count, out_mask + 1 - (first & out_mask))
        handle = load_i64(context + RTL_HANDLE)
        call_batch(rtl, handle, slot_address(out_ring, out_mask, first), straight)
        call_batch(rtl, handle, slot_address(out_ring, out_mask, 0), count - straight)
    if load_i64(context + LANE_COUNT) > 1:
        note_lane(context, lane, first, count)
    elif VERIFY:
        assert lane_first == first
    now = w.now_ns(context)
    stamps, mask = load_i64(context + w.UNTIL), load_i64(context + w.STAMP_MASK)
    for seq in range(first, first + count):
        store_i64(stamps + 8 * (seq & mask), now)
        store_release(slot_address(out_ring, out_mask, seq) + SEQ, seq)
    store_release(out_ring + PUBLISHED, first + count - 1)
    store_release(load_i64(lane + LANE_CURSOR), lane_first + count - 1)
    store_i64(lane + LANE_NEXT, lane_first + count)
    store_i64(context + w.NEXT, first + count)
    return count


@kernel
def note_lane(context: int, lane: int, first: int, count: int) -> None:
    """Where the commands from ``first`` on come from, and their stamps from the lane's arrays (or,
    of a lane that nothing stamps, from the records) to those by global sequence."""
    number, lane_first = load_i64(lane + LANE_NUMBER), load_i64(lane + LANE_NEXT)
    lane_mask, mask = load_i64(lane + LANE_MASK), load_i64(context + w.STAMP_MASK)
    sent, came = load_i64(lane + LANE_SENT), load_i64(lane + LANE_RECEIVED)
    epoch_offset = load_i64(load_i64(context + w.CONTROL) + ct.EPOCH_OFFSET)
    for index in range(count):
        lane_seq = lane_first + index
        at = 8 * (first + index & mask)
        store_i64(load_i64(context + LANE_WORDS) + at, lane_seq << SHIFT | number)
        if sent != 0:
            intended = load_i64(sent + 8 * (lane_seq & lane_mask))
            received = load_i64(came + 8 * (lane_seq & lane_mask))
        else:
            order = slot_address(load_i64(lane + LANE_RING), lane_mask, lane_seq)
            intended = received = load_i64(order + ORDER_TS) - epoch_offset
        store_i64(load_i64(context + INTENDED) + at, intended)
        store_i64(load_i64(context + RECEIVED) + at, received)


@kernel
def step(context: int) -> int:
    """One burst of the next lane, in turn, that has any."""
    rows, lane_count = load_i64(context + LANES), load_i64(context + LANE_COUNT)
    bits = load_i64(context + PUBLISHED_BITS)
    if bits != 0:
        take_publication(bits)
    if load_i64(context + CORE_REGION) != 0 and release_due(context) != 0:
        return 1
    turn = load_i64(context + TURN)
    for _ in range(lane_count):
        lane = rows + turn * LANE_BYTES
        turn = turn + 1 if turn + 1 < lane_count else 0
        ring, mask = load_i64(lane + LANE_RING), load_i64(lane + LANE_MASK)
        count = published_count(ring, mask, load_i64(lane + LANE_NEXT), w.BURST)
        if count > 0:
            done = sequence_burst(context, lane, count)
            if done > 0:
                store_i64(context + TURN, turn)
            return done
    return finish_if_ended(context)


@kernel
def finish_if_ended(context: int) -> int:
    """Every lane has ended and nothing is left on it: the stage has.  Returns 0."""
    rows, lane_count = load_i64(context + LANES), load_i64(context + LANE_COUNT)
    for index in range(lane_count):
        lane = rows + index * LANE_BYTES
        if load_acquire(load_i64(lane + LANE_END)) != load_i64(lane + LANE_NEXT):
            return 0
    if not somebody_waits(context):
        w.finish(context, load_i64(context + w.NEXT) - 1)
    return 0


@kernel
def release_due(context: int) -> int:
    """Where the core has had everything, and the time of somebody who waits at its speed bump has
    come, a RELEASE of the operator's own: nobody waits for the next command to come.  1 if so.

    It has the operator's lane and that lane's last sequence, so of no lane anything is lost.
    """
    last = load_i64(context + w.NEXT) - 1
    if load_acquire(load_i64(context + CORE_CURSOR)) != last or w.room(context, last + 1, 1) < 1:
        return 0
    epoch_offset = load_i64(load_i64(context + w.CONTROL) + ct.EPOCH_OFFSET)
    now = w.now_ns(context)
    if next_release(context) > now + epoch_offset:
        return 0
    seq, operator = last + 1, load_i64(context + OPERATOR)
    out_ring, out_mask = load_i64(context + w.OUT_RING), load_i64(context + w.OUT_MASK)
    slot = slot_address(out_ring, out_mask, seq)
    for offset in range(0, SEQ, 8):
        store_i64(slot + offset, 0)
    store_u8(slot + ORDER_KIND, RISK)
    store_u8(slot + ORDER_TYPE, RELEASE)
    store_i64(slot + ORDER_TS, now + epoch_offset)
    if load_i64(context + RTL) != 0:
        call_batch(load_i64(context + RTL), load_i64(context + RTL_HANDLE), slot, 1)
    else:
        store_u16(slot + ORDER_ERROR, validate(slot, load_i64(context + RULES)))
    at = 8 * (seq & load_i64(context + w.STAMP_MASK))
    number, lane_last = load_i64(operator + LANE_NUMBER), load_i64(operator + LANE_NEXT) - 1
    store_i64(load_i64(context + LANE_WORDS) + at, lane_last << SHIFT | number)
    store_i64(load_i64(context + INTENDED) + at, now)
    store_i64(load_i64(context + RECEIVED) + at, now)
    store_i64(load_i64(context + w.UNTIL) + at, now)
    store_release(slot + SEQ, seq)
    store_release(out_ring + PUBLISHED, seq)
    store_i64(context + w.NEXT, seq + 1)
    return 1


@kernel
def next_release(context: int) -> int:
    """When the first of those who wait enters, ns since the epoch; NEVER: nobody waits."""
    region = load_i64(context + CORE_REGION)
    # A core that is not there yet (its process has not begun) has no queue.
    if load_acquire(region) != lay.MAGIC or load_i64(region + lay.BUMP_AT) == 0:
        return NEVER
    return load_i64(region + load_i64(region + lay.BUMP_AT) + NEXT_NS)


@kernel
def somebody_waits(context: int) -> bool:
    """What was acknowledged enters before the run ends."""
    if load_i64(context + CORE_REGION) == 0:
        return False
    last = load_i64(context + w.NEXT) - 1
    behind = load_acquire(load_i64(context + CORE_CURSOR)) != last
    return behind or next_release(context) != NEVER


def prepare(group: StageGroup, name: str) -> None:
    """Behind the last command published on the sequenced ring, which the slots say; on each lane
    behind the last command that was sequenced."""
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
            ring.address, ring.mask, ring.cursors[name].ctypes.data, shared.end_of(lane.name),
            place + 1, lane.lane or 0, *(stamps or (0, 0)),
        )  # fmt: skip
        row[:] = np.array(values, np.int64)
    words = {
        RULES: rules.ctypes.data, LANES: rows.ctypes.data, LANE_COUNT: len(rows),
        LANE_WORDS: shared.lane_words_address, INTENDED: shared.stamp_address("intended"),
        RECEIVED: shared.stamp_address("received"),
    }  # fmt: skip
    words |= bump_words(work, rows, name)
    bits = publication_of(work, rules, group.rtl)
    if bits is not None:
        contexts.keep_alive.append(bits)
        words[PUBLISHED_BITS] = bits.ctypes.data
    if group.rtl is not None:
        words |= {RTL: group.rtl.function, RTL_HANDLE: group.rtl.handle}
    contexts.set(name, words)


def bump_words(work: Work, rows: npt.NDArray[np.int64], name: str) -> dict[int, int]:
    """Of a core with a speed bump, which the operator's lane must be able to release."""
    shared, hooks = work.shared, work.core.hooks or {}
    numbers = rows[:, LANE_NUMBER // 8].tolist()
    if not hooks.get("delayed") or shared.region is None:
        return {}
    if OPERATOR_LANE not in numbers or len(numbers) < 2:
        raise PipelineError("a speed bump needs the operator's lane beside the participants'")
    core = next(s for s in shared.table.readers("sequenced") if shared.table[s].until == "matched")
    return {
        CORE_REGION: shared.region.ctypes.data,
        CORE_CURSOR: shared.sequenced.cursors[core].ctypes.data,
        OPERATOR: rows.ctypes.data + LANE_BYTES * numbers.index(OPERATOR_LANE),
    }
