"""From the event ring to the network in one kernel: events in, messages, packets, two lines.

One turn takes what the gate has released, encodes it, and gives each packet to the kernel's sockets
of line A, then of line B.  Messages stay where they were encoded until Python has kept them
(``Store``); a packet's header stands in front of its messages while it is sent, in place of what
was there, and nothing is copied.  What a socket does not take is lost on that line, and counted.
"""

from openoutcry.market_data.encode import BY_EVENT, encode, room_for
from openoutcry.market_data.mold import COUNT_SHIFT, fitting
from openoutcry.market_data.state import FeedState
from openoutcry.ring import kernels, layout
from openoutcry.wire import sockets
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
from openoutcry.wire.sleep import sleep_us


class PumpContext(Layout, size_bytes=320):
    """What the loop of the feed is called with."""

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
    line_a: int = i64("socket of line A, -1: there is none")
    line_b: int = i64("socket of line B, -1: there is none")
    sent: int = i64("address of the number of the last message that was sent")
    packets_sent: int = i64("packets sent")
    not_taken: int = i64("packets that the system did not take")
    epoll: int = i64("readable when a subscriber asks for something")
    epoll_events: int = i64("address of room for its events")
    busy_ns: int = i64("when there was last something to publish")
    idle_us: int = i64("how long to sleep after QUIET_NS without an event; 0: never")
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
    private_seq: int = i64("where the one further behind was last seen")


RING = PumpContext.offset("ring")
MASK = PumpContext.offset("mask")
CURSOR = PumpContext.offset("cursor")
GATE = PumpContext.offset("gate")
EVENTS = PumpContext.offset("events")
EVENT_SEQ = PumpContext.offset("event_seq")
CAUSE_SEQ = PumpContext.offset("cause_seq")
STATE = PumpContext.offset("state")
STAMPS = PumpContext.offset("stamps")
STAMP_MASK = PumpContext.offset("stamp_mask")
EPOCH_OFFSET = PumpContext.offset("epoch_offset")
TIMES = PumpContext.offset("times")
MESSAGES = PumpContext.offset("messages")
USED = PumpContext.offset("used")
ROOM = PumpContext.offset("room")
PACKET_ROOM = PumpContext.offset("packet_room")
NAME = PumpContext.offset("name")
NAME_END = PumpContext.offset("name_end")
LINE_A = PumpContext.offset("line_a")
LINE_B = PumpContext.offset("line_b")
SENT = PumpContext.offset("sent")
PACKETS_SENT = PumpContext.offset("packets_sent")
NOT_TAKEN = PumpContext.offset("not_taken")
EPOLL = PumpContext.offset("epoll")
EPOLL_EVENTS = PumpContext.offset("epoll_events")
IDLE_US = PumpContext.offset("idle_us")
HANDED_NS = PumpContext.offset("handed_ns")
HANDED_MASK = PumpContext.offset("handed_mask")
AFTER_SEQ = PumpContext.offset("after_seq")
LEFT = PumpContext.offset("left")
SENT_BASE = PumpContext.offset("sent_base")
PRIVATE = PumpContext.offset("private")
PRIVATE_2 = PumpContext.offset("private_2")

CONTEXT_WORDS = 40

MAX_PRIVATE = 2
BATCH = 256
"""Events of a turn.  The public is told of no event more than BATCH behind what participants have
been told of their own."""
IN_FRONT = 64
"""Bytes before MESSAGES that are the pump's: the first packet's header stands there."""
LOOKS = 128
"""How often the gate is looked at between two looks at all else."""
QUIET_NS = 1_000_000
"""A loop that has had nothing to tell for so long sleeps between its looks."""
LOOK_TURNS = 64
"""Turns between two looks at the clock and at who asks."""

DUE, FULL, DETACHED, FAILED, REQUESTED, OLD, ENDED = range(7)
"""Why the loop has come back: the time that was asked for; no more room for messages; the cursor
was taken away; the encoder's error; somebody asks; an event whose command has no stamp; a session
has ended, and what is behind it waits for its name."""


@kernel_outlined
def told_privately(c: PumpContext, released: int) -> int:
    """The last released event of which participants have been told; looked at only where it may
    matter, as the line belongs to another core."""
    seq = min(released, SharedWord(c.private).value)
    if c.private_2 != 0:
        seq = min(seq, SharedWord(c.private_2).value)
    c.private_seq = seq
    return seq


@kernel
def take(c: PumpContext) -> int:
    """Copy up to BATCH released events behind the cursor, with the times of their commands, and
    move it; -1 if the cursor was taken away, also meanwhile: what was copied may then be
    overwritten.  Stamps are there for all that stands in a ring, so they are read before."""
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
    """Behind an error: once more if it is none of this packet's."""
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
    both lines; returns the number behind the last."""
    room, at = c.packet_room, begin
    line_a, line_b = c.line_a, c.line_b
    while at < end:
        packed = fitting(at, end - at, room)
        count, size = packed >> COUNT_SHIFT, packed & (1 << COUNT_SHIFT) - 1
        packet = at - MOLD_HEADER_BYTES
        # What stands there is of earlier messages: it comes back.
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
    """Encode and send so many events of the buffer, from the first that was not told on; DUE,
    FAILED, or ENDED behind the last of a session."""
    published_count = c.published_count
    state, events = FeedState(c.state), EventRecord(c.events + RECORD_BYTES * published_count)
    begin = c.messages + c.used
    sequence, session = state.messages + 1, state.session
    end = encode(state, events, count, c.times + 8 * published_count, 8, BY_EVENT, begin)
    if state.error != 0:
        return FAILED
    if end > begin:
        following = send_all(c, begin, end, sequence)
        store_i64(c.sent, c.sent_base + following - 1)
        c.used = end - c.messages
    left = count - state.encoded
    count -= left
    c.left = left
    c.published_count = published_count + count if left != 0 else 0
    last = EventRecord(events + RECORD_BYTES * (count - 1))
    c.event_seq = last.seq
    c.cause_seq = last.cause_seq
    if c.handed_ns != 0:
        note_handed(c, events.seq, last.seq)
    return DUE if state.session == session else ENDED


@kernel_outlined
def note_handed(c: PumpContext, first: int, last: int) -> None:
    """For a measurement: when the events were with the sockets, CLOCK_MONOTONIC."""
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
def run(c: PumpContext, until_ns: int) -> int:
    """Tell what is released until there is something for Python to do; returns why it came back."""
    turn = 0
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
            c.busy_ns = 0
            if outcome != DUE:
                return outcome
            if turn % LOOK_TURNS != 0:
                continue
        now = monotonic_ns()
        if c.busy_ns == 0:
            c.busy_ns = now
        if now >= until_ns:
            return DUE
        if count == 0 or turn % LOOK_TURNS == 0:
            if sockets.epoll_poll(c.epoll, c.epoll_events, 1) > 0:
                return REQUESTED
            if count == 0 and c.idle_us != 0:
                yield_cpu()  # the core may be shared with the orders' path
        if count == 0:
            if c.idle_us != 0 and now - c.busy_ns > QUIET_NS:
                sleep_us(c.idle_us)
            else:
                wait(c)
