"""Checks every byte of a journal as fast as the memory gives it, several segments at a time."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.block import (
    HEADER_BYTES,
    BlockHeader,
    checksum,
    digest,
    header_flaw,
    unpack_header,
)
from openoutcry.journal.checkpoints import (
    checkpoint_path,
    checkpoint_seqs,
    missing_commands,
    newest_checkpoint,
)
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.locate import bad_byte
from openoutcry.journal.reader import torn_tail
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import retired_before, segment_numbers, segment_path
from openoutcry.journal.watermark import WATERMARK_NAME, Watermark
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout_hash import LAYOUT_HASH
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

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
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


def verify(directory: str | os.PathLike[str], *, disk: Disk = REAL) -> Verified:
    """Walk chain and checksums of the whole journal.

    Every block's checksum, layout, place, sequence and link to the block before is checked.
    Raises :class:`JournalError` for what is not a journal; damage is the answer, not an error.
    """
    started = time.perf_counter()
    result = Verified(str(directory))
    seqs = checkpoint_seqs(Path(directory)) if Path(directory).is_dir() else []
    try:
        _verify_quickly(Path(directory), disk, result)
    except _Irregular:
        _verify_slowly(Path(directory), disk, result)
    _require_beginning(Path(directory), result)
    _require_end(Path(directory), result, seqs)
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


def _require_end(directory: Path, result: Verified, seqs: list[int]) -> None:
    """No checkpoint of this journal, of those that were there before, is from after its end."""
    if not result.flaw:
        result.flaw = missing_commands(directory, result.journal_id, result.last_seq, seqs)
        result.bad_file = str(checkpoint_path(directory, seqs[-1])) if result.flaw else ""


def _verify_quickly(directory: Path, disk: Disk, result: Verified) -> None:
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
        check = partial(_segment, directory, disk, scan.watermark)
        for number, segment in enumerate(pool.map(check, numbers)):
            if segment is None:
                if number == 0 or scan.next_index == 0:
                    raise _Irregular
                _read_on(scan, number)
                break
            if not _follows(segment, scan):
                raise _Irregular
            scan.journal_id = segment.first.journal_id
            scan.next_index, scan.next_seq = segment.next_index, segment.next_seq
            scan.previous_hash = segment.last_hash
            scan.bytes += segment.bytes
            scan.segments += 1
        else:
            if scan.watermark and scan.watermark.block_index >= scan.next_index:
                raise _Irregular
    result.segments, result.bytes = scan.segments, scan.bytes
    _take_over(result, scan)


def _read_on(scan: Scan, number: int) -> None:
    try:
        scan.to_end(number)
    except OutcryError:
        raise _Irregular from None


def _follows(segment: _Segment, scan: Scan) -> bool:
    first = segment.first
    return (
        first.journal_id == (scan.journal_id or first.journal_id)
        and first.previous_hash == scan.previous_hash
        and first.block_index == scan.next_index
        and first.first_seq == scan.next_seq
    )


def _segment(
    directory: Path, disk: Disk, watermark: Watermark | None, number: int
) -> _Segment | None:
    """One finished segment, checked in itself; None if anything is not as it should be."""
    first: BlockHeader | None = None
    previous, index, seq, size = b"", 0, 0, 0
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
            seqs = np.frombuffer(payload, ORDER_DTYPE)["seq"]
            if not np.array_equal(seqs, np.arange(seq, seq + count)):
                return None
            seq += count
        index += 1
        size += header.block_bytes
        previous = digest(whole)
    if first is None or size != segment_path(directory, number).stat().st_size:
        return None
    return _Segment(first, previous, index, seq, size)


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
            sound = header.magic == BLOCK_MAGIC and header.layout_hash == LAYOUT_HASH
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


def _verify_slowly(directory: Path, disk: Disk, result: Verified) -> None:
    """The reader's own walk, which says in words what is wrong and where."""
    scan = Scan(directory, disk)
    try:
        scan.to_end()
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
    result.watermarked = scan.watermark is not None and not scan.watermark_flaw
    if scan.watermark_flaw and not result.flaw:
        result.flaw = scan.watermark_flaw
        result.bad_file, result.bad_byte = str(scan.directory / WATERMARK_NAME), 0
