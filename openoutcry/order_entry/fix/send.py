"""Write messages: header and trailer around a body, session messages, and what is sent again.

A *body*, ``35=8|37=…|…|``, is a message without what is decided when it is sent: MsgSeqNum,
SendingTime, PossDupFlag, BodyLength and CheckSum.  The stream store has the bodies.

``cursor`` is the address where something is written; what writes returns the address after it.
"""

import openoutcry.order_entry.fix.answers as answers
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
import openoutcry.order_entry.stream as stream
from openoutcry.order_entry.fix.text import (
    EQUALS,
    SOH,
    ZERO,
    byte_sum,
    constant,
    digits_of,
    find_byte,
    put_bytes,
    put_number,
    put_timestamp,
)
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    load_i64,
    store_i64,
)

OVERHEAD = 256
"""Header and trailer are shorter than this."""
TIMESTAMP_BYTES = 21

put_begin, put_seq, put_dup = constant(b"8="), constant(b"34="), constant(b"43=Y\x01")
put_size, put_orig, put_sum = constant(b"\x019="), constant(b"122="), constant(b"10=")


@kernel
def put_field_end(cursor: int) -> int:
    """Write SOH; returns the address after it."""
    Bytes(cursor)[0] = SOH
    return cursor + 1


@kernel
def write(
    session: FixSession, body: int, size: int, seq: int, orig_ns: int, now_ns: int, out: int
) -> int:
    """Write the message ``seq`` with this body to ``out``; returns its bytes.

    ``orig_ns``: when it was sent for the first time (it goes as a possible duplicate), else 0.
    ``now_ns`` is UTC here, as ``orig_ns``.
    """
    type_size = find_byte(body, min(size, 16), SOH) + 1
    head, tail = session.head_size, session.tail_size
    length = size + digits_of(seq) + 4 + head + TIMESTAMP_BYTES + tail
    if orig_ns > 0:
        length += 5 + 4 + TIMESTAMP_BYTES + 1
    cursor = put_begin(out)
    cursor = put_bytes(cursor, session + words.BEGIN, session.begin_size)
    cursor = put_number(put_size(cursor), length)
    cursor = put_field_end(cursor)
    cursor = put_bytes(cursor, body, type_size)
    cursor = put_field_end(put_number(put_seq(cursor), seq))
    if orig_ns > 0:
        cursor = put_dup(cursor)
    cursor = put_bytes(cursor, session + words.HEAD, head)
    cursor = put_timestamp(cursor, now_ns, session + words.CACHED_DAY)
    cursor = put_bytes(cursor, session + words.TAIL, tail)
    if orig_ns > 0:
        cursor = put_timestamp(put_orig(cursor), orig_ns, session + words.CACHED_DAY)
        cursor = put_field_end(cursor)
    cursor = put_bytes(cursor, body + type_size, size - type_size)
    total = byte_sum(out, cursor - out)
    cursor = put_sum(cursor)
    Bytes(cursor)[0] = total // 100 + ZERO
    Bytes(cursor)[1] = total // 10 % 10 + ZERO
    Bytes(cursor)[2] = total % 10 + ZERO
    return put_field_end(cursor + 3) - out


@kernel
def number_at(session: FixSession, seq: int) -> int:
    """Address of what is kept of a sent MsgSeqNum."""
    mask = session.numbers_mask
    return session.numbers + words.NUMBER_BYTES * (seq & mask)


@kernel
def take_number(session: SessionBlock, entry: int, wall_ns: int) -> int:
    """The next MsgSeqNum, taken for good before a byte of the message goes out."""
    seq = session.out_seq
    number = number_at(FixSession(session), seq)
    store_i64(number, entry)
    Words(number)[1] = wall_ns
    session.out_seq = seq + 1
    return seq


@kernel
def wrote(session: FixSession, size: int, now_ns: int) -> None:
    """Record that ``size`` more bytes are in ``out``."""
    session.out_bytes += size
    session.last_out_ns = now_ns


@kernel
def end_of_out(session: FixSession, out: int) -> int:
    """Address after what was put into ``out``."""
    return out + session.out_bytes


@kernel_outlined
def send_body(session: FixSession, size: int, now_ns: int, out: int) -> int:
    """Send the session message whose body is in the fields' BODY."""
    wall_ns = now_ns + session.clock_offset_ns
    seq = take_number(session, 0, wall_ns)
    body = session.fields_ + words.BODY
    wrote(session, write(session, body, size, seq, 0, wall_ns, end_of_out(session, out)), now_ns)
    return seq


@kernel
def send_new(session: FixSession, now_ns: int, out: int, room: int) -> int:
    """Number and send what the stream has that was not yet sent; returns how many messages."""
    sent = 0
    store = StreamHeader(session.stream)
    wall_ns = now_ns + session.clock_offset_ns
    while session.sent_entry < store.head:
        entry = session.sent_entry + 1
        begin = stream.entry_end(store, entry - 1)
        size = stream.entry_end(store, entry) - begin
        if session.out_bytes + size + OVERHEAD > room:
            break
        seq = take_number(session, entry, wall_ns)
        session.sent_entry = entry
        body = stream.data_address(store) + begin
        cursor = end_of_out(session, out)
        wrote(session, write(session, body, size, seq, 0, wall_ns, cursor), now_ns)
        sent += 1
    if answers.unsent(session) > 0:
        sent += send_answers(session, now_ns, out, room)
    return sent


@kernel_outlined
def send_answers(session: FixSession, now_ns: int, out: int, room: int) -> int:
    """The same of what answers the session's questions."""
    sent = 0
    wall_ns = now_ns + session.clock_offset_ns
    while answers.unsent(session) > 0:
        number = session.sent_answer + 1
        slot = answers.slot_of(session, number)
        if session.out_bytes + slot.size + OVERHEAD > room:
            break
        seq = take_number(session, -number, wall_ns)
        session.sent_answer = number
        cursor = end_of_out(session, out)
        wrote(session, write(session, slot.body, slot.size, seq, 0, wall_ns, cursor), now_ns)
        sent += 1
    return sent


@kernel
def first_kept(session: FixSession) -> int:
    """The first MsgSeqNum that can be sent again."""
    return session.out_seq - session.numbers_mask - 1


@kernel
def ask_again(session: FixSession, begin: int, end: int) -> None:
    """The messages from ``begin`` to ``end`` are to be sent again."""
    session.resend_next = begin
    session.resend_end = end
    asked = max(0, end + 1 - max(begin, first_kept(session)))
    store_i64(session + block.ASKED_AGAIN, load_i64(session + block.ASKED_AGAIN) + asked)


MAX_GAP_WALK = 4096
"""Numbers of session messages that a call passes; a longer gap is filled by several messages."""
put_gap_begin, put_gap_end = constant(b"35=4\x0136="), constant(b"\x01123=Y\x01")


@kernel_outlined
def send_again(session: FixSession, now_ns: int, out: int, room: int) -> int:
    """Continue to send what a ResendRequest requested; return the number of messages.

    Session messages, and numbers so old that nothing is kept of them, are filled as a gap.
    """
    sent = 0
    seq, last = session.resend_next, session.resend_end
    store = StreamHeader(session.stream)
    kept_from, left = first_kept(session), MAX_GAP_WALK
    wall_ns = now_ns + session.clock_offset_ns
    gap = session.fields_ + words.BODY
    while seq <= last and left > 0:
        number = number_at(session, seq)
        entry = load_i64(number) if seq >= kept_from else 0
        cursor = end_of_out(session, out)
        if entry < 0 and not answers.is_kept(session, -entry):
            entry = 0
        if entry == 0:
            next_seq = max(seq + 1, min(kept_from, last + 1))
            while next_seq <= last and left > 0 and load_i64(number_at(session, next_seq)) == 0:
                next_seq += 1
                left -= 1
            if session.out_bytes + 2 * OVERHEAD > room:
                break
            size = put_gap_end(put_number(put_gap_begin(gap), next_seq)) - gap
            size = write(session, gap, size, seq, wall_ns, wall_ns, cursor)
        else:
            next_seq = seq + 1
            if entry < 0:
                slot = answers.slot_of(session, -entry)
                body, size = slot.body, slot.size
            else:
                begin = stream.entry_end(store, entry - 1)
                size = stream.entry_end(store, entry) - begin
                body = stream.data_address(store) + begin
            if session.out_bytes + size + OVERHEAD > room:
                break
            size = write(session, body, size, seq, Words(number)[1], wall_ns, cursor)
        wrote(session, size, now_ns)
        sent += 1
        seq = next_seq
    session.resend_next = seq if seq <= last else 0
    return sent


@kernel
def send_more(session: FixSession, now_ns: int, out: int, room: int) -> int:
    """Send what is to be sent again, then what is new, as much of it as fits; returns how many
    messages.

    Nothing new goes out while a participant waits for old messages: their numbers come first.
    OUT_BYTES says what was written."""
    session.out_bytes = 0
    return send_on(session, now_ns, out, room)


@kernel
def send_on(session: FixSession, now_ns: int, out: int, room: int) -> int:
    """Like :func:`send_more`, after what is already in ``out``."""
    sent = 0
    if session.fix_state < words.ACTIVE:
        return 0
    if session.resend_next > 0:
        sent = send_again(session, now_ns, out, room)
    if session.resend_next == 0:
        sent += send_new(session, now_ns, out, room)
    return sent


put_text, put_heartbeat = constant(b"58="), constant(b"35=0\x01")
put_test_id, put_test_request = constant(b"112="), constant(b"35=1\x01112=TEST\x01")
put_resend, put_to_the_end = constant(b"35=2\x017="), constant(b"\x0116=0\x01")
put_logout, put_reject = constant(b"35=5\x01"), constant(b"35=3\x01")
MAX_TEXT = 512
"""Longest text of a participant's that is said back."""


@kernel
def body_of(session: FixSession) -> int:
    """Address at which a message's body is built."""
    return session.fields_ + words.BODY


@kernel_outlined
def send_heartbeat(session: FixSession, entry: int, now_ns: int, out: int) -> int:
    """``entry``: the TestReqID that it answers, as :func:`scan.field` gives it, or 0."""
    body = body_of(session)
    cursor = put_heartbeat(body)
    if entry != 0:
        cursor = put_test_id(cursor)
        source = scan.value_of(FixFields(session.fields_), entry)
        cursor = put_field_end(put_bytes(cursor, source, min(entry & 0xFFFF, MAX_TEXT)))
    return send_body(session, cursor - body, now_ns, out)


@kernel_outlined
def send_test_request(session: FixSession, now_ns: int, out: int) -> int:
    """Send a TestRequest; returns as :func:`send_body`."""
    body = body_of(session)
    return send_body(session, put_test_request(body) - body, now_ns, out)


@kernel_outlined
def send_resend_request(session: FixSession, begin: int, now_ns: int, out: int) -> int:
    """Ask for everything from number ``begin`` on; returns as :func:`send_body`."""
    body = body_of(session)
    cursor = put_to_the_end(put_number(put_resend(body), begin))
    return send_body(session, cursor - body, now_ns, out)


# What a Logout may say.
(
    PLAIN,
    WRONG_BEGIN,
    TOO_LOW,
    NO_SEQ,
    ENCRYPTED,
    BAD_INTERVAL,
    RESET_SEQ,
    NEXT_TOO_HIGH,
    MISSING,
) = range(9)
put_wrong_begin = constant(b"Incorrect BeginString")
put_too_low = constant(b"MsgSeqNum too low, expecting ")
put_received, put_no_seq = (
    constant(b" but received "),
    constant(b"MsgSeqNum is missing or no number"),
)
put_encrypted = constant(b"EncryptMethod must be 0")
put_bad_interval = constant(b"HeartBtInt must be 0 to 86400")
put_reset_seq = constant(b"MsgSeqNum must be 1 with ResetSeqNumFlag")
put_next_too_high = constant(b"NextExpectedMsgSeqNum too high, next is ")
put_missing, put_did_not_come = (
    constant(b"MsgSeqNum "),
    constant(b" was asked for and did not come"),
)


@kernel_outlined
def send_logout(session: SessionBlock, why: int, number: int, now_ns: int, out: int) -> int:
    """``number``: the MsgSeqNum that was too low or is missing, or the one that
    NextExpectedMsgSeqNum passed."""
    body = body_of(FixSession(session))
    cursor = put_logout(body)
    if why != PLAIN:
        cursor = put_text(cursor)
    if why == WRONG_BEGIN:
        cursor = put_wrong_begin(cursor)
    elif why == TOO_LOW:
        cursor = put_number(put_too_low(cursor), session.in_seq)
        cursor = put_number(put_received(cursor), number)
    elif why == NO_SEQ:
        cursor = put_no_seq(cursor)
    elif why == ENCRYPTED:
        cursor = put_encrypted(cursor)
    elif why == BAD_INTERVAL:
        cursor = put_bad_interval(cursor)
    elif why == RESET_SEQ:
        cursor = put_reset_seq(cursor)
    elif why == NEXT_TOO_HIGH:
        cursor = put_number(put_next_too_high(cursor), number)
    elif why == MISSING:
        cursor = put_did_not_come(put_number(put_missing(cursor), number))
    if why != PLAIN:
        cursor = put_field_end(cursor)
    return send_body(FixSession(session), cursor - body, now_ns, out)


REJECT_TEXTS = (
    b"Invalid tag number",
    b"Required tag missing",
    b"Tag not defined for this message type",
    b"Undefined tag",
    b"Tag specified without a value",
    b"Value is incorrect (out of range) for this tag",
    b"Incorrect data format for value",
    b"Decryption problem",
    b"Signature problem",
    b"CompID problem",
    b"SendingTime accuracy problem",
    b"Invalid MsgType",
    b"XML validation error",
    b"Tag appears more than once",
    b"Tag specified out of required order",
    b"Repeating group fields out of order",
    b"Incorrect NumInGroup count for repeating group",
)
"""Texts of the standard's SessionRejectReasons, from 0 on."""
(
    put_reject_0, put_reject_1, put_reject_2, put_reject_3, put_reject_4, put_reject_5,
    put_reject_6, _, _, put_reject_9, put_reject_10, put_reject_11, _, put_reject_13,
    put_reject_14, put_reject_15, put_reject_16,
) = map(constant, REJECT_TEXTS)  # fmt: skip
put_not_supported = constant(b"This field is not followed here, for such an order")


@kernel_outlined
def put_reject_text(cursor: int, reason: int) -> int:
    """Write Text (58) of a SessionRejectReason; returns where it ends."""
    if reason == 0:
        return put_reject_0(cursor)
    if reason == 1:
        return put_reject_1(cursor)
    if reason == 2:
        return put_reject_2(cursor)
    if reason == 3:
        return put_reject_3(cursor)
    if reason == 4:
        return put_reject_4(cursor)
    if reason == 5:
        return put_reject_5(cursor)
    if reason == 6:
        return put_reject_6(cursor)
    if reason == 9:
        return put_reject_9(cursor)
    if reason == 10:
        return put_reject_10(cursor)
    if reason == 11:
        return put_reject_11(cursor)
    if reason == 13:
        return put_reject_13(cursor)
    if reason == 14:
        return put_reject_14(cursor)
    if reason == 15:
        return put_reject_15(cursor)
    if reason == scan.NOT_SUPPORTED:
        return put_not_supported(cursor)
    return put_reject_16(cursor)


ROUTE = ((128, 115), (129, 116), (115, 128), (116, 129), (145, 144), (144, 145))
"""A routing field that was received, and the one that answers it: DeliverTo for OnBehalfOf."""


@kernel_outlined
def put_route(cursor: int, fields: FixFields) -> int:
    """The routing fields of the current message in the reverse direction."""
    for received, answer in ROUTE:
        entry = scan.field(fields, received)
        size = min(entry & 0xFFFF, MAX_TEXT // 8)
        if size:
            cursor = put_number(cursor, answer)
            Bytes(cursor)[0] = EQUALS
            cursor = put_field_end(put_bytes(cursor + 1, scan.value_of(fields, entry), size))
    return cursor


LAST_REASON_42 = 11
"""SessionRejectReason of FIX 4.2 ends there."""
put_ref_seq, put_ref_tag = constant(b"45="), constant(b"371=")
put_ref_type, put_ref_reason = constant(b"372="), constant(b"373=")


@kernel
def put_msg_type(cursor: int, msg_type: int) -> int:
    """A MsgType that is kept as a word."""
    while msg_type != 0:
        Bytes(cursor)[0] = msg_type & 255
        msg_type >>= 8
        cursor += 1
    return cursor


@kernel_outlined
def send_reject(session: FixSession, seq: int, now_ns: int, out: int) -> int:
    """Reject the message at hand for its ERROR."""
    fields, body = FixFields(session.fields_), body_of(session)
    reason = fields.error - 1
    cursor = put_route(put_reject(body), fields)
    cursor = put_field_end(put_number(put_ref_seq(cursor), seq))
    cursor = put_field_end(put_reject_text(put_text(cursor), reason))
    ref = fields.ref_tag
    if ref != 0:
        cursor = put_ref_tag(cursor)
        cursor = put_field_end(put_bytes(cursor, ref, min(fields.ref_size, 16)))
    cursor = put_field_end(put_msg_type(put_ref_type(cursor), fields.msg_type))
    if reason <= LAST_REASON_42 or session.protocol != block.FIX42:
        cursor = put_field_end(put_number(put_ref_reason(cursor), reason))
    return send_body(session, cursor - body, now_ns, out)
