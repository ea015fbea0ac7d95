"""Checks every byte of a journal as fast as the memory gives it, several segments at a time."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openoutcry.journal.block import (
    HASH_BYTES,
    HEADER_BYTES,
    BlockHeader,
    checksum,
    digest,
    header_flaw,
    unpack_header,
)
from openoutcry.journal.checkpoints import (
    checkpoint_flaw,
    checkpoint_path,
    checkpoint_seqs,
    newest_checkpoint,
)
from openoutcry.journal.clock_order import ClockOrder
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.failed import FAILED_NAME, read_failed
from openoutcry.journal.listing import notes_of
from openoutcry.journal.locate import bad_byte
from openoutcry.journal.reader import torn_tail
from openoutcry.journal.scan import NO_TIMES, Scan
from openoutcry.journal.segment import retired_before, segment_numbers, segment_path
from openoutcry.journal.watermark import WATERMARK_NAME, Watermark
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError, OutcryError
from openoutcry.wire.layout_hash import is_readable
from openoutcry.wire.records import BLOCK_MAGIC, ORDER_DTYPE, RECORD_BYTES

WINDOW_BYTES = 16 << 20
"""Several of the largest blocks: the one that the window cuts is read again with the next."""
THREADS = 2
MAX_LOCATED_BYTES = 16 << 20


class _Irregular(Exception):
    """An irregularity that the quick way does not judge."""


@dataclass
class Verified:
    """Result of :func:`verify`.

    If all is sound, ``flaw`` is empty.  The first bad byte is ``bad_byte`` of ``bad_file`` (the
    block's first where no single byte explains it).  A torn tail, ``torn``, is not a flaw: it was
    never acknowledged as far as a watermark says (``watermarked``)."""

    path: str
    journal_id: int = 0
    segments: int = 0
    blocks: int = 0
    commands: int = 0
    first_seq: int = 1
    last_seq: int = 0
    bytes: int = 0
    head: str = ""
    """The hash of the last block: with it noted elsewhere, a change of the journal is noticed."""
    seconds: float = 0.0
    flaw: str = ""
    bad_file: str = ""
    bad_byte: int | None = None
    torn: str = ""
    watermarked: bool = False
    notes: list[str] = field(default_factory=list)
    """What is wrong with files that the journal does not depend on, and what cannot be known."""
    published_found: bool = False
    """Whether a block has the head that was asked for."""

    @property
    def sound(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.flaw

    def as_json(self) -> dict[str, Any]:
        """The result as ``outcry journal verify --json`` prints it."""
        rate = self.bytes / self.seconds if self.seconds else 0.0
        return {
            **asdict(self),
            "journal_id": f"{self.journal_id:016x}",
            "sound": self.sound,
            "bytes_per_s": rate,
        }


@dataclass
class _Segment:
    first: BlockHeader
    last_hash: bytes
    next_index: int
    next_seq: int
    bytes: int
    published_found: bool
    clock_order: ClockOrder


class PublishedHead(NamedTuple):
    """The hash of the block that was the last one when it was published, and the last command then;
    ``seq`` 0: not known."""

    hash: bytes
    seq: int = 0

    @classmethod
    def parse(cls, text: str) -> "PublishedHead":
        """Read ``HASH`` or ``SEQ=HASH``.  Raises ``ValueError`` for anything else."""
        seq, _, digits = text.rpartition("=")
        head = cls(bytes.fromhex(digits), int(seq.replace(",", "") or 0))
        if len(head.hash) != HASH_BYTES or head.seq < 0:
            raise ValueError(text)
        return head


def verify(
    directory: str | os.PathLike[str],
    *,
    published: PublishedHead | None = None,
    disk: Disk = REAL,
) -> Verified:
    """Walk chain and checksums of the whole journal.

    Every block's checksum, layout, place, sequence and link to the block before is checked; with
    ``published`` also that a block has this head.
    Raises :class:`JournalError` for what is not a journal; damage is the answer, not an error.
    """
    started = time.perf_counter()
    result, path = Verified(str(directory)), Path(directory)
    head = published.hash if published else b""
    try:
        _verify_quickly(path, disk, result, head)
    except _Irregular:
        _verify_slowly(path, disk, result, head)
    _require_beginning(path, result)
    if published is not None and not result.flaw:
        _require_published(path, result, published)
    _judge_other_files(path, result)
    result.seconds = time.perf_counter() - started
    return result


def _require_beginning(directory: Path, result: Verified) -> None:
    """Where the beginning was retired, a checkpoint must replace it: else all blocks may be
    sound, and nothing can be replayed from them."""
    if result.first_seq == 1 or result.flaw:
        return
    if newest_checkpoint(directory, result.journal_id, result.last_seq) is not None:
        return
    seqs = checkpoint_seqs(directory)
    path = checkpoint_path(directory, seqs[-1]) if seqs else directory
    result.flaw = (
        f"{directory} begins at sequence {result.first_seq}, and no good checkpoint "
        "replaces the commands before: it cannot be replayed"
    )
    result.bad_file = str(path)


def _require_published(directory: Path, result: Verified, published: PublishedHead) -> None:
    """A block has the published head: nothing before it was changed, and nothing of it is gone."""
    if result.published_found:
        return
    result.flaw = f"{directory}: no block has the published head {published.hash.hex()}"
    result.bad_file = str(directory)
    missing = published.seq - result.last_seq
    if 0 < published.seq < result.first_seq:
        result.flaw += f": the journal begins at sequence {result.first_seq:,}, after it"
    elif missing > 0:
        result.flaw += (
            f", which was published after command {published.seq:,}, and the journal ends with "
            f"command {result.last_seq:,}: {missing:,} command{'s are' if missing > 1 else ' is'} "
            "missing; put back what was removed, or repair it with a copy"
        )
    else:
        result.flaw += ": a block up to it was changed or is missing"


def _judge_other_files(directory: Path, result: Verified) -> None:
    """A note of failed directories that cannot be read stops a resume; a checkpoint that cannot be
    used only makes it slower."""
    try:
        read_failed(directory, result.journal_id)
    except JournalError as error:
        if not result.flaw:
            result.flaw, result.bad_file = str(error), str(directory / FAILED_NAME)
    flaws = [
        checkpoint_flaw(directory, result.journal_id, seq) for seq in checkpoint_seqs(directory)
    ]
    result.notes += [f"{flaw}; it is not used" for flaw in flaws if flaw]


def _verify_quickly(directory: Path, disk: Disk, result: Verified, head: bytes) -> None:
    """Finished segments side by side; one that is being written, the reader's way."""
    numbers = segment_numbers(directory)
    whole = bool(numbers) and numbers == list(range(numbers[-1] + 1))
    if not whole or retired_before(directory):
        raise _Irregular
    if not all(segment_path(directory, n).exists() for n in numbers):
        raise _Irregular
    scan = Scan(directory, disk)
    scan.read_watermark_file()
    with ThreadPoolExecutor(THREADS) as pool:
        check = partial(_segment, directory, disk, scan.watermark, head)
        for number, segment in enumerate(pool.map(check, numbers)):
            if segment is None:
                if number == 0 or scan.next_index == 0:
                    raise _Irregular
                result.published_found |= _read_on(scan, number, head)
                break
            if not _follows(segment, scan):
                raise _Irregular
            scan.journal_id = segment.first.journal_id
            scan.next_index, scan.next_seq = segment.next_index, segment.next_seq
            scan.previous_hash = segment.last_hash
            scan.bytes += segment.bytes
            scan.segments += 1
            scan.clock_order.join(segment.clock_order)
            result.published_found |= segment.published_found
        else:
            if scan.missing():
                raise _Irregular
    result.segments, result.bytes = scan.segments, scan.bytes
    _take_over(result, scan)


def _read_on(scan: Scan, number: int, head: bytes) -> bool:
    """Read from segment ``number`` to the end; whether a block has the hash ``head``."""
    try:
        return _find(scan, number, head)
    except OutcryError:
        raise _Irregular from None


def _find(scan: Scan, number: int | None, head: bytes) -> bool:
    found = False
    for _ in scan.blocks(number):
        found |= scan.previous_hash == head
    return found


def _follows(segment: _Segment, scan: Scan) -> bool:
    first = segment.first
    return (
        first.journal_id == (scan.journal_id or first.journal_id)
        and first.previous_hash == scan.previous_hash
        and first.block_index == scan.next_index
        and first.first_seq == scan.next_seq
    )


def _segment(
    directory: Path, disk: Disk, watermark: Watermark | None, head: bytes, number: int
) -> _Segment | None:
    """One finished segment, checked in itself; None if anything is not as it should be."""
    first: BlockHeader | None = None
    previous, index, seq, size, found = b"", 0, 0, 0, False
    clock_order = ClockOrder()
    for header, whole in _blocks(segment_path(directory, number), disk):
        if first is None:
            first, index, seq, previous = (
                header,
                header.block_index,
                header.first_seq,
                header.previous_hash,
            )
            if header.kind != BlockKind.CONFIG:
                return None
        elif header.kind == BlockKind.CONFIG or header.journal_id != first.journal_id:
            return None
        if (header.block_index, header.first_seq) != (index, seq):
            return None
        if watermark and watermark.block_index == index and not watermark.names(header):
            return None
        if header.previous_hash != previous or header.crc32c != checksum(whole):
            return None
        if header.kind == BlockKind.COMMANDS:
            count = header.record_count
            payload = whole[HEADER_BYTES : HEADER_BYTES + count * RECORD_BYTES]
            records = np.frombuffer(payload, ORDER_DTYPE)
            if not np.array_equal(records["seq"], np.arange(seq, seq + count)):
                return None
            clock_order.take(header, records["rx_ts_ns"])
            seq += count
        elif header.kind == BlockKind.CLOCK:
            clock_order.take(header, NO_TIMES)
        index += 1
        size += header.block_bytes
        previous = digest(whole)
        found |= previous == head
    if first is None or size != segment_path(directory, number).stat().st_size:
        return None
    return _Segment(first, previous, index, seq, size, found, clock_order)


def _blocks(path: Path, disk: Disk) -> Iterator[tuple[BlockHeader, memoryview]]:
    """The blocks of a file as far as their headers make sense; a short walk shows by its size."""
    buffer = memoryview(bytearray(WINDOW_BYTES))
    try:
        fd = disk.open(path, os.O_RDONLY)
    except OSError:
        return
    base, at, end = 0, 0, 0  # the buffer holds the file from base to base + end; we are at `at`
    needed_bytes = HEADER_BYTES
    try:
        while True:
            if end - at < needed_bytes:
                if needed_bytes > len(buffer):
                    buffer = memoryview(bytearray(2 * needed_bytes))
                base, at = base + at, 0
                end = disk.read_into(fd, buffer, base)
                if end < needed_bytes:
                    return
            header = unpack_header(buffer[at : at + HEADER_BYTES])
            sound = header.magic == BLOCK_MAGIC and is_readable(header.layout_hash)
            if not sound or header_flaw(header):
                return
            needed_bytes = header.block_bytes
            if end - at < needed_bytes:
                continue
            yield header, buffer[at : at + needed_bytes]
            at, needed_bytes = at + needed_bytes, HEADER_BYTES
    except OSError:
        return
    finally:
        disk.close(fd)


def _verify_slowly(directory: Path, disk: Disk, result: Verified, head: bytes) -> None:
    """The reader's own walk, which says in words what is wrong and where."""
    scan = Scan(directory, disk)
    try:
        result.published_found = _find(scan, None, head)
    except OutcryError as error:
        if not scan.journal_id:
            raise
        result.flaw = str(error)
        _locate_flaw(scan, result)
    result.segments, result.bytes = scan.segments, scan.bytes
    _take_over(result, scan)


def _locate_flaw(scan: Scan, result: Verified) -> None:
    """The first bad byte: the very one if the checksum can tell, else where its block begins."""
    path = segment_path(scan.directory, scan.end_segment)
    result.bad_file, result.bad_byte = str(path), scan.end_offset
    try:
        with path.open("rb") as file:
            file.seek(scan.end_offset)
            head = file.read(HEADER_BYTES)
            if len(head) < HEADER_BYTES:
                return
            size = unpack_header(head).block_bytes
            if not HEADER_BYTES <= size <= MAX_LOCATED_BYTES:
                return
            whole = head + file.read(size - HEADER_BYTES)
    except OSError:
        return
    at = bad_byte(whole) if len(whole) == size else None
    result.bad_byte = scan.end_offset + (at or 0)


def _take_over(result: Verified, scan: Scan) -> None:
    result.journal_id = scan.journal_id
    result.blocks = scan.next_index
    result.first_seq, result.last_seq = scan.first_seq, scan.next_seq - 1
    result.commands = result.last_seq - result.first_seq + 1
    result.head = scan.previous_hash.hex()
    result.torn = torn_tail(scan) or ""
    result.notes += notes_of(scan)
    result.watermarked = scan.watermark is not None and not scan.watermark_flaw
    if scan.watermark_flaw and not result.flaw:
        result.flaw = scan.watermark_flaw
        result.bad_file, result.bad_byte = str(scan.directory / WATERMARK_NAME), 0
