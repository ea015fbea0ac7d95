"""The mark: up to where a journal has been acknowledged, kept beside it.

It is written after the disk has said that the blocks are on it, and is never waited for: a power
cut may leave an older mark, never one that runs ahead.  So it is a lower bound, and enough to tell
a torn tail that nobody was told of from damage to what somebody was.

It is 36 bytes at the begin of its file, made whole under its name and then only overwritten: within
one sector, which a disk writes whole or not at all.  So no power cut leaves half a mark, and one
that cannot be believed was damaged.
"""

import struct
import time
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

MARK_NAME = "acknowledged"
MARK_MAGIC = b"OUTCRYAK"
_MARK = struct.Struct("<8sQqq")
_CRC = struct.Struct("<I")
MARK_BYTES = _MARK.size + _CRC.size
ATTEMPTS = 5
RETRY_S = 0.001
"""A reader beside the writer may see half of an overwrite."""


class Mark(NamedTuple):
    """Block ``block_index`` and all before are durable; they end with sequence ``seq``."""

    journal_id: int
    block_index: int
    seq: int


def pack_mark(mark: Mark) -> bytes:
    body = _MARK.pack(MARK_MAGIC, mark.journal_id, mark.block_index, mark.seq)
    return body + _CRC.pack(crc32c(body))


def read_mark(directory: Path) -> tuple[Mark | None, str]:
    """The mark in ``directory`` and what is wrong with it: (None, "") if there is none."""
    path = directory / MARK_NAME
    flaw = ""
    for _ in range(ATTEMPTS):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{path}: cannot read: {error.strerror}"
        if not data:  # made, and the power went before it said anything
            return None, ""
        mark = _unpack(data)
        if mark is not None:
            return mark, ""
        flaw = f"{path}: damaged: it does not say up to where the journal was acknowledged"
        time.sleep(RETRY_S)
    return None, flaw


def _unpack(data: bytes) -> Mark | None:
    if len(data) != MARK_BYTES or data[:8] != MARK_MAGIC:
        return None
    if crc32c(data[: _MARK.size]) != _CRC.unpack_from(data, _MARK.size)[0]:
        return None
    return Mark(*_MARK.unpack_from(data)[1:])
