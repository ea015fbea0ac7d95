"""What the tests of tax in several tiers share."""

import pytest

from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import transactions


@pytest.fixture(scope="module")
def ledger_state(day):
    """The ledger at the journal's end."""
    return at(day)


@pytest.fixture(scope="module")
def report(day, ledger_state):
    return tax(ledger_state.books, transactions(day, ledger_state, 0))
