"""Heads of the evidence in the record of the venue's desk, so that an end that was cut off is
noticed: a chain alone holds as far as it goes.

A line of the desk's record has the counts of hits and decisions and the hash of the last of each;
``begin`` has the journal's id and the settings.  To cut the evidence unnoticed, one would have to
cut the desk's record as well, and all that was asked of the desk since.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openoutcry.journal.projections import DeskRecord, RecordError, desk_record
from openoutcry.wire.errors import SurveillanceError

DO = "surveillance"
Head = tuple[int, str]
"""How many there are, and the hash of the last, hexadecimal."""


def note_heads(
    journal: Path,
    begin: bytes,
    hits: Head,
    life: Head | None,
    seq: int,
    who: str = "",
    why: str = "",
) -> None:
    """Write down how far the evidence goes; what it says must be on the disk.  ``life`` None: of
    the decisions nothing is said."""
    asked: dict[str, Any] = {"do": DO, "begin": begin.hex(), "hits": hits[0], "hits_head": hits[1]}
    if life is not None:
        asked |= {"decisions": life[0], "decisions_head": life[1]}
    try:
        DeskRecord(journal).note(time.time_ns(), seq, who, {**asked, "why": why})
    except OSError as error:
        raise SurveillanceError(f"{error.filename}: {error.strerror}") from None


def noted_heads(journal: Path, begin: bytes) -> tuple[Head, Head]:
    """The last heads of the hits and of the decisions that the desk's record has.

    Raises :class:`SurveillanceError` where the record itself was changed.
    """
    hits, life = (0, begin.hex()), (0, begin.hex())
    try:
        rows = desk_record(journal)
    except RecordError as error:
        raise SurveillanceError(str(error)) from None
    for row in rows:
        asked = row["asked"]
        if asked.get("do") == DO and asked.get("begin") == begin.hex():
            hits = int(asked["hits"]), str(asked["hits_head"])
            if "decisions" in asked:
                life = int(asked["decisions"]), str(asked["decisions_head"])
    return hits, life


def require_head(path: Path, noted: Head, heads: Sequence[str]) -> None:
    """The evidence has what was noted; ``heads``: the hash after each row of the file.

    Raises :class:`SurveillanceError` saying how many rows are missing.
    """
    count, head = noted
    if len(heads) < count:
        raise SurveillanceError(
            f"{path}: ends after {len(heads):,} of {count:,} rows that the desk's record names: "
            "the end was cut off"
        )
    if count and heads[count - 1] != head:
        raise SurveillanceError(
            f"{path}: row {count:,} is not the one that the desk's record names"
        )
