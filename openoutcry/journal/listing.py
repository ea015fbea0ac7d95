"""What a journal's directory holds, in one document."""

from pathlib import Path
from typing import Any

from openoutcry.journal.block import Block
from openoutcry.journal.checkpoints import (
    checkpoint_flaw,
    checkpoint_path,
    checkpoint_seqs,
)
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.failed import read_failed
from openoutcry.journal.lock import held
from openoutcry.journal.places import places_of
from openoutcry.journal.reader import torn_tail
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import packed_path, segment_numbers, segment_path
from openoutcry.journal.watermark import WATERMARK_NAME, read_watermark
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import Missing


def describe(directory: Path, disk: Disk = REAL) -> dict[str, Any]:
    """Read the whole journal, checked, and describe it: identity, segments, checkpoints, copies.

    Raises :class:`JournalError` for what is not a journal and for damage.
    """
    scan = Scan(directory, disk)
    rows: dict[int, dict[str, Any]] = {}
    missing = ""
    try:
        for block in scan.blocks():
            _count(rows, scan.end_segment, block)
    except Missing as error:
        missing = str(error)
    for number in segment_numbers(directory):
        if number in rows:
            rows[number] |= _file(directory, number, number == scan.end_segment)
    watermark = None if scan.watermark_flaw else scan.watermark
    return {
        "path": str(directory),
        "journal_id": f"{scan.journal_id:016x}",
        "first_seq": scan.first_seq,
        "last_seq": scan.next_seq - 1,
        "commands": scan.next_seq - scan.first_seq,
        "blocks": scan.next_index,
        "bytes": scan.bytes,
        "head": scan.previous_hash.hex(),
        "acknowledged_seq": watermark.seq if watermark else None,
        "watermark_flaw": scan.watermark_flaw,
        "torn": torn_tail(scan),
        "missing": missing,
        "clock_set_back": [one._asdict() for one in scan.clock_order.found],
        "evidence": scan.evidence,
        "resumed": scan.resumed,
        "policy": scan.document.get("policy", "all"),
        "copies": [str(path) for path in places_of(directory, scan.document).others],
        "failed": read_failed(directory, scan.journal_id),
        "config": {k: v for k, v in scan.config.items() if k != "instruments"},
        "segments": [rows[number] for number in sorted(rows)],
        "checkpoints": _checkpoints(directory, scan.journal_id),
        "notes": notes_of(scan),
    }


def notes_of(scan: Scan) -> list[str]:
    """Return what a finished pass cannot know, and what the journal's other directories have."""
    notes = [*scan.clock_order.texts, *scan.notes]
    if scan.watermark is None and not scan.watermark_flaw:
        notes.append(
            f"there is no watermark ({scan.directory / WATERMARK_NAME}): whether acknowledged "
            "blocks are missing at the end is unknown"
        )
    if scan.document and not held(scan.directory):
        notes += _ahead(scan)
    return notes


def _ahead(scan: Scan) -> list[str]:
    """Return the directories of the journal that were acknowledged further than this one: it fell
    behind when the writer died, or lost its end."""
    notes = []
    for other in places_of(scan.directory, scan.document).others:
        theirs, _ = read_watermark(other)
        if theirs is None or theirs.journal_id != scan.journal_id:
            continue
        if theirs.block_index >= scan.next_index:
            notes.append(
                f"{other} was acknowledged up to command {theirs.seq:,}, "
                f"{theirs.seq - scan.next_seq + 1:,} commands after the end of this directory: a "
                f"resume brings them, or `outcry journal repair {scan.directory} --copy {other}`"
            )
    return notes


def _count(rows: dict[int, dict[str, Any]], number: int, block: Block) -> None:
    header = block.header
    row = rows.setdefault(
        number,
        {
            "blocks": 0,
            "bytes": 0,
            "first_seq": header.first_seq,
            "last_seq": header.first_seq - 1,
            "first_ts_ns": header.written_ts_ns,
            "last_ts_ns": header.written_ts_ns,
        },
    )
    row["blocks"] += 1
    row["bytes"] += header.block_bytes
    row["last_seq"] = max(row["last_seq"], header.first_seq - 1)
    if header.kind == BlockKind.COMMANDS:
        row["last_seq"] = header.first_seq + header.record_count - 1
    row["last_ts_ns"] = header.written_ts_ns


def _file(directory: Path, number: int, last: bool) -> dict[str, Any]:
    plain = segment_path(directory, number)
    path = plain if plain.exists() else packed_path(directory, number)
    state = "last" if last else "finished"
    return {
        "name": path.name,
        "file_bytes": path.stat().st_size,
        "state": state if path == plain else "archived",
    }


def _checkpoints(directory: Path, journal_id: int) -> list[dict[str, Any]]:
    """Return the checkpoints; a running pipeline may remove an old one meanwhile."""
    rows = (_checkpoint(directory, journal_id, seq) for seq in checkpoint_seqs(directory))
    return [row for row in rows if row]


def _checkpoint(directory: Path, journal_id: int, seq: int) -> dict[str, Any]:
    path = checkpoint_path(directory, seq)
    try:
        row = {"name": path.name, "seq": seq, "bytes": path.stat().st_size, "good": True}
    except FileNotFoundError:
        return {}
    if flaw := checkpoint_flaw(directory, journal_id, seq):
        row |= {"good": False, "why": flaw}
    return row
