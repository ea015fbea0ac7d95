"""Latency histograms that a kernel can fill: log-linear, 64 buckets a power of two (1.6 %).

The bucketing is HdrHistogram's (Gil Tene): values below 128 have a bucket each, above that 64
buckets cover each doubling.  A histogram is 4,096 int64 words: counts, and in the last word the
exact maximum.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import count_leading_zeros

WORDS = 4096
HISTOGRAM_BYTES = 8 * WORDS
MAX_INDEX = WORDS - 1
SUB_BITS = 6


@kernel
def bucket_of(value_ns: int) -> int:
    """Return the bucket of a duration in ns: exact below 128, then 64 buckets an octave."""
    if value_ns < 128:
        return max(value_ns, 0)
    shift = 63 - count_leading_zeros(value_ns) - SUB_BITS
    return shift * 64 + (value_ns >> shift)


@kernel
def record(histogram: Words, value_ns: int, times: int) -> None:
    """Count one value in the histogram at that address, ``times`` times."""
    histogram[bucket_of(value_ns)] += times
    if value_ns > histogram[MAX_INDEX]:
        histogram[MAX_INDEX] = value_ns


@kernel
def record_spans(
    histogram: Words,
    since: Words,
    until: Words,
    mask: int,
    first_seq: int,
    count: int,
    now: int,
) -> None:
    """Count ``until[seq] - since[seq]`` of ``count`` sequences; ``until`` 0: up to ``now``.

    The commands of a burst share their clock readings, so equal values come in runs.
    """
    value, times = 0, 0
    for seq in range(first_seq, first_seq + count):
        at = seq & mask
        end = now if until == 0 else until[at]
        span_ns = end - since[at]
        if span_ns == value:
            times += 1
            continue
        if times > 0:
            record(histogram, value, times)
        value, times = span_ns, 1
    if times > 0:
        record(histogram, value, times)


def bucket_upper_ns(index: int) -> int:
    """The largest value that falls into the bucket."""
    if index < 128:
        return index
    shift = index // 64 - 1
    return ((index - shift * 64 + 1) << shift) - 1


def summary(counts: npt.NDArray[np.int64]) -> dict[str, int | list[list[int]]]:
    """Count, percentiles and the non-empty buckets of one histogram (int64[4096]).

    Percentiles and minimum are the upper edge of their bucket, never more than the exact maximum.
    """
    counts = counts.copy()  # A running stage counts on.
    buckets, largest = counts[:-1], int(counts[-1])
    used = np.flatnonzero(buckets)
    total = int(buckets.sum())
    result: dict[str, int | list[list[int]]] = {"count": total}
    reached = np.cumsum(buckets[used])
    for name, permille in (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)):
        rank = (total * permille + 999) // 1000
        if total:
            bucket = int(used[int(np.searchsorted(reached, max(rank, 1)))])
            result[name] = min(bucket_upper_ns(bucket), largest)
        else:
            result[name] = 0
    result["max"] = largest
    result["min"] = min(bucket_upper_ns(int(used[0])), largest) if total else 0
    result["histogram"] = [[bucket_upper_ns(int(b)), int(buckets[b])] for b in used]
    return result
