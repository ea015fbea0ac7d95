"""What a venue with a console, metrics and a feed uses of the machine while nothing happens."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from openoutcry.bench import watched
from openoutcry.bench.first_paint import running_command, until_open
from openoutcry.bench.scratch import scratch_folder
from openoutcry.wire.free_port import free_port

SECONDS, QUICK_SECONDS = 5.0, 0.5
SETTLE_S, QUICK_SETTLE_S = 12.0, 0.5
"""Until a venue that has opened is quiet."""
FEED = """
[market_data]
a = "239.193.98.2:26498"
interface = "127.0.0.1"
ttl = 0
"""


LIMITS = """
min_price_ticks = 1
max_price_ticks = 1_000_000
max_qty_lots = 1_000_000
"""
"""Limits of each instrument, within what the feed can carry."""


@dataclass(frozen=True)
class Idle:
    """Figures of a stretch of time without an order."""

    share: float
    """Share of one core that all processes of the venue, its console and its metrics use."""
    interrupts_per_s: float
    """Interrupts of the whole machine, less those of a stretch in which these processes are
    stopped."""
    by_process: dict[str, float]
    """Shares of ``venue``, ``console`` and ``metrics``."""


def measure(seconds: float) -> Idle:
    """Start such a venue, wait until it is quiet, and measure it."""
    outcry = [sys.executable, "-m", "openoutcry"]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("idle"))
        file = watched.venue_file(folder, free_port(), FEED, LIMITS)
        venue = stack.enter_context(
            running_command([sys.executable, "-m", watched.__name__, "venue", str(file)])
        )
        until_open(folder / "journal", venue)
        loopback = ["--address", "127.0.0.1:0"]
        processes = {"venue": venue}
        for name in ("console", "metrics"):
            command = [*outcry, "venue", name, str(file), *loopback]
            processes[name] = stack.enter_context(running_command(command))
            watched.first_line(processes[name])
        time.sleep(SETTLE_S if seconds >= SECONDS else QUICK_SETTLE_S)
        return _used(processes, seconds)


def _used(processes: "dict[str, subprocess.Popen[bytes]]", seconds: float) -> Idle:
    trees = {name: tree(process.pid) for name, process in processes.items()}
    before = {name: cpu_s(pids) for name, pids in trees.items()}
    interrupts, start = interrupts_so_far(), time.monotonic()
    time.sleep(seconds)
    interrupts, took = interrupts_so_far() - interrupts, time.monotonic() - start
    shares = {name: (cpu_s(pids) - before[name]) / took for name, pids in trees.items()}
    everybody = [pid for pids in trees.values() for pid in pids]
    with stopped(everybody):
        without, start = interrupts_so_far(), time.monotonic()
        time.sleep(seconds)
        without, alone = interrupts_so_far() - without, time.monotonic() - start
    more = max(0.0, interrupts / took - without / alone)
    return Idle(sum(shares.values()), more, shares)


def tree(pid: int) -> list[int]:
    """The process and all that it has started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def cpu_s(pids: list[int]) -> float:
    """Seconds of processors that they have used, by the scheduler's own account, in ns."""
    return sum(_run_ns(pid) for pid in pids) / 1e9


def _run_ns(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total


def interrupts_so_far() -> int:
    """Return the interrupts of all cores since the machine's start."""
    with open("/proc/stat") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("intr "))


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Stop these processes while the block runs; first those above, which would notice that a child
    stops."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
