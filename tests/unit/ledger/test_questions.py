"""The five questions: what their text means, beside what the given SQL says."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.questions import TABLES, Parameters, data_set
from openoutcry.wire.errors import QuestionsError
from tests.support.ledger.questions import write_books, write_wash_trades

NOON = datetime(2024, 10, 1, 12)
MINUTE = "2024-10-01 09:11:00"


@pytest.fixture(scope="module")
def wash(tmp_path_factory):
    with data_set(write_wash_trades(tmp_path_factory.mktemp("books") / "wash")) as books:
        yield books


def trade(number, price, quantity, fees=(0, 0)):
    """A trade of users 1 (buyer and taker) and 2 without orders; amounts in units of 1e-8."""
    price, quantity, maker, taker = (f"{n / Decimal(10**8):f}" for n in (price, quantity, *fees))
    return (number, 1, None, None, price, quantity, 2, 1, maker, taker, MINUTE)


def test_wash_trades_are_each_found_once_and_by_side(wash):
    """The SQL pairs 60002 with itself, has 60000 and 60001 twice, and misses the round trip in
    which user 4 was the maker both times."""
    said = wash.answer("q4", Parameters(as_of=NOON), given=True).rows
    assert [row[1] for row in said] == ["60000|60001", "60001|60000", "60002|60002", "60002"]
    rows = wash.answer("q4", Parameters(as_of=NOON)).rows
    assert [row[:4] for row in rows] == [
        ("SELF", "60002", "3", "SELF_TRADE"),
        ("RECIPROCAL", "60000|60001", "1↔2", "delta_s=0"),
        ("RECIPROCAL", "60003|60004", "4↔5", "delta_s=10"),
        ("RECIPROCAL", "60004|60005", "5↔4", "delta_s=39"),
    ]
    early = wash.answer("q4", Parameters(as_of=datetime(2024, 10, 1, 11, 0, 10)))
    assert len(early.rows) == 2
    assert wash.answer("q4", Parameters(as_of=datetime(2024, 10, 3))).rows == []


def test_the_given_sql_ends_its_day_now(wash):
    assert wash.answer("q4", Parameters(), given=True).rows == []
    assert len(wash.answer("q4", Parameters()).rows) == 4


def test_the_counterparty_is_on_the_other_side(wash):
    """Order 50002's buyer was the maker, 50008's the taker: the SQL's answer is right once."""
    for order_id, other, said in ((50_002, 1, 1), (50_008, 4, 5), (50_009, 5, 4)):
        rows = wash.answer("q3", Parameters(order_id=order_id)).rows
        assert [(row[3], row[-1]) for row in rows] == [(other, 0)]
        (row,) = wash.answer("q3", Parameters(order_id=order_id), given=True).rows
        assert row[3] == said


def test_an_orders_remainder_is_given_after_each_trade(tmp_path):
    order = (9001, 1, 1, "BUY", "LIMIT", 9, 5, 3, "PARTIALLY_FILLED", MINUTE, MINUTE)
    trades = [(n, 1, 9001, None, 9, n, 1, 2, 0, 0, MINUTE) for n in (1, 2)]
    with data_set(write_books(tmp_path, Orders=[order], Trades=trades)) as books:
        assert [row[-1] for row in books.answer("q3", Parameters()).rows] == [4, 2]
        assert [row[-1] for row in books.answer("q3", Parameters(), given=True).rows] == [2, 2]
        assert books.answer("filled", Parameters()).rows == [(9001, 5, 3, 3, 0)]


def test_a_debt_is_what_is_reserved_beyond_the_balance(tmp_path):
    wallets = [(1, 1, "USD", 5, 6), (2, 2, "USD", -5, 6), (3, 3, "USD", 6, 6), (4, 4, "BTC", -1, 0)]
    with data_set(write_books(tmp_path, Wallets=wallets)) as books:
        rows = books.answer("q2", Parameters()).rows
        assert [(row[0], row[-1]) for row in rows] == [(2, -11), (1, -1), (4, -1)]
        rows = books.answer("q2", Parameters(), given=True).rows
        assert [(row[0], row[-1]) for row in rows] == [(4, -1)]


def test_bars_end_with_the_window_and_have_minutes_without_trades(tmp_path):
    times = ("09:09:59", "09:10:00", "09:11:59", "09:12:00", "09:12:59", "09:13:00")
    trades = [
        (n, 1, None, None, 10 + n, 2, 1, 2, 0, 0, f"2024-10-01 {at}") for n, at in enumerate(times)
    ]
    with data_set(write_books(tmp_path, Trades=trades)) as books:
        minutes = [
            (row[0], row[1][-8:-3], *row[2:]) for row in books.answer("q1", Parameters()).rows
        ]
        assert minutes == [
            (1, "09:10", 11, 2), (1, "09:11", 12, 2), (2, "09:10", None, 0), (2, "09:11", None, 0),
        ]  # fmt: skip
        said = books.answer("q1", Parameters(), given=True).rows
        assert [(row[0], row[1][-8:-3], *row[2:]) for row in said] == [
            (1, "09:10", 11, 2), (1, "09:11", 12, 2), (1, "09:12", Decimal("13.5"), 4),
        ]  # fmt: skip


AMOUNTS = st.lists(
    st.tuples(st.integers(1, 10**12), st.integers(1, 10**10)), min_size=1, max_size=12
)


@given(AMOUNTS)
def test_a_vwap_is_exact_to_the_last_digit(tmp_path_factory, amounts):
    """A float has 53 bits; here are up to 128."""
    trades = [trade(number, *amount) for number, amount in enumerate(amounts)]
    turnover = sum(price * quantity for price, quantity in amounts)
    volume = sum(quantity for _, quantity in amounts)
    exact = (2 * turnover + volume) // (2 * volume)
    begin = datetime(2024, 10, 1, 9, 11)
    one_minute = Parameters(begin=begin, end=begin + timedelta(minutes=1))
    with data_set(write_books(tmp_path_factory.mktemp("vwap"), Trades=trades)) as books:
        for reading in (True, False):
            _, _, vwap, total = books.answer("q1", one_minute, reading).rows[0]
            assert vwap == Decimal(exact).scaleb(-8)
            assert total == Decimal(volume).scaleb(-8)


@given(st.integers(1, 10**12), st.integers(1, 10**10), st.integers(0, 10**7))
def test_a_fee_is_a_rate_of_the_notional_rounded_half_even(tmp_path_factory, price, quantity, rate):
    folder = write_books(
        tmp_path_factory.mktemp("fees"), Trades=[trade(8001, price, quantity, (rate, 50_000_000))]
    )
    with data_set(folder) as books:
        rows = books.answer("q5", Parameters()).rows
    notional = round(Fraction(price * quantity, 10**8))
    expected = {"1": round(Fraction(notional, 2)), "2": round(Fraction(notional * rate, 10**8))}
    due = {row[1]: -row[4] for row in rows if row[1] != "venue"}
    assert due == {user: Decimal(fee).scaleb(-8) for user, fee in expected.items() if fee}
    income = [row[4:] for row in rows if row[1] == "venue"]
    total = Decimal(sum(expected.values())).scaleb(-8)
    assert income == ([(total, 0, -total, 1)] if total else [])


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("q9", {}, "no question 'q9'"),
        ("q3", {"order_id": 1}, "there is no order_id 1 in orders; there are 50000, 50001"),
        ("q5", {"market": "X'"}, "there are BTC_USD, ETH_USD"),
        ("q1", {"end": datetime(2024, 1, 1)}, "before it begins"),
    ],
)
def test_what_is_not_in_the_books_is_reported(name, parameters, word, wash):
    with pytest.raises(QuestionsError, match=word):
        wash.answer(name, Parameters(**parameters))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"CREATE TABLE (", "syntax error"),
        (b"CREATE TABLE a (b INT); INSERT INTO a VALUES (1, 2);", "Binder Error"),
        (b"COPY (SELECT 1) TO 'other';", "disabled"),
        (b"\xff\xfe", "can't decode"),
        (None, "No such file"),
    ],
)
def test_books_that_cannot_be_read_are_reported_with_their_file(text, word, tmp_path):
    if text is not None:
        (tmp_path / TABLES).write_bytes(text)
    with pytest.raises(QuestionsError, match=word) as caught, data_set(tmp_path):
        pass
    assert TABLES in str(caught.value)
