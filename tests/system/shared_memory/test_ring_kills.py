"""Producers, readers and workers killed with SIGKILL at random points: nothing lost, nothing
doubled, nothing stuck.

The seed decides which process is killed and after how long; a failure names it.
"""

import pytest

from tests.support.ring.ring_kills import KINDS, Tally, rage

LONG = (0, 3, 4, 7, 8, 11)
"""Of each strategy `make test` has either capacity once, in Python or compiled."""


@pytest.mark.parametrize(
    "seed",
    [pytest.param(n, marks=pytest.mark.long if n in LONG else ()) for n in range(len(KINDS))],
)
def test_kills_at_random_points_lose_and_double_nothing(seed: int) -> None:
    """8 kills each, 96 in all: two capacities under three wait strategies, loops in Python (long
    between claim and publish) and compiled (always between two steps of the protocol)."""
    rage(seed, 8, Tally())
