"""The posting kernel is the plain reference, row by row; the core's balances are the ledger's."""

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from openoutcry.ledger.accounts import Account, VenueAccount
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import MONEY_SLOTS
from tests.oracles.ledger_books import Reference
from tests.support.ledger import ledger_flow as flow
from tests.support.ledger.post import as_dicts, same_as_core


def same_balances(books, reference):
    balances = {}
    for place, value in books.nonzero_balances():
        lots = place.asset >= MONEY_SLOTS
        asset = books.assets[place.asset] if lots else "money"
        kinds = Account if place.owner else VenueAccount
        name = kinds(place.kind).name.lower()
        owner = place.owner - 1 if place.owner else "venue"
        balances[owner, asset, f"lots_{name}" if lots else name] = value
    assert balances == {key: value for key, value in reference.balances.items() if value}


BUMP = {"set": "SPEED_BUMP", "value": 10**12, "second": 10**12, "who": 5}


# One takes 0.7 to 1.3 s: a shorter flow shows no more.
@settings(max_examples=6, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32), every=st.sampled_from([3, 40]), bumped=st.booleans())
def test_the_kernel_posts_what_the_reference_posts(seed, every, bumped):
    """Behind a speed bump, too, where an order is another command's consequence."""
    more = {"limits": [BUMP], "delayed": 1 << 10} if bumped else {}
    document, orders = flow.config(**more), flow.draw(1_500, seed, every, days=2)
    engine, books, reference = flow.core(document), Books(document), Reference(document)
    for part in np.array_split(orders, 5):
        events = engine.process(part)
        rows = books.post(part, events)
        assert as_dicts(rows) == reference.post(part, events)
        assert len(set(zip(rows["event_seq"], rows["part"], strict=True))) == len(rows)
        same_balances(books, reference)
        same_as_core(books, engine)
        assert books.sums() == [0] * len(books.assets)
