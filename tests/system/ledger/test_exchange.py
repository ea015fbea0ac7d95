"""The tables of an exchange in PostgreSQL are those of the files: the same books, and the same
answers to the questions' own SQL."""

from datetime import datetime

from openoutcry.ledger.questions import faithful
from openoutcry.ledger.questions.anomalies import find
from openoutcry.ledger.questions.books import read_store
from tests.support.ledger.follow import once
from tests.support.ledger.postgresql_server import postgresql
from tests.support.ledger.spot_venue import traded_day, write_questions

NOON = datetime(2024, 10, 1, 12)


def test_both_stores_of_a_running_venue_answer_alike(tmp_path):
    (tmp_path / "venue").mkdir()
    floor = traded_day(tmp_path / "venue")
    home = str(floor.journal_path)
    folder = write_questions(tmp_path / "questions")
    with postgresql() as url:
        once(floor.journal_path)
        once(floor.journal_path, url)
        # A follower that starts again takes up the same tables.
        once(floor.journal_path, url)
        ours, theirs = read_store(home), read_store(url)
        assert ours == theirs
        assert len(ours.trades) == 9
        assert find(theirs, False) == find(ours, False)
        assert faithful.ask(folder, as_of=NOON, store=url) == faithful.ask(
            folder, as_of=NOON, store=home
        )
    floor.close()
