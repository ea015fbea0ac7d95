"""The benchmark suite's test of itself: a stall on purpose must show where stalls are looked for.

Runs with a stage that does nothing for 50 us every 10 ms, and without, in alternation.  A host's
own gaps come and go, so each run is cut into windows of a tenth of a second, and a figure is the
median over the windows of all its runs; what a gap can only lengthen (p99.9) also stands as of the
quietest quarter of them.  A run that steal or other programs disturbed beyond the bounds of
rounds.py is taken again, at most as often as there are rounds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from openoutcry.bench.paced import Ns, Paced
from openoutcry.bench.pipeline import watched_run
from openoutcry.bench.plot_data import heat
from openoutcry.bench.rounds import rotated
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.recording import Stall

STALL = Stall("matcher", 50_000, 10_000_000)
RATE, SECONDS, WINDOW_S = 100_000, 0.5, 0.1
BAND_NS = (32_000, 64_000)
"""Commands due in the first 18 us of a stall wait as long as this, and no timer interrupt is."""
RUNS = {"stalled": STALL, "undisturbed": None}


def stall_check(rounds: int, progress: Callable[[str], None] = print) -> dict[str, Any]:
    """The figures of both kinds of runs: :func:`summed` of each, by its name."""
    compile_kernels(lambda label, done, total: None)
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNS}
    repeated = 0
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for name in rotated(list(RUNS), number):
            run = one_run(RUNS[name])
            while run["noisy"] and repeated < rounds:
                repeated += 1
                run = one_run(RUNS[name])
            seen[name].append(run)
    return {
        "stall_ns": STALL.length_ns,
        "every_ns": STALL.every_ns,
        "rate": RATE,
        "rounds": rounds,
        "runs_repeated": repeated,
        "noisy_runs_kept": sum(run["noisy"] for runs in seen.values() for run in runs),
        "band_ns": list(BAND_NS),
        **{name: summed(runs) for name, runs in seen.items()},
    }


def one_run(stall: Stall | None) -> dict[str, Any]:
    """A watched run: figures by window, and what the report says of it as a whole."""
    done, watched, disturbed, tail = watched_run(RATE, SECONDS, "none", stall=stall)
    bands = tail["bands"]
    causes = bands[0]["causes"] if bands and bands[0]["from_ns"] == 10_000 else []
    long_steps = [c["share"] for c in causes if c["cause"].startswith("matcher: a long step")]
    return {
        **by_window(done),
        "heat_columns": occupied(heat(done)),
        "share_of_decade": sum(long_steps),
        "watched": watched.blind,
        "noisy": disturbed.too_much,
    }


def by_window(done: Paced) -> dict[str, list[float]]:
    """Return for each whole window: p50 and p99.9 in ns, commands a second whose latency is in the
    band."""
    whole_ns = done.spans()["whole"]
    intended = done.recording.column("intended")[done.warm :]
    window = (intended - intended[0]) // int(WINDOW_S * 1e9)
    windows: dict[str, list[float]] = {"p50_ns": [], "p999_ns": [], "band_per_s": []}
    for number in range(round(SECONDS / WINDOW_S)):
        inside: Ns = whole_ns[window == number]
        low, high = BAND_NS
        windows["p50_ns"].append(float(np.percentile(inside, 50)))
        windows["p999_ns"].append(float(np.percentile(inside, 99.9)))
        windows["band_per_s"].append(float(((inside >= low) & (inside < high)).sum()) / WINDOW_S)
    return windows


def occupied(picture: dict[str, Any]) -> float:
    """Share of the heat map's columns that have a cell in the band."""
    low, high = BAND_NS
    rows = [
        row
        for edge, row in zip(picture["edges_ns"], picture["counts"], strict=True)
        if low <= edge < high
    ]
    columns = [any(column) for column in zip(*rows, strict=True)]
    return sum(columns) / len(columns) if columns else 0.0


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over windows and runs; the quietest quarter's p99.9; how many runs were watched."""
    windows = {
        name: [value for run in runs for value in run[name]]
        for name in ("p50_ns", "p999_ns", "band_per_s")
    }
    figures: dict[str, Any] = {name: float(np.median(values)) for name, values in windows.items()}
    figures["p999_quiet_ns"] = float(np.percentile(windows["p999_ns"], 25))
    for name in ("heat_columns", "share_of_decade"):
        figures[name] = float(np.median([run[name] for run in runs]))
    figures["windows"] = len(windows["p50_ns"])
    figures["watched"] = next((run["watched"] for run in runs if run["watched"]), None)
    return figures
