"""A token bucket gives what its definition says: against counting tokens in exact fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import native
from openoutcry.wire.token_bucket import bucket_times
from tests.support.dpdk_shim import shim_sequence as shared

_built = shared._built


class Bucket:
    """The receiver's."""

    def __init__(self, interval_ns: int, burst_ns: int) -> None:
        self.shim = native.load()
        self.word = self.shim.ffi.new("int64_t *")
        self.times = interval_ns, burst_ns

    def take(self, now_ns: int) -> bool:
        return bool(self.shim.lib.oc_take_token(self.word, now_ns, *self.times))


class CountedTokens:
    """Tokens as a number that grows with time up to the burst."""

    def __init__(self, interval_ns: int, burst_ns: int) -> None:
        self.interval_ns, self.most = interval_ns, 1 + Fraction(burst_ns, interval_ns)
        self.tokens, self.at_ns = self.most, 0

    def take(self, now_ns: int) -> bool:
        self.tokens += Fraction(now_ns - self.at_ns, self.interval_ns)
        self.tokens, self.at_ns = min(self.tokens, self.most), now_ns
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(
    st.integers(1, 2_000),
    st.integers(0, 5_000),
    st.lists(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 10**12)), max_size=80),
)
def test_the_bucket_gives_what_counted_tokens_give(
    interval_ns: int, burst_ns: int, pauses_ns: list[int]
) -> None:
    bucket, counted = Bucket(interval_ns, burst_ns), CountedTokens(interval_ns, burst_ns)
    now_ns = 10**9
    for pause_ns in pauses_ns:
        now_ns += pause_ns
        assert bucket.take(now_ns) == counted.take(now_ns)


def test_rate_and_burst_are_what_they_say() -> None:
    """At once the burst and no more; over a second the rate; a rate that does not divide a second
    is never exceeded."""
    bucket = Bucket(*bucket_times(3_000, 300))
    start_ns = 10**15
    at_once = [bucket.take(start_ns) for _ in range(1_000)]
    assert at_once == [True] * 300 + [False] * 700
    later = [bucket.take(start_ns + at) for at in range(0, 10**9, 10**5)]
    assert 2_990 <= sum(later) <= 3_000
    for rate, burst in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            bucket_times(rate, burst)
