"""The latency histogram: bucketing, percentiles, the exact maximum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.runtime.histogram import (
    WORDS,
    bucket_of,
    bucket_upper_ns,
    record,
    record_spans,
    summary,
)


@given(st.integers(0, 2**62))
def test_a_value_lies_in_its_bucket_and_the_bucket_is_narrow(value: int) -> None:
    """The upper edge is at or above the value, by at most one part in 64."""
    index = bucket_of(value)
    upper = bucket_upper_ns(index)
    assert value <= upper <= value + value // 64 + 1
    assert index == 0 or bucket_upper_ns(index - 1) < value
    assert index < WORDS - 1


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_values(values: list[int]) -> None:
    """Each percentile is the bucket edge of the value at that rank, and max is exact."""
    counts = np.zeros(WORDS, np.int64)
    for value in values:
        record(counts.ctypes.data, value, 1)
    result = summary(counts)
    ordered = sorted(values)
    for name, permille in (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)):
        exact = ordered[max(1, -(-len(values) * permille // 1000)) - 1]
        assert result[name] == min(bucket_upper_ns(bucket_of(exact)), ordered[-1])
    assert result["max"] == ordered[-1]
    assert result["count"] == len(values)
    assert sum(count for _, count in result["histogram"]) == len(values)


def test_a_negative_span_counts_as_zero() -> None:
    """Two clock readings in the wrong order (a sender's clock ahead of ours) are no crash."""
    counts = np.zeros(WORDS, np.int64)
    record(counts.ctypes.data, -5, 1)
    assert counts[0] == 1


def test_an_empty_histogram_has_zeros_and_no_buckets() -> None:
    """Nothing recorded is shown as a count of zero, not as an error."""
    result = summary(np.zeros(WORDS, np.int64))
    assert result["count"] == 0
    assert result["histogram"] == []


@pytest.mark.parametrize("ended", [True, False])
def test_spans_are_counted_one_by_one_whatever_runs_they_come_in(ended: bool) -> None:
    """Equal values that follow each other are counted as often; masked sequences wrap."""
    rng = np.random.default_rng(1)
    since = rng.integers(0, 50, 64).astype(np.int64)
    until = since + np.repeat(rng.integers(0, 5_000, 16), 4)
    now = 10_000
    counts, expected = np.zeros(WORDS, np.int64), np.zeros(WORDS, np.int64)
    record_spans(
        counts.ctypes.data, since.ctypes.data, until.ctypes.data if ended else 0, 63, 40, 64, now
    )
    for end, begin in zip(until if ended else [now] * 64, since, strict=True):
        record(expected.ctypes.data, int(end - begin), 1)
    assert counts.tolist() == expected.tolist()
    assert counts[:-1].sum() == 64
