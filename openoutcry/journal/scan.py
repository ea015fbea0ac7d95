"""Scan a journal from its first block to its end, and classify the end."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.block import (
    FILE_ENDS,
    HEADER_BYTES,
    NO_HASH,
    ONLY_ZEROS,
    RESUMED,
    Block,
    BlockHeader,
    blocks_after,
    digest,
    end_by_headers,
    examine,
    remembered,
)
from openoutcry.journal.clock_order import ClockOrder
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.history import RESUMED_BEFORE
from openoutcry.journal.missing import Claim, claims, missing_text, proved
from openoutcry.journal.recent import RecentBlocks
from openoutcry.journal.segment import (
    MAX_SEGMENTS,
    ZEROS,
    SegmentFile,
    retired_before,
    segment_numbers,
    segment_path,
)
from openoutcry.journal.watermark import WATERMARK_NAME, Watermark, read_watermark
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import Appended, Hole, JournalError, Missing
from openoutcry.wire.layout_hash import check_readable
from openoutcry.wire.records import BLOCK_MAGIC, ORDER_DTYPE

END_UNKNOWN = (MAX_SEGMENTS, 0)
NO_TIMES = np.zeros(0, np.int64)


class Scan:
    """One pass over a journal with every check; the writer's resume and the reader both use it.

    After :meth:`blocks` is exhausted, ``end_segment`` and ``end_offset`` are where the next block
    belongs.  What was found there instead of a clean end is in ``torn`` (None: clean), and
    ``dirty_end`` is one past the last byte there that is not zero.  If another process wrote there
    meanwhile, ``live`` is true: the pass ends where the journal ended when it began.

    These follow the blocks: ``next_seq``, ``next_index`` and ``previous_hash`` (of the last block).
    So do ``bytes`` (whole blocks) and ``segments`` (that hold blocks).  The configuration block's
    document is ``document``; ``resumed`` has one for each later run.  That of the last run's end is
    ``evidence`` (None so far).  The journal begins at ``first_seq``: 1, unless segments before were
    retired.  A pass that begins later has its own beginning (``begin_segment``).
    """

    def __init__(self, directory: Path, disk: Disk = REAL) -> None:
        self.directory = directory
        self.disk = disk
        self.watermark: Watermark | None = None
        self._watermark_flaw = ""
        self._claims: list[Claim] = []
        """What other files said of the journal when the pass began."""
        self.journal_id = 0
        self.first_seq = 1
        self.next_seq = 1
        self.next_index = 0
        self.previous_hash = NO_HASH
        self.bytes = 0
        self.segments = 0
        self.document: dict[str, Any] = {}
        self.evidence: dict[str, Any] | None = None
        self.resumed: list[dict[str, Any]] = []
        self.last_header: BlockHeader | None = None
        self.begin_segment = 0
        self.end_segment = 0
        self.end_offset = 0
        self.dirty_end = 0
        self.torn: str | None = None
        self.live = False
        self._stood = END_UNKNOWN
        self.clock_order = ClockOrder()
        self.notes: list[str] = []
        """What the pass cannot know."""
        self.recent: RecentBlocks | None = None
        """Where :meth:`new_blocks` looks first."""
        self._named: tuple[int, str] = -1, ""
        """A segment, and its path as text."""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the journal's first block has."""
        return dict(self.document.get("config", {}))

    @property
    def segment_bytes(self) -> int:
        """The size of a whole segment in bytes."""
        return int(self.document["segment_bytes"])

    @property
    def watermark_flaw(self) -> str:
        """Return why the watermark, which is there, does not count; empty if it does."""
        watermark = self.watermark
        if watermark is not None and watermark.journal_id != self.journal_id:
            path = self.directory / WATERMARK_NAME
            return f"{path}: of another journal, {watermark.journal_id:016x}"
        return self._watermark_flaw

    @property
    def unwatermarked(self) -> str:
        """Return why nothing says up to where the journal was acknowledged; empty if a watermark
        does."""
        if self.watermark_flaw:
            return self.watermark_flaw
        path = self.directory / WATERMARK_NAME
        return "" if self.watermark is not None else f"there is no watermark ({path})"

    def read_watermark_file(self) -> None:
        """Read ``watermark``, what is wrong with its file, and what other files prove."""
        self.watermark, self._watermark_flaw = read_watermark(self.directory)
        self._claims = claims(self.directory)

    def blocks(self, from_segment: int | None = None) -> Iterator[Block]:
        """Yield each block in order; :class:`JournalError` names file and byte of any damage.

        ``from_segment``: begin there, with all the fields that follow the blocks already set to
        what the segments before led to.
        """
        number = self._first_segment() if from_segment is None else from_segment
        # Before the first block is read: what it says now must be found.
        self.read_watermark_file()
        rest = self._blocks_from(number)
        first = next(rest, None)
        if first is None:
            return
        yield first  # all that is wanted of most passes over a first block
        unread: JournalError | None = None
        try:
            self._stood = _current_end(self.directory, self.disk)
        except JournalError as error:
            unread = error
        yield from rest
        if unread:  # no read error goes unsaid, also one that the walk did not meet again
            raise unread

    def _blocks_from(self, number: int, offset: int = 0) -> Iterator[Block]:
        while (segment := SegmentFile.open(self.directory, number, self.disk)) is not None:
            with segment:
                if not (yield from self._segment_blocks(segment, offset)):
                    return
            number, offset = number + 1, 0
        self._require_no_gap(number)
        self._require_complete(f"{segment_path(self.directory, self.end_segment)}", FILE_ENDS)

    def to_end(self, from_segment: int | None = None) -> "Scan":
        """Walk all blocks for what they leave here; returns itself.  Raises as :meth:`blocks`."""
        for _ in self.blocks(from_segment):
            pass
        return self

    def resume(self) -> "Scan":
        """Walk on from where the pass stopped, after what stopped it there was mended; a pass that
        has not begun begins.  Returns itself, raises as :meth:`blocks`."""
        if not self.journal_id:
            return self.to_end()
        self.torn, self.dirty_end, self.live = None, 0, False
        self.read_watermark_file()
        self._stood = _current_end(self.directory, self.disk)
        for _ in self._blocks_from(self.end_segment, self.end_offset):
            pass
        return self

    def new_blocks(self) -> Iterator[Block]:
        """Yield the whole blocks from ``end_segment`` and ``end_offset`` on, while a writer runs; a
        further call resumes after them.

        What is there instead of the next block is not judged: the writer may be at it.  Without a
        new block a call reads one header.
        """
        while (block := self._remembered()) is not None:
            yield block
        number, offset = self.end_segment, self.end_offset
        while (segment := SegmentFile.open(self.directory, number, self.disk)) is not None:
            with segment:
                segment.follow()
                head = segment.head(offset)
                if self.journal_id and head and not head.startswith(_MAGIC):
                    self.end_segment, self.end_offset = number, offset
                    return
                if (yield from self._whole_blocks(segment, offset)) != FILE_ENDS:
                    return
            number, offset = number + 1, 0
        self._require_no_gap(number)

    def _remembered(self) -> Block | None:
        """The next block if memory has it: in the segment where the pass is, for the first of
        another one lies at its begin."""
        offset = self.end_offset
        if self.recent is None or not offset:
            return None
        whole = self.recent.find(self.next_index, offset)
        block = remembered(whole, offset) if whole is not None else None
        if block is None or block.header.journal_id != self.journal_id:
            return None
        if self._named[0] != self.end_segment:
            self._named = self.end_segment, str(segment_path(self.directory, self.end_segment))
        self._take(f"{self._named[1]}: byte {offset}", block)
        self.end_offset = block.end
        return block

    def accept(self, number: int, block: Block) -> None:
        """Count a block that was put where the pass stopped, and continue after it."""
        path = segment_path(self.directory, number)
        self._take(f"{path}: byte {block.offset}", block)
        self.end_segment, self.end_offset = number, block.end

    def _segment_blocks(self, segment: SegmentFile, offset: int) -> Generator[Block, None, bool]:
        """Yield the blocks of one segment; true if it is filled and the next one continues."""
        end = yield from self._whole_blocks(segment, offset)
        if end == FILE_ENDS:
            if self.end_offset == 0 and not segment.size_bytes:
                self._judge_empty(segment)
            return True
        if end:
            self._classify_end(segment, end)
        return False

    def _judge_empty(self, segment: SegmentFile) -> None:
        """A segment without any byte is damage, unless it is the last one: a standby begins one so,
        and whether anything was in it cannot be told."""
        if later := [n for n in segment_numbers(self.directory) if n > segment.number]:
            raise JournalError(
                f"{segment.path} is empty, and {later[0]:06d} is there: all of its blocks are "
                "missing"
            )
        self.notes.append(f"{segment.path} is empty: whether blocks were in it is unknown")

    def _whole_blocks(self, segment: SegmentFile, offset: int) -> Generator[Block, None, str]:
        """Yield the blocks of one segment up to the journal's end; returns what is there
        instead of a further one, empty if that was written since."""
        if not self.journal_id:
            self.end_segment = segment.number
            self._begin(segment)
        self.end_segment, self.end_offset = segment.number, offset
        while not isinstance(block := examine(segment, self.end_offset), str):
            if (segment.number, self.end_offset) >= self._stood:
                self.live = True
                return ""
            self._take(f"{segment.path}: byte {block.offset}", block)
            self.end_offset = block.end
            yield block
        return block

    def _begin(self, segment: SegmentFile) -> None:
        """Take the journal's identity from its first block, and its place if it is not the
        first that was ever written."""
        header = _first_block(segment).header
        self.begin_segment = segment.number
        self.journal_id = header.journal_id
        if segment.number:
            self.next_index, self.previous_hash = header.block_index, header.previous_hash
            self.first_seq = self.next_seq = header.first_seq

    def _take(self, where: str, block: Block) -> None:
        """Check a block's place among the others and count it."""
        header = block.header
        check_readable(header.layout_hash, where)
        if header.journal_id != self.journal_id:
            raise JournalError(f"{where}: a block of another journal, {header.journal_id:016x}")
        if header.block_index != self.next_index:
            raise JournalError(f"{where}: {self._misplaced(block)}")
        if header.previous_hash != self.previous_hash:
            raise JournalError(f"{where}: the chain is broken: the block before was another one")
        if (header.kind == BlockKind.CONFIG) != (block.offset == 0):
            raise JournalError(f"{where}: block {header.block_index} is of kind {header.kind}")
        if header.first_seq != self.next_seq:
            raise JournalError(
                f"{where}: sequence {header.first_seq} where {self.next_seq} belongs"
            )
        if header.kind == BlockKind.COMMANDS:
            self._take_commands(where, block)
        elif header.kind == BlockKind.CLOCK:
            self.clock_order.take(header, NO_TIMES)
        elif header.kind == BlockKind.CONFIG:
            self._take_config(where, block)
        elif header.kind == BlockKind.EVIDENCE:
            self._take_evidence(where, block)
        self.require_acknowledged(where, header)
        self.segments += block.offset == 0
        self.next_index += 1
        self.last_header = header
        self.bytes += header.block_bytes
        self.previous_hash = digest(block.whole)
        assert self.next_seq == header.first_seq + header.commands, "commands are counted once"
        assert self.first_seq <= self.next_seq, "sequences only grow"

    def _misplaced(self, block: Block) -> str:
        """Return what a block of another number than the next one shows."""
        found, wanted = block.header.block_index, self.next_index
        words = f"block {found} where {wanted} belongs"
        if block.offset:
            return words
        if found < wanted:
            return f"{words}: an earlier segment is in this place"
        lost = f"{found - wanted:,} blocks are missing" if found > wanted + 1 else "1 is missing"
        return f"{words}: {lost}: the segment before was cut off, or a later one is in this place"

    def require_acknowledged(self, where: str, header: BlockHeader) -> None:
        """The watermark's block is the one that was acknowledged."""
        watermark = self.watermark
        if watermark is None or watermark.journal_id != self.journal_id:
            return
        if watermark.block_index == header.block_index and not watermark.names(header):
            raise JournalError(
                f"{where}: block {header.block_index} is not the one that {WATERMARK_NAME} says "
                "was acknowledged: one of the two is of another history of this journal"
            )

    def _take_config(self, where: str, block: Block) -> None:
        document = _document(where, block)
        try:
            dict(document["config"])
            int(document["segment_bytes"])
        except (KeyError, TypeError, ValueError):
            raise JournalError(f"{where}: the configuration block lacks its fields") from None
        if self.document and document != self.document:
            raise JournalError(f"{where}: the configuration is not that of the first segment")
        self.document = document

    def _take_evidence(self, where: str, block: Block) -> None:
        document = _document(where, block)
        if RESUMED_BEFORE in document:
            # Of a journal whose beginning is gone, or not read; else it is known already.
            self.resumed = self.resumed or _history(where, document)
            return
        resumed = document.get(RESUMED)
        if resumed is None:
            self.evidence = document
            return
        if not isinstance(resumed, dict):
            raise JournalError(f"{where}: `{RESUMED}` is not an object")
        self.resumed.append({**resumed, "ts_ns": block.header.written_ts_ns})
        self.evidence = None

    def _take_commands(self, where: str, block: Block) -> None:
        first_seq, count = block.header.first_seq, block.header.record_count
        records = np.frombuffer(block.payload, ORDER_DTYPE)
        self.clock_order.take(block.header, records["rx_ts_ns"])
        if count == 1 and int.from_bytes(block.payload[-8:], "little") == first_seq:
            self.next_seq += 1  # most blocks of a journal in no hurry
            return
        seqs = records["seq"]
        wrong = seqs != np.arange(first_seq, first_seq + count)
        if wrong.any():
            row = int(wrong.argmax())
            raise JournalError(
                f"{where}: record {row} of the block: seq is {seqs[row]} where "
                f"{first_seq + row} belongs"
            )
        self.next_seq += count

    def _classify_end(self, segment: SegmentFile, flaw: str) -> None:
        """There is no block at the end: tell a clean end, a torn tail and damage apart."""
        offset = self.end_offset
        later = self._data_after(segment, offset)
        # A running writer may have come this far meanwhile.  It finishes a block before it
        # begins the next, so what is still the same now was not being written before `later`.
        segment.forget()
        if examine(segment, offset) != flaw:
            self.live = True
            return
        where = f"{segment.path}: byte {offset}"
        if offset and self._continues_in(segment.number + 1):
            raise Appended(
                f"{where}: {segment.size_bytes - offset:,} bytes follow block "
                f"{self.next_index - 1}, the last one of a finished segment, and the next segment "
                "continues after that block: they were appended, and are no part of the journal"
            )
        if later:
            raise Hole(f"{where}: {flaw}, but {later}: the journal is damaged here")
        self._require_complete(where, flaw)
        if offset == 0 and flaw != ONLY_ZEROS and segment.read(0, 8) not in (_MAGIC, ZEROS[:8]):
            raise JournalError(f"{segment.path} is not a journal segment: {flaw}")
        self.dirty_end = _dirty_end(segment, offset)
        if self.dirty_end > offset:
            behind = sum(1 for _ in blocks_after(segment, offset, self.journal_id))
            if behind and self.unwatermarked:
                raise Hole(
                    f"{where}: {flaw}, but {behind:,} whole blocks follow, and "
                    f"{self.unwatermarked}: the journal is damaged here"
                )
            self.torn = (
                f"{where}: {flaw}, and nothing that was durable follows: a torn tail of up to "
                f"{self.dirty_end - offset:,} bytes"
                + (f", {behind:,} whole blocks among them" if behind else "")
            )

    def _data_after(self, segment: SegmentFile, offset: int) -> str:
        """Return the evidence that the journal was once durable after ``offset``; empty if nothing.

        Whole blocks may follow a hole: written before any of them was synced, kept by a power cut
        that lost the hole's.  Each says how many before it were not durable yet."""
        for header in blocks_after(segment, offset, self.journal_id):
            if header.block_index - 1 - header.unsynced_blocks >= self.next_index:
                return f"block {header.block_index} was written when this one was durable"
        for number in segment_numbers(self.directory):
            if number <= segment.number:
                continue
            other = SegmentFile.open(self.directory, number, self.disk)
            if other is None:  # an unused one that a closing writer just removed
                continue
            with other:
                if any(data.count(0) < len(data) for _, data in other.windows(0)):
                    return f"{other.path.name} holds data"
        return ""

    def _continues_in(self, number: int) -> bool:
        """Return whether segment ``number`` begins with the block that follows the last one."""
        segment = SegmentFile.open(self.directory, number, self.disk)
        if segment is None:
            return False
        with segment:
            first = examine(segment, 0)
        if isinstance(first, str):
            return False
        header = first.header
        return (header.block_index, header.previous_hash, header.journal_id) == (
            self.next_index,
            self.previous_hash,
            self.journal_id,
        )

    def _require_complete(self, where: str, flaw: str) -> None:
        """All that the watermark and other files prove must have been found."""
        if missing := self.missing():
            raise Missing(f"{where}: {flaw}, but {missing}")

    def missing(self) -> str:
        """Return the sentence about blocks after the end of the pass that something proves were
        there; empty if nothing does."""
        watermark, last_seq = self.watermark, self.next_seq - 1
        proofs = proved(self._claims, self.journal_id, last_seq)
        seq, proof = last_seq, ""
        if proofs:
            seq = proofs[0].seq
            proof = f"{proofs[0].path} was made after command {seq:,}"
        files = [one.path for one in proofs]
        is_own = watermark is not None and watermark.journal_id == self.journal_id
        if watermark is not None and is_own and watermark.block_index >= self.next_index:
            files.append(self.directory / WATERMARK_NAME)
            if watermark.seq >= seq:
                seq = watermark.seq
                proof = (
                    f"the journal was acknowledged up to block {watermark.block_index}, "
                    f"sequence {seq}: the journal is damaged here"
                )
        return missing_text(self.directory, last_seq, seq, proof, files) if files else ""

    def _first_segment(self) -> int:
        numbers = segment_numbers(self.directory)
        if not numbers:
            names = sorted(os.listdir(self.directory))
            contents = f"holds {', '.join(names[:3])}" if names else "is empty"
            raise JournalError(f"{self.directory} is not a journal: it {contents}, no segment")
        # Retired ones may still be there if that was cut short.
        first = retired_before(self.directory)
        if first not in numbers:
            path = segment_path(self.directory, first)
            why = "" if first else ", and no file `retired` says that it was retired"
            raise JournalError(f"{path} is missing{why}")
        self.notes += [
            f"{segment_path(self.directory, number)} is not read: `retired` says that the journal "
            f"begins with segment {first:06d}"
            for number in numbers
            if number < first
        ]
        return first

    def _require_no_gap(self, number: int) -> None:
        """Segment ``number`` is not there: then no later one may be."""
        later = [other for other in segment_numbers(self.directory) if other > number]
        path = segment_path(self.directory, number)
        if later and not path.exists():
            raise JournalError(f"{path} is missing, but {later[0]:06d} is there")


_MAGIC = BLOCK_MAGIC.to_bytes(8, "little")


def _current_end(directory: Path, disk: Disk) -> tuple[int, int]:
    """Segment and byte after the last whole block at this moment: found by the headers of the last
    segment that holds data, for a writer fills one after the other.

    Only a bound for a pass while a writer runs: no block that is there now, and is sound up to its
    first bad byte, begins at or after it.
    """
    for number in reversed(segment_numbers(directory)):
        segment = SegmentFile.open(directory, number, disk)
        if segment is None:
            continue
        with segment:
            if any(segment.head()):
                return number, end_by_headers(segment)
    return END_UNKNOWN


def _first_block(segment: SegmentFile) -> Block:
    """The first block decides whether this is a journal at all, and of which layout."""
    head = bytes(segment.read(0, HEADER_BYTES))
    if head[:8] != _MAGIC:
        begins = f"it begins with {head[:8]!r}" if head else "it is empty"
        raise JournalError(f"{segment.path} is not a journal segment: {begins}")
    if len(head) >= 16:
        # Before the checksum: another layout may have put it elsewhere.
        check_readable(int.from_bytes(head[8:16], "little"), str(segment.path))
    block = examine(segment, 0)
    if isinstance(block, str):
        raise JournalError(f"{segment.path}: byte 0: {block}: the configuration cannot be read")
    return block


def _document(where: str, block: Block) -> dict[str, Any]:
    """The JSON object that a block carries."""
    try:
        document = json.loads(bytes(block.payload))
    except ValueError as error:
        raise JournalError(f"{where}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise JournalError(f"{where}: JSON, but not an object")
    return document


def _history(where: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs that resumed the journal before this segment."""
    rows = document[RESUMED_BEFORE]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise JournalError(f"{where}: `{RESUMED_BEFORE}` is not a list of objects")
    return rows


def _dirty_end(segment: SegmentFile, offset: int) -> int:
    """One past the last byte from ``offset`` on that is not zero; ``offset`` if all are."""
    end = offset
    for base, data in segment.windows(offset):
        if data != (ZEROS if len(data) == len(ZEROS) else ZEROS[: len(data)]):
            end = base + len(data.rstrip(b"\0"))
    return end
