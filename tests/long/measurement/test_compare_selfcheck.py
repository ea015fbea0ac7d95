"""What `bench compare` says of itself: a 5 % slower matcher is called, identical builds are not."""

import pytest

from openoutcry.bench.compare import CANNOT_TELL, SLOWER, compare
from openoutcry.bench.matcher_loops import Loaded, load
from openoutcry.bench.results import document, summarise
from openoutcry.flow import GeneratedFlow
from openoutcry.report.evidence import write_evidence
from tests.support.bench.compare_selfcheck import one_pass

ROUNDS = 15
PASSES = 5
COMMANDS, WARM = 200_000, 50_000
SLOW_TRIALS, SAME_TRIALS = 10, 20
COMMAND = "make test-long ARGS=tests/long/measurement/test_compare_selfcheck.py"


def figure(loaded: Loaded, percent: int) -> float:
    """ns a command, the best of PASSES."""
    return min(sum(one_pass(loaded, percent)) for _ in range(PASSES)) / loaded.count


def trial(loaded: Loaded, percent: int) -> str:
    """Two documents whose rounds alternate, A as it is and B slowed; what compare says of them."""
    rounds: dict[int, list[float]] = {0: [], 1: []}
    for number in range(ROUNDS):
        for who in (0, 1) if number % 2 == 0 else (1, 0):
            rounds[who].append(figure(loaded, percent * who))
    a, b = (
        document("matcher", [summarise("command_ns", "ns", "lower", rounds[who])], [], COMMAND)
        for who in (0, 1)
    )
    (verdict,) = compare(a, b)
    print(percent, verdict)
    return verdict.verdict


@pytest.mark.long
def test_five_per_cent_in_the_matcher_is_called_and_identical_builds_are_not() -> None:
    """At least 9 of 10 trials with the slow-down say slower; at least 19 of 20 without say cannot
    tell.  The figures go to docs/evidence/compare.json."""
    loaded = load(GeneratedFlow("normal", COMMANDS + WARM, 1), WARM)
    figure(loaded, 0)
    slowed = [trial(loaded, 5) for _ in range(SLOW_TRIALS)]
    same = [trial(loaded, 0) for _ in range(SAME_TRIALS)]
    figures = {
        "slow_down_percent": 5,
        "rounds": ROUNDS,
        "slowed_trials": SLOW_TRIALS,
        "called_slower": slowed.count(SLOWER),
        "same_trials": SAME_TRIALS,
        "not_called": same.count(CANNOT_TELL),
        "seed": 1,
    }
    write_evidence("compare", figures, COMMAND)
    assert figures["called_slower"] >= 9
    assert figures["not_called"] >= 19
