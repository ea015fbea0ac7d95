"""Repair a journal without losing anything acknowledged, and report each change."""

import os
from contextlib import ExitStack
from pathlib import Path

from openoutcry.journal.archive import maintenance_lock
from openoutcry.journal.block import ALIGN, HEADER_BYTES, Block, BlockHeader, examine, unpack_header
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.diverged import cut_superseded
from openoutcry.journal.failed import FAILED_NAME, forget_failed, read_failed
from openoutcry.journal.lock import JournalLock, lock_if_there
from openoutcry.journal.places import PathName, begins, block_at, places_of, same_directory
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import (
    SegmentFile,
    make_segment,
    read_from_disk,
    segment_path,
    space_error,
    sync_file,
    write_whole,
)
from openoutcry.journal.watermark import (
    WATERMARK_NAME,
    Reached,
    Watermark,
    pack_watermark,
    read_watermark,
)
from openoutcry.ring.policy import needed
from openoutcry.wire.errors import Appended, JournalError, OutcryError

BLOCK_WINDOW_BYTES = ALIGN
"""No reading ahead where one block after the other is checked and written between."""


def repair(directory: PathName, copy: PathName | None = None, *, disk: Disk = REAL) -> list[str]:
    """Mend a journal that no pipeline is writing; returns what was done, one line a change.

    Five things can be done:

    - A block that is damaged or missing is put back from ``copy``, another directory of the same
      journal, if it is the very block that the chain asks for there.
    - A torn end after the last block is cut off, if it was never acknowledged as far as the
      watermarks here and in the journal's other directories say.
    - Bytes that were appended to a finished segment are cut off: the next segment proves it.
    - A damaged watermark is made again where the copies show that nothing acknowledged is missing.
    - A block that was in flight when the writer died gives way to that of the directories that
      continued without it (``diverged.py``).

    Then, with ``copy``, a directory that had failed counts again (``failed.py``).  Raises
    :class:`JournalError` where no repair is possible, with what was mended before: nothing
    acknowledged is thrown away.
    """
    path = Path(directory)
    source = None if copy is None else Path(copy)
    for place in (path, *([source] if source else [])):
        if not place.is_dir():  # before the lock, which would make it
            raise JournalError(f"{place}: no such directory")
    done: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(JournalLock(path))
        stack.enter_context(maintenance_lock(path))
        if source is not None:
            if same_directory(path, source):
                raise JournalError(f"{source} is the journal itself, not a copy of it")
            if (lock := lock_if_there(source)) is not None:
                stack.callback(lock.release)
        read_from_disk(path, disk)
        scan = Scan(path, disk)
        while step := _step(scan, source, disk, done):
            done.append(step)
            if not scan.journal_id:
                scan = Scan(path, disk)
        if source is not None:
            done += _take_over(scan, source, disk, done)
            done += _readmit(path, source, disk)
    return done


def _step(scan: Scan, copy: Path | None, disk: Disk, done: list[str]) -> str:
    """Do one thing and say it; empty if all is sound.  The scan resumes after what was mended."""
    path = scan.directory
    try:
        scan.resume()
    except Appended:
        return _cut_appended(scan, disk)
    except OutcryError as error:
        return _restore(scan, str(error), copy, disk, done)
    if scan.live:
        raise JournalError(f"{path} is being written by another process")
    if copy is not None and not isinstance(place := _find_in_copy(scan, copy, disk), str):
        return _put_back(scan, place, copy, disk)
    if scan.torn:
        return _cut_tail(scan, copy, disk)
    if scan.watermark_flaw:
        return _renew_watermark(scan, copy, disk)
    return ""


def _take_over(scan: Scan, copy: Path, disk: Disk, done: list[str]) -> list[str]:
    """Go over to the history of ``copy`` if what is here was superseded by it."""
    try:
        step = cut_superseded(scan, copy, disk)
        if not step:
            return []
        steps, anew = [step], Scan(scan.directory, disk)
        while step := _step(anew, copy, disk, steps):
            steps.append(step)
    except JournalError as error:
        raise JournalError(f"{error}{_before(done)}") from None
    return steps


def _before(done: list[str]) -> str:
    return f" (mended before: {'; '.join(done)})" if done else ""


def _readmit(path: Path, copy: Path, disk: Disk) -> list[str]:
    """Take the note that ``path`` failed from all directories: it was read again, and is sound."""
    scan, other = Scan(path, disk).to_end(), Scan(copy, disk)
    done = []
    for place in {path, copy, *_others(scan)}:
        noted = read_failed(place, scan.journal_id)
        mine = {name for name in noted if same_directory(Path(name), path)}
        if not mine:
            continue
        if not other.journal_id:
            other.to_end()
        if other.journal_id != scan.journal_id or not begins(other, scan, disk):
            raise JournalError(f"{path} and {copy} hold different blocks: it does not count again")
        lock = None if place in (path, copy) else lock_if_there(place)
        try:
            forget_failed(place, scan.journal_id, mine, disk)
        except OSError as error:
            raise space_error(place / FAILED_NAME, error, 0) from None
        finally:
            if lock is not None:
                lock.release()
        done.append(f"{path}: counts again for {place}")
    return sorted(done)


def _restore(scan: Scan, flaw: str, copy: Path | None, disk: Disk, done: list[str]) -> str:
    """Put back the block that belongs where the scan stopped."""
    before = _before(done)
    if copy is None:
        raise JournalError(f"{flaw}; a second copy could repair it: give --copy DIR{before}")
    place = _find_in_copy(scan, copy, disk)
    if isinstance(place, str):
        raise JournalError(f"{flaw}; the copy cannot mend it: {place}{before}")
    number, block = place
    ours = block_at(scan.directory, number, block.offset, disk)
    if isinstance(ours, Block) and ours.whole == block.whole:
        raise JournalError(
            f"{flaw}; the copy has the same block there: one before it was changed together with "
            f"its checksum, and no program can tell which of the two is right{before}"
        )
    try:
        return _put_back(scan, place, copy, disk)
    except JournalError as error:
        raise JournalError(f"{flaw}; {error}{before}") from None


def _put_back(scan: Scan, place: tuple[int, Block], copy: Path, disk: Disk) -> str:
    """Restore the block at ``place`` and those right after it, until one of ours follows or the
    copy has no more in that segment; the scan then continues after them."""
    number, block = place
    first, target = block, segment_path(scan.directory, number)
    _require_right(scan, number, block, copy, disk)
    _put(target, number, block, disk)
    with ExitStack() as stack:
        ours = stack.enter_context(SegmentFile.require(scan.directory, number, disk))
        theirs = stack.enter_context(SegmentFile.require(copy, number, disk))
        ours.window_bytes = BLOCK_WINDOW_BYTES
        # Without a first block the pass has not begun: it begins again.
        while scan.journal_id:
            scan.accept(number, block)
            following = _following(scan, ours, theirs, copy, disk)
            if following is None:
                break
            block = following
            _put(target, number, block, disk)
    try:
        sync_file(target, disk)
    except OSError as error:
        raise JournalError(f"{target}: cannot sync: {error.strerror}") from None
    blocks = f"block {first.header.block_index}"
    if block is not first:
        blocks = f"blocks {first.header.block_index} to {block.header.block_index}"
    return f"{target}: {blocks}, bytes {first.offset:,} to {block.end - 1:,}, restored from {copy}"


def _following(
    scan: Scan, ours: SegmentFile, theirs: SegmentFile, copy: Path, disk: Disk
) -> Block | None:
    """The copy's block after the one just restored, if ours is missing or damaged there as well.

    The next step judges what is not as simple as that, and says why."""
    ours.forget()
    own, block = examine(ours, scan.end_offset), examine(theirs, scan.end_offset)
    if isinstance(own, Block) and _follows(scan, own):
        return None
    if not isinstance(block, Block) or not _follows(scan, block):
        return None
    if isinstance(own, Block) and own.whole == block.whole:
        return None
    try:
        _require_right(scan, theirs.number, block, copy, disk)
    except JournalError:
        return None
    return block


def _follows(scan: Scan, block: Block) -> bool:
    """Return whether the block is the one that the chain requires where the scan stopped."""
    header = block.header
    return (
        (header.block_index, header.first_seq) == (scan.next_index, scan.next_seq)
        and scan.journal_id in (0, header.journal_id)
        and (not scan.next_index or header.previous_hash == scan.previous_hash)
    )


def _require_right(scan: Scan, number: int, block: Block, copy: Path, disk: Disk) -> None:
    """Require that nothing left here or in another directory contradicts the block."""
    _require_no_conflict(scan, number, block, copy, disk)
    scan.require_acknowledged(f"{copy}, segment {number}", block.header)


def _require_no_conflict(scan: Scan, number: int, block: Block, copy: Path, disk: Disk) -> None:
    """Require that what is left of our own block agrees with this one, or that no other directory
    has another.

    The copy may have fallen behind and not have what was acknowledged later."""
    index = block.header.block_index
    words = f"hold different blocks {index}, and no program can tell which of them is right"
    remains = _leftover_header(scan, number, block, disk)
    if remains is not None:
        # One damage seldom hits both: where both differ another block was there.
        changed = remains.written_ts_ns != block.header.written_ts_ns
        if changed and remains.crc32c != block.header.crc32c:
            raise JournalError(f"{copy} and what is left in {scan.directory} {words}")
        return
    for other in _others(scan):
        if same_directory(other, copy):
            continue
        theirs = block_at(other, number, block.offset, disk)
        if not isinstance(theirs, Block) or theirs.header.block_index != index:
            continue
        if theirs.header.journal_id == block.header.journal_id and theirs.whole != block.whole:
            raise JournalError(f"{copy} and {other} {words}")


def _leftover_header(scan: Scan, number: int, block: Block, disk: Disk) -> BlockHeader | None:
    """The header of our own block at that place, if one of the same number can be made out."""
    segment = SegmentFile.open(scan.directory, number, disk)
    if segment is None:
        return None
    with segment:
        segment.window_bytes = BLOCK_WINDOW_BYTES
        head = bytes(segment.read(block.offset, HEADER_BYTES))
    if len(head) < HEADER_BYTES:
        return None
    ours, right = unpack_header(head), block.header
    same = (ours.magic, ours.journal_id, ours.block_index) == right[:1] + right[2:4]
    return ours if same else None


def _others(scan: Scan) -> list[Path]:
    return places_of(scan.directory, scan.document).others if scan.document else []


def _find_in_copy(scan: Scan, copy: Path, disk: Disk) -> tuple[int, Block] | str:
    """The block that the scan asks for, and its segment; else what was found instead.

    It is where the scan stopped, at the begin of the next segment, or where the segment before ends
    too early."""
    number, offset = scan.end_segment, scan.end_offset
    places = [(number, offset), (number + 1, 0)]
    before = segment_path(scan.directory, number - 1)
    if offset == 0 and number and before.exists():
        places.append((number - 1, before.stat().st_size))
    why = ""
    for at_number, at_offset in places:
        block = block_at(copy, at_number, at_offset, disk)
        if isinstance(block, str):
            why = why or block
            continue
        if _follows(scan, block):
            return at_number, block
        why = why or f"block {block.header.block_index} of it there is different"
    return why


def _put(target: Path, number: int, block: Block, disk: Disk) -> None:
    """Write the block; the caller syncs."""
    try:
        if not target.exists():
            make_segment(target.parent, number, len(block.whole), block.whole, disk)
            return
        fd = disk.open(target, os.O_RDWR)
        try:
            if disk.write(fd, block.whole, block.offset) != len(block.whole):
                raise JournalError(f"{target}: byte {block.offset}: not written whole")
        finally:
            disk.close(fd)
    except OSError as error:
        raise JournalError(
            f"{target}: byte {block.offset}: cannot write: {error.strerror}"
        ) from None


def _cut_appended(scan: Scan, disk: Disk) -> str:
    """Cut off what follows the last block of a finished segment: the next segment proves that this
    block was the last."""
    path = segment_path(scan.directory, scan.end_segment)
    if not path.exists():
        raise JournalError(f"{path}: bytes follow its last block, and it is archived")
    size_bytes = path.stat().st_size
    _truncate(path, scan.end_offset, disk)
    return (
        f"{path}: {size_bytes - scan.end_offset:,} bytes cut off that followed block "
        f"{scan.next_index - 1}, the last one of a finished segment"
    )


def _truncate(path: Path, size_bytes: int, disk: Disk) -> None:
    try:
        disk.cut(path, size_bytes)
    except OSError as error:
        raise JournalError(f"{path}: cannot cut: {error.strerror}") from None


def _cut_tail(scan: Scan, copy: Path | None, disk: Disk) -> str:
    """Cut off what follows the last whole block, if it was never acknowledged."""
    path = segment_path(scan.directory, scan.end_segment)
    if scan.watermark is None or scan.watermark_flaw:
        why = scan.watermark_flaw or "no watermark says what was acknowledged"
        _require_all_known(scan, f"{scan.torn}; {why}, so nothing is cut off", copy, disk)
    for other in {*_others(scan), *([copy] if copy else [])}:
        watermark, _ = read_watermark(other)
        if (
            watermark
            and watermark.journal_id == scan.journal_id
            and watermark.block_index >= scan.next_index
        ):
            up_to = f"block {watermark.block_index}, sequence {watermark.seq}"
            raise JournalError(
                f"{scan.torn}; but {other} says that the journal was acknowledged up to {up_to}: "
                f"put it back with --copy {other}"
            )
    _truncate(path, scan.end_offset, disk)
    return (
        f"{path}: {scan.dirty_end - scan.end_offset:,} bytes of a torn tail cut off after block "
        f"{scan.next_index - 1}, sequence {scan.next_seq - 1}; they were never acknowledged"
    )


def _renew_watermark(scan: Scan, copy: Path | None, disk: Disk) -> str:
    """Make a watermark that says that all there is was acknowledged."""
    _require_all_known(scan, scan.watermark_flaw, copy, disk)
    path = scan.directory / WATERMARK_NAME
    assert scan.last_header is not None, "a pass that reached its end has seen a block"
    watermark = Watermark(scan.journal_id, *Reached.by(scan.last_header))
    try:
        write_whole(path, pack_watermark(watermark), disk)
    except OSError as error:
        raise JournalError(f"{path}: cannot write: {error.strerror}") from None
    return f"{path}: made again, up to block {watermark.block_index}, sequence {watermark.seq}"


def _require_all_known(scan: Scan, flaw: str, copy: Path | None, disk: Disk) -> None:
    """Without this directory's watermark the others must show that nothing acknowledged is missing.

    They must be enough that one of them has every acknowledged block, and no one may have more than
    this directory."""
    total = places_of(scan.directory, scan.document).total
    quorum = total - needed(scan.document.get("policy", "all"), total) + 1
    places = [*_others(scan)]
    if copy is not None and not any(same_directory(copy, place) for place in places):
        places.append(copy)
    known = 0
    for place in places:
        try:
            other = Scan(place, disk).to_end()
        except OutcryError:
            continue
        known += other.journal_id == scan.journal_id and begins(other, scan, disk)
    if copy is None or known < quorum:
        raise JournalError(
            f"{flaw}; {quorum} other directories could show that nothing is missing, {known} do. "
            "Give --copy DIR, bring the watermark back, or remove it and resume if the last blocks "
            "may be missing"
        )
