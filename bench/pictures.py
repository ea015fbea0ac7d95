"""A recorded run as numbers to draw: percentiles, latency over time, spans of single commands.

Everything here is plain JSON, so that a document holds its own pictures.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from openoutcry.bench.corewatch import Interval
from openoutcry.bench.paced import STAGE_SPANS, Ns, Paced, percentiles
from openoutcry.pipeline.histogram import bucket_upper_ns

TIME_BINS = 120
BINS_A_DOUBLING = 2
TRACED_SLOWEST, TRACED_SAMPLE = 100, 200
MAX_INTERVALS = 5_000


def pictures(done: Paced, intervals: Sequence[Interval] = ()) -> dict[str, Any]:
    """``stages`` (percentiles and histogram of each span, in the order of the data), ``heat``
    (counts by time and latency), ``throughput`` (replies a second by time), ``trace`` (the slowest
    commands, a sample, long steps, and what the kernel ran, for a trace viewer)."""
    spans = done.spans()
    names = [*STAGE_SPANS, "release", "whole"]
    return {
        "rate": done.rate,
        "durability": done.result["durability"],
        "topology": done.result["topology"],
        "warm_up_commands": done.warm,
        "stages": [{"name": name, **percentiles(spans[name]), "count": len(spans[name]),
                    "histogram": histogram(spans[name])} for name in names],
        "heat": heat(done),
        "throughput": throughput(done),
        "trace": trace(done, intervals),
    }  # fmt: skip


def histogram(values: Ns) -> list[list[int]]:
    """[largest ns of the bucket, count] of the buckets in use, rising: the pipeline's own buckets
    (1.6 % wide)."""
    clipped = np.maximum(values, 0)
    shift = np.maximum(np.floor(np.log2(np.maximum(clipped, 1))).astype(np.int64) - 6, 0)
    bucket = np.where(clipped < 128, clipped, shift * 64 + (clipped >> shift))
    used, counts = np.unique(bucket, return_counts=True)
    return [[bucket_upper_ns(int(b)), int(c)] for b, c in zip(used, counts, strict=True)]


def heat(done: Paced) -> dict[str, Any]:
    """How many commands by intended time (``t_s``, the bins' starts) and by whole latency
    (``edges_ns``, the lower edges); ``counts`` has a row for each edge."""
    whole = np.maximum(done.spans()["whole"], 1)
    intended = done.recording.column("intended")[done.warm :]
    t_s = (intended - intended[0]) / 1e9
    ends = np.linspace(0, max(float(t_s[-1]), 1e-9), TIME_BINS + 1)
    low = math.floor(math.log2(int(whole.min()))) * BINS_A_DOUBLING
    high = math.floor(math.log2(int(whole.max())) + 1) * BINS_A_DOUBLING
    edges = 2.0 ** (np.arange(low, high + 1) / BINS_A_DOUBLING)
    counts, _, _ = np.histogram2d(whole, t_s, bins=(edges, ends))
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
    return [{"t_s": (at - start) / 1e9, "commands": int(count)}
            for at, count in zip(moments.tolist(), counts.tolist(), strict=True)]  # fmt: skip


def trace(done: Paced, intervals: Sequence[Interval]) -> dict[str, Any]:
    """Single commands with their stamps, long steps and kernel intervals of a run; ns of
    CLOCK_MONOTONIC."""
    whole = done.recording.spans()["whole"]
    counted = np.arange(done.warm, len(whole))
    slowest = counted[np.argsort(whole[counted], kind="stable")[::-1][:TRACED_SLOWEST]]
    every = max(1, len(counted) // TRACED_SAMPLE)
    rows = np.unique(np.concatenate([slowest, counted[::every]]))
    return {
        "commands": [[int(row) + 1, *done.recording.stamps[row].tolist()] for row in rows.tolist()],
        "steps": [[s.process, s.stage, s.start_ns, s.end_ns]
                  for s in done.recording.steps[:MAX_INTERVALS]],
        "kernel": [[i.core, i.start_ns, i.end_ns, i.kind, i.what]
                   for i in intervals[:MAX_INTERVALS]],
        "groups": done.recording.groups,
    }  # fmt: skip
