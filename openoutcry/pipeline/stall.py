"""Stall detection: stages that live and make no progress, by evidence, not wall clock alone.

A stage is stalled when its process could have run and the stage did not move.  Either its heartbeat
stopped, or it continued to beat while its input waited and its output had room.  While the process
is runnable, the time it ran counts; otherwise the wall clock less the time spent waiting for a
processor.  Both come from ``/proc/PID/schedstat``, which reports a wait only once it is over.  So a
stage that is starved on a busy machine is never taken for a stalled one.  A process of which any
thread waits for a disk (state D) is left alone, however slow the disk.  One look counts for a fifth
of a second of wall clock at most: a supervisor that did not run itself has seen nothing.

A stage that is not ready has no heartbeat yet, and its start has no known bound.  Before that, only
a process that a signal has stopped is reported.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from openoutcry.host.processes import is_stopped
from openoutcry.pipeline.topology import REPLICA
from openoutcry.ring import RingBuffer
from openoutcry.ring.policy import needed, quorum_value
from openoutcry.risk.rebalance import CORE_BYTES
from openoutcry.runtime.shared import Shared

LOOK_S = 0.05
MAX_LOOK_S = 0.3
PYTHON_DUMP_S = 0.3
MAX_DUMP_CHARS = 8_000
DUMP_SIGNAL = signal.SIGUSR2
KERNEL_FILES = ("wchan", "syscall", "stack")
STATUS_LINES = (
    "Name",
    "State",
    "SigPnd",
    "ShdPnd",
    "voluntary_ctxt_switches",
    "nonvoluntary_ctxt_switches",
)
STOPPED, TRACED, DISK_SLEEP, RUNNABLE = "T", "t", "D", "R"
STATE_TEXT = {
    RUNNABLE: "it runs",
    "S": "it sleeps",
    STOPPED: "it is stopped by a signal",
    TRACED: "a debugger holds it",
    DISK_SLEEP: "it waits for a disk",
}


@dataclass(frozen=True)
class StallPolicy:
    """How long a stage may run without progress until it is reported, and until it is restarted."""

    report_s: float = 1.0
    restart_s: float = 5.0


@dataclass
class Evidence:
    """Observations of one process since it last made progress."""

    seconds: float = 0.0
    """Time in which it could have run."""
    looked_s: float = 0.0
    ran_s: float = 0.0
    waited_s: float = 0.0
    state: str = ""

    def poll(self, now_s: float, ran_s: float, waited_s: float, states: str) -> None:
        """``ran_s``, ``waited_s``: on a processor and for one, ever; ``states``: one letter a
        thread, the main one's first."""
        if self.looked_s and DISK_SLEEP not in states:
            passed = min(now_s - self.looked_s, MAX_LOOK_S)
            slept = max(0.0, passed - (waited_s - self.waited_s))
            self.seconds += ran_s - self.ran_s if states[:1] == RUNNABLE else slept
        self.looked_s, self.ran_s, self.waited_s = now_s, ran_s, waited_s
        self.state = DISK_SLEEP if DISK_SLEEP in states else states[:1]


class Watch:
    """Looks at the stages of one process again and again."""

    def __init__(self, shared: Shared, stages: tuple[str, ...], pid: int) -> None:
        self.shared = shared
        self.stages = stages
        self.pid = pid
        self.evidence = Evidence()
        self.reported = False
        self._marks: dict[str, tuple[int, ...]] = {}
        self._before: dict[str, tuple[int, tuple[int, ...], bool]] = {}

    def poll(self, now_s: float) -> list[str]:
        """Return the stages that have not moved since the last poll."""
        stuck = [name for name in self.stages if not self._moved(name)]
        if not stuck:
            self.evidence = Evidence()
            return stuck
        try:
            self.evidence.poll(now_s, *scheduling(self.pid))
        except OSError:
            # It has just died, which is seen elsewhere.
            return []
        return stuck

    def _moved(self, name: str) -> bool:
        control, index = self.shared.control, self.shared.table.index[name]
        if not control.stage(index).ready_ns:
            self._before.pop(name, None)
            return not is_stopped(self.pid)
        if control.stage(index).done:
            self._before.pop(name, None)
            return True
        beat = control.stage(index).heartbeat_ns
        progress, waits = work_of(self.shared, name)
        before = self._before.get(name)
        self._before[name] = (beat, progress, waits)
        if before is None or progress != before[1]:
            return True
        return beat != before[0] and not (waits and before[2])


def work_of(shared: Shared, stage: str) -> tuple[tuple[int, ...], bool]:
    """Return how far a stage is, and whether work waits for it: input that it has not taken and
    may take, and room to put what comes of it.  Of a source's input nothing is known here: its
    heartbeat has to do."""
    table = shared.table
    out, barrier = shared.rings.get(table[stage].writes), table.barrier(stage)
    places, waiting = [_at(out)] if out else [], []
    for name in table.inputs(stage):
        ring = shared.rings[name]
        done = int(ring.cursors[stage][0])
        ahead = int(ring.cursors[barrier][0]) if barrier else _at(ring)
        waiting.append(ahead > done and _is_safe(shared, stage, ring, done + 1))
        places.append(done)
    # What merges cannot take one input before it has seen the others.
    waits = bool(waiting) and (all(waiting) if table[stage].merges else any(waiting))
    waits = waits and not _is_met_by_nobody(shared, stage)
    return tuple(places), waits and (out is None or _has_room(out))


def _is_met_by_nobody(shared: Shared, stage: str) -> bool:
    """Return whether a shard has come to a command that it may take only when all shards have
    come there, and another has not.  That other one may be dead, and about to return."""
    shard, exchange = shared.table[stage].shard, shared.rebalance_exchange
    if shard is None or exchange is None:
        return False
    words = exchange.words(0, shared.table.shards * CORE_BYTES // 8)
    rebalances = words[:: CORE_BYTES // 8]
    return bool(rebalances.min() < rebalances[shard])


def _at(ring: RingBuffer) -> int:
    return int(ring.published_hint[0])


def _has_room(ring: RingBuffer) -> bool:
    return _at(ring) - ring.gating < ring.capacity


def _is_safe(shared: Shared, stage: str, ring: RingBuffer, seq: int) -> bool:
    """Return whether the stages that it waits for have the command of the record at ``seq``."""
    names = shared.table.confirmers(stage)
    record = ring.views(seq, 1)[0]
    cause = int(record["cause_seq" if "cause_seq" in (record.dtype.names or ()) else "seq"][0])
    policy = shared.table[stage].policy
    if policy == "all" and REPLICA.name in names and not _leased(shared):
        return False
    quorum = needed(policy, len(names))
    return cause <= quorum_value([shared.safe_seq(name) for name in names], quorum)


def _leased(shared: Shared) -> bool:
    """Return whether the replicas' last confirmation still counts; else the gate rightly lets
    nothing out."""
    index = shared.table.index[REPLICA.name]
    until_ns = shared.control.stage(index).safe_until_ns
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) < until_ns


def scheduling(pid: int) -> tuple[float, float, str]:
    """Return how long the main thread has run and has waited for a processor (s), and every
    thread's state."""
    ran_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    threads = sorted(os.listdir(f"/proc/{pid}/task"), key=lambda tid: (tid != str(pid), tid))
    # The command's name, in parentheses, may hold anything.
    states = [
        Path(f"/proc/{pid}/task/{tid}/stat").read_text().rpartition(")")[2].split()[0]
        for tid in threads
    ]
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9, "".join(states)


def dump(pid: int, state: str, stack_fd: int) -> str:
    """Describe what the process does: the kernel's side of it, and Python's, which a process that
    is stopped cannot give."""
    parts = []
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        parts.append("\n".join(line for line in status if line.split(":")[0] in STATUS_LINES))
    except OSError:
        pass
    for name in KERNEL_FILES:
        try:
            parts.append(f"{name}: {Path(f'/proc/{pid}/{name}').read_text().strip()}")
        except OSError as error:
            parts.append(f"{name}: {error.strerror}")
    parts.append(f"python: {_python_stack(pid, state, stack_fd)}")
    return "\n".join(parts)[:MAX_DUMP_CHARS]


def _python_stack(pid: int, state: str, stack_fd: int) -> str:
    """The stack that faulthandler writes into ``stack_fd`` when the process gets the signal."""
    if state in (STOPPED, TRACED):
        return f"none, {STATE_TEXT[state]}"
    begin = size = os.fstat(stack_fd).st_size
    try:
        os.kill(pid, DUMP_SIGNAL)
    except ProcessLookupError:
        return "none, it has just died"
    until = time.monotonic() + PYTHON_DUMP_S
    while time.monotonic() < until:
        time.sleep(0.01)
        before, size = size, os.fstat(stack_fd).st_size
        if size > begin and size == before:
            break
    return os.pread(stack_fd, MAX_DUMP_CHARS, begin).decode(errors="replace") or "no answer"
