"""Divergent histories of one journal: where they fork, and whether one was superseded.

A writer begins no block before the one before has come to as many directories as the policy asks.
So a directory may be one block ahead of what was acknowledged, never two.  If the others are
resumed without it, they continue with another block there.
"""

import json
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from openoutcry.journal.block import RESUMED, Block
from openoutcry.journal.checkpoints import remove_later_checkpoints
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.history import RESUMED_BEFORE
from openoutcry.journal.places import begins, block_at, places_of, same_directory
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import retired_before, segment_path, write_whole
from openoutcry.journal.tail import anchor_segment
from openoutcry.journal.watermark import WATERMARK_NAME, Reached, Watermark, pack_watermark
from openoutcry.ring.policy import needed
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError, OutcryError


class Divergence(NamedTuple):
    """The first block that two directories do not share, as ``ours`` has it in segment ``number``.

    ``only_block``: it is the only one there, but for what a segment begins with.  ``resumed``: the
    other directory continues with a run that resumed the journal, and ours does not."""

    number: int
    ours: Block
    only_block: bool
    resumed: bool


def cut_superseded(scan: Scan, copy: Path, disk: Disk = REAL) -> str:
    """Cut off the one block that was in flight when the writer died, if the others never had it.

    The other directories were resumed without this one and continue in ``copy``, whose blocks can
    then be put in its place.  Returns what was done, empty if the two hold one history.

    ``scan`` is at a sound end.  Raises :class:`JournalError` if the histories differ otherwise:
    no program can say which is right.
    """
    try:
        other = _to_end(copy, disk)
    except OutcryError:
        return ""  # it needs mending itself, and then says so
    if other.journal_id != scan.journal_id:
        return ""
    parting = _divergence(scan, other, disk)
    if parting is None:
        return ""
    index = parting.ours.header.block_index
    path = scan.directory
    differ = f"{path} and {copy} hold different blocks of one journal from block {index} on"
    if not _is_superseded(scan, other, parting, disk):
        back = _divergence(other, scan, disk)
        if back is not None and _is_superseded(other, scan, back, disk):
            raise JournalError(f"{differ}: mend {copy}: outcry journal repair {copy} --copy {path}")
        raise JournalError(
            f"{differ}, {scan.next_index - index} here and {other.next_index - index} there, and "
            "no program can tell which of the two is right: remove one, and replace it with a "
            "copy of the other"
        )
    target = segment_path(path, parting.number)
    try:
        _lower_watermark(scan, parting, disk)
        remove_later_checkpoints(path, parting.ours.header.first_seq - 1, disk)
        _cut(target, parting.ours.offset, disk)
    except OSError as error:
        raise JournalError(f"{target}: cannot cut: {error.strerror}") from None
    return (
        f"{target}: block {index}, bytes {parting.ours.offset:,} to {parting.ours.end - 1:,}, cut "
        f"off: it was in flight when its writer died, and a run that resumed without {path} wrote "
        f"another one to {copy}"
    )


def _to_end(path: Path, disk: Disk) -> Scan:
    return Scan(path, disk).to_end(anchor_segment(path, disk))


def _divergence(ours: Scan, theirs: Scan, disk: Disk) -> Divergence | None:
    """Return where two journals diverge; None if one is a prefix of the other."""
    if begins(ours, theirs, disk) or begins(theirs, ours, disk):
        return None
    number = _last_shared(ours, theirs, disk)
    our_scan, their_scan = Scan(ours.directory, disk), Scan(theirs.directory, disk)
    mine, others = our_scan.blocks(number), their_scan.blocks(number)
    for block, other in zip(mine, others, strict=False):
        if block.whole != other.whole:
            at = our_scan.end_segment
            own = next((b for b in chain([block], mine) if not _only_repeats(b)), block)
            answer = next((b for b in chain([other], others) if not _only_repeats(b)), other)
            return Divergence(
                at,
                block,
                only_block=own.header.block_index == ours.next_index - 1,
                resumed=_resumes(answer) and not _resumes(own),
            )
    return None


def _last_shared(ours: Scan, theirs: Scan, disk: Disk) -> int:
    """The last segment whose first block both have: it proves all before it.  Raises
    :class:`JournalError` if they share no segment."""
    first = max(retired_before(ours.directory), retired_before(theirs.directory))
    if first > min(ours.end_segment, theirs.end_segment):
        raise JournalError(
            f"{ours.directory} and {theirs.directory} have no segment in common: the one begins "
            "after the other's end"
        )
    for number in range(min(ours.end_segment, theirs.end_segment), first, -1):
        mine = block_at(ours.directory, number, 0, disk)
        other = block_at(theirs.directory, number, 0, disk)
        if isinstance(mine, Block) and isinstance(other, Block) and mine.whole == other.whole:
            return number
    return first


def _is_superseded(scan: Scan, other: Scan, parting: Divergence, disk: Disk) -> bool:
    """Return whether what ``scan`` has from the parting on was never acknowledged.

    It must be one block, and a resumed run must have written another one.  The directories without
    that other one must be too few to have met the policy."""
    if not (parting.only_block and parting.resumed):
        return False
    places = places_of(scan.directory, scan.document)
    without = 0
    for place in places.others:
        if same_directory(place, other.directory):
            without += 1
            continue
        try:
            third = _to_end(place, disk)
        except OutcryError:
            continue
        without += third.journal_id == other.journal_id and (
            begins(third, other, disk) or begins(other, third, disk)
        )
    return without > places.total - needed(scan.document.get("policy", "all"), places.total)


def _only_repeats(block: Block) -> bool:
    """Return whether a segment has only what every writer begins it with."""
    return block.header.kind == BlockKind.CONFIG or RESUMED_BEFORE in _evidence(block)


def _resumes(block: Block) -> bool:
    return RESUMED in _evidence(block)


def _evidence(block: Block) -> dict[str, object]:
    if block.header.kind != BlockKind.EVIDENCE:
        return {}
    return dict(json.loads(bytes(block.payload)))


def _lower_watermark(scan: Scan, parting: Divergence, disk: Disk) -> None:
    """Lower the watermark, which may name the block that goes: that was durable here."""
    watermark = scan.watermark
    if watermark is None or watermark.block_index < parting.ours.header.block_index:
        return
    before = Scan(scan.directory, disk)
    for block in before.blocks(max(retired_before(scan.directory), parting.number - 1)):
        if block.header.block_index + 1 == parting.ours.header.block_index:
            reached = Reached.by(block.header)
            lower = pack_watermark(Watermark(scan.journal_id, *reached))
            write_whole(scan.directory / WATERMARK_NAME, lower, disk)
            return


def _cut(target: Path, offset: int, disk: Disk) -> None:
    if offset == 0:
        disk.unlink(target)
        disk.sync_directory(target.parent)
        return
    disk.cut(target, offset)
