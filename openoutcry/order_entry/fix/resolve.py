"""Complete a cancel or replace (F G) from the row of the order that it names."""

import openoutcry.order_entry.command_metadata as command_metadata
import openoutcry.order_entry.fix.decode as decode
import openoutcry.order_entry.rows as rows
from openoutcry.order_entry import constants
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix.decode import FixOrder
from openoutcry.order_entry.rows import OrderRow
from openoutcry.wire.enums import AUX_HALVES, OPEN_KNOWN, SELF_TRADE_MASK
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes
from openoutcry.wire.order_types import PEGS, STOPS, type_bits
from openoutcry.wire.record_blocks import OrderRecord

UNKNOWN_ORDER, TOO_LATE, MISMATCH, PENDING, NO_QUANTITY = (
    constants.FIX_REFUSAL_UNKNOWN_ORDER,
    constants.FIX_REFUSAL_TOO_LATE,
    constants.FIX_REFUSAL_MISMATCH,
    constants.FIX_REFUSAL_PENDING,
    constants.FIX_REFUSAL_NO_QUANTITY,
)
STOP_BITS = type_bits(STOPS)
MOVABLE = STOP_BITS | type_bits(PEGS)
"""Types whose ``aux`` a replace may change."""
MODE_BITS = SELF_TRADE_MASK << 4
TIF_BITS = 15


@kernel
def resolve(order: OrderRecord, metadata: CommandMetadata, row: OrderRow) -> int:
    """Complete a cancel or replace from the row of its order (0: no order); returns the refusal,
    which is also noted and leaves the record without a kind, or 0.

    The core wants the new open quantity, FIX says the new whole one.
    """
    refusal = 0
    if row == 0 or not rows.is_live(row):
        refusal = UNKNOWN_ORDER if row == 0 else TOO_LATE
    elif row.symbol != order.symbol or (row.side != order.side):
        refusal = MISMATCH
    else:
        order.order_id = row.order_id
        if order.kind == decode.REPLACE:
            refusal = resolve_replace(order, metadata, row)
    if refusal != 0:
        decode.mark_refused(metadata, refusal)
        order.kind = 0
    return refusal


@kernel
def resolve_replace(order: OrderRecord, metadata: int, row: OrderRow) -> int:
    """Price, quantity, an iceberg's display, a stop's trigger or distance and a peg's offset may
    change.  A type or a time in force does not (one that is not named stays).

    The quantity is the whole one: the core takes off what is executed until it comes there.
    ``metadata``: address of the replace's metadata.
    """
    if row.state == rows.SENT and row.chain != 0:
        return PENDING
    if row.order_type != order.order_type:
        return MISMATCH
    order_type = order.order_type
    tif, own = row.time_in_force & TIF_BITS, command_metadata.OWN + decode.TIF_CHAR
    if Bytes(metadata)[own] == 0:
        Bytes(metadata)[own] = FixOrder(row + rows.OWN).tif
        if tif == decode.GTD:
            order.aux = row.aux
    elif order.time_in_force & TIF_BITS != tif:
        return MISMATCH
    moves = order.aux != row.aux and order_type != decode.ICEBERG
    if moves and ((MOVABLE >> order_type) & 1 == 0 or tif == decode.GTD):
        return MISMATCH
    if order.qty_lots <= 0:
        return NO_QUANTITY
    qty = order.qty_lots - row.cum
    if qty <= 0:
        return TOO_LATE
    order.qty_lots = qty
    known, halves, aux = row.leaves, 0, order.aux
    if moves or (order_type == decode.ICEBERG and aux != 0):
        if known >= 1 << 32:
            return decode.BAD_QTY
        if not -(1 << 31) <= aux < 1 << 31 or (aux == 0 and (STOP_BITS >> order_type) & 1 != 0):
            return decode.BAD_QTY if order_type == decode.ICEBERG else decode.BAD_PRICE
        known, halves = aux << 32 | known, AUX_HALVES
    rows.put_price(order, row, aux)
    order.aux = known
    mode = order.time_in_force & MODE_BITS
    order.time_in_force = mode | OPEN_KNOWN | halves
    return 0
