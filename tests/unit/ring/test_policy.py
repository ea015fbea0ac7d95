"""When enough of several cursors have reached a sequence."""

import itertools

import numpy as np
import pytest

from openoutcry.ring.policy import MAX_VALUE, POLICIES, needed, quorum_sequence, quorum_value


@pytest.mark.parametrize("count", range(1, 6))
def test_the_answer_is_what_that_many_have_reached(count):
    """Against the rule spelled out: the n-th largest, whatever the order of the cursors."""
    rng = np.random.default_rng(count)
    for policy in POLICIES:
        quorum = needed(policy, count)
        for values in itertools.islice(itertools.permutations(rng.integers(-1, 9, count)), 60):
            expected = sorted(values, reverse=True)[quorum - 1]
            assert quorum_value([int(value) for value in values], quorum) == expected


def test_policies_ask_for_all_a_majority_or_one():
    """A quorum of an even number is more than half of it."""
    assert [needed("all", n) for n in range(5)] == [0, 1, 2, 3, 4]
    assert [needed("quorum", n) for n in range(1, 6)] == [1, 2, 2, 3, 3]
    assert [needed("any", n) for n in range(3)] == [0, 1, 1]


def test_without_confirmations_nothing_is_awaited():
    """Then every sequence is safe."""
    assert quorum_sequence(0, 0, 0) == MAX_VALUE
