"""What the tests of tax in several tiers share."""

import pytest

from openoutcry.ledger.standing import at
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import transactions


@pytest.fixture(scope="module")
def standing(day):
    """The ledger at the journal's end."""
    return at(day)


@pytest.fixture(scope="module")
def report(day, standing):
    return tax(standing.books, transactions(day, standing, 0))
