"""Blocks: a 64-byte header and whole 64-byte records, under one crc32c."""

import json
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from openoutcry.journal.segment import SegmentFile
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.layout import LAYOUT_HASH
from openoutcry.wire.records import BLOCK_HEADER, BLOCK_MAGIC, RECORD_BYTES

HEADER_BYTES = BLOCK_HEADER.size_bytes

FILE_ENDS = "the file ends where a block would begin"
ONLY_ZEROS = "zeros where a block would begin"


class BlockHeader(NamedTuple):
    """``BLOCK_HEADER`` of wire/records.py, unpacked."""

    magic: int
    layout_hash: int
    first_seq: int
    record_count: int
    block_index: int
    written_ts_ns: int
    payload_bytes: int
    text_bytes: int
    kind: int
    reserved0: int
    reserved1: int
    crc32c: int


assert BlockHeader._fields == tuple(field.name for field in BLOCK_HEADER.fields)

_CODES = {"i64": "q", "u64": "Q", "u32": "I", "u16": "H", "u8": "B"}
_HEADER = struct.Struct("<" + "".join(_CODES[field.ctype] for field in BLOCK_HEADER.fields))
_CRC = struct.Struct("<I")
_CRC_OFFSET = BLOCK_HEADER.offsets["crc32c"]
_NO_CRC = bytes(_CRC.size)
assert _HEADER.size == HEADER_BYTES
assert _CRC_OFFSET + _CRC.size == HEADER_BYTES, "the checksum is taken in one run to the header end"


class Block(NamedTuple):
    """A block whose own checks have passed; ``payload`` is read-only, without the header."""

    offset: int
    header: BlockHeader
    payload: memoryview

    @property
    def end(self) -> int:
        """Byte of the segment where the next block begins."""
        return self.offset + HEADER_BYTES + self.header.payload_bytes


def pack_header(
    into: bytearray,
    kind: BlockKind,
    block_index: int,
    written_ts_ns: int,
    parts: Sequence[Any],
    payload_bytes: int,
    *,
    first_seq: int = 0,
    record_count: int = 0,
    text_bytes: int = 0,
) -> None:
    """Write the header of a block into ``into`` (64 bytes); its payload is ``parts`` in a row."""
    _HEADER.pack_into(
        into,
        0,
        BLOCK_MAGIC,
        LAYOUT_HASH,
        first_seq,
        record_count,
        block_index,
        written_ts_ns,
        payload_bytes,
        text_bytes,
        kind,
        0,
        0,
        0,
    )
    crc = crc32c(into)
    for part in parts:
        crc = crc32c(part, crc)
    _CRC.pack_into(into, _CRC_OFFSET, crc)


def pack_json(document: dict[str, Any]) -> tuple[bytes, int]:
    """The payload of a JSON block, padded with NULs to whole records, and its text's length."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return text + bytes(-len(text) % RECORD_BYTES), len(text)


def examine(segment: SegmentFile, offset: int) -> Block | str:
    """The block at ``offset``, or in words why there is none.

    Checks all that the block can say about itself but not the layout, nor its place among the
    others.  :data:`FILE_ENDS` and :data:`ONLY_ZEROS` are two of the answers.
    """
    head = segment.read(offset, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return "the file ends inside a block header" if len(head) else FILE_ENDS
    header = BlockHeader._make(_HEADER.unpack(head))
    if header.magic != BLOCK_MAGIC:
        return "no block begins here" if any(head) else ONLY_ZEROS
    if flaw := _header_flaw(header):
        return flaw
    whole = segment.read(offset, HEADER_BYTES + header.payload_bytes)
    if len(whole) < HEADER_BYTES + header.payload_bytes:
        return "the file ends inside a block"
    payload = whole[HEADER_BYTES:]
    if crc32c(payload, crc32c(_NO_CRC, crc32c(whole[:_CRC_OFFSET]))) != header.crc32c:
        return "the checksum of the block does not agree"
    return Block(offset, header, payload)


def _header_flaw(header: BlockHeader) -> str:
    """What is wrong in a header before its checksum is taken; empty if nothing."""
    if header.payload_bytes % RECORD_BYTES:
        return "a block of no whole number of records"
    if header.kind == BlockKind.COMMANDS:
        if header.record_count < 1 or header.record_count * RECORD_BYTES != header.payload_bytes:
            return "record_count and payload_bytes of the block do not agree"
    elif header.kind not in (BlockKind.CONFIG, BlockKind.EVIDENCE):
        return f"a block of unknown kind {header.kind}"
    elif header.text_bytes > header.payload_bytes:
        return "text_bytes is above payload_bytes"
    return ""


def valid_block_after(segment: SegmentFile, offset: int, block_index: int) -> int | None:
    """Offset of the first whole block behind ``offset`` with at least ``block_index``, or None.

    It tells damage from a torn tail: blocks are written in order, so behind a block that was
    never finished there can be none.
    """
    for base, data in segment.windows(offset):
        words: npt.NDArray[np.uint64] = np.frombuffer(
            data, "<u8", count=len(data) // RECORD_BYTES * (RECORD_BYTES // 8)
        )
        for row in np.flatnonzero(words[:: RECORD_BYTES // 8] == np.uint64(BLOCK_MAGIC)):
            at = base + int(row) * RECORD_BYTES
            if at == offset:
                continue
            found = examine(segment, at)
            if isinstance(found, Block) and found.header.block_index >= block_index:
                return at
    return None
