"""The cases of surveillance, as `outcry surveillance` keeps them in the journal's folder: read
only.

Only supervisors may see the suspects and the suspicions.
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from openoutcry.wire import OutcryError

FOLDER = "surveillance"
FILES = ("hits.bin", "life.jsonl", "settings.json", "referrals.jsonl")
SHOWN = 200
AGAIN_S = 5.0
"""They are read, and their chains checked, at most this often, and where something is new."""


class Cases:
    """The cases of a venue's journal."""

    def __init__(self, journal: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.journal, self.clock = journal, clock
        self._document: dict[str, Any] = {"rows": [], "count": 0, "fault": "", "looked": False}
        self._version: Any = None
        self._due_s, self._lock = 0.0, Lock()

    def view(self) -> dict[str, Any]:
        """The newest first; ``fault``: what is wrong with the evidence; ``looked``: whether a
        search for abuse has run yet."""
        with self._lock:
            now_s = self.clock()
            version = self._stat()
            if version != self._version and now_s >= self._due_s:
                self._version, self._due_s = version, now_s + AGAIN_S
                self._document = self._read()
            return self._document

    def _stat(self) -> list[tuple[int, int]]:
        stats = []
        for name in FILES:
            try:
                stat = (self.journal / FOLDER / name).stat()
                stats.append((stat.st_size, stat.st_mtime_ns))
            except FileNotFoundError:
                stats.append((0, 0))
        return stats

    def _read(self) -> dict[str, Any]:
        if not (self.journal / FOLDER / "settings.json").exists():
            return {"rows": [], "count": 0, "fault": "", "looked": False}
        from openoutcry.surveillance.run import CaseBook

        try:
            findings = CaseBook.of(self.journal)
            rows = []
            for case in reversed(findings.cases[-SHOWN:]):
                case_state = findings.state_of(case)
                row = case.as_json()
                row.pop("evidence")
                rows.append(row | {"status": case_state.status, "who": case_state.who})
        except OutcryError as error:
            return {"rows": [], "count": 0, "fault": str(error), "looked": True}
        return {"rows": rows, "count": len(findings.cases), "fault": "", "looked": True}
