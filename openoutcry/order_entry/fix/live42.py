"""FIX 4.2 as a protocol of the running stage: parse like 4.4, report in 4.2's messages.

The session layer is the same.  A report of 4.4 becomes one of 4.2 field by field.  ExecTransType is
added, a trade's ExecType says whether it was the last, and codes that 4.2 lacks become its "broker
option".
"""

from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import live
from openoutcry.order_entry.fix.live import (
    begin,
    complete,
    decode,
    frame,
    logout,
    lost,
    more,
    queued,
    timer,
)
from openoutcry.order_entry.fix.text import SOH, constant, find_byte, put_bytes, read_number
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import store_u8
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
SCRATCH = 2048
"""Where, after ``out``, the 4.4 form of the message is."""
LAST_ORD_REASON, LAST_CANCEL_REASON = 8, 3
TRADE, STATUS, ELECTED, REPLACED, RESTATED, BROKEN = (ord(letter) for letter in "FIL5DH")
FILL, PARTLY, DONE, NEW = (ord(letter) for letter in "2120")
put_new, put_status = constant(b"20=0\x01150="), constant(b"20=3\x01150=")
put_broken = constant(b"20=1\x01150=")
put_elected = constant(b"20=0\x01150=D\x01378=4\x01")
put_103, put_102 = constant(b"103=0\x01"), constant(b"102=2\x01")
put_paid_in = constant(b"58=commission in ")


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: FixSession,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """Like :func:`live.encode`, in 4.2."""
    body = out + SCRATCH
    size = live.encode(event, row, session, metadata, body, room - SCRATCH)
    return translate(body, size, out)


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRecord, session: FixSession, out: int, room: int
) -> int:
    """Like :func:`live.refuse`, in 4.2."""
    body = out + SCRATCH
    return translate(body, live.refuse(metadata, order, session, body, room - SCRATCH), out)


@kernel
def translate(body: int, size: int, out: int) -> int:
    """Write a body of 4.4 (8, 9, N or j; ExecType directly before OrdStatus) in 4.2's form; return
    its bytes, at most 32 more."""
    source, end, at, exec_type = body, body + size, out, 0
    while source < end:
        length = find_byte(source, end - source, SOH) + 1
        digits = find_byte(source, length, 61)
        tag = read_number(source, digits)
        value = source + digits + 1
        if tag == 150:
            exec_type = Bytes(value)[0]
            at = put_exec_type(at, exec_type, Bytes(value)[5])
        elif tag == 39 and exec_type == REPLACED and Bytes(value)[0] == NEW:
            at = put_bytes(at, source, length)
            store_u8(at - 2, REPLACED)
        elif tag == 103 and read_number(value, length - digits - 2) > LAST_ORD_REASON:
            at = put_103(at)
        elif tag == 479:
            # 4.2 has no field for the commission's currency.  A fill has no other text.
            at = put_bytes(put_paid_in(at), value, length - digits - 1)
        elif tag == 102 and read_number(value, length - digits - 2) > LAST_CANCEL_REASON:
            at = put_102(at)
        else:
            at = put_bytes(at, source, length)
        source += length
    return at - out


@kernel
def put_exec_type(at: int, exec_type: int, status: int) -> int:
    """ExecTransType and ExecType."""
    if exec_type == ELECTED:
        return put_elected(at)
    if exec_type == STATUS:
        at = put_status(at)
        exec_type = status
    elif exec_type == BROKEN:
        at = put_broken(at)
        exec_type = status
    else:
        at = put_new(at)
        if exec_type == TRADE:
            exec_type = FILL if status == DONE else PARTLY
    Bytes(at)[0] = exec_type
    Bytes(at)[1] = SOH
    return at + 2
