"""The simulator finds nothing in the protocol, and every bug that is planted in it."""

import pytest
from replica_planted import FOUND_AT, PLANTED, replaced

from openoutcry.replica.simulator import run_history, simulate
from openoutcry.replica.simulator_jobs import simulate_all

SEEDS = 1500


def test_no_history_breaks_a_promise():
    findings = simulate(range(250))
    assert findings.violations == []
    assert findings.histories == 250
    assert findings.released > 1000
    assert findings.promotions > 250, "leaders have changed"


def test_one_seed_is_one_history():
    histories = [[], []]
    for lines in histories:
        run_history(1164, lines.append)
    assert histories[0] == histories[1]
    assert len(histories[0]) > 10


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name):
    first = FOUND_AT.get(name, 0)
    with replaced(*PLANTED[name]):
        for seed in range(first, first + SEEDS):
            if simulate([seed]).violations:
                return
    pytest.fail(f"no history of {SEEDS} shows the bug")


def test_more_than_twenty_bugs_are_planted():
    assert len(PLANTED) >= 20


def test_a_violation_names_the_seed_and_what_was_broken():
    with replaced(*PLANTED["released when sent, not when acknowledged"]):
        violations = simulate(range(30, 90)).violations
    assert violations
    assert all(30 <= seed < 90 and "Violation: " in text for seed, text in violations)


def test_processes_that_share_the_seeds_find_the_same():
    shared = simulate_all(range(100), 3, float("inf"), print)
    assert shared == simulate(range(100))
    assert simulate_all(range(100), 2, 0.0, print).histories == 0
