"""The acknowledged watermark: up to which block a journal has been acknowledged, kept next to it.

It is written after the disk has said that the blocks are on it, and is never waited for.  A power
cut may leave an older one, never one that runs ahead.  So it is a lower bound, and enough to tell a
torn, unacknowledged tail from damage to acknowledged blocks.

It names its block by the chain (the hash of the block before) and by the block's own checksum.  A
watermark of another history of the same journal is therefore not believed.  And it names its
writer: one that finds another's there has been superseded, and acknowledges nothing more.

It is at the begin of its file, made whole under its name and then only overwritten: within one
sector, which a disk writes whole or not at all.  So no power cut leaves half of one, and one that
cannot be believed was damaged.
"""

import struct
import time
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from openoutcry.journal.block import HASH_BYTES, NO_HASH, BlockHeader

WATERMARK_NAME = "acknowledged"
WATERMARK_MAGIC = b"OUTCRYA2"
OLD_MAGIC = b"OUTCRYAK"
_WATERMARK = struct.Struct(f"<8sQqq{HASH_BYTES}sIQ")
_CRC = struct.Struct("<I")
WATERMARK_BYTES = _WATERMARK.size + _CRC.size
ATTEMPTS = 5
RETRY_S = 0.001
"""A reader may see half of an overwrite while the writer runs."""


class Reached(NamedTuple):
    """Up to which block, the last sequence in or before it, and which block that is: the hash of
    the one before and its own checksum."""

    block_index: int
    seq: int
    previous_hash: bytes = NO_HASH
    block_crc32c: int = 0

    @classmethod
    def by(cls, header: BlockHeader) -> "Reached":
        """Return the watermark with a block of this header; it holds the commands that its header
        counts, if any."""
        seq = header.first_seq - 1 + header.commands
        return cls(header.block_index, seq, header.previous_hash, header.crc32c)


class Watermark(NamedTuple):
    """Block ``block_index`` and all before are durable; they end with sequence ``seq``."""

    journal_id: int
    block_index: int
    seq: int
    previous_hash: bytes = NO_HASH
    block_crc32c: int = 0
    writer_id: int = 0

    def names(self, header: BlockHeader) -> bool:
        """Return whether the block of this header, which has the watermark's index, is the one
        meant."""
        return Reached.by(header) == Reached(*self[1:5])


def pack_watermark(watermark: Watermark) -> bytes:
    """The bytes of the watermark's file, checksum included."""
    assert watermark.block_index >= -1, "-1 says that nothing was acknowledged yet"
    body = _WATERMARK.pack(WATERMARK_MAGIC, *watermark)
    return body + _CRC.pack(crc32c(body))


def read_watermark(directory: Path) -> tuple[Watermark | None, str]:
    """The watermark in ``directory`` and what is wrong with it; (None, "") without one."""
    path = directory / WATERMARK_NAME
    flaw = ""
    for _ in range(ATTEMPTS):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{path}: cannot read: {error.strerror}"
        if not data:  # its writer makes it whole under its name: no power cut leaves this
            return None, f"{path}: is empty: the acknowledged end of the journal is unknown"
        watermark = unpack_watermark(data)
        if watermark is not None:
            return watermark, ""
        if data[:8] == OLD_MAGIC:
            return None, f"{path}: of an older format, which this program does not read"
        flaw = f"{path}: damaged: the acknowledged end of the journal is unknown"
        time.sleep(RETRY_S)
    return None, flaw


def unpack_watermark(data: bytes) -> Watermark | None:
    """The watermark that these bytes are; None if they are not a watermark."""
    if len(data) != WATERMARK_BYTES or data[:8] != WATERMARK_MAGIC:
        return None
    if crc32c(data[: _WATERMARK.size]) != _CRC.unpack_from(data, _WATERMARK.size)[0]:
        return None
    return Watermark(*_WATERMARK.unpack_from(data)[1:])
