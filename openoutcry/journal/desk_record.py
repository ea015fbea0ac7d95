"""What was asked of the operator's desk, by whom and why: a line each, next to the journal.

The commands that came of it are in the journal, with the operator's number; what has no room in a
record, the reason, is here.  Each line holds the hash of the one before it, so that none can be
changed or taken out unseen; ``after_seq`` is the last command that was sequenced before.
"""

import json
import os
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import OutcryError

NAME = "desk.jsonl"
SECRET = ("password", "code", "ticket")
"""Never written."""
MAX_REASON = 200


class RecordError(OutcryError):
    """A line of the desk's record was changed or is missing."""


class DeskRecord:
    """Adds to the record, or to another one of this form."""

    def __init__(self, journal: Path, name: str = NAME) -> None:
        """``journal``: the folder that it is in."""
        self.path = journal / name
        self._last, self._size = "", 0
        if self.path.exists():
            with self.path.open("ab") as file:
                self._lock(file.fileno())

    def note(self, now_ns: int, after_seq: int, operator: str, request: dict[str, Any]) -> None:
        """Write what was asked; it is on the disk when this returns."""
        fields = {k: v for k, v in request.items() if k not in (*SECRET, "operator", "why")}
        with self.path.open("ab") as file:
            self._lock(file.fileno())
            row = {
                "at": _utc_text(now_ns),
                "after_seq": after_seq,
                "operator": operator,
                "asked": fields,
                "why": request.get("why") or "",
                "before": self._last,
            }
            line = json.dumps(row).encode()
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._last, self._size = _hash(line), file.tell()

    def _lock(self, number: int) -> None:
        """Lock the file while it is open, so that one process writes; read what others wrote."""
        flock(number, LOCK_EX)
        if os.fstat(number).st_size == self._size:
            return
        kept = self.path.read_bytes()
        whole, newline, torn = kept.rpartition(b"\n")
        self._last = _hash(whole.rpartition(b"\n")[2]) if newline else ""
        if torn:  # a crash broke it off
            os.truncate(self.path, len(kept) - len(torn))
        self._size = len(kept) - len(torn)


def _utc_text(now_ns: int) -> str:
    return datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hash(line: bytes) -> str:
    return blake2b(line, digest_size=16).hexdigest()


def desk_record(journal: Path, name: str = NAME) -> list[dict[str, Any]]:
    """Everything that was asked, the oldest first.  Raises :class:`RecordError` naming the line
    after which something was changed."""
    try:
        lines = (journal / name).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    rows, before = [], ""
    for number, line in enumerate(lines, start=1):
        try:
            row = dict(json.loads(line))
        except ValueError:
            row = {}
        if row.get("before") != before:
            raise RecordError(f"{journal / name}: line {number} does not follow the one before it")
        before = _hash(line)
        rows.append(row)
    return rows
