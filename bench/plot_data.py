"""A recorded run as numbers to draw: percentiles, latency over time, spans of single commands.

Everything here is plain JSON, so that a document holds its own pictures.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from openoutcry.bench.paced import STAGE_SPANS, Ns, Paced, percentiles
from openoutcry.host.corewatch import Interval

SUB_BITS = 11
"""2,048 values before a bucket holds more than one, then 1,024 buckets a doubling: a bucket is no
wider than 0.1 % of its values."""
TIME_BINS = 120
BINS_A_DOUBLING = 2
TRACED_SLOWEST, TRACED_SAMPLE = 100, 200
MAX_INTERVALS = 5_000


class Timed(Protocol):
    """[start_ns, end_ns] of CLOCK_MONOTONIC."""

    @property
    def start_ns(self) -> int:
        """When it began."""

    @property
    def end_ns(self) -> int:
        """When it ended."""


Some = TypeVar("Some", bound=Timed)


def plots(done: Paced, intervals: Sequence[Interval] = ()) -> dict[str, Any]:
    """The data of a run's pictures.

    The keys are:

        ``start_epoch_s``,
        ``length_s``       of what counts: first intended send to last reply
        ``stages``         percentiles and histogram of each span, in the order of the data
        ``heat``           counts by time and latency
        ``throughput``     replies a second by time
        ``trace``          the slowest commands, a sample, long steps, and what the kernel ran, for
                           a trace viewer
    """
    spans = done.spans()
    names = [*STAGE_SPANS, "release", "whole"]
    return {
        "rate": done.rate,
        "durability": done.result["durability"],
        "topology": done.result["topology"],
        "warm_up_commands": done.warm,
        **when(done),
        "stages": [
            {
                "name": name,
                **percentiles(spans[name]),
                "count": len(spans[name]),
                "histogram": histogram(spans[name]),
            }
            for name in names
        ],
        "heat": heat(done),
        "throughput": throughput(done),
        "trace": trace(done, intervals),
    }


def when(done: Paced) -> dict[str, float]:
    """Return when the commands that count began, by the wall clock, and how long they took,
    in s."""
    start = int(done.recording.column("intended")[done.warm])
    length = int(done.recording.column("replied")[done.warm :].max()) - start
    # The clocks are read together only now; what the wall clock was stepped since is in the start.
    since_epoch = time.time_ns() - time.monotonic_ns()
    return {"start_epoch_s": (start + since_epoch) / 1e9, "length_s": length / 1e9}


def histogram(values: Ns) -> list[list[int]]:
    """[largest ns of the bucket, count] of the buckets in use, rising: HdrHistogram's own buckets
    of three significant digits, counted from the recorded stamps.  (The pipeline's live histograms
    are 1.6 % wide, so that counting costs a stage two cache lines.)"""
    clipped = np.maximum(values, 0)
    # frexp gives the number of bits exactly, where log2 rounds up just below a power of two.
    shift = np.maximum(np.frexp(clipped.astype(np.float64))[1].astype(np.int64) - SUB_BITS, 0)
    uppers, counts = np.unique(((clipped >> shift) + 1 << shift) - 1, return_counts=True)
    return [[int(upper), int(count)] for upper, count in zip(uppers, counts, strict=True)]


def heat(done: Paced) -> dict[str, Any]:
    """Return how many commands by intended time (``t_s``, the bins' starts) and by whole latency
    (``edges_ns``, the lower edges); ``counts`` has a row for each edge."""
    whole_ns = np.maximum(done.spans()["whole"], 1)
    intended = done.recording.column("intended")[done.warm :]
    t_s = (intended - intended[0]) / 1e9
    ends = np.linspace(0, max(float(t_s[-1]), 1e-9), TIME_BINS + 1)
    low = math.floor(math.log2(int(whole_ns.min()))) * BINS_A_DOUBLING
    high = math.floor(math.log2(int(whole_ns.max())) + 1) * BINS_A_DOUBLING
    edges = 2.0 ** (np.arange(low, high + 1) / BINS_A_DOUBLING)
    counts, _, _ = np.histogram2d(whole_ns, t_s, bins=(edges, ends))
    return {
        "t_s": ends[:-1].tolist(),
        "edges_ns": edges[:-1].tolist(),
        "counts": counts.astype(int).tolist(),
    }


def throughput(done: Paced) -> list[dict[str, float]]:
    """Cumulative replies at moments of the run, as the report's chart wants them."""
    replied = np.sort(done.recording.column("replied")[done.warm :])
    start = int(done.recording.column("intended")[done.warm])
    span = max(int(replied[-1]) - start, 1)
    moments = start + np.linspace(0, span, TIME_BINS + 1)[1:]
    counts = np.searchsorted(replied, moments, side="right")
    return [
        {"t_s": (at - start) / 1e9, "commands": int(count)}
        for at, count in zip(moments.tolist(), counts.tolist(), strict=True)
    ]


def trace(done: Paced, intervals: Sequence[Interval]) -> dict[str, Any]:
    """Single commands with their stamps, and the long steps and kernel intervals that overlap one
    of them (``left_out``: how many of those are too many to keep); ns of CLOCK_MONOTONIC."""
    whole_ns = done.recording.spans()["whole"]
    counted = np.arange(done.warm, len(whole_ns))
    slowest = counted[np.argsort(whole_ns[counted], kind="stable")[::-1][:TRACED_SLOWEST]]
    every = max(1, len(counted) // TRACED_SAMPLE)
    rows = np.unique(np.concatenate([slowest, counted[::every]]))
    windows = merged(*(done.recording.column(kind)[rows] for kind in ("intended", "replied")))
    steps = overlapping(done.recording.steps, windows)
    kernel = overlapping(intervals, windows)
    return {
        "commands": [[int(row) + 1, *done.recording.stamps[row].tolist()] for row in rows.tolist()],
        "steps": [[s.process, s.stage, s.start_ns, s.end_ns] for s in longest(steps)],
        "kernel": [[i.core, i.start_ns, i.end_ns, i.kind, i.what] for i in longest(kernel)],
        "left_out": {
            name: max(0, len(spans) - MAX_INTERVALS)
            for name, spans in (("steps", steps), ("kernel", kernel))
        },
        "groups": done.recording.groups,
    }


def merged(starts: Ns, ends: Ns) -> tuple[Ns, Ns]:
    """Windows in any order as windows that do not touch, rising: their starts and their ends."""
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    first = np.r_[True, starts[1:] > reach[:-1]]
    return starts[first], reach[np.r_[first[1:], True]]


def overlapping(spans: Sequence[Some], windows: tuple[Ns, Ns]) -> list[Some]:
    """Return the rows that overlap one of :func:`merged`'s windows, in order."""
    if not spans:
        return []
    starts, ends = windows
    # The first window that ends no earlier than the interval begins is the only one to ask.
    next_window = np.searchsorted(ends, [span.start_ns for span in spans])
    begins = np.append(starts, np.iinfo(np.int64).max)[next_window]
    return [
        span for span, begin in zip(spans, begins.tolist(), strict=True) if span.end_ns >= begin
    ]


def longest(spans: Sequence[Some]) -> list[Some]:
    """The MAX_INTERVALS longest, in the order of their starts."""
    kept = sorted(spans, key=lambda span: span.start_ns - span.end_ns)[:MAX_INTERVALS]
    return sorted(kept, key=lambda span: span.start_ns)
