"""The five questions: three databases answer alike, and our own answers are what the text means."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.ledger.questions import corrected, faithful
from openoutcry.ledger.questions.books import read_books
from openoutcry.ledger.questions.engines import opened
from openoutcry.ledger.questions.sample import write_sample
from openoutcry.wire.errors import QuestionsError
from tests.support.ledger import database_servers
from tests.support.ledger import questions as shared
from tests.support.ledger.database_servers import needs_mariadb

sample = shared.sample
servers = database_servers.servers
NOON = datetime(2024, 10, 1, 12)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Few trades, in which everybody washes: with oneself, forth and back, all the same second."""
    folder = tmp_path_factory.mktemp("books") / "pairs"
    write_sample(folder, seed=1, trades=20, faults=False)
    path = folder / faithful.TABLES
    at, rows = "'2024-10-01 11:00:{:02}'", []
    orders = []
    for key, (buyer, seller, maker, second) in enumerate(
        [(1, 2, 1, 0), (2, 1, 2, 0), (3, 3, 3, 5), (4, 5, 4, 10), (5, 4, 4, 20), (4, 5, 4, 59)]
    ):
        taker = seller if maker == buyer else buyer
        buy, sell = 50_000 + 2 * key, 50_001 + 2 * key
        moment = at.format(second)
        for order_id, user, side in ((buy, buyer, "BUY"), (sell, seller, "SELL")):
            orders.append(
                f"({order_id},{user},1,'{side}','LIMIT',7,3,3,'FILLED',{moment},{moment})"
            )
        rows.append(f"({60_000 + key},1,{buy},{sell},7,3,{maker},{taker},0,0,{moment})")
    with path.open("a") as file:
        file.write("INSERT INTO Orders VALUES\n" + ",\n".join(orders) + ";\n")
        file.write("INSERT INTO Trades VALUES\n" + ",\n".join(rows) + ";\n")
    return folder


@needs_mariadb
@pytest.mark.parametrize("folder", ["sample", "pairs"])
def test_mariadb_answers_as_duckdb_does(folder, servers, request):
    directory = request.getfixturevalue(folder)
    directory = directory[0] if isinstance(directory, tuple) else directory
    assert faithful.ask(directory, servers("mysql"), NOON) == faithful.ask(directory, as_of=NOON)


@pytest.mark.parametrize("folder", ["sample", "pairs"])
def test_postgresql_answers_as_duckdb_does(folder, servers, request):
    directory = request.getfixturevalue(folder)
    directory = directory[0] if isinstance(directory, tuple) else directory
    assert faithful.ask(directory, servers("pg"), NOON) == faithful.ask(directory, as_of=NOON)


def test_wash_trades_are_each_found_once_and_by_side(pairs):
    """The SQL pairs 60002 with itself, has 60000 and 60001 twice, and misses the round trip in
    which user 4 was the maker both times."""
    given_sql = [row[1] for row in faithful.ask(pairs, as_of=NOON, only="q4")["q4"].rows]
    assert given_sql == ["60000|60001", "60001|60000", "60002|60002", "60002"]
    rows = corrected.answer(read_books(pairs), "q4", corrected.Parameters(as_of=NOON)).rows
    assert [row[:4] for row in rows] == [
        ("SELF", "60002", "3", "SELF_TRADE"),
        ("RECIPROCAL", "60000|60001", "1↔2", "delta_s=0"),
        ("RECIPROCAL", "60003|60004", "4↔5", "delta_s=10"),
        ("RECIPROCAL", "60004|60005", "5↔4", "delta_s=39"),
    ]
    early = corrected.Parameters(as_of=datetime(2024, 10, 1, 11, 0, 10))
    assert len(corrected.answer(read_books(pairs), "q4", early).rows) == 2
    assert (
        corrected.answer(
            read_books(pairs), "q4", corrected.Parameters(as_of=datetime(2024, 10, 3))
        ).rows
        == []
    )


def test_the_counterparty_is_on_the_other_side(pairs):
    """Order 50002's buyer was the maker, 50008's the taker: the SQL's answer is right once."""
    books = read_books(pairs)
    for order_id, other in ((50_002, 1), (50_008, 4), (50_009, 5)):
        rows = corrected.answer(books, "q3", corrected.Parameters(order_id=order_id)).rows
        assert [row[3] for row in rows] == [other]
        assert rows[0][-1] == 0


@settings(max_examples=12)  # one, with a database of its own, takes 40 to 550 ms
@given(
    st.lists(
        st.tuples(st.integers(1, 10**12), st.integers(1, 10**10)),
        min_size=1,
        max_size=12,
    )
)
def test_a_vwap_is_exact_to_the_last_digit(tmp_path_factory, trades):
    """A float has 53 bits; here are up to 128."""
    folder = tmp_path_factory.mktemp("vwap")
    values = ",".join(
        f"({Decimal(price).scaleb(-8):f}, {Decimal(quantity).scaleb(-8):f})"
        for price, quantity in trades
    )
    (folder / faithful.TABLES).write_text(
        "CREATE TABLE Trades (price DECIMAL(20,8), quantity DECIMAL(20,8));\n"
        f"INSERT INTO Trades VALUES {values};\n"
    )
    (folder / "q1.sql").write_text(
        "SELECT ROUND(SUM(price * quantity) / SUM(quantity), 8) AS vwap FROM Trades"
    )
    turnover = sum(price * quantity for price, quantity in trades)
    exact = corrected.half_up(turnover, sum(quantity for _, quantity in trades))
    ((vwap,),) = faithful.ask(folder)["q1"].rows
    assert vwap == Decimal(exact).scaleb(-8)


def test_a_database_that_is_not_there_is_said(tmp_path):
    (tmp_path / faithful.TABLES).write_text("CREATE TABLE Trades (price DECIMAL(20,8));")
    for address, word in (
        ("postgresql://127.0.0.1:1/x", "PostgreSQL does not answer"),
        ("mysql://127.0.0.1:1", "MariaDB does not answer"),
        ("mysql://host:port", "mysql://host:port"),
        ("oracle", "neither duckdb, postgresql"),
    ):
        with (
            pytest.raises(QuestionsError, match=word),
            opened(tmp_path / faithful.TABLES, address),
        ):
            pass


def test_what_is_not_in_the_books_is_said(pairs):
    books = read_books(pairs)
    for name, parameters, word in (
        ("q9", corrected.Parameters(), "no question 'q9'"),
        ("q3", corrected.Parameters(order_id=1), "there is no order 1"),
        (
            "q5",
            corrected.Parameters(market="X"),
            "there is no market 'X'; there are BTC_USD, ETH_USD",
        ),
        ("q1", corrected.Parameters(bars_to=datetime(2024, 1, 1)), "before it begins"),
    ):
        with pytest.raises(QuestionsError, match=word):
            corrected.answer(books, name, parameters)
