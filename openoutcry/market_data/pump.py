"""Carry events from the event ring to the network in one kernel: messages, packets, two lines.

One turn takes the events that the gate has released and encodes them.  It gives each packet to the
kernel's sockets of line A, then of line B.  Messages stay where they were encoded until Python has
stored them (``Store``).  While a packet is sent, its header temporarily replaces the bytes before
its messages, so nothing is copied.  A packet that a socket does not take is lost on that line, and
counted."""

from openoutcry.market_data.encode import BY_EVENT, encode, room_for
from openoutcry.market_data.mold import COUNT_SHIFT, fitting
from openoutcry.market_data.state import FeedState
from openoutcry.ring import kernels, layout
from openoutcry.runtime.histogram import record
from openoutcry.runtime.loop import Nap, note_work, sleep_until_woken
from openoutcry.wire import enum_numbers, sockets
from openoutcry.wire.big_endian import (
    load_any32,
    load_any64,
    store_any32,
    store_any64,
    store_be16,
    store_be64,
)
from openoutcry.wire.feed_messages import MOLD_COUNT_AT, MOLD_HEADER_BYTES, MOLD_SEQUENCE_AT
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Layout, SharedWord, Words, i64
from openoutcry.wire.memory import (
    compare_exchange,
    copy64,
    monotonic_ns,
    pause,
    store_i64,
    yield_cpu,
)
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import RECORD_BYTES
from openoutcry.wire.shm_feed import ShmFeedHeader, put_messages


class PumpContext(Layout, size_bytes=384):
    """Arguments of the feed's loop."""

    ring: int = i64("address of the event ring")
    mask: int = i64("its slots, less one")
    cursor: int = i64("address of this reader's cursor")
    gate: int = i64("address of the gate's cursor")
    events: int = i64("address of BATCH records")
    event_seq: int = i64("last event that was published")
    cause_seq: int = i64("its command")
    state: int = i64("address of the encoder's state")
    stamps: int = i64("address of the commands' times")
    stamp_mask: int = i64("their number, less one")
    epoch_offset: int = i64("CLOCK_REALTIME minus CLOCK_MONOTONIC, ns")
    times: int = i64("address of BATCH words")
    messages: int = i64("address of messages that are not kept yet")
    used: int = i64("bytes of them")
    room: int = i64("bytes that fit")
    packet_room: int = i64("bytes of a packet's messages")
    name: int = i64("first eight characters of the session's name")
    name_end: int = i64("and the last two")
    line_a: int = i64("socket of line A, or -1")
    line_b: int = i64("socket of line B, or -1")
    sent: int = i64("address of the number of the last message that was sent")
    packets_sent: int = i64("packets sent")
    not_taken: int = i64("packets that the system did not take")
    epoll: int = i64("readable when a subscriber asks for something")
    epoll_events: int = i64("address of room for its events")
    nap: Nap = i64("address of how it sleeps when there is nothing to publish", of=Nap)
    worked: int = i64("1: something was published since the last look at the clock")
    handed_ns: int = i64("address where the time of handing over goes, by event; 0: nowhere")
    handed_mask: int = i64("its words, less one")
    after_seq: int = i64("stamps are of commands after this one")
    published_count: int = i64(
        "of the buffer's events, when a session ended among them: published,"
    )
    left: int = i64("and not yet")
    sent_base: int = i64("session that ``sent`` counts in")
    private: int = i64(
        "address of the cursor of a stage that reports participants' own orders; 0: none"
    )
    private_2: int = i64("and of a second one")
    private_seq: int = i64("where the slower one was last seen")
    shm: int = i64("address of the feed in shared memory, 0: no such feed")
    released: Words = i64("address of when commands' events were released, 0: unknown", of=Words)
    to_datagram: Words = i64("address of the histogram: released -> datagram", of=Words)
    to_shm: Words = i64("address of the histogram: released -> shared memory", of=Words)


HANDED_NS = PumpContext.offset("handed_ns")
HANDED_MASK = PumpContext.offset("handed_mask")

CONTEXT_WORDS = PumpContext.size_bytes // 8
LAST = enum_numbers.EVENT_FLAG_LAST

MAX_PRIVATE = 2
BATCH = 256
"""Events of a turn.  The public feed is at most BATCH events ahead of the participants' own
reports."""
IN_FRONT = 64
"""Bytes before MESSAGES that belong to the pump, for the first packet's header."""
LOOKS = 128
"""How often the gate is checked between two checks of all else."""
QUIET_NS = 1_000_000
"""A loop that has had nothing to publish for this long sleeps between its looks, as long as a loop
of stages, or until such a loop has work (contract/loop.py)."""
LONE_AFTER_NS = 100_000_000
"""Quiet time after which the next event may be alone: a tick of the clock."""
LOOK_TURNS, ASK_TURNS = 64, 8
"""While events follow one another, turns between two checks of the clock; and while there are
pauses between them, of requests, which takes a system call."""

DUE, FULL, DETACHED, FAILED, REQUESTED, OLD, ENDED = range(7)
"""Why the loop has returned.  The requested time has come (DUE), there is no more room for messages
(FULL), the cursor was taken away (DETACHED), the encoder failed (FAILED), or a request waits
(REQUESTED).  Or an event's command has no stamp (OLD), or a session has ended, and what follows
needs its name (ENDED)."""


@kernel_outlined
def told_privately(c: PumpContext, released: int) -> int:
    """The last released event that has been reported to participants; read only where it may
    matter, as the line belongs to another core."""
    seq = min(released, SharedWord(c.private).value)
    if c.private_2 != 0:
        seq = min(seq, SharedWord(c.private_2).value)
    c.private_seq = seq
    return seq


@kernel
def take(c: PumpContext) -> int:
    """Copy up to BATCH released events after the cursor, with the times of their commands, and move
    the cursor.  Returns -1 if the cursor was taken away, also during the copy: the copy may then be
    overwritten.  Every event in a ring has its stamp, so the stamps are read first."""
    ring, mask, cursor = c.ring, c.mask, c.cursor
    begin = SharedWord(cursor).value
    if begin == layout.FREE:
        return -1
    released = SharedWord(c.gate).value
    if released - c.private_seq > BATCH and c.private != 0:
        released = min(released, told_privately(c, released) + BATCH)
    count = min(released - begin, BATCH)
    if count <= 0:
        return 0
    out, times, stamps = c.events, c.times, c.stamps
    stamp_mask, offset = c.stamp_mask, c.epoch_offset
    after_seq = c.after_seq
    for index in range(count):
        event = EventRecord(out + RECORD_BYTES * index)
        copy64(event, kernels.slot_address(ring, mask, begin + 1 + index))
        if event.cause_seq <= after_seq:
            return -2
        stamp = Words(stamps)[event.cause_seq & stamp_mask]
        Words(times)[index] = stamp + offset
    if compare_exchange(cursor, begin, begin + count) != 1:
        return -1
    return count


@kernel
def hand_over(c: PumpContext, fd: int, packet: int, size: int) -> None:
    """A packet to one line's socket."""
    if sockets.send(fd, packet, size) < 0:
        hand_over_again(c, fd, packet, size)


@kernel_outlined
def hand_over_again(c: PumpContext, fd: int, packet: int, size: int) -> None:
    """After a socket error, hand over again if an earlier packet caused the error."""
    error, tries = sockets.last_errno(), 0
    # ECONNREFUSED is what came back of an earlier packet.
    while error == sockets.EINTR or (error == sockets.ECONNREFUSED and tries == 0):
        tries += error == sockets.ECONNREFUSED
        if sockets.send(fd, packet, size) >= 0:
            return
        error = sockets.last_errno()
    c.not_taken += 1


@kernel
def send_all(c: PumpContext, begin: int, end: int, sequence: int) -> int:
    """The messages from ``begin`` to ``end``, the first of which has the number ``sequence``, on
    both lines; returns the number after the last."""
    room, at = c.packet_room, begin
    line_a, line_b = c.line_a, c.line_b
    while at < end:
        packed = fitting(at, end - at, room)
        count, size = packed >> COUNT_SHIFT, packed & (1 << COUNT_SHIFT) - 1
        packet = at - MOLD_HEADER_BYTES
        # These bytes are of earlier messages, and are restored.
        first, second, third = load_any64(packet), load_any64(packet + 8), load_any32(packet + 16)
        store_any64(packet, c.name)
        store_be16(packet + 8, c.name_end)
        store_be64(packet + MOLD_SEQUENCE_AT, sequence)
        store_be16(packet + MOLD_COUNT_AT, count)
        hand_over(c, line_a, packet, MOLD_HEADER_BYTES + size)
        if line_b >= 0:
            hand_over(c, line_b, packet, MOLD_HEADER_BYTES + size)
        store_any64(packet, first)
        store_any64(packet + 8, second)
        store_any32(packet + 16, third)
        at, sequence = at + size, sequence + count
        c.packets_sent += 1
    return sequence


@kernel
def encode_and_send(c: PumpContext, count: int) -> int:
    """Encode and send ``count`` events of the buffer, from the first unpublished one.  Returns DUE,
    FAILED, or ENDED after the last event of a session."""
    published_count = c.published_count
    state, events = FeedState(c.state), EventRecord(c.events + RECORD_BYTES * published_count)
    begin = c.messages + c.used
    sequence, session = state.messages + 1, state.session
    end = encode(state, events, count, c.times + 8 * published_count, 8, BY_EVENT, begin)
    if state.error != 0:
        return FAILED
    left = count - state.encoded
    count -= left
    if end > begin:
        following = send_all(c, begin, end, sequence)
        store_i64(c.sent, c.sent_base + following - 1)
        c.used = end - c.messages
        if c.released != 0:
            record_released(c, c.to_datagram, events, count)
        if c.shm != 0:
            # After the lines: no reader on this host sees a message before its datagrams have left.
            put_messages(ShmFeedHeader(c.shm), begin, end, c.sent_base + sequence)
            if c.released != 0:
                record_released(c, c.to_shm, events, count)
    c.left = left
    c.published_count = published_count + count if left != 0 else 0
    last = EventRecord(events + RECORD_BYTES * (count - 1))
    c.event_seq = last.seq
    c.cause_seq = last.cause_seq
    if c.handed_ns != 0:
        note_handed(c, events.seq, last.seq)
    return DUE if state.session == session else ENDED


@kernel
def record_released(c: PumpContext, histogram: Words, events: EventRecord, count: int) -> None:
    """Count how long ago the commands of these events were released."""
    now, released, mask = monotonic_ns(), c.released, c.stamp_mask
    value, times = 0, 0
    for index in range(count):
        event = EventRecord(events + RECORD_BYTES * index)
        if event.flags & LAST == 0:
            continue
        span = now - released[event.cause_seq & mask]
        if span == value:
            times += 1
            continue
        if times > 0:
            record(histogram, value, times)
        value, times = span, 1
    if times > 0:
        record(histogram, value, times)


@kernel_outlined
def note_handed(c: PumpContext, first: int, last: int) -> None:
    """Note when the events were with the sockets, for a measurement, CLOCK_MONOTONIC."""
    now, table, mask = monotonic_ns(), c.handed_ns, c.handed_mask
    for seq in range(first, last + 1):
        Words(table)[seq & mask] = now


@kernel
def wait(c: PumpContext) -> None:
    """Look LOOKS times whether something is released."""
    gate, cursor_seq = c.gate, SharedWord(c.cursor).value
    for _ in range(LOOKS):
        if SharedWord(gate).value > cursor_seq:
            return
        pause()


@kernel
def woken(c: PumpContext) -> int:
    """The word that counts when loops of stages have work."""
    wake = c.nap.wake
    return SharedWord(wake).value if wake != 0 else 0


@kernel
def run(c: PumpContext, until_ns: int) -> int:
    """Publish what is released until Python has something to do; return why it ended."""
    turn, seen = 0, woken(c)
    while True:
        turn += 1
        if c.room - c.used < room_for(FeedState(c.state), BATCH):
            return FULL
        count = c.left
        if count == 0:
            count = take(c)
        if count < 0:
            return DETACHED if count == -1 else OLD
        if count > 0:
            outcome = encode_and_send(c, count)
            c.worked = 1
            if outcome != DUE:
                return outcome
            if turn % LOOK_TURNS != 0:
                continue
        now = monotonic_ns()
        if c.worked != 0:
            note_work(c.nap, now)
            c.worked = 0
        if now >= until_ns:
            return DUE
        if count == 0 or turn % LOOK_TURNS == 0:
            if count == 0 and c.nap.us != 0:
                yield_cpu()  # the core may be shared with the orders' path
            asks = turn % ASK_TURNS == 0 or now - c.nap.work_ns > QUIET_NS
            if asks and sockets.epoll_poll(c.epoll, c.epoll_events, 1) > 0:
                return REQUESTED
        if count == 0:
            if c.nap.us != 0 and now - c.nap.work_ns > QUIET_NS:
                sleep_until_woken(c.nap, seen, now)
                seen = woken(c)
            else:
                wait(c)
