"""Stages that die in mid-run: one state, nothing lost, nothing doubled.

A stage kills itself at a sequence number (pipeline/deaths.py).  The seed decides which number, and
a failure names it.  One test kills a stage of the real command from outside.
"""

import random
from typing import Any

import pytest

from tests.support.deaths import STAGES, drawn
from tests.support.pipeline import kills as shared
from tests.support.pipeline.kills import ORDERS, run_with

undisturbed = shared.undisturbed


@pytest.mark.long
def test_two_hundred_kills(undisturbed: dict[str, Any]) -> None:
    """200 SIGKILLs at random sequence numbers, durable: one answer every time.

    The figures go to docs/evidence/kills.json.
    """
    from openoutcry.report.evidence import write_evidence

    done: dict[str, int] = {}
    runs = 0
    while sum(done.values()) < 200:
        deaths = drawn(random.Random(1000 + runs), STAGES, ORDERS)
        run_with(deaths, undisturbed)
        for death in deaths:
            done[death.stage] = done.get(death.stage, 0) + 1
        runs += 1
    write_evidence(
        "kills",
        {
            "kills": sum(done.values()),
            "by_stage": done,
            "runs": runs,
            "orders_a_run": ORDERS,
            "rate": 0,
            "first_seed": 1000,
            "lost": 0,
            "duplicated": 0,
            "different_hashes": 0,
            "state_hash": undisturbed["state_hash"],
        },
        "make test-long ARGS=tests/long/durability/test_kills.py",
    )
