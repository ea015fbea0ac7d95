# (intrinsics have no types that mypy could see)
"""FIX 4.4 as the running stage wants a protocol: its kernels, called by address.

Bytes for the participant stand at OUT, from OUT_FROM to OUT_END, and every kernel here that writes
some has saved the numbers before it returns: nothing is sent that could be numbered again.
"""

import openoutcry.order_entry.fix.decode as fix_decode
import openoutcry.order_entry.fix.resolve as fix_resolve
import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.session as fix_session
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.notes as notes
import openoutcry.order_entry.session as block
import openoutcry.order_entry.stream as stream
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.fix import encode as fix_encode
from openoutcry.order_entry.fix.numbers import save
from openoutcry.order_entry.fix.scan import frame
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, store_i64
from openoutcry.wire.records import ORDER

__all__ = [
    "begin",
    "complete",
    "decode",
    "encode",
    "farewell",
    "frame",
    "lost",
    "more",
    "queued",
    "refuse",
    "timer",
]
encode = fix_encode.encode
IGNORE, APPLICATION, REJECT = int(Kind.IGNORE), int(Kind.APPLICATION), int(Kind.REJECT)
LOGIN, LOGOUT, DISCONNECT = int(Kind.LOGIN), int(Kind.LOGOUT), int(Kind.DISCONNECT)
RX_TS = ORDER.offsets["rx_ts_ns"]
SYMBOL = ORDER.offsets["symbol"]


@kernel
def begin(session: int, now_ns: int) -> int:
    """A connection came, whose Logon has been looked at and stands in its input."""
    fix_session.disconnected(session)
    fix_session.connected(session, now_ns)
    store_i64(session + words.OUT_FROM, 0)
    store_i64(session + words.OUT_END, 0)
    return 0


@kernel
def lost(session: int, now_ns: int) -> int:
    """The connection is gone."""
    fix_session.disconnected(session)
    store_i64(session + words.OUT_FROM, 0)
    store_i64(session + words.OUT_END, 0)
    return 0


@kernel
def out_room(session: int) -> int:
    return load_i64(session + words.OUT_CAPACITY) - load_i64(session + words.OUT_END)


@kernel
def out_end(session: int) -> int:
    return load_i64(session + words.OUT) + load_i64(session + words.OUT_END)


@kernel
def wrote(session: int) -> None:
    """What the last call wrote is to be sent."""
    end = load_i64(session + words.OUT_END) + load_i64(session + words.OUT_BYTES)
    store_i64(session + words.OUT_END, end)


@kernel
def decode(message: int, size: int, session: int, order: int, note: int) -> int:
    """Take a framed message: what it is to the stage.  APPLICATION: ``order`` and ``note`` say
    what it asks for; IGNORE: the session layer dealt with it; LOGIN, LOGOUT, DISCONNECT.

    ``order`` has the time of now, ``rx_ts_ns``; there are OUT_MIN_ROOM bytes at OUT.
    """
    now_ns = load_i64(order + RX_TS) - load_i64(session + words.CLOCK_OFFSET_NS)
    out = out_end(session)
    result = fix_session.on_message(session, message, size, now_ns, out, out_room(session))
    if result == fix_session.APPLICATION:
        result = fix_decode.decode(message, size, session, order, note)
        if result == REJECT:
            fix_session.reject(session, now_ns, out)
            result = IGNORE
        else:
            resets = load_i64(session + words.RESETS) << words.SEQ_BITS
            number = resets | load_i64(note + notes.CLIENT_SEQ)
            store_i64(note + notes.CLIENT_SEQ, number)
            store_i64(session + words.DECODED_IN, number)
    return decoded(session, result)


@kernel
def decoded(session: int, result: int) -> int:
    """What a message that was taken is to the stage; what answers it is to be sent."""
    kind = IGNORE
    if result == APPLICATION:
        kind = APPLICATION
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
def queued(session: int, now_ns: int) -> int:
    """Address of a kept message whose turn it is, QUEUED_BYTES long; 0 if there is none."""
    return fix_session.take_queued(session)


@kernel
def more(session: int, now_ns: int) -> int:
    """Everything at OUT is sent: put there what comes next, old messages first; its bytes."""
    store_i64(session + words.OUT_FROM, 0)
    store_i64(session + words.OUT_END, 0)
    out, room = load_i64(session + words.OUT), load_i64(session + words.OUT_CAPACITY)
    send.send_more(session, now_ns, out, room)
    wrote(session)
    sent = stream.entry_end(load_i64(session + block.STREAM), load_i64(session + words.SENT_ENTRY))
    store_i64(session + block.SENT_BYTES, sent)
    save(session)
    return load_i64(session + words.OUT_END)


@kernel
def timer(session: int, now_ns: int) -> int:
    """Heartbeats, test requests and what is missing, if what came before them is sent; DISCONNECT
    if it is time, also of a peer that takes nothing of what he is sent: behind what is at OUT."""
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
def farewell(session: int, now_ns: int) -> int:
    """The venue closes: a Logout, and nothing behind it."""
    if load_i64(session + words.STATE) >= words.ACTIVE and out_room(session) >= words.OUT_MIN_ROOM:
        fix_session.end_session(session, now_ns, out_end(session))
        wrote(session)
        save(session)
    fix_session.disconnected(session)
    return 0


@kernel
def complete(order: int, note: int, row: int, session: int) -> int:
    """Finish F and G, whose order's row is found (0: there is none)."""
    if load_u8(note + notes.REFUSED) == 0:
        fix_resolve.resolve(order, note, row)
    return APPLICATION


@kernel
def refuse(note: int, order: int, session: int, out: int, room: int) -> int:
    """The answer to a refused message; NAMED of the session is the row of the order it names."""
    store_i64(session + words.REFUSED_SYMBOL, load_i64(order + SYMBOL))
    row = load_i64(session + block.NAMED)
    return fix_encode.refuse(note, row, session, out, room)
