"""The chart of accounts: every account has one row and one name."""

import pytest

from openoutcry.ledger.accounts import KINDS, index_of, parsed, place_of
from openoutcry.wire.errors import LedgerError

ASSETS = ["USD", "GOLD", "SILVER"]


def test_every_row_is_one_account_and_every_name_leads_back():
    names = set()
    for index in range(4 * len(ASSETS) * KINDS):
        place = place_of(index, len(ASSETS))
        assert index_of(*place, len(ASSETS)) == index
        assert parsed(place.name(ASSETS), ASSETS) == place
        names.add(place.name(ASSETS))
    assert len(names) == 4 * len(ASSETS) * KINDS
    assert "venue:USD:clearing" in names
    assert "participant:2:GOLD:fees_due" in names


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("venue:USD", "is not an account"),
        ("venue:EUR:clearing", "no asset 'EUR'"),
        ("venue:USD:available", "'available' is not one of"),
        ("participant:x:USD:available", "'x' is not a participant's number"),
        ("nobody:7:USD:available", "is not an account"),
    ],
)
def test_a_name_of_no_account_is_refused(name, word):
    with pytest.raises(LedgerError, match=word):
        parsed(name, ASSETS)
