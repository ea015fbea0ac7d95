"""Every parent ends, whichever of its messages get lost, late or twice: each of them, and random
ones."""

from collections import Counter

import pytest

from openoutcry.report.evidence import write_evidence
from tests.support.routing.lost_messages import KINDS, every_single_fault, random_scenario

SEEDS = 1_000


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1].get('name', 'all')}")
def test_each_message_of_each_kind_of_parent_is_lost_late_or_twice(tmp_path, kind):
    assert every_single_fault(tmp_path, kind)["scenarios"] > 20


@pytest.mark.parametrize("first", range(100, 200, 20))
def test_random_faults_of_messages(tmp_path, first):
    for seed in range(first, first + 20):
        random_scenario(tmp_path / f"{seed}.sqlite", seed)


@pytest.mark.long
def test_a_thousand_random_scenarios_end(tmp_path):
    counts = Counter()
    for seed in range(1_000, 1_000 + SEEDS):
        counts += random_scenario(tmp_path / f"{seed}.sqlite", seed)
    assert counts["parents"] > SEEDS
    command = "python -m pytest -m long tests/system/routing/test_lost_messages.py"
    write_evidence("routing_lost_messages", counts | Counter(scenarios=SEEDS), command)
