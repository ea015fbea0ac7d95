"""A standby's own journal: the primary's blocks, byte for byte at the same places.

It is not a writer (``journal/writer.py`` is one, from the moment this node leads).  Blocks are
taken as they come, and those for which the chain has others are cut off.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.journal import JournalReader
from openoutcry.journal.block import (
    HEADER_BYTES,
    RESUMED,
    BlockHeader,
    digest,
    unpack_header,
)
from openoutcry.journal.checkpoints import remove_later_checkpoints
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.segment import segment_numbers, segment_path
from openoutcry.journal.tail import bytes_before
from openoutcry.journal.watermark import WATERMARK_NAME, Reached, read_watermark
from openoutcry.journal.writer import Handover
from openoutcry.journal.writer import Place as JournalPlace
from openoutcry.replica.message import GENESIS
from openoutcry.replica.place import PLACE_FILE, read_place
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import Hole, Missing, ReplicaError


class Place(NamedTuple):
    """Where a block lies, and its hash."""

    segment: int
    offset: int
    end: int
    hash: bytes
    last_seq: int
    """The last command in or before it."""


class LocalJournal:
    """Holds and locks the journal in ``directory``, made there if it is missing.

    The journal was begun with ``config``; None before its first block.  A torn end is cut off.  So
    are the blocks after a hole that a power cut left.  Blocks come faster than they are synced, and
    each says that the primary had those before it on its disk.  The place is in ``flaw``.

    Raises :class:`ReplicaError` for a journal of several directories, ``JournalError`` for a
    damaged one or one in use.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lock = JournalLock(directory)
        self.config: dict[str, Any] | None = None
        self.document: dict[str, Any] = {}
        """Document of its first block: the configuration with what the writer needs."""
        self.flaw = ""
        self.last_commands: tuple[BlockHeader, memoryview] | None = None
        """The last block of commands, if it was appended here."""
        self._last: BlockHeader | None = None
        self._runs: list[tuple[int, dict[str, Any]]] = []
        """Who resumed the journal, each after the index of the block that says so."""
        self.journal_id = 0
        self.first_block = 0
        self.places: list[Place] = []
        self._segment_bytes = 0
        self._fd = -1
        self._unsynced = False
        try:
            if segment_numbers(directory):
                self._read()
        except BaseException:
            self.lock.release()
            raise

    @property
    def next_block(self) -> int:
        """Number of the block that will be written next."""
        return self.first_block + len(self.places)

    def hash_of(self, index: int) -> bytes:
        """Return the hash of a stored block, or of the one before the first."""
        if index < self.first_block:
            return GENESIS
        return self.places[index - self.first_block].hash

    def append(self, block: memoryview) -> None:
        """Write one block after those before; durable after :meth:`sync`."""
        header = unpack_header(block[:HEADER_BYTES])
        before = self.hash_of(self.next_block - 1) if self.places else GENESIS
        if header.block_index != self.next_block or header.previous_hash != before:
            raise ReplicaError(f"{self.directory}: block {header.block_index} does not follow")
        if header.kind == BlockKind.CONFIG:
            self._begin_segment(header.text_bytes, block)
        elif not self.places:
            raise ReplicaError(f"{self.directory}: no configuration precedes the first block")
        last = self.places[-1] if self.places else None
        segment, offset = (last.segment, last.end) if last else (0, 0)
        if header.kind == BlockKind.CONFIG:
            segment, offset = (last.segment + 1 if last else 0), 0
        path = segment_path(self.directory, segment)
        try:
            self._open(segment)
            written = os.pwrite(self._fd, block, offset)
        except OSError as error:
            raise ReplicaError(f"{path}: byte {offset}: cannot write: {error.strerror}") from None
        if written != len(block):
            raise ReplicaError(f"{path}: byte {offset}: only {written:,} bytes were written")
        self._unsynced = True
        self.journal_id = header.journal_id
        last_seq = header.first_seq + header.commands - 1
        self.places.append(Place(segment, offset, offset + len(block), digest(block), last_seq))
        self._note(header, block)
        if header.kind == BlockKind.COMMANDS:
            self.last_commands = header, block

    def _note(self, header: BlockHeader, block: memoryview) -> None:
        """Return what a writer that continues must know."""
        self._last = header
        if header.kind != BlockKind.EVIDENCE:
            return
        evidence = json.loads(bytes(block[HEADER_BYTES : HEADER_BYTES + header.text_bytes]))
        if isinstance(run := evidence.get(RESUMED), dict):
            self._runs.append((header.block_index, {**run, "ts_ns": header.written_ts_ns}))

    def hand_over(self) -> Handover | None:
        """Return what the journal's writer needs to continue, after :meth:`close`; None where it
        must be read again first. Each block was checked when it was appended, and what follows the
        last was cut off."""
        last = self._last
        if last is None or last.block_index != self.next_block - 1:
            return None
        at = self.places[-1]
        place = JournalPlace(
            at.end, bytes_before(self.directory, at.segment) + at.end, Reached.by(last), at.hash
        )
        streams = [(self.directory, at.segment, at.segment + 1)]
        return Handover(place, streams, [], [run for _, run in self._runs])

    def sync(self) -> None:
        """All that was appended is on the disk on return; a disk that cannot is left, not asked
        again."""
        if self._fd >= 0 and self._unsynced:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise ReplicaError(f"{self.directory}: cannot sync: {error.strerror}") from None
            self._unsynced = False

    def cut(self, index: int) -> None:
        """Remove block ``index`` and all after it: another node leads, and has others or none."""
        count = index - self.first_block
        if count < 1:
            raise ReplicaError(
                f"{self.directory}: another journal than the stream's from its first block on: "
                "move it away, and the standby begins again"
            )
        gone, self.places = self.places[count:], self.places[:count]
        self._last = self.last_commands = None
        self._runs = [(at, run) for at, run in self._runs if at < index]
        self._close()
        # They may say that what goes was durable, which it was: here alone.
        (self.directory / WATERMARK_NAME).unlink(missing_ok=True)
        (self.directory / PLACE_FILE).unlink(missing_ok=True)
        last = self.places[-1]
        remove_later_checkpoints(self.directory, last.last_seq)
        for segment in sorted({place.segment for place in gone}, reverse=True):
            if segment != last.segment:
                segment_path(self.directory, segment).unlink()
        self._open(last.segment)
        os.ftruncate(self._fd, last.end)
        os.fsync(self._fd)
        self._sync_directory()

    def close(self, keep_lock: bool = False) -> None:
        """Leave a journal that a writer can resume, and let go of it; with ``keep_lock`` of all but
        its lock, which the process that continues with it gives back."""
        if self._fd >= 0:
            if os.fstat(self._fd).st_size < self._segment_bytes:
                os.ftruncate(self._fd, self._segment_bytes)  # zeros: where a next block would be
            os.fsync(self._fd)
        self._close()
        self._sync_directory()
        if not keep_lock:
            self.lock.release()

    def _read(self) -> None:
        reader = JournalReader(self.directory)
        if len(reader.document.get("places", [])) > 1:
            raise ReplicaError(
                f"{self.directory} is one of several directories: a standby keeps one"
            )
        segment = -1
        try:
            for block in reader.all_blocks():
                if block.header.kind == BlockKind.CONFIG and block.offset == 0:
                    if segment < 0:
                        self.first_block = block.header.block_index
                        segment = segment_numbers(self.directory)[0]
                    else:
                        segment += 1
                last_seq = block.header.first_seq + block.header.commands - 1
                self.places.append(
                    Place(segment, block.offset, block.end, digest(block.whole), last_seq)
                )
                self._note(block.header, block.whole)
        except Hole as hole:
            if not self.places or self.next_block < self._known_durable(reader.journal_id):
                raise
            self.flaw = str(hole)
        except Missing as missing:
            # The stream may have them, and gives them again; what was acknowledged here is damage.
            if not self.places or self.next_block < self._acknowledged(reader.journal_id):
                raise
            self.flaw = str(missing)
        known = len(reader.resumed) - len(self._runs)
        self._runs[:0] = [(-1, run) for run in reader.resumed[:known]]
        self.document = reader.document
        self.config, self.journal_id = reader.config, reader.journal_id
        self._segment_bytes = int(reader.document["segment_bytes"])
        last = self.places[-1]
        for number in segment_numbers(self.directory):
            if number > last.segment:
                segment_path(self.directory, number).unlink()
        self._open(last.segment)
        os.ftruncate(self._fd, last.end)
        self._unsynced = True  # its writer may have been killed before its sync

    def _known_durable(self, journal_id: int) -> int:
        """Return how many blocks this disk must have: the place is noted after their sync, the
        watermark after their acknowledgement."""
        return max(
            read_place(self.directory, journal_id).next_block, self._acknowledged(journal_id)
        )

    def _acknowledged(self, journal_id: int) -> int:
        """Return how many blocks the watermark says were acknowledged."""
        watermark, _ = read_watermark(self.directory)
        if watermark is None or watermark.journal_id != journal_id:
            return 0
        return watermark.block_index + 1

    def _begin_segment(self, text_bytes: int, block: memoryview) -> None:
        document = json.loads(bytes(block[HEADER_BYTES : HEADER_BYTES + text_bytes]))
        if len(document.get("places", [])) > 1:
            raise ReplicaError("the primary's journal has further directories: a standby keeps one")
        self._segment_bytes = int(document["segment_bytes"])
        if self.config is None:
            self.document = document
            self.config = document["config"]

    def _open(self, segment: int) -> None:
        path = segment_path(self.directory, segment)
        if self._fd >= 0:
            if self.places and self.places[-1].segment == segment:
                return
            self.sync()
            self._close()
        is_new = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            self._sync_directory()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _sync_directory(self) -> None:
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)
