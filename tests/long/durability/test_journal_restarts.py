"""The whole pipeline killed and resumed from its journal: nothing lost, nothing doubled."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import journal_restarts as shared
from tests.support.pipeline.journal_restarts import ORDERS, check_same, die_and_resume

undisturbed = shared.undisturbed


@pytest.mark.long
def test_a_thousand_deaths_of_the_pipeline(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """1,000 SIGKILLs of the whole pipeline, ten in each journal's life: one answer every time.

    The figures go to docs/evidence/journal_kills.json.
    """
    from openoutcry.report.evidence import write_evidence

    seconds: list[float] = []
    for seed in range(1000, 1100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        result, took = die_and_resume(folder, seed, 10)
        check_same(result, undisturbed, folder / "j")
        seconds += took
        shutil.rmtree(folder)
    assert max(seconds) < 30
    ordered = sorted(seconds)
    write_evidence(
        "journal_kills",
        {
            "kills": len(seconds),
            "journals": 100,
            "orders_a_journal": ORDERS,
            "rate": 0,
            "first_seed": 1000,
            "acknowledged_lost": 0,
            "different_hashes": 0,
            "resume_s_p50": ordered[len(ordered) // 2],
            "resume_s_max": ordered[-1],
        },
        "make test-long ARGS=tests/long/durability/test_journal_restarts.py",
    )
