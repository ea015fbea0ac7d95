"""Lists of orders in the ledger: it reserves for the dearest leg once, as the core does."""

import numpy as np
import pytest

from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS, Kind
from openoutcry.ledger.reconcile import differences
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


@pytest.mark.parametrize("seed", range(3))
def test_margins_and_reserves_are_the_cores(seed):
    document = ledger_flow.config()
    orders = with_lists(ledger_flow.draw(3_000, seed, risk_every=60), seed)
    engine, books = ledger_flow.core(document), Books(document)
    for part in np.array_split(orders, 30):
        rows = books.post(part, engine.process(part))
        assert differences(books, engine) is None
        assert not set(rows["kind"].tolist()) - {*map(int, Kind)}
    same_as_core(books, engine)


def test_contracts_are_the_cores():
    run_contracts(funded(ContractDay(), 10**9), 5, 300, 0.1, flow=list_commands)
