"""The power goes at any moment: what is found has everything acknowledged, in order, once."""

import pytest

from tests.support.journal.journal_power_cuts import cut_often


@pytest.mark.long
def test_ten_thousand_power_cuts(tmp_path, orders):
    """The same, 10,000 times.  The figures go to docs/evidence/journal_power_cuts.json."""
    from openoutcry.report.evidence import write_evidence

    done = cut_often(tmp_path, orders, 2, 10_000)
    write_evidence(
        "journal_power_cuts",
        {"cuts": done, "seed": 2, "acknowledged_lost": 0, "wrong_records_served": 0},
        "make test-long ARGS=tests/long/durability/test_journal_power_cuts.py",
    )
