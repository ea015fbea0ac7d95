"""The five questions: three databases answer alike, and our own answers are what the text means."""

from datetime import datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.errors import QuestionsError
from openoutcry.ledger.questions import anomalies, corrected, faithful
from openoutcry.ledger.questions.books import half_even, read_books
from openoutcry.ledger.questions.sample import write_sample
from tests.support.ledger import questions as shared
from tests.support.ledger.questions import GIVEN, needs_given

sample = shared.sample


@needs_given
def test_every_fault_of_the_given_books_is_found_and_no_other():
    faults = {(one.kind, one.key) for one in anomalies.find(read_books(GIVEN))}
    assert faults == {
        ("wrong_fee", "7005"), ("wrong_currency", "7006"), ("wrong_amount", "7007"),
        ("orphan_trade", "8002"), ("missing_wallet", "1 ETH"), ("missing_fee", "8001"),
        ("missing_entry", "6001"), ("missing_entry", "6002"), ("unsupported_flag", "4001"),
        ("wallet_differs", "1001"), ("wallet_differs", "1002"), ("wallet_differs", "1003"),
        ("wallet_differs", "1004"), ("wallet_differs", "1005"),
    }  # fmt: skip


@needs_given
def test_the_given_questions_as_their_text_means_them():
    books, parameters = read_books(GIVEN), corrected.Parameters()
    rows = {name: corrected.answer(books, name, parameters).rows for name in corrected.QUESTIONS}
    assert rows["q1"] == [
        (1, "2024-10-01 09:10:00", None, 0), (1, "2024-10-01 09:11:00", 30000, 1),
        (2, "2024-10-01 09:10:00", None, 0), (2, "2024-10-01 09:11:00", None, 0),
    ]  # fmt: skip
    assert rows["q2"] == rows["q4"] == []
    assert [row[3] for row in rows["q3"]] == [2]
    assert {row[:4] for row in rows["q5"] if row[-1]} == {
        (8001, "1", "USD", "Fee"), (8001, "2", "USD", "Fee"), (8001, "venue", "USD", "Fee"),
    }  # fmt: skip
    assert [row[4] for row in rows["q5"] if row[3] == "Fee"] == [-15, -30, 45]
    assert all(row[-1] == 0 for row in rows["filled"])
    assert rows["fees"] == [(1, "USD", 3600)]
    ether = corrected.answer(books, "q5", corrected.Parameters(market="ETH_USD")).rows
    assert {row[0] for row in ether} == {8002}
    assert all(row[-1] == 1 for row in ether)


def test_every_fault_planted_is_found_and_no_other(sample):
    folder, planted = sample
    assert len({kind for kind, _, _ in planted}) == 13
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
    assert all(row[-1] == 0 for row in corrected.answer(books, "q5", parameters).rows
               if row[1] != "venue")  # fmt: skip


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
        (faithful.TABLES, "CREATE TABLE (", "no SQL that can be read"),
        (faithful.TABLES, "DROP TABLE Users;", "only CREATE TABLE and INSERT"),
        (faithful.TABLES, "CREATE TABLE a (b INT); INSERT INTO a VALUES (1, 2);", "DuckDB"),
        (faithful.TABLES, b"\xff\xfe", "no UTF-8 at byte 0"),
        ("q1.sql", "SELECT 1; SELECT 2;", "one SELECT is wanted"),
        ("q1.sql", "DELETE FROM Trades;", "one SELECT is wanted"),
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
