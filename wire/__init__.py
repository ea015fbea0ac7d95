"""Declare every record once; everything that must agree on bytes is generated from here."""

from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout import (
    LAYOUT_HASH,
    LAYOUT_VERSION,
    LayoutMismatch,
    check_layout,
)
from openoutcry.wire.records import (
    BLOCK_HEADER,
    EVENT,
    EVENT_DTYPE,
    INSTRUMENT,
    INSTRUMENT_DTYPE,
    ORDER,
    ORDER_DTYPE,
    PACKET_HEADER,
    RECORD_BYTES,
    RECORDS,
    make_instruments,
)

__all__ = [
    "BLOCK_HEADER",
    "EVENT",
    "EVENT_DTYPE",
    "INSTRUMENT",
    "INSTRUMENT_DTYPE",
    "LAYOUT_HASH",
    "LAYOUT_VERSION",
    "ORDER",
    "ORDER_DTYPE",
    "PACKET_HEADER",
    "RECORDS",
    "RECORD_BYTES",
    "CommandKind",
    "ErrorBit",
    "EventFlag",
    "EventKind",
    "LayoutMismatch",
    "OrderType",
    "OutcryError",
    "Reason",
    "Side",
    "TimeInForce",
    "check_layout",
    "make_instruments",
]
