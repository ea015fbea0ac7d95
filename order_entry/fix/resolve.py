# (intrinsics have no types that mypy could see)
"""Complete a cancel or replace (F G) from the row of the order that it names."""

import openoutcry.order_entry.fix.decode as decode
import openoutcry.order_entry.notes as notes
import openoutcry.order_entry.rows as rows
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.wire.enums import AUX_HALVES, OPEN_KNOWN, SELF_TRADE_MASK
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, store_i64, store_u8

UNKNOWN_ORDER, TOO_LATE, MISMATCH, PENDING = (
    int(Refusal.UNKNOWN_ORDER), int(Refusal.TOO_LATE), int(Refusal.MISMATCH), int(Refusal.PENDING)
)  # fmt: skip
MODE_BITS = SELF_TRADE_MASK << 4
TIF_BITS = 15


@kernel
def resolve(order: int, note: int, row: int) -> int:
    """Complete a cancel or replace from the row of its order (0: there is none); returns the
    refusal, which is also noted and leaves the record without a kind, or 0.

    The core wants the new open quantity, FIX says the new whole one.
    """
    refusal = 0
    if row == 0 or not rows.is_live(row):
        refusal = UNKNOWN_ORDER if row == 0 else TOO_LATE
    elif load_i64(row + rows.SYMBOL) != load_i64(order + decode.SYMBOL) or (
        load_u8(row + rows.SIDE) != load_u8(order + decode.SIDE)
    ):
        refusal = MISMATCH
    else:
        store_i64(order + decode.ORDER_ID, load_i64(row + rows.ORDER_ID))
        if load_u8(order + decode.KIND) == decode.REPLACE:
            refusal = resolve_replace(order, note, row)
    if refusal != 0:
        decode.refuse_note(note, refusal)
        store_u8(order + decode.KIND, 0)
    return refusal


@kernel
def resolve_replace(order: int, note: int, row: int) -> int:
    """Price, quantity and an iceberg's display change; a type, a trigger, an offset or a time in
    force does not (one that is not named stays).

    The quantity is the whole one: the core takes off what is executed until it comes there.
    """
    if load_u8(row + rows.STATE) == rows.SENT and load_i64(row + rows.CHAIN) != 0:
        return PENDING
    if load_u8(row + rows.ORDER_TYPE) != load_u8(order + decode.ORDER_TYPE):
        return MISMATCH
    order_type = load_u8(order + decode.ORDER_TYPE)
    tif, own = load_u8(row + rows.TIME_IN_FORCE) & TIF_BITS, notes.OWN + decode.TIF_CHAR
    if load_u8(note + own) == 0:
        store_u8(note + own, load_u8(row + rows.OWN + decode.TIF_CHAR))
        if tif == decode.GTD:
            store_i64(order + decode.AUX, load_i64(row + rows.AUX))
    elif load_u8(order + decode.TIF) & TIF_BITS != tif:
        return MISMATCH
    if order_type != decode.ICEBERG and load_i64(order + decode.AUX) != load_i64(row + rows.AUX):
        return MISMATCH
    qty = load_i64(order + decode.QTY) - load_i64(row + rows.CUM)
    if qty <= 0:
        return TOO_LATE
    store_i64(order + decode.QTY, qty)
    known, halves = load_i64(row + rows.LEAVES), 0
    display = load_i64(order + decode.AUX)
    if order_type == decode.ICEBERG and display != 0:
        if known >= 1 << 32 or display >= 1 << 31:
            return decode.BAD_QTY
        known, halves = display << 32 | known, AUX_HALVES
    store_i64(order + decode.AUX, known)
    mode = load_u8(order + decode.TIF) & MODE_BITS
    store_u8(order + decode.TIF, mode | OPEN_KNOWN | halves)
    return 0
