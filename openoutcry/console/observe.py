"""What a venue is like right now, from its shared memory and the files of its journal's folder.

``fast`` is read as often as a page likes, ``slow`` once a second.  No stage is asked.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.console.alarms import Alarms
from openoutcry.console.events import Events
from openoutcry.console.exact import exact
from openoutcry.console.participants import participants_of, view_of
from openoutcry.console.replication import ReplicationView
from openoutcry.operations.alarms import wanted
from openoutcry.operations.aside import Aside
from openoutcry.operations.metrics import VenueMetrics, journal_use
from openoutcry.operations.watch import Watch
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ptp.status import clock_status
from openoutcry.risk import layout as lay
from openoutcry.runtime.histogram import WORDS, bucket_upper_ns, summary
from openoutcry.venue.days import finished_days, read_status
from openoutcry.venue.desk_record import NAME as DESK_RECORD
from openoutcry.venue.desk_record import RecordError, desk_record
from openoutcry.venue.file import VenueFile
from openoutcry.venue.log import log_folder
from openoutcry.wire import OutcryError

FAST_S, SLOW_S = 0.018, 1.0
HURRY_S, HURRY_FOR_S = 0.2, 2.0
RATE_S = 1.0
"""Rates are over about this long."""
HEAT_S = 180
"""Columns of the heat map, a second each."""
HEAT_ROWS = list(range(6, 31))
"""Its rows: up to 2 to the power of each, ns."""
DAYS, ACTIONS = 5, 200
EDGES_NS = [1 << power for power in HEAT_ROWS]
_UPPER_NS = np.array([bucket_upper_ns(index) for index in range(WORDS - 1)], np.float64)
_ROWS = np.searchsorted(np.array(EDGES_NS, np.float64), _UPPER_NS)
PERCENTILES = ("p50", "p90", "p99", "p999", "max")


class Observer:
    """Observer of one venue; :meth:`start` begins to observe it once a second."""

    def __init__(self, file: VenueFile, standbys: Sequence[Path] = ()) -> None:
        self.file = file
        self.replication = ReplicationView(file, standbys)
        self.events = Events(file.journal)
        self.alarms = Alarms(
            Watch(VenueMetrics(file, wanted()).collect),
            log_folder(file.journal),
        )
        self.pipeline: RunningPipeline | None = None
        self.second = 0
        """Counts the slow looks."""
        self.slow: dict[str, Any] = {}
        self.heat: dict[str, deque[list[int]]] = {}
        self.history: dict[str, deque[list[float]]] = {}
        """Percentiles of each second, by interval."""
        self._status: dict[str, Any] | None = None
        self._aside = Aside()
        self._before: dict[str, npt.NDArray[np.int64]] = {}
        self._positions: deque[tuple[float, dict[str, int]]] = deque(maxlen=256)
        self._fast: tuple[float, dict[str, Any]] = (0.0, {})
        self._actions: tuple[Any, list[dict[str, Any]], str] = (None, [], "")
        """The actions in this version of the desk's record."""
        self._lock, self._over, self._soon = Lock(), False, Event()
        self._hurried_until_s = 0.0
        self._thread = Thread(target=self._run, daemon=True, name="console-observer")

    def start(self) -> None:
        """Read the venue once, then in a thread."""
        self.replication.start()
        self.poll()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits 5 s at most."""
        self._over = True
        self._soon.set()
        self._thread.join(5)
        self.replication.stop()

    def hurry(self) -> None:
        """Something was done: what comes of it is looked for more often, for a while."""
        self._hurried_until_s = time.monotonic() + HURRY_FOR_S
        self._soon.set()

    def _run(self) -> None:
        due_s = time.monotonic() + SLOW_S
        while True:
            now_s = time.monotonic()
            hurried = now_s < self._hurried_until_s
            self._soon.wait(min(HURRY_S, due_s - now_s) if hurried else max(due_s - now_s, 0.0))
            if self._over:
                return
            try:
                if self._soon.is_set() or time.monotonic() < due_s:
                    self._soon.clear()
                    self._look_again()
                else:
                    due_s = time.monotonic() + SLOW_S
                    self.poll()
            except OutcryError as error:
                self.slow = self.slow | {"error": str(error)}

    # Once a second

    def poll(self) -> None:
        """One slow look."""
        with self._lock:
            journal = self.file.journal
            self._status = read_status(journal) if journal.is_dir() else None
            self._attach()
            self.events.poll()
            self.alarms.poll()
            latency, alarms = self._latency(), self.alarms.rows()
            self.slow = {
                "state": self._state(),
                "time": (self._status or {}).get("time", ""),
                "status": self._shown_status(),
                "latency": latency,
                "alarms": alarms,
                "lights": self.alarms.watch.page(),
                "alarms_fault": self.alarms.fault,
                "changes": list(self.alarms.changes)[-50:],
                "participants": self._participants(),
                "clock": _clock(),
                "journal": self._journal(),
                "host": _host(),
                "replication": self.replication.view(self.pipeline, latency, alarms),
            }
            self.second += 1

    def _look_again(self) -> None:
        """Update what actions change, between two slow looks."""
        with self._lock:
            self._status = read_status(self.file.journal) if self.file.journal.is_dir() else None
            self._attach()
            self.events.poll()
            self.alarms.poll()
            self.slow = self.slow | {
                "state": self._state(),
                "status": self._shown_status(),
                "alarms": self.alarms.rows(),
                "lights": self.alarms.watch.page(),
                "changes": list(self.alarms.changes)[-50:],
                "participants": self._participants(),
                "journal": self._journal(),
            }
            self.second += 1

    def _attach(self) -> None:
        """Attach to the pipeline of the open venue."""
        status = self._status
        pid = status["pid"] if status and status["state"] == "open" else 0
        same = self.pipeline is not None and self.pipeline.owner.pid == pid
        if self.pipeline is not None and same and not self.pipeline.is_ending:
            self._aside.keep_off(self.pipeline.spun_cores)
            return
        self.pipeline = None
        self._positions.clear()
        self._before.clear()
        if pid:
            self.pipeline = next((one for one in running() if one.owner.pid == pid), None)

    def _state(self) -> str:
        return str(self._status["state"]) if self._status else "never opened"

    def _shown_status(self) -> dict[str, Any]:
        keys = ("day", "phases", "risk", "sessions", "next", "phases_sequenced", "feed")
        return {key: (self._status or {}).get(key) for key in keys}

    def _latency(self) -> list[dict[str, Any]]:
        """Since the run began, and of the last second; a column more of the heat map."""
        if self.pipeline is None:
            return []
        rows = []
        for interval, words in self.pipeline.histograms():
            now = words.copy()
            new = now - self._before.get(interval.name, np.zeros_like(now))
            self._before[interval.name] = now
            total = summary(now)
            if not total["count"]:
                continue
            last = summary(np.concatenate([new[:-1].clip(0), now[-1:]]))
            column = np.bincount(_ROWS, new[:-1].clip(0), len(HEAT_ROWS) + 1)[: len(HEAT_ROWS)]
            heat = self.heat.setdefault(interval.name, deque(maxlen=HEAT_S))
            heat.append(column.astype(np.int64).tolist())
            kept = self.history.setdefault(interval.name, deque(maxlen=HEAT_S))
            kept.append([time.time(), *(float(last[name]) for name in PERCENTILES[:4])])  # type: ignore[arg-type]
            rows.append(
                {
                    "name": interval.name,
                    "span": interval.span,
                    "count": total["count"],
                    "all": {name: total[name] for name in PERCENTILES},
                    "second": {name: last[name] for name in ("count", *PERCENTILES[:4])},
                    "column": heat[-1],
                }
            )
        return rows

    def _participants(self) -> list[dict[str, Any]]:
        if self.pipeline is None:
            return []
        view = view_of(self.pipeline.owner)
        return exact(participants_of(self.file, view)) if view is not None else []

    def _journal(self) -> dict[str, Any]:
        journal = self.file.journal
        if not journal.is_dir():
            return {}
        actions, fault = self._desk(journal)
        return journal_use(journal) | {
            "directory": journal.name,
            "durability": self.file.durability,
            "durable_seq": self.pipeline.durable_seq if self.pipeline else None,
            "days": finished_days(journal)[-DAYS:],
            "actions": actions,
            "actions_fault": fault,
        }

    def _desk(self, journal: Path) -> tuple[list[dict[str, Any]], str]:
        """The desk's last actions, newest first, and what is wrong with its record.  The whole
        record is read and checked when it has changed."""
        try:
            stat = (journal / DESK_RECORD).stat()
        except FileNotFoundError:
            return [], ""
        version = stat.st_ino, stat.st_size, stat.st_ctime_ns
        if version != self._actions[0]:
            try:
                self._actions = version, desk_record(journal)[: -ACTIONS - 1 : -1], ""
            except RecordError as error:
                self._actions = version, [], str(error)
        return self._actions[1:]

    # As often as a page likes

    def fast(self) -> dict[str, Any]:
        """Rings, stages and counts, at most FAST_S old."""
        with self._lock:
            now = time.monotonic()
            if now - self._fast[0] >= FAST_S:
                self._fast = now, self._fast_view(now)
            return self._fast[1]

    def _fast_view(self, now: float) -> dict[str, Any]:
        pipeline = self.pipeline
        if pipeline is None:
            return {"state": self._state(), "rings": [], "stages": []}
        positions = pipeline.positions()
        while len(self._positions) > 1 and now - self._positions[1][0] >= RATE_S:
            self._positions.popleft()
        before_s, before = self._positions[0] if self._positions else (now - 1, positions)
        self._positions.append((now, positions))
        view = pipeline.flow(before, max(now - before_s, 1e-3))
        risk = view_of(pipeline.owner)
        return {
            "state": self._state(),
            "commands": view["commands"],
            "commands_per_s": (positions["sequenced"] - before["sequenced"])
            / max(now - before_s, 1e-3),
            "trades": view["trades"],
            "open_orders": view["open_orders"],
            "order_capacity": self.file.order_capacity,
            "durable_lag": view["durable_lag"],
            "dropped": view["dropped"],
            "refused": view["refused"],
            "emergency_step": risk.word(lay.EMERGENCY) if risk else 0,
            "rings": [
                {key: row[key] for key in ("name", "capacity", "published", "fill", "per_s")}
                for row in view["rings"]
            ],
            "stages": [{key: row[key] for key in row if key != "pid"} for row in view["stages"]],
        }

    def topology(self) -> dict[str, Any]:
        """The table of the run: what the picture is drawn from."""
        if self.pipeline is None:
            return {"stages": [], "rings": []}
        table = self.pipeline.table
        return {
            "rings": [{"name": ring.name, "lane": ring.lane} for ring in table.rings],
            "stages": [
                {
                    "name": stage.name,
                    "reads": list(stage.reads),
                    "writes": stage.writes,
                    "gated_by": list(stage.gated_by),
                    "span": stage.span,
                }
                for stage in table.stages
            ],
            "readers": [reader.name for reader in table.released],
        }


def _clock() -> dict[str, Any]:
    try:
        status = clock_status()
    except OutcryError as error:
        return {"error": str(error)}
    keys = (
        "utc",
        "state",
        "source",
        "grandmaster",
        "offset_ns",
        "bound_ns",
        "drift_ppb",
        "path_delay_ns",
        "rts25",
        "error",
        "events",
    )
    return {key: status[key] for key in keys if key in status}


def _host() -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "load": os.getloadavg(),
        "cores": os.cpu_count(),
        "memory_total_bytes": memory.total,
        "memory_available_bytes": memory.available,
    }
