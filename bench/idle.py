"""What a venue with a console, metrics and a feed uses of the machine while nothing happens, and
how often each of its processes is woken."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from openoutcry.bench import watched
from openoutcry.bench.first_paint import running_command, until_open
from openoutcry.bench.scratch import scratch_folder
from openoutcry.host.processes import named_children
from openoutcry.pipeline.top import running
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
    """Shares of ``stages``, ``journal``, ``feed``, ``supervisor``, ``console`` and so on."""
    wakes_per_s: dict[str, float]
    """How often each of them was given a core."""


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
        watchers = {}
        for name in ("console", "metrics"):
            command = [*outcry, "venue", name, str(file), *loopback]
            watchers[name] = stack.enter_context(running_command(command))
            watched.first_line(watchers[name])
        time.sleep(SETTLE_S if seconds >= SECONDS else QUICK_SETTLE_S)
        return _used(venue.pid, {name: tree(one.pid) for name, one in watchers.items()}, seconds)


def _used(venue: int, watchers: dict[str, list[int]], seconds: float) -> Idle:
    parts = parts_of(venue) | watchers
    before = {name: used_by(pids) for name, pids in parts.items()}
    interrupts, start = interrupts_so_far(), time.monotonic()
    time.sleep(seconds)
    interrupts, took = interrupts_so_far() - interrupts, time.monotonic() - start
    after = {name: used_by(pids) for name, pids in parts.items()}
    shares = {name: (after[name][0] - before[name][0]) / 1e9 / took for name in parts}
    wakes = {name: (after[name][1] - before[name][1]) / took for name in parts}
    with stopped([*tree(venue), *(pid for pids in watchers.values() for pid in pids)]):
        without, start = interrupts_so_far(), time.monotonic()
        time.sleep(seconds)
        without, alone = interrupts_so_far() - without, time.monotonic() - start
    more = max(0.0, interrupts / took - without / alone)
    return Idle(sum(shares.values()), more, shares, wakes)


def tree(pid: int) -> list[int]:
    """The process and all that it has started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def parts_of(venue: int) -> dict[str, list[int]]:
    """The venue's processes by what they do: the compiled stages, each other stage, what was forked
    under a name, and the rest as ``supervisor``."""
    parts = {name: [pid] for name, pid in named_children(venue)}
    for pipeline in running():
        if pipeline.owner.pid == venue:
            for row in pipeline.view(pipeline.positions(), 1)["stages"]:
                name = "stages" if pipeline.table[row["name"]].compiled else row["name"]
                parts.setdefault(name, []).append(row["pid"])
    known = {pid for pids in parts.values() for pid in pids}
    parts["supervisor"] = [pid for pid in tree(venue) if pid not in known]
    return {name: sorted(set(pids)) for name, pids in parts.items()}


def used_by(pids: list[int]) -> tuple[int, int]:
    """ns of processors that all their threads have used, and how often these were given one: the
    scheduler's own account."""
    run_ns = turns = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                ran, _, given = task.read_text().split()
                run_ns, turns = run_ns + int(ran), turns + int(given)
    return run_ns, turns


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
