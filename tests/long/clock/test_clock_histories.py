"""Ten thousand random histories of a clock within its own assumptions: no reading is outside."""

import pytest

from tests.support.ptp.clock_histories import judge

SEEDS = 500


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 11_000, SEEDS))
def test_ten_thousand_histories_hold_the_truth(first):
    """Each with its own drift, path, noise and silences (tests/oracles/clock.py)."""
    missed = {seed: len(judge(seed)[1]) for seed in range(first, first + SEEDS)}
    assert {seed: count for seed, count in missed.items() if count} == {}
