"""A drop copy over SoupBinTCP: everything that happens to the orders of a group of participants.

Read-only: a client may only send heartbeats and log out.  Each sequenced message is 152 bytes,
little-endian (:data:`COPY_DTYPE`).  It is the event record as it is (docs/wire.md), the time of the
command that caused it, the name that the order's own session uses, and what a fill cost.
"""

import numpy as np

from openoutcry.order_entry import command_metadata, constants, rows, soupbin
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    copy64,
    store_i64,
    store_u8,
)
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT_DTYPE
from openoutcry.wire.symbols import MAX_ASSET_NAME

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
        ("fee_units", "<i8"),
        ("fee_asset", "S16"),
    ]
)
"""session    user name of the order's session, empty if it has none
protocol   that session's (:class:`spec.Protocol`)
message    type byte of the session's message that caused the event, 0 if another session's did
refused    why the session layer refused that message, 0 if it did not
token      of a rejected message its own token or the one that it names

``fee_units`` is what a fill in a spot instrument cost, below 0 a rebate.  It is in whole units of
the asset named ``fee_asset``, which is empty if the fill cost nothing."""
COPY_BYTES = COPY_DTYPE.itemsize
assert COPY_BYTES == 152

_APPLICATION, _READ_ONLY = constants.KIND_APPLICATION, constants.FAULT_READ_ONLY
_REJECTED, _ACCEPTED, _REPLACED = (
    enum_numbers.EVENT_KIND_REJECTED,
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_REPLACED,
)
_RX_TS, _SESSION, _PROTOCOL, _MESSAGE, _REFUSED, _TOKEN = 64, 72, 85, 86, 87, 88
_FEE_UNITS, _FEE_ASSET = 128, 136
_NAME_BYTES, _TOKEN_BYTES = 13, 40


@kernel
def decode(packet: int, length: int, session: int, order: int, metadata: int) -> int:
    """Read a client's message: a message of an application is a fault."""
    kind = soupbin.classify(packet, length)
    return _READ_ONLY if kind == _APPLICATION else kind


@kernel_outlined
def write_copy(
    event: EventRecord,
    row: int,
    metadata: CommandMetadata,
    sender: SessionBlock,
    rx_ts_ns: int,
    fee: int,
    copy: SessionBlock,
    out: int,
) -> int:
    """Write the copy of an event; its bytes.

    The row of the event's order, before the event, is ``row``; 0 for an order without a session. If
    the order's own session sent the causing command, ``metadata`` is that command's, else 0. The
    address of that session's block is ``sender``, or 0.  What the fill cost is ``fee``
    (wire/notes.py); ``copy``: a drop copy's block, with the table of instruments.  ``out``: address
    where it goes.
    """
    copy64(out, event)
    for offset in range(64, COPY_BYTES, 8):
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
    instrument = session_block.instrument_row(copy, event.instrument)
    if fee_units(fee) != 0 and instrument != 0:
        is_base = fee_is_of_base(fee)
        asset = session_block.SYMBOL_BASE if is_base else session_block.SYMBOL_QUOTE
        Words(out + _FEE_UNITS)[0] = fee_units(fee)
        copy_text(out + _FEE_ASSET, instrument + asset + 8, MAX_ASSET_NAME)
    return COPY_BYTES


@kernel
def copy_text(to: int, source: int, size: int) -> None:
    """Copy ``size`` bytes from the address ``source`` to ``to``."""
    for place in range(size):
        Bytes(to)[place] = Bytes(source)[place]
