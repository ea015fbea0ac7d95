"""What was asked of the operator's desk, by whom and why: a line each beside the journal.

The commands that came of it are in the journal, with the operator's number; what has no room in a
record, the reason, is here.  Each line holds the hash of the one before it, so that none can be
changed or taken out unseen; ``after_seq`` is the last command that was sequenced before.
"""

import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openoutcry.pipeline.venue.calendar import utc_text
from openoutcry.wire.errors import OutcryError

NAME = "desk.jsonl"
SECRET = ("password", "code", "ticket")
"""Never written."""
REASON_MOST = 200


class RecordError(OutcryError):
    """A line of the desk's record was changed or is missing."""


class DeskRecord:
    """Adds to the record."""

    def __init__(self, journal: Path) -> None:
        self.path = journal / NAME
        self._last = ""
        kept = self.path.read_bytes() if self.path.exists() else b""
        whole, found, torn = kept.rpartition(b"\n")
        if found:
            self._last = _hash(whole.rpartition(b"\n")[2])
        if torn:  # a crash broke it off
            os.truncate(self.path, len(kept) - len(torn))

    def note(self, now_ns: int, after_seq: int, operator: str, request: dict[str, Any]) -> None:
        """Write what was asked; it is on the disk when this returns."""
        asked = {k: v for k, v in request.items() if k not in (*SECRET, "operator", "why")}
        row = {"at": utc_text(now_ns), "after_seq": after_seq, "operator": operator, "asked": asked,
               "why": request.get("why") or "", "before": self._last}  # fmt: skip
        line = json.dumps(row).encode()
        with self.path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._last = _hash(line)


def _hash(line: bytes) -> str:
    return blake2b(line, digest_size=16).hexdigest()


def desk_record(journal: Path) -> list[dict[str, Any]]:
    """Everything that was asked, the oldest first.  Raises :class:`RecordError` naming the line
    behind which something was changed."""
    try:
        lines = (journal / NAME).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    rows, before = [], ""
    for number, line in enumerate(lines, start=1):
        try:
            row = dict(json.loads(line))
        except ValueError:
            row = {}
        if row.get("before") != before:
            raise RecordError(f"{journal / NAME}: line {number} does not follow the one before it")
        before = _hash(line)
        rows.append(row)
    return rows
