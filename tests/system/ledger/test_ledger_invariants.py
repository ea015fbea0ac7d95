"""The ledger's invariants at size: nothing is made or lost, whatever is posted and whatever dies.

The figures go to docs/evidence/ledger_invariants.json and ledger_kills.json.
"""

import shutil

from tests.support.ledger.ledger_invariants import killed


def test_followers_that_are_killed_at_any_moment_leave_what_one_that_was_not_leaves(day, tmp_path):
    home = shutil.copytree(day, tmp_path / "day")
    counts = killed(home, 2_000, 12, 4)
    assert counts["kills"] >= 12
    assert counts["different"] == 0
