"""The simulator finds nothing in the protocol, and every bug that is planted in it."""

import pytest

from tests.support.replica.replica_planted import FOUND_AT, PLANTED, replaced
from tests.support.replica.simulator import simulate
from tests.support.replica.simulator_jobs import simulate_all

SEEDS = 1500


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name):
    first = FOUND_AT.get(name, 0)
    with replaced(*PLANTED[name]):
        for seed in range(first, first + SEEDS):
            if simulate([seed]).violations:
                return
    pytest.fail(f"no history of {SEEDS} shows the bug")


def test_processes_that_share_the_seeds_find_the_same():
    shared = simulate_all(range(100), 3, float("inf"), print)
    assert shared == simulate(range(100))
    assert simulate_all(range(100), 2, 0.0, print).histories == 0
