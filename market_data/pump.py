"""From the event ring to the network in one kernel: events in, messages, packets, two lines.

One turn takes what the gate has released, encodes it, and gives each packet to the kernel's sockets
of line A, then of line B.  Messages stay where they were encoded until Python has kept them
(``Store``); a packet's header stands in front of its messages while it is sent, in place of what
was there, and nothing is copied.  What a socket does not take is lost on that line, and counted.
"""

import openoutcry.market_data.state as s
from openoutcry.market_data.encode import BY_EVENT, encode, room_for
from openoutcry.market_data.mold import COUNT_SHIFT, fitting
from openoutcry.ring import kernels, layout
from openoutcry.wire import sockets as so
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
from openoutcry.wire.memory import (
    compare_exchange,
    copy64,
    load_acquire,
    load_i64,
    monotonic_ns,
    pause,
    store_i64,
    yield_cpu,
)
from openoutcry.wire.records import EVENT, RECORD_BYTES
from openoutcry.wire.sleep import sleep_us

_CAUSE, _SEQ = EVENT.offsets["cause_seq"], EVENT.offsets["seq"]

(
    RING, MASK, CURSOR, GATE,  # the event ring, this reader's cursor and the gate's, by address
    EVENTS,  # BATCH records
    EVENT_SEQ, CAUSE_SEQ,  # the last event that was told, and its command
    STATE,  # of the encoder
    STAMPS, STAMP_MASK, EPOCH_OFFSET,
    TIMES,  # BATCH words
    MESSAGES, USED, ROOM,  # messages that are not kept yet: where, bytes used, bytes in all
    PACKET_ROOM,  # bytes of a packet's messages
    NAME, NAME_END,  # of the session: its first eight characters, and the last two
    LINE_A, LINE_B,  # sockets; -1: there is none
    SENT,  # address of the last message's number that was sent
    PACKETS_SENT, NOT_TAKEN,
    EPOLL, EPOLL_EVENTS,  # readable: somebody asks for something
    BUSY_NS,  # when there was something to tell
    IDLE_US,  # how long to sleep when there was nothing for QUIET_NS; 0: never
    HANDED_NS,  # where the time of each event's handing over goes, by event; 0: nowhere
    HANDED_MASK,
    AFTER_SEQ,  # stamps are of later commands only
    # Of the buffer's events, when a session ended among them: published, and not yet.
    PUBLISHED_COUNT, LEFT,
    SENT_BASE,  # of what is in SENT: the session
    PRIVATE, PRIVATE_2,  # cursors of who tells participants of their own orders; 0: nobody does
    PRIVATE_SEQ,  # where the one that is further behind was last seen
) = range(0, 8 * 36, 8)  # fmt: skip
CONTEXT_WORDS = 40

MOST_PRIVATE = 2
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
def told_privately(c: int, released: int) -> int:
    """The last released event of which participants have been told; looked at only where it may
    matter, as the line belongs to another core."""
    seq = min(released, load_acquire(load_i64(c + PRIVATE)))
    if load_i64(c + PRIVATE_2) != 0:
        seq = min(seq, load_acquire(load_i64(c + PRIVATE_2)))
    store_i64(c + PRIVATE_SEQ, seq)
    return seq


@kernel
def take(c: int) -> int:
    """Copy up to BATCH released events behind the cursor, with the times of their commands, and
    move it; -1 if the cursor was taken away, also meanwhile: what was copied may then be
    overwritten.  Stamps are there for all that stands in a ring, so they are read before."""
    ring, mask, cursor = load_i64(c + RING), load_i64(c + MASK), load_i64(c + CURSOR)
    begin = load_acquire(cursor)
    if begin == layout.FREE:
        return -1
    released = load_acquire(load_i64(c + GATE))
    if released - load_i64(c + PRIVATE_SEQ) > BATCH and load_i64(c + PRIVATE) != 0:
        released = min(released, told_privately(c, released) + BATCH)
    count = min(released - begin, BATCH)
    if count <= 0:
        return 0
    out, times, stamps = load_i64(c + EVENTS), load_i64(c + TIMES), load_i64(c + STAMPS)
    stamp_mask, offset = load_i64(c + STAMP_MASK), load_i64(c + EPOCH_OFFSET)
    after_seq = load_i64(c + AFTER_SEQ)
    for index in range(count):
        event = out + RECORD_BYTES * index
        copy64(event, kernels.slot_address(ring, mask, begin + 1 + index))
        if load_i64(event + _CAUSE) <= after_seq:
            return -2
        stamp = load_i64(stamps + 8 * (load_i64(event + _CAUSE) & stamp_mask))
        store_i64(times + 8 * index, stamp + offset)
    if compare_exchange(cursor, begin, begin + count) != 1:
        return -1
    return count


@kernel
def hand_over(c: int, fd: int, packet: int, size: int) -> None:
    """A packet to one line's socket."""
    if so.send(fd, packet, size) < 0:
        hand_over_again(c, fd, packet, size)


@kernel_outlined
def hand_over_again(c: int, fd: int, packet: int, size: int) -> None:
    """Behind an error: once more if it is none of this packet's."""
    error, tries = so.last_errno(), 0
    # ECONNREFUSED is what came back of an earlier packet.
    while error == so.EINTR or (error == so.ECONNREFUSED and tries == 0):
        tries += error == so.ECONNREFUSED
        if so.send(fd, packet, size) >= 0:
            return
        error = so.last_errno()
    store_i64(c + NOT_TAKEN, load_i64(c + NOT_TAKEN) + 1)


@kernel
def send_all(c: int, begin: int, end: int, sequence: int) -> int:
    """The messages from ``begin`` to ``end``, the first of which has the number ``sequence``, on
    both lines; returns the number behind the last."""
    room, at = load_i64(c + PACKET_ROOM), begin
    line_a, line_b = load_i64(c + LINE_A), load_i64(c + LINE_B)
    while at < end:
        packed = fitting(at, end - at, room)
        count, size = packed >> COUNT_SHIFT, packed & (1 << COUNT_SHIFT) - 1
        packet = at - MOLD_HEADER_BYTES
        # What stands there is of earlier messages: it comes back.
        first, second, third = load_any64(packet), load_any64(packet + 8), load_any32(packet + 16)
        store_any64(packet, load_i64(c + NAME))
        store_be16(packet + 8, load_i64(c + NAME_END))
        store_be64(packet + MOLD_SEQUENCE_AT, sequence)
        store_be16(packet + MOLD_COUNT_AT, count)
        hand_over(c, line_a, packet, MOLD_HEADER_BYTES + size)
        if line_b >= 0:
            hand_over(c, line_b, packet, MOLD_HEADER_BYTES + size)
        store_any64(packet, first)
        store_any64(packet + 8, second)
        store_any32(packet + 16, third)
        at, sequence = at + size, sequence + count
        store_i64(c + PACKETS_SENT, load_i64(c + PACKETS_SENT) + 1)
    return sequence


@kernel
def tell(c: int, count: int) -> int:
    """Encode and send so many events of the buffer, from the first that was not told on; DUE,
    FAILED, or ENDED behind the last of a session."""
    published_count = load_i64(c + PUBLISHED_COUNT)
    state, events = load_i64(c + STATE), load_i64(c + EVENTS) + RECORD_BYTES * published_count
    begin = load_i64(c + MESSAGES) + load_i64(c + USED)
    sequence, session = load_i64(state + s.MESSAGES) + 1, load_i64(state + s.SESSION)
    end = encode(
        state, events, count, load_i64(c + TIMES) + 8 * published_count, 8, BY_EVENT, begin
    )
    if load_i64(state + s.ERROR) != 0:
        return FAILED
    if end > begin:
        following = send_all(c, begin, end, sequence)
        store_i64(load_i64(c + SENT), load_i64(c + SENT_BASE) + following - 1)
        store_i64(c + USED, end - load_i64(c + MESSAGES))
    left = count - load_i64(state + s.ENCODED)
    count -= left
    store_i64(c + LEFT, left)
    store_i64(c + PUBLISHED_COUNT, published_count + count if left != 0 else 0)
    last = events + RECORD_BYTES * (count - 1)
    store_i64(c + EVENT_SEQ, load_i64(last + _SEQ))
    store_i64(c + CAUSE_SEQ, load_i64(last + _CAUSE))
    if load_i64(c + HANDED_NS) != 0:
        note_handed(c, load_i64(events + _SEQ), load_i64(last + _SEQ))
    return DUE if load_i64(state + s.SESSION) == session else ENDED


@kernel_outlined
def note_handed(c: int, first: int, last: int) -> None:
    """For a measurement: when the events were with the sockets, CLOCK_MONOTONIC."""
    now, table, mask = monotonic_ns(), load_i64(c + HANDED_NS), load_i64(c + HANDED_MASK)
    for seq in range(first, last + 1):
        store_i64(table + 8 * (seq & mask), now)


@kernel
def wait(c: int) -> None:
    """Look LOOKS times whether something is released."""
    gate, cursor_seq = load_i64(c + GATE), load_acquire(load_i64(c + CURSOR))
    for _ in range(LOOKS):
        if load_acquire(gate) > cursor_seq:
            return
        pause()


@kernel
def run(c: int, until_ns: int) -> int:
    """Tell what is released until there is something for Python to do; returns why it came back."""
    turn = 0
    while True:
        turn += 1
        if load_i64(c + ROOM) - load_i64(c + USED) < room_for(load_i64(c + STATE), BATCH):
            return FULL
        count = load_i64(c + LEFT)
        if count == 0:
            count = take(c)
        if count < 0:
            return DETACHED if count == -1 else OLD
        if count > 0:
            outcome = tell(c, count)
            store_i64(c + BUSY_NS, 0)
            if outcome != DUE:
                return outcome
            if turn % LOOK_TURNS != 0:
                continue
        now = monotonic_ns()
        if load_i64(c + BUSY_NS) == 0:
            store_i64(c + BUSY_NS, now)
        if now >= until_ns:
            return DUE
        if count == 0 or turn % LOOK_TURNS == 0:
            if so.epoll_poll(load_i64(c + EPOLL), load_i64(c + EPOLL_EVENTS), 1) > 0:
                return REQUESTED
            if count == 0 and load_i64(c + IDLE_US) != 0:
                yield_cpu()  # the core may be shared with the orders' path
        if count == 0:
            if load_i64(c + IDLE_US) != 0 and now - load_i64(c + BUSY_NS) > QUIET_NS:
                sleep_us(load_i64(c + IDLE_US))
            else:
                wait(c)
