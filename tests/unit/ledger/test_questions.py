"""The five questions: three databases answer alike, and our own answers are what the text means."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.questions import anomalies, corrected, faithful
from openoutcry.ledger.questions.books import Cancellation, half_even, read_books
from openoutcry.ledger.questions.sample import write_sample
from openoutcry.wire.errors import QuestionsError
from tests.support.ledger import questions as shared

sample = shared.sample


def test_every_fault_planted_is_found_and_no_other(sample):
    folder, planted = sample
    assert len({kind for kind, _, _ in planted}) == 21
    assert {one[:3] for one in anomalies.find(read_books(folder))} == planted


@pytest.mark.parametrize("seed", [5, 8])
def test_books_without_faults_have_none_and_our_answers_are_the_sqls(seed, tmp_path):
    """Where nothing is planted, VWAPs and quantities of both readings are the same."""
    assert write_sample(tmp_path / "made", seed, trades=20, faults=False) == set()
    books = read_books(tmp_path / "made")
    assert anomalies.find(books) == []
    parameters = corrected.Parameters(bars_to=datetime(2024, 10, 1, 9, 13))
    ours = [row for row in corrected.answer(books, "q1", parameters).rows if row[3]]
    assert ours == faithful.ask(tmp_path / "made", only="q1")["q1"].rows
    assert all(
        row[-1] == 0 for row in corrected.answer(books, "q5", parameters).rows if row[1] != "venue"
    )


@pytest.fixture(scope="module")
def faultless(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books") / "faultless"
    write_sample(folder, 5, trades=20, faults=False)
    return read_books(folder)


def changed(books, what, at, **fields):
    """The books with one row changed."""
    rows = getattr(books, what)
    if isinstance(rows, dict):
        return replace(books, **{what: rows | {at: rows[at]._replace(**fields)}})
    rows = [row._replace(**fields) if index == at else row for index, row in enumerate(rows)]
    return replace(books, **{what: rows})


def found(books):
    return {one[:3] for one in anomalies.find(books)}


@pytest.mark.parametrize(
    ("status", "filled", "fault"),
    [
        ("FILLED", -1, True),
        ("FILLED", 1, True),
        ("FILLED", 0, False),
        ("OPEN", 0, True),
        ("PARTIALLY_FILLED", 0, True),
        ("PARTIALLY_FILLED", -1, False),
        ("CANCELLED", 0, True),
        ("CANCELLED", -1, False),
        ("CANCELLED", 1, True),
    ],
)
def test_a_status_is_held_against_what_was_filled(faultless, status, filled, fault):
    """``filled``: by how much an order's trades are above its quantity."""
    order = next(one for one in faultless.orders.values() if one.status == "FILLED")
    quantity = order.filled_qty_units - filled
    books = changed(faultless, "orders", order.order_id, status=status, quantity_units=quantity)
    of_order = {one for one in found(books) if one[2] == str(order.order_id)}
    assert (("wrong_status", "Orders", str(order.order_id)) in of_order) == fault


def test_each_way_in_which_an_order_does_not_allow_its_trade(faultless):
    trade = faultless.trades[3]
    key = str(trade.trade_id)
    buy = faultless.orders[trade.buy_order_id]
    for fields, kind in (
        ({"side": "SELL"}, "wrong_side"),
        ({"created_at": trade.executed_at + timedelta(seconds=1)}, "before_order"),
        ({"price_units": trade.price_units - 1}, "beyond_limit"),
        ({"market_id": 3 - trade.market_id}, "foreign_market"),
    ):
        books = changed(faultless, "orders", buy.order_id, **fields)
        assert (kind, "Trades", key) in found(books), kind
    assert found(changed(faultless, "orders", buy.order_id, price_units=None)) == set()
    cancel = Cancellation(1, buy.order_id, buy.user_id, trade.executed_at - timedelta(seconds=1))
    assert ("after_cancel", "Trades", key) in found(replace(faultless, cancellations=[cancel]))


def test_reserves_of_open_orders_are_needed_whole(faultless):
    """One unit less than the open orders need is a fault, one more is none."""
    places = {(one.user_id, "USD") for one in faultless.orders.values() if one.is_open}
    place = min(place for place in places)
    at, wallet = next(
        (at, one)
        for at, one in enumerate(faultless.wallets)
        if (one.user_id, one.currency) == place and one.reserved_units
    )
    for more, faults in (
        (0, set()),
        (1, set()),
        (-1, {("not_reserved", "Wallets", str(wallet.wallet_id))}),
    ):
        units = wallet.reserved_units + more
        assert found(changed(faultless, "wallets", at, reserved_units=units)) == faults
    gone = [one for one in faultless.wallets if one is not wallet]
    assert ("not_reserved", "Users", f"{place[0]} USD") in found(replace(faultless, wallets=gone))


def test_two_wallets_of_one_user_and_currency_are_judged_together(faultless):
    first = faultless.wallets[0]
    half = first.balance_units // 2
    parts = [
        first._replace(balance_units=half),
        first._replace(wallet_id=77, balance_units=first.balance_units - half, reserved_units=0),
    ]
    books = replace(faultless, wallets=[*parts, *faultless.wallets[1:]])
    assert found(books) == {("wallet_twice", "Wallets", "77")}


@pytest.mark.parametrize("seed", [4, *(pytest.param(n, marks=pytest.mark.long) for n in range(20))])
def test_other_seeds_plant_what_is_found(seed, tmp_path):
    planted = write_sample(tmp_path / "made", seed, trades=24)
    assert found(read_books(tmp_path / "made")) == planted


def test_equal_seeds_make_equal_books(tmp_path):
    for name in ("a", "b"):
        write_sample(tmp_path / name, 7, trades=20)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    with pytest.raises(FileExistsError):
        write_sample(tmp_path / "a", 7, trades=20)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_half_even_is_what_decimals_round_to(numerator, denominator):
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        (faithful.TABLES, "CREATE TABLE (", "cannot parse the SQL"),
        (faithful.TABLES, "DROP TABLE Users;", "only CREATE TABLE and INSERT"),
        (faithful.TABLES, "CREATE TABLE a (b INT); INSERT INTO a VALUES (1, 2);", "DuckDB"),
        (faithful.TABLES, b"\xff\xfe", "not UTF-8 at byte 0"),
        ("q1.sql", "SELECT 1; SELECT 2;", "must be one SELECT"),
        ("q1.sql", "DELETE FROM Trades;", "must be one SELECT"),
        ("q1.sql", "SELECT a / b AS c FROM (SELECT 1 AS a, 2 AS b) x", "a quotient needs ROUND"),
        ("q1.sql", "SELECT nothing FROM Trades", "q1.sql"),
    ],
)
def test_what_cannot_be_answered_is_said_with_its_file(name, text, word, tmp_path):
    (tmp_path / faithful.TABLES).write_text("CREATE TABLE Trades (price DECIMAL(20,8));")
    (tmp_path / "q1.sql").write_text("SELECT price FROM Trades")
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(QuestionsError, match=word) as caught:
        faithful.ask(tmp_path)
    assert name in str(caught.value)
