"""``outcry bench jitter``: what a core loses while a program only reads the clock, and to what.

A process on every core at once spins over the clock; a step of more than a µs is a gap. Where perf
may watch the machine each gap is given to what ran in it. In any case the result has the kernel's
own counts over the spin (core_accounts.py): interrupts by name, switches, stolen time and SMIs.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.rounds import Add, Rounds
from openoutcry.host.core_accounts import Accounts, accounts_between, read_accounts
from openoutcry.host.corewatch import SWITCHED, Watched, core_watch, over
from openoutcry.host.jitter_loops import spin_gaps
from openoutcry.host.processes import run_processes

THRESHOLD_NS = 1_000
SIZES_NS = (1_000, 10_000, 100_000, 1_000_000)
SPIN_S, QUICK_SPIN_S = 3.0, 0.5
CAPACITY = 100_000

FIGURES: dict[str, list[tuple[str, str, str | None]]] = {
    "interrupts": [("interrupts", "1/s", None)],
    "stolen": [("steal_ppb", "ppb", "ns")],
    "switches": [("switches", "1/s", "switches")],
    "own switches": [("own_switches", "1/s", "switches"), ("own_wait_ppb", "ppb", "waited_ns")],
    "smis": [("smi", "1/s", "smis")],
}
"""Figures that are shown of each account: figure, unit, which of its counts (None: all of them)."""

Gaps = npt.NDArray[np.int64]


@dataclass
class Spin:
    """One core's spin: gaps as int64[n, 2] (start ns, length ns), and the kernel's accounts of the
    core over it."""

    core: int
    spun_ns: int
    seen: int
    lost_ns: int
    readings: int
    gaps: Gaps
    pid: int
    accounts: Accounts = field(default_factory=dict)


def bench_jitter(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    For each core N, and of the counts those that the host shows:

        ``lost_ppb_coreN``         share of the time in gaps above 1 µs
        ``gaps_over_SIZE_coreN``   how many a second
        ``gap_p99_ns_coreN``, ``gap_max_ns_coreN``
        ``interrupts_coreN``       a second
        ``switches_coreN``         all tasks', a second
        ``own_switches_coreN``     of the spin, a second
        ``own_wait_ppb_coreN``     share of the time in which the spin waited for its core
        ``steal_ppb_coreN``
        ``smi_coreN``              a second

    In ``details`` are the histogram of gaps by size, the time lost by cause and the interrupts a
    second by name.
    """
    cores = sorted(os.sched_getaffinity(0))
    seconds = QUICK_SPIN_S if quick else SPIN_S
    gathered = Rounds(rounds, progress)
    causes: dict[int, Counter[str]] = {core: Counter() for core in cores}
    sizes: dict[int, Counter[int]] = {core: Counter() for core in cores}
    interrupted: dict[int, Counter[str]] = {core: Counter() for core in cores}
    spun_ns: Counter[int] = Counter()
    gaps = np.zeros(3, np.int64)
    spin_gaps(0, 1, 0, 0, gaps.ctypes.data)

    def one_round(number: int, add: Add) -> None:
        with core_watch() as watched:
            spins = spin_all(cores, seconds)
        if watched.blind:
            gathered.miss("causes by trace", watched.blind)
        for spin in spins:
            _figures(spin, add)
            sizes[spin.core].update(_size_of(length) for _, length in spin.gaps.tolist())
            causes[spin.core].update(explain(spin, watched))
            counted(spin, add, gathered.miss)
            interrupted[spin.core].update(by_name(spin))
            spun_ns[spin.core] += spin.spun_ns

    gathered.run(one_round)
    details = {
        "gaps_by_size_ns": {str(core): dict(sorted(sizes[core].items())) for core in cores},
        "lost_ns_by_cause": {str(core): dict(causes[core].most_common()) for core in cores},
        "interrupts_per_s_by_name": {
            str(core): {
                name: 1e9 * count / spun_ns[core]
                for name, count in interrupted[core].most_common()
                if count
            }
            for core in cores
        },
    }
    return gathered.document("jitter", command, details=details)


def _size_of(length_ns: int) -> int:
    return max(size for size in SIZES_NS if length_ns >= size)


def _figures(spin: Spin, add: Add) -> None:
    where = f"core{spin.core}"
    add(f"lost_ppb_{where}", "ppb", "lower", 1e9 * spin.lost_ns / spin.spun_ns)
    lengths = spin.gaps[:, 1]
    for size in SIZES_NS:
        rate = float((lengths >= size).sum()) * 1e9 / spin.spun_ns
        add(f"gaps_over_{size // 1000}us_{where}", "1/s", "lower", rate)
    if len(lengths):
        add(f"gap_p99_ns_{where}", "ns", "lower", float(np.percentile(lengths, 99)))
        add(f"gap_max_ns_{where}", "ns", "lower", float(lengths.max()))
    add(f"clock_step_ns_{where}", "ns", "lower", (spin.spun_ns - spin.lost_ns) / spin.readings)


def spin_all(cores: Iterable[int], seconds: float) -> list[Spin]:
    """Spin on each of the cores at the same time, each in a separate process."""
    length_ns = int(seconds * 1e9)
    results = run_processes("jitter", [(core, partial(_spin, core, length_ns)) for core in cores])
    return [
        Spin(**{**result, "gaps": np.array(result["gaps"], np.int64).reshape(-1, 2)})
        for result in results
    ]


def _spin(core: int, length_ns: int) -> dict[str, Any]:
    gaps = np.zeros((CAPACITY, 2), np.int64)
    gaps[:] = 0
    counted = np.zeros(3, np.int64)
    # Compiled or loaded before the time begins.
    spin_gaps(0, THRESHOLD_NS, gaps.ctypes.data, CAPACITY, counted.ctypes.data)
    before = read_accounts(core)
    until = time.monotonic_ns() + length_ns
    spun = spin_gaps(until, THRESHOLD_NS, gaps.ctypes.data, CAPACITY, counted.ctypes.data)
    accounts = accounts_between(before, read_accounts(core))
    seen, lost, readings = counted.tolist()
    return {
        "core": core,
        "spun_ns": spun,
        "seen": seen,
        "lost_ns": lost,
        "readings": readings,
        "gaps": gaps[: min(CAPACITY, seen)].tolist(),
        "pid": os.getpid(),
        "accounts": accounts,
    }


def counted(spin: Spin, add: Add, miss: Callable[[str, str], None]) -> None:
    """The kernel's accounts over the spin as figures; one that cannot be read is missing."""
    for account, figures in FIGURES.items():
        counts = spin.accounts[account]
        for name, unit, key in figures:
            figure = f"{name}_core{spin.core}"
            if isinstance(counts, str):
                miss(figure, counts)
            else:
                total = sum(counts.values()) if key is None else counts[key]
                add(figure, unit, "lower", 1e9 * total / spin.spun_ns)


def by_name(spin: Spin) -> dict[str, int]:
    """The interrupts that came while it spun, by name; none where the host shows none."""
    counts = spin.accounts["interrupts"]
    return {} if isinstance(counts, str) else counts


def explain(spin: Spin, watched: Watched) -> dict[str, int]:
    """ns lost by cause: each gap is shared out over what the trace saw in it, the rest is
    :attr:`Watched.rest`.

    Nested ones (a soft interrupt inside an interrupt) are counted once, as the outermost.
    """
    lost: Counter[str] = Counter()
    mine = [i for i in watched.intervals if i.core == spin.core]
    for start, length in spin.gaps.tolist():
        at, end = start, start + length
        for interval in sorted(over(mine, spin.core, start, end), key=lambda i: i.start_ns):
            if interval.kind in SWITCHED and interval.pid != spin.pid:
                continue
            low, high = max(at, interval.start_ns), min(end, interval.end_ns)
            if high > low:
                lost[interval.name] += high - low
                lost["entering and leaving"] += low - at
                at = high
        seen = at > start
        lost["entering and leaving" if seen else watched.rest] += end - at
    return {cause: ns for cause, ns in lost.items() if ns}
