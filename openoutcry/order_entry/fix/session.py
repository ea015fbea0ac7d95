"""The FIX session layer of an acceptor, as kernels over a session's block: no sockets, no clock.

``now_ns`` is the clock of timers (CLOCK_MONOTONIC); CLOCK_OFFSET_NS makes UTC of it.  ``out`` has
room for at least 4,096 bytes; OUT_BYTES says what a call wrote there.
"""

from enum import IntEnum

import openoutcry.order_entry.fix.gaps as gaps
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.words as words
from openoutcry.order_entry import constants
from openoutcry.order_entry.fix.parts import E, parse_head
from openoutcry.order_entry.fix.text import (
    constant,
    put_bytes,
    put_number,
    read_timestamp,
    same_text,
)
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.printable import is_printable


class Result(IntEnum):
    """Results of :func:`on_message` and :func:`on_timer`, in addition to ``Kind.IGNORE`` (there was
    nothing to do) and ``Kind.APPLICATION`` (an order message: its turn, its number counted)."""

    SESSION = 32
    """The session layer dealt with it; there may be an answer."""
    LOGGED_ON = 33
    LOGGED_OUT = 34
    """The participant logged out: send what there is, then close."""
    DISCONNECT = 35
    """Send what there is, then close."""
    GARBLED = 36
    """Passed over."""


IGNORE, APPLICATION = constants.KIND_IGNORE, constants.KIND_APPLICATION
SESSION, LOGGED_ON, LOGGED_OUT = Result.SESSION, Result.LOGGED_ON, Result.LOGGED_OUT
DISCONNECT, GARBLED = Result.DISCONNECT, Result.GARBLED
BUSINESS_REJECT = ord("j")
LOGON, HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT = (
    ord(letter) for letter in "A012345"
)
KNOWN_HIGH = sum(1 << ord(one) - 64 for one in "ADEFGHKMqj")
"""A bit for each letter that is a type read here; so are the digits of the session layer."""
MASS_STATUS, POSITIONS = int.from_bytes(b"AF", "little"), int.from_bytes(b"AN", "little")
SECOND_NS = 1_000_000_000
LOGON_TIMEOUT_NS, LOGOUT_TIMEOUT_NS = 10 * SECOND_NS, 2 * SECOND_NS
MAX_HEARTBEAT_S = 86_400
YES, NO = ord("Y"), ord("N")


@kernel
def connected(session: FixSession, now_ns: int) -> None:
    """A connection came: its Logon is awaited."""
    session.fix_state = words.AWAITED
    session.logout_ns = now_ns
    for word in (words.TEST_REQUESTS, words.RESEND_TO, words.RESEND_NEXT, words.GAP_SEQ):
        store_i64(session + word, 0)
    session.last_in_ns = now_ns
    session.last_out_ns = now_ns
    if session.in_seq == 0:
        forget_numbers(session)


@kernel
def disconnected(session: FixSession) -> None:
    """Forget what belongs to the connection: its state and its queue."""
    session.fix_state = words.NONE
    empty_queue(session)


@kernel
def empty_queue(session: FixSession) -> None:
    """Free all slots of messages that came before their turn."""
    for slot in range(words.QUEUE_SLOTS):
        store_i64(session.queue + words.QUEUE_SLOT_BYTES * slot, 0)


@kernel
def forget_numbers(session: FixSession) -> None:
    """Both sides begin at 1 again."""
    session.in_seq = 1
    session.out_seq = 1
    session.resets += 1
    for word in (words.RESEND_TO, words.RESEND_NEXT, words.GAP_SEQ):
        store_i64(session + word, 0)
    empty_queue(session)


@kernel
def queue_slot(session: FixSession, seq: int) -> int:
    """Address of the slot for the message with number ``seq``."""
    return session.queue + words.QUEUE_SLOT_BYTES * (seq & words.QUEUE_SLOTS - 1)


@kernel
def keep(session: SessionBlock, seq: int, message: int, size: int) -> None:
    """Keep a message that came before its turn, if there is room; else it will be asked for again.

    ``size`` 0: it was acted upon, only its number is kept.
    """
    ahead = seq - session.in_seq
    if ahead < words.QUEUE_SLOTS and size <= words.QUEUE_SLOT_BYTES - 80:
        slot = queue_slot(FixSession(session), seq)
        store_i64(slot, seq)
        Words(slot)[1] = size
        put_bytes(slot + 16, message, size)


@kernel
def take_queued(session: FixSession) -> int:
    """Return the kept message whose turn it is, QUEUED_BYTES long, to be passed to
    :func:`on_message` before anything else; 0: no such message."""
    while True:
        seq = session.in_seq
        slot = queue_slot(session, seq)
        if load_i64(slot) != seq:
            return 0
        store_i64(slot, 0)
        size = Words(slot)[1]
        if size > 0:
            session.queued_bytes = size
            return slot + 16
        session.in_seq = seq + 1


@kernel
def set_error(fields: FixFields, reason: int, size: int) -> None:
    """An error of the message as a whole (size 0), or of the tag whose text is at TAG_TEXT."""
    fields.error = 1 + reason
    fields.ref_tag = fields + words.TAG_TEXT if size > 0 else 0
    fields.ref_size = size


@kernel
def error_of_tag(fields: FixFields, reason: int, tag: int) -> None:
    """An error of a tag that the message does not have, or whose text need not be its own."""
    at = fields + words.TAG_TEXT
    set_error(fields, reason, put_number(at, tag) - at)


@kernel
def right_comp_ids(session: FixSession, fields: FixFields) -> bool:
    """Return whether SenderCompID (49) and TargetCompID (56) are the session's."""
    sender, target = scan.field(fields, 49), scan.field(fields, 56)
    return same_text(
        scan.value_of(fields, sender),
        sender & 0xFFFF,
        session + words.TARGET,
        session.target_size,
    ) and same_text(
        scan.value_of(fields, target),
        target & 0xFFFF,
        session + words.SENDER,
        session.sender_size,
    )


@kernel
def right_begin(session: FixSession, message: int) -> bool:
    """Return whether BeginString (8) is the session's; ``message``: address of its first byte."""
    size = session.begin_size
    return same_text(message + 2, size, session + words.BEGIN, size) and (
        Bytes(message + 2)[size] == 1
    )


@kernel
def sending_time(fields: FixFields, tag: int) -> int:
    """Return ns since the epoch of a UTCTimestamp; less than 0: malformed."""
    entry = scan.field(fields, tag)
    return read_timestamp(scan.value_of(fields, entry), entry & 0xFFFF)


@kernel
def is_accurate(session: FixSession, fields: FixFields, now_ns: int) -> bool:
    """SendingTime (52) is near enough to when the message came, which may have waited since."""
    limit = session.accuracy_ns
    if limit == 0:
        return True
    off = sending_time(fields, 52) - now_ns - session.clock_offset_ns
    since = session.waiting_since
    waited = now_ns - since if since != 0 else 0
    return -limit - waited <= off <= limit


@kernel
def is_kept(session: FixSession, message: int) -> bool:
    """The message came before its turn, when its SendingTime was checked, and was kept."""
    return 0 <= message - session.queue < words.QUEUE_BYTES


@kernel_outlined
def missing_header(fields: FixFields) -> None:
    """The header's required tags, and the form of its time."""
    if fields.error != 0:
        return
    for tag in (49, 52, 56):
        if scan.field(fields, tag) == 0:
            error_of_tag(fields, scan.REQUIRED_MISSING, tag)
            return
    if sending_time(fields, 52) < 0:
        error_of_tag(fields, scan.BAD_FORMAT, 52)
    elif scan.field(fields, 122) != 0 and sending_time(fields, 122) < 0:
        error_of_tag(fields, scan.BAD_FORMAT, 122)
    elif not is_flag(fields, 43):
        error_of_tag(fields, scan.BAD_FORMAT, 43)
    elif not is_flag(fields, 97):
        error_of_tag(fields, scan.BAD_FORMAT, 97)


@kernel
def is_flag(fields: FixFields, tag: int) -> bool:
    """Y, N or nothing."""
    value = scan.char_of(fields, tag)
    return (value == 0) | (value == YES) | (value == NO)


@kernel_outlined
def is_sent_before(fields: FixFields) -> bool:
    """Check that a possible duplicate has an OrigSendingTime before its SendingTime; note an
    error if OrigSendingTime is missing. A gap fill was never sent before."""
    if scan.char_of(fields, 43) != YES or fields.error != 0:
        return True
    if scan.field(fields, 122) == 0:
        if fields.msg_type != SEQUENCE_RESET:
            error_of_tag(fields, scan.REQUIRED_MISSING, 122)
        return True
    return sending_time(fields, 122) <= sending_time(fields, 52)


@kernel_outlined
def end_with(session: SessionBlock, why: int, number: int, now_ns: int, out: int) -> int:
    """Say why, and disconnect."""
    send.send_logout(session, why, number, now_ns, out)
    return DISCONNECT


@kernel_outlined
def log_out(session: FixSession, why: int, now_ns: int, out: int) -> int:
    """Ask for a logout; the participant's answer, or two seconds without it, disconnects."""
    send.send_logout(session, why, 0, now_ns, out)
    session.fix_state = words.LOGGING_OUT
    session.logout_ns = now_ns
    return SESSION


@kernel_outlined
def on_logon(session: FixSession, message: int, now_ns: int, out: int) -> int:
    """Handle the first message. A client with a wrong identity gets no answer."""
    fields = FixFields(session.fields_)
    if (
        fields.msg_type != LOGON
        or not right_begin(session, message)
        or fields.error != 0
        or not right_comp_ids(session, fields)
        or not is_accurate(session, fields, now_ns)
    ):
        return DISCONNECT
    options = session.options
    seq, reset = scan.number_of(fields, 34), scan.char_of(fields, 141) == YES
    if options & words.RESET_ON_LOGON or (reset and seq == 1):
        forget_numbers(session)
    if seq < 1:
        return end_with(session, send.NO_SEQ, 0, now_ns, out)
    if scan.char_of(fields, 98) != ord("0"):
        return end_with(session, send.ENCRYPTED, 0, now_ns, out)
    interval = scan.number_of(fields, 108)
    if interval < 0 or interval > MAX_HEARTBEAT_S:
        return end_with(session, send.BAD_INTERVAL, 0, now_ns, out)
    if reset and seq != 1:
        return end_with(session, send.RESET_SEQ, seq, now_ns, out)
    if seq < session.in_seq:
        return end_with(session, send.TOO_LOW, seq, now_ns, out)
    next_out = session.out_seq
    wanted = scan.number_of(fields, 789)
    if wanted > next_out:
        return end_with(session, send.NEXT_TOO_HIGH, next_out, now_ns, out)
    session.fix_state = words.ACTIVE
    session.heartbeat_ns = interval * SECOND_NS
    return answer_logon(session, seq, wanted, reset, now_ns, out)


put_logon = constant(b"35=A\x0198=0\x01108=")
put_reset, put_next = constant(b"141=Y\x01"), constant(b"789=")


@kernel
def send_logon(session: SessionBlock, reset: bool, next_in: int, now_ns: int, out: int) -> None:
    """``next_in``: NextExpectedMsgSeqNum, or 0."""
    body = send.body_of(FixSession(session))
    interval = session.heartbeat_ns // SECOND_NS
    at = send.put_field_end(put_number(put_logon(body), interval))
    if reset:
        at = put_reset(at)
    if next_in > 0:
        at = send.put_field_end(put_number(put_next(at), next_in))
    send.send_body(FixSession(session), at - body, now_ns, out)


@kernel
def answer_logon(
    session: FixSession, seq: int, wanted: int, reset: bool, now_ns: int, out: int
) -> int:
    """Answer a Logon with number ``seq``; returns LOGGED_ON.

    ``wanted``: NextExpectedMsgSeqNum (789), below 0: it was not given. ``reset``: both sides
    begin at 1.
    """
    expected, next_out = session.in_seq, session.out_seq
    if seq == expected:
        expected += 1
        session.in_seq = expected
    send_logon(session, reset, expected if wanted > 0 else 0, now_ns, out)
    if 0 < wanted < next_out:
        send.ask_again(session, wanted, next_out - 1)
    if seq > expected:
        # With NextExpectedMsgSeqNum the client already knows what is missing.
        if wanted < 0:
            send.send_resend_request(session, expected, now_ns, out)
        session.resend_to = seq
    return LOGGED_ON


@kernel_outlined
def on_logon_again(session: FixSession, seq: int, now_ns: int, out: int) -> int:
    """A Logon of a logged-on session restarts the numbers, or answers our request to restart
    them."""
    options = session.options
    if seq != 1:
        return end_with(session, send.RESET_SEQ, seq, now_ns, out)
    if options & words.RESET_SENT:
        session.options = options & ~words.RESET_SENT
        session.in_seq = 2
        return SESSION
    forget_numbers(session)
    session.in_seq = 2
    send_logon(session, True, 0, now_ns, out)
    return SESSION


@kernel
def end_session(session: FixSession, now_ns: int, out: int) -> int:
    """Log the participant out (end of day, kill)."""
    session.out_bytes = 0
    return log_out(session, send.PLAIN, now_ns, out)


@kernel_outlined
def on_too_high(
    session: FixSession, seq: int, message: int, size: int, now_ns: int, out: int
) -> int:
    """Keep it, and ask for what is missing unless that was done."""
    if size == 0 or is_accurate(session, FixFields(session.fields_), now_ns):
        keep(session, seq, message, size)
    expected = session.in_seq
    if session.resend_to < expected:
        send.send_resend_request(session, expected, now_ns, out)
        session.resend_to = seq
    return SESSION


@kernel_outlined
def on_too_low(session: FixSession, seq: int, now_ns: int, out: int) -> int:
    """Ignore a message that was received before, if it says so itself, and says when it was sent
    first."""
    fields = FixFields(session.fields_)
    if scan.char_of(fields, 43) != YES:
        return end_with(session, send.TOO_LOW, seq, now_ns, out)
    if not is_sent_before(fields):
        set_error(fields, scan.SENDING_TIME, 0)
        send.send_reject(session, seq, now_ns, out)
        return log_out(session, send.PLAIN, now_ns, out)
    if fields.error != 0:
        send.send_reject(session, seq, now_ns, out)
        return SESSION
    return IGNORE


@kernel_outlined
def on_resend_request(session: FixSession, seq: int, now_ns: int, out: int, room: int) -> int:
    """Answered whatever its own number is, so that two sides that wait for each other continue."""
    fields = FixFields(session.fields_)
    expected = session.in_seq
    begin, end = scan.number_of(fields, 7), scan.number_of(fields, 16)
    never_sent = begin >= session.out_seq
    if begin < 1 or never_sent or end < 0 or (0 < end < begin):
        tag = 7 if begin < 1 or never_sent else 16
        has_field = scan.field(fields, tag) != 0
        error_of_tag(fields, scan.OUT_OF_RANGE if has_field else scan.REQUIRED_MISSING, tag)
        send.send_reject(session, seq, now_ns, out)
    else:
        last = session.out_seq - 1
        end = last if end == 0 else min(end, last)
        if begin <= end:
            send.ask_again(session, begin, end)
    if seq == expected:
        session.in_seq = seq + 1
    elif seq > expected:
        on_too_high(session, seq, 0, 0, now_ns, out)
    send.send_on(session, now_ns, out, room)
    return SESSION


@kernel_outlined
def on_sequence_reset(session: FixSession, seq: int, gap_fill: bool, now_ns: int, out: int) -> int:
    """A gap fill takes its number's place; a reset ignores its number."""
    fields = FixFields(session.fields_)
    next_in, expected = scan.number_of(fields, 36), session.in_seq
    if next_in < 0:
        has_field = scan.field(fields, 36) != 0
        error_of_tag(fields, scan.BAD_FORMAT if has_field else scan.REQUIRED_MISSING, 36)
    elif next_in < expected or (gap_fill and next_in == seq):
        set_error(fields, scan.OUT_OF_RANGE, 0)
    else:
        session.in_seq = next_in
        return SESSION
    send.send_reject(session, seq, now_ns, out)
    if gap_fill:
        session.in_seq = seq + 1
    return SESSION


@kernel_outlined
def on_logout(session: FixSession, seq: int, now_ns: int, out: int) -> int:
    """Answered whatever its number is; a side that missed something requests it at the next
    logon."""
    if seq == session.in_seq:
        session.in_seq = seq + 1
    if session.fix_state == words.LOGGING_OUT:
        return DISCONNECT
    send.send_logout(session, send.PLAIN, 0, now_ns, out)
    return LOGGED_OUT


@kernel_outlined
def on_error(session: FixSession, seq: int, now_ns: int, out: int) -> int:
    """Reject a message that is in sequence but invalid; log out a client whose identity changed."""
    fields = FixFields(session.fields_)
    session.in_seq = seq + 1
    if fields.error != 0:
        send.send_reject(session, seq, now_ns, out)
        return SESSION
    set_error(fields, scan.SENDING_TIME, 0)
    if not right_comp_ids(session, fields):
        set_error(fields, scan.COMP_ID, 0)
    send.send_reject(session, seq, now_ns, out)
    return log_out(session, send.PLAIN, now_ns, out)


@kernel_outlined
def on_session_message(session: FixSession, msg_type: int, seq: int, now_ns: int, out: int) -> int:
    """A message of the session layer in its turn."""
    fields = FixFields(session.fields_)
    if msg_type == SEQUENCE_RESET:
        return on_sequence_reset(session, seq, True, now_ns, out)
    session.in_seq = seq + 1
    if msg_type != TEST_REQUEST:
        return IGNORE
    entry = scan.field(fields, 112)
    if entry == 0:
        error_of_tag(fields, scan.REQUIRED_MISSING, 112)
        send.send_reject(session, seq, now_ns, out)
    elif not is_printable(scan.value_of(fields, entry), entry & 0xFFFF):
        error_of_tag(fields, scan.BAD_FORMAT, 112)
        send.send_reject(session, seq, now_ns, out)
    else:
        send.send_heartbeat(session, entry, now_ns, out)
    return SESSION


@kernel
def on_message(
    session: FixSession, message: int, size: int, now_ns: int, out: int, room: int
) -> int:
    """Take one framed message; returns a Kind or Result."""
    fields = FixFields(session.fields_)
    scan.parse(fields, message, size)
    if fields.msg_type == E and fields.status == scan.WHOLE:
        parse_head(fields, message, size)
    return on_parsed(session, message, size, now_ns, out, room)


@kernel
def is_known(msg_type: int) -> bool:
    """Return whether messages of a type are read here."""
    if msg_type >= 127:
        return (msg_type == MASS_STATUS) | (msg_type == POSITIONS)
    return KNOWN_HIGH >> max(msg_type - 64, 0) & 1 != 0 if msg_type >= 64 else msg_type >= 48


@kernel_outlined
def forgive(session: FixSession, fields: FixFields) -> None:
    """Forget the error of a message whose type a venue does not take: it is answered by its type,
    whatever its fields are."""
    msg_type = fields.msg_type
    if session.options & words.QUOTES == 0 and not is_known(msg_type) and scan.is_type(msg_type):
        fields.error = 0


@kernel
def on_parsed(
    session: FixSession, message: int, size: int, now_ns: int, out: int, room: int
) -> int:
    """Like :func:`on_message`, for a message that was parsed and may have an error."""
    fields, state = FixFields(session.fields_), session.fix_state
    session.out_bytes = 0
    if fields.status != scan.WHOLE:
        return DISCONNECT if state == words.AWAITED else GARBLED
    session.last_in_ns = now_ns
    session.test_requests = 0
    msg_type = fields.msg_type
    if fields.error != 0:
        forgive(session, fields)
    seq = scan.number_of(fields, 34)
    if state == words.AWAITED:
        return on_logon(session, message, now_ns, out)
    if state == words.NONE:
        return DISCONNECT
    if not right_begin(session, message):
        return log_out(session, send.WRONG_BEGIN, now_ns, out)
    if seq < 0:
        return end_with(session, send.NO_SEQ, 0, now_ns, out)
    missing_header(fields)
    if msg_type == LOGOUT:
        return on_logout(session, seq, now_ns, out)
    if state == words.LOGGING_OUT and msg_type != RESEND_REQUEST:
        return IGNORE
    error = fields.error
    if error == 0 and right_comp_ids(session, fields):
        if msg_type == RESEND_REQUEST:
            return on_resend_request(session, seq, now_ns, out, room)
        if msg_type == LOGON and scan.char_of(fields, 141) == YES:
            return on_logon_again(session, seq, now_ns, out)
        if msg_type == SEQUENCE_RESET and scan.char_of(fields, 123) != YES:
            return on_sequence_reset(session, seq, False, now_ns, out)
    expected = session.in_seq
    if seq > expected:
        return on_too_high(session, seq, message, size, now_ns, out)
    if seq < expected:
        return on_too_low(session, seq, now_ns, out)
    if (
        not is_sent_before(fields)
        or fields.error != 0
        or not right_comp_ids(session, fields)
        or not (is_kept(session, message) or is_accurate(session, fields, now_ns))
    ):
        return on_error(session, seq, now_ns, out)
    if msg_type < 256 and (HEARTBEAT <= msg_type <= SEQUENCE_RESET or msg_type == LOGON):
        return on_session_message(session, msg_type, seq, now_ns, out)
    session.in_seq = seq + 1
    # Two that reject each other's BusinessMessageRejects would never end.
    return IGNORE if msg_type == BUSINESS_REJECT else APPLICATION


@kernel
def reject(session: FixSession, now_ns: int, out: int) -> int:
    """Reject the application message at hand for the ERROR that its decoding found."""
    fields = FixFields(session.fields_)
    send.send_reject(session, scan.number_of(fields, 34), now_ns, out)
    return SESSION


@kernel
def is_given_up(session: FixSession, now_ns: int) -> bool:
    """A Logon that does not come, a Logout without its answer, or 2.4 intervals of silence."""
    state, since = session.fix_state, session.logout_ns
    if state == words.NONE:
        return False
    if state == words.AWAITED:
        return now_ns - since >= LOGON_TIMEOUT_NS
    if state == words.LOGGING_OUT and now_ns - since >= LOGOUT_TIMEOUT_NS:
        return True
    interval = session.heartbeat_ns
    return interval > 0 and 5 * (now_ns - session.last_in_ns) >= 12 * interval


@kernel
def on_timer(session: FixSession, now_ns: int, out: int) -> int:
    """Send heartbeats and check for silence; return IGNORE, SESSION or DISCONNECT.

    After 1.2 intervals of silence a TestRequest asks, after 2.4 the connection is given up.
    """
    session.out_bytes = 0
    if is_given_up(session, now_ns):
        return DISCONNECT
    gap = gaps.on_timer(session, now_ns, out)
    if gap == gaps.ENDED:
        return end_with(session, send.MISSING, session.in_seq, now_ns, out)
    if gap == gaps.ASKED:
        return SESSION
    interval = session.heartbeat_ns
    if interval == 0 or session.fix_state < words.ACTIVE:
        return IGNORE
    silent = now_ns - session.last_in_ns
    test_requests = session.test_requests
    if 5 * silent >= 6 * interval * (test_requests + 1):
        session.test_requests = test_requests + 1
        send.send_test_request(session, now_ns, out)
        return SESSION
    if test_requests == 0 and now_ns - session.last_out_ns >= interval:
        send.send_heartbeat(session, 0, now_ns, out)
        return SESSION
    return IGNORE
