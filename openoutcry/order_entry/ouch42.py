"""OUCH 4.2 over SoupBinTCP, a protocol module: decode, complete, encode, refuse."""

from openoutcry.order_entry.ouch42_in import complete, decode
from openoutcry.order_entry.ouch42_out import (
    MAX_BYTES,
    NO_ROOM,
    encode,
    refuse,
    system_event,
)

__all__ = [
    "MAX_BYTES",
    "NO_ROOM",
    "complete",
    "decode",
    "encode",
    "refuse",
    "system_event",
]
