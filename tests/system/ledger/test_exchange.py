"""The tables of an exchange in PostgreSQL are those of the files: the same rows, and the same
answers to the questions."""

from datetime import datetime

from openoutcry.ledger.questions import GIVEN, MEANT, Parameters, store
from tests.support.ledger.follow import once
from tests.support.ledger.postgresql_server import postgresql
from tests.support.ledger.spot_venue import take_back, traded_day

ASKED = Parameters(as_of=datetime(2024, 10, 1, 12), market="ETH-USD")
TABLES = ("users", "markets", "wallets", "orders", "trades", "ledger_entries", "venue_entries",
          "deposits", "withdrawals", "order_cancellations")  # fmt: skip


def test_both_stores_of_a_running_venue_answer_alike(tmp_path):
    (tmp_path / "venue").mkdir()
    floor = traded_day(tmp_path / "venue")
    take_back(floor, 9001)
    home = str(floor.journal_path)
    with postgresql() as url:
        once(floor.journal_path)
        once(floor.journal_path, url)
        # A follower that starts again takes up the same tables.
        once(floor.journal_path, url)
        with store(home) as ours, store(url) as theirs:
            for table in TABLES:
                one, other = (
                    sorted(books.rows(f"select * from {table}")[1], key=lambda row: str(row[:3]))
                    for books in (ours, theirs)
                )
                assert one == other, table
            assert len(ours.rows("select 1 from trades")[1]) == 9
            for given, names in ((True, GIVEN), (False, MEANT)):
                for name in names:
                    said = ours.answer(name, ASKED, given)
                    assert theirs.answer(name, ASKED, given) == said, (name, given)
                    assert said.rows or name == "q1"
    floor.close()
