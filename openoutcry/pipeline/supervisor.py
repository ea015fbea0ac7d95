"""Starts a run's processes, proves their deaths, starts again what died, gathers the outcomes."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.host.processes import named_children
from openoutcry.pipeline import worker
from openoutcry.pipeline.progress import QUIET_SAMPLE_S, SAMPLE_S, RunState, Watcher, take_sample
from openoutcry.pipeline.stall import (
    LOOK_S,
    MAX_DUMP_CHARS,
    STATE_TEXT,
    TRACED,
    StallPolicy,
    Watch,
    dump,
)
from openoutcry.pipeline.topology import plan_groups
from openoutcry.runtime.table import Group
from openoutcry.runtime.work import PipelineError, Work

# A crash loop: this many deaths in a row, each soon after the start and without any progress.
CRASH_LOOP_DEATHS = 5
CRASH_LOOP_S = 1.0
MEASURED_NS = 1_000_000_000


@dataclass
class _Child:
    group: Group
    pid: int
    pidfd: int
    outcome_fd: int
    stack_fd: int
    started_s: float
    watch: Watch
    progress: int = -1
    crashes: int = 0
    oom_kills: int = 0
    """The system's count of out-of-memory kills when the supervisor was started."""
    stall: dict[str, Any] | None = None
    """The report, while it makes no progress."""


class Supervisor:
    """Starts the groups, proves deaths and stalls, starts again, gathers the outcomes."""

    def __init__(self, work: Work, state: RunState, watcher: Watcher, policy: StallPolicy) -> None:
        self.work = work
        self.policy = policy
        self.state = state
        self.watcher = watcher
        self.children: dict[int, _Child] = {}
        self.poll = select.poll()
        self.going = False
        self.going_ns = 0
        self.died_ns: dict[int, tuple[int, int]] = {}
        """By the pid of a process that took a dead one's place: when that died, and the moment
        from which the restart's times are given."""
        self.released_when_ready: dict[int, int] = {}
        """By the pid of a process that took a dead one's place: events released by then."""
        self.next_look_s = 0.0
        self.on_go: Callable[[], None] = lambda: None
        """Called when input was let in."""

    def start(self) -> int:
        """Fork the groups; returns how many processes that are."""
        cores = sorted(os.sched_getaffinity(0))
        groups = plan_groups(
            cores, self.work.ports is not None, self.work.housekeeping_cores, self.work.shared.table
        )
        for group in groups:
            child = self._start(group)
            self.state.groups.append(
                {
                    "process": group.name,
                    "stages": list(group.stages),
                    "core": group.core,
                    "pid": child.pid,
                }
            )
        return len(groups)

    @property
    def lost_one(self) -> bool:
        """Return whether a process that was started has ended."""
        return bool(self.poll.poll(0))

    def run(self) -> None:
        """Run until all have ended; those that were not started before are started now."""
        cores = sorted(os.sched_getaffinity(0))
        sample_s, events = SAMPLE_S, -1
        try:
            if not self.children:
                self.start()
            # Nor does the supervisor, or what else runs for it (feed, logins), disturb a stage that
            # spins.
            spun = {child.group.core for child in self.children.values()}
            spare = [core for core in cores if core not in spun] or cores
            os.sched_setaffinity(0, spare)
            stages = {child.pid for child in self.children.values()}
            for _, pid in named_children(os.getpid()):
                if pid not in stages:
                    with suppress(ProcessLookupError):
                        os.sched_setaffinity(pid, spare)
            while self.children:
                ended, asked = self._wait(sample_s)
                # First: a truncated segment is the cause of whatever its stages ended with.
                self.work.shared.check()
                for fd in ended:
                    self._ended(fd)
                self._watch_readiness()
                self._watch_progress()
                sample = take_sample(self.work, self.state, self.watcher.note)
                quiet = sample.events == events and not asked
                sample_s = QUIET_SAMPLE_S if quiet else SAMPLE_S
                events = sample.events
                self.watcher.sample(sample)
            self.work.shared.check()
        finally:
            os.sched_setaffinity(0, cores)
            self.kill_all()

    def _wait(self, sample_s: float) -> tuple[list[int], bool]:
        """Until the next sample is due: which processes have ended, and whether something came that
        the watcher listens for.  After that, as after an event, the next wait is a short one."""
        if self._measuring():
            return [fd for fd, _ in self.poll.poll(1)], False
        listened: Sequence[int] = ()
        if sample_s == QUIET_SAMPLE_S:
            sample_s -= time.time() % sample_s
            listened = self.watcher.descriptors()
        for fd in listened:
            self.poll.register(fd, select.POLLIN)
        try:
            came = {fd for fd, _ in self.poll.poll(1_000 * sample_s)}
        finally:
            for fd in listened:
                self.poll.unregister(fd)
        return [fd for fd in came if fd in self.children], not came.isdisjoint(listened)

    def _watch_readiness(self) -> None:
        """Let input in once every stage is ready, and record when restarted ones continued.

        Without the common start a paced run would begin with a backlog made by a slow start."""
        control = self.work.shared.control
        if not self.going:
            names = [name for group in self.state.groups for name in group["stages"]]
            self.going = all(self._ready_ns(name) for name in names)
            self.going_ns = time.monotonic_ns() if self.going else 0
            control.block.go = int(self.going)
            if self.going:
                self.on_go()
        released = self.work.shared.events.cursors["gate"][0]
        for restart in self.state.restarts:
            ready_ns = self._ready_ns(restart["stage"].split(" + ")[0])
            if restart["resumed_s"] is None and ready_ns:
                restart["resumed_s"] = (ready_ns - self.died_ns[restart["new_pid"]][1]) / 1e9
                self.released_when_ready[restart["new_pid"]] = int(released)
            if released > self.released_when_ready.get(restart["new_pid"], sys.maxsize):
                del self.released_when_ready[restart["new_pid"]]
                died_ns, _ = self.died_ns.pop(restart["new_pid"])
                restart["restart_s"] = (time.monotonic_ns() - died_ns) / 1e9

    def _measuring(self) -> bool:
        """Return whether to look every millisecond.  That is before the common start, and from a
        death to the first release after it (a second at most once the stage is ready, as no
        input may come).
        """
        if not self.going or any(r["resumed_s"] is None for r in self.state.restarts[-1:]):
            return True
        if not self.released_when_ready:
            return False
        ready_ns = self._ready_ns(self.state.restarts[-1]["stage"].split(" + ")[0])
        return time.monotonic_ns() - ready_ns < MEASURED_NS

    def _watch_progress(self) -> None:
        """Report what lives and does not move, and kill it by the policy: its death is then proven
        and answered like any other."""
        now_s = time.monotonic()
        if now_s < self.next_look_s:
            return
        self.next_look_s = now_s + LOOK_S
        for child in self.children.values():
            if child.stall is not None and child.stall["killed"]:
                # It is dying, which may take a while: no later state would mean that it continues.
                continue
            stuck = child.watch.poll(now_s)
            if not stuck:
                self._went_on(child)
                continue
            evidence = child.watch.evidence
            if child.stall is None and evidence.seconds >= self.policy.report_s:
                self._report_stall(child, stuck)
            if child.stall is not None:
                child.stall["seconds"] = evidence.seconds
                # Leave it to the person who debugs it.
                if evidence.seconds >= self.policy.restart_s and evidence.state != TRACED:
                    child.stall["killed"] = True
                    signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _report_stall(self, child: _Child, stuck: list[str]) -> None:
        shared, evidence = self.work.shared, child.watch.evidence
        control = shared.control
        now_ns = time.monotonic_ns()
        for name in stuck:
            control.stage(shared.table.index[name]).stalled_ns = now_ns
        child.stall = {
            "stage": " + ".join(stuck),
            "pid": child.pid,
            "at_s": (now_ns - self._origin_ns(now_ns)) / 1e9,
            "seconds": evidence.seconds,
            "state": STATE_TEXT.get(evidence.state, evidence.state),
            "killed": False,
            "dump": dump(child.pid, evidence.state, child.stack_fd),
        }
        self.state.stalls.append(child.stall)
        self.watcher.detail(f"stage {child.stall['stage']}: {child.stall['dump']}")
        self.watcher.note(
            f"stage {child.stall['stage']} (pid {child.pid}) has made no progress for "
            f"{evidence.seconds:.1f} s: {child.stall['state']}"
        )

    def _went_on(self, child: _Child) -> None:
        if child.stall is None:
            return
        child.stall = None
        shared = self.work.shared
        for name in child.group.stages:
            shared.control.stage(shared.table.index[name]).stalled_ns = 0
        self.watcher.note(f"stage {' + '.join(child.group.stages)} (pid {child.pid}) continues")

    def _origin_ns(self, now_ns: int) -> int:
        """Return the moment from which times of the run are given: the source's first command, or,
        where all commands come by other lanes, the common start; ``now_ns`` before either."""
        return self.work.shared.control.block.first_ns or self.going_ns or now_ns

    def _ready_ns(self, stage: str) -> int:
        return self.work.shared.control.stage(self.work.shared.table.index[stage]).ready_ns

    def _start(self, group: Group) -> _Child:
        stack_fd = os.memfd_create("stack")
        try:
            pid, outcome_fd = worker.start(self.work, group, stack_fd)
        except BaseException:
            os.close(stack_fd)
            raise
        # A pidfd names this very process: its number cannot be given to another meanwhile.
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise PipelineError(f"cannot watch stage {group.name}: {error.strerror}") from error
        watch = Watch(self.work.shared, group.stages, pid)
        child = _Child(
            group, pid, pidfd, outcome_fd, stack_fd, time.monotonic(), watch, oom_kills=_oom_kills()
        )
        self.children[child.pidfd] = child
        self.poll.register(child.pidfd, select.POLLIN)
        return child

    def _ended(self, pidfd: int) -> None:
        child = self.children.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(child.pid, 0)
        trace = _left_in(child.stack_fd) if os.WIFSIGNALED(status) else ""
        os.close(child.stack_fd)
        with open(child.outcome_fd) as file:
            file.seek(0)
            text = file.read()
        if os.WIFEXITED(status) and text:
            outcome = json.loads(text)
            if "error" in outcome:
                raise PipelineError(outcome["error"])
            self.state.outcome.update(outcome)
            return
        self._restart(child, status, trace)

    def _restart(self, child: _Child, status: int, trace: str) -> None:
        """Start a group again that died without an outcome; each stage finds its own place."""
        hung = child.stall is not None and child.stall["killed"]
        why = _cause(child, status)
        control = self.work.shared.control
        progress = self.work.shared.sequenced.gating + control.reply.cursor
        short = time.monotonic() - child.started_s < CRASH_LOOP_S
        crashes = child.crashes + 1 if (short or hung) and progress == child.progress else 0
        stages = " + ".join(child.group.stages)
        if trace:
            self.watcher.detail(f"stage {stages} (pid {child.pid}) {why}: {trace}")
        if crashes >= CRASH_LOOP_DEATHS:
            raise PipelineError(
                f"stage {stages} is in a crash loop ({crashes} deaths without progress): {why}"
            )
        for name in child.group.stages:
            index = self.work.shared.table.index[name]
            restarts = control.stage(index).restarts + 1
            control.stage(index).restarts = restarts
            control.stage(index).ready_ns = 0
            control.stage(index).stalled_ns = 0
        died = time.monotonic_ns()
        again = self._start(child.group)
        again.progress, again.crashes = progress, crashes
        origin_ns = self._origin_ns(died)
        self.died_ns[again.pid] = died, origin_ns
        self.state.restarts.append(
            {
                "stage": stages,
                "pid": child.pid,
                "why": why,
                "trace": trace,
                "at_s": (died - origin_ns) / 1e9,
                "resumed_s": None,
                "restart_s": None,
                "new_pid": again.pid,
            }
        )
        self.watcher.note(f"stage {stages} (pid {child.pid}) {why}: restarted")

    def kill_all(self) -> None:
        """End what still lives."""
        for child in self.children.values():
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            os.close(child.pidfd)
            os.close(child.outcome_fd)
            os.close(child.stack_fd)
        self.children.clear()


def _left_in(fd: int) -> str:
    """The Python stack that a process left when it was killed by a fault, if it did."""
    return os.pread(fd, MAX_DUMP_CHARS, 0).decode(errors="replace").strip()


def _oom_kills() -> int:
    """Return how many processes the system has killed for want of memory."""
    try:
        rows = [line.split() for line in Path("/proc/vmstat").read_text().splitlines()]
    except OSError:
        return 0
    return next((int(row[1]) for row in rows if row[0] == "oom_kill"), 0)


def _cause(child: _Child, status: int) -> str:
    if child.stall is not None and child.stall["killed"]:
        return f"made no progress for {child.stall['seconds']:.1f} s ({child.stall['state']})"
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        memory = " (the system is out of memory and has just killed processes)"
        return f"killed by {name}" + memory * (name == "SIGKILL" and _oom_kills() > child.oom_kills)
    return f"exited with {os.WEXITSTATUS(status)}"
