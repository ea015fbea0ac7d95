"""The active alarms, and the operators' acknowledgements, which are kept over restarts.

An acknowledgement counts until its alarm is over.  Both are stored in ``alarms.jsonl`` in the log's
folder, a line each of the form of the desk's record.
"""

import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from openoutcry.operations.watch import Red, Watch
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.desk_record import DeskRecord, RecordError, desk_record
from openoutcry.wire import OutcryError

RECORD = "alarms.jsonl"
SEEN, OVER = "acknowledge", "over"
CHANGES = 200
Key = tuple[str, tuple[tuple[str, str], ...]]


class Alarms:
    """The alarms of a :class:`Watch`, and which operator has seen them."""

    def __init__(self, watch: Watch, folder: Path) -> None:
        """``folder``: where the record is; it need not be there yet."""
        self.watch, self.folder = watch, folder
        self.fault = ""
        """The fault of the record."""
        self.acknowledged: dict[Key, dict[str, str]] = self._read()
        self.changes: deque[dict[str, Any]] = deque(maxlen=CHANGES)
        self._lock = Lock()

    def _read(self) -> dict[Key, dict[str, str]]:
        """Read the acknowledgements that were in force when the last console ended."""
        acknowledged: dict[Key, dict[str, str]] = {}
        try:
            for row in desk_record(self.folder, RECORD):
                request = row["asked"]
                key = request["alarm"], tuple(sorted(request["labels"].items()))
                acknowledged.pop(key, None)
                if request["do"] == SEEN:
                    acknowledged[key] = {"by": row["operator"], "why": row["why"], "at": row["at"]}
        except RecordError as error:
            self.fault = str(error)
        return acknowledged

    def _note(self, do: str, key: Key, by: str, why: str) -> str:
        """Store the time of an acknowledgement on disk. Raises ``OSError`` if it cannot
        be written."""
        request = {"do": do, "alarm": key[0], "labels": dict(key[1]), "why": why}
        now_ns = time.time_ns()
        DeskRecord(self.folder, RECORD).note(now_ns, 0, by, request)
        return utc_text(now_ns)

    def poll(self) -> None:
        """Look at the metrics; once a second."""
        with self._lock:
            for change in self.watch.poll():
                self.changes.append({**_row(change), "at": _now()})
            for key in self.acknowledged.keys() - set(map(_key, self.watch.red.values())):
                self._forget(key)

    def _forget(self, key: Key) -> None:
        del self.acknowledged[key]
        try:
            self._note(OVER, key, "", "")
        except OSError as error:
            self.fault = f"{RECORD}: {error.strerror}"

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each series that is red, the worst first."""
        with self._lock:
            rows = [
                _row(one)
                | {
                    "for_s": round(max(0.0, self.watch.clock() - one.since_s), 1),
                    "acknowledged": self.acknowledged.get(_key(one)),
                }
                for one in self.watch.red.values()
            ]
        return sorted(rows, key=lambda r: (r["severity"], r["name"]))

    def acknowledge(self, name: str, labels: dict[str, str], by: str, why: str) -> None:
        """Note on the disk which operator has seen an alarm.  Raises :class:`OutcryError` if the
        alarm is not active, or the note cannot be written."""
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            for one in self.watch.red.values():
                if _key(one) == key:
                    try:
                        at = self._note(SEEN, key, by, why)
                    except OSError as error:
                        raise OutcryError(f"{RECORD} cannot be written: {error.strerror}") from None
                    self.acknowledged[key] = {"by": by, "why": why, "at": at}
                    return
        raise OutcryError(f"{name}: this alarm is not active")


def _key(active: Red) -> Key:
    return active.alarm.name, tuple(sorted(active.labels))


def _row(active: Red) -> dict[str, Any]:
    return {
        "name": active.alarm.name,
        "severity": active.alarm.severity,
        "summary": active.alarm.summary,
        "labels": dict(active.labels),
        "value": active.value,
        "state": str(active.state),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
