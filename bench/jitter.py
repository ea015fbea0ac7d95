"""``outcry bench jitter``: what a core loses while a program only reads the clock, and to whom.

A process on every core at once spins over the clock; a step of more than a µs is a gap.  Where
perf may watch the machine each gap is given to what ran in it; the kernel's own counts of
interrupts, switches and stolen time stand beside it in any case.
"""

import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.corewatch import SWITCHED, Watched, core_watch, over
from openoutcry.bench.jitter_loops import spin_gaps
from openoutcry.bench.peers.pair import run_processes
from openoutcry.bench.results import document
from openoutcry.bench.rounds import Add, Rounds

THRESHOLD_NS = 1_000
SIZES_NS = (1_000, 10_000, 100_000, 1_000_000)
SPIN_S, QUICK_SPIN_S = 3.0, 0.5
CAPACITY = 100_000
SMI_COUNT = 0x34

Gaps = npt.NDArray[np.int64]


@dataclass
class Spin:
    """One core's spin: gaps as int64[n, 2] (start ns, length ns), and what was counted beside."""

    core: int
    spun_ns: int
    seen: int
    lost_ns: int
    readings: int
    gaps: Gaps
    pid: int


def bench_jitter(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    For each core ``lost_ppb_coreN`` (share of the time in gaps above 1 µs),
    ``gaps_over_SIZE_coreN`` (how many a second) and ``gap_p99_ns_coreN``,
    ``gap_max_ns_coreN``.  ``details`` has the histogram of gaps by size and the time lost by cause.
    """
    cores = sorted(os.sched_getaffinity(0))
    seconds = QUICK_SPIN_S if quick else SPIN_S
    gathered = Rounds(rounds, progress)
    causes: dict[int, Counter[str]] = {core: Counter() for core in cores}
    sizes: dict[int, Counter[int]] = {core: Counter() for core in cores}
    spin_gaps(0, 1, 0, 0, np.zeros(3, np.int64).ctypes.data)

    def one(number: int, add: Add) -> None:
        before = {name: read() for name, read in COUNTS.items()}
        with core_watch() as watched:
            spins = spin_all(cores, seconds)
        after = {name: read() for name, read in COUNTS.items()}
        if watched.blind:
            gathered.miss("causes by trace", watched.blind)
        for spin in spins:
            _figures(spin, add)
            sizes[spin.core].update(_size_of(length) for _, length in spin.gaps.tolist())
            causes[spin.core].update(explain(spin, watched))
        _counted(before, after, cores, seconds, add)

    gathered.run(one)
    smi = read_smi(cores[0])
    if isinstance(smi, str):
        gathered.miss("smi_count", smi)
    details = {
        "gaps_by_size_ns": {str(core): dict(sorted(sizes[core].items())) for core in cores},
        "lost_ns_by_cause": {str(core): dict(causes[core].most_common()) for core in cores},
        "smi_count": None if isinstance(smi, str) else smi,
    }
    return document(
        "jitter", gathered.results(), gathered.missing, command,
        conditions=gathered.conditions(), details=details,
    )  # fmt: skip


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
    """Spin on each of the cores at the same time, each in a process of its own."""
    length_ns = int(seconds * 1e9)
    found = run_processes("jitter", [(core, partial(_spin, core, length_ns)) for core in cores])
    return [
        Spin(**{**one, "gaps": np.array(one["gaps"], np.int64).reshape(-1, 2)}) for one in found
    ]


def _spin(core: int, length_ns: int) -> dict[str, Any]:
    gaps = np.zeros((CAPACITY, 2), np.int64)
    gaps[:] = 0
    counted = np.zeros(3, np.int64)
    # Compiled or loaded before the time begins.
    spin_gaps(0, THRESHOLD_NS, gaps.ctypes.data, CAPACITY, counted.ctypes.data)
    until = time.monotonic_ns() + length_ns
    spun = spin_gaps(until, THRESHOLD_NS, gaps.ctypes.data, CAPACITY, counted.ctypes.data)
    seen, lost, readings = counted.tolist()
    return {
        "core": core, "spun_ns": spun, "seen": seen, "lost_ns": lost, "readings": readings,
        "gaps": gaps[: min(CAPACITY, seen)].tolist(), "pid": os.getpid(),
    }  # fmt: skip


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
                lost[f"{interval.kind}: {interval.what}"] += high - low
                lost["entering and leaving"] += low - at
                at = high
        seen = at > start
        lost["entering and leaving" if seen else watched.rest] += end - at
    return {cause: ns for cause, ns in lost.items() if ns}


def interrupt_counts(text: str | None = None) -> dict[str, list[int]]:
    """/proc/interrupts: the counts of each by core, with the device's name where there is one."""
    lines = (text if text is not None else Path("/proc/interrupts").read_text()).splitlines()
    width = len(lines[0].split()) if lines else 0
    counts = {}
    for line in lines[1:]:
        number, _, rest = line.partition(":")
        words = rest.split()
        values = [int(word) for word in words[:width] if word.isdigit()]
        if len(values) == width:
            name = words[-1] if len(words) > width and number.strip().isdigit() else number.strip()
            counts[f"{name}"] = values
    return counts


def _stolen() -> dict[str, int]:
    """Hundredths of a second stolen from each core, by its name in /proc/stat."""
    rows = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    return {row[0]: int(row[8]) for row in rows if row[0].startswith("cpu") and len(row) > 8}


COUNTS: dict[str, Callable[[], dict[str, Any]]] = {
    "interrupts": interrupt_counts,
    "stolen": _stolen,
}


def _counted(
    before: dict[str, Any], after: dict[str, Any], cores: list[int], seconds: float, add: Add
) -> None:
    """Interrupts and steal by core over the spin, from the kernel's own counts."""
    for core in cores:
        total = 0
        for name, counts in after["interrupts"].items():
            earlier = before["interrupts"].get(name, counts)
            if core < len(counts):
                total += counts[core] - earlier[core]
        add(f"interrupts_core{core}", "1/s", "lower", total / seconds)
        then, now = (told["stolen"].get(f"cpu{core}") for told in (before, after))
        if then is not None and now is not None:
            add(f"steal_ppb_core{core}", "ppb", "lower", max(0, now - then) * 1e7 / seconds)


def read_smi(core: int) -> int | str:
    """System management interrupts since boot, or why they cannot be read."""
    path = f"/dev/cpu/{core}/msr"
    try:
        with open(path, "rb", buffering=0) as msr:
            msr.seek(SMI_COUNT)
            return int(struct.unpack("<Q", msr.read(8))[0])
    except OSError as error:
        return f"{path}: {error.strerror} (sudo modprobe msr; AMD and virtual machines have none)"
