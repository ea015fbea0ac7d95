"""The event that reports an order refused at the door: beyond its participant's rate, or with an
order id that is not the sender's to choose.

It is a reject without sequence numbers: the order never became a command.
"""

from openoutcry.wire.enums import ErrorBit, EventKind, Reason
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, load_u16, store_i64, store_u8, store_u16
from openoutcry.wire.records import EVENT, ORDER, RECORD_BYTES

ORDER_ID, ORDER_PRICE, ORDER_QTY, ORDER_SIDE, ORDER_PARTICIPANT = (
    ORDER.offsets[name]
    for name in ("order_id", "price_ticks", "qty_lots", "side", "participant")
)  # fmt: skip
ID, CONTRA, PRICE, QTY, PARTICIPANT, INSTRUMENT, KIND, REASON, SIDE = (
    EVENT.offsets[name]
    for name in ("order_id", "contra_id", "price_ticks", "qty_lots", "participant", "instrument",
                 "kind", "reason", "side")
)  # fmt: skip
NO_INSTRUMENT = 65_535
REFUSALS_MAX = 88
"""Events that are sent for one burst: more would cost others the time that the rate saves them."""
REJECTED, GATEWAY, NOT_OWNER = int(EventKind.REJECTED), int(Reason.GATEWAY), int(Reason.NOT_OWNER)
OVER_RATE = 1 << ErrorBit.RATE


@kernel
def write_refusal(event: int, order: int, reason: int) -> None:
    """Write the reject of the order record at ``order``; ``reason``: GATEWAY (the rate) or
    NOT_OWNER (the order id)."""
    for at in range(0, RECORD_BYTES, 8):
        store_i64(event + at, 0)
    store_i64(event + ID, load_i64(order + ORDER_ID))
    store_i64(event + CONTRA, OVER_RATE if reason == GATEWAY else 0)
    store_i64(event + PRICE, load_i64(order + ORDER_PRICE))
    store_i64(event + QTY, load_i64(order + ORDER_QTY))
    store_u16(event + PARTICIPANT, load_u16(order + ORDER_PARTICIPANT))
    store_u16(event + INSTRUMENT, NO_INSTRUMENT)
    store_u8(event + KIND, REJECTED)
    store_u8(event + REASON, reason)
    store_u8(event + SIDE, load_u8(order + ORDER_SIDE))
