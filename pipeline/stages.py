"""The compiled stages: each a step over its rings, and the loop that runs those of one process.

A stage's context is a block of int64 words (addresses, its next sequence, cached limits) private to
its process; everything that must outlive the process stands in shared memory (``control.py``, the
rings, the stamps).  A step does a bounded burst of work and returns how much it did.

Stamps: for each stage an array of CLOCK_MONOTONIC ns by command sequence, so that every command's
way is measured, not a sample.  A burst shares one clock reading, taken before the first of its
records is published: at low rates a burst is one record and the reading is exact.
"""

from openoutcry.dpdk_shim.call import call_poll, call_reply
from openoutcry.dpdk_shim.udp import receive_burst, send_events
from openoutcry.gateway_fpga.call import call_batch
from openoutcry.gateway_fpga.golden import validate
from openoutcry.matcher.commands.dispatch import process_batch
from openoutcry.pipeline.control import (
    DURABLE_SEQ,
    EPOCH_OFFSET,
    FIRST_NS,
    GO,
    REPLY_COMMANDS,
    REPLY_CURSOR,
    REPLY_DUPLICATED,
    REPLY_EVENT_HASH,
    REPLY_KIND_COUNT,
    REPLY_KINDS,
    REPLY_LAST_NS,
    REPLY_LOST,
    REPLY_REASON_COUNT,
    REPLY_REASONS,
    REPLY_STATE_BYTES,
    REPLY_STATES,
    REPLY_TRADES,
    REPLY_WHICH,
    RESUMED_SEQ,
    STAGE_DONE,
    STAGE_HEARTBEAT_NS,
    STOP,
)
from openoutcry.pipeline.histogram import HISTOGRAM_BYTES, record
from openoutcry.replay.event_hash import hash_event
from openoutcry.ring.kernels import gating_cursor, is_published, published_count, slot_address
from openoutcry.ring.layout import PUBLISHED, SEQ
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    copy56,
    copy64,
    load_acquire,
    load_i64,
    load_u8,
    monotonic_ns,
    pause,
    store_i64,
    store_release,
    store_u16,
    yield_cpu,
)
from openoutcry.wire.records import EVENT, MAX_PACKET_RECORDS, ORDER

# Bursts are short so that a neighbour in the same process is never kept waiting for long, and long
# enough to share one clock reading (19 ns).
BURST = 64
MAX_VALUE = 2**63 - 1
OLDEST_SEND_NS = 60_000_000_000

# Words of every stage's context, as byte offsets.
CONTEXT_BYTES = 512
(
    CONTROL,
    MY_BLOCK,  # this stage's block in the control segment
    UPSTREAM,  # the block of the stage before
    IN_RING,
    IN_MASK,
    IN_CURSOR,  # address of this stage's cursor on the ring it reads
    OUT_RING,
    OUT_MASK,
    OUT_LIMIT,  # last sequence that may be claimed on the ring it writes, as last looked up
    NEXT,  # next sequence to take (receive: to write)
    STAMP_MASK,
    STAMPS_INTENDED,
    STAMPS_RECEIVED,
    STAMPS_SEQUENCED,
    STAMPS_MATCHED,
    STAMPS_RELEASED,
    STAMPS_REPLIED,  # 0 unless every command's stamps are kept (recording.py)
    PROBE,  # of the first context only: where long steps are noted, 0 for nowhere
    STAMPS_EVENTS,  # hash of all events up to each command's last
    HISTOGRAMS,
    # receive
    TAPE,  # address of the first record
    TAPE_COUNT,
    KEEPS_RX_TS,  # 1: times of receipt are written into the tape
    RATE,
    UDP,  # address of the receiver's context, 0 for a tape
    UDP_OUT,  # scratch for one burst of records
    UDP_SENT,  # and their senders' clock readings
    UDP_SENDERS,  # who these are
    UDP_SEQS,  # and their own numbers
    STAMPS_SENDERS,  # by command: 1 + index of its sender, 0 for none
    STAMPS_SENDER_SEQS,  # and that one's own number
    SHIM,  # address of the packet shim, 0 for none
    SHIM_POLL,  # and of its function
    # gateway
    RULES,
    RTL,  # address of the Verilated gateway's function, 0 for the golden model
    RTL_HANDLE,
    # matcher
    ARENA,
    SCRATCH,  # events not yet published
    SCRATCH_COUNT,
    PENDING_FROM,
    PENDING_COUNT,
    NEXT_EVENT,
    SKIP_UNTIL,  # events up to here were published before the stage was started again
    # gate
    WAITS,  # 1: release only what is durable
    # replies
    GATE_CURSOR,  # address of the gate's cursor on the event ring
    TX,  # address of the sender's context, 0 for none
    SHIM_REPLY,  # address of the shim's function for replies, 0 for none
) = range(0, 8 * 47, 8)

ORDER_TS = ORDER.offsets["rx_ts_ns"]
ORDER_ERROR = ORDER.offsets["error_code"]
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

RECEIVE, GATEWAY, JOURNAL, MATCHER, GATE, REPLIES = range(6)
# Histograms: one a stage by its index in the table, then the two spans over several stages.
RELEASE_HISTOGRAM, WHOLE_HISTOGRAM, HISTOGRAM_COUNT = 6, 7, 8
IDLE, TIME_UP, FINISHED = 0, 1, 2

# Words of a probe, as byte offsets; rows of three words follow: stage, began ns, ended ns.
PROBE_THRESHOLD, PROBE_CAPACITY, PROBE_COUNT = 0, 8, 16
PROBE_STALL_STAGE, PROBE_STALL_EVERY, PROBE_STALL_NS, PROBE_STALL_NEXT = 24, 32, 40, 48
PROBE_ROWS = 64
IDLE_STEP = 6
NO_STALL = -1


@kernel
def room(context: int, first: int, wanted: int) -> int:
    """How many of ``wanted`` sequences from ``first`` may be written on the stage's out ring.

    The gating cursors belong to other cores: they are read again only when the last reading does
    not suffice.
    """
    limit = load_i64(context + OUT_LIMIT)
    if first + wanted - 1 > limit:
        ring = load_i64(context + OUT_RING)
        limit = gating_cursor(ring) + load_i64(context + OUT_MASK) + 1
        store_i64(context + OUT_LIMIT, limit)
    return min(wanted, limit - first + 1)


@kernel
def finish(context: int, last_seq: int) -> None:
    """Say once that this stage has done all there will be, up to ``last_seq``."""
    store_release(load_i64(context + MY_BLOCK) + STAGE_DONE, last_seq + 1)


@kernel
def upstream_finished_at(context: int) -> int:
    """Last sequence of the stage before if it has finished, else -1."""
    return load_acquire(load_i64(context + UPSTREAM) + STAGE_DONE) - 1


@kernel
def put_on_lane(context: int, seq: int, source: int, intended_ns: int, now_ns: int) -> None:
    mask = load_i64(context + STAMP_MASK)
    store_i64(load_i64(context + STAMPS_INTENDED) + 8 * (seq & mask), intended_ns)
    store_i64(load_i64(context + STAMPS_RECEIVED) + 8 * (seq & mask), now_ns)
    slot = slot_address(load_i64(context + OUT_RING), load_i64(context + OUT_MASK), seq)
    copy56(slot, source)
    epoch_offset = load_i64(load_i64(context + CONTROL) + EPOCH_OFFSET)
    store_i64(slot + ORDER_TS, now_ns + epoch_offset)
    store_release(slot + SEQ, seq)


@kernel
def receive_tape(context: int) -> int:
    """Take what is due from the tape.  With a rate, command i is due at first + (i - 1) / rate
    whether or not the pipeline keeps up, and its latency counts from then: no coordinated
    omission."""
    control = load_i64(context + CONTROL)
    next_seq = load_i64(context + NEXT)
    if next_seq > load_i64(context + TAPE_COUNT) or load_acquire(control + STOP) != 0:
        finish(context, next_seq - 1)
        return 0
    if load_acquire(control + GO) == 0:
        return 0
    wanted = min(BURST, load_i64(context + TAPE_COUNT) - next_seq + 1)
    count = room(context, next_seq, wanted)
    if count <= 0:
        return 0
    now = monotonic_ns()
    first_ns = load_i64(control + FIRST_NS)
    if first_ns == 0:
        first_ns = now
        store_release(control + FIRST_NS, now)
    if load_i64(context + KEEPS_RX_TS) == 1:
        # Before any of them is published; one that is not due yet gets its own time later.
        rx_ts_ns = now + load_i64(control + EPOCH_OFFSET)
        for seq in range(next_seq, next_seq + count):
            store_i64(load_i64(context + TAPE) + 64 * (seq - 1) + ORDER_TS, rx_ts_ns)
    rate = load_i64(context + RATE)
    done = 0
    while done < count:
        seq = next_seq + done
        intended = now
        if rate > 0:
            due = seq - 1 - load_i64(control + RESUMED_SEQ)
            intended = first_ns + due * 1_000_000_000 // rate
            if intended > now:
                break
        put_on_lane(context, seq, load_i64(context + TAPE) + 64 * (seq - 1), intended, now)
        done += 1
    if done > 0:
        store_i64(context + NEXT, next_seq + done)
        store_release(load_i64(context + OUT_RING) + PUBLISHED, next_seq + done - 1)
    return done


@kernel
def receive_udp(context: int) -> int:
    """Take a burst of packets from the socket; a packet is taken whole or left in the kernel."""
    control = load_i64(context + CONTROL)
    next_seq = load_i64(context + NEXT)
    if next_seq > load_i64(context + TAPE_COUNT) or load_acquire(control + STOP) != 0:
        finish(context, next_seq - 1)
        return 0
    if load_acquire(control + GO) == 0:
        return 0
    wanted = BURST * MAX_PACKET_RECORDS
    capacity = room(context, next_seq, min(wanted, load_i64(context + OUT_MASK) + 1))
    if capacity < MAX_PACKET_RECORDS:
        return 0
    records = load_i64(context + UDP_OUT)
    count = receive_burst(load_i64(context + UDP), records, capacity)
    if count == 0:
        return 0
    now = monotonic_ns()
    if load_i64(control + FIRST_NS) == 0:
        store_release(control + FIRST_NS, now)
    epoch_offset = load_i64(control + EPOCH_OFFSET)
    count = min(count, load_i64(context + TAPE_COUNT) - next_seq + 1)
    for index in range(count):
        # The sender's clock means something only on one host: a send time in the future, or from
        # longer ago than any queue, counts as now.
        sent = load_i64(load_i64(context + UDP_SENT) + 8 * index) - epoch_offset
        if sent > now or sent < now - OLDEST_SEND_NS:
            sent = now
        seq = next_seq + index
        at = 8 * (seq & load_i64(context + STAMP_MASK))
        sender = load_i64(load_i64(context + UDP_SENDERS) + 8 * index)
        store_i64(load_i64(context + STAMPS_SENDERS) + at, sender)
        sender_seq = load_i64(load_i64(context + UDP_SEQS) + 8 * index)
        store_i64(load_i64(context + STAMPS_SENDER_SEQS) + at, sender_seq)
        put_on_lane(context, seq, records + 64 * index, sent, now)
    store_i64(context + NEXT, next_seq + count)
    store_release(load_i64(context + OUT_RING) + PUBLISHED, next_seq + count - 1)
    return count


@kernel
def receive_shim(context: int) -> int:
    """Let the packet shim take a burst from each of its ports: it writes slots and stamps itself.

    A device that is gone gives nothing more; whoever runs this loop asks the shim about that.
    """
    control = load_i64(context + CONTROL)
    next_seq = load_i64(context + NEXT)
    left = load_i64(context + TAPE_COUNT) - next_seq + 1
    if left <= 0 or load_acquire(control + STOP) != 0:
        finish(context, next_seq - 1)
        return 0
    if load_acquire(control + GO) == 0:
        return 0
    before = monotonic_ns()
    count = call_poll(load_i64(context + SHIM_POLL), load_i64(context + SHIM), left)
    if count == -1:
        finish(context, next_seq - 1)
    if count <= 0:
        return 0
    if load_i64(control + FIRST_NS) == 0:
        store_release(control + FIRST_NS, before)
    store_i64(context + NEXT, next_seq + count)
    return count


@kernel
def gateway(context: int) -> int:
    """Validate and sequence: the verdict is written into the record, and good and bad alike get
    the next sequence number."""
    next_seq = load_i64(context + NEXT)
    in_ring, in_mask = load_i64(context + IN_RING), load_i64(context + IN_MASK)
    count = published_count(in_ring, in_mask, next_seq, BURST)
    if count == 0:
        if upstream_finished_at(context) == next_seq - 1:
            finish(context, next_seq - 1)
        return 0
    count = room(context, next_seq, count)
    if count <= 0:
        return 0
    out_ring, out_mask = load_i64(context + OUT_RING), load_i64(context + OUT_MASK)
    rules, rtl = load_i64(context + RULES), load_i64(context + RTL)
    for seq in range(next_seq, next_seq + count):
        order = slot_address(in_ring, in_mask, seq)
        slot = slot_address(out_ring, out_mask, seq)
        copy56(slot, order)
        if rtl == 0:
            store_u16(slot + ORDER_ERROR, validate(order, rules))
    if rtl != 0:
        # To the ring's end, and what is left from its start.
        straight = min(count, out_mask + 1 - (next_seq & out_mask))
        handle = load_i64(context + RTL_HANDLE)
        call_batch(rtl, handle, slot_address(out_ring, out_mask, next_seq), straight)
        call_batch(rtl, handle, slot_address(out_ring, out_mask, 0), count - straight)
    now = monotonic_ns()
    stamps, mask = load_i64(context + STAMPS_SEQUENCED), load_i64(context + STAMP_MASK)
    for seq in range(next_seq, next_seq + count):
        store_i64(stamps + 8 * (seq & mask), now)
        store_release(slot_address(out_ring, out_mask, seq) + SEQ, seq)
    store_release(out_ring + PUBLISHED, next_seq + count - 1)
    store_release(load_i64(context + IN_CURSOR), next_seq + count - 1)
    store_i64(context + NEXT, next_seq + count)
    return count


@kernel
def publish_events(context: int) -> int:
    """Publish what the matcher has pending, as far as the event ring has room."""
    pending = load_i64(context + PENDING_COUNT)
    first = load_i64(context + NEXT_EVENT)
    source = load_i64(context + SCRATCH) + 64 * load_i64(context + PENDING_FROM)
    skip_until = load_i64(context + SKIP_UNTIL)
    skipped = min(pending, max(0, skip_until - first + 1))
    count = skipped + max(0, room(context, first + skipped, pending - skipped))
    now = monotonic_ns()
    stamps, mask = load_i64(context + STAMPS_MATCHED), load_i64(context + STAMP_MASK)
    ring, ring_mask = load_i64(context + OUT_RING), load_i64(context + OUT_MASK)
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
        # Only now: a matcher started again takes it that all events up to its cursor are out.
        store_release(load_i64(context + IN_CURSOR), load_i64(context + NEXT) - 1)
    return count


@kernel
def matcher(context: int) -> int:
    """Turn commands into events; what the event ring has no room for waits in the scratch."""
    done = 0
    if load_i64(context + PENDING_COUNT) > 0:
        done = publish_events(context)
        if load_i64(context + PENDING_COUNT) > 0:
            return done
    next_seq = load_i64(context + NEXT)
    ring, ring_mask = load_i64(context + IN_RING), load_i64(context + IN_MASK)
    # Contiguous memory for the matcher: stop where the ring wraps.
    wanted = min(BURST, ring_mask + 1 - (next_seq & ring_mask))
    count = published_count(ring, ring_mask, next_seq, wanted)
    if count == 0:
        if upstream_finished_at(context) == next_seq - 1:
            finish(context, load_i64(context + NEXT_EVENT) - 1)
        return done
    # One command can cause many events: the scratch holds one worst case beyond a burst.
    taken, events = process_batch(
        load_i64(context + ARENA),
        slot_address(ring, ring_mask, next_seq),
        count,
        load_i64(context + SCRATCH),
        load_i64(context + SCRATCH_COUNT),
    )
    store_i64(context + NEXT, next_seq + taken)
    store_i64(context + PENDING_FROM, 0)
    store_i64(context + PENDING_COUNT, events)
    publish_events(context)
    return taken


@kernel
def gate(context: int) -> int:
    """Release events whose command is durable, in order: match early, release late."""
    next_event = load_i64(context + NEXT)
    limit = MAX_VALUE
    if load_i64(context + WAITS) == 1:
        limit = load_acquire(load_i64(context + CONTROL) + DURABLE_SEQ)
    ring, ring_mask = load_i64(context + IN_RING), load_i64(context + IN_MASK)
    event = next_event
    while event < next_event + 4 * BURST and is_published(ring, ring_mask, event):
        if load_i64(slot_address(ring, ring_mask, event) + EVENT_CAUSE) > limit:
            break
        event += 1
    if event == next_event:
        if upstream_finished_at(context) == next_event - 1:
            finish(context, next_event - 1)
        return 0
    now = monotonic_ns()
    stamps, mask = load_i64(context + STAMPS_RELEASED), load_i64(context + STAMP_MASK)
    for index in range(next_event, event):
        slot = slot_address(ring, ring_mask, index)
        if load_u8(slot + EVENT_FLAGS) & LAST:
            store_i64(stamps + 8 * (load_i64(slot + EVENT_CAUSE) & mask), now)
    store_i64(context + NEXT, event)
    store_release(load_i64(context + IN_CURSOR), event - 1)
    return event - next_event


@kernel
def add(address: int, amount: int) -> None:
    store_i64(address, load_i64(address) + amount)


@kernel
def count_event(state: int, slot: int) -> None:
    """Count one event in a reply state.  Commands come back complete and in order, so the cause of
    each LAST event must be one more than that of the one before: a gap is a loss."""
    kind = load_u8(slot + EVENT_KIND)
    flags = load_u8(slot + EVENT_FLAGS)
    add(state + REPLY_KINDS + 8 * min(kind, REPLY_KIND_COUNT - 1), 1)
    # The first of a trade's two fills: the maker's, in an auction the buyer's.
    in_auction = flags & AUCTION and load_u8(slot + EVENT_SIDE) == BUY
    if kind == FILLED and (flags & MAKER or in_auction):
        add(state + REPLY_TRADES, 1)
    if kind == REJECTED:
        reason = min(load_u8(slot + EVENT_REASON), REPLY_REASON_COUNT - 1)
        add(state + REPLY_REASONS + 8 * reason, 1)
    if flags & LAST:
        cause = load_i64(slot + EVENT_CAUSE)
        step = cause - load_i64(state + REPLY_COMMANDS) - load_i64(state + REPLY_LOST)
        if step < 1:
            add(state + REPLY_DUPLICATED, 1)
        else:
            add(state + REPLY_LOST, step - 1)
            add(state + REPLY_COMMANDS, 1)


@kernel
def record_latencies(context: int, slot: int, now: int) -> None:
    cause = load_i64(slot + EVENT_CAUSE)
    at = 8 * (cause & load_i64(context + STAMP_MASK))
    intended = load_i64(load_i64(context + STAMPS_INTENDED) + at)
    received = load_i64(load_i64(context + STAMPS_RECEIVED) + at)
    sequenced = load_i64(load_i64(context + STAMPS_SEQUENCED) + at)
    matched = load_i64(load_i64(context + STAMPS_MATCHED) + at)
    released = load_i64(load_i64(context + STAMPS_RELEASED) + at)
    histograms = load_i64(context + HISTOGRAMS)
    record(histograms + RECEIVE * HISTOGRAM_BYTES, received - intended)
    record(histograms + GATEWAY * HISTOGRAM_BYTES, sequenced - received)
    record(histograms + MATCHER * HISTOGRAM_BYTES, matched - sequenced)
    record(histograms + GATE * HISTOGRAM_BYTES, released - matched)
    record(histograms + REPLIES * HISTOGRAM_BYTES, now - released)
    record(histograms + RELEASE_HISTOGRAM * HISTOGRAM_BYTES, released - sequenced)
    record(histograms + WHOLE_HISTOGRAM * HISTOGRAM_BYTES, now - intended)
    kept = load_i64(context + STAMPS_REPLIED)
    if kept != 0:
        store_i64(kept + at, now)


@kernel
def replies(context: int) -> int:
    """Hand released events out.

    The state is counted up in the copy that does not count yet and switched to in one store, so a
    kill at any point neither loses nor doubles an event here.  A reply on the network may be sent
    again after a kill; it carries its event's sequence, so a client sees that it has it already.
    """
    control = load_i64(context + CONTROL)
    next_event = load_i64(context + NEXT)
    count = min(load_acquire(load_i64(context + GATE_CURSOR)) - next_event + 1, 4 * BURST)
    if count <= 0:
        if upstream_finished_at(context) == next_event - 1:
            finish(context, next_event - 1)
        return 0
    ring, ring_mask = load_i64(context + IN_RING), load_i64(context + IN_MASK)
    if load_i64(context + TX) != 0:
        # Contiguous memory for the sender: stop where the ring wraps.
        count = min(count, ring_mask + 1 - (next_event & ring_mask))
        send_events(load_i64(context + TX), slot_address(ring, ring_mask, next_event), count)
    if load_i64(context + SHIM_REPLY) != 0:
        count = min(count, ring_mask + 1 - (next_event & ring_mask))
        events = slot_address(ring, ring_mask, next_event)
        call_reply(load_i64(context + SHIM_REPLY), load_i64(context + SHIM), events, count)
    which = load_i64(control + REPLY_WHICH)
    current = control + REPLY_STATES + which * REPLY_STATE_BYTES
    state = control + REPLY_STATES + (1 - which) * REPLY_STATE_BYTES
    for offset in range(0, REPLY_STATE_BYTES, 64):
        copy64(state + offset, current + offset)
    chain = load_i64(state + REPLY_EVENT_HASH)
    hashes, mask = load_i64(context + STAMPS_EVENTS), load_i64(context + STAMP_MASK)
    for event in range(next_event, next_event + count):
        slot = slot_address(ring, ring_mask, event)
        chain = hash_event(chain, slot)
        count_event(state, slot)
        # Every command, by its own sequence: the journal picks the one that ends a block.
        store_i64(hashes + 8 * (load_i64(slot + EVENT_CAUSE) & mask), chain)
    now = monotonic_ns()
    store_i64(state + REPLY_EVENT_HASH, chain)
    store_i64(state + REPLY_CURSOR, next_event + count - 1)
    store_i64(state + REPLY_LAST_NS, now)
    store_release(control + REPLY_WHICH, 1 - which)
    for event in range(next_event, next_event + count):
        slot = slot_address(ring, ring_mask, event)
        if load_u8(slot + EVENT_FLAGS) & LAST:
            record_latencies(context, slot, now)
    store_i64(context + NEXT, next_event + count)
    store_release(load_i64(context + IN_CURSOR), next_event + count - 1)
    return count


@kernel
def heartbeat(contexts: int, stages: int, now: int) -> int:
    """Stamp the heartbeat of every stage of the bit set; 1 if all of them have finished."""
    finished = 1
    for index in range(6):
        if stages >> index & 1:
            block = load_i64(contexts + index * CONTEXT_BYTES + MY_BLOCK)
            store_i64(block + STAGE_HEARTBEAT_NS, now)
            if load_i64(block + STAGE_DONE) == 0:
                finished = 0
    return finished


@kernel
def probe_step(probe: int, stage: int, before: int) -> int:
    """Note a step of ``stage`` (IDLE_STEP: the loop's own wait) that began at ``before`` if it took
    longer than the threshold; returns the time.  A stall asked for is spent here, in the step."""
    now = monotonic_ns()
    if stage == load_i64(probe + PROBE_STALL_STAGE) and now >= load_i64(probe + PROBE_STALL_NEXT):
        until = now + load_i64(probe + PROBE_STALL_NS)
        store_i64(probe + PROBE_STALL_NEXT, now + load_i64(probe + PROBE_STALL_EVERY))
        while now < until:
            now = monotonic_ns()
    if now - before > load_i64(probe + PROBE_THRESHOLD):
        count = load_i64(probe + PROBE_COUNT)
        if count < load_i64(probe + PROBE_CAPACITY):
            at = probe + PROBE_ROWS + 24 * count
            store_i64(at, stage)
            store_i64(at + 8, before)
            store_i64(at + 16, now)
        store_i64(probe + PROBE_COUNT, count + 1)
    return now


@kernel
def run_stages(contexts: int, stages: int, slice_ns: int, spins: int, leave_idle: int) -> int:
    """Run the stages of the bit set in turn until ``slice_ns`` have passed or all have finished.

    With ``leave_idle`` it returns as soon as no stage could do anything (inline: the journal must
    then make room).  Otherwise an idle loop pauses ``spins`` times, then gives the core away each
    time round.
    """
    until = monotonic_ns() + slice_ns
    probe = load_i64(contexts + PROBE)
    step = until - slice_ns
    idle = 0
    rounds = 0
    while True:
        work = 0
        if probe != 0:
            step = probe_step(probe, IDLE_STEP, step)
        if stages & (1 << RECEIVE):
            context = contexts + RECEIVE * CONTEXT_BYTES
            if load_i64(context + SHIM) != 0:
                work += receive_shim(context)
            elif load_i64(context + UDP) != 0:
                work += receive_udp(context)
            else:
                work += receive_tape(context)
            if probe != 0:
                step = probe_step(probe, RECEIVE, step)
        if stages & (1 << GATEWAY):
            work += gateway(contexts + GATEWAY * CONTEXT_BYTES)
            if probe != 0:
                step = probe_step(probe, GATEWAY, step)
        if stages & (1 << MATCHER):
            work += matcher(contexts + MATCHER * CONTEXT_BYTES)
            if probe != 0:
                step = probe_step(probe, MATCHER, step)
        if stages & (1 << GATE):
            work += gate(contexts + GATE * CONTEXT_BYTES)
            if probe != 0:
                step = probe_step(probe, GATE, step)
        if stages & (1 << REPLIES):
            work += replies(contexts + REPLIES * CONTEXT_BYTES)
            if probe != 0:
                step = probe_step(probe, REPLIES, step)
        rounds += 1
        if work > 0:
            idle = 0
        elif leave_idle == 1:
            return FINISHED if heartbeat(contexts, stages, monotonic_ns()) == 1 else IDLE
        else:
            idle += 1
            if idle < spins:
                pause()
            else:
                yield_cpu()
        if rounds & 127 == 0:
            now = monotonic_ns()
            if heartbeat(contexts, stages, now) == 1:
                return FINISHED
            if now > until:
                return TIME_UP
