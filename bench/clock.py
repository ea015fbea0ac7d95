"""The clock's figures: what a reading costs compared with clock_gettime, and how well it knows the
time.

Costs are taken in a kernel on this machine.  Bound, drift and violations are taken on a simulated
machine with a hardware clock, chrony and a quartz that wanders (ptp/simulate.py): only there the
truth is known.  Each round is another seed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.host.tsc import ticks_per_ns
from openoutcry.ptp.leap import load_table
from openoutcry.ptp.page import (
    OK,
    STALE_MS_MAX,
    ClockError,
    ClockLine,
    Line,
    PageWriter,
    TimeInterval,
    now,
    publish_line,
)
from openoutcry.ptp.simulate import Simulation, World
from openoutcry.ptp.ticks import Q48, ticks_now
from openoutcry.ring import ProcessIdentity
from openoutcry.ring.segment import segment_name
from openoutcry.wire import CLOCK_PAGE
from openoutcry.wire.enums import ClockSource, ClockState
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, monotonic_ns, realtime_ns, store_i64

CALLS, QUICK_CALLS = 5_000_000, 500_000
SECONDS, QUICK_SECONDS = 3_600, 600


@kernel
def now_loop(page: int, out: TimeInterval, count: int) -> int:
    """ns that ``count`` readings of the page took; -1 if one had no answer."""
    start, total = monotonic_ns(), 0
    for _ in range(count):
        if now(ClockLine(page), out) != OK:
            return -1
        total += load_i64(out)
    took = monotonic_ns() - start
    store_i64(out, total)
    return took


@kernel
def gettime_loop(out: int, count: int) -> int:
    """ns that ``count`` calls of clock_gettime(CLOCK_REALTIME) took. ``out``: address of a word for
    their sum, so that none is left out."""
    start, total = monotonic_ns(), 0
    for _ in range(count):
        total += realtime_ns() & 0xFFFF
    took = monotonic_ns() - start
    store_i64(out, total)
    return took


@kernel
def update_loop(page: int, line: int, count: int) -> int:
    """ns that ``count`` updates of the page took. ``line``: address of what is published, a clock
    line that changes each time."""
    start = monotonic_ns()
    for index in range(count):
        Words(line)[1] = start + index
        publish_line(ClockLine(page), ClockLine(line))
    return monotonic_ns() - start


def bench_clock(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    calls = QUICK_CALLS if quick else CALLS
    seconds = QUICK_SECONDS if quick else SECONDS
    gathered = Rounds(rounds, progress)
    # Not a daemon's name: no process but the bench may take this page for the time.
    writer = PageWriter(segment_name(ProcessIdentity.mine(), "bench-clock"))

    def one(number: int, add: Add) -> None:
        costs = [
            ("now_ns", "ours", lambda: _now(writer, calls)),
            ("now_ns", "clock_gettime", lambda: _gettime(calls)),
            ("page_update_ns", "ours", lambda: _update(writer, calls)),
        ]
        for name, who, measure in rotated(costs, number):
            add(name, "ns", "lower", measure(), who)
        progress(f"  {seconds:,} simulated seconds")
        for name, value in _simulated(number + 1, seconds).items():
            add(name, UNITS[name], "lower", value)

    try:
        gathered.run(one)
    finally:
        writer.close()
    return gathered.document("clock", command)


UNITS = {"bound_p99_ns": "ns", "drift_error_ppb": "ppb", "violations": "count"}
"""The figures that are simulated."""


def _line() -> Line:
    return Line(
        base_ticks=int(ticks_now()),
        base_tai_ns=10**18,
        mult_q48=round(Q48 / ticks_per_ns()),
        bound_ns=1_000,
        growth_ppb=200,
        stale_ms=STALE_MS_MAX,
        utc_offset_s=37,
        state=ClockState.LOCKED,
        source=ClockSource.SIMULATED,
    )


def _now(writer: PageWriter, calls: int) -> float:
    writer.publish(_line())
    out = np.zeros(4, np.int64)
    for count in (1_000, calls):
        took = now_loop(writer.address, TimeInterval.of(out.ctypes.data), count)
        if took < 0:
            raise ClockError("the bench's own page had no answer")
    return took / calls


def _gettime(calls: int) -> float:
    out = np.zeros(1, np.int64)
    gettime_loop(out.ctypes.data, 1_000)
    return gettime_loop(out.ctypes.data, calls) / calls


def _update(writer: PageWriter, calls: int) -> float:
    line = np.zeros(1, CLOCK_PAGE.dtype())
    for name, value in vars(_line()).items():
        line[name] = value
    update_loop(writer.address, line.ctypes.data, 1_000)
    return update_loop(writer.address, line.ctypes.data, calls) / calls


def _simulated(seed: int, seconds: int) -> dict[str, float]:
    with Simulation(load_table(), World(seed=seed)) as simulation:
        simulation.run(60)
        simulation.bounds_ns.clear()
        simulation.run(seconds)
        return {
            "bound_p99_ns": float(np.percentile(simulation.bounds_ns, 99)),
            "drift_error_ppb": float(np.percentile(np.abs(simulation.drift_errors_ppb), 99)),
            "violations": float(simulation.violations),
        }
