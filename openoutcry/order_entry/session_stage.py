"""sessions: participants' connections.  Bytes in become commands on the sessions' lane; released
events become messages in each session's stream, which is sent from as its reader takes it.

A step does a bounded burst of each: released events into streams, sockets that have something,
timers, and sending. No call ever waits. A full socket is retried later, and a reader that lags too
far is disconnected: the ring waits for no client.

Every application message becomes one command.  A refused one does too, as a record that the core
rejects without effect.  So the answer has its place in the sequence, is durable before it leaves,
and can be made again (docs/decisions/016-sessions.md).  Questions (fix/questions.py) become no
commands.
"""

from typing import Any

from openoutcry.order_entry import (
    apply,
    command_metadata,
    constants,
    list_commands,
    rows,
    session_commands,
    session_region,
    session_words,
    shm_stage,
    soupbin,
)
from openoutcry.order_entry import copies as drop_copies
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import session_login as login
from openoutcry.order_entry import stream as stream_store
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.session_words import DoorRow, SessionsContext, ToldRow
from openoutcry.order_entry.shm_layout import SHM, ShmReplies, ShmSession, may_act
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.ring.kernels import slot_address
from openoutcry.ring.layout import RingHeader
from openoutcry.runtime import words
from openoutcry.runtime.histogram import record
from openoutcry.runtime.lanes import NUMBERS, SHIFT
from openoutcry.runtime.words import StageContext
from openoutcry.wire import sockets
from openoutcry.wire.enums import MAX_LEGS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, U32s, Words
from openoutcry.wire.memory import (
    load_i64,
    store_i64,
    store_u8,
)
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

MAX_EVENTS = 64
TIMER_NS = 5_000_000
DRAIN_NS = 500_000_000
MAX_SEND = 1 << 18
INDEX_MASK = shm_stage.PIDFD_BIT - 1
MORE = 2
"""The rest of a session's output goes at the next step: its socket is not full."""

HAND_MAX = login.HAND_MAX
ANSWERED_BYTES = 8
"""Of a message that names the session whose question was answered."""
CONTROL_AT, DATA_AT = 64, 128  # CONTROL_AT: of the cmsg behind x.MESSAGE

SHM_TURNS, SHM_BUSY_TURNS, ASK_NS = 7, 1024, 4_000
"""While requests come by shared memory, sockets are asked in one turn of SHM_TURNS + 1, as a system
call takes as long as an order.  Few requests do not have them asked again within ASK_NS: eight
turns with little to do take as long as one order.  That lasts for SHM_BUSY_TURNS turns (0.1 ms)
after the last request."""
TOLD_ROWS = 4 * words.BURST
"""Events of a turn."""
TOLD_BYTES, DOOR_BYTES = ToldRow.size_bytes, DoorRow.size_bytes
END_SLOW, END_SILENT, END_LOST = (
    constants.SHM_END_SLOW,
    constants.SHM_END_SILENT,
    constants.SHM_END_LOST,
)
END_CLOSED, END_SWITCHED_OFF = constants.SHM_END_VENUE_CLOSED, constants.SHM_END_SWITCHED_OFF
END_TAKEN_OVER, END_SOCKET_DATA = constants.SHM_END_TAKEN_OVER, constants.SHM_END_SOCKET_DATA
END_NUMBER = constants.SHM_END_NUMBER

LIST = constants.KIND_LIST
LOGOUT, LOGIN, DISCONNECTING = (
    constants.KIND_LOGOUT,
    constants.KIND_LOGIN,
    constants.KIND_DISCONNECT,
)
OVERSIZE = constants.FAULT_OVERSIZE
MASS_STATUS = constants.FIX_REFUSAL_MASS_STATUS


# Out: events into streams.


@kernel
def mark_dirty(context: SessionsContext, session: SessionBlock) -> None:
    """Note that its connection has something to be sent."""
    if session.dirty == 0 and session.fd >= 0:
        session.dirty = 1
        count = context.dirty_count
        Words(context.dirty_list)[count] = session.index
        context.dirty_count = count + 1


@kernel_outlined
def mark_all_dirty(context: SessionsContext, region: RegionHeader, event: EventRecord) -> None:
    """Every session of the event's participant may have something to be sent."""
    for index in range(1, region.session_count + 1):
        session = apply.block_of(region, index)
        if may_act(session, event.participant):
            mark_dirty(context, session)


@kernel
def take_events(context: SessionsContext) -> int:
    """Released events into rows and streams."""
    count = words.available(context, TOLD_ROWS)
    if count == 0:
        return 0
    region, codecs = RegionHeader(context.region), context.codecs
    ring, ring_mask = context.in_ring, context.in_mask
    mask = context.stamp_mask
    offset = context.control.epoch_offset
    first, copies = context.next, region.copy_count
    all_count = copies | region.waiting != 0
    for index in range(first, first + count):
        event = slot_address(ring, ring_mask, index)
        at = 8 * (event.cause_seq & mask)
        origin = load_i64(context.lane_words + at)
        rx_ts_ns = load_i64(context.received + at) + offset
        metadata, order = CommandMetadata(0), OrderRecord(0)
        if origin & (NUMBERS - 1) == session_words.LANE:
            metadata_mask = region.metadata_mask
            metadata = command_metadata.metadata_at(region.metadata, metadata_mask, origin >> SHIFT)
            order = OrderRecord(region.orders + 64 * (origin >> SHIFT & metadata_mask))
        of_session = metadata != 0 or event.order_id & rows.ORDER_BIT != 0
        if drop_copies.is_fill_off_book(event):
            mark_all_dirty(context, region, event)
        elif not (all_count or of_session):
            continue
        region.at_lane_seq = origin >> SHIFT
        region.fee = context.notes[index & ring_mask]
        receiver = drop_copies.publish_event(region, codecs, event, order, metadata, rx_ts_ns)
        if receiver != 0:
            session = apply.block_of(region, receiver)
            mark_dirty(context, session)
            if session.dirty != 0:
                note_told(context, receiver, at, metadata)
        if metadata != 0 and metadata.refused == MASS_STATUS:
            # It was answered by as many messages as the session has orders: others have their turn.
            count = index + 1 - first
            break
    for place in range(copies):
        mark_dirty(
            context,
            apply.block_of(region, Words(region + session_region.COPY_SESSIONS)[place]),
        )
    region.event_seq = first + count - 1
    return words.advance(context, count)


@kernel
def note_told(
    context: SessionsContext, session: int, stamp_at: int, metadata: CommandMetadata
) -> None:
    """An event is on its way to a connected session; ``stamp_at``: byte of its command's stamps."""
    count = context.told_count
    row = ToldRow(context.told + TOLD_BYTES * count)
    row.session = session
    row.released_ns = load_i64(context.released + stamp_at)
    answers = metadata != 0 and metadata.session == session
    row.received_ns = load_i64(context.received + stamp_at) if answers else 0
    context.told_count = count + 1


@kernel_outlined
def record_told(context: SessionsContext) -> None:
    """Count for each door how long what was said now has taken; what a full socket has not taken
    yet waits for its reader, and is not counted."""
    region, now = RegionHeader(context.region), words.now_ns(context)
    for place in range(context.told_count):
        row = ToldRow(context.told + TOLD_BYTES * place)
        session = apply.block_of(region, row.session)
        door = DoorRow(context.doors + DOOR_BYTES * session.protocol)
        if session.dirty != 0 or session.fd < 0 or door.visible == 0:
            continue
        record(Words(door.visible), now - row.released_ns, 1)
        if row.received_ns != 0:
            record(Words(door.answered), now - row.received_ns, 1)
    context.told_count = 0


@kernel
def flush(context: SessionsContext) -> int:
    """Send what connections have not had yet, as far as their sockets take it."""
    region, dirty = RegionHeader(context.region), context.dirty_list
    kept, done = 0, 0
    count = context.dirty_count
    for place in range(count):
        session = apply.block_of(region, Words(dirty)[place])
        session.dirty = 0
        if session.fd < 0:
            continue
        left = send_some(context, session)
        waits = left != 0 and session.fd >= 0
        if left == MORE or not waits:
            done += 1
        if waits:
            session.dirty = 1
            Words(dirty)[kept] = session.index
            kept += 1
    # Sessions that were marked meanwhile follow.
    for place in range(count, context.dirty_count):
        Words(dirty)[kept] = Words(dirty)[place]
        kept += 1
    context.dirty_count = kept
    return done


@kernel_outlined
def send_some(context: StageContext, session: SessionBlock) -> int:
    """Send first what is outside the stream, then the stream; return 0 if everything is sent."""
    if apply.is_fix(session.protocol):
        return send_fix(SessionsContext(context), FixSession(session))
    if session.protocol == SHM:
        return send_shm(SessionsContext(context), ShmSession(session))
    fd = session.fd
    left = session.side_length
    if left > 0:
        at = session.side_at
        done = sockets.send(fd, session + session_block.SIDE + at, left)
        if done <= 0:
            return unsent(SessionsContext(context), session, done)
        session.last_out_ns = words.now_ns(context)
        session.side_at = at + done
        session.side_length = left - done
        if done < left:
            return 1
    stream = StreamHeader(session.stream)
    begin, end = session.sent_bytes, stream_store.head_end(stream)
    if begin < end:
        done = sockets.send(
            fd, stream_store.data_address(stream) + begin, min(end - begin, MAX_SEND)
        )
        if done > 0:
            session.last_out_ns = words.now_ns(context)
            session.sent_bytes = begin + done
        if done < end - begin:
            return unsent(SessionsContext(context), session, done)
    if session.state == session_block.ENDING:
        close_connection(SessionsContext(context), session)
    return 0


@kernel_outlined
def send_shm(context: SessionsContext, session: ShmSession) -> int:
    """Like :func:`send_some`: the segment takes the place of the socket."""
    left = shm_stage.put_replies(context, session)
    if left < 0:
        fault(context, session)
        return 1
    if left > 0:
        return unsent(context, session, 0)
    if session.state == session_block.ENDING:
        close_connection(context, session)
    return 0


@kernel
def call_codec(context: SessionsContext, session: SessionBlock, what: int) -> int:
    """One of FIX's own kernels: of the session and the time."""
    codec = context.codecs + apply.CODEC_BYTES * session.protocol
    return apply.call2(load_i64(codec + what), session, words.now_ns(context))


@kernel_outlined
def send_fix(context: SessionsContext, session: FixSession) -> int:
    """Like :func:`send_some`: messages are numbered when there is nothing else left to be sent."""
    fd, most = session.fd, MAX_SEND
    while most > 0:
        begin, end = session.out_from, session.out_end
        if begin == end:
            begin, end = 0, call_codec(context, session, apply.CODEC_MORE)
        if end == 0:
            if session.state == session_block.ENDING:
                close_connection(context, session)
            return 0
        done = sockets.send(fd, session.out + begin, end - begin)
        if done > 0:
            most -= done
            if session.resend_next > 0:
                # Old messages wait for their turn like new ones of any session.
                most = 0
            session.out_from = begin + done
        if done < end - begin:
            if session.state == session_block.ENDING:
                close_connection(context, session)
                return 0
            return unsent(context, session, done)
    return MORE


@kernel
def unsent(context: SessionsContext, session: SessionBlock, done: int) -> int:
    """The socket is full (a reader that is too far behind is disconnected), or broken.  With no
    room for answers nothing is read that would show it.  ``done``: what ``send`` returned."""
    if done < 0 and sockets.last_errno() not in (sockets.EAGAIN, sockets.EINTR):
        lose(context, session)
        return 1
    seen = max(session.sent_bytes, session.stream_bytes_at_login)
    if stream_store.head_end(StreamHeader(session.stream)) - seen > session.queue_bytes:
        apply.add(session + session_block.SLOW, 1)
        shm_stage.end(session, END_SLOW)
        lose(context, session)
    return 1


@kernel_outlined
def defer_message(context: SessionsContext, session: SessionBlock, kind: int) -> None:
    """A SoupBinTCP packet of a type and nothing else is sent outside the stream, if everything
    before it is sent."""
    if session.side_length > 0 or session.dirty != 0:
        return
    store_u8(session + session_block.SIDE, 0)
    Bytes(session + session_block.SIDE)[1] = 1
    Bytes(session + session_block.SIDE)[2] = kind
    session.side_at = 0
    session.side_length = 3
    mark_dirty(context, session)


# Connections.


@kernel_outlined
def close_connection(context: SessionsContext, session: SessionBlock) -> None:
    """Close the connection; what was read of it and not yet understood is dropped."""
    fd = session.fd
    if fd < 0:
        return
    if apply.is_fix(session.protocol):
        call_codec(context, session, apply.CODEC_LOST)
    elif session.protocol == SHM:
        shm_stage.unlist_session(context, session)
        shm_stage.finish(ShmSession(session), END_LOST)
    session.fd = -1
    session.state = session_block.DISCONNECTED
    session.input_length = 0
    session.side_length = 0
    session.login_unjournaled = 0
    session.waiting_since = 0
    set_pending(context, session, 0)
    sockets.close(fd)


@kernel_outlined
def lose(context: SessionsContext, session: SessionBlock) -> None:
    """The connection is lost, which is not a logout: its orders wait for their fate."""
    mark_lost(context, session)
    close_connection(context, session)


@kernel_outlined
def mark_lost(context: StageContext, session: SessionBlock) -> None:
    """Note when a connected session lost its connection: its grace begins."""
    if session.fd < 0 or session.state != session_block.CONNECTED:
        return
    # A FIX connection whose Logon was not accepted changes nothing of what was before.
    is_on = not apply.is_fix(session.protocol) or session.logged_out == 0
    if is_on and session.lost_ns == 0:
        session.lost_ns = words.now_ns(context)


@kernel_outlined
def logged_on(context: SessionsContext, session: SessionBlock) -> None:
    """A participant is back: its orders stay if it returned in time."""
    session_commands.end_loss(context, session)
    session.stream_bytes_at_login = stream_store.head_end(StreamHeader(session.stream))
    session_commands.logged_in(context, session)
    mark_dirty(context, session)


@kernel
def fault(context: SessionsContext, session: SessionBlock) -> None:
    """Count a fault of the client and end its connection."""
    apply.add(session + session_block.FAULTS, 1)
    lose(context, session)


@kernel
def set_pending(context: int, session: SessionBlock, value: int) -> None:
    """Note whether the session's socket has input left (1 or 0), and how many sessions have."""
    apply.add(context + session_words.PENDING_COUNT, value - session.pending)
    session.pending = value


@kernel_outlined
def take_connection(context: SessionsContext) -> int:
    """Return a socket from the acceptor, whose client has logged in; 0: no socket."""
    message = context.message
    data, control = message + DATA_AT, message + CONTROL_AT
    Words(message)[5] = 32  # msg_controllen: up to four descriptors
    Words(message)[6] = 0
    size = sockets.recvmsg(context.acceptor, message)
    if size == ANSWERED_BYTES:
        note_answers(context, Words(data)[0])
        return 1
    if size < login.HAND_BYTES or Words(message)[5] < 20:
        return 0
    fd = U32s(control)[4]
    region = RegionHeader(context.region)
    index = load_i64(data + login.HAND_INDEX)
    if index < 1 or index > region.session_count:
        sockets.close(fd)
        return 1
    session = apply.block_of(region, index)
    if session.protocol == SHM:
        take_shm_connection(context, ShmSession(session), data, control)
        return 1
    is_fix = apply.is_fix(session.protocol)
    if not is_fix and login.is_beyond(session, load_i64(data + login.HAND_SEQUENCE)):
        login.refuse_number(session, data, fd)
        return 1
    if session.fd >= 0:
        close_connection(context, session)
    if session.killed != 0:
        sockets.close(fd)
        return 1
    now = words.now_ns(context)
    session.last_in_ns = now
    session.last_out_ns = now
    if is_fix:
        call_codec(context, session, apply.CODEC_BEGIN)
    else:
        login.accept(session, data)
    stream_store.copy_bytes(session + session_block.SOURCE, data + login.HAND_SOURCE, 24)
    rest = size - login.HAND_BYTES
    stream_store.copy_bytes(session.input, data + login.HAND_BYTES, rest)
    session.input_length = rest
    session.fd = fd
    session.state = session_block.CONNECTED
    session.generation += 1
    watch(context, fd, index)
    if rest > 0:
        set_pending(context, session, 1)
    if not is_fix:
        logged_on(context, session)
    return 1


@kernel_outlined
def take_shm_connection(
    context: SessionsContext, session: ShmSession, data: int, control: int
) -> None:
    """A participant's process that has logged in: its socket, itself and its two segments.
    Addresses: ``data`` of what the acceptor handed over, ``control`` of the message's control data,
    which has the descriptors."""
    fd, fds = U32s(control)[4], control + 20
    if Words(control)[0] != 16 + 4 * shm_stage.DESCRIPTORS:
        sockets.close(fd)
        return
    wanted, why = Words(data)[login.HAND_SEQUENCE // 8], 0
    if login.is_beyond(session, wanted):
        apply.add(session + session_block.FAULTS, 1)
        why = END_NUMBER
    elif session.killed != 0:
        why = END_SWITCHED_OFF
    # The acceptor sees by this that the login which it handed over is over, or connected.
    session.generation += 1
    if why != 0:
        shm_stage.refuse(fds, why)
        sockets.close(fd)
        return
    if session.fd >= 0:
        shm_stage.end(session, END_TAKEN_OVER)
        close_connection(context, session)
    why = shm_stage.begin(context, session, fds, wanted)
    if why != 0:
        shm_stage.finish(session, why)
        sockets.close(fd)
        return
    now = words.now_ns(context)
    session.last_in_ns = now
    session.last_out_ns = now
    stream_store.copy_bytes(session + session_block.SOURCE, data + login.HAND_SOURCE, 24)
    session.fd = fd
    session.state = session_block.CONNECTED
    watch(context, fd, session.index)
    watch(context, session.pidfd, session.index | shm_stage.PIDFD_BIT)
    shm_stage.list_session(context, session)
    logged_on(context, session)


@kernel_outlined
def note_answers(context: SessionsContext, index: int) -> None:
    """A question of the session with this index was answered."""
    region = RegionHeader(context.region)
    if 1 <= index <= region.session_count:
        mark_dirty(context, apply.block_of(region, index))


@kernel
def watch(context: SessionsContext, fd: int, data: int) -> None:
    """Register the socket with epoll."""
    event = context.epoll_events
    store_i64(event, sockets.EPOLLIN)
    store_i64(event + sockets.EVENT_DATA, data)
    sockets.epoll_ctl(context.epoll, sockets.EPOLL_CTL_ADD, fd, event)


@kernel
def poll(context: SessionsContext) -> int:
    """Sockets that have something, and what is left of earlier bursts.

    A socket that alone had input is polled alone three times out of four. Measured: an order
    needs one system call less (0.3 us of 7)."""
    region, turn = RegionHeader(context.region), context.turn + 1
    context.turn = turn
    only = context.last_active_session
    done = 0
    if context.shm_count > 0:
        done = take_shm_requests(context)
        if done > 0:
            context.shm_turn = turn
        context.unasked += done
    busy_by_shm = context.shm_count > 0 and turn - context.shm_turn < SHM_BUSY_TURNS
    if not busy_by_shm or (turn & SHM_TURNS == 0 and is_time_to_ask(context)):
        context.asked_ns = context.now_ns
        context.unasked = 0
        if only != 0 and turn & 3 != 0:
            done += receive(context, apply.block_of(region, only))
        else:
            done += poll_all(context)
    if context.pending_count > 0:
        sessions = region.session_count
        for index in range(1, sessions + 1):
            session = apply.block_of(region, index)
            if session.pending != 0:
                done += parse_input(context, FixSession(session))
    return done


@kernel
def is_time_to_ask(context: SessionsContext) -> bool:
    """Sockets were not asked for ASK_NS, or for as many requests as a session has in a turn; or the
    clock has not moved, as one that a test sets."""
    waited_ns = context.now_ns - context.asked_ns
    if waited_ns <= 0 or waited_ns >= ASK_NS:
        return True
    return context.unasked >= session_words.MESSAGES_A_TURN


@kernel_outlined
def take_shm_requests(context: SessionsContext) -> int:
    """Requests of each session over shared memory into commands, in turns of a bounded number."""
    region, now, done = RegionHeader(context.region), words.now_ns(context), 0
    context.now_ns = now
    # From the last on: one that ends leaves its place to the last.
    for place in range(context.shm_count - 1, -1, -1):
        session = ShmSession(apply.block_of(region, Words(context.shm_list)[place]))
        if session.state != session_block.CONNECTED:
            continue
        taken = shm_stage.take_requests(context, session, now)
        if taken < 0:
            fault(context, session)
            taken = 1
        elif session.state == session_block.ENDING:
            session_commands.journal_session_event(context, session, command_metadata.LOGGED_OUT)
            mark_dirty(context, session)
        done += taken
    return done


@kernel_outlined
def look_at_login_socket(context: SessionsContext, session: SessionBlock) -> int:
    """The socket of a login over shared memory: that it is closed is all that it may say, and of a
    session that rings that there is a request."""
    size = sockets.recv(session.fd, session.input, session.input_capacity)
    if size < 0 and sockets.last_errno() in (sockets.EAGAIN, sockets.EINTR):
        return 0
    if size > 0 and shm_stage.has_rung(ShmSession(session), size):
        return 1
    if size > 0:
        shm_stage.end(session, END_SOCKET_DATA)
        fault(context, session)
    else:
        lose(context, session)
    return 1


@kernel_outlined
def poll_all(context: SessionsContext) -> int:
    """Ask epoll."""
    done = 0
    region, events = RegionHeader(context.region), context.epoll_events
    count = sockets.epoll_poll(context.epoll, events, MAX_EVENTS)
    if count > 0:
        index = load_i64(events + sockets.EVENT_DATA) & INDEX_MASK
        context.last_active_session = index if count == 1 else 0
    for place in range(count):
        index = load_i64(events + sockets.EVENT_BYTES * place + sockets.EVENT_DATA)
        if index >= shm_stage.PIDFD_BIT:
            # Its connection may have ended at an event before this one.
            session = apply.block_of(region, index & INDEX_MASK)
            if session.fd >= 0:
                lose(context, session)
            done += 1
        elif index != 0:
            done += receive(context, apply.block_of(region, index))
    for place in range(count):
        # Last: it writes over the events.
        if load_i64(events + sockets.EVENT_BYTES * place + sockets.EVENT_DATA) == 0:
            done += take_connection(context)
            break
    return done


@kernel
def receive(context: SessionsContext, session: SessionBlock) -> int:
    """Bytes from a connection into its buffer, and parse_input what is whole."""
    fd = session.fd
    if fd < 0 or session.state != session_block.CONNECTED:
        return 0
    if session.protocol == SHM:
        return look_at_login_socket(context, session)
    length = session.input_length
    free = session.input_capacity - length
    if free == 0:
        return 0
    size = sockets.recv(fd, session.input + length, free)
    if size == 0:
        lose(context, session)
        return 1
    if size < 0:
        if sockets.last_errno() not in (sockets.EAGAIN, sockets.EINTR):
            lose(context, session)
        return 0
    session.input_length = length + size
    session.last_in_ns = words.now_ns(context)
    return parse_input(context, FixSession(session))


@kernel_outlined
def parse_input(context: SessionsContext, session: FixSession) -> int:
    """Whole messages in a session's buffer into commands, a bounded number of them."""
    codec = context.codecs + apply.CODEC_BYTES * session.protocol
    buffer, length = session.input, session.input_length
    is_announced = session_commands.journal_login(context, session)
    most = (
        min(session_words.MESSAGES_A_TURN, session_commands.lane_room(context) - 2)
        if is_announced
        else 0
    )
    at, done, result, waits, throttled = 0, 0, 0, 0, 0
    now = words.now_ns(context)
    is_fix = apply.is_fix(session.protocol)
    while done < most:
        message, size, kept = buffer + at, 0, 0
        if is_fix:
            # A kept message that is taken must be dealt with.
            if not session_commands.may_take(session, now):
                waits = throttled = 1
                break
            if session_commands.lane_room(context) <= 2 * MAX_LEGS:
                waits = 1
                break
            kept = apply.call2(load_i64(codec + apply.CODEC_QUEUED), session, now)
        if kept != 0:
            message, size = kept, session.queued_bytes
        elif is_fix:
            size = apply.call2(load_i64(codec + apply.CODEC_FRAME), message, length - at)
        else:
            size = soupbin.frame(message, length - at)
        if size == 0:
            if at == 0 and length == session.input_capacity:
                size = OVERSIZE
            else:
                break
        if size < 0:
            result = size
            break
        if not session_commands.may_enter(session, now):
            waits = throttled = 1
            break
        session_commands.prefetch_order(context, session, message, size, buffer + length)
        result = session_commands.handle_message(context, session, codec, message, size, now)
        if result == LIST:
            result = list_commands.take_decoded(context, session, now)
        at += size if kept == 0 else 0
        done += 1
        if result == LOGIN and is_fix:
            logged_on(context, session)
        elif result < 0 or result in (LOGOUT, DISCONNECTING):
            break
    if done >= most:
        waits = 1
    if at > 0:
        stream_store.copy_bytes(buffer, buffer + at, length - at)
        session.input_length = length - at
    if waits and session.waiting_since == 0:
        session.waiting_since = now
    elif waits == 0 and length < session.input_capacity:
        # Nothing is left of what came meanwhile, nor in the system: there was room for it.
        session.waiting_since = 0
    set_pending(context, session, 1 if waits and (is_fix or at < length) else 0)
    if is_fix and (done > 0 or throttled == 0):
        # Of a message that only waits for its turn there is nothing to send.
        mark_dirty(context, session)
    if result < 0:
        fault(context, session)
    elif result in (LOGOUT, DISCONNECTING):
        if result == LOGOUT:
            session_commands.journal_session_event(context, session, command_metadata.LOGGED_OUT)
        else:
            mark_lost(context, session)
        session.state = session_block.ENDING
        session.input_length = 0
        set_pending(context, session, 0)
        mark_dirty(context, session)
    return done


# Time.


@kernel
def timers(context: SessionsContext, now: int) -> None:
    """Heartbeats, silent clients, and the orders of lost connections."""
    region, timed = RegionHeader(context.region), 0
    for index in range(1, region.session_count + 1):
        session = apply.block_of(region, index)
        if apply.is_fix(session.protocol):
            fix_timer(context, FixSession(session))
        elif session.protocol == SHM:
            shm_timer(context, ShmSession(session), now)
        elif session.fd >= 0:
            if now - session.last_in_ns > session.timeout_ns:
                lose(context, session)
            elif now - session.last_out_ns >= session.heartbeat_ns:
                defer_message(context, session, 72)
        if session.switch != 0:
            switch(context, session)
        lost = session.lost_ns
        if lost != 0 and now - lost >= session.grace_ns:
            session_commands.cancel_orders(context, session)
        if session.sweep != 0:
            session_commands.sweep(context, session)
        if session.list_left != 0:
            list_commands.end_unfinished(context, session)
        if session.switch | session.lost_ns | session.sweep | session.list_left != 0:
            timed += 1
    context.timed = timed


@kernel_outlined
def fix_timer(context: SessionsContext, session: FixSession) -> None:
    """Run the session layer's timer of a FIX connection: heartbeats, timeouts."""
    if session.fd < 0 or session.state != session_block.CONNECTED:
        return
    if call_codec(context, session, apply.CODEC_TIMER) == DISCONNECTING:
        if session.out_end > session.out_from:
            send_some(context, session)  # why it ends, if the client still reads
        lose(context, session)
    elif session.out_end > session.out_from:
        mark_dirty(context, session)


@kernel_outlined
def shm_timer(context: SessionsContext, session: ShmSession, now: int) -> None:
    """Show a shared-memory client that the venue lives, and end a silent one (``now``: ns)."""
    if session.fd < 0 or session.state != session_block.CONNECTED:
        return
    ShmReplies(session.replies).alive_ns = now
    if now - session.last_in_ns > session.timeout_ns:
        shm_stage.end(session, END_SILENT)
        lose(context, session)
    elif shm_stage.look_at_cursor(session) < 0:
        fault(context, session)


@kernel_outlined
def switch(context: StageContext, session: SessionBlock) -> None:
    """A session disabled by the operator: log it out and cancel its orders by its policy,
    without grace."""
    is_off = session.switch == session_block.SWITCH_OFF
    if is_off != (session.killed != 0):
        if (
            session_commands.journal_session_event(
                SessionsContext(context),
                session,
                command_metadata.KILLED if is_off else command_metadata.ENABLED,
            )
            == 0
        ):
            return
        if is_off:
            if session.fd >= 0:
                shm_stage.end(session, END_SWITCHED_OFF)
                send_logout(SessionsContext(context), session)
                send_some(context, session)
                close_connection(SessionsContext(context), session)
            session_commands.expire_grace_now(session, words.now_ns(context))
    session.switch = 0


@kernel_outlined
def send_logout(context: SessionsContext, session: SessionBlock) -> None:
    """The last message of a connection."""
    if apply.is_fix(session.protocol):
        call_codec(context, session, apply.CODEC_LOGOUT)
    elif session.protocol != SHM:
        defer_message(context, session, 90)
    session.state = session_block.ENDING
    mark_dirty(context, session)


@kernel
def close_lane(context: SessionsContext) -> None:
    """Publish the end of the lane."""
    context.closed = 1
    last = RegionHeader(context.region).lane_seq
    RingHeader(context.lane_ring).closed_at = last + 1


@kernel_outlined
def end(context: SessionsContext) -> None:
    """All events are sent: end the sessions, drain for a bounded time, then close."""
    region, now = RegionHeader(context.region), words.now_ns(context)
    if context.closing_ns == 0:
        context.closing_ns = now
        for index in range(1, region.session_count + 1):
            session = apply.block_of(region, index)
            if session.fd >= 0:
                shm_stage.end(session, END_CLOSED)
                send_logout(context, session)
    flush(context)
    if context.dirty_count == 0 or now - context.closing_ns > DRAIN_NS:
        for index in range(1, region.session_count + 1):
            close_connection(context, apply.block_of(region, index))
        words.finish(context, context.next - 1)


@kernel
def note_unwatched(context: SessionsContext) -> None:
    """Say whether there may be work soon that no socket shows: in shared memory, or waiting for a
    time, a reader or the speed bump.  Events that wait for the disk are counted apart."""
    waits = context.pending_count + context.dirty_count + context.timed + context.closed
    context.unseen = context.in_ring.published - context.next + 1
    bump = RegionHeader(context.region).waiting
    unwatched = 1 if context.shm_count > 0 and shm_stage.is_unwatched(context) else 0
    context.unwatched = unwatched | waits | bump


@kernel
def step(context: SessionsContext) -> int:
    """One turn of the stage: a bounded burst of each kind; returns how much was done."""
    done = take_events(context)
    if context.dirty_count > 0:
        # Before sockets are asked: an answer does not wait for that.
        done += flush(context)
        if context.told_count > 0:
            record_told(context)
    if context.closed == 0:
        control = context.control
        if control.stop != 0:
            close_lane(context)
        elif control.go != 0:
            list_commands.finish_list(context)
            done += poll(context)
            # With sessions over shared memory it was read in this turn.
            now = context.now_ns if context.shm_count > 0 else words.now_ns(context)
            if now >= context.next_timer:
                context.next_timer = now + TIMER_NS
                timers(context, now)
    if context.dirty_count > 0:
        done += flush(context)
    if done == 0:
        note_unwatched(context)
    if done == 0 and context.closed != 0 and words.input_ended(context):
        end(context)
    return done


def prepare(group: Any, name: str) -> None:
    """Where the predecessor was: rows, tokens and streams made again from the journal, and from
    what the journal does not have yet."""
    group.work.sessions.prepare(group, name)
