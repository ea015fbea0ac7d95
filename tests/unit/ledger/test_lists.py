"""Lists of orders in the ledger: it reserves for the dearest leg once, as the core does."""

import numpy as np
import pytest

from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS
from openoutcry.ledger.reconcile import differences
from openoutcry.wire.enums import Reason
from tests.support.ledger import ledger_flow
from tests.support.ledger.contract_day import ContractDay
from tests.support.ledger.post import same_as_core
from tests.support.ledger.spot_day import traded
from tests.support.matcher.matcher_lists import with_lists
from tests.support.risk.contracts import funded, run_contracts
from tests.support.risk.risk_flow import list_commands


@pytest.mark.parametrize("seed", range(4))
def test_every_wallet_is_the_cores_and_the_references(seed):
    """After each command, with its events from the real core; half with a speed bump."""
    day = traded(250, seed, delayed=64 * (seed % 2), share=0.8, flow=list_commands)
    rows = np.concatenate(day.rows)
    for columns in (MONEY_COLUMNS, LOT_COLUMNS):
        assert not sum(rows[name].astype(object) for name in columns).any()


@pytest.mark.parametrize(("seed", "partitions"), [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3)])
def test_margins_and_reserves_are_the_cores(seed, partitions):
    document = ledger_flow.config(leveraged=(1, 5) if partitions == 1 else ())
    document["hooks"]["partitions"] = partitions
    orders = with_lists(ledger_flow.draw(3_000, seed, risk_every=60), seed)
    engine, books = ledger_flow.core(document), Books(document)
    ended = 0
    for part in np.array_split(orders, 30):
        events = engine.process(part)
        books.post(part, events)
        assert differences(books, engine) is None
        ended += (events["reason"] == Reason.LIST).sum()
    assert ended > 50
    if partitions == 1:
        same_as_core(books, engine)


def test_contracts_are_the_cores():
    run_contracts(funded(ContractDay(), 10**9), 5, 300, 0.1, flow=list_commands)
