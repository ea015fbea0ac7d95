"""Encode reports about a participant's orders: bodies of 8, 9, r and j, from events and order rows.

A body is stored in the stream without the fields that are decided when it is sent (:mod:`.send`).
It is a pure function of the journal: event, row after the event, metadata of the causing command,
its sequenced time.
"""

import openoutcry.order_entry.command_metadata as command_metadata
import openoutcry.order_entry.fix.decode as decode
import openoutcry.order_entry.fix.refusals as refusals
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.rows as rows
import openoutcry.order_entry.session as block
from openoutcry.order_entry import ouch, risk_reasons
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix.decode import FixOrder
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import (
    constant,
    put_bytes,
    put_decimal,
    put_number,
    put_timestamp,
    same_text,
)
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import Contingency, EventKind
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    count_trailing_zeros,
    load_u8,
    not_inlined,
)
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.order_types import (
    BUDGETS,
    TAKE_PROFITS,
    UNPRICED,
    Aux,
    type_bits,
    types_where,
)
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.symbols import CODE_BYTES, MAX_ASSET_NAME, MAX_SYMBOL
from openoutcry.wire.words import CONTINGENCIES

ACCEPTED, FILLED, CANCELLED, REDUCED, REPLACED, REJECTED, EXPIRED, ELECTED = (
    int(kind) for kind in list(EventKind)[:8]
)
CONVERTED, COMPLETED = enum_numbers.EVENT_KIND_CONVERTED, enum_numbers.EVENT_KIND_COMPLETED
DELAYED, BROKEN = enum_numbers.EVENT_KIND_DELAYED, enum_numbers.EVENT_KIND_BROKEN
NEW_LIST, LIST_CANCEL = ord("E"), ord("K")
PENDING_NEW, PENDING_CANCEL, PENDING_REPLACE = (ord(letter) for letter in "A6E")
RISK, CHECKS = enum_numbers.REASON_RISK, len(risk_reasons.CHECKS)
FIGURELESS = sum(1 << risk_reasons.CHECKS.index(name) for name in risk_reasons.FIGURELESS)
"""Bits of the checks that are switches."""
GATEWAY, UNKNOWN_TO_CORE = enum_numbers.REASON_GATEWAY, enum_numbers.REASON_UNKNOWN_ORDER
NO_PRICE_BITS = type_bits(UNPRICED)
BUDGET_BITS = type_bits(BUDGETS)
TRIGGER_BITS = type_bits(types_where(lambda row: row.aux is Aux.TRIGGER))
TAKE_PROFIT_BITS = type_bits(TAKE_PROFITS)
CONTINGENCY_CODES = CONTINGENCIES.codes("FIX 1385", 1 + max(Contingency), int)
"""The value of ContingencyType of each Contingency."""
BUY = enum_numbers.SIDE_BUY
MAX_BODY = 776
"""No body is longer: 120 of text, 36 + 36 of names, 24 of symbol, 16 of account, 16 of an asset, 19
digits and a sign each number."""
AVERAGE_DECIMALS = 4
"""Decimals of AvgPx beyond the instrument's."""

put_8, put_9, put_r = constant(b"35=8\x0137="), constant(b"35=9\x0137="), constant(b"35=r\x01")
put_j, put_11, put_41 = constant(b"35=j\x01"), constant(b"\x0111="), constant(b"41=")
put_17, put_150, put_39 = constant(b"17="), constant(b"150="), constant(b"\x0139=")
put_19 = constant(b"19=")
put_1, put_54, put_55 = constant(b"1="), constant(b"\x0154="), constant(b"55=")
put_38, put_40, put_44 = constant(b"\x0138="), constant(b"\x0140="), constant(b"\x0144=")
put_152 = constant(b"\x01152=")
put_down, put_up = constant(b"\x011109=D"), constant(b"\x011109=U")
put_66, put_1385 = constant(b"\x0166="), constant(b"\x011385=")
put_59, put_99, put_31 = constant(b"\x0159="), constant(b"\x0199="), constant(b"\x0131=")
put_32, put_151, put_14 = constant(b"\x0132="), constant(b"\x01151="), constant(b"\x0114=")
put_6, put_60, put_58 = constant(b"\x016="), constant(b"\x0160="), constant(b"58=")
put_103, put_102, put_434 = constant(b"103="), constant(b"102="), constant(b"\x01434=")
put_none, put_45, put_372 = constant(b"NONE"), constant(b"45="), constant(b"372=")
put_380, put_11_first, put_restated = constant(b"380="), constant(b"11="), constant(b"378=5\x01")
put_530, put_531, put_532 = constant(b"530="), constant(b"\x01531="), constant(b"532=")
put_533, put_37, put_584 = constant(b"533="), constant(b"37="), constant(b"584=")
put_911, put_912, put_no = constant(b"\x01911="), constant(b"\x01912=Y\x01"), constant(b"0")
put_of_limit, put_current = constant(b": limit "), constant(b", now ")
put_12, put_13 = constant(b"\x0112="), constant(b"\x0113=3\x01479=")
put_asked = constant(b", asked ")
put_zero_reports = constant(b"\x01911=0\x01")
put_no_symbol, put_no_orders = constant(b"[N/A]"), constant(b"58=There are no open orders\x01")
NEW, PARTLY, DONE, GONE, OVER, REFUSED = (ord(letter) for letter in "0124C8")
"""OrdStatus."""
HYPHEN = ord("-")
UNDISCLOSED = ord("7")
"""Side of what no order is known of."""
COMMON = tuple(int(refusal) for refusal in refusals.COMMON)


@kernel
def put_padded(cursor: int, source: int, room: int) -> int:
    """Text that is padded with zero bytes. ``source``: its address, with ``room`` bytes at most."""
    size = 0
    while size < room and Bytes(source)[size] != 0:
        size += 1
    return put_bytes(cursor, source, size)


@kernel
def put_symbol(cursor: int, session: SessionBlock, code: int) -> int:
    """The symbol as it is outside; ``code``: address of the eight bytes of a record."""
    row = block.find_symbol(session, Words(code)[0])
    if row == 0:
        return put_padded(cursor, code, CODE_BYTES)
    return put_padded(cursor, row + block.SYMBOL_NAME, MAX_SYMBOL)


@kernel
def put_char(cursor: int, character: int) -> int:
    """Write one byte; returns where it ends."""
    Bytes(cursor)[0] = character
    return cursor + 1


@kernel
def put_average(cursor: int, value: int, lots: int, decimals: int) -> int:
    """``value`` / ``lots`` ticks as a price, cut off four places after the instrument's."""
    if lots <= 0:
        return put_no(cursor)
    negative = value < 0
    value = abs(value)
    whole, rest, places = value // lots, value % lots, 0
    while places < AVERAGE_DECIMALS and rest > 0 and lots < 1 << 59 and whole < 1 << 59:
        rest *= 10
        whole = whole * 10 + rest // lots
        rest %= lots
        places += 1
    return put_decimal(cursor, -whole if negative else whole, decimals + places)


@kernel
def put_reason(cursor: int, session: FixSession, row_number: int) -> int:
    """The text of a reason or refusal, as tag 58; of a limit its name and its figures."""
    cursor, event = put_58(cursor), EventRecord(session.rejected)
    if row_number == RISK and event != 0:
        return put_field_end(put_limit(cursor, session, event))
    return put_field_end(put_text(cursor, session, row_number))


@kernel
def put_text(cursor: int, session: FixSession, row_number: int) -> int:
    """Write Text (58) of a row of reasons; returns where it ends."""
    source = reason_row(session, row_number)
    return put_bytes(cursor, source + 8, Bytes(source)[2])


@kernel_outlined
def put_limit(cursor: int, session: FixSession, event: EventRecord) -> int:
    """The first check that failed: its name, the limit, the current value and the requested one;
    a switch, as a kill or halt, has no figures."""
    bits = event.contra_id
    bit = count_trailing_zeros(bits) if bits != 0 else CHECKS
    if bit >= CHECKS:
        return put_text(cursor, session, RISK)
    cursor = put_text(cursor, session, refusals.LIMITS + bit)
    if FIGURELESS >> bit & 1:
        return cursor
    cursor = put_decimal(put_of_limit(cursor), event.price_ticks, 0)
    cursor = put_decimal(put_current(cursor), event.leaves_lots, 0)
    return put_decimal(put_asked(cursor), event.qty_lots, 0)


@kernel
def reason_row(session: FixSession, number: int) -> int:
    """Address of a row of the table of reasons (refusals.py)."""
    table = session.fields_ + words.REASONS
    return table + refusals.ROW_BYTES * number


@kernel
def row_decimals(session: SessionBlock, row: OrderRow) -> int:
    """Decimals of the prices of the row's instrument."""
    instrument = block.instrument_row(session, row.instrument)
    return instrument.decimals if instrument != 0 else 0


@kernel
def put_names(cursor: int, row: OrderRow, metadata: CommandMetadata, is_named: bool) -> int:
    """ClOrdID, and OrigClOrdID where the causing command named the order."""
    cursor = put_11(cursor)
    if is_named:
        cursor = put_bytes(cursor, metadata + command_metadata.TOKEN, metadata.token_bytes)
        cursor = put_41(put_field_end(cursor))
        cursor = put_bytes(cursor, metadata + command_metadata.ORIG, metadata.orig_bytes)
    else:
        cursor = put_bytes(cursor, row + rows.TOKEN, row.token_bytes)
    return put_field_end(cursor)


@kernel
def put_order(cursor: int, session: SessionBlock, row: OrderRow, decimals: int, qty: int) -> int:
    """Account, symbol, side, quantity, type, price, trigger or budget, and time in force."""
    own = FixOrder(row + rows.OWN)
    if own.account_first != 0:
        cursor = put_field_end(put_padded(put_1(cursor), own + decode.ACCOUNT, decode.MAX_ACCOUNT))
    cursor = put_symbol(put_55(cursor), session, row + rows.SYMBOL)
    cursor = put_char(put_54(cursor), own.side)
    cursor = put_number(put_38(cursor), qty)
    if row.order_id >= rows.LEG_BITS:
        cursor = put_list_of(cursor, decode.FixLeg(row + rows.MORE))
    cursor = put_char(put_40(cursor), own.type)
    order_type = row.order_type
    if NO_PRICE_BITS >> order_type & 1 == 0:
        cursor = put_decimal(put_44(cursor), row.price, decimals)
    if TRIGGER_BITS >> order_type & 1:
        cursor = put_trigger(cursor, row, decimals)
    if BUDGET_BITS >> order_type & 1:
        cursor = put_decimal(put_152(cursor), row.aux, decimals)
    if own.tif != 0:
        cursor = put_char(put_59(cursor), own.tif)
    return cursor


@kernel_outlined
def put_list_of(cursor: int, leg: decode.FixLeg) -> int:
    """Write ListID (66) and ContingencyType (1385) of an order of a list."""
    if leg.legs == 0:
        return cursor
    cursor = put_bytes(put_66(cursor), leg, leg.id_bytes)
    return put_number(put_1385(cursor), CONTINGENCY_CODES[leg.contingency])


@kernel
def put_trigger(cursor: int, row: OrderRow, decimals: int) -> int:
    """Write the trigger of a stop, and of a take-profit the way in which it is reached."""
    cursor = put_decimal(put_99(cursor), row.aux, decimals)
    if TAKE_PROFIT_BITS >> row.order_type & 1 == 0:
        return cursor
    return put_down(cursor) if row.side == BUY else put_up(cursor)


@kernel_outlined
def put_commission(cursor: int, session: SessionBlock, instrument: int) -> int:
    """Commission, that it is an amount, and its currency: what the fill at hand has cost."""
    not_inlined()
    symbol = block.instrument_row(session, instrument)
    if symbol == 0:
        return cursor
    asset = symbol + (block.SYMBOL_BASE if fee_is_of_base(session.fee) else block.SYMBOL_QUOTE)
    cursor = put_decimal(put_12(cursor), fee_units(session.fee), Words(asset)[0])
    return put_padded(put_13(cursor), asset + 8, MAX_ASSET_NAME)


@kernel
def put_sums(cursor: int, session: SessionBlock, row: OrderRow, decimals: int, leaves: int) -> int:
    """Write open and executed quantity, the average price, and the sequenced time."""
    cum = row.cum
    cursor = put_number(put_151(cursor), leaves)
    cursor = put_number(put_14(cursor), cum)
    cursor = put_average(put_6(cursor), row.cum_value, cum, decimals)
    cursor = put_timestamp(put_60(cursor), session.rx_ts_ns, session + words.CACHED_DAY)
    return put_field_end(cursor)


@kernel
def working_status(row: OrderRow, leaves: int) -> int:
    """OrdStatus (39) of an order with ``leaves`` open lots."""
    if leaves == 0:
        return DONE
    return NEW if row.cum == 0 else PARTLY


@kernel
def status_of(row: OrderRow) -> int:
    """Return the OrdStatus of the order that a message names; ``row`` 0 means that it does not
    exist."""
    if row == 0 or row.was_rejected != 0:
        return REFUSED
    if row.has_expired != 0:
        return OVER
    if rows.is_waiting(row):
        return PENDING_NEW
    status = working_status(row, row.leaves)
    if status == DONE and row.cum < row.qty:
        return GONE
    return status


@kernel
def what_of(event: EventRecord, row: OrderRow) -> int:
    """ExecType, and OrdStatus << 8, of an order's event; 0: nothing is said of it."""
    kind, leaves = event.kind, event.leaves_lots
    status = working_status(row, leaves)
    if kind == FILLED:
        return ord("F") | status << 8
    if kind == BROKEN:
        return ord("H") | status_of(row) << 8
    if kind == ACCEPTED:
        return NEW | working_status(row, max(leaves, 1)) << 8
    if (kind == CANCELLED) | (kind == EXPIRED):
        over = rows.is_expiry(kind, event.reason)
        return OVER | OVER << 8 if over else GONE | GONE << 8
    if kind == REPLACED:
        return ord("5") | status << 8
    if kind == ELECTED:
        return ord("L") | status << 8
    if (kind == REDUCED) | (kind == CONVERTED):
        return ord("D") | status << 8
    return 0


@kernel
def pending_of(message: int) -> int:
    """Like :func:`what_of`, for a message that waits at the speed bump."""
    if message in (decode.D, NEW_LIST):
        return PENDING_NEW | PENDING_NEW << 8
    if message in (decode.F, LIST_CANCEL):
        return PENDING_CANCEL | PENDING_CANCEL << 8
    return PENDING_REPLACE | PENDING_REPLACE << 8 if message == decode.G else 0


@kernel
def put_exec_ref(cursor: int, event: EventRecord) -> int:
    """Write ExecRefID (19), the ExecID of the fill that is taken back."""
    return put_field_end(put_number(put_19(cursor), ouch.fill_seq(event)))


@kernel
def put_report(
    cursor: int,
    session: int,
    row: OrderRow,
    metadata: CommandMetadata,
    is_named: bool,
    exec_id: int,
    what: int,
) -> int:
    """An ExecutionReport up to its OrdStatus; ``what``: ExecType, and OrdStatus << 8."""
    cursor = put_number(put_8(cursor), row.order_id & rows.NUMBER_MASK)
    cursor = put_names(cursor, row, metadata, is_named)
    cursor = put_field_end(put_number(put_17(cursor), exec_id))
    cursor = put_char(put_150(cursor), what & 255)
    return put_field_end(put_char(put_39(cursor), what >> 8))


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: FixSession,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """The body that this event causes for this order, at most MAX_BODY bytes; 0: nothing is said.

    The order's row, after the event, is ``row``.  For a replaced order it is the new ClOrdID's; for
    an event without an order (a mass cancel's end) it is 0.  If this session sent the causing
    command, ``metadata`` is that command's, else 0.  The session's RX_TS_NS and CAUSE_SEQ identify
    the command.
    """
    if room < MAX_BODY:
        return 0
    session.rejected = event if event.kind == REJECTED else 0
    kind, message = event.kind, metadata.message if metadata != 0 else 0
    if kind == REJECTED:
        return encode_rejected(event, row, session, metadata, out)
    if row == 0:
        if kind == COMPLETED and message == decode.Q:
            return encode_mass_report(session, metadata, 0, event.qty_lots, out)
        return 0
    leaves, reason = event.leaves_lots, event.reason
    decimals = row_decimals(session, row)
    is_named = ((message == decode.F) | (message == decode.G)) & (kind == CANCELLED)
    is_named |= (message == decode.G) & (kind == REPLACED)
    what = what_of(event, row)
    if kind == DELAYED:
        what, leaves = pending_of(message), row.leaves
        is_named = (message == decode.F) | (message == decode.G)
    if kind == BROKEN:
        leaves = row.leaves
    if what == 0:
        return 0
    exec_type, qty = what & 255, leaves + row.cum
    if (kind == CANCELLED) | (kind == EXPIRED):
        leaves = 0
    if (kind == ACCEPTED) | (kind == CANCELLED) | (kind == EXPIRED):
        qty = row.qty
    if kind == BROKEN and leaves == 0:
        qty = row.qty
    seq = event.seq
    cursor = put_report(out, session, row, metadata, is_named, seq, what)
    if kind == BROKEN:
        cursor = put_exec_ref(cursor, event)
    cursor = put_order(cursor, session, row, decimals, qty)
    if kind in (FILLED, BROKEN):
        cursor = put_decimal(put_31(cursor), event.price_ticks, decimals)
        cursor = put_number(put_32(cursor), event.qty_lots)
        if fee_units(session.fee) != 0:
            cursor = put_commission(cursor, session, row.instrument)
    cursor = put_sums(cursor, session, row, decimals, leaves)
    if exec_type == ord("D"):
        cursor = put_restated(cursor)
    if reason != 0:
        cursor = put_reason(cursor, session, reason)
    return cursor - out


@kernel_outlined
def encode_rejected(
    event: EventRecord, row: OrderRow, session: FixSession, metadata: CommandMetadata, out: int
) -> int:
    """Encode the answer to a command that the session layer refused or the core rejected; 0 if
    it was not this session's."""
    if metadata == 0:
        return 0
    refused = refusal_of(metadata)
    number = refusals.CORE_REASONS + refused if refused != 0 else core_reason(event)
    exec_id = event.seq
    message = metadata.message
    if refused == Refusal.UNSUPPORTED_MESSAGE:
        return encode_business_reject(session, metadata, out)
    if message == decode.Q:
        return encode_mass_report(session, metadata, number, 0, out)
    if (message == decode.F) | (message == decode.G):
        return encode_cancel_reject(session, row, metadata, number, out)
    if message == decode.MASS_STATUS:
        return encode_mass_status(session, OrderRow(0), metadata, exec_id, out)
    if message == decode.H:
        return encode_status(session, row, metadata, 0, exec_id, out)
    return encode_order_reject(session, row, metadata, number, exec_id, out)


@kernel
def core_reason(event: EventRecord) -> int:
    """Row of the table of reasons of an event's: of the gateway's the first rule that is broken."""
    reason = event.reason
    return refusals.RULES + ouch.gateway_bit(event) if reason == GATEWAY else reason


@kernel
def cancel_reason(number: int, row: int) -> int:
    """Return why a cancel or replace fails, by the order's ``row``: one that the core no longer
    knows was there when it was named."""
    if number == UNKNOWN_TO_CORE and row != 0:
        return refusals.CORE_REASONS + Refusal.TOO_LATE
    return number


@kernel
def refusal_of(metadata: CommandMetadata) -> int:
    """Return why the metadata's message was refused, as this protocol says it."""
    refused = metadata.refused
    if refused >= refusals.FIRST_COMMON:
        return COMMON[refused - refusals.FIRST_COMMON]
    return refused


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRow, session: SessionBlock, out: int, room: int
) -> int:
    """The answer to a command whose metadata says ``refused``; ExecID is the sequence of the event
    that rejects it (EVENT_SEQ).  ``order`` is its row, or 0."""
    refused = refusal_of(metadata)
    if room < MAX_BODY or refused == 0:
        return 0
    number = refusals.CORE_REASONS + refused
    message, exec_id = metadata.message, session.event_seq
    if refused == Refusal.UNSUPPORTED_MESSAGE:
        return encode_business_reject(FixSession(session), metadata, out)
    if message == decode.Q:
        return encode_mass_report(session, metadata, number, 0, out)
    if (message == decode.F) | (message == decode.G):
        return encode_cancel_reject(FixSession(session), order, metadata, number, out)
    if message == decode.MASS_STATUS:
        return encode_mass_status(FixSession(session), order, metadata, exec_id, out)
    if (message == decode.H) | (refused == Refusal.STATUS):
        return encode_status(FixSession(session), order, metadata, 0, exec_id, out)
    return encode_order_reject(FixSession(session), order, metadata, number, exec_id, out)


@kernel
def put_token(cursor: int, metadata: CommandMetadata) -> int:
    """Write the ClOrdID of the metadata; returns where the field ends."""
    cursor = put_bytes(cursor, metadata + command_metadata.TOKEN, metadata.token_bytes)
    return put_field_end(cursor)


@kernel
def put_time(cursor: int, session: SessionBlock) -> int:
    """Write TransactTime (60), when the command was received; returns where the field ends."""
    ns = session.rx_ts_ns
    return put_field_end(put_timestamp(put_60(cursor), ns, session + words.CACHED_DAY))


put_rejected = constant(b"150=8\x0139=8\x01")
put_zeros = constant(b"\x01151=0\x0114=0\x016=0")


@kernel
def encode_order_reject(
    session: FixSession, row: int, metadata: CommandMetadata, number: int, exec_id: int, out: int
) -> int:
    """8 with OrdStatus 8.  ``row`` (or 0): what is known of the order."""
    cursor = put_8(out)
    order_number = metadata.row if row != 0 else 0
    cursor = put_number(cursor, order_number) if order_number > 0 else put_none(cursor)
    cursor = put_token(put_11(cursor), metadata)
    cursor = put_rejected(put_field_end(put_number(put_17(cursor), exec_id)))
    symbol = session + words.REFUSED_SYMBOL if row == 0 else row + rows.SYMBOL
    own = FixOrder(metadata + command_metadata.OWN if row == 0 else row + rows.OWN)
    cursor = put_55(cursor)
    has_symbol = Bytes(symbol)[0] != 0
    cursor = put_symbol(cursor, session, symbol) if has_symbol else put_no_symbol(cursor)
    side = own.side
    cursor = put_char(put_54(cursor), side if side != 0 else UNDISCLOSED)
    if row != 0 and OrderRow(row).order_id >= rows.LEG_BITS:
        cursor = put_list_of(cursor, decode.FixLeg(row + rows.MORE))
    cursor = put_time(put_zeros(cursor), session)
    cursor = put_number(put_103(cursor), Bytes(reason_row(session, number))[0])
    return put_reason(put_field_end(cursor), session, number) - out


@kernel
def encode_cancel_reject(
    session: FixSession, row: OrderRow, metadata: CommandMetadata, number: int, out: int
) -> int:
    """9: the answer to F (434=1) or G (434=2)."""
    number = cancel_reason(number, row)
    cursor = put_9(out)
    cursor = put_number(cursor, row.order_id & rows.NUMBER_MASK) if row != 0 else put_none(cursor)
    cursor = put_41(put_token(put_11(cursor), metadata))
    cursor = put_bytes(cursor, metadata + command_metadata.ORIG, metadata.orig_bytes)
    cursor = put_char(put_39(cursor), status_of(row))
    cursor = put_char(put_434(cursor), 49 if metadata.message == decode.F else 50)
    cursor = put_time(cursor, session)
    cursor = put_number(put_102(cursor), Bytes(reason_row(session, number))[1])
    return put_reason(put_field_end(cursor), session, number) - out


@kernel
def encode_business_reject(session: FixSession, metadata: CommandMetadata, out: int) -> int:
    """j: a message type that is not taken here."""
    seq = metadata.client_seq & (1 << words.SEQ_BITS) - 1
    cursor = put_number(put_45(put_j(out)), seq)
    number = refusals.CORE_REASONS + Refusal.UNSUPPORTED_MESSAGE
    cursor = put_reason(put_field_end(cursor), session, number)
    cursor = put_padded(put_372(cursor), metadata + command_metadata.OWN, 8)
    return put_field_end(put_char(put_380(put_field_end(cursor)), 51)) - out


@kernel
def encode_mass_report(
    session: SessionBlock, metadata: CommandMetadata, number: int, count: int, out: int
) -> int:
    """r: the answer to q, after its orders' reports; ``number``: why it was rejected, or 0."""
    cursor = put_token(put_11_first(put_r(out)), metadata)
    cursor = put_number(put_37(cursor), session.cause_seq)
    cursor = put_530(put_field_end(cursor))
    scope = load_u8(metadata + command_metadata.OWN)
    cursor = put_char(cursor, scope)
    cursor = put_char(put_531(cursor), scope if number == 0 else 48)
    cursor = put_field_end(cursor)
    if number == 0:
        cursor = put_number(put_533(cursor), count)
    else:
        unknown = number == refusals.CORE_REASONS + Refusal.UNKNOWN_SYMBOL
        cursor = put_number(put_532(cursor), 1 if unknown else 99)
    cursor = put_time(cursor, session)
    return (put_reason(cursor, FixSession(session), number) if number != 0 else cursor) - out


put_status = constant(b"150=I\x0139=")


@kernel
def encode_status(
    session: FixSession,
    row: OrderRow,
    metadata: CommandMetadata,
    total: int,
    exec_id: int,
    out: int,
) -> int:
    """8 with ExecType I: the answer to H, or one of ``total`` answers to AF.

    A row of nothing (0) is an unknown order.  The last of AF's reports is marked by
    :func:`mark_last`.
    """
    message = metadata.message
    if row == 0:
        number = refusals.CORE_REASONS + Refusal.UNKNOWN_ORDER
        return encode_order_reject(session, 0, metadata, number, exec_id, out)
    cursor = put_number(put_8(out), row.order_id & rows.NUMBER_MASK)
    cursor = put_names(cursor, row, metadata, False)
    asked, size = metadata + command_metadata.TOKEN, metadata.token_bytes
    own, own_size = row + rows.TOKEN, row.token_bytes
    if message != decode.MASS_STATUS and not same_text(asked, size, own, own_size):
        cursor = put_token(put_41(cursor), metadata)  # it has another name by now
    cursor = put_number(put_17(cursor), exec_id)
    if message == decode.MASS_STATUS:
        # One event has all of these reports: each is numbered after it.
        place = total - session.status_left
        cursor = put_number(put_char(cursor, HYPHEN), place)
    cursor = put_field_end(cursor)
    leaves, cum = row.leaves, row.cum
    qty = leaves + cum
    if row.state == rows.DONE:
        qty, leaves = row.qty, 0
    cursor = put_field_end(put_char(put_status(cursor), status_of(row)))
    decimals = row_decimals(session, row)
    cursor = put_order(cursor, session, row, decimals, qty)
    cursor = put_sums(cursor, session, row, decimals, leaves)
    if message == decode.MASS_STATUS:
        cursor = put_token(put_584(cursor), metadata)
        cursor = put_field_end(put_number(put_911(cursor - 1), total))
    return cursor - out


put_no_status = constant(b"150=I\x0139=8\x0155=[N/A]\x0154=7")


@kernel
def encode_mass_status(
    session: FixSession, row: OrderRow, metadata: CommandMetadata, exec_id: int, out: int
) -> int:
    """One of the STATUS_TOTAL answers to AF, STATUS_LEFT more after it; without an open order
    (``row`` 0), or if the request is refused, the only one says so."""
    number = refusals.CORE_REASONS + refusal_of(metadata)
    if row == 0 or number != refusals.CORE_REASONS + Refusal.MASS_STATUS:
        cursor = put_field_end(put_number(put_17(put_field_end(put_none(put_8(out)))), exec_id))
        cursor = put_time(put_zeros(put_no_status(cursor)), session)
        cursor = put_token(put_584(cursor), metadata)
        cursor = mark_last(out, put_zero_reports(cursor - 1) - out) + out
        if number != refusals.CORE_REASONS + Refusal.MASS_STATUS:
            return put_reason(cursor, session, number) - out
        return put_no_orders(cursor) - out
    total = session.status_total
    size = encode_status(session, row, metadata, total, exec_id, out)
    return size if session.status_left > 0 else mark_last(out, size)


@kernel
def mark_last(out: int, size: int) -> int:
    """Say in the last report of a mass status that it is the last; returns its new size."""
    return put_912(out + size - 1) - out
