"""Blocks: a header, whole records or JSON, and zeros up to whole 4 KiB, under one crc32c.

Each header holds the BLAKE3 hash of the block before, so a change of one block requires
changing all after it.  A block shares no 4 KiB with another: tearing one cannot hurt its neighbour.
"""

import dataclasses
import json
import mmap
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3
from crc32c import crc32c

from openoutcry.journal.segment import SegmentFile
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import BLOCK_HEADER, BLOCK_MAGIC, RECORD_BYTES

HEADER_BYTES = BLOCK_HEADER.size_bytes
ALIGN = 4096
"""Unit that a disk writes whole or not at all, at best, and that O_DIRECT requires."""
HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)
MAX_BLOCK_BYTES = 1 << 30

FILE_ENDS = "the file ends where a block would begin"
ONLY_ZEROS = "zeros where a block would begin"
OF_RECORDS = (BlockKind.COMMANDS, BlockKind.CLOCK)
OF_TEXT = (BlockKind.CONFIG, BlockKind.EVIDENCE)
RESUMED = "resumed"
"""The one field of an evidence block that names the writer that continued here; others describe the
end."""


class BlockHeader(NamedTuple):
    """``BLOCK_HEADER`` of wire/records.py, unpacked; the four words of the hash are one."""

    magic: int = BLOCK_MAGIC
    layout_hash: int = LAYOUT_HASH
    journal_id: int = 0
    block_index: int = 0
    first_seq: int = 1
    record_count: int = 0
    written_ts_ns: int = 0
    payload_bytes: int = 0
    block_bytes: int = 0
    previous_hash: bytes = NO_HASH
    events_seq: int = 0
    events_hash: int = 0
    text_bytes: int = 0
    unsynced_blocks: int = 0
    kind: int = 0
    reserved0: int = 0
    reserved1: int = 0
    crc32c: int = 0

    @property
    def commands(self) -> int:
        """Return how many commands the block holds; clock records do not count."""
        return self.record_count if self.kind == BlockKind.COMMANDS else 0


_CODES = {"i64": "q", "u64": "Q", "u32": "I", "u16": "H", "u8": "B"}


def _format() -> str:
    codes = []
    for field in BLOCK_HEADER.fields:
        if not field.name.startswith("previous_hash"):
            codes.append(_CODES[field.ctype])
        elif field.name.endswith("0"):
            codes.append(f"{HASH_BYTES}s")
    return "<" + "".join(codes)


_HEADER = struct.Struct(_format())
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""``json.dumps`` makes an encoder for each text."""
_CRC = struct.Struct("<I")
_CRC_OFFSET = BLOCK_HEADER.offsets["crc32c"]
_NO_CRC = bytes(_CRC.size)
assert _HEADER.size == HEADER_BYTES
assert BlockHeader._fields == tuple(
    dict.fromkeys(
        "previous_hash" if f.name.startswith("previous_hash") else f.name
        for f in BLOCK_HEADER.fields
    )
)
assert _CRC_OFFSET + _CRC.size == HEADER_BYTES, "the checksum is taken in one run to the header end"


@dataclasses.dataclass(eq=False)
class Block:
    """A block whose own checks have passed; ``whole`` is all its bytes, read-only."""

    offset: int
    header: BlockHeader
    whole: memoryview
    _note: dict[str, Any] | None = dataclasses.field(default=None, init=False, repr=False)

    @property
    def payload(self) -> memoryview:
        """The records, or the text of a JSON block."""
        size_bytes = self.header.record_count * RECORD_BYTES or self.header.payload_bytes
        return self.whole[HEADER_BYTES : HEADER_BYTES + size_bytes]

    @property
    def note(self) -> dict[str, Any]:
        """The writer's note on the records, for reading only; empty without one."""
        if self._note is None:  # functools.cached_property takes a lock
            self._note = self._read_note()
        return self._note

    def _read_note(self) -> dict[str, Any]:
        if not self.header.record_count or not self.header.text_bytes:
            return {}
        at = HEADER_BYTES + self.header.record_count * RECORD_BYTES
        return dict(json.loads(bytes(self.whole[at : at + self.header.text_bytes])))

    @property
    def end(self) -> int:
        """Byte of the segment where the next block begins."""
        return self.offset + self.header.block_bytes


class BlockId(NamedTuple):
    """Identifies a block: no other history of a journal has this hash, which covers all blocks
    before as well."""

    block_index: int
    block_hash: bytes


def digest(block: Any) -> bytes:
    """Return the digest that the next block's header records: 32 bytes."""
    return blake3(block).digest()


def checksum_of(block: Any) -> int:
    """Return the checksum of a block's bytes for its header."""
    checksum: int = _CRC.unpack_from(block, _CRC_OFFSET)[0]
    return checksum


def padded(size_bytes: int) -> int:
    """``size_bytes`` rounded up to whole sectors."""
    return -(-size_bytes // ALIGN) * ALIGN


class BlockBuffer:
    """Page-aligned memory in which one block at a time is put together; O_DIRECT asks for that."""

    def __init__(self, size_bytes: int = 1 << 16) -> None:
        self._make(size_bytes)

    def _make(self, size_bytes: int) -> None:
        self._bytes = np.frombuffer(mmap.mmap(-1, padded(size_bytes)), np.uint8)

    def fill(self, header: BlockHeader, parts: Sequence[Any]) -> memoryview:
        """Lay out a block: ``header`` with its sizes and checksum made right, ``parts`` in a row,
        zeros.  The view is good until the next call."""
        at = HEADER_BYTES
        sizes = [memoryview(part).nbytes for part in parts]
        payload_bytes = sum(sizes)
        block_bytes = padded(HEADER_BYTES + payload_bytes)
        if block_bytes > len(self._bytes):
            self._make(2 * block_bytes)
        for part, size in zip(parts, sizes, strict=True):
            self._bytes[at : at + size] = np.frombuffer(part, np.uint8)
            at += size
        self._bytes[at:block_bytes] = 0
        assert at == HEADER_BYTES + payload_bytes, "every part has its place"
        block = self._bytes.data[:block_bytes]
        complete = header._replace(payload_bytes=payload_bytes, block_bytes=block_bytes, crc32c=0)
        _HEADER.pack_into(block, 0, *complete)
        _CRC.pack_into(block, _CRC_OFFSET, crc32c(block))
        return block


def aligned_copy(block: Any) -> memoryview:
    """The bytes of a block in separate page-aligned memory."""
    memory = mmap.mmap(-1, len(block))
    memory[:] = bytes(block)
    return memoryview(memory)


def pack_json(document: dict[str, Any]) -> bytes:
    """The text of a JSON block."""
    return _encode(document).encode()


def unpack_header(head: Any) -> BlockHeader:
    """The header that ``head``, 128 bytes, may be."""
    return BlockHeader._make(_HEADER.unpack(head))


def examine(segment: SegmentFile, offset: int) -> Block | str:
    """The block at ``offset``, or in words why it is missing.

    Checks all that the block can say about itself but not the layout, nor its place among the
    others.  :data:`FILE_ENDS` and :data:`ONLY_ZEROS` are two of the answers.
    """
    head = segment.read(offset, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return "the file ends inside a block header" if len(head) else FILE_ENDS
    header = unpack_header(head)
    if header.magic != BLOCK_MAGIC:
        return "no block begins here" if any(head) else ONLY_ZEROS
    if flaw := header_flaw(header):
        return flaw
    whole = segment.read(offset, header.block_bytes)
    if len(whole) < header.block_bytes:
        return "the file ends inside a block"
    if checksum(whole) != header.crc32c:
        return "the checksum of the block does not agree"
    return Block(offset, header, whole)


def remembered(whole: memoryview, offset: int) -> Block | None:
    """The block at ``offset`` whose bytes were somewhere else than in its segment, checked as
    :func:`examine` does; None if they are not one."""
    header = unpack_header(whole[:HEADER_BYTES])
    is_whole = header.magic == BLOCK_MAGIC and not header_flaw(header)
    if not is_whole or len(whole) != header.block_bytes or checksum(whole) != header.crc32c:
        return None
    return Block(offset, header, whole)


def checksum(whole: Any) -> int:
    """The crc32c that the header of this block ought to hold."""
    return int(crc32c(whole[HEADER_BYTES:], crc32c(_NO_CRC, crc32c(whole[:_CRC_OFFSET]))))


def header_flaw(header: BlockHeader) -> str:
    """Return what is wrong in a header before its checksum is computed; empty if nothing."""
    if header.kind not in OF_RECORDS + OF_TEXT:
        return f"a block of unknown kind {header.kind}"
    if header.block_bytes != padded(HEADER_BYTES + header.payload_bytes):
        return "block_bytes and payload_bytes of the block do not agree"
    if header.block_bytes > MAX_BLOCK_BYTES:
        return f"a block of {header.block_bytes:,} bytes"
    if header.kind in OF_RECORDS:
        size_bytes = header.record_count * RECORD_BYTES + header.text_bytes
        if header.record_count < 1 or size_bytes != header.payload_bytes:
            return "record_count and payload_bytes of the block do not agree"
    elif header.text_bytes != header.payload_bytes:
        return "text_bytes and payload_bytes of the block do not agree"
    return ""


def end_by_headers(segment: SegmentFile) -> int:
    """Return where the blocks of a segment end, going from header to header; only the last one,
    which may just be written, is checked as a whole.  What damaged headers hide lies after it."""
    offset = last = 0
    while len(head := segment.read(offset, HEADER_BYTES)) == HEADER_BYTES:
        header = unpack_header(head)
        if header.magic != BLOCK_MAGIC or header_flaw(header):
            break
        last, offset = offset, offset + header.block_bytes
    segment.forget()
    return last if isinstance(examine(segment, last), str) else offset


def blocks_after(segment: SegmentFile, offset: int, journal_id: int) -> Iterator[BlockHeader]:
    """Headers of the whole blocks of this journal that begin after ``offset``."""
    magic = BLOCK_MAGIC.to_bytes(8, "little")
    for base, data in segment.windows(offset):
        for row in range(-base % ALIGN, len(data), ALIGN):
            if base + row == offset or data[row : row + 8] != magic:
                continue
            block = examine(segment, base + row)
            if isinstance(block, Block) and block.header.journal_id == journal_id:
                yield block.header
