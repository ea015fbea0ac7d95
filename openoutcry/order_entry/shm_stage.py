"""The venue's side of a session over shared memory: requests out of one segment, replies into the
other.

The participant may write anything into its segment at any time.  So each request is copied word by
word, and only the copy is checked.  Each cursor is read once and compared with what the venue
itself knows.  What the venue writes it never reads back.
"""

from openoutcry.order_entry import (
    apply,
    constants,
    list_commands,
    quote_commands,
    session_commands,
    session_words,
)
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import stream as stream_store
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.session_words import SessionsContext
from openoutcry.order_entry.shm_in import (
    decode,
    decode_quote,
    further_slots,
    head_terms,
    own_terms,
)
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLIES_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    REQUESTS_BYTES,
    SHM,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequests,
    ShmSession,
)
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.runtime import words
from openoutcry.wire import sockets
from openoutcry.wire.enums import MAX_LEGS, MIN_LEGS
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import SharedWord, U32s, Words
from openoutcry.wire.memory import copy56, copy64, full_fence
from openoutcry.wire.sockets import PROT_READ, PROT_READ_WRITE, map_shared, unmap

ACTIVE, ENDED = constants.SHM_STATE_ACTIVE, constants.SHM_STATE_ENDED
NO_MEMORY = constants.SHM_END_NO_MEMORY
SEQUENCE, TORN, UNKNOWN_KIND = (
    constants.SHM_END_SEQUENCE,
    constants.SHM_END_TORN,
    constants.SHM_END_UNKNOWN_KIND,
)
CURSOR_AHEAD, CURSOR_BACK = constants.SHM_END_CURSOR_AHEAD, constants.SHM_END_CURSOR_BACK
STREAM_FULL, LOGGED_OUT = constants.SHM_END_STREAM_FULL, constants.SHM_END_LOGGED_OUT
FULL_FAULT, LOGOUT = constants.FAULT_STREAM_FULL, constants.KIND_LOGOUT
ENTER, LIST = constants.SHM_REQUEST_ENTER, constants.SHM_REQUEST_LIST
TERMS, NAME = constants.SHM_REQUEST_TERMS, constants.SHM_REQUEST_NAME
QUOTE, QUOTE_CANCEL = constants.SHM_REQUEST_QUOTE, constants.SHM_REQUEST_QUOTE_CANCEL
UNFINISHED = 0
"""Instead of ``handle_message``'s results: the request is to be looked at again."""
LIST_REFUSAL = constants.FIX_REFUSAL_LIST
AHEAD = session_commands.AHEAD
LINE_BYTES = REPLY_BYTES // 2
DESCRIPTORS = 4
"""Descriptors that come with a hand-over: the socket, the participant's process,
requests, replies."""
PIDFD_BIT = 1 << 32
"""Bit of an epoll entry: it is the session's process, which has ended."""


@kernel_outlined
def refuse(fds: int, why: int) -> None:
    """Send a process that has logged in why it gets no connection; ``fds``: address of the
    descriptors after the socket's, four bytes each."""
    replies = map_shared(_fd(fds, 2), REPLIES_BYTES, PROT_READ_WRITE)
    if replies != -1:
        header = ShmReplies(replies)
        header.end = why
        header.state = ENDED
        unmap(replies, REPLIES_BYTES)
    for place in range(DESCRIPTORS - 1):
        sockets.close(_fd(fds, place))


@kernel_outlined
def begin(context: SessionsContext, session: ShmSession, fds: int, wanted: int) -> int:
    """Map the segments of a new connection, whose replies begin at ``wanted``; 0, or the ``End``
    that it has come to already.  ``fds``: as above."""
    pidfd, requests_fd, replies_fd = _fd(fds, 0), _fd(fds, 1), _fd(fds, 2)
    requests = map_shared(requests_fd, REQUESTS_BYTES, PROT_READ)
    replies = map_shared(replies_fd, REPLIES_BYTES, PROT_READ_WRITE)
    sockets.close(requests_fd)
    sockets.close(replies_fd)
    session.pidfd = pidfd
    session.requests = 0 if requests == -1 else requests
    session.replies = 0 if replies == -1 else replies
    session.ended = 0
    if requests == -1 or replies == -1:
        return NO_MEMORY
    stream = StreamHeader(session.stream)
    count = stream.head
    first = wanted if wanted >= 1 else count + 1
    session.written = session.read = first - 1
    session.sent_bytes = stream_store.entry_end(stream, first - 1)
    session.first_request = session.next_request = session.applied_request + 1
    header = ShmReplies(replies)
    header.next_request = session.next_request
    header.next_reply = first
    header.rings = session.rings
    session.woken = session.rung = 0
    session.pulled = 0
    header.requests_read = session.next_request - 1
    header.written = first - 1
    header.alive_ns = words.now_ns(context)
    header.state = ACTIVE
    return 0


@kernel
def _fd(fds: int, place: int) -> int:
    return U32s(fds)[place]


@kernel_outlined
def finish(session: ShmSession, end: int) -> None:
    """Send the participant why its connection ends, and release all that it holds."""
    if session.ended == 0:
        session.ended = end
    if session.replies != 0:
        header = ShmReplies(session.replies)
        header.end = session.ended
        header.state = ENDED
        unmap(session.replies, REPLIES_BYTES)
    if session.requests != 0:
        unmap(session.requests, REQUESTS_BYTES)
    if session.pidfd >= 0:
        sockets.close(session.pidfd)
    session.requests = session.replies = 0
    session.pidfd = -1


@kernel
def end(session: SessionBlock, why: int) -> None:
    """Remember why a connection is about to end: the first word counts."""
    if session.protocol == SHM and ShmSession(session).ended == 0:
        ShmSession(session).ended = why


@kernel
def has_violated(session: ShmSession, why: int) -> int:
    """End a session that broke the protocol (``why``: an End); returns -1."""
    end(session, why)
    return -1


@kernel_outlined
def take_requests(context: SessionsContext, session: ShmSession, now: int) -> int:
    """Turn requests into commands, a bounded number of them; returns how many were taken, or -1 if
    the connection is to end (``ended`` says why)."""
    codec = context.codecs + apply.CODEC_BYTES * session.protocol
    first = session.next_request
    most = session_words.MESSAGES_A_TURN
    copy = ShmRequest(session.input)
    done, waits = 0, 0
    while done < most:
        seq = session.next_request
        place = seq - 1 & REQUEST_SLOTS - 1
        slot = ShmRequest(session.requests + HEADER_BYTES + REQUEST_BYTES * place)
        stamp = slot.seq
        if stamp != seq:
            before = seq - REQUEST_SLOTS
            if stamp != (before if before >= session.first_request else 0):
                return has_violated(session, SEQUENCE)
            break
        if session_commands.journal_login(context, session) == 0:
            waits = 1
            break
        if session_commands.lane_room(context) <= 2 or not session_commands.may_enter(session, now):
            waits = 1
            break
        later = ShmRequest(
            session.requests + HEADER_BYTES + REQUEST_BYTES * (place + AHEAD & REQUEST_SLOTS - 1)
        )
        session_commands.prefetch_name(context, session, later.id, later.id_high, later.participant)
        for word in range(REQUEST_BYTES // 8):
            Words(copy)[word] = SharedWord(slot + 8 * word).value
        if copy.seq != seq:
            return has_violated(session, TORN)
        if copy.kind in (LIST, TERMS, QUOTE, QUOTE_CANCEL):
            if session_commands.lane_room(context) <= 2 * MAX_LEGS:
                waits = 1
                break
            more = copy_legs(session, seq, copy) if copy.kind in (LIST, TERMS) else 0
        else:
            more = copy_further(session, seq, copy, further_slots(copy))
        if more < 0:
            return -1
        if copy.kind in (QUOTE, QUOTE_CANCEL):
            result = take_quote(context, session, copy, now)
            if result == UNFINISHED:
                waits = 1
                break
            session.next_request = seq + 1
            done += 1
            if result < 0:
                return has_violated(session, STREAM_FULL)
            if copy.kind == QUOTE_CANCEL and copy.symbol == 0:
                break  # it may have looked at many instruments: others have their turn
            continue
        session.next_request = seq + 1 + more
        done += 1 + more
        size = REQUEST_BYTES * (1 + more)
        if copy.kind in (LIST, TERMS):
            result = take_list(context, session, copy, seq + more, now)
        else:
            result = session_commands.handle_message(context, session, codec, copy, size, now)
        if result < 0:
            return has_violated(session, STREAM_FULL if result == FULL_FAULT else UNKNOWN_KIND)
        if result == LOGOUT:
            end(session, LOGGED_OUT)
            session.state = session_block.ENDING
            break
    if done > 0:
        session.last_in_ns = now
        ShmReplies(session.replies).requests_read = session.next_request - 1
    if VERIFY:
        assert session.next_request == first + done, "each request is taken once"
    if waits == 0:
        session.waiting_since = 0
    elif session.waiting_since == 0:
        session.waiting_since = now
    return done


@kernel_outlined
def copy_further(session: ShmSession, seq: int, copy: ShmRequest, count: int) -> int:
    """Copy ``count`` further slots of a request, which were published before its own, the slot
    ``seq``; returns how many, or -1 if the connection is to end."""
    for further in range(1, count + 1):
        if copy_slot(session, seq + further, ShmRequest(copy + REQUEST_BYTES * further)) < 0:
            return -1
    return count


@kernel_outlined
def copy_legs(session: ShmSession, seq: int, copy: ShmRequest) -> int:
    """Copy the legs of the list in the slot ``seq``, or the order with terms, each with the slot of
    its name, as :func:`copy_further`.  What is no leg ends the connection: it is unknown where the
    next request begins."""
    legs = 1 if copy.kind == TERMS else copy.qty_lots
    if copy.kind == LIST and not MIN_LEGS <= legs <= MAX_LEGS:
        return has_violated(session, UNKNOWN_KIND)
    more = copy_further(session, seq, copy, further_slots(copy))
    if more < 0:
        return -1
    if more != 0 and ShmRequest(copy + REQUEST_BYTES).kind != NAME:
        return has_violated(session, UNKNOWN_KIND)
    for _ in range(legs):
        leg = ShmRequest(copy + REQUEST_BYTES * (more + 1))
        if copy_slot(session, seq + more + 1, leg) < 0:
            return -1
        if leg.kind != ENTER:
            return has_violated(session, UNKNOWN_KIND)
        count = further_slots(leg)
        if copy_further(session, seq + more + 1, leg, count) < 0:
            return -1
        more += 1 + count
    return more


@kernel_outlined
def take_list(
    context: SessionsContext, session: ShmSession, request: ShmRequest, number: int, now: int
) -> int:
    """Enter the list ``request``, whose legs are copied behind it, or the order that it says the
    terms of; ``number``: the request's, which is that of its last slot.  Returns what
    ``handle_message`` does."""
    region, legs, refused = RegionHeader(context.region), request.qty_lots, 0
    contingency = request.order_type
    if request.kind == TERMS:
        legs, contingency = 1, 0
    at = request + REQUEST_BYTES * (1 + further_slots(request))
    for leg in range(1, legs + 1):
        seq = list_commands.seq_of(region, leg)
        list_commands.clear_command(context, session, seq, now)
        size = REQUEST_BYTES * (1 + further_slots(ShmRequest(at)))
        metadata = list_commands.metadata_of(region, seq)
        order = list_commands.order_at(region, seq)
        kind = decode(at, size, session, order, metadata)
        if kind < 0:
            return kind
        metadata.client_seq = number
        if leg == 1:
            terms = list_commands.metadata_of(region, seq - 1)
            if request.kind == LIST:
                refused = head_terms(request, order.participant, terms)
            else:
                refused = own_terms(request, list_commands.clear_order(region, seq - 1))
        if ShmRequest(at).participant != request.participant:
            refused = LIST_REFUSAL
        metadata.refused = refused if refused != 0 else metadata.refused
        at += size
    return list_commands.handle_list(context, session, contingency, legs, now)


@kernel_outlined
def take_quote(context: SessionsContext, session: ShmSession, request: ShmRequest, now: int) -> int:
    """Enter a quote, or cancel what the session has of one instrument or of all; returns what
    ``handle_message`` does, or UNFINISHED if the rest is for another turn."""
    region, at = RegionHeader(context.region), quote_commands.clear_quote(context, session, now)
    order, metadata = list_commands.order_at(region, at), list_commands.metadata_of(region, at)
    decode_quote(request, session, order, metadata)
    if request.kind == QUOTE:
        price, lots = request.offer_ticks, request.offer_lots
        return quote_commands.take_quote(context, session, at, price, lots, now)
    if metadata.refused == 0 and request.symbol == 0:
        if quote_commands.pull_all(context, session, at, now) == 0:
            return UNFINISHED
        at = quote_commands.clear_quote(context, session, now)
        order, metadata = list_commands.order_at(region, at), list_commands.metadata_of(region, at)
        decode_quote(request, session, order, metadata)
        return quote_commands.take_cancel(context, session, at, 1, now)
    return quote_commands.take_cancel(context, session, at, 0, now)


@kernel_outlined
def copy_slot(session: ShmSession, seq: int, copy: ShmRequest) -> int:
    """Copy the slot ``seq``; 0, or -1 if the connection is to end."""
    place = seq - 1 & REQUEST_SLOTS - 1
    slot = ShmRequest(session.requests + HEADER_BYTES + REQUEST_BYTES * place)
    if slot.seq != seq:
        return has_violated(session, SEQUENCE)
    for word in range(REQUEST_BYTES // 8):
        Words(copy)[word] = SharedWord(slot + 8 * word).value
    return 0 if copy.seq == seq else has_violated(session, TORN)


@kernel
def look_at_cursor(session: ShmSession) -> int:
    """Read how far the participant has read; 0, or -1 if that cannot be."""
    read = ShmRequests(session.requests).replies_read
    if read == 0:
        return 0  # it has not said so yet
    if read > session.written:
        return has_violated(session, CURSOR_AHEAD)
    if read < session.read:
        return has_violated(session, CURSOR_BACK)
    session.read = read
    return 0


@kernel
def has_rung(session: ShmSession, size: int) -> bool:
    """Count ``size`` bytes by the socket of the login: a session that rings sends one for a
    request, or for none that was there when it looked.  Each costs the venue a look."""
    session.rung += size
    requests = session.next_request - session.first_request
    return session.rings != 0 and session.rung <= requests + REQUEST_SLOTS


@kernel_outlined
def put_replies(context: SessionsContext, session: ShmSession) -> int:
    """Copy messages of the stream into the segment, as far as there is room.

    Returns 0 if the participant has all, 1 if some wait, -1 if the connection is to end."""
    stream = StreamHeader(session.stream)
    written, head = session.written, stream.head
    if written == head:
        return 0
    if head - session.read > REPLY_SLOTS and look_at_cursor(session) < 0:
        return -1
    until = min(head, session.read + REPLY_SLOTS)
    data = stream_store.data_address(stream)
    for number in range(written + 1, until + 1):
        source = data + REPLY_BYTES * (number - 1)
        slot = session.replies + HEADER_BYTES + REPLY_BYTES * (number - 1 & REPLY_SLOTS - 1)
        copy64(slot, source)
        copy56(slot + LINE_BYTES, source + LINE_BYTES)
        ShmReply(slot).seq = number
    if until > written:
        session.written = until
        session.sent_bytes = REPLY_BYTES * until
        ShmReplies(session.replies).written = until
        session.last_out_ns = context.now_ns
        if session.rings != 0:
            wake_participant(session)
    return 0 if until == head else 1


@kernel_outlined
def wake_participant(session: ShmSession) -> None:
    """Send a participant that sleeps a byte by the socket of its login: one for each time that it
    says so, whatever it says.  A full socket has bytes to wake it."""
    full_fence()
    waits = ShmRequests(session.requests).waits
    if waits != session.woken:
        session.woken = waits
        sockets.send(session.fd, session + session_block.NAME, 1)


@kernel_outlined
def is_unwatched(context: SessionsContext) -> bool:
    """Return whether a session over shared memory does not ring: its requests show by no socket."""
    region = RegionHeader(context.region)
    for place in range(context.shm_count):
        if ShmSession(apply.block_of(region, Words(context.shm_list)[place])).rings == 0:
            return True
    return False


@kernel
def list_session(context: SessionsContext, session: SessionBlock) -> None:
    """Look at its requests from here on."""
    count = context.shm_count
    Words(context.shm_list)[count] = session.index
    context.shm_count = count + 1


@kernel_outlined
def unlist_session(context: SessionsContext, session: SessionBlock) -> None:
    """Take the session from the list of those that use shared memory."""
    count = context.shm_count
    listed = Words(context.shm_list)
    for place in range(count):
        if listed[place] == session.index:
            listed[place] = listed[count - 1]
            context.shm_count = count - 1
            return
