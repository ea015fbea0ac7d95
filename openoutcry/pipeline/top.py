"""Look at running pipelines from outside, through the shared memory they already keep."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from openoutcry.journal.recent import RecentBlocks
from openoutcry.report.plain import drawn_on
from openoutcry.report.run_text import stage_table
from openoutcry.ring import ProcessIdentity, RingBuffer, Segment, layout, list_segments
from openoutcry.ring.segment import segment_name
from openoutcry.runtime import control as control_words
from openoutcry.runtime.histogram import HISTOGRAM_BYTES, WORDS, summary
from openoutcry.runtime.shared import RECENT
from openoutcry.runtime.table import RECORD_TYPES, Span, Stage, Topology, as_row
from openoutcry.wire import OutcryError

COLUMNS = (("min", "min"), ("p50", "p50"), ("p99", "p99"), ("max", "max"))
RATE_WINDOW_S = 0.2
REFRESH_S = 1.0


class RunningPipeline:
    """Read-only view of one pipeline's segments."""

    def __init__(self, owner: ProcessIdentity) -> None:
        self.owner = owner
        self.control = control_words.Control.attach(segment_name(owner, "control"), read_only=True)
        self.table = Topology.from_json(self.control.table_text)
        self.rings = {
            ring.name: RingBuffer.attach(
                segment_name(owner, ring.name), RECORD_TYPES[ring.record], read_only=True
            )
            for ring in self.table.rings
        }
        self.stamps = Segment.attach(segment_name(owner, "stamps"), read_only=True)

    @property
    def is_ending(self) -> bool:
        """Return whether the run was asked to end: another of the same process may have begun."""
        return bool(self.control.block.stop)

    def recent_blocks(self) -> RecentBlocks | None:
        """Return where the journal's last blocks are; None: this run has no journal."""
        try:
            segment = Segment.attach(segment_name(self.owner, RECENT), read_only=True)
        except OutcryError:
            return None
        self._recent = segment  # mapped as long as this pipeline is
        return RecentBlocks(segment.view)

    def positions(self) -> dict[str, int]:
        """Return how far each ring is, and how many datagrams were dropped and orders refused
        before them."""
        rings = {name: int(ring.published_hint[0]) for name, ring in self.rings.items()}
        control = self.control
        return rings | {
            "dropped": control.block.dropped,
            "refused": control.block.refused,
        }

    @property
    def durable_seq(self) -> int:
        """Commands up to here are durable; 0 without a journal."""
        index = self.table.index.get("journal")
        return 0 if index is None else self.control.stage(index).safe_seq

    @property
    def spun_cores(self) -> frozenset[int]:
        """Cores on which a stage spins."""
        stages = range(len(self.table.stages))
        started = (index for index in stages if self.control.stage(index).pid)
        return frozenset(core for index in started if (core := self.control.stage(index).core) >= 0)

    def view(self, before: dict[str, int], window_s: float) -> dict[str, Any]:
        """One look, with rates since ``before``, and latency so far."""
        return self.flow(before, window_s) | {"latency": self._latency()}

    def flow(self, before: dict[str, int], window_s: float) -> dict[str, Any]:
        """The same without latency, which is most of the work."""
        control, now = self.control, self.positions()
        durability = control_words.DURABILITIES[control.block.durability]
        return {
            "pid": self.owner.pid,
            "durability": durability,
            "seed": control.block.seed,
            "rate": control.block.rate or None,
            "commands": now["sequenced"],
            "expected": control.block.expected or None,
            "trades": control.reply.trades,
            # The journal may have taken more since the look at the rings.
            "durable_lag": max(0, now["sequenced"] - self.durable_seq)
            if durability != "none"
            else None,
            "dropped": now["dropped"],
            "dropped_per_s": (now["dropped"] - before["dropped"]) / window_s,
            "refused": now["refused"],
            "refused_per_s": (now["refused"] - before["refused"]) / window_s,
            "rings": [
                {
                    "name": name,
                    "capacity": ring.capacity,
                    "published": now[name],
                    "fill": max(0, now[name] - ring.gating) / ring.capacity,
                    "per_s": (now[name] - before[name]) / window_s,
                    "cursors": {
                        reader: int(at[0]) if at[0] != layout.FREE else None
                        for reader, at in ring.cursors.items()
                    },
                }
                for name, ring in self.rings.items()
            ],
            "stages": self._stages(),
            "open_orders": self.open_orders,
        }

    def _stages(self) -> list[dict[str, Any]]:
        rows = []
        for index, stage in enumerate(self.table.stages):
            pid = self.control.stage(index).pid
            if not pid:
                continue
            beat_ns = self.control.stage(index).heartbeat_ns
            core = self.control.stage(index).core
            rows.append(
                {
                    "name": stage.name,
                    "pid": pid,
                    "alive": self.stage_alive(index),
                    "core": core if core >= 0 else None,
                    "heartbeat_age_ns": time.monotonic_ns() - beat_ns if beat_ns else None,
                    "finished": self.control.stage(index).done > 0,
                    "stalled": self.control.stage(index).stalled_ns > 0,
                    "restarts": self.control.stage(index).restarts,
                }
            )
        return rows

    def stage_alive(self, index: int) -> bool:
        """Return whether the process of a stage that was started lives."""
        stage = self.control.stage(index)
        return ProcessIdentity(stage.pid, stage.start).alive()

    @property
    def open_orders(self) -> int:
        """Orders in the book, all shards together."""
        return sum(
            self.control.stage(index).open_orders for index, _ in enumerate(self.table.stages)
        )

    def histograms(self) -> Iterator[tuple[Stage | Span, npt.NDArray[np.int64]]]:
        """The latency histogram of each interval, int64[4096] (``histogram.py``)."""
        intervals = self.table.intervals
        at = self.stamps.size_bytes - len(intervals) * HISTOGRAM_BYTES
        for index, interval in enumerate(intervals):
            yield interval, self.stamps.words(at + index * HISTOGRAM_BYTES, WORDS)

    def _latency(self) -> list[dict[str, Any]]:
        rows = []
        for interval, words in self.histograms():
            row = summary(words)
            del row["histogram"]
            if row["count"]:
                rows.append(as_row(interval, row))
        return rows


def running_owners(pid: int = 0) -> list[ProcessIdentity]:
    """The supervisor of every pipeline of this user that lives, or the one with this pid."""
    return [
        owner
        for name, owner in list_segments()
        if name.endswith(".control") and pid in (0, owner.pid) and owner.alive()
    ]


def attached(owner: ProcessIdentity) -> RunningPipeline | None:
    """The pipeline of a supervisor; None if it is just being made, or has just ended."""
    try:
        return RunningPipeline(owner)
    except OutcryError:
        return None


def attached_again(known: RunningPipeline | None, owner: ProcessIdentity) -> RunningPipeline | None:
    """The pipeline of a supervisor, as it is known unless that run ends."""
    return known if known is not None and not known.is_ending else attached(owner)


def running() -> list[RunningPipeline]:
    """Every pipeline of this user whose owner lives.  One that ends while we look is left out."""
    return [one for owner in running_owners() if (one := attached(owner)) is not None]


def views(window_s: float = RATE_WINDOW_S) -> list[dict[str, Any]]:
    """One view of each running pipeline; takes ``window_s`` for the rates."""
    pipelines = running()
    before = [pipeline.positions() for pipeline in pipelines]
    if pipelines:
        time.sleep(window_s)
    return [p.view(b, window_s) for p, b in zip(pipelines, before, strict=True)]


def show(once: bool) -> None:
    """Print once, or refresh until Control-C."""
    console = Console(file=drawn_on(sys.stdout))
    if once:
        console.print(_render(views()))
        return
    try:
        with Live(_render(views()), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH_S - RATE_WINDOW_S)
                live.update(_render(views()), refresh=True)
    except KeyboardInterrupt:
        return


def _render(views: list[dict[str, Any]]) -> Group:
    if not views:
        return Group("no pipeline is running")
    parts: list[Any] = []
    for view in views:
        lag = view["durable_lag"]
        parts.append(
            f"pipeline of pid {view['pid']}: {view['commands']:,} commands"
            + (f" of {view['expected']:,}" if view["expected"] else "")
            + f", {view['trades']:,} trades, {view['open_orders']:,} open orders"
            + f", durability {view['durability']}"
            + (f", {lag:,} not yet durable" if lag is not None else "")
        )
        if view["dropped"]:
            parts.append(
                f"overload: {view['dropped']:,} datagrams dropped by the system, "
                f"{view['dropped_per_s']:,.0f} a second now"
            )
        if view["refused"]:
            parts.append(
                f"rates: {view['refused']:,} orders rejected above their participants' "
                f"rate limits, {view['refused_per_s']:,.0f} a second now"
            )
        rings = Table(header_style="bold")
        for column in ("ring", "capacity", "published", "fill", "a second"):
            rings.add_column(column, justify="left" if column == "ring" else "right")
        for ring in view["rings"]:
            rings.add_row(
                ring["name"],
                f"{ring['capacity']:,}",
                f"{ring['published']:,}",
                f"{ring['fill']:.1%}",
                f"{ring['per_s']:,.0f}",
            )
        stages = Table(header_style="bold")
        for column in ("stage", "pid", "core", "state", "heartbeat", "restarts"):
            stages.add_column(column)
        for stage in view["stages"]:
            state = "finished" if stage["finished"] else "alive" if stage["alive"] else "dead"
            if stage["stalled"] and state == "alive":
                state = "stalled"
            age = stage["heartbeat_age_ns"]
            stages.add_row(
                stage["name"],
                str(stage["pid"]),
                "any" if stage["core"] is None else str(stage["core"]),
                state,
                "none yet" if age is None else f"{age / 1e6:.1f} ms ago",
                str(stage["restarts"]),
            )
        parts += [rings, stages, stage_table(view["latency"], "Latency so far", COLUMNS)]
    return Group(*parts)
