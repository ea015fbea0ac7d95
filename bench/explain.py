"""Tail hunting: what happened on its core while each of the slowest commands waited.

Each stage of a slow command is a window on the core of that stage's process. A window is shared out
in this order: the journal's commit, what the kernel ran instead (corewatch.py), the process's own
long steps (recording.py), the wait for earlier commands (timeline.py). Causes are summed over the
tail by the time they took.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.paced import STAGE_SPANS, Paced
from openoutcry.bench.timeline import Slice, Timeline
from openoutcry.host.corewatch import Interval, Watched
from openoutcry.pipeline.recording import KINDS, Step
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.report.text import NEW_LEVEL
from openoutcry.wire import enum_numbers

SLOWEST = 20
MEANWHILE_SHOWN = 8
TAIL_SHARE = 0.001
BANDS_NS = (10_000, 100_000, 1_000_000, 10_000_000, 10_000_000_000)
BAND_ROWS = 500
COMMIT = "journal commit"
QUEUE = "waiting for other commands"
WINDOWS = {stage.name: (stage.since, stage.until) for stage in TOPOLOGY.path}


def new_levels(commands: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return for each command whether it is an order at a price that its symbol had never seen."""
    new = (commands["kind"] == enum_numbers.COMMAND_KIND_NEW) & (commands["price_ticks"] > 0)
    keys = np.stack([commands["symbol"].view("<i8"), commands["price_ticks"]], axis=1)
    flags = np.zeros(len(commands), np.bool_)
    where = np.flatnonzero(new)
    if len(where):
        _, first = np.unique(keys[where], axis=0, return_index=True)
        flags[where[first]] = True
    return flags


class Tail:
    """The slow commands of a recorded run, taken apart."""

    def __init__(self, done: Paced, watched: Watched, commands: npt.NDArray[Any]) -> None:
        self.done = done
        self.stamps = done.recording.stamps
        self.fresh = new_levels(commands)
        self.intervals = sorted(watched.intervals, key=lambda i: i.start_ns)
        self.process_of = {
            stage: group for group in done.recording.groups for stage in group["stages"]
        }
        steps = done.recording.steps
        self.timelines = {
            group["process"]: Timeline(
                [
                    _foreign(watched.intervals, group["pid"]) if group.get("pid") else [],
                    _steps(steps, group["process"], watched.rest),
                ]
            )
            for group in done.recording.groups
        }
        self.known: dict[int, Counter[str]] = {}
        spans = done.recording.spans()
        self.whole_ns = spans["whole"]
        self.usual = {name: float(np.median(spans[name][done.warm :])) for name in STAGE_SPANS}

    def rows(self) -> npt.NDArray[np.int64]:
        """The slowest TAIL_SHARE of the commands that count (at least SLOWEST), slowest first."""
        counted = np.arange(self.done.warm, len(self.whole_ns))
        size = max(SLOWEST, int(len(counted) * TAIL_SHARE))
        order = np.argsort(self.whole_ns[counted], kind="stable")[::-1][:size]
        return np.asarray(counted[order])

    def bands(self) -> list[dict[str, Any]]:
        """The causes by how long commands took, a decade each, so that a few long gaps do not hide
        many short ones.  Of a decade with more than BAND_ROWS commands as many, evenly spread."""
        rows = []
        for low, high in itertools.pairwise(BANDS_NS):
            inside = np.flatnonzero((self.whole_ns >= low) & (self.whole_ns < high))
            inside = inside[inside >= self.done.warm]
            if not len(inside):
                continue
            total: Counter[str] = Counter()
            chosen = inside[:: max(1, -(-len(inside) // BAND_ROWS))]
            for row in chosen.tolist():
                total += self.causes(row)
            time_ns = sum(total.values()) or 1
            rows.append(
                {
                    "from_ns": low,
                    "to_ns": high,
                    "commands": len(inside),
                    "causes": [
                        {"cause": c, "share": ns / time_ns} for c, ns in total.most_common()
                    ],
                }
            )
        return rows

    def causes(self, row: int) -> Counter[str]:
        """ns of one command's way beyond the usual, by cause."""
        if row in self.known:
            return self.known[row]
        lost: Counter[str] = Counter()
        for stage, (before, after) in WINDOWS.items():
            start, end = (int(self.stamps[row, KINDS.index(kind)]) for kind in (before, after))
            if end - start > 2 * self.usual[stage]:
                lost += self._window(row, stage, start, end)
        self.known[row] = lost
        return lost

    def _window(self, row: int, stage: str, start: int, end: int) -> Counter[str]:
        """ns of a stage of a command: the journal's commit, then what the kernel ran instead, then
        the process's own long steps, and the wait for others as the rest."""
        waited, lost = end - start, Counter[str]()
        durable = int(self.stamps[row, KINDS.index("durable")])
        if stage == "gate" and durable > start:
            committed = min(durable, end)
            lost[COMMIT] = committed - start
            start = committed
        foreign, steps = self.timelines[self.process_of[stage]["process"]].lost(start, end)
        if stage == "matcher" and self.fresh[row]:
            steps = Counter({f"{cause}, {NEW_LEVEL}": ns for cause, ns in steps.items()})
        lost += foreign + steps
        lost[QUEUE] = waited - sum(lost.values())
        return +lost

    def _meanwhile(self, start: int, end: int) -> list[dict[str, Any]]:
        """Return what the kernel ran instead of our processes from ``start`` to ``end``, longest
        first."""
        pids = {group.get("pid") for group in self.done.recording.groups}
        seen = [
            i for i in self.intervals if i.pid in pids and i.start_ns < end and i.end_ns > start
        ]
        seen.sort(key=lambda i: i.start_ns - i.end_ns)
        return [
            {
                "core": i.core,
                "kind": i.kind,
                "what": i.what,
                "after_intended_ns": i.start_ns - start,
                "length_ns": i.end_ns - i.start_ns,
            }
            for i in seen[:MEANWHILE_SHOWN]
        ]

    def _page_faults(self, start: int, end: int) -> int:
        pids = {group.get("pid") for group in self.done.recording.groups}
        return sum(
            i.kind == "page fault" and i.pid in pids and start <= i.start_ns <= end
            for i in self.intervals
        )

    def incidents(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Slow commands that waited at the same time are one incident: longest first, each with its
        first command, how many, the longest whole span and the largest cause."""
        intended, replied = (self.stamps[:, KINDS.index(kind)] for kind in ("intended", "replied"))
        groups: list[list[int]] = []
        until = -1
        for row in sorted(rows):
            if not groups or int(intended[row]) > until:
                groups.append([])
            groups[-1].append(row)
            until = max(until, int(replied[row]))
        incidents = []
        for group in groups:
            lost: Counter[str] = Counter()
            for row in group:
                lost += self.causes(row)
            incidents.append(
                {
                    "first_seq": group[0] + 1,
                    "commands": len(group),
                    "whole_ns": int(self.whole_ns[group].max()),
                    "cause": lost.most_common(1)[0][0] if lost else QUEUE,
                }
            )
        return sorted(incidents, key=lambda incident: -incident["whole_ns"])

    def row(self, number: int) -> dict[str, Any]:
        """One command with every stamp of its, as JSON can hold it."""
        stamps = {kind: int(self.stamps[number, at]) for at, kind in enumerate(KINDS)}
        first = stamps["intended"]
        spans = {s: stamps[b] - stamps[a] for s, (a, b) in WINDOWS.items()}
        return {
            "seq": number + 1,
            "whole_ns": int(self.whole_ns[number]),
            "intended_ns": first,
            "after_intended_ns": {k: v - first for k, v in stamps.items() if v and k != "intended"},
            "spans_ns": spans,
            "slowest_stage": max(spans, key=lambda stage: spans[stage]),
            "new_level": bool(self.fresh[number]),
            "meanwhile": self._meanwhile(first, stamps["replied"]),
            "page_faults": self._page_faults(first, stamps["replied"]),
            "causes_ns": dict(self.causes(number).most_common()),
        }


def _foreign(intervals: Iterable[Interval], pid: int) -> list[Slice]:
    return [
        Slice(i.start_ns, i.end_ns, i.name)
        for i in intervals
        if i.pid == pid and i.end_ns > i.start_ns
    ]


def _steps(steps: Iterable[Step], process: str, rest: str) -> list[Slice]:
    """A long wait of the loop is not a stage's work: the trace did not see it either, so it is
    ``rest``."""
    return [
        Slice(s.start_ns, s.end_ns, rest if s.stage == "idle" else f"{s.stage}: a long step")
        for s in steps
        if s.process == process
    ]


def explain(done: Paced, watched: Watched, commands: npt.NDArray[Any]) -> dict[str, Any]:
    """The slowest commands and the tail by cause.

    The rows ``slowest`` are those of :meth:`Tail.row`, ``incidents`` is :meth:`Tail.incidents`, and
    ``bands`` is :meth:`Tail.bands`. Each of the ``causes`` has ``cause``, ``share`` of the tail's
    time beyond the usual, and ``commands`` for which it is the largest.

    The kernel's side could not be seen as a whole if ``watched`` is not null; it says why. In that
    case interruptions are listed under the stages' long steps, and the loop's long waits under "not
    watched".
    """
    tail = Tail(done, watched, commands)
    rows = tail.rows().tolist()
    total: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    for row in rows:
        causes = tail.causes(row)
        total += causes
        if causes:
            largest[causes.most_common(1)[0][0]] += 1
    time_ns = sum(total.values()) or 1
    return {
        "rate": done.rate,
        "durability": done.result["durability"],
        "tail_commands": len(rows),
        "tail_from_ns": int(tail.whole_ns[rows[-1]]),
        "slowest": [tail.row(row) for row in rows[:SLOWEST]],
        "incidents": tail.incidents(rows),
        "causes": [
            {"cause": cause, "share": ns / time_ns, "commands": largest[cause]}
            for cause, ns in total.most_common()
        ],
        "bands": tail.bands(),
        "watched": watched.blind,
        "steps_not_kept": done.recording.steps_not_kept,
    }
