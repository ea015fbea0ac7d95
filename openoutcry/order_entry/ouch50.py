"""OUCH 5.0 over SoupBinTCP, a protocol module: decode, complete, encode, refuse, resume."""

from openoutcry.order_entry.ouch42_out import NO_ROOM, system_event
from openoutcry.order_entry.ouch50_in import complete, decode, resume
from openoutcry.order_entry.ouch50_out import MAX_BYTES, encode, refuse

__all__ = [
    "MAX_BYTES",
    "NO_ROOM",
    "complete",
    "decode",
    "encode",
    "refuse",
    "resume",
    "system_event",
]
