"""``outcry bench pipeline --perf``: counters of each process, and where its time goes by function.

``perf stat`` counts what the machine can count: hardware events where it has them, software events
otherwise, and the answer says which. The run is sampled by ``perf record``. A map file in /tmp
names the kernels that numba has compiled, as perf expects of a just-in-time compiler. Off-CPU time
comes from the switches (corewatch.py).
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from llvmlite.binding.object_file import ObjectFileRef
from markupsafe import Markup

from openoutcry.bench.paced import checked, flow, paced
from openoutcry.host.corewatch import core_watch
from openoutcry.host.doctor_devices import (
    CONTEXT_SWITCHES,
    CYCLES,
    HARDWARE,
    SOFTWARE,
    open_counter,
)
from openoutcry.host.processes import fork
from openoutcry.matcher import process_batch
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.top import running
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.report.page import escaped
from openoutcry.runtime import loop

RATE = 1_000_000
SECONDS = 2.0
SETTLE_S = 0.3
FREQUENCY = 997
HARDWARE_EVENTS = (
    "cycles",
    "instructions",
    "branches",
    "branch-misses",
    "cache-references",
    "cache-misses",
    "dTLB-load-misses",
)
SOFTWARE_EVENTS = (
    "task-clock",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
)
OWN_EVENTS = ("task-clock", "minor-faults", "major-faults")
"""Events that count without the right to look into the kernel."""
TOP_FUNCTIONS = 30
C2C_LINES = 80
NO_COUNTERS = "perf c2c and perf stat --topdown need hardware counters: left out"
UNKNOWN_CODE_BYTES = 1 << 16
SAMPLE = re.compile(r"^(.*?)\s+(\d+)\s+[\d.]+:")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
FLAME_ROW, FLAME_WIDTH, FLAME_LEAST = 18, 960, 0.002


def profile(progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Run the pipeline under perf; what was counted by process, functions, flame graph.

    ``kind`` says which counters there were; ``notes`` what could not be had and why.  Without perf
    only notes.
    """
    document: dict[str, Any] = {
        "kind": "",
        "processes": [],
        "functions": [],
        "flame": "",
        "notes": [],
    }
    document["off_cpu_ns"] = {}
    if shutil.which("perf") is None:
        document["notes"].append("perf is not installed: sudo apt-get install linux-perf")
        return document
    events, document["kind"] = events_here()
    if not events:
        document["notes"].append(document["kind"])
        return document
    with tempfile.TemporaryDirectory(prefix="outcry-perf-") as name:
        folder = Path(name)
        progress("perf stat")
        document["processes"], note = _counted(folder, events)
        document["notes"] += note
        progress("perf record")
        stacks, note = _sampled(folder)
        document["notes"] += note
        document["deeper"], note = _deeper(folder) if "cycles" in events else ({}, [NO_COUNTERS])
        document["notes"] += note
    total = sum(stacks.values()) or 1
    leaves: Counter[str] = Counter()
    for stack, count in stacks.items():
        leaves[stack[-1]] += count
    document["functions"] = [
        [name, count / total] for name, count in leaves.most_common(TOP_FUNCTIONS)
    ]
    document["flame"] = str(flame_graph(stacks)) if stacks else ""
    progress("off-CPU time")
    document["off_cpu_ns"], note = _off_cpu()
    document["notes"] += note
    return document


def events_here() -> tuple[tuple[str, ...], str]:
    """The events that this machine counts, and a sentence about it."""
    hardware = open_counter(HARDWARE, CYCLES)
    software = open_counter(SOFTWARE, CONTEXT_SWITCHES)
    if hardware and software:
        reasons = f"hardware counters: {hardware}; software events: {software}; see `outcry doctor`"
        return (), f"No events can be counted here ({reasons})."
    if software:
        return HARDWARE_EVENTS, f"Hardware counters only: software events do not work ({software})."
    hidden = open_counter(SOFTWARE, CONTEXT_SWITCHES, in_kernel=True)
    counted = OWN_EVENTS if hidden else SOFTWARE_EVENTS
    within = (
        f" Switches and migrations are the kernel's, closed to us ({hidden})." if hidden else ""
    )
    if hardware:
        why = f"hardware counters do not work here ({hardware})"
        return counted, f"Software events only: {why}.{within}"
    return HARDWARE_EVENTS + counted, f"Hardware counters and software events.{within}"


def _deeper(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return where the pipeline slots go (topdown) and which lines cores fight for (c2c), as perf
    says it.

    Needs hardware counters; c2c also needs sampled memory accesses.  What perf refuses is a note.
    """
    figures: dict[str, str] = {}
    notes = []
    top, lines = folder / "topdown.txt", folder / "c2c.data"
    ways = {
        "perf stat --topdown": (["stat", "--topdown", "-o", str(top)], lambda: top.read_text()),
        "perf c2c": (["c2c", "record", "-o", str(lines)], lambda: _c2c_report(lines)),
    }
    for name, (words, read) in ways.items():

        def arguments(pids: list[int], words: list[str] = words) -> list[str]:
            return ["perf", *words, "-p", ",".join(map(str, pids)), "--", "sleep", "1"]

        with _attached(arguments) as attached:
            pass
        if attached[1] == 0:
            figures[name] = read()
        else:
            notes.append(f"{name} ended with {attached[1]}: this processor does not count that")
    return figures, notes


def _c2c_report(data: Path) -> str:
    done = subprocess.run(
        ["perf", "c2c", "report", "-i", str(data), "--stdio"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    return "\n".join(done.stdout.splitlines()[:C2C_LINES])


@contextmanager
def _attached(arguments: Callable[[list[int]], list[str]]) -> Iterator[list[Any]]:
    """Run the pipeline, and perf in parallel with its processes from SETTLE_S after they are all
    there.

    Yields the pair (groups, perf's stderr), filled when the run is over.
    """
    groups: list[Any] = []
    watcher = fork(partial(_watch, os.getpid(), arguments))
    try:
        orders = int(RATE * SECONDS)
        # Not recorded: the probe's clock readings would be in the profile.
        options = Options(
            source=flow("normal", orders), orders=orders, rate=RATE, durability="none", verify=False
        )
        groups.append(checked(run(options))["groups"])
        yield groups
    finally:
        _, status = os.waitpid(watcher, 0)
        groups.append(os.waitstatus_to_exitcode(status))


def _watch(parent: int, arguments: Callable[[list[int]], list[str]]) -> int:
    """Run in a separate process: wait for the run of ``parent``, and run perf on its processes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pipeline in running():
            if pipeline.owner.pid == parent and pipeline.positions()["events"] > 0:
                rows = pipeline.view(pipeline.positions(), 1)["stages"]
                pids = sorted({row["pid"] for row in rows})
                time.sleep(SETTLE_S)
                return subprocess.run(arguments(pids), capture_output=True).returncode
        time.sleep(0.01)
    return 1


def _counted(folder: Path, events: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """perf stat of each process for a second of the run."""
    out = folder / "stat.csv"

    def arguments(pids: list[int]) -> list[str]:
        return [
            "perf",
            "stat",
            "-x",
            ";",
            "-o",
            str(out),
            "--per-thread",
            "-e",
            ",".join(events),
            "-p",
            ",".join(map(str, pids)),
            "--",
            "sleep",
            "1",
        ]

    with _attached(arguments) as attached:
        pass
    groups = attached[0]
    if not out.exists():
        return [], [f"perf stat ended with {attached[1]}: no counters"]
    counters = stat_rows(out.read_text())
    return [
        {
            "process": group["process"],
            "stages": group["stages"],
            "counters": counters.get(group.get("pid"), {}),
        }
        for group in groups
    ], []


def stat_rows(text: str) -> dict[int, dict[str, float]]:
    """``perf stat -x ; --per-thread``: the counters of each thread, by its number."""
    rows: dict[int, dict[str, float]] = {}
    for line in text.splitlines():
        words = line.split(";")
        who = words[0].rpartition("-")[2]
        if len(words) > 3 and who.isdigit():
            try:
                # perf marks an event of which it counts the user's part alone.
                name = words[3].removesuffix(":u")
                rows.setdefault(int(who), {})[name] = float(words[1])
            except ValueError:
                continue  # <not supported>, <not counted>
    return rows


def _sampled(folder: Path) -> tuple[Counter[tuple[str, ...]], list[str]]:
    """perf record of the run's processes, folded: how often each stack was seen."""
    data = folder / "perf.data"
    maps: list[Path] = []

    def arguments(pids: list[int]) -> list[str]:
        maps.extend(write_map(pid) for pid in pids)
        return [
            "perf",
            "record",
            "-q",
            "-F",
            str(FREQUENCY),
            "-g",
            "-e",
            "cpu-clock",
            "-o",
            str(data),
            "-p",
            ",".join(map(str, pids)),
            "--",
            "sleep",
            "1",
        ]

    pids: list[int] = []
    try:
        with _attached(arguments) as attached:
            pids = [group["pid"] for group in attached[0] if group.get("pid")]
            maps = [map_path(pid) for pid in pids]
        if not data.exists():
            return Counter(), [f"perf record ended with {attached[1]}: no samples"]
        done = subprocess.run(
            ["perf", "script", "-i", str(data), "-F", "comm,pid,time,ip,sym,dso"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
        )
    finally:
        for path in maps:
            path.unlink(missing_ok=True)
    names = {group["pid"]: group["process"] for group in attached[0] if group.get("pid")}
    return folded(done.stdout.splitlines(), names), []


def map_path(pid: int) -> Path:
    """Return where perf looks for the names of a process's compiled code."""
    return Path(f"/tmp/perf-{pid}.map")


def write_map(pid: int) -> Path:
    """Name the kernels that this process (or one forked from it) has compiled."""
    lines = [f"{start:x} {size:x} {name}" for start, size, name in kernel_symbols()]
    path = map_path(pid)
    path.unlink(missing_ok=True)
    # In a folder that all share: made by us, never through a link that another user put there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def kernel_symbols() -> list[tuple[int, int, str]]:
    """(address, size, name) of every compiled signature of the loop's kernels, of the stages'
    steps and of the matcher's batch kernel, which they call by address."""
    symbols: list[tuple[int, int, str]] = []
    kernels = [*vars(loop).items(), ("process_batch", process_batch)]
    for row in TOPOLOGY.stages:
        if row.compiled:
            kernels.append((row.name, row.code.step))
    for name, kernel in kernels:
        for compiled in getattr(kernel, "overloads", {}).values():
            library = compiled.library
            address = library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
            if address:
                symbols.append((address, code_size(library), name))
    symbols.sort()
    ends = [address for address, _, _ in symbols[1:]] + [1 << 63]
    # Where the size is not known (code read from the cache) it ends before the next at the latest.
    return [
        (address, min(size, end - address), name)
        for (address, size, name), end in zip(symbols, ends, strict=True)
    ]


def code_size(library: Any) -> int:
    """The size of a library's machine code: the kernel and all that is inlined into it."""
    try:
        machine_code = ObjectFileRef.from_data(library._get_compiled_object())
        return sum(part.size() for part in machine_code.sections() if part.is_text())
    except (RuntimeError, AttributeError):
        return UNKNOWN_CODE_BYTES


def folded(lines: Sequence[str], names: dict[int, str]) -> Counter[tuple[str, ...]]:
    """``perf script``'s samples as stacks, outermost first, beginning with the process."""
    stacks: Counter[tuple[str, ...]] = Counter()
    stack: list[str] = []
    process = ""
    for line in [*lines, ""]:
        head, frame = SAMPLE.match(line), FRAME.match(line)
        if head:
            process, stack = names.get(int(head[2]), head[1].strip()), []
        elif frame:
            stack.append(frame[1])
        elif not line.strip() and stack:
            stacks[process, *reversed(stack)] += 1
            stack = []
    return stacks


def flame_graph(stacks: Counter[tuple[str, ...]]) -> Markup:
    """Stacks as a flame graph: each frame as wide as its share of the samples."""
    total = sum(stacks.values())
    parts: list[str] = []
    deepest = 0

    def draw(prefix: int, part: list[tuple[tuple[str, ...], int]], x: float) -> None:
        nonlocal deepest
        by_name: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for stack, count in part:
            if len(stack) > prefix:
                by_name.setdefault(stack[prefix], []).append((stack, count))
        for name, inner in sorted(by_name.items()):
            width = FLAME_WIDTH * sum(count for _, count in inner) / total
            if width < FLAME_LEAST * FLAME_WIDTH:
                x += width
                continue
            deepest = max(deepest, prefix + 1)
            parts.append(_frame(name, prefix, x, width, 100 * width / FLAME_WIDTH))
            draw(prefix + 1, inner, x)
            x += width

    draw(0, list(stacks.items()), 0.0)
    height = deepest * FLAME_ROW
    return Markup(
        f'<svg class="flames" viewBox="0 0 {FLAME_WIDTH} {height}" role="img" '
        f'aria-label="Flame graph">{"".join(parts)}</svg>'
    )


def _frame(name: str, depth: int, x: float, width: float, share: float) -> str:
    shown = escaped(name[: int(width / 6)]) if width > 24 else ""
    top = depth * FLAME_ROW
    fill = f"hsl({20 + sum(name.encode()) % 40} 85% {62 + sum(name.encode()) % 12}%)"
    return (
        f'<g><title>{escaped(name)} {share:.1f} %</title><rect class="flame" x="{x:.1f}" y="{top}" '
        f'width="{width:.1f}" height="{FLAME_ROW}" fill="{fill}"/>'
        f'<text class="frame" x="{x + 3:.1f}" y="{top + 12}">{shown}</text></g>'
    )


def _off_cpu() -> tuple[dict[str, dict[str, int]], list[str]]:
    """ns that each of our processes was away from its core in a run, by what ran instead."""
    with core_watch() as watched:
        done = paced(RATE, SECONDS / 2, "none")
    if watched.refused:
        return {}, [f"off-CPU time: {watched.refused}"]
    away: dict[str, Counter[str]] = {}
    # A watch without interrupts (watched.unwatched) has the switches, and they are all we use.
    names = {group.get("pid"): group["process"] for group in done.recording.groups}
    for interval in watched.intervals:
        if interval.pid in names and interval.kind == "preempted":
            length = interval.end_ns - interval.start_ns
            away.setdefault(names[interval.pid], Counter())[interval.what] += length
    return {process: dict(by.most_common(8)) for process, by in away.items()}, []
