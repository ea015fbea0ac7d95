"""The ledger's invariants at size: nothing is made or lost, whatever is posted and whatever dies.

The figures go to docs/evidence/ledger_invariants.json and ledger_kills.json.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.support.ledger import ledger_flow as flow
from tests.support.ledger.ledger_invariants import killed, posted


@pytest.mark.long
def test_a_hundred_million_postings_sum_to_zero():
    from openoutcry.report.evidence import write_evidence

    began, seed = time.monotonic(), 100
    counts = posted(100_000_000, seed)
    assert counts["postings"] >= 100_000_000
    assert (counts["unbalanced_transactions"], counts["assets_not_zero"]) == (0, 0)
    assert counts["accounts_that_differ"] == 0
    figures = counts | {"first_seed": seed, "seconds": round(time.monotonic() - began)}
    write_evidence("ledger_invariants", figures, command_of("invariants"))


def command_of(what: str) -> str:
    return f"make test-long ARGS='tests/long/ledger/test_ledger_invariants.py -k {what}'"


KILLED_COMMANDS, KILLED_EVERY, KILLED_PIECES = 2_000, 250, 10


def piece(home: Path, seed: int) -> dict[str, int]:
    """A tenth of the kills, on a journal of its own."""
    document = flow.config()
    document["order_capacity"] = document["hooks"]["order_capacity"] = 2_048
    flow.write_journal(home, flow.draw(KILLED_COMMANDS, seed), document, blocks=40)
    return killed(home, KILLED_EVERY, 1_000, seed)


@pytest.mark.long
def test_ten_thousand_kills_double_nothing_and_lose_nothing(tmp_path):
    """OUTCRY_LEDGER_PROCESSES (1) journals at once."""
    from openoutcry.report.evidence import write_evidence

    processes, seed = int(os.environ.get("OUTCRY_LEDGER_PROCESSES", 1)), 7
    began, seeds = time.monotonic(), range(seed, seed + KILLED_PIECES)
    homes = [tmp_path / str(number) / "day" for number in seeds]
    for home in homes:
        home.parent.mkdir()
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        parts = list(pool.map(piece, homes, seeds))
    counts = {name: sum(part[name] for part in parts) for name in parts[0]}
    assert counts["kills"] >= 10_000
    assert counts["different"] == 0
    assert counts["journals"] > 100
    figures = counts | {
        "commands_a_journal": KILLED_COMMANDS,
        "commands_a_stretch": KILLED_EVERY,
        "first_seed": seed,
        "processes": processes,
        "seconds": round(time.monotonic() - began),
    }
    write_evidence("ledger_kills", figures, command_of("kills"))
