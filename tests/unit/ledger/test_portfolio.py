"""Holdings and performance against a plain adding-up of the same spot day."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import openoutcry.ledger.layout as lay
from openoutcry.ledger import portfolio
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.profit import METHODS
from openoutcry.wire.errors import LedgerError
from tests.support.ledger.spot_day import traded
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.spot import ASSETS


@pytest.fixture(scope="module")
def day():
    made = traded(600, 3)
    return made.books, np.concatenate([made.books.opening, *made.rows])


def records(report):
    return [dict(zip(report.columns, row, strict=True)) for row in report.rows]


def last_trades(books, rows):
    """By instrument, the price of the last fill."""
    prices = {}
    for row in rows[rows["kind"] == Kind.POSTED]:
        if int(row["instrument"]) in books.spot:
            prices[int(row["instrument"])] = int(row["price_ticks"])
    return prices


def plain_rate(books, prices, asset, currency):
    """By trying every way of one market, then of two: the first of the fewest."""
    if asset == currency:
        return Fraction(1)
    steps = {}
    for index in sorted(prices):
        rules = books.instruments[index]
        base, quote = int(rules[lay.BASE // 8]), int(rules[lay.QUOTE // 8])
        paid = Fraction(
            prices[index] * int(rules[lay.MULTIPLIER // 8]), int(rules[lay.LOT_UNITS // 8])
        )
        steps.setdefault((base, quote), paid)
        steps.setdefault((quote, base), 1 / paid)
    if (asset, currency) in steps:
        return steps[asset, currency]
    ways = [
        steps[asset, middle] * steps[middle, currency]
        for middle in range(lay.MONEY_SLOTS, books.first_lots)
        if (asset, middle) in steps and (middle, currency) in steps
    ]
    return ways[0] if ways else None


@pytest.mark.parametrize("name", [name for name, _ in ASSETS])
def test_holdings_are_worth_what_the_last_prices_say(day, name):
    books, rows = day
    prices, currency = last_trades(books, rows), portfolio.asset_named(books, name)
    assert portfolio.last_prices(books) == prices
    assert prices
    valued = 0
    for who in range(PARTICIPANTS):
        report = records(portfolio.holdings(books, who, name))
        shares = [row["share_bps"] for row in report if row["share_bps"] is not None]
        assert not shares or abs(sum(shares) - 10_000) <= len(shares)
        held = {row["asset"]: row for row in report}
        for asset in range(lay.MONEY_SLOTS, books.first_lots):
            free, reserved = (
                books.balance(who + 1, asset, kind)
                for kind in (Account.AVAILABLE, Account.RESERVED)
            )
            row = held.get(books.assets[asset])
            assert (row is not None) == bool(free or reserved)
            if row is None:
                continue
            assert (row["available"], row["reserved"]) == (free, reserved)
            rate = plain_rate(books, prices, asset, currency)
            if rate is None:
                assert row["value"] is None
            else:
                assert abs(row["value"] - (free + reserved) * rate) <= Fraction(1, 2)
                valued += 1
    assert valued > 5


def test_performance_is_what_was_brought_and_what_is_held(day):
    books, rows = day
    closes = portfolio.closes_of([rows])
    parts = np.array_split(rows, 7)
    for who in range(1, PARTICIPANTS):
        report = records(portfolio.performance(books, parts, who, ASSETS[0][0], closes))
        last = report[-1]
        assert last["gain"] == last["value"] - last["invested"]
        held = records(portfolio.holdings(books, who, ASSETS[0][0]))
        # A product is rounded once for each asset in both.
        assert last["value"] == sum(row["value"] for row in held if row["value"] is not None)
        own = rows[rows["participant"] == who]
        brought = defaultdict(int)
        for row in own[own["asset"] >= lay.MONEY_SLOTS]:
            brought[int(row["asset"])] -= int(row["outside"])
        currency = portfolio.asset_named(books, ASSETS[0][0])
        if set(brought) <= {currency}:
            assert last["invested"] == brought[currency]


def test_transactions_that_do_not_come_to_the_books_have_no_performance(day):
    books, rows = day
    who = int(rows["participant"][rows["available"] != 0][0])
    damaged = rows.copy()
    damaged["available"][np.flatnonzero(rows["participant"] == who)[-1]] += 1
    with pytest.raises(LedgerError, match="do not add up to its"):
        portfolio.performance(books, [damaged], who, ASSETS[0][0], portfolio.closes_of([rows]))


def test_an_asset_without_wallets_is_no_currency(day):
    with pytest.raises(LedgerError, match="no asset with wallets"):
        portfolio.holdings(day[0], 1, "PESO")


@given(st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 50)), max_size=40))
def test_last_in_first_out_closes_the_newest_lots(trades):
    """Against a stack of single lots."""
    method, stack, realised = METHODS["lifo"](), [], 0
    for qty, price in trades:
        method.trade(qty, price)
        for _ in range(abs(qty)):
            sign = 1 if qty > 0 else -1
            if stack and stack[-1][0] != sign:
                opened, cost = stack.pop()
                realised += opened * (price - cost)
            else:
                stack.append((sign, price))
    assert method.realised == realised
    assert method.position == sum(sign for sign, _ in stack)
    assert method.cost == sum(sign * cost for sign, cost in stack)
