"""Locate a block's corrupt byte from its checksum, where possible.

A crc is linear: the difference between what it should be and what it is depends only on which bits
changed and how far they are from the end.  Running the register backwards from that difference,
byte by byte, meets the very change if it lies within one byte.
"""

from typing import Any

from openoutcry.journal.block import HEADER_BYTES, checksum, unpack_header
from openoutcry.wire.records import BLOCK_HEADER

POLYNOMIAL = 0x82F63B78  # crc32c, reflected


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()
BY_TOP_BYTE = {value >> 24: index for index, value in enumerate(TABLE)}
CHANGES = {value: index for index, value in enumerate(TABLE) if index}
_CRC_OFFSET = BLOCK_HEADER.offsets["crc32c"]


def bad_byte(whole: Any) -> int | None:
    """The one byte of a block, counted from its begin, whose change explains the wrong checksum.

    None where no byte or several do, or the block is sound.  ``whole`` is as long as the block."""
    wrong = checksum(whole) ^ unpack_header(whole[:HEADER_BYTES]).crc32c
    if not wrong:
        return None
    places = []
    state = wrong
    for at in range(len(whole) - 1, -1, -1):
        if state in CHANGES and not _CRC_OFFSET <= at < HEADER_BYTES:
            places.append(at)
        top = BY_TOP_BYTE[state >> 24]
        state = ((state ^ TABLE[top]) << 8 | top) & 0xFFFFFFFF
    # The checksum's own bytes count as zeros in it: a change there shows as itself.
    for k in range(4):
        if wrong & 0xFF << 8 * k == wrong:
            places.append(_CRC_OFFSET + k)
    return places[0] if len(places) == 1 else None
