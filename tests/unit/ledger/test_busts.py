"""Trades taken back, in the ledger: after any trades and busts balances and positions are those of
the trades that were not, in the core and in the books alike."""

import numpy as np
import pytest

from openoutcry.ledger.layout import Kind
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.reports import fees, profits, statement
from openoutcry.ledger.tax import TaxLots, tax
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.fee_tables import deposit
from openoutcry.wire.enums import EventKind
from tests.support.ledger.spot_page import LedgerMarket
from tests.support.risk.busts import bust, trade
from tests.unit.ledger.test_contracts import PostedMarket

BTC_USD, OIL, CALL = b"BTC-USD", b"OIL-Z", b"OIL-C"
FEE = 3


class Kept(LedgerMarket):
    """Keeps all rows."""

    kept = ()

    def send(self, record):
        events = super().send(record)
        self.kept = [*self.kept, self.rows.copy()]
        return events


def spot_market(folder):
    market = Kept(folder)
    for who in (1, 2, 3):
        market.move(100_000 * 10**6, "USD", who)
        market.move(10 * 10**8, "BTC", who)
    return market


def restarted(market):
    """Another core goes on from what is kept of this one."""
    was = market.engine
    market.engine = Engine.restore(was.snapshot(), 1_024, hooks=was.hooks)
    assert market.engine.state_hash() == was.state_hash()


def of_trades(seed, count, most, low, high):
    """Random terms of trades, and which trade of those so far is taken back after each (-1: none
    is)."""
    rng, standing = np.random.default_rng(seed), 0
    for _ in range(count):
        buyer, seller = rng.choice([1, 2, 3], 2, replace=False).tolist()
        terms = {"buyer": buyer, "seller": seller, "lots": int(rng.integers(1, most))}
        standing += 1
        place = int(rng.integers(standing)) if rng.random() < 0.4 else -1
        standing -= place >= 0
        yield terms | {"price": int(rng.integers(low, high))}, place


@pytest.mark.parametrize("seed", [1, 2])
def test_spot_is_as_if_only_the_others_had_traded(tmp_path, seed):
    market, done = spot_market(tmp_path), []
    for number, (terms, place) in enumerate(of_trades(seed, 40, 30, 4_900_000, 5_100_000)):
        done.append((terms, trade(market, BTC_USD, **terms)))
        if place >= 0:
            events = bust(market, done.pop(place)[1], f"bust {number}")
            assert events["kind"][0] == EventKind.BROKEN
        if number == 20:
            restarted(market)
    other = spot_market(tmp_path)
    for terms, _ in done:
        trade(other, BTC_USD, **terms)
    assert list(market.books.nonzero_balances()) == list(other.books.nonzero_balances())
    rows, others = np.concatenate(market.kept), np.concatenate(other.kept)
    assert {Kind.BROKEN, Kind.RETURNED} < {Kind(int(kind)) for kind in rows["kind"]}
    # Statement, fees and positions of all know both lines, and come to the same sums.
    for who in (1, 2, 3):
        mine, theirs = (
            statement(one.books, [kept], who).rows
            for one, kept in ((market, rows), (other, others))
        )
        closing = [row[2:] for row in mine if row[2].startswith("closing")]
        assert closing == [row[2:] for row in theirs if row[2].startswith("closing")]
    assert fees(market.books, [rows]).rows == fees(other.books, [others]).rows
    for method in METHODS:
        assert earned(market.books, rows, method) == earned(other.books, others, method)


def earned(books, rows, method):
    """Positions, what was received less what was paid, and fees."""
    table = profits(books, [rows], method).rows
    return [(*row[:4], row[7] - row[4], row[9]) for row in table if row[2] or row[7] or row[9]]


def of_contracts(folder):
    market = PostedMarket(folder)
    for who in (1, 2, 3):
        market.send(deposit(who, 10**9, "", 0, 0))
    for symbol in (OIL, CALL):
        assert market.apply(Setting.FEE, FEE, 0, symbol.decode())
    return market


def mark(market, symbol, price):
    assert market.apply(Setting.CONTRACT_MARK, price, 0, symbol.decode(), 5_000)


def standing(market):
    """Positions, and money of each."""
    symbols = [market.symbols.index(symbol.decode()) for symbol in (OIL, CALL)]
    return [
        (
            market.of(who, lay.BALANCE),
            market.of(who, lay.PROFIT),
            market.of(who, lay.RESERVED),
            market.of(who, lay.MARGINED),
            *(market.view.cell(who, index, lay.POSITION) for index in symbols),
        )
        for who in (1, 2, 3)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_contracts_are_as_if_only_the_others_had_traded(tmp_path, seed):
    """With marks between the trades and their busts: a bust is at the trade's own price."""
    market, done, marks = of_contracts(tmp_path), [], []
    rng = np.random.default_rng(seed)
    for number, (terms, place) in enumerate(of_trades(seed, 30, 30, 4_800, 5_200)):
        symbol = OIL if number % 3 else CALL
        terms |= {"price": terms["price"] if symbol is OIL else terms["price"] // 50}
        done.append((symbol, terms, trade(market, symbol, **terms, fee=FEE * terms["lots"])))
        if place >= 0:
            events = bust(market, done.pop(place)[2], f"bust {number}")
            assert events["kind"][0] == EventKind.BROKEN
        if number % 4 == 0:
            marks.append(int(rng.integers(4_900, 5_100)))
            mark(market, OIL, marks[-1])
            mark(market, CALL, marks[-1] // 50)
        if number == 15:
            restarted(market)
    other = of_contracts(tmp_path)
    for symbol, terms, _ in done:
        trade(other, symbol, **terms, fee=0)
    mark(other, OIL, marks[-1])
    mark(other, CALL, marks[-1] // 50)
    assert standing(market) == standing(other)
    assert Kind.BROKEN in market.kinds


def test_a_contract_refuses_who_is_liquidated(tmp_path):
    market = of_contracts(tmp_path)
    market.send(deposit(4, 60_000, "", 0, 0))
    records = trade(market, OIL, 4, 1, 10, 5_000, fee=FEE * 10)
    mark(market, OIL, 4_600)
    assert market.of(4, lay.FLAGS) & lay.KILLED_BY_MARGIN
    assert bust(market, records)["kind"].tolist() == [EventKind.REJECTED]


def test_a_bust_judges_both_sides(tmp_path):
    """A position that was closed is open again: its owner may be under its margin then."""
    market = of_contracts(tmp_path)
    market.send(deposit(4, 60_000, "", 0, 0))
    trade(market, OIL, 4, 1, 10, 5_000, fee=0)
    records = trade(market, OIL, 1, 4, 10, 5_000, fee=0)
    mark(market, OIL, 4_600)
    assert not market.of(4, lay.FLAGS) & lay.KILLED_BY_MARGIN
    # 40,000 less on 10 lots: 20,000 are left, and half of the margin is 23,000.
    assert bust(market, records)["kind"][0] == EventKind.BROKEN
    assert market.of(4, lay.FLAGS) & lay.KILLED_BY_MARGIN


def test_the_lots_of_a_trade_taken_back_are_no_gain():
    """Not even where older lots would have been closed first."""
    lots = TaxLots()
    lots.trade(10, 100, 1, 1)
    lots.trade(5, 110, 2, 2)
    assert lots.take_back(-5, 110, 3, 3) == []
    assert list(lots.lots) == [[10, 1_000, 1]]
    for method in METHODS.values():
        holding = method()
        holding.trade(10, 100)
        holding.trade(-4, 120)
        was = holding.position, holding.cost, holding.realised
        holding.trade(5, 110)
        holding.take_back(-5, 110)
        assert (holding.position, holding.cost, holding.realised) == was
        # Lots that were sold meanwhile: the rest is a trade, and no money is lost.
        holding.take_back(-10, 100)
        assert holding.position == -4
        assert holding.realised - holding.cost == -10 * 100 + 4 * 120 + 10 * 100


def test_the_tax_report_has_no_closing_of_it(tmp_path):
    market = spot_market(tmp_path)
    bust(market, trade(market, BTC_USD))
    rows = np.concatenate(market.kept)
    assert tax(market.books, [rows]).rows == []
