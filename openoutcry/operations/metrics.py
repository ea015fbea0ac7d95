"""What a running venue is like, as Prometheus metrics.

Names follow Prometheus's conventions (https://prometheus.io/docs/practices/naming/): base units,
seconds and bytes; counters end in ``_total``.  A scrape reads the shared memory of the run, the
status in its journal's folder, and the kernel's accounts of its processes.
"""

import json
import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psutil

import openoutcry
from openoutcry.operations.alarms import Wanted
from openoutcry.operations.aside import Aside
from openoutcry.operations.limits_used import LimitsUsed, add_limits
from openoutcry.operations.native import UPPER_NS, native
from openoutcry.pipeline.top import RunningPipeline, attached_again, running_owners
from openoutcry.pipeline.topology import REPLICA
from openoutcry.ptp.status import clock_status
from openoutcry.ring import ProcessIdentity
from openoutcry.runtime import control as control_words
from openoutcry.runtime.histogram import bucket_upper_ns
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.wire import LAYOUT_HASH, OutcryError
from openoutcry.wire.enums import EventKind, Reason

if TYPE_CHECKING:
    from prometheus_client.core import Metric

NS = 1e-9
MAX_PARTICIPANTS = 1_000
"""The limits of more than these are not checked."""
FILLING_S = 600.0
"""The time over which it is seen how fast the journal's disk fills."""
RECONCILED = "ledger/reconciled.json"
"""In the journal's folder: what `outcry ledger reconcile` has found last."""
SURVEILLED = "surveillance/status.json"
"""File with the findings of `outcry surveillance` so far."""
OF_SERIES = "announced", "expired"
"""States of contracts that are no metric: a series has hundreds of them."""
THRESHOLDS_NS = (500, 5_000, 10_000)
"""Thresholds of alarms: a bucket ends just below each."""


def _edges() -> list[int]:
    """Indices of the histogram's buckets that end a bucket of the metric: just below each power of
    two from 64 ns to 17 s, and each threshold."""
    upper = [bucket_upper_ns(index) for index in range(64 * 30)]
    edges = [1 << power for power in range(6, 35)] + list(THRESHOLDS_NS)
    return [max(k for k, end in enumerate(upper) if end < limit) for limit in sorted(edges)]


EDGES = _edges()
EDGES_S = [(bucket_upper_ns(index)) * NS for index in EDGES]


def classic_buckets(words: npt.NDArray[np.int64]) -> tuple[list[tuple[str, float]], float]:
    """A run's histogram (int64[4096], ns) as cumulative buckets in seconds, and the values' sum.
    The sum takes each value for its bucket's upper edge (at most 1.6 % too much)."""
    counts = words[:-1].copy()  # a running stage counts on
    reached = np.cumsum(counts)
    buckets = [
        (f"{edge:.12g}", float(reached[index])) for edge, index in zip(EDGES_S, EDGES, strict=True)
    ]
    total_ns = float(np.dot(counts.astype(np.float64), UPPER_NS))
    return [*buckets, ("+Inf", float(reached[-1]))], total_ns * NS


class Families:
    """Metric families by name, in the order in which they came."""

    def __init__(self, native_too: bool = False, wanted: Wanted | None = None) -> None:
        """``native_too``: histograms in their native form, too, in separate families.
        ``wanted``: nothing but these series (None: all)."""
        from prometheus_client import core

        self.native_too, self.kinds, self.wanted = native_too, core, wanted
        self.families: dict[str, Any] = {}

    def _family(self, kind: Any, name: str, text: str, labels: dict[str, str]) -> Any:
        if name not in self.families:
            self.families[name] = kind(name, text, labels=list(labels))
        return self.families[name]

    def _is_wanted(self, name: str, labels: dict[str, str]) -> bool:
        if self.wanted is None:
            return True
        return any(some.items() <= labels.items() for some in self.wanted.get(name, ()))

    def gauge(self, name: str, text: str, value: float, **labels: str) -> None:
        """Add a value that may go up and down."""
        if not self._is_wanted(name, labels):
            return
        family = self._family(self.kinds.GaugeMetricFamily, name, text, labels)
        family.add_metric(list(labels.values()), value)

    def counter(self, name: str, text: str, value: float, **labels: str) -> None:
        """Add a value that only grows."""
        if not self._is_wanted(name, labels):
            return
        family = self._family(self.kinds.CounterMetricFamily, name, text, labels)
        family.add_metric(list(labels.values()), value)

    def histogram(self, name: str, text: str, words: npt.NDArray[np.int64], **labels: str) -> None:
        """Add a histogram from the words of ``runtime/histogram.py``."""
        if not self._is_wanted(name, labels):
            return
        buckets, total = classic_buckets(words)
        family = self._family(self.kinds.HistogramMetricFamily, name, text, labels)
        family.add_metric(list(labels.values()), buckets, total)
        if not self.native_too:
            return
        other = name.removesuffix("_seconds") + "_native_seconds"
        if other not in self.families:
            self.families[other] = self.kinds.Metric(other, text, "histogram")
        self.families[other].add_sample(other, labels, 0.0, native_histogram=native(words))


class VenueMetrics:
    """A collector of prometheus_client: metrics of one venue, or without a file of every pipeline
    of this user that runs."""

    def __init__(self, venue: VenueFile | None = None, wanted: Wanted | None = None) -> None:
        """``wanted``: nothing but these series (None: all)."""
        self.venue, self.wanted = venue, wanted
        self.aside: Aside | None = None
        """Kept off the cores of what is checked, by a process that does nothing else."""
        self._left: deque[tuple[float, int]] = deque()
        """Moments, and how many bytes were left on the journal's disk then."""
        self._limits: tuple[ProcessIdentity, LimitsUsed] | None = None
        self._attached: dict[ProcessIdentity, RunningPipeline] = {}
        self._lock = Lock()

    def _limits_of(self, owner: ProcessIdentity) -> LimitsUsed:
        with self._lock:
            if self._limits is None or self._limits[0] != owner:
                self._limits = owner, LimitsUsed(owner)
            return self._limits[1]

    def _time_to_full(self, out: Families, journal: Path, venue: str) -> None:
        with self._lock:
            now_s = time.monotonic()
            self._left.append((now_s, journal_use(journal)["disk_available_bytes"]))
            while self._left[0][0] < now_s - FILLING_S:
                self._left.popleft()
            seconds = seconds_to_full(self._left)
        out.gauge(
            "outcry_journal_seconds_to_full",
            "Time until the journal's disk is full, at the rate of the last ten minutes.",
            seconds,
            venue=venue,
        )

    def _running(self, pid: int = 0) -> list[RunningPipeline]:
        """Every pipeline, or that of this supervisor; each is attached to once."""
        with self._lock:
            living = running_owners(pid)
            self._attached = {
                owner: pipeline
                for owner in living
                if (pipeline := attached_again(self._attached.get(owner), owner)) is not None
            }
            pipelines = list(self._attached.values())
            if self.aside is not None:
                self.aside.keep_off(frozenset().union(*(one.spun_cores for one in pipelines)))
            return pipelines

    def describe(self) -> "Iterator[Metric]":
        """Nothing: which metrics there are depends on what runs."""
        return iter(())

    def collect(self, native_too: bool = False) -> "Iterator[Metric]":
        """Everything, read again; ``native_too``: for Prometheus's protobuf."""
        begin = time.perf_counter()
        out = Families(native_too, self.wanted)
        build = out.kinds.InfoMetricFamily("outcry_build", "The running build.")
        build.add_metric([], {"version": openoutcry.__version__, "layout": f"{LAYOUT_HASH:016x}"})
        yield build
        self._venue(out)
        _clock(out)
        _host(out)
        out.gauge("outcry_scrape_seconds", "Duration of this reading.", time.perf_counter() - begin)
        yield from out.families.values()

    def _venue(self, out: Families) -> None:
        if self.venue is None:
            for pipeline in self._running():
                _pipeline(out, pipeline, str(pipeline.owner.pid))
                _set_back(out, pipeline, str(pipeline.owner.pid))
            return
        journal, name = self.venue.journal, self.venue.name
        status = read_status(journal) if journal.is_dir() else None
        state = status["state"] if status else "never opened"
        for one in ("open", "closed", "stopped", "dead", "never opened"):
            out.gauge(
                "outcry_venue_state",
                "1 for the venue's current state.",
                float(one == state),
                venue=name,
                state=one,
            )
        if status is not None:
            _status(out, status, name)
            _journal(out, journal, name)
            self._time_to_full(out, journal, name)
            _ledger(out, journal, name)
            _surveillance(out, journal, name)
        if status is not None and state == "open":
            for pipeline in self._running(int(status["pid"])):
                _pipeline(out, pipeline, name)
                _set_back(out, pipeline, name)
                numbers = [
                    participant.number for participant in self.venue.participants[:MAX_PARTICIPANTS]
                ]
                add_limits(out, self._limits_of(pipeline.owner), numbers, name)
                out.gauge(
                    "outcry_order_capacity",
                    "Largest possible number of open orders.",
                    self.venue.order_capacity,
                    venue=name,
                )


def seconds_to_full(points: "deque[tuple[float, int]]") -> float:
    """Return the seconds until it is full, at the rate between the first of these (time, bytes
    left) and the last; infinite if nothing is lost."""
    (begin_s, before), (end_s, left) = points[0], points[-1]
    lost = before - left
    return left * (end_s - begin_s) / lost if lost > 0 else math.inf


def _set_back(out: Families, pipeline: RunningPipeline, venue: str) -> None:
    out.gauge(
        "outcry_clock_set_back_seconds",
        "By how much the clock was set back in this run or before it.",
        pipeline.control.block.clock_back_ns * NS,
        venue=venue,
    )


def _pipeline(out: Families, pipeline: RunningPipeline, venue: str) -> None:
    control, positions = pipeline.control, pipeline.positions()
    out.counter("outcry_commands", "Commands sequenced.", positions["sequenced"], venue=venue)
    out.counter("outcry_trades", "Trades released.", control.reply.trades, venue=venue)
    for kind in EventKind:
        out.counter(
            "outcry_events",
            "Events released, by kind.",
            control.reply.kinds[kind],
            venue=venue,
            kind=kind.name.lower(),
        )
    for reason in Reason:
        if reason:
            out.counter(
                "outcry_rejects",
                "Commands rejected, by reason.",
                control.reply.reasons[reason],
                venue=venue,
                reason=reason.name.lower(),
            )
    out.counter(
        "outcry_dropped_datagrams",
        "Datagrams that the kernel dropped.",
        positions["dropped"],
        venue=venue,
    )
    out.counter(
        "outcry_throttled_orders",
        "Orders rejected because of a participant's rate.",
        positions["refused"],
        venue=venue,
    )
    lag = (
        max(0, positions["sequenced"] - pipeline.durable_seq)
        if "journal" in pipeline.table.index
        else 0
    )
    meaning = "Commands sequenced, not yet durable."
    out.gauge("outcry_durable_lag_commands", meaning, lag, venue=venue)
    if (at := pipeline.table.index.get(REPLICA.name)) is not None:
        _replicas(out, control, at, positions["sequenced"], venue)
    _rings(out, pipeline, positions, venue)
    _ports(out, control, venue)
    for index, stage in enumerate(pipeline.table.stages):
        if control.stage(index).pid:
            _stage(out, pipeline, index, stage.name, venue)
    out.gauge("outcry_open_orders", "Orders in the book.", pipeline.open_orders, venue=venue)
    _processes(out, pipeline, venue)
    for interval, words in pipeline.histograms():
        out.histogram(
            "outcry_latency_seconds",
            "Latency by span, since the run began.",
            words,
            venue=venue,
            stage=interval.name,
            span=interval.span,
        )


def _rings(
    out: Families, pipeline: RunningPipeline, positions: Mapping[str, int], venue: str
) -> None:
    for name, ring in pipeline.rings.items():
        out.counter(
            "outcry_ring_records",
            "Records published on a ring.",
            positions[name],
            venue=venue,
            ring=name,
        )
        fill = max(0, positions[name] - ring.gating) / ring.capacity
        out.gauge(
            "outcry_ring_fill_ratio",
            "Fill of a ring, 0 to 1.",
            fill,
            venue=venue,
            ring=name,
        )


def lease_left_ns(control: control_words.Control, at: int) -> int:
    """Return how long the lease of a replicated run lasts from now on; ``at``: the publisher's
    stage."""
    until_ns = control.stage(at).safe_until_ns
    return until_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _replicas(
    out: Families, control: control_words.Control, at: int, sequenced: int, venue: str
) -> None:
    """Export the metrics of a replicated journal: how far the replicas lag, and how long the lease
    lasts."""
    lag = max(0, sequenced - control.stage(at).safe_seq)
    out.gauge(
        "outcry_replica_lag_commands",
        "Sequenced commands that are not yet on a majority of the replicas.",
        lag,
        venue=venue,
    )
    out.gauge(
        "outcry_replica_lag_bytes",
        "Bytes of the journal that a majority of the replicas has not yet acknowledged.",
        control.stage(at).lag_bytes,
        venue=venue,
    )
    left_ns = lease_left_ns(control, at)
    out.gauge(
        "outcry_replica_lease_seconds",
        "Time until events are withheld without an answer of the quorum; below 0: cut off.",
        left_ns * NS,
        venue=venue,
    )


def _ports(out: Families, control: control_words.Control, venue: str) -> None:
    for index in range(control_words.MAX_PORTS):
        if (error := control.port(index)) is not None:
            out.gauge(
                "outcry_port_up",
                "1 while the port takes packets; 0: its link is down, or its device is gone.",
                float(error == 0),
                venue=venue,
                port=str(index + 1),
            )


def _stage(out: Families, pipeline: RunningPipeline, index: int, name: str, venue: str) -> None:
    control = pipeline.control
    beat_ns = control.stage(index).heartbeat_ns
    out.gauge(
        "outcry_stage_up",
        "1 while the stage's process is alive.",
        float(pipeline.stage_alive(index)),
        venue=venue,
        stage=name,
    )
    if beat_ns:
        out.gauge(
            "outcry_stage_heartbeat_age_seconds",
            "Time since the stage's last heartbeat.",
            max(0, time.monotonic_ns() - beat_ns) * NS,
            venue=venue,
            stage=name,
        )
    out.gauge(
        "outcry_stage_stalled",
        "1 if the stage is alive but makes no progress while input waits.",
        float(control.stage(index).stalled_ns > 0),
        venue=venue,
        stage=name,
    )
    out.counter(
        "outcry_stage_restarts",
        "Restarts of the stage.",
        control.stage(index).restarts,
        venue=venue,
        stage=name,
    )


def _processes(out: Families, pipeline: RunningPipeline, venue: str) -> None:
    """Processor time and memory of the run's processes: stages that share one are one row."""
    groups: dict[int, list[str]] = {pipeline.owner.pid: ["supervisor"]}
    for index, stage in enumerate(pipeline.table.stages):
        pid = pipeline.control.stage(index).pid
        if pid and pid != pipeline.owner.pid:
            groups.setdefault(pid, []).append(stage.name)
    for pid, names in groups.items():
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                cpu, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            continue  # it has ended meanwhile
        shown = "+".join(names)
        out.counter(
            "outcry_process_cpu_seconds",
            "Processor time used, user and system.",
            cpu.user + cpu.system,
            venue=venue,
            process=shown,
        )
        out.gauge(
            "outcry_process_resident_memory_bytes",
            "Resident memory, shared included.",
            memory.rss,
            venue=venue,
            process=shown,
        )


def _status(out: Families, status: dict[str, Any], venue: str) -> None:
    """Sessions and switches, from the status that the venue writes twice a second."""
    risk = status.get("risk") or {}
    out.gauge(
        "outcry_market_killed",
        "1 while the whole market is killed.",
        float(bool(risk.get("market_killed"))),
        venue=venue,
    )
    out.gauge(
        "outcry_emergency_step",
        "Completed steps of the emergency close, of 6.",
        risk.get("emergency_step", 0),
        venue=venue,
    )
    out.gauge(
        "outcry_breaker_level",
        "Level of the market-wide breaker that fired.",
        risk.get("breaker_level", 0),
        venue=venue,
    )
    for name, key in (
        ("outcry_participants_killed", "killed"),
        ("outcry_wallets_short", "shortfalls"),
        ("outcry_groups_killed", "groups_killed"),
        ("outcry_instruments_halted", "halted"),
        ("outcry_instruments_protected", "protection"),
    ):
        what = f"How many {name.removeprefix('outcry_').replace('_', ' ')} there are."
        out.gauge(name, what, len(risk.get(key, ())), venue=venue)
    for symbol, state in sorted(risk.get("states", {}).items()):
        if state in OF_SERIES and symbol in risk.get("contracts", {}):
            continue
        of = {"venue": venue, "symbol": symbol, "state": state}
        out.gauge("outcry_instrument_state", "1: the state of an instrument not trading.", 1, **of)
    for row in status.get("processes") or ():
        of = {"venue": venue, "process": row["name"]}
        up = "1 while a process that the supervisor keeps running is alive."
        out.gauge("outcry_process_up", up, float(row["up"]), **of)
        out.counter("outcry_process_restarts", "Restarts of the process.", row["restarts"], **of)
    _feed(out, status.get("feed") or {}, venue)
    _sessions(out, status.get("sessions") or (), venue)


def _sessions(out: Families, rows: Iterable[dict[str, Any]], venue: str) -> None:
    counters = {
        "connections": "connections",
        "messages": "messages",
        "refused": "messages_refused",
        "throttled": "messages_throttled",
        "duplicates": "messages_duplicate",
        "faults": "protocol_faults",
        "slow": "slow_reader_cuts",
    }
    for row in rows:
        session = row["name"] or "(none)"
        for reason, count in row["refused_logins"].items():
            out.counter(
                "outcry_session_logins_refused",
                "Logins refused, by reason.",
                count,
                venue=venue,
                session=session,
                reason=reason,
            )
        if not row["name"]:
            continue
        for state in ("connected", "killed", "locked"):
            out.gauge(
                f"outcry_session_{state}",
                f"1 while the session is {state}.",
                float(row[state]),
                venue=venue,
                session=session,
            )
        out.gauge(
            "outcry_session_sequence",
            "Messages of the day that were sent to the session.",
            row.get("sequence", 0),
            venue=venue,
            session=session,
        )
        out.gauge(
            "outcry_session_open_orders",
            "Open orders of the session.",
            row["open_orders"],
            venue=venue,
            session=session,
        )
        for key, name in counters.items():
            out.counter(
                f"outcry_session_{name}",
                f"{name.replace('_', ' ').capitalize()} of the session.",
                row[key],
                venue=venue,
                session=session,
            )


def _feed(out: Families, feed: dict[str, int], venue: str) -> None:
    """The public feed: both lines say the same, so that a packet is one on each."""
    if not feed:
        return
    out.gauge(
        "outcry_feed_lines",
        "Number of lines (A, B) on which the feed is sent.",
        feed["lines"],
        venue=venue,
    )
    up = "1 if the feed's process is alive and sends messages or heartbeats."
    out.gauge("outcry_feed_up", up, feed["up"], venue=venue)
    for key, text in (
        ("restarts", "Restarts of the feed's process."),
        ("messages", "Messages of the feed's session."),
        ("packets", "Packets sent on each line."),
        ("packets_not_taken", "Packets that could not be sent."),
        ("requests_answered", "Requests for missed messages (gaps) that were answered."),
        ("requests_refused", "Requests for missed messages that were refused."),
        ("clamped", "Values that were clamped to the range of their field."),
    ):
        out.counter(f"outcry_feed_{key}", text, feed[key], venue=venue)


def journal_use(journal: Path) -> dict[str, int]:
    """``bytes`` and ``files`` of a journal's directory, ``disk_available_bytes`` and
    ``disk_size_bytes`` of its file system."""
    sizes = []
    with os.scandir(journal) as entries:
        for entry in entries:
            try:
                if entry.is_file(follow_symlinks=False):
                    sizes.append(entry.stat().st_size)
            except FileNotFoundError:
                continue  # replaced or retired meanwhile
    disk = os.statvfs(journal)
    return {
        "bytes": sum(sizes),
        "files": len(sizes),
        "disk_available_bytes": disk.f_bavail * disk.f_frsize,
        "disk_size_bytes": disk.f_blocks * disk.f_frsize,
    }


def _journal(out: Families, journal: Path, venue: str) -> None:
    usage = journal_use(journal)
    for key, text in (
        ("bytes", "Bytes of the files in the journal's directory."),
        ("files", "Files in the journal's directory."),
        ("disk_available_bytes", "Free bytes of the journal's file system."),
        ("disk_size_bytes", "Size of the journal's file system."),
    ):
        out.gauge(f"outcry_journal_{key}", text, usage[key], venue=venue)


def _ledger(out: Families, journal: Path, venue: str) -> None:
    """Export the last result of `outcry ledger reconcile`; nothing where it was never asked."""
    try:
        document = json.loads((journal / RECONCILED).read_bytes())
        parts = document["difference"]
        looked_s, seq = float(document["looked_s"]), int(document["seq"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    out.gauge(
        "outcry_ledger_discrepancy",
        "1 if journal, ledger, risk and store differ.",
        float(parts is not None),
        venue=venue,
    )
    out.gauge(
        "outcry_ledger_discrepancy_sequence",
        "The first command at which they differ.",
        parts["seq"] if parts else 0,
        venue=venue,
    )
    out.gauge(
        "outcry_ledger_reconciled_sequence",
        "The last command that was compared.",
        seq,
        venue=venue,
    )
    out.gauge(
        "outcry_ledger_reconciled_age_seconds",
        "Time since the last reconciliation.",
        max(0.0, time.time() - looked_s),
        venue=venue,
    )


def _surveillance(out: Families, journal: Path, venue: str) -> None:
    """The cases of `outcry surveillance`; nothing where it does not run."""
    try:
        document = json.loads((journal / SURVEILLED).read_bytes())
        counts = [(str(d), str(s), str(w), int(n)) for d, s, w, n in document["cases"]]
        looked_s, seq = float(document["looked_s"]), int(document["seq"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for detector, severity, status, count in counts:
        out.gauge(
            "outcry_surveillance_cases",
            "Cases, by kind and state.",
            count,
            venue=venue,
            detector=detector,
            severity=severity,
            status=status,
        )
    out.gauge(
        "outcry_surveillance_sequence",
        "The last command that surveillance examined.",
        seq,
        venue=venue,
    )
    out.gauge(
        "outcry_surveillance_age_seconds",
        "Time since surveillance last ran.",
        max(0.0, time.time() - looked_s),
        venue=venue,
    )


def _clock(out: Families) -> None:
    try:
        clock = clock_status()
    except OutcryError:
        return  # a daemon that knows nothing yet
    source = clock["source"]
    out.gauge(
        "outcry_clock_offset_seconds",
        "Offset from the source at the last sample.",
        clock["offset_ns"] * NS,
        source=source,
    )
    if clock["bound_ns"] is not None:
        out.gauge(
            "outcry_clock_bound_seconds",
            "Error bound of the clock.",
            clock["bound_ns"] * NS,
            source=source,
        )
    out.gauge(
        "outcry_clock_drift_ratio",
        "The counter's rate against the source, minus one.",
        clock["drift_ppb"] * NS,
        source=source,
    )
    out.gauge(
        "outcry_clock_rts25",
        "1 while the clock is within 100 us of UTC.",
        float(clock["rts25"]["holds"]),
        source=source,
    )


def _host(out: Families) -> None:
    times, counts, memory = psutil.cpu_times(), psutil.cpu_stats(), psutil.virtual_memory()
    idle = times.idle + getattr(times, "iowait", 0.0)
    busy = times.user + times.system + times.nice + times.irq + times.softirq
    for mode, value in (("busy", busy), ("idle", idle), ("steal", times.steal)):
        out.counter("outcry_host_cpu_seconds", "Time of all processors, by mode.", value, mode=mode)
    out.counter("outcry_host_interrupts", "Interrupts taken.", counts.interrupts)
    out.gauge("outcry_host_memory_total_bytes", "The host's memory.", memory.total)
    out.gauge(
        "outcry_host_memory_available_bytes", "Memory available to programs.", memory.available
    )
    udp = _udp()
    if udp:
        out.counter("outcry_host_udp_received", "Datagrams received.", udp["InDatagrams"])
        out.counter(
            "outcry_host_udp_lost",
            "Datagrams lost because a socket's queue was full.",
            udp["RcvbufErrors"],
        )


def _udp() -> dict[str, int]:
    """The kernel's counts of UDP (RFC 4113), IPv4."""
    try:
        rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    except OSError:
        return {}
    names, values = [row[1:] for row in rows if row[0] == "Udp:"]
    return dict(zip(names, map(int, values), strict=True))
