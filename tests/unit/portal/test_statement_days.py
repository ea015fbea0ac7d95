"""Statements of days that have not come: what is kept of the past is of the past."""

from types import SimpleNamespace

from openoutcry.ledger import ledger_state, reports
from openoutcry.ledger.statement import Statement
from openoutcry.portal.portfolio import bookkeeper
from openoutcry.portal.portfolio.bookkeeper import Bookkeeper
from openoutcry.portal.trading.follower import DAY_NS

TODAY = 20_000


def test_books_of_a_day_that_is_not_over_are_not_kept(tmp_path, monkeypatch):
    """One user's statement from tomorrow on must not make today's morning tomorrow's begin."""
    journal = SimpleNamespace(seq=10, now_ns=TODAY * DAY_NS + 1)

    def books():
        return SimpleNamespace(cause_seq=journal.seq, event_seq=journal.seq, now_ns=journal.now_ns)

    monkeypatch.setattr(
        ledger_state, "at", lambda *_, **__: SimpleNamespace(seq=journal.seq, books=books())
    )
    monkeypatch.setattr(bookkeeper, "transactions_of", lambda *terms: terms[2:])
    monkeypatch.setattr(
        reports, "statement", lambda until, rows, who, begin: Statement("", (), rows)
    )
    monkeypatch.setattr(bookkeeper, "_file", lambda report, *_: report.rows[0])
    sessions = SimpleNamespace(price_decimals={})
    keeper = Bookkeeper(SimpleNamespace(journal=tmp_path, sessions=sessions), None)
    monkeypatch.setattr(keeper, "_books", books)
    question = {"participant": 1, "format": "csv"}
    tomorrow = question | {"first_day": TODAY + 1, "last_day": TODAY + 2}
    assert keeper.statement(tomorrow) == (10, 10), "nothing has happened then"
    journal.seq, journal.now_ns = 20, (TODAY + 1) * DAY_NS - 1
    assert keeper.statement(tomorrow) == (20, 20)
    journal.seq, journal.now_ns = 30, (TODAY + 1) * DAY_NS + 1
    monkeypatch.setattr(
        ledger_state,
        "at",
        lambda *_, **__: SimpleNamespace(seq=25, books=SimpleNamespace(event_seq=25, cause_seq=25)),
    )
    assert keeper.statement(tomorrow) == (25, 30)
