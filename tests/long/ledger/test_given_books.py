"""The books that came with the five questions: what their author saw, and what their text means."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from openoutcry.ledger.questions import GIVEN, MEANT, TABLES, Parameters, data_set
from tests.support.flow.recordings import DATA, needs
from tests.support.ledger.database_servers import mariadb, mariadb_rows, needs_mariadb
from tests.support.ledger.questions import write_wash_trades

FOLDER = DATA / "exchange_sql"
NOON = datetime(2024, 10, 1, 12)

pytestmark = [pytest.mark.long, needs(FOLDER)]


@pytest.fixture
def books():
    with data_set(FOLDER) as opened:
        yield opened


def test_the_given_questions_as_their_text_means_them(books):
    rows = {name: books.answer(name, Parameters()).rows for name in MEANT}
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
    ether = books.answer("q5", Parameters(market="ETH_USD")).rows
    assert ether == [
        (8002, "1", "BTC", "Trade_Fill", 0, 2, 2, 1),
        (8002, "1", "ETH", "Trade_Fill", -2, 0, 2, 1),
        (8002, "1", "USD", "Fee", Decimal("-3.6"), -3600, Decimal("-3596.4"), 1),
        (8002, "1", "USD", "Trade_Fill", 3600, 1800, -1800, 1),
        (8002, "venue", "USD", "Fee", Decimal("3.6"), 0, Decimal("-3.6"), 1),
    ]


def test_the_given_sql_answers_what_its_author_saw(books):
    rows = {name: books.answer(name, Parameters(as_of=NOON), given=True).rows for name in GIVEN}
    assert rows["q1"] == [(1, "2024-10-01 09:11:00", 30000, 1)]
    assert rows["q2"] == []
    assert [row[:4] for row in rows["q3"]] == [(8001, "2024-10-01 09:11:00", 1, 2)]
    assert rows["q3"][0][-1] == Decimal("0.5")
    assert books.answer("filled", Parameters()).rows[0] == (9001, Decimal("1.5"), 1, 1, 0)
    assert rows["q4"] == []
    assert rows["q5"] == [(8001, 1, 2, 1, -1, -30000, 30000, 0, 0, 1)]


@needs_mariadb
def test_mariadb_answers_the_given_files_as_the_faithful_reading_does(tmp_path):
    """The files run unchanged, on their own books and on trades that show the mistakes of q4."""
    wash = write_wash_trades(tmp_path / "wash")
    with mariadb() as socket:
        for folder, names in ((FOLDER, [*GIVEN]), (wash, ["q1", "q2", "q4"])):
            with data_set(folder) as books:
                for name in names:
                    said = mariadb_rows(
                        socket,
                        NOON.replace(tzinfo=UTC).timestamp(),
                        folder / TABLES,
                        FOLDER / f"{name}.sql",
                    )
                    ours = books.answer(name, Parameters(as_of=NOON), given=True).rows
                    assert sorted(map(_plain, said)) == sorted(map(_plain, ours)), name


def _plain(row):
    """Return a row's texts, the same for equal amounts."""
    texts = ("NULL" if value is None else f"{value}" for value in row)
    return [re.sub(r"^(-?\d+\.\d*?)0+$", r"\1", text).removesuffix(".") for text in texts]
