"""A journal's directory, made again from its blocks alone, byte for byte."""

import json
import os
from pathlib import Path
from typing import Any

from openoutcry.journal.block import HEADER_BYTES, BlockHeader, unpack_header
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.segment import segment_numbers, segment_path
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import ReplicaError

SYNC_BYTES = 64 << 20


class SegmentWriter:
    """Writes whole journal blocks, in their order from the first on, as segments of a new journal
    in ``directory``.  A configuration block begins a segment, as it did where it was written; what
    a later writer needs (zeros ahead, the watermark) it makes itself when it resumes.

    Raises :class:`ReplicaError` where a journal is already; nothing of it is touched then.
    """

    def __init__(self, directory: Path) -> None:
        existed = directory.exists()
        self.lock = JournalLock(directory)
        if existed and segment_numbers(directory):
            self.lock.release()
            raise ReplicaError(f"{directory} already holds a journal")
        self.directory = directory
        self.number = -1
        self.bytes = 0
        self._fd = -1
        self._unsynced_bytes = 0
        self._segment_bytes = 0

    def append(self, block: Any) -> None:
        """Write one block after those before."""
        header = unpack_header(block[:HEADER_BYTES])
        if header.kind == BlockKind.CONFIG:
            self._next_segment(header, block)
        if self._fd < 0:
            raise ReplicaError(f"block {header.block_index}: no configuration precedes it")
        view = memoryview(block)
        while len(view):
            written = os.write(self._fd, view)
            view = view[written:]
        self.bytes += header.block_bytes
        self._unsynced_bytes += header.block_bytes
        if self._unsynced_bytes > SYNC_BYTES:
            self.sync()

    def sync(self) -> None:
        """All that was written is on the disk on return."""
        if self._fd >= 0:
            os.fdatasync(self._fd)
        self._unsynced_bytes = 0

    def close(self) -> None:
        """Fill the last segment with zeros, bring all to the disk, and release the journal."""
        if self._fd >= 0:
            size = os.fstat(self._fd).st_size
            if size < self._segment_bytes:
                os.ftruncate(self._fd, self._segment_bytes)  # zeros: where a next block would be
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
            fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(fd)
            os.close(fd)
        self.lock.release()

    def _next_segment(self, header: BlockHeader, block: Any) -> None:
        text = bytes(block[HEADER_BYTES : HEADER_BYTES + header.text_bytes])
        self._segment_bytes = int(json.loads(text)["segment_bytes"])
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
        self.number += 1
        path = segment_path(self.directory, self.number)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
