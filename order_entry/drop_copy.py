"""A drop copy over SoupBinTCP: everything that happens to the orders of a group of participants.

Read-only: a client may only send heartbeats and log out. Each sequenced message is 128 bytes,
little-endian (:data:`COPY_DTYPE`): the event record as it is (docs/wire.md), when the command that
caused it came, and what the order's own session calls it.
"""

import numpy as np

from openoutcry.order_entry import command_metadata, rows, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.faults import Fault, Kind
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import (
    copy64,
    store_i64,
    store_u8,
)
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT_DTYPE

__all__ = ["COPY_BYTES", "COPY_DTYPE", "decode", "write_copy"]

COPY_DTYPE = np.dtype(
    [
        ("event", EVENT_DTYPE),
        ("rx_ts_ns", "<i8"),
        ("session", "S13"),
        ("protocol", "u1"),
        ("message", "u1"),
        ("refused", "u1"),
        ("token", "S40"),
    ]
)
"""session: user name of the order's session, empty if it has none · protocol: that session's
(:class:`spec.Protocol`) · message: type byte of the session's message that caused the event, 0 if
it was another's · refused: why the session layer refused that, 0 if it did not · token: of a
rejected message its own or the one that it names."""
COPY_BYTES = COPY_DTYPE.itemsize
assert COPY_BYTES == 128

_APPLICATION, _READ_ONLY = int(Kind.APPLICATION), int(Fault.READ_ONLY)
_REJECTED, _ACCEPTED, _REPLACED = (
    enum_numbers.EVENT_KIND_REJECTED,
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_REPLACED,
)
_RX_TS, _SESSION, _PROTOCOL, _MESSAGE, _REFUSED, _TOKEN = 64, 72, 85, 86, 87, 88
_NAME_BYTES, _TOKEN_BYTES = 13, 40


@kernel
def decode(packet: int, length: int, session: int, order: int, metadata: int) -> int:
    """What a client says: a message of an application is a fault."""
    kind = soupbin.classify(packet, length)
    return _READ_ONLY if kind == _APPLICATION else kind


@kernel_outlined
def write_copy(
    event: EventRecord,
    row: int,
    metadata: CommandMetadata,
    sender: SessionBlock,
    rx_ts_ns: int,
    out: int,
) -> int:
    """Write the copy of an event; its bytes.

    ``row``: of its order before the event, 0 if it is no session's; ``metadata``: of the command
    that caused it, if that was the order's own session, else 0; ``sender``: address of that
    session's block, or 0.
    """
    copy64(out, event)
    for offset in range(64, 128, 8):
        store_i64(out + offset, 0)
    store_i64(out + _RX_TS, rx_ts_ns)
    if sender != 0:
        copy_text(out + _SESSION, sender + session_block.NAME, _NAME_BYTES)
        store_u8(out + _PROTOCOL, sender.protocol)
    token = row + rows.TOKEN if row != 0 else 0
    if metadata != 0:
        store_u8(out + _MESSAGE, metadata.message)
        store_u8(out + _REFUSED, metadata.refused)
        if event.kind in (_REJECTED, _ACCEPTED, _REPLACED):
            token = metadata + (
                command_metadata.TOKEN if metadata.token_bytes != 0 else command_metadata.ORIG
            )
    if token != 0:
        copy_text(out + _TOKEN, token, _TOKEN_BYTES)
    return 128


@kernel
def copy_text(to: int, source: int, size: int) -> None:
    for place in range(size):
        Bytes(to)[place] = Bytes(source)[place]
