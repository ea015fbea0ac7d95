"""The directories of one journal, each counted once, and which of them agree."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.journal.block import ALIGN, Block, examine
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import SegmentFile
from openoutcry.ring.policy import needed
from openoutcry.wire.errors import JournalError

PathName = str | os.PathLike[str]


class Places(NamedTuple):
    """``others`` next to the directory in hand; ``total`` that the journal was made with, which is
    what its policy counts; ``flaws`` of those that are not among ``others``."""

    others: list[Path]
    total: int
    flaws: list[str]


def same_directory(a: Path, b: Path) -> bool:
    """Return whether two names are one directory, by links, mounts or spelling."""
    return _identity(a) == _identity(b)


def require_distinct(places: Sequence[Path]) -> None:
    """Raises :class:`JournalError` if two of ``places`` are one directory."""
    if len({_identity(path) for path in places}) != len(places):
        raise JournalError("a directory is given twice for the copies of one journal")


def places_of(
    directory: Path, document: dict[str, Any], copies: Iterable[PathName] | None = None
) -> Places:
    """The directories other than ``directory`` that hold the journal of this ``document``.

    ``copies`` says where they are if they were moved.  A directory that the document does not name
    was moved too: it takes the place of one that is missing.  Raises :class:`JournalError` if
    ``copies`` has one twice, or more than there are.
    """
    named = [Path(name) for name in document.get("places") or document.get("copies", [])]
    total = len(named) if "places" in document else 1 + len(named)
    if copies is not None:
        others = [Path(path) for path in copies]
        require_distinct([directory, *others])
        if len(others) >= total:
            raise JournalError(
                f"{directory}: the journal has {total - 1} copies, but {len(others)} are given"
            )
        return Places(others, total, [])
    others, flaws = [], []
    for path in named if total > 1 else []:
        if same_directory(path, directory):
            continue
        twin = next((other for other in others if same_directory(path, other)), None)
        if twin is None:
            others.append(path)
        else:
            flaws.append(f"{path} is the same directory as {twin}")
    if "places" not in document and len(others) + len(flaws) < total - 1:
        flaws.append(f"{directory} is a copy, and does not name the first directory")
    return Places(others, total, flaws)


def enough(policy: str, total: int) -> int:
    """The number of agreeing copies needed to resume: the policy's quorum, and enough that one
    of them has all that was acknowledged."""
    quorum = needed(policy, total)
    return max(quorum, total - quorum + 1)


def agreeing_scans(
    scans: Sequence[Scan], quorum: int, disk: Disk = REAL
) -> tuple[Scan, list[Scan]]:
    """The scan that goes furthest with at least ``quorum`` (itself included) that are its
    beginnings, and these.

    ``quorum`` is more than half of all there are, so what was acknowledged is in such a set if
    there is one.  Raises :class:`JournalError` without such a set, or if two sets contradict each
    other: no program can say which is right.
    """
    groups: list[tuple[Scan, list[Scan]]] = []
    for tip in scans:
        members = [scan for scan in scans if begins(scan, tip, disk)]
        if len(members) >= quorum:
            groups.append((tip, members))
    if not groups:
        one, other = scans[0].directory, scans[-1].directory
        raise JournalError(
            f"{_named(scans)} hold different blocks of one journal: `outcry journal repair {one} "
            f"--copy {other}` says where they part"
        )
    best, members = max(groups, key=lambda row: (row[0].next_index, row[0].end_segment))
    for tip, _ in groups:
        if not begins(tip, best, disk):
            raise JournalError(
                f"{best.directory} and {tip.directory} end in different blocks of one journal, "
                "and no program can tell which of them is right: remove one of the two"
            )
    return best, members


def begins(shorter: Scan, longer: Scan, disk: Disk = REAL) -> bool:
    """Return whether the blocks of ``shorter`` are the first ones of ``longer``, by their
    hashes."""
    if shorter.next_index == longer.next_index:
        return shorter.previous_hash == longer.previous_hash
    if shorter.next_index > longer.next_index:
        return False
    # All copies have a block at the same place: the next one there, or the next segment's first,
    # says which block precedes it.
    number, offset = shorter.end_segment, shorter.end_offset
    for at_number, at_offset in ((number, offset), (number + 1, 0)):
        block = block_at(longer.directory, at_number, at_offset, disk)
        if isinstance(block, Block) and block.header.block_index == shorter.next_index:
            return block.header.previous_hash == shorter.previous_hash
    return False


def block_at(directory: Path, number: int, offset: int, disk: Disk = REAL) -> Block | str:
    """The block at byte ``offset`` of segment ``number``, or in words why it is missing."""
    segment = SegmentFile.open(directory, number, disk)
    if segment is None:
        return f"{directory} has no segment {number}"
    with segment:
        segment.window_bytes = ALIGN  # nothing but this block
        block = examine(segment, offset)
    return block if isinstance(block, Block) else f"{segment.path}: byte {offset}: {block}"


def _named(scans: Sequence[Scan]) -> str:
    return " and ".join(str(scan.directory) for scan in scans)


def _identity(path: Path) -> tuple[int, int] | str:
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except OSError:
        return real
    return status.st_dev, status.st_ino
