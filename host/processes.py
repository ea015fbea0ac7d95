"""Run two functions in two pinned processes and hand back what they say."""

import ctypes
import json
import mmap
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from openoutcry.wire.errors import OutcryError

PR_SET_PDEATHSIG = 1
TIMEOUT_S = 120


class PeerError(OutcryError):
    """A measured process failed: nothing it said counts."""


class Meeting:
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
        return int(self._words[32])

    @word.setter
    def word(self, value: int) -> None:
        self._words[32] = value


def die_with_parent() -> None:
    """The calling process gets SIGKILL when its parent goes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run_processes(what: str, functions: list[tuple[int | None, Callable[[], Any]]]) -> list[Any]:
    """Fork one process for each ``(core, function)`` (core None: not pinned) and return what the
    functions returned, in order.

    Results go through JSON.  Raises :class:`PeerError` naming ``what`` if one fails or takes longer
    than TIMEOUT_S; no process is left in any case.
    """
    children: list[tuple[int, int]] = []
    try:
        for core, function in functions:
            fd = os.memfd_create("result")
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                _child(parent, core, function, fd)
            children.append((pid, fd))
        _wait_for(what, [pid for pid, _ in children], [fd for _, fd in children])
        return [_said(fd)["result"] for _, fd in children]
    finally:
        for pid, fd in children:
            _reap(pid)
            os.close(fd)


def _child(parent: int, core: int | None, function: Callable[[], Any], fd: int) -> NoReturn:
    status = 1
    try:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        if core is not None:
            os.sched_setaffinity(0, {core})
        said = {"result": function()}
        status = 0
    except KeyboardInterrupt:
        os._exit(1)
    except BaseException:
        said = {"error": traceback.format_exc()}
    try:
        os.write(fd, json.dumps(said).encode())
    finally:
        os._exit(status)


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
                raise PeerError(f"{what}: no end after {TIMEOUT_S} s")
            for pidfd, _ in ready:
                at = watched.pop(pidfd)
                poll.unregister(pidfd)
                os.close(pidfd)
                outcome = os.waitid(os.P_PID, pids[at], os.WEXITED | os.WNOWAIT)
                if outcome is None or outcome.si_code != os.CLD_EXITED or outcome.si_status:
                    said = _said(fds[at]).get("error", "it was killed, or ended without a word")
                    raise PeerError(f"{what}: {said}")
    finally:
        for pidfd in watched:
            os.close(pidfd)


def _said(fd: int) -> dict[str, Any]:
    """What a process has left in its file; nothing if it was killed."""
    size = os.fstat(fd).st_size
    said: dict[str, Any] = json.loads(os.pread(fd, size, 0)) if size else {}
    return said


def _reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return
