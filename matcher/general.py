# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""The general path: every check in its order, then the function that does what is asked."""

from openoutcry.matcher.arena import (
    CAUSE_SEQ,
    FIRST_EVENT_AT,
    MAX_PRICE,
    MAX_QTY,
    MIN_PRICE,
    MIN_QTY,
    NEXT_EVENT_AT,
)
from openoutcry.matcher.constants import (
    BAD_QTY,
    DUPLICATE_ID,
    ERROR_SHIFT,
    GATEWAY,
    KIND_SHIFT,
    MALFORMED,
    MARKET,
    NEW,
    ORDER_ID,
    ORDER_PRICE,
    ORDER_QTY,
    ORDER_SEQ,
    ORDER_WORD,
    POST_ONLY,
    PRICE_LIMIT,
    QTY_LIMIT,
    REPLACE,
    SIDE_SHIFT,
    TIF_SHIFT,
    TYPE_SHIFT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)
from openoutcry.matcher.events import event_address, reject
from openoutcry.matcher.ids import find_id
from openoutcry.matcher.levels import instrument_addr, touch_instrument
from openoutcry.matcher.orders import order_owner
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.records import NO_INSTRUMENT


@kernel_outlined
def general(arena: int, order: int, out: int, instrument: int) -> int:
    """Do what the command at ``order`` asks; returns where the next event goes."""
    word = load_i64(order + ORDER_WORD)
    store_i64(arena + NEXT_EVENT_AT, out)
    store_i64(arena + FIRST_EVENT_AT, out)
    store_i64(arena + CAUSE_SEQ, load_i64(order + ORDER_SEQ))
    address = event_address(instrument, (word >> SIDE_SHIFT) & 0xFF, word & 0xFFFF)
    error_code = (word >> ERROR_SHIFT) & 0xFFFF
    if error_code != 0:
        return reject(order, out, address, GATEWAY, error_code)
    kind = (word >> KIND_SHIFT) & 0xFF
    if kind < NEW or kind > REPLACE:
        return reject(order, out, address, MALFORMED, 0)
    if instrument == NO_INSTRUMENT:
        return reject(order, out, address, UNKNOWN_INSTRUMENT, 0)
    # Here, once: all that may change of an instrument on this path but its levels.
    touch_instrument(arena, instrument)
    state = instrument_addr(arena, instrument)
    qty = load_i64(order + ORDER_QTY)
    price = load_i64(order + ORDER_PRICE)
    order_type = (word >> TYPE_SHIFT) & 0xFF
    slot = find_id(arena, instrument, load_i64(order + ORDER_ID))
    reason = DUPLICATE_ID
    if kind == NEW:
        side = (word >> SIDE_SHIFT) & 0xFF
        tif = (word >> TIF_SHIFT) & 0xFF
        malformed = side < 1 or side > 2 or order_type < 1 or order_type > 3 or tif < 1 or tif > 4
        if malformed or (order_type == POST_ONLY and tif != 1 and tif != 4):
            reason = MALFORMED
    elif slot == 0:
        reason = UNKNOWN_ORDER
    elif order_owner(arena, slot) != word & 0xFFFF:
        reason = 7
    if reason == DUPLICATE_ID:
        if order_type == MARKET:
            price = load_i64(state + MIN_PRICE)
        if qty <= 0:
            reason = BAD_QTY
        elif qty < load_i64(state + MIN_QTY) or qty > load_i64(state + MAX_QTY):
            reason = QTY_LIMIT
        elif price < load_i64(state + MIN_PRICE) or price > load_i64(state + MAX_PRICE):
            reason = PRICE_LIMIT
    return reject(order, out, address, reason, 0)
