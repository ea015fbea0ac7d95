"""The alarms that stand, and who has acknowledged them."""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from openoutcry.operations.evaluate import Standing, State
from openoutcry.operations.watch import Watch
from openoutcry.wire import OutcryError

CHANGES = 200
Key = tuple[str, tuple[tuple[str, str], ...]]


class Alarms:
    """Beside a :class:`Watch`, which evaluates them."""

    def __init__(self, watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        self.watch, self.clock = watch, clock
        self.acknowledged: dict[Key, dict[str, str]] = {}
        self.changes: deque[dict[str, Any]] = deque(maxlen=CHANGES)
        self._lock = Lock()

    def look(self) -> None:
        """Evaluate; once a second."""
        changed = self.watch.look()
        with self._lock:
            for one in changed:
                self.changes.append({**_row(one), "at": _now()})
                if one.state is State.RESOLVED:
                    self.acknowledged.pop(_key(one), None)

    def standing(self) -> list[dict[str, Any]]:
        """A row for each that fires or is about to, the worst first."""
        with self._lock:
            found = list(self.watch.evaluator.standing.values())
            rows = [
                _row(one) | {"for_s": round(max(0.0, self.clock() - one.since_s), 1),
                             "acknowledged": self.acknowledged.get(_key(one))}
                for one in found
            ]  # fmt: skip
        order = {"firing": 0, "pending": 1}
        return sorted(rows, key=lambda r: (order.get(r["state"], 2), r["severity"], r["name"]))

    def acknowledge(self, name: str, labels: dict[str, str], by: str, why: str) -> None:
        """Note who has seen an alarm.  Raises :class:`OutcryError` if it does not stand."""
        wanted = name, tuple(sorted(labels.items()))
        with self._lock:
            for one in self.watch.evaluator.standing.values():
                if (one.alarm.name, tuple(sorted(one.labels))) == wanted:
                    self.acknowledged[_key(one)] = {"by": by, "why": why, "at": _now()}
                    return
        raise OutcryError(f"{name}: this alarm does not stand")


def _key(one: Standing) -> Key:
    return one.alarm.name, tuple(sorted(one.labels))


def _row(one: Standing) -> dict[str, Any]:
    return {
        "name": one.alarm.name,
        "severity": one.alarm.severity,
        "summary": one.alarm.summary,
        "labels": dict(one.labels),
        "value": one.value,
        "state": str(one.state),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
