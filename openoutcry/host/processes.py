"""Forked processes: how they begin, that none outlives its parent, and what became of them."""

import ctypes
import json
import mmap
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from openoutcry.wire.errors import OutcryError

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_TIMERSLACK = 1, 4, 15, 29
NAMED = "outcry "
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TIMEOUT_S = 120
FIRST_PAUSE_S, MOST_PAUSE_S = 0.25, 60.0
"""From one start to the next of a process that dies: at least, and at most."""


class PeerError(OutcryError):
    """A measured process failed: nothing it said counts."""


class Rendezvous:
    """A place where two forked processes wait for each other, and a word that all can see."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = np.frombuffer(self._map, np.int64)

    def meet(self, side: int, number: int) -> None:
        """Wait until the other side has come to its ``number``-th meeting (from 1) too."""
        self._words[16 * side] = number
        while self._words[16 * (1 - side)] < number:
            os.sched_yield()

    @property
    def word(self) -> int:
        """A number that both sides share; it may be set."""
        return int(self._words[32])

    @word.setter
    def word(self, value: int) -> None:
        self._words[32] = value


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped a process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            # The command's name, in parentheses, may hold anything.
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        # It has just died, which is seen elsewhere.
        return False


def wake_in_time(slack_ns: int = 1_000) -> None:
    """Let sleeps of this thread end within a microsecond from here on, so that one of 20 us does
    not last 70. A slack of 0 restores the earlier value, and processes that it starts inherit it.
    """
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0)


def hide_memory() -> None:
    """Let no fault write this process's memory to a disk, and no other process of its user read it:
    it has secrets."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent() -> None:
    """The calling process gets SIGKILL when its parent goes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def fork(function: Callable[[], int | None], ignoring: Sequence[int] = (), name: str = "") -> int:
    """Run ``function`` in a forked process; returns its pid.  ``name`` (8 characters at most) is
    what ps calls it, after NAMED.

    The process gets SIGKILL when its parent goes.  It ends with the status that ``function``
    returns (None: 0), or with 1 after an exception, which it prints.  ``ignoring``: signals that
    the parent alone answers.  No handler of the parent's runs in the child before that is settled.
    """
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        pid = os.fork()
    finally:
        if os.getpid() == parent:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if pid:
        return pid
    status = 1
    try:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)  # it went before it could be followed
        if name:
            ctypes.CDLL(None).prctl(PR_SET_NAME, (NAMED + name).encode(), 0, 0, 0)
        for number in ignoring:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        status = function() or 0
    except KeyboardInterrupt:
        os._exit(1)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


class KeptProcess:
    """A forked process that is started again whenever it dies, until it is closed.

    One that dies soon after its start is started again later each time, after MOST_PAUSE_S at most.
    One that ends with status 0 has finished, and stays away.
    """

    def __init__(
        self, name: str, function: Callable[[], int | None], before: Callable[[], object] = int
    ) -> None:
        """Start it.  ``name``: as :func:`fork`'s; ``before`` is called before each start."""
        self.name, self.pid, self.restarts = name, 0, 0
        self._function, self._before = function, before
        self._pause_s, self._due_s = 0.0, 0.0
        self._start()

    def _start(self) -> None:
        self._before()
        self.pid = fork(self._function, STOP_SIGNALS, self.name)
        self._started_s = time.monotonic()

    def look(self, note: Callable[[str], None], again: bool = True) -> None:
        """Start it again if it has died, and note that; with ``again`` false only see its end."""
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return
            self.pid, code = 0, os.waitstatus_to_exitcode(status)
            now_s = time.monotonic()
            lived_s = now_s - self._started_s
            again_s = max(FIRST_PAUSE_S, 2 * self._pause_s)
            self._pause_s = 0.0 if lived_s > MOST_PAUSE_S else min(again_s, MOST_PAUSE_S)
            self._due_s = (self._started_s + self._pause_s) if code and again else 0.0
            if self._due_s:
                note(f"process {self.name} (pid {pid}) {_ended_as(code)}: it is started again")
        if self._due_s and time.monotonic() >= self._due_s and again:
            self._due_s = 0.0
            self.restarts += 1
            self._start()

    def close(self) -> None:
        """Kill it if it runs, and wait for its end."""
        pid, self.pid, self._due_s = self.pid, 0, 0.0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    @property
    def row(self) -> dict[str, Any]:
        """Its name, whether it runs, and how often it was started again."""
        return {"name": self.name, "up": bool(self.pid), "restarts": self.restarts}


def _ended_as(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


def children_of(parent: int) -> list[tuple[str, int]]:
    """Name, as ps has it, and pid of the processes that ``parent`` has started and that live."""
    children = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
            state, above = rest.split()[:2]
            if int(above) == parent and state not in "ZX":
                children.append((name, int(pid)))
    return sorted(children, key=lambda child: child[1])


def named_children(parent: int) -> list[tuple[str, int]]:
    """Name and pid of the processes that ``parent`` has forked under a name and that live."""
    return [
        (name.removeprefix(NAMED), pid)
        for name, pid in children_of(parent)
        if name.startswith(NAMED)
    ]


def fork_reporting(
    function: Callable[[], dict[str, Any]], ignoring: Sequence[int] = ()
) -> tuple[int, int]:
    """Like :func:`fork`; returns the pid and the descriptor of an anonymous file into which the
    child writes its outcome: the document that ``function`` returns, or ``{"error": …}`` (and
    status 1). A process that leaves none (:func:`outcome`) was killed."""
    fd = os.memfd_create("outcome")

    def report() -> int:
        status = 1
        try:
            document = function()
            status = 0
        except KeyboardInterrupt:
            raise
        except OutcryError as error:
            document = {"error": str(error)}
        except BaseException:
            document = {"error": traceback.format_exc()}
        with open(fd, "w", closefd=False) as file:
            json.dump(document, file)
        return status

    try:
        return fork(report, ignoring), fd
    except OSError:
        os.close(fd)
        raise


def outcome(fd: int) -> dict[str, Any]:
    """Return the document that a process has left in its file; nothing if it was killed."""
    size = os.fstat(fd).st_size
    document: dict[str, Any] = json.loads(os.pread(fd, size, 0)) if size else {}
    return document


@contextmanager
def handling(handler: Callable[[int, Any], Any], *numbers: int) -> Iterator[None]:
    """Answer these signals with ``handler`` for a while."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def until_stopped() -> Iterator[list[int]]:
    """A list that is no longer empty once SIGINT or SIGTERM has come."""
    stop: list[int] = []
    with handling(lambda number, _: stop.append(number), signal.SIGINT, signal.SIGTERM):
        yield stop


def run_processes(what: str, functions: list[tuple[int | None, Callable[[], Any]]]) -> list[Any]:
    """Fork one process for each ``(core, function)`` (core None: not pinned) and return what the
    functions returned, in order.

    Results go through JSON.  Raises :class:`PeerError` naming ``what`` if one fails or takes longer
    than TIMEOUT_S; no process is left in any case.
    """
    children: list[tuple[int, int]] = []
    try:
        for core, function in functions:
            children.append(fork_reporting(partial(_pinned, core, function)))
        _wait_for(what, [pid for pid, _ in children], [fd for _, fd in children])
        return [outcome(fd)["result"] for _, fd in children]
    finally:
        for pid, fd in children:
            _reap(pid)
            os.close(fd)


def _pinned(core: int | None, function: Callable[[], Any]) -> dict[str, Any]:
    if core is not None:
        os.sched_setaffinity(0, {core})
    return {"result": function()}


def _wait_for(what: str, pids: list[int], fds: list[int]) -> None:
    """Wait until all have ended well; raises with what the first to fail has said."""
    deadline = time.monotonic() + TIMEOUT_S
    watched = {os.pidfd_open(pid): at for at, pid in enumerate(pids)}
    poll = select.poll()
    for pidfd in watched:
        poll.register(pidfd, select.POLLIN)
    try:
        while watched:
            ready = poll.poll(max(0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise PeerError(f"{what}: did not end within {TIMEOUT_S} s")
            for pidfd, _ in ready:
                at = watched.pop(pidfd)
                poll.unregister(pidfd)
                os.close(pidfd)
                ended = os.waitid(os.P_PID, pids[at], os.WEXITED | os.WNOWAIT)
                if ended is None or ended.si_code != os.CLD_EXITED or ended.si_status:
                    reason = outcome(fds[at]).get(
                        "error", "it was killed, or ended without a message"
                    )
                    raise PeerError(f"{what}: {reason}")
    finally:
        for pidfd in watched:
            os.close(pidfd)


def _reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return
