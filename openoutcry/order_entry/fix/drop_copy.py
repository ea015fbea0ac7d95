"""A drop copy over FIX 4.4: a report of everything that happens to a group's orders.

Read-only: the session layer answers as for every session, and rejects a message of orders
(BusinessMessageReject). Each report is an ExecutionReport (or an OrderCancelReject) with
CopyMsgIndicator, the participant and its session as parties, and the order's name in that session.
"""

import openoutcry.order_entry.command_metadata as command_metadata
import openoutcry.order_entry.fix.decode as fix_decode
import openoutcry.order_entry.fix.encode as fix_encode
import openoutcry.order_entry.fix.refusals as refusals
import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.rows as rows
import openoutcry.order_entry.session as block
from openoutcry.order_entry import constants, ouch
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import lists, live, questions, scan, session
from openoutcry.order_entry.fix.decode import FixOrder
from openoutcry.order_entry.fix.live import begin, frame, logout, lost, more, queued, timer
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import constant, put_bytes, put_decimal, put_number
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.shm_layout import TEXT_BYTES, is_text
from openoutcry.wire.enums import TIF_MASK
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import load_i64, load_u8, load_u32
from openoutcry.wire.notes import fee_units
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.symbols import MAX_SYMBOL
from openoutcry.wire.words import ORDER_TYPES
from openoutcry.wire.words import TIMES as TIMES_IN_FORCE

__all__ = ["begin", "decode", "frame", "logout", "lost", "more", "queued", "timer"]

SCRATCH = 2048
"""Offset from ``out`` at which a row may be made for :func:`write_report`."""
OUCH50, PACKETS, SHM = constants.PROTOCOL_OUCH50, constants.PROTOCOL_PACKETS, constants.PROTOCOL_SHM
_OF_OUCH = {int(own): Refusal[name] for own, name in ouch.WORDS.offered("FIX").items()}
OF_OUCH = tuple(int(_OF_OUCH.get(code, Refusal.UNSUPPORTED)) for code in range(32))
"""The reasons for OUCH's own refusals; those from 32 on have no equivalent."""
SILENT = (
    1 << Refusal.STATUS
    | 1 << Refusal.MASS_STATUS
    | 1 << Refusal.MASS_STATUS_SCOPE
    | 1 << Refusal.UNSUPPORTED_MESSAGE
)
"""FIX's own that are about no order."""
TYPES, TIMES = ORDER_TYPES.codes("FIX", 64), TIMES_IN_FORCE.codes("FIX", TIF_MASK + 1)
"""OrdType and TimeInForce of the core's."""
CANCELS = (fix_decode.F, ord("X"), lists.K)
"""Message types that ask for a cancel."""

put_8, put_9, put_p = constant(b"35=8\x0137="), constant(b"35=9\x0137="), constant(b"P")
put_parties, put_role = constant(b"453=2\x01448="), constant(b"\x01447=D\x01452=1\x01448=")
put_party, put_role_2 = constant(b"453=1\x01448="), constant(b"\x01447=D\x01452=36\x01")
put_role_1, put_copy = constant(b"\x01447=D\x01452=1\x01"), constant(b"797=Y\x01")
put_17, put_11, put_41 = constant(b"17="), constant(b"11="), constant(b"41=")
put_150, put_39, put_1 = constant(b"150="), constant(b"\x0139="), constant(b"1=")
put_55, put_54, put_38 = constant(b"55="), constant(b"\x0154="), constant(b"\x0138=")
put_40, put_44, put_59 = constant(b"\x0140="), constant(b"\x0144="), constant(b"\x0159=")
put_99, put_31, put_32 = constant(b"\x0199="), constant(b"\x0131="), constant(b"\x0132=")
put_103, put_102, put_434 = constant(b"103="), constant(b"102="), constant(b"\x01434=")
put_no_id, put_no_symbol = constant(b"NONE"), constant(b"[N/A]")
put_rejected, put_39_first = constant(b"150=8\x0139=8\x01"), constant(b"39=")
put_zeros = constant(b"\x01151=0\x0114=0\x016=0")
put_j, put_only = constant(b"35=j\x0145="), constant(b"\x0158=a drop copy only listens\x01372=")
put_380 = constant(b"\x01380=6\x01")


@kernel
def decode(message: int, size: int, copy: FixSession, order: OrderRecord, metadata: int) -> int:
    """Like :func:`live.decode`; a message of orders is rejected, and a request for positions is
    answered."""
    now_ns = order.rx_ts_ns - copy.clock_offset_ns
    out = live.out_end(copy)
    result = session.on_message(copy, message, size, now_ns, out, live.out_room(copy))
    if result == session.APPLICATION and questions.is_question(copy):
        questions.ask(copy, now_ns, out)
        result = live.IGNORE
    elif result == session.APPLICATION:
        fields, body = FixFields(copy.fields_), send.body_of(copy)
        cursor = put_only(put_number(put_j(body), scan.number_of(fields, 34)))
        cursor = put_380(send.put_msg_type(cursor, fields.msg_type))
        send.send_body(copy, cursor - body, now_ns, out)
        result = live.IGNORE
    return live.decoded(copy, result)


@kernel_outlined
def write_report(
    event: EventRecord,
    row: OrderRow,
    copy: FixSession,
    metadata: CommandMetadata,
    sender: FixSession,
    out: int,
) -> int:
    """Write the body that reports this event; returns its bytes, 0 without a report.

    The order's row, after the event, is ``row``; 0 for a rejected command.  The drop copy's block
    is ``copy``: its NAMED is the row of the order that the command names, and its REFUSED_SYMBOL
    the command's symbol, or 0.  If the order's own session sent the causing command, ``metadata``
    is that command's and ``sender`` that session's block; else both are 0.
    """
    kind, reason = event.kind, event.reason
    copy.rejected = event if kind == fix_encode.REJECTED else 0
    if kind == fix_encode.REJECTED:
        return write_rejected(event, copy, metadata, sender, out)
    what = fix_encode.what_of(event, row) if row != 0 else 0
    if what == 0:
        return 0
    leaves = event.leaves_lots
    qty = leaves + row.cum
    if (kind == fix_encode.CANCELLED) | (kind == fix_encode.EXPIRED):
        leaves = 0
    if (
        (kind == fix_encode.ACCEPTED)
        | (kind == fix_encode.CANCELLED)
        | (kind == fix_encode.EXPIRED)
    ):
        qty = row.qty
    if kind == fix_encode.BROKEN:
        leaves = row.leaves
        qty = leaves + row.cum if leaves != 0 else row.qty
    named = metadata != 0 and metadata.orig_bytes != 0
    own_name = named and metadata.token_bytes != 0
    cursor = put_order_id(put_8(out), row)
    if own_name and kind in (fix_encode.CANCELLED, fix_encode.REDUCED, fix_encode.REPLACED):
        cursor = put_name(put_11(cursor), metadata + command_metadata.TOKEN, metadata.protocol)
        cursor = put_name(put_41(cursor), metadata + command_metadata.ORIG, metadata.protocol)
    elif row.token_bytes != 0 or row.protocol == OUCH50:
        cursor = put_name(put_11(cursor), row + rows.TOKEN, row.protocol)
    cursor = put_parties_of(cursor, event, sender)
    cursor = put_field_end(put_number(put_17(cursor), event.seq))
    cursor = fix_encode.put_char(put_150(cursor), what & 255)
    cursor = put_field_end(fix_encode.put_char(put_39(cursor), what >> 8))
    if kind == fix_encode.BROKEN:
        cursor = fix_encode.put_exec_ref(cursor, event)
    decimals = fix_encode.row_decimals(copy, row)
    cursor = put_terms(cursor, copy, row, decimals, qty)
    if kind == fix_encode.FILLED or kind == fix_encode.BROKEN:
        cursor = put_decimal(put_31(cursor), event.price_ticks, decimals)
        cursor = put_number(put_32(cursor), event.qty_lots)
        if fee_units(copy.fee) != 0:
            cursor = fix_encode.put_commission(cursor, copy, row.instrument)
    cursor = fix_encode.put_sums(cursor, copy, row, decimals, leaves)
    if what & 255 == ord("D"):
        cursor = fix_encode.put_restated(cursor)
    if reason != 0:
        cursor = fix_encode.put_reason(cursor, copy, reason)
    return put_copy(cursor) - out


@kernel
def put_order_id(cursor: int, row: OrderRow) -> int:
    """A session's orders are counted; another's have the core's number after a P."""
    if row.protocol == PACKETS:
        return put_field_end(put_number(put_p(cursor), row.order_id))
    return put_field_end(put_number(cursor, row.order_id & rows.NUMBER_MASK))


@kernel
def put_name(cursor: int, token: int, protocol: int) -> int:
    """An order's name in its session: text, of OUCH 5.0 a number, of numbers over shared memory 32
    hexadecimal digits. ``token``: address of the name as its protocol keeps it."""
    if protocol == OUCH50:
        return put_field_end(put_number(cursor, load_u32(token)))
    if protocol == SHM and not is_text(token):
        return put_field_end(
            put_hexadecimal(put_hexadecimal(cursor, Words(token)[1]), Words(token)[0])
        )
    if protocol == SHM:
        return put_field_end(fix_encode.put_padded(cursor, token, TEXT_BYTES))
    size = 40
    while size > 1 and (load_u8(token + size - 1) | 32) == 32:
        size -= 1
    return put_field_end(put_bytes(cursor, token, size))


@kernel
def put_hexadecimal(cursor: int, word: int) -> int:
    """16 digits."""
    for place in range(16):
        digit = word >> 4 * (15 - place) & 15
        Bytes(cursor)[place] = digit + (48 if digit < 10 else 87)
    return cursor + 16


@kernel
def put_parties_of(cursor: int, event: EventRecord, sender: FixSession) -> int:
    """The participant (executing firm) and its session (entering trader)."""
    participant = event.participant
    if sender == 0:
        return put_role_1(put_number(put_party(cursor), participant))
    cursor = put_role(put_number(put_parties(cursor), participant))
    if block.is_fix(sender.protocol):
        cursor = put_bytes(cursor, sender + words.TARGET, sender.target_size)
    else:
        size = 16
        while size > 1 and (load_u8(sender + block.NAME + size - 1) | 32) == 32:
            size -= 1
        cursor = put_bytes(cursor, sender + block.NAME, size)
    return put_role_2(cursor)


@kernel_outlined
def put_terms(cursor: int, copy: SessionBlock, row: OrderRow, decimals: int, qty: int) -> int:
    """Account, symbol, side, quantity and, of a session's order, type, price and time in force."""
    protocol, own = row.protocol, FixOrder(row + rows.OWN)
    order_type = row.order_type
    fix = block.is_fix(protocol)
    if fix and own.account_first != 0:
        account = own + fix_decode.ACCOUNT
        cursor = put_field_end(
            fix_encode.put_padded(put_1(cursor), account, fix_decode.MAX_ACCOUNT)
        )
    cursor = put_55(cursor)
    if row.symbol != 0:
        cursor = fix_encode.put_symbol(cursor, copy, row + rows.SYMBOL)
    else:
        cursor = put_symbol(cursor, copy, row.instrument)
    side = own.side if fix else 48 + row.side
    cursor = fix_encode.put_char(put_54(cursor), side)
    cursor = put_number(put_38(cursor), qty)
    if protocol == PACKETS:
        return cursor
    letter = own.type if fix else TYPES[order_type]
    cursor = fix_encode.put_char(put_40(cursor), letter)
    if fix_encode.NO_PRICE_BITS >> order_type & 1 == 0:
        cursor = put_decimal(put_44(cursor), row.price, decimals)
    if fix_encode.TRIGGER_BITS >> order_type & 1:
        cursor = fix_encode.put_trigger(cursor, row, decimals)
    if fix_encode.BUDGET_BITS >> order_type & 1:
        cursor = put_decimal(fix_encode.put_152(cursor), row.aux, decimals)
    letter = TIMES[row.time_in_force & TIF_MASK]
    if fix:
        letter = own.tif
    return fix_encode.put_char(put_59(cursor), letter) if letter != 0 else cursor


@kernel
def put_symbol(cursor: int, copy: SessionBlock, instrument: int) -> int:
    """Write Symbol (55) of an instrument at ``cursor``; returns where it ends."""
    row = block.instrument_row(copy, instrument)
    if row == 0:
        return put_no_symbol(cursor)
    return fix_encode.put_padded(cursor, row + block.SYMBOL_NAME, MAX_SYMBOL)


@kernel
def reason_number(event: EventRecord, metadata: CommandMetadata) -> int:
    """Row of the table of reasons; 0: send nothing."""
    refused = metadata.refused if metadata != 0 else 0
    if refused == 0:
        return fix_encode.core_reason(event)
    if refused < refusals.FIRST_COMMON and metadata.protocol <= OUCH50:
        return refusals.CORE_REASONS + OF_OUCH[refused] if refused < 32 else 0
    refused = fix_encode.refusal_of(metadata)
    return 0 if SILENT >> refused & 1 else refusals.CORE_REASONS + refused


@kernel_outlined
def write_rejected(
    event: EventRecord, copy: SessionBlock, metadata: CommandMetadata, sender: FixSession, out: int
) -> int:
    """A new order that was rejected is a report, what would have changed an order a 9."""
    number = reason_number(event, metadata)
    is_of_list = metadata != 0 and metadata.message == lists.K
    if number == 0 or (is_of_list and number == fix_encode.UNKNOWN_TO_CORE):
        return 0  # of a list's order that was done before the end was reported
    protocol = metadata.protocol if metadata != 0 else PACKETS
    row = OrderRow(copy.named)
    if metadata != 0 and metadata.orig_bytes != 0:
        return write_cancel_reject(FixSession(copy), row, metadata, number, out)
    if metadata != 0 and metadata.token_bytes == 0 and protocol != OUCH50:
        return 0
    cursor = put_8(out)
    order_number = metadata.row if metadata != 0 else 0
    cursor = put_number(cursor, order_number) if order_number > 0 else put_no_id(cursor)
    cursor = put_field_end(cursor)
    if metadata != 0:
        cursor = put_name(put_11(cursor), metadata + command_metadata.TOKEN, protocol)
    cursor = put_parties_of(cursor, event, sender)
    cursor = put_rejected(put_field_end(put_number(put_17(cursor), event.seq)))
    cursor = put_55(cursor)
    symbol = copy + words.REFUSED_SYMBOL
    if load_i64(symbol) != 0:
        cursor = fix_encode.put_symbol(cursor, copy, symbol)
    else:
        cursor = put_symbol(cursor, copy, event.instrument)
    side = event.side
    cursor = fix_encode.put_char(
        put_54(cursor), 48 + side if 1 <= side <= 2 else fix_encode.UNDISCLOSED
    )
    cursor = fix_encode.put_time(put_zeros(cursor), copy)
    cursor = put_number(put_103(cursor), Bytes(fix_encode.reason_row(FixSession(copy), number))[0])
    return put_copy(fix_encode.put_reason(put_field_end(cursor), FixSession(copy), number)) - out


@kernel_outlined
def write_cancel_reject(
    copy: FixSession, row: OrderRow, metadata: CommandMetadata, number: int, out: int
) -> int:
    """9; the named order's row is ``row``, or 0."""
    protocol, number = metadata.protocol, fix_encode.cancel_reason(number, row)
    cursor = put_9(out)
    cursor = put_order_id(cursor, row) if row != 0 else put_field_end(put_no_id(cursor))
    name = command_metadata.TOKEN if metadata.token_bytes != 0 else command_metadata.ORIG
    cursor = put_name(put_11(cursor), metadata + name, protocol)
    cursor = put_name(put_41(cursor), metadata + command_metadata.ORIG, protocol)
    cursor = fix_encode.put_char(put_39_first(cursor), fix_encode.status_of(row))
    is_cancel = metadata.message in CANCELS
    cursor = fix_encode.put_char(put_434(cursor), 49 if is_cancel else 50)
    cursor = fix_encode.put_time(cursor, copy)
    cursor = put_number(put_102(cursor), Bytes(fix_encode.reason_row(copy, number))[1])
    return fix_encode.put_reason(put_field_end(cursor), copy, number) - out
