"""What a host's settings cost on this very host: short timed loops, each under a fifth of a second.

Every figure is the best or a percentile of many tries in this process; other people's work on the
machine is in the percentiles, not in the best.
"""

import ctypes
import mmap
import os
import time
from functools import cache

import numpy as np

from openoutcry.host.processes import fork

TRIES = 5
PAGE = 4096
TOUCHED_BYTES = 32 << 20
SLEEP_NS = 50_000
SLEEPS = 400
SYSTEM_CALLS = 20_000
CLOCK_READS = 20_000


@cache
def clock_read_ns() -> float:
    """One reading of CLOCK_MONOTONIC by a kernel."""
    from openoutcry.host.jitter_loops import time_clock_reads

    time_clock_reads(10)
    return min(time_clock_reads(CLOCK_READS) for _ in range(TRIES)) / CLOCK_READS


@cache
def system_call_ns() -> float:
    """One system call that finds nothing to do."""
    from openoutcry.host.jitter_loops import time_system_calls

    word = np.zeros(1, np.int64)
    address = word.ctypes.data
    time_system_calls(address, 10)
    return min(time_system_calls(address, SYSTEM_CALLS) for _ in range(TRIES)) / SYSTEM_CALLS


@cache
def sleep_overshoot_ns() -> tuple[float, float]:
    """Return how much later than asked a sleep of 50 us ends: (median, 99th percentile)."""
    late = np.zeros(SLEEPS)
    for index in range(SLEEPS):
        before = time.monotonic_ns()
        time.sleep(SLEEP_NS / 1e9)
        late[index] = time.monotonic_ns() - before - SLEEP_NS
    median, high = np.percentile(late, [50, 99])
    return float(median), float(high)


def touch_ns_per_page(huge: bool) -> float:
    """First touch of fresh memory, ns per 4 KiB, huge pages asked for or refused."""
    best = float("inf")
    for _ in range(TRIES):
        with mmap.mmap(-1, TOUCHED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as fresh:
            fresh.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
            pages = np.frombuffer(fresh, np.uint8)
            before = time.monotonic_ns()
            pages[::PAGE] = 1
            took = time.monotonic_ns() - before
            del pages
        best = min(best, took / (TOUCHED_BYTES / PAGE))
    return best


@cache
def lockable() -> bool:
    """Return whether a page of this process may be locked in memory (it is unlocked again at
    once)."""
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(-1, PAGE) as page:
        holder = ctypes.c_char.from_buffer(page)
        address = ctypes.addressof(holder)
        locked: bool = libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(PAGE)) == 0
        if locked:
            libc.munlock(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))
        del holder
    return locked


@cache
def steal_share(seconds: float = 0.2) -> float | None:
    """Share of the cores' time that the hypervisor gave to others, over a short while; None where
    it is not counted."""
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    if len(before) < 8:
        return None
    passed = sum(after[:8]) - sum(before[:8])
    return (after[7] - before[7]) / passed if passed else 0.0


def _cpu_times() -> list[int]:
    with open("/proc/stat") as lines:
        return [int(word) for word in next(lines).split()[1:]]


def real_time_refusal() -> str:
    """Return why a process of ours gets no real-time priority, or "" if it does: tried by a
    child."""

    def ask() -> int:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError as error:
            return error.errno or 255
        return 0

    _, status = os.waitpid(fork(ask), 0)
    number = os.waitstatus_to_exitcode(status)
    return os.strerror(number) if number else ""


def busy_share() -> float:
    """Runnable tasks beyond one per core just now: others who would share our cores."""
    running = float(os.getloadavg()[0])
    return running / (os.cpu_count() or 1)
