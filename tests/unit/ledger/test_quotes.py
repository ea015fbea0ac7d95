"""Quotes in the ledger: it reserves for both sides, and follows what they replace, as the core."""

import numpy as np
import pytest

from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS
from openoutcry.ledger.reconcile import differences
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.ledger import ledger_flow
from tests.support.ledger.contract_day import ContractDay
from tests.support.ledger.post import same_as_core
from tests.support.ledger.spot_day import traded
from tests.support.matcher.matcher_quotes import with_quotes
from tests.support.risk.contracts import funded, run_contracts
from tests.support.risk.risk_flow import quote_commands


@pytest.mark.parametrize("seed", range(4))
def test_every_wallet_is_the_cores_and_the_references(seed):
    """After each command, with its events from the real core; half with a speed bump."""
    day = traded(250, seed, delayed=64 * (seed % 2), share=0.8, flow=quote_commands)
    rows = np.concatenate(day.rows)
    for columns in (MONEY_COLUMNS, LOT_COLUMNS):
        assert not sum(rows[name].astype(object) for name in columns).any()


@pytest.mark.parametrize("seed", range(3))
def test_margins_and_reserves_are_the_cores(seed):
    document = ledger_flow.config(leveraged=(1, 5))
    orders = with_quotes(ledger_flow.draw(3_000, seed, risk_every=60), seed, often=0.5)
    engine, books = ledger_flow.core(document), Books(document)
    replaced = 0
    for part in np.array_split(orders, 30):
        events = engine.process(part)
        books.post(part, events)
        assert differences(books, engine) is None
        first = int(part["seq"][0])
        of_new = part["kind"][events["cause_seq"] - first] == CommandKind.NEW
        replaced += (of_new & (events["kind"] == EventKind.REPLACED)).sum()
    assert replaced > 50
    same_as_core(books, engine)


def test_contracts_are_the_cores():
    run_contracts(funded(ContractDay(), 10**9), 5, 300, 0.1, flow=quote_commands)
