"""The mark: up to where a journal has been acknowledged, kept beside it.

It is written after the disk has said that the blocks are on it, and is never waited for: a power
cut may leave an older mark, never one that runs ahead.  So it is a lower bound, and enough to tell
a torn tail that nobody was told of from damage to what somebody was.
"""

import struct
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

MARK_NAME = "acknowledged"
MARK_MAGIC = b"OUTCRYAK"
_MARK = struct.Struct("<8sQqq")
_CRC = struct.Struct("<I")
MARK_BYTES = _MARK.size + _CRC.size


class Mark(NamedTuple):
    """Block ``block_index`` and all before are durable; they end with sequence ``seq``."""

    journal_id: int
    block_index: int
    seq: int


def pack_mark(mark: Mark) -> bytes:
    body = _MARK.pack(MARK_MAGIC, mark.journal_id, mark.block_index, mark.seq)
    return body + _CRC.pack(crc32c(body))


def read_mark(directory: Path) -> Mark | None:
    """The mark in ``directory``; None if there is none, or none that can be believed."""
    try:
        data = (directory / MARK_NAME).read_bytes()
    except OSError:
        return None
    if len(data) != MARK_BYTES or data[:8] != MARK_MAGIC:
        return None
    if crc32c(data[: _MARK.size]) != _CRC.unpack_from(data, _MARK.size)[0]:
        return None
    return Mark(*_MARK.unpack_from(data)[1:])
