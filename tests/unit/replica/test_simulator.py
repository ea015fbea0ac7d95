"""The simulator finds nothing in the protocol, and every bug that is planted in it."""

from tests.support.replica.replica_planted import PLANTED, replaced
from tests.support.replica.simulator import run_history, simulate


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


def test_more_than_twenty_bugs_are_planted():
    assert len(PLANTED) >= 20


def test_a_violation_names_the_seed_and_what_was_broken():
    with replaced(*PLANTED["released when sent, not when acknowledged"]):
        violations = simulate(range(30, 90)).violations
    assert violations
    assert all(30 <= seed < 90 and "Violation: " in text for seed, text in violations)
