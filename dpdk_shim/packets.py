"""The packet: a 32-byte header, then 1 to 22 records of 64 bytes (docs/packets.md)."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.memory import copy64, load_i64, load_u8, load_u16, load_u32
from openoutcry.wire.records import (
    EVENT_DTYPE,
    MAX_PACKET_RECORDS,
    ORDER_DTYPE,
    PACKET_HEADER,
    PACKET_HEADER_DTYPE,
    PACKET_MAGIC,
    RECORD_BYTES,
)

HEADER_BYTES = PACKET_HEADER.size_bytes
MAX_PACKET_BYTES = HEADER_BYTES + MAX_PACKET_RECORDS * RECORD_BYTES
Key = tuple[int, int, int, int]
"""A sender: its number and its address, as words."""
Windows = Mapping[Key, tuple[int, int, Sequence[tuple[int, int]]]]
"""By sender: all numbers below the first have arrived, except the ranges (first, last). Numbers
below the second are no longer remembered, and all of them are rejected."""
LAYOUT_TAG = LAYOUT_HASH & 0xFFFFFFFF
MAX_FIRST_SEQ = 2**62
"""Above it the arithmetic of sequence numbers could overflow."""

_AT = PACKET_HEADER.offsets
MAGIC_AT = _AT["magic"]
LAYOUT_TAG_AT = _AT["layout_tag"]
FIRST_SEQ_AT = _AT["first_seq"]
SENT_TS_AT = _AT["sent_ts_ns"]
COUNT_AT = _AT["count"]
KIND_AT = _AT["kind"]
KIND_ORDERS = enum_numbers.PACKET_KIND_ORDERS


class PacketError(IntEnum):
    """Why a datagram is not a packet of ours; checked in this order, the first failure counts."""

    SHORT = 1
    """Fewer bytes than a header."""
    MAGIC = 2
    LAYOUT = 3
    """Ours, but built from other record declarations."""
    KIND = 4
    """Orders where events are expected, or the other way round, or neither."""
    COUNT = 5
    """No record, or more than a packet can hold."""
    SIZE = 6
    """Not as many bytes as the count says."""
    SEQUENCE = 7
    """``first_seq`` below 1 (of events below 0) or above 2**62."""


class PacketRejected(OutcryError):
    """A datagram failed a check; ``reason`` says which."""

    def __init__(self, reason: PacketError, size_bytes: int) -> None:
        self.reason = reason
        super().__init__(f"datagram of {size_bytes} bytes is not an order packet: {reason.name}")


NOT_SHORT, NOT_MAGIC, NOT_LAYOUT, NOT_KIND, NOT_COUNT, NOT_SIZE, NOT_SEQUENCE = (
    -error for error in PacketError
)


@kernel
def check_packet(data_addr: int, size_bytes: int, kind: int) -> int:
    """Number of records in the datagram at ``data_addr``, or a :class:`PacketError` negated.

    Reads no byte at or after ``size_bytes``, and the header only.
    """
    if size_bytes < HEADER_BYTES:
        return NOT_SHORT
    if load_u32(data_addr + MAGIC_AT) != PACKET_MAGIC:
        return NOT_MAGIC
    if load_u32(data_addr + LAYOUT_TAG_AT) != LAYOUT_TAG:
        return NOT_LAYOUT
    if load_u8(data_addr + KIND_AT) != kind:
        return NOT_KIND
    count: int = load_u16(data_addr + COUNT_AT)
    if count < 1 or count > MAX_PACKET_RECORDS:
        return NOT_COUNT
    if size_bytes != HEADER_BYTES + count * RECORD_BYTES:
        return NOT_SIZE
    first_seq = load_i64(data_addr + FIRST_SEQ_AT)
    # Refusals have no number: their packets begin with 0.
    if first_seq < (kind == KIND_ORDERS) or first_seq > MAX_FIRST_SEQ:
        return NOT_SEQUENCE
    return count


@kernel
def parse_packet(data_addr: int, size_bytes: int, kind: int, out_addr: int) -> int:
    """Check the datagram at ``data_addr`` and copy its records to ``out_addr``.

    ``data_addr`` (8-byte aligned) holds ``size_bytes`` bytes, ``kind`` is the ``PacketKind``
    expected, ``out_addr`` has room for 22 records.  Returns how many were copied, or a
    :class:`PacketError` negated, and then nothing was written.
    """
    count = check_packet(data_addr, size_bytes, kind)
    for index in range(count):
        at = index * RECORD_BYTES
        copy64(out_addr + at, data_addr + HEADER_BYTES + at)
    return count


def build_packets(
    records: npt.NDArray[Any],
    sender: int,
    first_seq: int,
    sent_ts_ns: int,
    per_packet: int = MAX_PACKET_RECORDS,
) -> list[bytes]:
    """Packets that carry ``records`` (``ORDER_DTYPE`` or ``EVENT_DTYPE``) in their order.

    Record i has the sender's own sequence number ``first_seq + i``; ``per_packet`` (1 to 22)
    records go into a packet.  All packets bear the one ``sent_ts_ns``.
    """
    if not 1 <= per_packet <= MAX_PACKET_RECORDS:
        raise ValueError(f"a packet holds 1 to {MAX_PACKET_RECORDS} records, not {per_packet}")
    header = np.zeros(1, PACKET_HEADER_DTYPE)
    header["magic"] = PACKET_MAGIC
    header["layout_tag"] = LAYOUT_TAG
    header["sent_ts_ns"] = sent_ts_ns
    header["sender"] = sender
    header["kind"] = _kind_of(records)
    packets = []
    for at in range(0, len(records), per_packet):
        part = records[at : at + per_packet]
        header["first_seq"] = first_seq + at
        header["count"] = len(part)
        packets.append(header.tobytes() + part.tobytes())
    return packets


def _kind_of(records: npt.NDArray[Any]) -> PacketKind:
    if records.dtype == ORDER_DTYPE:
        return PacketKind.ORDERS
    if records.dtype == EVENT_DTYPE:
        return PacketKind.EVENTS
    raise ValueError("packets carry arrays of ORDER_DTYPE or EVENT_DTYPE")


def read_packet(data: bytes, kind: PacketKind) -> tuple[np.void, npt.NDArray[Any]]:
    """Header and records (a copy) of one packet; raises :class:`PacketRejected`."""
    held = np.frombuffer(data, np.uint8).copy() if data else np.zeros(1, np.uint8)
    count = check_packet(held.ctypes.data, len(data), int(kind))
    if count < 0:
        raise PacketRejected(PacketError(-count), len(data))
    header = held[:HEADER_BYTES].view(PACKET_HEADER_DTYPE)[0]
    dtype = ORDER_DTYPE if kind == PacketKind.ORDERS else EVENT_DTYPE
    return header, held[HEADER_BYTES:].view(dtype)
