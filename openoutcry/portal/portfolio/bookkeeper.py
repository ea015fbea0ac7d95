"""Answers questions about a participant's money: the ledger's books, its reports, and the
transactions that the history has of the participant.

The books follow the journal up to where the history ends, so that an answer is of one command.
What an answer says is what ``outcry ledger`` says of that command: the same functions make it.
"""

import base64
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from openoutcry.ledger import ledger_state, portfolio, reports
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.ledger_state import LedgerState
from openoutcry.ledger.portfolio import Performance
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.report import Report
from openoutcry.ledger.reports import Profits
from openoutcry.ledger.tax import tax
from openoutcry.portal.history.analytics import Analyst
from openoutcry.portal.history.projector import checkpoint_folder
from openoutcry.portal.history.schema import POSITION
from openoutcry.portal.portfolio.stored import transactions_of
from openoutcry.portal.trading.follower import DAY_NS
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import LedgerError, OutcryError

PEOPLE_KEPT, BOOKS_KEPT = 500, 3
PDF_ROWS, FUNDINGS = 5_000, 1_000
NOT_READY, DISAGREES, TOO_LARGE = "not_ready", "statement_disagrees", "too_large"


class Refused(OutcryError):
    """A question without an answer; ``code`` says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Kept:
    """Books of a participant up to an event."""

    performance: Performance
    profits: dict[str, Profits] = field(default_factory=dict)
    event_seq: int = -1


class Bookkeeper:
    """One venue's; one question at a time."""

    def __init__(self, file: VenueFile, connection: Any) -> None:
        """``connection``: to the portal's database, each statement a transaction."""
        self.file, self.connection = file, connection
        self.folder = checkpoint_folder(file)
        self._analyst = Analyst(file)
        self._state: LedgerState | None = None
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._past: OrderedDict[int, tuple[int, Books]] = OrderedDict()
        """Books at days' ends: by their last nanosecond the command and the books."""
        self._closes: dict[int, dict[int, int]] = {}
        self._questions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "portfolio": self.portfolio,
            "performance": self.performance,
            "statement": self.statement,
            "tax": self.tax,
            "funding": self.funding,
            "analytics": self.analytics,
        }

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """``ask`` names the question; a refusal has ``code`` and ``detail``."""
        try:
            return self._questions[question["ask"]](question)
        except Refused as error:
            return {"code": error.code, "detail": str(error)}
        except LedgerError as error:
            return {"code": NOT_READY, "detail": str(error)}

    def analytics(self, question: dict[str, Any]) -> dict[str, Any]:
        """The rows of a ``view`` of all participants, of days ``first`` to ``last``."""
        view, first, last = (question[name] for name in ("view", "first", "last"))
        return {"rows": self._analyst.rows(view, first, last, self._seq())}

    # Where the history is

    def _seq(self) -> int:
        """The history's last command.  Raises :class:`Refused`."""
        import psycopg

        try:
            row = self.connection.execute(f"select seq from {POSITION}").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            row = None
        if row is None:
            raise Refused(NOT_READY, "there is no history yet")
        return int(row[0])

    def _books(self) -> Books:
        """The books at the history's last command.  Raises :class:`Refused`."""
        seq, state = self._seq(), self._state
        if state is None or state.seq > seq:
            self._kept.clear()
            state = ledger_state.opened(self.file.journal, seq, more=self.folder)
        self._state = None  # what fails below leaves books that are not to be used
        if state.seq < seq:
            for _ in state.advance(seq):
                pass
        if state.seq != seq:
            raise Refused(NOT_READY, f"the journal ends at {state.seq:,}, the history at {seq:,}")
        self._state = state
        return state.books

    def _closing_prices(self) -> dict[int, dict[int, int]]:
        """Return closing prices by day and instrument; the newest day may have changed since it was
        read."""
        newest = max(self._closes, default=0)
        query = "select day, instrument, close_ticks from history.dates where day >= %s"
        for day, instrument, ticks in self.connection.execute(query, (newest,)):
            self._closes.setdefault(day, {})[instrument] = ticks
        return self._closes

    def _of(self, books: Books, participant: int, method: str = "") -> Kept:
        """Return the books of a participant, up to the books' last command."""
        kept = self._kept.get(participant)
        if kept is None or (method and method not in kept.profits):
            methods = {*(kept.profits if kept else ()), *([method] if method else ())}
            kept = Kept(Performance(participant), {m: Profits(m, participant) for m in methods})
        terms = participant, kept.event_seq, books.cause_seq
        rows = transactions_of(self.connection, *terms)
        if len(rows):
            kept.performance.add(rows)
            for profits in kept.profits.values():
                profits.add(books, rows)
            kept.event_seq = int(rows["event_seq"][-1])
        self._kept[participant] = kept
        self._kept.move_to_end(participant)
        if len(self._kept) > PEOPLE_KEPT:
            self._kept.popitem(last=False)
        return kept

    def _past_books(self, end_ns: int) -> tuple[int, Books | None]:
        """The last command by a time that has passed, and the books after it, which are kept;
        None: nothing was before."""
        if end_ns not in self._past:
            state = ledger_state.at(self.file.journal, time_ns=end_ns, more=self.folder)
            self._past[end_ns] = state.seq, state.books
            while len(self._past) > BOOKS_KEPT:
                self._past.popitem(last=False)
        seq, books = self._past[end_ns]
        return seq, books if seq else None

    # Questions

    def portfolio(self, question: dict[str, Any]) -> dict[str, Any]:
        """Holdings and profits, in whole units; the last day of the performance."""
        participant, currency = question["participant"], question["currency"]
        method = question["method"]
        assert method in METHODS
        books = self._books()
        kept = self._of(books, participant, method)
        held = portfolio.holdings(books, participant, currency)
        gained = kept.profits[method].report(books)
        over_time = kept.performance.report(books, currency, self._closing_prices())
        return self._shown(books) | {
            "holdings": _records(held),
            "instruments": _records(gained),
            "last_day": _records(over_time)[-1],
        }

    def performance(self, question: dict[str, Any]) -> dict[str, Any]:
        """A row for each day: value, investment and gain, in units of the question's currency."""
        books = self._books()
        kept = self._of(books, question["participant"])
        report = kept.performance.report(books, question["currency"], self._closing_prices())
        return self._shown(books) | {"days": _records(report)}

    def _shown(self, books: Books) -> dict[str, Any]:
        return {"seq": self._state.seq if self._state else 0, "time_ns": books.now_ns}

    def funding(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return what a participant's positions in perpetuals were paid, the newest first."""
        books = self._books()
        rows = transactions_of(self.connection, question["participant"], -1, books.cause_seq)
        paid = rows[rows["kind"] == Kind.FUNDING][: -FUNDINGS - 1 : -1]
        return {
            "rows": [
                {
                    "time_ns": int(row["ts_ns"]),
                    "seq": int(row["cause_seq"]),
                    "symbol": books.symbols[int(row["instrument"])],
                    "lots": int(row["qty_lots"]),
                    "mark": int(row["price_ticks"]),
                    "paid": int(row["available"]),
                }
                for row in paid
            ]
        }

    def statement(self, question: dict[str, Any]) -> dict[str, Any]:
        """Make a statement of whole days, first and last included."""
        participant = question["participant"]
        books = self._books()
        begin_ns = question["first_day"] * DAY_NS - 1
        is_past = begin_ns < books.now_ns
        begin_seq, begin = self._past_books(begin_ns) if is_past else (books.cause_seq, books)
        end_ns = (question["last_day"] + 1) * DAY_NS - 1
        until = books
        if end_ns < books.now_ns:
            _, past = self._past_books(end_ns)
            until = past or ledger_state.opened(self.file.journal, 0).books
        if begin is not None and begin_seq > until.cause_seq:
            begin = until
        after = begin.event_seq if begin is not None else -1
        rows = transactions_of(self.connection, participant, after, until.cause_seq)
        try:
            report = reports.statement(until, [rows], participant, begin=begin)
        except LedgerError as error:
            raise Refused(DISAGREES, str(error)) from None
        shown = replace(
            report,
            holder=question.get("holder", ""),
            days=(question["first_day"], question["last_day"]),
            price_decimals=self.file.sessions.price_decimals,
        )
        return _file(shown, question, f"statement-{participant}")

    def tax(self, question: dict[str, Any]) -> dict[str, Any]:
        """Gains that were realised within whole days, first in, first out from the very begin."""
        participant, books = question["participant"], self._books()
        rows = transactions_of(self.connection, participant, -1, books.cause_seq)
        try:
            reports.statement(books, [rows], participant)
        except LedgerError as error:
            raise Refused(DISAGREES, str(error)) from None
        times = question["first_day"] * DAY_NS, (question["last_day"] + 1) * DAY_NS
        report = tax(books, [rows], participant, *times)
        return _file(report, question, f"tax-{participant}")


def _records(report: Report) -> list[dict[str, Any]]:
    return [dict(zip(report.columns, row, strict=True)) for row in report.rows]


def _file(report: Report, question: dict[str, Any], name: str) -> dict[str, Any]:
    """A report as a file of the question's ``format``: its name, its type and its bytes in base64.
    People read a PDF, in the question's ``language``; programs read the rest."""
    form = question["format"]
    if form == "csv":
        kind, data = "text/csv; charset=utf-8", report.as_csv().encode()
    elif form == "json":
        kind, data = "application/json", report.as_json().encode()
    else:
        if len(report.rows) > PDF_ROWS:
            text = f"{len(report.rows):,} rows: a PDF has {PDF_ROWS:,} at most; ask for fewer days"
            raise Refused(TOO_LARGE, f"{text}, or for CSV")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.pdf"
            report.write_pdf(path, question.get("language", "en"))
            kind, data = "application/pdf", path.read_bytes()
    shown = base64.b64encode(data).decode()
    return {"name": f"{name}.{form}", "type": kind, "data": shown, "rows": len(report.rows)}
