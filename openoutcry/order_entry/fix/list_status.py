"""ListStatus (N): how a list of orders is, and why one is refused.

A body is a function of the journal, as those of :mod:`.encode`.  It has the orders that the caller
names, one after the other: :func:`put_list`, then :func:`put_order` for each.
"""

import openoutcry.order_entry.command_metadata as command_metadata
from openoutcry.order_entry import constants, rows
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import encode, parts, refusals
from openoutcry.order_entry.fix.decode import FixLeg
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import constant, put_bytes, put_number
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.record_blocks import EventRecord

MASS_STATUS = constants.FIX_REFUSAL_MASS_STATUS
RESPONSE, STARTED, ENDED = ord("2"), ord("4"), ord("5")
"""ListStatusType (429): an answer to a request, also that it is refused; the list has entered; it
is over."""
EXECUTING, ALL_DONE, REJECTED = ord("3"), ord("6"), ord("7")
"""ListOrderStatus (431)."""
put_n, put_429, put_431 = constant(b"35=N\x0166="), constant(b"429="), constant(b"\x0182=1\x01431=")
put_83, put_1385, put_444 = constant(b"\x0183=1\x01"), constant(b"1385="), constant(b"444=")
put_68, put_73, put_11 = constant(b"68="), constant(b"73="), constant(b"11=")
put_14, put_39 = constant(b"14="), constant(b"\x0139=")
put_151, put_84, put_6 = constant(b"\x01151="), constant(b"\x0184="), constant(b"\x016=")
put_refused = constant(b"14=0\x0139=8\x01151=0\x0184=0\x016=0\x01103=")
put_not_open = constant(b"444=No order of a list of this ListID (66) is open\x01")


@kernel_outlined
def put_list(
    cursor: int, session: FixSession, leg: FixLeg, kind: int, status: int, count: int
) -> int:
    """Write the fields up to the first of the ``count`` orders; returns the address after them.
    ``kind``: ListStatusType; ``status``: ListOrderStatus."""
    cursor = put_head(cursor, leg, leg.id_bytes, kind, status)
    cursor = put_field_end(put_number(put_1385(cursor), encode.CONTINGENCY_CODES[leg.contingency]))
    return put_count(cursor, session, leg.legs, count)


@kernel_outlined
def put_head(cursor: int, name: int, name_bytes: int, kind: int, status: int) -> int:
    """Write ListID, of which ``name`` is the address, up to RptSeq."""
    cursor = put_field_end(put_bytes(put_n(cursor), name, name_bytes))
    cursor = encode.put_char(put_429(cursor), kind)
    return put_83(encode.put_char(put_431(cursor), status))


@kernel_outlined
def put_count(cursor: int, session: FixSession, legs: int, count: int) -> int:
    """Write the time over the last field's end, how many orders the list has, how many follow."""
    cursor = put_68(encode.put_time(cursor - 1, session))
    cursor = put_73(put_field_end(put_number(cursor, legs)))
    return put_field_end(put_number(cursor, count))


@kernel_outlined
def put_order(cursor: int, session: FixSession, row: OrderRow) -> int:
    """Write an order of the list, as its row says it is."""
    cursor = put_field_end(put_bytes(put_11(cursor), row + rows.TOKEN, row.token_bytes))
    is_done, cum = row.state == rows.DONE, row.cum
    is_cancelled = is_done and row.was_rejected == 0
    cursor = encode.put_char(put_39(put_number(put_14(cursor), cum)), encode.status_of(row))
    cursor = put_number(put_151(cursor), 0 if is_done else row.leaves)
    cursor = put_number(put_84(cursor), row.qty - cum if is_cancelled else 0)
    decimals = encode.row_decimals(session, row)
    return put_field_end(encode.put_average(put_6(cursor), row.cum_value, cum, decimals))


@kernel_outlined
def refuse(session: FixSession, metadata: CommandMetadata, out: int) -> int:
    """N: a list (E) or the cancel of one (K) is refused, or no order is open of one whose status
    was asked for (M)."""
    refused = encode.refusal_of(metadata)
    number = refusals.CORE_REASONS + refused
    if metadata.message == parts.E:
        leg = FixLeg(metadata + command_metadata.ORIG)
        cursor = put_list(out, session, leg, RESPONSE, REJECTED, 1)
        cursor = put_bytes(put_11(cursor), metadata + command_metadata.TOKEN, metadata.token_bytes)
        cursor = put_refused(put_field_end(cursor))
        cursor = put_number(cursor, Bytes(encode.reason_row(session, number))[0])
        return encode.put_reason(put_field_end(cursor), session, number) - out
    name = metadata + command_metadata.ORIG
    cursor = put_head(out, name, metadata.orig_bytes, RESPONSE, ALL_DONE)
    if refused == MASS_STATUS or refused == refusals.Refusal.UNKNOWN_ORDER:
        cursor = put_not_open(cursor)
    else:
        cursor = put_field_end(encode.put_text(put_444(cursor), session, number))
    return put_count(cursor, session, 0, 0) - out


@kernel_outlined
def refuse_cancel(
    event: EventRecord, row: OrderRow, session: FixSession, metadata: CommandMetadata, out: int
) -> int:
    """N: the core keeps an order that the cancel of its list names.  Of one that was done before
    nothing is said: its end was reported."""
    number = encode.core_reason(event)
    if row == 0 or number == encode.UNKNOWN_TO_CORE:
        return 0
    session.rejected = event
    leg = FixLeg(row + rows.MORE)
    cursor = put_head(out, leg, leg.id_bytes, RESPONSE, EXECUTING)
    cursor = put_field_end(encode.put_text(put_444(cursor), session, number))
    cursor = put_count(cursor, session, leg.legs, 1)
    return put_order(cursor, session, row) - out
