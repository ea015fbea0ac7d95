"""Appends blocks to a journal and says up to which sequence they are durable."""

import secrets
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy.typing as npt

from openoutcry.journal.block import (
    ALIGN,
    HEADER_BYTES,
    NO_HASH,
    RESUMED,
    BlockBuffer,
    BlockHeader,
    BlockId,
    checksum_of,
    digest,
    pack_json,
    padded,
)
from openoutcry.journal.copies import MirroredStreams, SingleStream
from openoutcry.journal.history import pack_history
from openoutcry.journal.recent import RecentBlocks
from openoutcry.journal.stream import Stream
from openoutcry.journal.watermark import Reached
from openoutcry.wire.closing import Closing
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError
from openoutcry.wire.records import ORDER, RECORD_BYTES

Part = bytes | bytearray | memoryview | npt.NDArray[Any]
"""C-contiguous bytes of whole records: a slice of a ring, or an array."""

_SEQ = struct.Struct("<q")
_SEQ_OFFSET = ORDER.offsets["seq"]


class EventDigest(NamedTuple):
    """``events_hash`` is the hash of every event up to the last one of command ``events_seq``."""

    events_seq: int = 0
    events_hash: int = 0


NO_DIGEST = EventDigest()


class Place(NamedTuple):
    """Where a writer continues."""

    offset: int
    size_bytes: int
    reached: Reached
    """The last block there is."""
    last_hash: bytes
    """The hash of it."""


class Handover(NamedTuple):
    """State that another process needs to resume a journal whose writer let go of it,
    all durable."""

    place: Place
    streams: list[tuple[Path, int, int]]
    """Directory, segment and number of segments of each copy that is written."""
    flaws: list[str]
    """Flaws of the segments that are not intact."""
    resumed: list[dict[str, Any]]
    last_ts_ns: int = 0
    """When the last block of commands or clock records was written; 0: not known."""

    def as_json(self) -> dict[str, Any]:
        """The handover as JSON, for the process that continues the journal."""
        offset, size_bytes, reached, last_hash = self.place
        return {
            "last_ts_ns": self.last_ts_ns,
            "offset": offset,
            "size_bytes": size_bytes,
            "reached": [*reached[:2], reached.previous_hash.hex(), reached.block_crc32c],
            "last_hash": last_hash.hex(),
            "streams": [[str(path), *counts] for path, *counts in self.streams],
            "flaws": self.flaws,
            "resumed": self.resumed,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Handover":
        """The handover of :meth:`as_json`."""
        block_index, seq, previous_hash, crc = document["reached"]
        place = Place(
            document["offset"],
            document["size_bytes"],
            Reached(block_index, seq, bytes.fromhex(previous_hash), crc),
            bytes.fromhex(document["last_hash"]),
        )
        streams = [(Path(path), number, count) for path, number, count in document["streams"]]
        last_ts_ns = int(document.get("last_ts_ns", 0))
        return cls(place, streams, document["flaws"], document["resumed"], last_ts_ns)


class JournalWriter(Closing):
    """The one writer of a journal: made by ``Journal.create`` or ``Journal.resume``.

    ``written_seq`` is the last sequence handed to the kernel, ``durable_seq`` the last that
    survives a power cut; ``blocks`` and ``bytes`` count the whole journal.  After any error the
    writer refuses every further append and sync: what the disk holds then is only known by
    reading it again, which is what resuming does.  Copies that have stopped, while the others still
    meet the policy, are in ``failures``.
    """

    def __init__(
        self,
        directory: Path,
        journal_id: int,
        document: dict[str, Any],
        streams: Sequence[Stream],
        place: Place,
        *,
        total: int = 1,
        flaws: Sequence[str] = (),
        resumed: Sequence[dict[str, Any]] = (),
        last_ts_ns: int = 0,
    ) -> None:
        """``total`` copies, of which those that are not among ``streams`` have ``flaws``;
        ``resumed``: those that an earlier writer has resumed; ``last_ts_ns``: when the last block
        of commands or clock records was written, 0: not known."""
        self.last_ts_ns = last_ts_ns
        self.directory = directory
        self.journal_id = journal_id
        self.document = document
        self.total = total
        self.segment_bytes = int(document["segment_bytes"])
        self.blocks = place.reached.block_index + 1
        self.bytes = place.size_bytes
        self.written_seq = place.reached.seq
        self._config_text = pack_json(document)
        self._resumed = list(resumed)
        self._history_text = pack_history(self._resumed, self.segment_bytes)
        assert place.offset % ALIGN == 0, "a writer continues where a block may begin"
        self._offset = place.offset
        self._previous_hash = place.last_hash
        self._unhashed: memoryview | None = None
        self.recent: RecentBlocks | None = None
        """Memory for those who follow the journal."""
        self._broken = ""
        self._flaws = list(flaws)
        self._buffer = BlockBuffer()
        policy = str(document.get("policy", "all"))
        self._copies: SingleStream | MirroredStreams = (
            SingleStream(streams[0], place.reached)
            if total == 1
            else MirroredStreams(streams, policy, place.reached, total)
        )

    @property
    def durable_seq(self) -> int:
        """The last command that is durable by the journal's policy."""
        return self._copies.durable.seq

    @property
    def failures(self) -> list[str]:
        """Faults of copies of the journal, one text each."""
        return [*self._flaws, *self._copies.failures]

    @property
    def warnings(self) -> list[str]:
        """Conditions that will stop a directory before long."""
        return [stream.warning for stream in self._copies.living if stream.warning]

    @property
    def directories(self) -> list[Path]:
        """The directories that are written."""
        return [stream.directory for stream in self._copies.living]

    @property
    def direct(self) -> bool:
        """Return whether blocks pass the page cache by."""
        return all(stream.direct for stream in self._copies.streams)

    def append(
        self,
        first_seq: int,
        parts: Sequence[Part],
        record_count: int,
        written_ts_ns: int,
        *,
        durable: bool = False,
        event_digest: EventDigest = NO_DIGEST,
        note: dict[str, Any] | None = None,
    ) -> None:
        """Append one block of ``record_count`` orders whose bytes are ``parts`` in a row.

        ``parts`` are one or two C-contiguous buffers of whole ``ORDER_DTYPE`` records (a ring
        slice that wraps has two).  ``first_seq`` is ``written_seq + 1``.  With ``durable`` the
        block and all before are durable on return, else after the next :meth:`sync`.  The
        ``event_digest`` goes into the header; ``note`` follows the records, in the same block
        (``Block.note``).  Raises :class:`JournalError` naming file and byte if the write fails;
        ``written_seq`` then stays.
        """
        self._require_whole()
        if first_seq != self.written_seq + 1:
            raise JournalError(f"append of sequence {first_seq} after {self.written_seq}")
        parts = [part for part in parts if len(part)]
        if not parts:
            raise JournalError(f"append of nothing at sequence {first_seq}")
        self._check_parts(first_seq, parts, record_count)
        self._write_block(
            BlockKind.COMMANDS,
            parts,
            written_ts_ns,
            durable=durable,
            record_count=record_count,
            event_digest=event_digest,
            text=pack_json(note) if note else b"",
        )

    def sync(self) -> None:
        """Make all that was appended durable; then ``durable_seq == written_seq``.

        An error is never retried (``stream.py``).
        """
        self._require_whole()
        if self._copies.durable.block_index < self.blocks - 1:
            try:
                self._copies.sync()
            except JournalError as error:
                self._fail(str(error))

    def evidence(self, document: dict[str, Any]) -> None:
        """Append a block of JSON that says what the state was here, and make all durable."""
        self._write_block(BlockKind.EVIDENCE, [pack_json(document)], time.time_ns(), durable=True)

    @property
    def later_runs(self) -> list[dict[str, Any]]:
        """Records of the runs that resumed the journal, the oldest first."""
        return self._resumed

    def resumed(self, document: dict[str, Any]) -> None:
        """Append a block that says who resumes the journal, and make all durable.

        What an :meth:`evidence` block before it said is then no longer about the end.  No thread of
        this process is left at work: a pipeline forks next, and its journal stage continues.
        """
        now_ns = time.time_ns()
        self._write_block(
            BlockKind.EVIDENCE, [pack_json({RESUMED: document})], now_ns, durable=True
        )
        self._resumed.append({**document, "ts_ns": now_ns})
        self._history_text = pack_history(self._resumed, self.segment_bytes)
        self._copies.rest()

    def clock(self, records: npt.NDArray[Any], written_ts_ns: int) -> None:
        """Append clock evidence: whole 64-byte records, durable with what follows."""
        if records.itemsize != RECORD_BYTES or not len(records):
            raise JournalError(f"clock records of {records.itemsize} bytes, {len(records)} of them")
        self._write_block(BlockKind.CLOCK, [records], written_ts_ns, record_count=len(records))

    def roll(self) -> None:
        """Begin the next segment now; the one before is finished and durable."""
        self._require_whole()
        self._next_segment(0)

    def hash_last_block(self) -> None:
        """Hash the last block now rather than when the next one needs it: off the way of an
        acknowledgement."""
        if self._unhashed is not None:
            self._previous_hash = digest(self._unhashed)
            self._unhashed = None

    def close(self) -> None:
        """Make all durable, give back the prewritten space, close; harmless when repeated.

        A writer that has failed only closes its files: resuming sorts out the rest.
        """
        if self._broken:
            self._copies.abandon()
            return
        try:
            self._copies.close(self._offset)
        except JournalError as error:
            self._fail(str(error))
        finally:
            self._broken = self._broken or f"{self.directory}: the journal is closed"
            self._copies.abandon()

    def hand_over(self) -> Handover:
        """Make all durable and close the files as they are, still prewritten, for another process
        that resumes from what is returned (``Journal.reopen``) and need read nothing."""
        self.sync()
        self.hash_last_block()
        self._copies.rest()
        living = self._copies.living
        place = Place(self._offset, self.bytes, self._copies.durable, self._previous_hash)
        assert place.reached.block_index == self.blocks - 1, "all that was appended is durable"
        assert place.reached.seq == self.written_seq, "the last block ends with what was written"
        handover = Handover(
            place,
            [(stream.directory, stream.number, stream.segment_count) for stream in living],
            self.failures,
            self._resumed,
            self.last_ts_ns,
        )
        self.abandon()
        return handover

    def abandon(self) -> None:
        """Close the files and leave everything on the disk as it is: another writer continues.

        For the process that made a journal and gave it to a child; harmless when repeated.
        """
        self._broken = self._broken or f"{self.directory}: the journal is written elsewhere"
        self._copies.abandon()

    def _check_parts(self, first_seq: int, parts: Sequence[Any], record_count: int) -> None:
        """A slice of the wrong place of a ring shows at its first or last sequence number."""
        sizes = [memoryview(part).nbytes for part in parts]
        if sum(sizes) != record_count * RECORD_BYTES or any(n % RECORD_BYTES for n in sizes):
            raise JournalError(f"append of {record_count} records as buffers of {sizes} bytes")
        last_seq = first_seq + record_count - 1
        found_first = _SEQ.unpack_from(parts[0], _SEQ_OFFSET)[0]
        found_last = _SEQ.unpack_from(parts[-1], sizes[-1] - RECORD_BYTES + _SEQ_OFFSET)[0]
        if (found_first, found_last) != (first_seq, last_seq):
            raise JournalError(
                f"append of sequence {first_seq} to {last_seq}: the records are {found_first} to "
                f"{found_last}"
            )

    def _write_block(
        self,
        kind: BlockKind,
        parts: Sequence[Any],
        written_ts_ns: int,
        *,
        durable: bool = False,
        record_count: int = 0,
        event_digest: EventDigest = NO_DIGEST,
        text: bytes = b"",
    ) -> None:
        self._require_whole()
        if text:
            parts = [*parts, text]
        payload_bytes = sum(memoryview(part).nbytes for part in parts)
        size_bytes = padded(HEADER_BYTES + payload_bytes)
        if self._offset + size_bytes > self.segment_bytes:
            self._next_segment(size_bytes)
        if self._offset == 0 and kind != BlockKind.CONFIG:
            self._write_block(BlockKind.CONFIG, [self._config_text], time.time_ns())
            if self._history_text:
                self._write_block(BlockKind.EVIDENCE, [self._history_text], time.time_ns())
        self.hash_last_block()
        unsynced = self.blocks - 1 - self._copies.durable.block_index
        header = BlockHeader(
            journal_id=self.journal_id,
            block_index=self.blocks,
            first_seq=self.written_seq + 1,
            record_count=record_count,
            written_ts_ns=written_ts_ns,
            previous_hash=self._previous_hash,
            events_seq=event_digest.events_seq,
            events_hash=event_digest.events_hash & (2**64 - 1),
            text_bytes=len(text) if record_count else payload_bytes,
            unsynced_blocks=unsynced,
            kind=kind,
        )
        block = self._buffer.fill(header, parts)
        commands = record_count if kind == BlockKind.COMMANDS else 0
        seq = self.written_seq + commands
        reached = Reached(self.blocks, seq, self._previous_hash, checksum_of(block))
        try:
            self._copies.write(self._offset, block, durable and not unsynced, reached)
            if self.recent is not None:
                # Before anyone hears that it is safe: whom that wakes looks for the block at once.
                self.recent.put(self.blocks, self._offset, block)
            self._unhashed = block
            self._offset += size_bytes
            self.blocks += 1
            self.bytes += size_bytes
            self.written_seq = reached.seq
            if record_count:
                self.last_ts_ns = written_ts_ns
            assert reached.block_index == self.blocks - 1, "a block is counted once"
            assert self._offset % ALIGN == 0, "blocks share no sector"
            assert self._offset <= self.segment_bytes, "a block lies within its segment"
            if durable and unsynced:
                self._copies.sync()
        except JournalError as error:
            self._fail(str(error))

    def _next_segment(self, size_bytes: int) -> None:
        """Go to the next segment, if the block fits one; it begins with the configuration and
        the runs that have resumed the journal so far."""
        head = [text for text in (self._config_text, self._history_text) if text]
        room = self.segment_bytes - sum(padded(HEADER_BYTES + len(text)) for text in head)
        if size_bytes > room:
            raise JournalError(
                f"a block of {size_bytes:,} bytes does not fit a segment of "
                f"{self.segment_bytes:,} with {self.segment_bytes - room:,} of configuration"
            )
        try:
            self._copies.roll(self._offset)
        except JournalError as error:
            self._fail(str(error))
        assert self._copies.durable.seq == self.written_seq, "a finished segment is durable"
        self._offset = 0

    def _require_whole(self) -> None:
        if self._broken:
            raise JournalError(f"the journal writer has stopped: {self._broken}")

    def _fail(self, message: str) -> NoReturn:
        self._broken = self._broken or message
        raise JournalError(message) from None


class Ended(NamedTuple):
    """Where a journal has ended that another directory continues."""

    journal_id: int
    segment: int
    """The number of its last segment."""
    block: BlockId
    """Its last block."""
    seq: int
    """Its last command."""


BEGIN = Ended(0, -1, BlockId(-1, NO_HASH), 0)
"""Before the first block of a journal that continues none."""


def first_block(journal_id: int, document: dict[str, Any], after: Ended = BEGIN) -> bytes:
    """The first block: the configuration, and what a later writer must know to continue."""
    text = pack_json(document)
    header = BlockHeader(
        journal_id=journal_id,
        block_index=after.block.block_index + 1,
        first_seq=after.seq + 1,
        written_ts_ns=time.time_ns(),
        previous_hash=after.block.block_hash,
        text_bytes=len(text),
        kind=BlockKind.CONFIG,
    )
    return bytes(BlockBuffer().fill(header, [text]))


def new_journal_id() -> int:
    """Return a number that distinguishes the blocks of one journal from those of every other."""
    return secrets.randbits(63) | 1
