"""Mends what can be mended without losing anything that was acknowledged, and says what it did."""

import os
from pathlib import Path

from openoutcry.journal.block import Block, examine
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.errors import JournalError
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.mark import read_mark
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import SegmentFile, make_segment, segment_path
from openoutcry.wire.errors import OutcryError


def repair(
    directory: str | os.PathLike[str],
    copy: str | os.PathLike[str] | None = None,
    *,
    disk: Disk = REAL,
) -> list[str]:
    """Mend a journal that no pipeline is writing; returns what was done, one line a change.

    Two things are ever done: a torn tail that was never acknowledged is cut off, and a block that
    is damaged or missing is put back from ``copy``, another directory of the same journal, if it
    is the very block that the chain asks for there.  Raises :class:`JournalError`, having said
    in it what was mended before, where neither is possible: nothing acknowledged is thrown away.
    """
    path = Path(directory)
    done: list[str] = []
    with JournalLock(path):
        while True:
            scan = Scan(path, disk)
            try:
                for _ in scan.blocks():
                    pass
            except OutcryError as error:
                done.append(_restore(scan, str(error), copy, disk, done))
                continue
            if scan.live:
                raise JournalError(f"{path} is being written by another process")
            if scan.torn:
                done.append(_cut_tail(scan, disk))
                continue
            return done


def _restore(
    scan: Scan,
    flaw: str,
    copy: str | os.PathLike[str] | None,
    disk: Disk,
    done: list[str],
) -> str:
    """Put back the block that belongs where the scan stopped."""
    before = f" (mended before: {'; '.join(done)})" if done else ""
    if copy is None:
        raise JournalError(f"{flaw}; a second copy could mend it: give --copy DIR{before}")
    place = _find_in_copy(scan, Path(copy), disk)
    if isinstance(place, str):
        raise JournalError(f"{flaw}; the copy cannot mend it: {place}{before}")
    number, found = place
    offset, header = found.offset, found.header
    target = segment_path(scan.directory, number)
    ours = _in_copy(scan.directory, number, offset, disk) if target.exists() else ""
    if isinstance(ours, Block) and ours.whole == found.whole:
        raise JournalError(
            f"{flaw}; the copy has the same block there: one before it was changed together with "
            f"its checksum, and which of the two is right no program can say{before}"
        )
    _put(target, number, offset, found, disk)
    last = offset + header.block_bytes - 1
    return (
        f"{target}: block {header.block_index}, bytes {offset:,} to {last:,}, restored from {copy}"
    )


def _find_in_copy(scan: Scan, copy: Path, disk: Disk) -> tuple[int, Block] | str:
    """The block that the scan asks for, and its segment: where the scan stopped, at the begin of
    the next segment, or where the one before ends too early; else what was found instead."""
    number, offset = scan.end_segment, scan.end_offset
    places = [(number, offset), (number + 1, 0)]
    before = segment_path(scan.directory, number - 1)
    if offset == 0 and number and before.exists():
        places.append((number - 1, before.stat().st_size))
    why = ""
    for at_number, at_offset in places:
        found = _in_copy(copy, at_number, at_offset, disk)
        if isinstance(found, str):
            why = why or found
            continue
        header = found.header
        right = (header.block_index, header.first_seq) == (scan.next_index, scan.next_seq)
        same = scan.journal_id in (0, header.journal_id)
        if right and same and (not scan.next_index or header.previous_hash == scan.previous_hash):
            return at_number, found
        why = why or f"block {header.block_index} of it there is another one"
    return why


def _in_copy(directory: Path, number: int, offset: int, disk: Disk) -> Block | str:
    segment = SegmentFile.open(directory, number, disk)
    if segment is None:
        return f"{segment_path(directory, number)} is missing"
    with segment:
        found = examine(segment, offset)
    return found if isinstance(found, Block) else f"{segment.path}: byte {offset}: {found}"


def _put(target: Path, number: int, offset: int, block: Block, disk: Disk) -> None:
    try:
        if not target.exists():
            make_segment(target.parent, number, len(block.whole), block.whole, disk)
            return
        fd = disk.open(target, os.O_RDWR)
        try:
            if disk.write(fd, block.whole, offset) != len(block.whole):
                raise JournalError(f"{target}: byte {offset}: the block was not written whole")
            disk.sync(fd)
        finally:
            disk.close(fd)
    except OSError as error:
        raise JournalError(f"{target}: byte {offset}: cannot write: {error.strerror}") from None


def _cut_tail(scan: Scan, disk: Disk) -> str:
    """Cut off what stands behind the last whole block; the scan has seen that nobody was told of
    it, as far as a mark says so."""
    path = segment_path(scan.directory, scan.end_segment)
    if read_mark(scan.directory) is None:
        raise JournalError(
            f"{scan.torn}; no mark says what was acknowledged, so nothing is cut off: resume the "
            "journal's own pipeline, or bring the mark or a copy back"
        )
    try:
        fd = disk.open(path, os.O_RDWR)
        try:
            disk.truncate(fd, scan.end_offset)
            disk.sync(fd)
        finally:
            disk.close(fd)
    except OSError as error:
        raise JournalError(f"{path}: cannot cut: {error.strerror}") from None
    return (
        f"{path}: {scan.dirty_end - scan.end_offset:,} bytes of a torn tail cut off behind block "
        f"{scan.next_index - 1}, sequence {scan.next_seq - 1}; nobody had been told of them"
    )
