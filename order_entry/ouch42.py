"""OUCH 4.2 over SoupBinTCP, a protocol module: frame, decode, complete, encode, refuse."""

from openoutcry.order_entry.ouch42_in import complete, decode
from openoutcry.order_entry.ouch42_out import (
    MAX_BYTES,
    NO_ROOM,
    encode,
    refuse,
    system_event,
)
from openoutcry.order_entry.soupbin import frame

__all__ = [
    "MAX_BYTES",
    "NO_ROOM",
    "complete",
    "decode",
    "encode",
    "frame",
    "refuse",
    "system_event",
]
