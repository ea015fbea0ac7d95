"""FIX 4.4 as the running stage wants a protocol: its kernels, called by address.

Bytes for the participant are at OUT, from OUT_FROM to OUT_END.  Every kernel here that writes some
has saved the numbers before it returns, so that nothing is sent that could be numbered again.
"""

import openoutcry.order_entry.fix.decode as fix_decode
import openoutcry.order_entry.fix.resolve as fix_resolve
import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.session as fix_session
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.stream as stream
from openoutcry.order_entry import constants
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import encode as fix_encode
from openoutcry.order_entry.fix import list_status, lists, questions
from openoutcry.order_entry.fix.numbers import save
from openoutcry.order_entry.fix.scan import frame
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

__all__ = [
    "begin",
    "complete",
    "decode",
    "encode",
    "frame",
    "logout",
    "lost",
    "more",
    "queued",
    "refuse",
    "timer",
]
REJECTED = enum_numbers.EVENT_KIND_REJECTED
IGNORE, APPLICATION, REJECT = (
    constants.KIND_IGNORE,
    constants.KIND_APPLICATION,
    constants.KIND_REJECT,
)
LIST = constants.KIND_LIST
LOGIN, LOGOUT, DISCONNECT = constants.KIND_LOGIN, constants.KIND_LOGOUT, constants.KIND_DISCONNECT


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: FixSession,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """Like :func:`encode.encode`; of the orders that a list's cancel names, an N says why one
    stays."""
    if metadata != 0 and event.kind == REJECTED and metadata.message == lists.K:
        return list_status.refuse_cancel(event, row, session, metadata, out)
    return fix_encode.encode(event, row, session, metadata, out, room)


@kernel
def begin(session: FixSession, now_ns: int) -> int:
    """A connection came; its Logon was read and is still in its input."""
    fix_session.disconnected(session)
    fix_session.connected(session, now_ns)
    session.out_from = 0
    session.out_end = 0
    return 0


@kernel
def lost(session: FixSession, now_ns: int) -> int:
    """The connection is gone."""
    fix_session.disconnected(session)
    session.out_from = 0
    session.out_end = 0
    return 0


@kernel
def out_room(session: FixSession) -> int:
    """Bytes that the connection's output can still take."""
    return session.out_capacity - session.out_end


@kernel
def out_end(session: FixSession) -> int:
    """Address after the last byte of the connection's output."""
    return session.out + session.out_end


@kernel
def wrote(session: FixSession) -> None:
    """Send what the last call wrote."""
    end = session.out_end + session.out_bytes
    session.out_end = end


@kernel
def decode(
    message: int, size: int, session: FixSession, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Take a framed message: what it is to the stage.  APPLICATION: ``order`` and ``metadata`` say
    what it asks for; IGNORE: the session layer dealt with it; LOGIN, LOGOUT, DISCONNECT.

    ``order`` has the time of now, ``rx_ts_ns``; there are OUT_MIN_ROOM bytes at OUT.
    """
    now_ns = order.rx_ts_ns - session.clock_offset_ns
    out = out_end(session)
    result = fix_session.on_message(session, message, size, now_ns, out, out_room(session))
    if result == fix_session.APPLICATION and questions.is_question(session):
        questions.ask(session, now_ns, out)
        result = IGNORE
    elif result == fix_session.APPLICATION:
        if lists.is_of_lists(FixFields(session.fields_).msg_type):
            result = lists.decode_any(message, size, session, order, metadata)
        else:
            result = fix_decode.decode(message, size, session, order, metadata)
        if result == REJECT:
            fix_session.reject(session, now_ns, out)
            result = IGNORE
        else:
            resets = session.resets << words.SEQ_BITS
            number = resets | metadata.client_seq
            metadata.client_seq = number
            session.decoded_in = number
            fields = FixFields(session.fields_)
            if fields.legs == 1 and result == APPLICATION and metadata.refused == 0:
                fix_decode.keep_order(fields, 1, order, metadata)
                result = LIST
    return decoded(session, result)


@kernel
def decoded(session: FixSession, result: int) -> int:
    """Return what a message that was taken means to the stage; what answers it is to be sent."""
    kind = IGNORE
    if result in (APPLICATION, LIST):
        kind = result
    elif result == fix_session.LOGGED_ON:
        kind = LOGIN
    elif result == fix_session.LOGGED_OUT:
        kind = LOGOUT
    elif result == fix_session.DISCONNECT:
        kind = DISCONNECT
    wrote(session)
    save(session)
    if kind in (LOGOUT, DISCONNECT):
        fix_session.disconnected(session)
    return kind


@kernel
def queued(session: FixSession, now_ns: int) -> int:
    """Return the address of a kept message whose turn it is, QUEUED_BYTES long; 0: no such
    message."""
    return fix_session.take_queued(session)


@kernel
def more(session: FixSession, now_ns: int) -> int:
    """Everything at OUT is sent: put there what comes next, old messages first; its bytes."""
    session.out_from = 0
    session.out_end = 0
    out, room = session.out, session.out_capacity
    send.send_more(session, now_ns, out, room)
    wrote(session)
    sent = stream.entry_end(session.stream, session.sent_entry)
    session.sent_bytes = sent
    save(session)
    return session.out_end


@kernel
def timer(session: FixSession, now_ns: int) -> int:
    """Send heartbeats, test requests and resend requests after the bytes at OUT, if earlier ones
    are sent. Return DISCONNECT when it is time, also for a peer that reads nothing."""
    if out_room(session) < words.OUT_MIN_ROOM:
        return DISCONNECT if fix_session.is_given_up(session, now_ns) else IGNORE
    result = fix_session.on_timer(session, now_ns, out_end(session))
    wrote(session)
    save(session)
    if result != fix_session.DISCONNECT:
        return IGNORE
    fix_session.disconnected(session)
    return DISCONNECT


@kernel
def logout(session: FixSession, now_ns: int) -> int:
    """Send a Logout because the venue closes; nothing follows it."""
    if session.fix_state >= words.ACTIVE and out_room(session) >= words.OUT_MIN_ROOM:
        fix_session.end_session(session, now_ns, out_end(session))
        wrote(session)
        save(session)
    fix_session.disconnected(session)
    return 0


@kernel
def complete(order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: int) -> int:
    """Finish F and G, whose order's row is known (0: no order)."""
    if metadata.refused == 0:
        fix_resolve.resolve(order, metadata, row)
    return APPLICATION


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRecord, session: FixSession, out: int, room: int
) -> int:
    """The answer to a refused message; NAMED of the session is the row of the order it names."""
    session.refused_symbol = order.symbol
    if lists.is_of_lists(metadata.message):
        return list_status.refuse(session, metadata, out)
    row = OrderRow(session.named)
    return fix_encode.refuse(metadata, row, session, out, room)
