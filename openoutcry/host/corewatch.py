"""What every core did other than our work: switches, interrupts and page faults, to the nanosecond.

``perf record`` on all cores, stamped with CLOCK_MONOTONIC as our own stamps are.  Needs perf and
the right to trace the whole machine (root, or perf_event_paranoid at -1); where that is missing
:func:`refusal` says so and the benchmark continues without it.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openoutcry.host.doctor_devices import CONTEXT_SWITCHES, SOFTWARE, open_counter
from openoutcry.host.processes import die_with_parent
from openoutcry.wire.extras import PROGRAMS

PAIRED = {
    "irq:irq_handler": "interrupt",
    "irq:softirq": "soft interrupt",
    "irq_vectors:local_timer": "timer interrupt",
    "irq_vectors:reschedule": "rescheduling interrupt",
    "irq_vectors:call_function": "function call interrupt",
    "irq_vectors:call_function_single": "function call interrupt",
}
"""Tracepoints that come as ..._entry and ..._exit, and what people call them.

Not irq_vectors:irq_work: perf itself works by such interrupts, so the kernel lets no program sample
their exit (arch/x86/include/asm/trace/irq_vectors.h) and the whole recording would be refused.
"""
SWITCHED = ("preempted", "moved to another core")
SWITCH = "sched:sched_switch"
FAULT = "page-faults"
UNSEEN = "not seen from inside (hypervisor, SMI, memory)"
BUFFER_PAGES = 1024
COMPLAINT_CHARS = 200
START_TIMEOUT_S = 5.0
LINE = re.compile(r"^\s*(.*?)\s+(\d+)/\d+\s+\[(\d+)\]\s+(\d+)\.(\d{9}):\s+(\S+):\s?(.*)$")
FIELDS = re.compile(r"(prev_pid|next_pid)=(-?\d+)")
LOST = re.compile(r"Processed \d+ \w+ and lost ")
NEXT_NAME = re.compile(r"next_comm=(.*?) next_pid=")


@dataclass(frozen=True)
class Interval:
    """An interval in which another program ran on a core instead of ``pid``: [start_ns, end_ns] of
    CLOCK_MONOTONIC.

    ``kind``: ``preempted``, ``page fault`` (of no known length: end = start) or one of PAIRED.
    ``what`` names it: the task that ran instead, the interrupt's name."""

    core: int
    start_ns: int
    end_ns: int
    kind: str
    what: str
    pid: int

    @property
    def name(self) -> str:
        """Return the name of what took the core, for a reader."""
        return self.kind if self.kind == self.what else f"{self.kind}: {self.what}"


@dataclass
class Watched:
    """The intervals of one watch; ``refused``: why it has no intervals, ``unwatched``: why only
    some."""

    refused: str | None = None
    unwatched: str | None = None
    intervals: list[Interval] = field(default_factory=list)

    @property
    def blind(self) -> str | None:
        """Return why the kernel's side was not seen as a whole, or None."""
        return self.refused or self.unwatched

    @property
    def rest(self) -> str:
        """Return the name of lost time that no interval explains: only a whole watch that saw
        nothing can blame what lies outside of the kernel."""
        return f"not watched: {self.blind}" if self.blind else UNSEEN


def refusal() -> str | None:
    """Return why the cores cannot be watched here, or None."""
    if shutil.which("perf") is None:
        return f"perf is not installed: {PROGRAMS['perf']}"
    refused = open_counter(SOFTWARE, CONTEXT_SWITCHES)
    if refused:
        return f"perf events are not permitted here: {refused}"
    if os.geteuid() != 0:
        try:
            level = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
        except (OSError, ValueError):
            return "this kernel has no perf events"
        if level > -1:
            return f"perf_event_paranoid is {level} and this user is not root"
    return None


@contextmanager
def core_watch() -> Iterator[Watched]:
    """Watch all cores while the body runs; the intervals are there afterwards."""
    watched = Watched(refused=refusal())
    if watched.refused:
        yield watched
        return
    with tempfile.TemporaryDirectory(prefix="outcry-watch-") as folder:
        data = Path(folder) / "perf.data"
        with _recording(data, watched):
            yield watched
        if watched.refused is None:
            lines, why, lost = _script(data)
            watched.intervals = intervals(lines)
            if why and not watched.intervals:
                watched.refused = why
                return
            unwatched = [watched.unwatched] if watched.unwatched else []
            if why:
                # What precedes the record that perf stumbled over is still true.
                unwatched.append(f"what came after {len(lines):,} events ({why})")
            if lost:
                unwatched.append(f"events that perf dropped ({lost})")
            watched.unwatched = "; ".join(unwatched) or None


@contextmanager
def _recording(data: Path, watched: Watched) -> Iterator[None]:
    """perf record with every event, or with the switches and faults alone, or not at all.

    What is not watched is named in ``watched``."""
    for events in (_all_events(), [SWITCH, FAULT]):
        recorder = _Recorder(data, events)
        try:
            begun = recorder.enabled()
        except KeyboardInterrupt:
            recorder.close()
            raise
        if begun:
            if watched.refused:
                watched.unwatched = f"interrupts ({watched.refused})"
            watched.refused = None
            break
        watched.refused = f"perf record: {_one_line(recorder.close())}"
    try:
        yield
    finally:
        if watched.refused is None:
            recorder.close()


class _Recorder:
    """One perf record that begins on request and says when it has begun.

    Without build ids (-B): to find them it would read the whole recording again at its end.  BPF
    programs are not recorded either; nothing here reads them.  If programs come and go while perf
    6.1 collects them, its script sometimes ends with status 242 (intel/gprofiler issue 512).
    """

    def __init__(self, data: Path, events: list[str]) -> None:
        order_fd, self.orders = os.pipe()
        self.answers, ack_fd = os.pipe()
        self.process = subprocess.Popen(
            [
                "perf",
                "record",
                "-q",
                "-a",
                "-B",
                "--no-bpf-event",
                "-k",
                "CLOCK_MONOTONIC",
                "-m",
                str(BUFFER_PAGES),
                "-D",
                "-1",
                f"--control=fd:{order_fd},{ack_fd}",
                "-o",
                str(data),
                "-e",
                ",".join(events),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(order_fd, ack_fd),
            preexec_fn=die_with_parent,
        )
        os.close(order_fd)
        os.close(ack_fd)

    def enabled(self) -> bool:
        """Ask it to begin; True once every core is watched."""
        try:
            os.write(self.orders, b"enable\n")
        except BrokenPipeError:
            return False
        ready, _, _ = select.select([self.answers], [], [], START_TIMEOUT_S)
        return bool(ready) and os.read(self.answers, 16).startswith(b"ack")

    def close(self) -> str:
        """End it; returns what it complained of."""
        self.process.send_signal(signal.SIGINT)
        try:
            _, errors = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, errors = self.process.communicate()
        os.close(self.orders)
        os.close(self.answers)
        return (errors or "").strip() or f"ended with {self.process.returncode}"


def _all_events() -> list[str]:
    pairs = [f"{name}_{end}" for name in PAIRED for end in ("entry", "exit")]
    return [SWITCH, *pairs, FAULT]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:COMPLAINT_CHARS]


def _script(data: Path) -> tuple[list[str], str | None, str | None]:
    """The recording as lines, and why perf could not read it to its end.

    Then what it says of events for which the kernel's buffer had no room (None: nothing)."""
    done = subprocess.run(
        ["perf", "script", "-i", str(data), "--ns", "-F", "comm,pid,tid,cpu,time,event,trace"],
        capture_output=True,
        text=True,
        timeout=300,
        errors="replace",
    )
    if done.returncode:
        # It warns first (columns that some events have not) and says what is wrong last.
        last_line = (done.stderr.strip().splitlines() or [""])[-1]
        why = f"perf script ended with {done.returncode}: {_one_line(last_line)}"
        return done.stdout.splitlines(), why, None
    lost = "; ".join(line for line in done.stderr.splitlines() if LOST.match(line))
    return done.stdout.splitlines(), None, lost or None


def intervals(lines: Iterable[str]) -> list[Interval]:
    """``perf script``'s lines as intervals, in the order of their ends."""
    spans: list[Interval] = []
    entered: dict[tuple[int, str], list[tuple[int, str, int]]] = {}
    away: dict[int, tuple[int, int, str]] = {}
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        _, pid, core, second, nanos, event, rest = match.groups()
        at, where, who = int(second) * 1_000_000_000 + int(nanos), int(core), int(pid)
        if event == SWITCH:
            spans += _switched(away, at, where, rest)
        elif event == FAULT:
            spans.append(Interval(where, at, at, "page fault", "page fault", who))
        elif event.endswith("_entry"):
            base = event.removesuffix("_entry")
            entered.setdefault((where, base), []).append((at, _name(base, rest), who))
        elif event.endswith("_exit"):
            base = event.removesuffix("_exit")
            open_ones = entered.get((where, base))
            if open_ones:
                start, name, whom = open_ones.pop()
                spans.append(Interval(where, start, at, PAIRED.get(base, base), name, whom))
    return spans


def _switched(
    away: dict[int, tuple[int, int, str]], at: int, core: int, rest: str
) -> Iterator[Interval]:
    """A task left the core and another came: the one that comes back was away for an interval."""
    ids = {name: int(value) for name, value in FIELDS.findall(rest)}
    name = NEXT_NAME.search(rest)
    if len(ids) < 2 or name is None:
        return
    if ids["prev_pid"]:
        away[ids["prev_pid"]] = (at, core, name[1])
    came = away.pop(ids["next_pid"], None)
    if came is not None and ids["next_pid"]:
        start, old_core, instead = came
        kind = SWITCHED[int(old_core != core)]
        yield Interval(old_core, start, at, kind, instead, ids["next_pid"])


def _name(base: str, rest: str) -> str:
    """irq=36 name=virtio1-req.0 -> virtio1-req.0; vec=9 [action=RCU] -> RCU; else the kind."""
    for mark in ("name=", "action="):
        if mark in rest:
            return rest.split(mark)[1].split()[0].rstrip("]")
    return PAIRED.get(base, base)


def over(spans: Iterable[Interval], core: int, start_ns: int, end_ns: int) -> list[Interval]:
    """Return those on the core that overlap [start_ns, end_ns]."""
    return [i for i in spans if i.core == core and i.start_ns <= end_ns and i.end_ns >= start_ns]
