"""The ledger's invariants at size: nothing is made or lost, whatever is posted and whatever dies.

The figures go to docs/evidence/ledger_invariants.json and ledger_kills.json.
"""

from tests.support.ledger.ledger_invariants import posted


def test_every_transaction_sums_to_zero_and_the_accounts_are_their_sums():
    counts = posted(60_000, 1, 20_000)
    assert counts["postings"] >= 60_000
    assert (counts["unbalanced_transactions"], counts["assets_not_zero"]) == (0, 0)
    assert counts["accounts_that_differ"] == 0
