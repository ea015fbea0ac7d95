"""The posting kernel is the plain reference, row by row; the core's balances are the ledger's."""

import numpy as np
import pytest

from openoutcry.ledger.accounts import Account, VenueAccount
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS, MONEY_SLOTS, Kind
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import LedgerError
from tests.oracles.ledger_trades import booked, new
from tests.support.ledger import ledger_flow as flow
from tests.support.ledger.post import LABELS, as_dicts, same_as_core

OF_CONTRACTS = (
    *(Kind.FUNDING, Kind.SETTLED, Kind.COVERED, Kind.TAKEN_OVER),
    *(Kind.PLEDGED, Kind.SEIZED, Kind.ADJUSTED, Kind.LIQUIDATION_FEE),
    *(Kind.BROKEN, Kind.RETURNED),
)


@pytest.fixture(scope="module")
def long_run():
    """A longer flow, posted at once: commands, events, rows, books."""
    document, orders = flow.config(), flow.draw(60_000, 7)
    engine = flow.core(document)
    events, books = engine.process(orders), Books(document)
    return document, orders, engine, events, books.post(orders, events), books


def test_everything_sums_to_nothing_and_is_what_the_core_has(long_run):
    _, _, engine, _, rows, books = long_run
    for columns in (MONEY_COLUMNS, LOT_COLUMNS):
        assert not sum(rows[name].astype(object) for name in columns).any()
    assert books.sums() == [0] * len(books.assets)
    same_as_core(books, engine)
    assert set(rows["kind"].tolist()) == {*map(int, Kind)} - {
        Kind.DELIVERED,
        Kind.MOVEMENT,
        *OF_CONTRACTS,
    }
    for index in range(books.count):
        assert books.balance(0, MONEY_SLOTS + index, VenueAccount.CLEARING) == 0


def test_what_is_read_twice_is_posted_once(long_run):
    document, orders, _, events, rows, whole = long_run
    books, parts, rng = Books(document), [], np.random.default_rng(1)
    at = 0
    while at < len(orders):
        begin = max(0, at - int(rng.integers(0, 500)))
        end = min(len(orders), at + int(rng.integers(1, 9_000)))
        low, high = np.searchsorted(events["cause_seq"], [begin + 1, end + 1])
        parts.append(books.post(orders[begin:end], events[low:high]))
        at = end
    assert np.concatenate(parts).tobytes() == rows.tobytes()
    assert list(books.nonzero_balances()) == list(whole.nonzero_balances())


def test_a_missing_event_is_refused(long_run):
    document, orders, _, events, _, _ = long_run
    books = Books(document)
    with pytest.raises(LedgerError, match=r"event 2 of command .*event before it is missing"):
        books.post(orders, events[1:])


# One trade, by hand.


def test_one_trade_is_two_transactions_against_clearing():
    books, rows = booked(
        flow.config(),
        [
            setting(Setting.DEPOSIT, 10_000, 1),
            setting(Setting.FEE, 2, symbol=b"PLAIN"),
            setting(Setting.LEDGER_TIER, flow.rates(-100, 1_500), 0),
            setting(Setting.LEDGER_FEES, 0, -1),
            new(Side.SELL, 101, 10, 2, 1),
            new(Side.BUY, 105, 10, 1, 2),
        ],
    )
    trades = rows[rows["kind"] == Kind.POSTED]
    assert as_dicts(trades) == [
        # 1,010 received less 20 a lot fee that had been reserved; a rebate of 0.01 % is 0.101.
        {
            "available": 1_010,
            "reserved": -20,
            "fee_income": 20,
            "clearing": -1_010,
            "lots_reserved": -10,
            "lots_clearing": 10,
            **{name: int(trades[0][name]) for name in LABELS},
        },
        # 1,050 + 20 were reserved, 1,010 + 20 are paid; 0.15 % of 1,010 is 1.515: 2.
        {
            "available": 40,
            "reserved": -1_070,
            "fees_due": -2,
            "fee_income": 22,
            "clearing": 1_010,
            "lots_available": 10,
            "lots_clearing": -10,
            **{name: int(trades[1][name]) for name in LABELS},
        },
    ]
    assert books.balance(2, 0, Account.AVAILABLE) == 10_000 - 1_010 - 20
    assert books.balance(2, 0, Account.FEES_DUE) == -2
    assert books.balance(0, 0, VenueAccount.FEE_INCOME) == 42
    assert books.balance(0, 0, VenueAccount.CLEARING) == 0


def test_an_amount_past_2_to_the_63_is_refused_in_words():
    document = flow.config() | {"hooks": None}
    document["instruments"] = [{"symbol": "PLAIN"}]
    orders = np.concatenate(
        [new(Side.SELL, 1 << 40, 1 << 23, 2, 1), new(Side.BUY, 1 << 40, 1 << 23, 1, 2)]
    )
    orders["seq"] = [1, 2]
    events, books = flow.core(document).process(orders), Books(document)
    with pytest.raises(LedgerError, match=r"command 2 \(participant 2, PLAIN\).*passes 2\^63"):
        books.post(orders, events)
    with pytest.raises(LedgerError, match="passes 2"):
        books.post(orders[:0], events[:0])


def test_a_balance_may_pass_2_to_the_63():
    document = flow.config() | {"hooks": None}
    document["instruments"] = [{"symbol": "PLAIN"}]
    orders = [
        new(side, 1 << 40, (1 << 23) - 1, 3 - side, 2 * n + side)
        for n in range(6)
        for side in (2, 1)
    ]
    books, _ = booked(document, orders)
    amount = 6 * (1 << 40) * ((1 << 23) - 1)
    assert amount > 2**65
    assert books.balance(2, 0, Account.AVAILABLE) == amount
