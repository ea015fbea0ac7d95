"""sessions: participants' connections.  Bytes in become commands on the sessions' lane; released
events become messages in each session's stream, which is sent from as its reader takes it.

A step does a bounded burst of each: released events into streams, sockets that have something,
timers, and sending.  No call ever waits.  A socket that is full is left until later, and a reader
that falls too far behind is disconnected: the ring waits for nobody.

Every application message becomes one command, one that is refused included: as a record that the
core rejects without effect, so that the answer has its place in the sequence, is durable before it
leaves, and can be made again (docs/decisions/016-sessions.md).
"""

from typing import Any

from openoutcry.order_entry import apply as a
from openoutcry.order_entry import copies as cp
from openoutcry.order_entry import delays
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import rows as r
from openoutcry.order_entry import session as s
from openoutcry.order_entry import session_commands as c
from openoutcry.order_entry import session_login as login
from openoutcry.order_entry import session_words as x
from openoutcry.order_entry import stream as st
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.fix import words as f
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.pipeline.contract.lanes import NUMBERS, SHIFT
from openoutcry.ring import layout
from openoutcry.ring.kernels import slot_address
from openoutcry.wire import sockets as so
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_acquire,
    load_i64,
    load_u32,
    store_i64,
    store_release,
    store_u8,
)

MAX_EVENTS = 64
TIMER_NS = 5_000_000
DRAIN_NS = 500_000_000
MAX_SEND = 1 << 18
MORE = 2
"""What is left of a session's output goes at the next step: its socket is not full."""

HAND_MAX = login.HAND_MAX
CONTROL_AT, DATA_AT = 64, 128  # CONTROL_AT: of the cmsg behind x.MESSAGE

LOGOUT, LOGIN, DISCONNECTING = int(Kind.LOGOUT), int(Kind.LOGIN), int(Kind.DISCONNECT)
OVERSIZE = int(Fault.OVERSIZE)


# Out: events into streams.


@kernel
def mark_dirty(context: int, session: int) -> None:
    """Its connection has something to be sent."""
    if load_i64(session + s.DIRTY) == 0 and load_i64(session + s.FD) >= 0:
        store_i64(session + s.DIRTY, 1)
        count = load_i64(context + x.DIRTY_COUNT)
        store_i64(load_i64(context + x.DIRTY_LIST) + 8 * count, load_i64(session + s.INDEX))
        store_i64(context + x.DIRTY_COUNT, count + 1)


@kernel
def take_events(context: int) -> int:
    """Released events into rows and streams."""
    count = w.ready(context, 4 * w.BURST)
    if count == 0:
        return 0
    hall, codecs = load_i64(context + x.HALL), load_i64(context + x.CODECS)
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    mask = load_i64(context + w.STAMP_MASK)
    offset = load_i64(load_i64(context + w.CONTROL) + ct.EPOCH_OFFSET)
    first, copies = load_i64(context + w.NEXT), load_i64(hall + h.COPY_COUNT)
    all_count = copies | load_i64(hall + h.WAITING) != 0
    for index in range(first, first + count):
        event = slot_address(ring, ring_mask, index)
        at = 8 * (load_i64(event + a.EVENT_CAUSE) & mask)
        origin = load_i64(load_i64(context + x.LANE_WORDS) + at)
        rx_ts_ns = load_i64(load_i64(context + x.RECEIVED) + at) + offset
        note = order = 0
        if origin & (NUMBERS - 1) == x.LANE:
            note_mask = load_i64(hall + h.NOTE_MASK)
            note = n.note_at(load_i64(hall + h.NOTES), note_mask, origin >> SHIFT)
            order = load_i64(hall + h.ORDERS) + 64 * (origin >> SHIFT & note_mask)
        of_session = note != 0 or load_i64(event + a.EVENT_ID) & r.ORDER_BIT != 0
        if not (all_count or of_session):
            continue
        store_i64(hall + h.AT_LANE_SEQ, origin >> SHIFT)
        receiver = cp.tell_event(hall, codecs, event, order, note, rx_ts_ns)
        if note != 0:
            delays.told_to(hall, origin >> SHIFT)
        if receiver != 0:
            mark_dirty(context, a.block_of(hall, receiver))
    for place in range(copies):
        mark_dirty(context, a.block_of(hall, load_i64(hall + h.COPY_SESSIONS + 8 * place)))
    store_i64(hall + h.EVENT_SEQ, first + count - 1)
    return w.took(context, count)


@kernel
def flush(context: int) -> int:
    """Send what connections have not had yet, as far as their sockets take it."""
    hall, dirty = load_i64(context + x.HALL), load_i64(context + x.DIRTY_LIST)
    kept, done = 0, 0
    count = load_i64(context + x.DIRTY_COUNT)
    for place in range(count):
        session = a.block_of(hall, load_i64(dirty + 8 * place))
        store_i64(session + s.DIRTY, 0)
        if load_i64(session + s.FD) < 0:
            continue
        left = send_some(context, session)
        waits = left != 0 and load_i64(session + s.FD) >= 0
        if left == MORE or not waits:
            done += 1
        if waits:
            store_i64(session + s.DIRTY, 1)
            store_i64(dirty + 8 * kept, load_i64(session + s.INDEX))
            kept += 1
    # What was marked meanwhile stands behind.
    for place in range(count, load_i64(context + x.DIRTY_COUNT)):
        store_i64(dirty + 8 * kept, load_i64(dirty + 8 * place))
        kept += 1
    store_i64(context + x.DIRTY_COUNT, kept)
    return done


@kernel_outlined
def send_some(context: int, session: int) -> int:
    """What goes beside the stream first, then the stream; 0 if all of it is sent."""
    if a.is_fix(load_i64(session + s.PROTOCOL)):
        return send_fix(context, session)
    fd = load_i64(session + s.FD)
    left = load_i64(session + s.SIDE_LENGTH)
    if left > 0:
        at = load_i64(session + s.SIDE_AT)
        done = so.send(fd, session + s.SIDE + at, left)
        if done <= 0:
            return unsent(context, session, done)
        store_i64(session + s.LAST_OUT_NS, w.now_ns(context))
        store_i64(session + s.SIDE_AT, at + done)
        store_i64(session + s.SIDE_LENGTH, left - done)
        if done < left:
            return 1
    stream = load_i64(session + s.STREAM)
    begin, end = load_i64(session + s.SENT_BYTES), st.head_end(stream)
    if begin < end:
        done = so.send(fd, st.data_address(stream) + begin, min(end - begin, MAX_SEND))
        if done > 0:
            store_i64(session + s.LAST_OUT_NS, w.now_ns(context))
            store_i64(session + s.SENT_BYTES, begin + done)
        if done < end - begin:
            return unsent(context, session, done)
    if load_i64(session + s.STATE) == s.ENDING:
        close_connection(context, session)
    return 0


@kernel
def call_codec(context: int, session: int, what: int) -> int:
    """One of FIX's own kernels: of the session and the time."""
    codec = load_i64(context + x.CODECS) + a.CODEC_BYTES * load_i64(session + s.PROTOCOL)
    return a.call2(load_i64(codec + what), session, w.now_ns(context))


@kernel_outlined
def send_fix(context: int, session: int) -> int:
    """As :func:`send_some`: messages are numbered when there is nothing else left to be sent."""
    fd, most = load_i64(session + s.FD), MAX_SEND
    while most > 0:
        begin, end = load_i64(session + f.OUT_FROM), load_i64(session + f.OUT_END)
        if begin == end:
            begin, end = 0, call_codec(context, session, a.CODEC_MORE)
        if end == 0:
            if load_i64(session + s.STATE) == s.ENDING:
                close_connection(context, session)
            return 0
        done = so.send(fd, load_i64(session + f.OUT) + begin, end - begin)
        if done > 0:
            most -= done
            if load_i64(session + f.RESEND_NEXT) > 0:
                # Old messages wait for their turn like everybody's new ones.
                most = 0
            store_i64(session + f.OUT_FROM, begin + done)
        if done < end - begin:
            if load_i64(session + s.STATE) == s.ENDING:
                close_connection(context, session)
                return 0
            return unsent(context, session, done)
    return MORE


@kernel
def unsent(context: int, session: int, done: int) -> int:
    """The socket is full (a reader that is too far behind is disconnected), or broken: with no room
    for answers nothing is read that would tell.  ``done``: what ``send`` returned."""
    if done < 0 and so.last_errno() not in (so.EAGAIN, so.EINTR):
        lose(context, session)
        return 1
    seen = max(load_i64(session + s.SENT_BYTES), load_i64(session + s.CAUGHT_UP))
    if st.head_end(load_i64(session + s.STREAM)) - seen > load_i64(session + s.QUEUE_BYTES):
        a.add(session + s.SLOW, 1)
        lose(context, session)
    return 1


@kernel_outlined
def defer_message(context: int, session: int, kind: int) -> None:
    """A SoupBinTCP packet of a type and nothing else goes out beside the stream, if everything
    before it has gone."""
    if load_i64(session + s.SIDE_LENGTH) > 0 or load_i64(session + s.DIRTY) != 0:
        return
    store_u8(session + s.SIDE, 0)
    store_u8(session + s.SIDE + 1, 1)
    store_u8(session + s.SIDE + 2, kind)
    store_i64(session + s.SIDE_AT, 0)
    store_i64(session + s.SIDE_LENGTH, 3)
    mark_dirty(context, session)


# Connections.


@kernel_outlined
def close_connection(context: int, session: int) -> None:
    """Close the connection; what was read of it and not yet understood is dropped."""
    fd = load_i64(session + s.FD)
    if fd < 0:
        return
    if a.is_fix(load_i64(session + s.PROTOCOL)):
        call_codec(context, session, a.CODEC_LOST)
    store_i64(session + s.FD, -1)
    store_i64(session + s.STATE, s.DISCONNECTED)
    store_i64(session + s.INPUT_LENGTH, 0)
    store_i64(session + s.SIDE_LENGTH, 0)
    store_i64(session + s.UNTOLD, 0)
    store_i64(session + s.WAITING_SINCE, 0)
    set_pending(context, session, 0)
    so.close(fd)


@kernel_outlined
def lose(context: int, session: int) -> None:
    """The connection is lost, which is no logout: its orders wait for their fate."""
    note_loss(context, session)
    close_connection(context, session)


@kernel_outlined
def note_loss(context: int, session: int) -> None:
    if load_i64(session + s.FD) < 0 or load_i64(session + s.STATE) != s.CONNECTED:
        return
    # A FIX connection whose Logon was not accepted changes nothing of what was before.
    is_on = not a.is_fix(load_i64(session + s.PROTOCOL)) or load_i64(session + s.LOGGED_OUT) == 0
    if is_on and load_i64(session + s.LOST_NS) == 0:
        store_i64(session + s.LOST_NS, w.now_ns(context))


@kernel_outlined
def logged_on(context: int, session: int) -> None:
    """A participant is back: his orders stay, if he has come in time."""
    c.end_loss(context, session)
    store_i64(session + s.CAUGHT_UP, st.head_end(load_i64(session + s.STREAM)))
    c.logged_in(context, session)
    mark_dirty(context, session)


@kernel
def fault(context: int, session: int) -> None:
    a.add(session + s.FAULTS, 1)
    lose(context, session)


@kernel
def set_pending(context: int, session: int, value: int) -> None:
    a.add(context + x.PENDING_COUNT, value - load_i64(session + s.PENDING))
    store_i64(session + s.PENDING, value)


@kernel_outlined
def take_connection(context: int) -> int:
    """A socket from the doorman, whose client has logged in; 0 if there is none."""
    message = load_i64(context + x.MESSAGE)
    data, control = message + DATA_AT, message + CONTROL_AT
    store_i64(message + 40, 24)  # msg_controllen: one descriptor
    store_i64(message + 48, 0)
    size = so.recvmsg(load_i64(context + x.DOORMAN), message)
    if size < login.HAND_BYTES or load_i64(message + 40) < 20:
        return 0
    fd = load_u32(control + 16)
    hall = load_i64(context + x.HALL)
    index = load_i64(data + login.HAND_INDEX)
    if index < 1 or index > load_i64(hall + h.SESSION_COUNT):
        so.close(fd)
        return 1
    session = a.block_of(hall, index)
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    if not is_fix and login.is_beyond(session, load_i64(data + login.HAND_SEQUENCE)):
        login.refuse_number(session, data, fd)
        return 1
    if load_i64(session + s.FD) >= 0:
        close_connection(context, session)
    if load_i64(session + s.KILLED) != 0:
        so.close(fd)
        return 1
    now = w.now_ns(context)
    store_i64(session + s.LAST_IN_NS, now)
    store_i64(session + s.LAST_OUT_NS, now)
    if is_fix:
        call_codec(context, session, a.CODEC_BEGIN)
    else:
        login.accept(session, data)
    st.copy_bytes(session + s.SOURCE, data + login.HAND_SOURCE, 24)
    rest = size - login.HAND_BYTES
    st.copy_bytes(load_i64(session + s.INPUT), data + login.HAND_BYTES, rest)
    store_i64(session + s.INPUT_LENGTH, rest)
    store_i64(session + s.FD, fd)
    store_i64(session + s.STATE, s.CONNECTED)
    store_i64(session + s.GENERATION, load_i64(session + s.GENERATION) + 1)
    watch(context, fd, index)
    if rest > 0:
        set_pending(context, session, 1)
    if not is_fix:
        logged_on(context, session)
    return 1


@kernel
def watch(context: int, fd: int, data: int) -> None:
    """Register the socket with epoll."""
    event = load_i64(context + x.EPOLL_EVENTS)
    store_i64(event, so.EPOLLIN)
    store_i64(event + so.EVENT_DATA, data)
    so.epoll_ctl(load_i64(context + x.EPOLL), so.EPOLL_CTL_ADD, fd, event)


@kernel
def poll(context: int) -> int:
    """Sockets that have something, and what is left of earlier bursts.

    A socket that was the only one to have something is asked by itself, three times of four:
    measured, that is one system call less on the way of an order (0.3 us of 7)."""
    hall, turn = load_i64(context + x.HALL), load_i64(context + x.TURN) + 1
    store_i64(context + x.TURN, turn)
    only = load_i64(context + x.ONLY)
    if only != 0 and turn & 3 != 0:
        done = receive(context, a.block_of(hall, only))
    else:
        done = poll_all(context)
    if load_i64(context + x.PENDING_COUNT) > 0:
        sessions = load_i64(hall + h.SESSION_COUNT)
        for index in range(1, sessions + 1):
            session = a.block_of(hall, index)
            if load_i64(session + s.PENDING) != 0:
                done += understand(context, session)
    return done


@kernel_outlined
def poll_all(context: int) -> int:
    """Ask epoll."""
    done = 0
    hall, events = load_i64(context + x.HALL), load_i64(context + x.EPOLL_EVENTS)
    count = so.epoll_poll(load_i64(context + x.EPOLL), events, MAX_EVENTS)
    if count > 0:
        index = load_i64(events + so.EVENT_DATA)
        store_i64(context + x.ONLY, index if count == 1 else 0)
    for place in range(count):
        index = load_i64(events + so.EVENT_BYTES * place + so.EVENT_DATA)
        if index != 0:
            done += receive(context, a.block_of(hall, index))
    for place in range(count):
        # Last: it writes over the events.
        if load_i64(events + so.EVENT_BYTES * place + so.EVENT_DATA) == 0:
            done += take_connection(context)
            break
    return done


@kernel
def receive(context: int, session: int) -> int:
    """Bytes from a connection into its buffer, and understand what is whole."""
    fd = load_i64(session + s.FD)
    if fd < 0 or load_i64(session + s.STATE) != s.CONNECTED:
        return 0
    length = load_i64(session + s.INPUT_LENGTH)
    free = load_i64(session + s.INPUT_CAPACITY) - length
    if free == 0:
        return 0
    size = so.recv(fd, load_i64(session + s.INPUT) + length, free)
    if size == 0:
        lose(context, session)
        return 1
    if size < 0:
        if so.last_errno() not in (so.EAGAIN, so.EINTR):
            lose(context, session)
        return 0
    store_i64(session + s.INPUT_LENGTH, length + size)
    store_i64(session + s.LAST_IN_NS, w.now_ns(context))
    return understand(context, session)


@kernel_outlined
def understand(context: int, session: int) -> int:
    """Whole messages in a session's buffer into commands, a bounded number of them."""
    codec = load_i64(context + x.CODECS) + a.CODEC_BYTES * load_i64(session + s.PROTOCOL)
    buffer, length = load_i64(session + s.INPUT), load_i64(session + s.INPUT_LENGTH)
    is_announced = c.tell_of_login(context, session)
    most = min(x.MESSAGES_A_TURN, c.lane_room(context) - 2) if is_announced else 0
    at, done, result, waits, throttled = 0, 0, 0, 0, 0
    now = w.now_ns(context)
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    while done < most:
        message, size, kept = buffer + at, 0, 0
        if is_fix:
            # A kept message that is taken must be dealt with.
            if not c.may_take(session, now):
                waits = throttled = 1
                break
            kept = a.call2(load_i64(codec + a.CODEC_QUEUED), session, now)
        if kept != 0:
            message, size = kept, load_i64(session + f.QUEUED_BYTES)
        else:
            size = a.call2(load_i64(codec + a.CODEC_FRAME), message, length - at)
        if size == 0:
            if at == 0 and length == load_i64(session + s.INPUT_CAPACITY):
                size = OVERSIZE
            else:
                break
        if size < 0:
            result = size
            break
        if not c.may_enter(session, now):
            waits = throttled = 1
            break
        c.look_ahead(context, session, message, size, buffer + length)
        result = c.one_message(context, session, codec, message, size, now)
        at += size if kept == 0 else 0
        done += 1
        if result == LOGIN and is_fix:
            logged_on(context, session)
        elif result < 0 or result in (LOGOUT, DISCONNECTING):
            break
    if done >= most:
        waits = 1
    if at > 0:
        st.copy_bytes(buffer, buffer + at, length - at)
        store_i64(session + s.INPUT_LENGTH, length - at)
    if waits and load_i64(session + s.WAITING_SINCE) == 0:
        store_i64(session + s.WAITING_SINCE, now)
    elif waits == 0 and length < load_i64(session + s.INPUT_CAPACITY):
        # Nothing is left of what came meanwhile, nor in the system: there was room for it.
        store_i64(session + s.WAITING_SINCE, 0)
    set_pending(context, session, 1 if waits and (is_fix or at < length) else 0)
    if is_fix and (done > 0 or throttled == 0):
        # Of a message that only waits for its turn there is nothing to send.
        mark_dirty(context, session)
    if result < 0:
        fault(context, session)
    elif result in (LOGOUT, DISCONNECTING):
        if result == LOGOUT:
            c.say(context, session, n.LOGGED_OUT)
        else:
            note_loss(context, session)
        store_i64(session + s.STATE, s.ENDING)
        store_i64(session + s.INPUT_LENGTH, 0)
        set_pending(context, session, 0)
        mark_dirty(context, session)
    return done


# Time.


@kernel
def timers(context: int, now: int) -> None:
    """Heartbeats, silent clients, and the orders of lost connections."""
    hall = load_i64(context + x.HALL)
    for index in range(1, load_i64(hall + h.SESSION_COUNT) + 1):
        session = a.block_of(hall, index)
        if a.is_fix(load_i64(session + s.PROTOCOL)):
            fix_timer(context, session)
        elif load_i64(session + s.FD) >= 0:
            if now - load_i64(session + s.LAST_IN_NS) > load_i64(session + s.TIMEOUT_NS):
                lose(context, session)
            elif now - load_i64(session + s.LAST_OUT_NS) >= load_i64(session + s.HEARTBEAT_NS):
                defer_message(context, session, 72)
        if load_i64(session + s.SWITCH) != 0:
            switch(context, session)
        lost = load_i64(session + s.LOST_NS)
        if lost != 0 and now - lost >= load_i64(session + s.GRACE_NS):
            c.cancel_orders(context, session)
        if load_i64(session + s.SWEEP) != 0:
            c.sweep(context, session)


@kernel_outlined
def fix_timer(context: int, session: int) -> None:
    if load_i64(session + s.FD) < 0 or load_i64(session + s.STATE) != s.CONNECTED:
        return
    if call_codec(context, session, a.CODEC_TIMER) == DISCONNECTING:
        if load_i64(session + f.OUT_END) > load_i64(session + f.OUT_FROM):
            send_some(context, session)  # why it ends, if the client still reads
        lose(context, session)
    elif load_i64(session + f.OUT_END) > load_i64(session + f.OUT_FROM):
        mark_dirty(context, session)


@kernel_outlined
def switch(context: int, session: int) -> None:
    """A session disabled by the operator: log it out and cancel its orders by its policy,
    without grace."""
    is_off = load_i64(session + s.SWITCH) == s.SWITCH_OFF
    if is_off != (load_i64(session + s.KILLED) != 0):
        if c.say(context, session, n.KILLED if is_off else n.ENABLED) == 0:
            return
        if is_off:
            if load_i64(session + s.FD) >= 0:
                send_logout(context, session)
                send_some(context, session)
                close_connection(context, session)
            c.lose_without_grace(session, w.now_ns(context))
    store_i64(session + s.SWITCH, 0)


@kernel_outlined
def send_logout(context: int, session: int) -> None:
    """The last message of a connection."""
    if a.is_fix(load_i64(session + s.PROTOCOL)):
        call_codec(context, session, a.CODEC_FAREWELL)
    else:
        defer_message(context, session, 90)
    store_i64(session + s.STATE, s.ENDING)
    mark_dirty(context, session)


@kernel
def close_lane(context: int) -> None:
    """Publish the end of the lane."""
    store_i64(context + x.CLOSED, 1)
    last = load_i64(load_i64(context + x.HALL) + h.LANE_SEQ)
    store_release(load_i64(context + x.LANE_RING) + layout.CLOSED_AT, last + 1)


@kernel_outlined
def end(context: int) -> None:
    """All events are sent: end the sessions, drain for a bounded time, then close."""
    hall, now = load_i64(context + x.HALL), w.now_ns(context)
    if load_i64(context + x.CLOSING_NS) == 0:
        store_i64(context + x.CLOSING_NS, now)
        for index in range(1, load_i64(hall + h.SESSION_COUNT) + 1):
            session = a.block_of(hall, index)
            if load_i64(session + s.FD) >= 0:
                send_logout(context, session)
    flush(context)
    if load_i64(context + x.DIRTY_COUNT) == 0 or now - load_i64(context + x.CLOSING_NS) > DRAIN_NS:
        for index in range(1, load_i64(hall + h.SESSION_COUNT) + 1):
            close_connection(context, a.block_of(hall, index))
        w.finish(context, load_i64(context + w.NEXT) - 1)


@kernel
def step(context: int) -> int:
    done = take_events(context)
    if load_i64(context + x.DIRTY_COUNT) > 0:
        # Before sockets are asked: an answer does not wait for that.
        done += flush(context)
    if load_i64(context + x.CLOSED) == 0:
        control = load_i64(context + w.CONTROL)
        if load_acquire(control + ct.STOP) != 0:
            close_lane(context)
        elif load_acquire(control + ct.GO) != 0:
            done += poll(context)
            now = w.now_ns(context)
            if now >= load_i64(context + x.NEXT_TIMER):
                store_i64(context + x.NEXT_TIMER, now + TIMER_NS)
                timers(context, now)
    if load_i64(context + x.DIRTY_COUNT) > 0:
        done += flush(context)
    if done == 0 and load_i64(context + x.CLOSED) != 0 and w.input_ended(context):
        end(context)
    return done


def prepare(group: Any, name: str) -> None:
    """Where the predecessor was: rows, tokens and streams made again from the journal, and from
    what the journal does not have yet."""
    group.work.sessions.prepare(group, name)
