"""The books that came with the five questions: what their author saw, and what their text means."""

from datetime import datetime
from decimal import Decimal

import pytest

from openoutcry.ledger.questions import anomalies, corrected, faithful
from openoutcry.ledger.questions.books import read_books
from tests.support.flow.recordings import DATA, needs
from tests.support.ledger import database_servers
from tests.support.ledger.database_servers import needs_mariadb

GIVEN = DATA / "exchange_sql"
NOON = datetime(2024, 10, 1, 12)

servers = database_servers.servers
pytestmark = [pytest.mark.long, needs(GIVEN)]


def test_every_fault_of_the_given_books_is_found_and_no_other():
    faults = {(one.kind, one.key) for one in anomalies.find(read_books(GIVEN))}
    assert faults == {
        ("wrong_fee", "7005"), ("wrong_currency", "7006"), ("wrong_amount", "7007"),
        ("orphan_trade", "8002"), ("missing_wallet", "1 ETH"), ("missing_fee", "8001"),
        ("missing_entry", "6001"), ("missing_entry", "6002"), ("unsupported_flag", "4001"),
        ("wallet_differs", "1001"), ("wallet_differs", "1002"), ("wallet_differs", "1003"),
        ("wallet_differs", "1004"), ("wallet_differs", "1005"), ("not_reserved", "1001"),
    }  # fmt: skip


def test_the_given_questions_as_their_text_means_them():
    books, parameters = read_books(GIVEN), corrected.Parameters()
    rows = {name: corrected.answer(books, name, parameters).rows for name in corrected.QUESTIONS}
    assert rows["q1"] == [
        (1, "2024-10-01 09:10:00", None, 0),
        (1, "2024-10-01 09:11:00", 30000, 1),
        (2, "2024-10-01 09:10:00", None, 0),
        (2, "2024-10-01 09:11:00", None, 0),
    ]
    assert rows["q2"] == rows["q4"] == []
    assert [row[3] for row in rows["q3"]] == [2]
    assert {row[:4] for row in rows["q5"] if row[-1]} == {
        (8001, "1", "USD", "Fee"),
        (8001, "2", "USD", "Fee"),
        (8001, "venue", "USD", "Fee"),
    }
    assert [row[4] for row in rows["q5"] if row[3] == "Fee"] == [-15, -30, 45]
    assert all(row[-1] == 0 for row in rows["filled"])
    assert rows["fees"] == [(1, "USD", 3600)]
    ether = corrected.answer(books, "q5", corrected.Parameters(market="ETH_USD")).rows
    assert {row[0] for row in ether} == {8002}
    assert all(row[-1] == 1 for row in ether)


def test_the_given_sql_answers_what_its_author_saw():
    answers = faithful.ask(GIVEN, as_of=NOON)
    assert answers["q1"].rows == [(1, "2024-10-01 09:11:00", 30000, 1)]
    assert answers["q2"].rows == []
    assert [row[:4] for row in answers["q3"].rows] == [(8001, "2024-10-01 09:11:00", 1, 2)]
    assert answers["q3"].rows[0][-1] == Decimal("0.5")
    assert answers["q3_sanity"].rows == [(9001, Decimal("1.5"), 1, 1, 0)]
    assert answers["q4"].rows == []
    assert answers["q5"].rows == [(8001, 1, 2, 1, -1, -30000, 30000, 0, 0, 1)]


@needs_mariadb
def test_mariadb_answers_the_given_sql_as_duckdb_does(servers):
    assert faithful.ask(GIVEN, servers("mysql"), NOON) == faithful.ask(GIVEN, as_of=NOON)


def test_postgresql_answers_the_given_sql_as_duckdb_does(servers):
    assert faithful.ask(GIVEN, servers("pg"), NOON) == faithful.ask(GIVEN, as_of=NOON)
