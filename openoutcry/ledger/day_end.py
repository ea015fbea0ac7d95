"""The end of a day: each participant's statement, and the balances that the next day begins
with."""

import csv
import json
import shutil
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.ledger import reports
from openoutcry.ledger.ledger_state import LedgerState
from openoutcry.ledger.report import Report
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.wire.errors import LedgerError

BALANCES, CLOSING = "balances.csv", "closing.json"
FORMS = {"csv": "csv", "json": "json", "pdf": "pdf", "parquet": "parquet"}


def end_day(
    directory: Path,
    begin: LedgerState | None,
    until: LedgerState,
    out: Path,
    form: str = "pdf",
    carried: Path | None = None,
) -> dict[str, Any]:
    """Write a day's folder, whole or not at all: ``statements/participant-N.FORM`` of each
    participant who had or moved anything, ``balances.csv``, ``trial-balance.csv``, ``fees.csv``,
    ``closing.json``.

    ``carried``: the folder of the day before, whose balances must be those at ``begin``.  Raises
    :class:`LedgerError` if they are not, and for a folder that is there already.
    """
    if out.exists():
        raise LedgerError(f"{out} already exists: a day is closed only once")
    if carried is not None:
        _check_carried(carried, begin, f"{until.reader.journal_id:016x}")
    after, books = begin.seq if begin else 0, until.books
    rows = joined(transactions(directory, until, after))
    rows = rows[np.argsort(rows["participant"], kind="stable")]
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.absolute().parent))
    except OSError as error:
        raise LedgerError(f"{out}: {error.strerror}: nothing was written") from None
    try:
        (part / "statements").mkdir()
        people = sorted({*_holders(begin), *_holders(until), *np.unique(rows["participant"])})
        for who in people:
            first, last = np.searchsorted(rows["participant"], [who, who + 1])
            brought = begin.books if begin else None
            of = reports.statement(books, [rows[first:last]], int(who), begin=brought)
            write(of, part / "statements" / f"participant-{who}.{FORMS[form]}", form)
        write(reports.balances(books), part / BALANCES, "csv")
        write(reports.trial_balance(books), part / "trial-balance.csv", "csv")
        write(reports.fees(books, [rows]), part / "fees.csv", "csv")
        closing = {
            "journal_id": f"{until.reader.journal_id:016x}",
            "from_seq": after,
            "seq": until.seq,
            "event_seq": books.event_seq,
            "transactions": len(rows),
            "statements": len(people),
            "carried_from": str(carried.name) if carried else None,
            "notes": [remark.text for remark in books.remarks],
        }
        (part / CLOSING).write_text(json.dumps(closing, indent=1) + "\n")
        part.rename(out)
    except OSError as error:
        raise LedgerError(f"{out}: {error.strerror}: nothing was written") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return closing


def write(report: Report, path: Path, form: str) -> None:
    """A report as a file."""
    if form in ("parquet", "pdf"):
        (report.write_parquet if form == "parquet" else report.write_pdf)(path)
    else:
        path.write_text(report.as_csv() if form == "csv" else report.as_json() + "\n")


def _holders(ledger_state: LedgerState | None) -> set[int]:
    if ledger_state is None:
        return set()
    return {
        place.participant
        for place, _ in ledger_state.books.nonzero_balances()
        if place.participant is not None
    }


def _check_carried(carried: Path, begin: LedgerState | None, journal_id: str) -> None:
    """The day before, of this journal, ended where this one begins, with these very balances."""
    try:
        closing = json.loads((carried / CLOSING).read_bytes())
        with open(carried / BALANCES, newline="") as file:
            theirs = list(csv.reader(file))[1:]
        seq, whose = int(closing["seq"]), str(closing["journal_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{carried} is not a closed day: {error}") from None
    if whose != journal_id:
        raise LedgerError(f"{carried} is a day of journal {whose}, not of {journal_id}")
    if seq != (begin.seq if begin else 0):
        raise LedgerError(
            f"{carried} ends at command {seq:,}, this day begins after command "
            f"{begin.seq if begin else 0:,}"
        )
    rows = reports.balances(begin.books).rows if begin else []
    for mine, its in zip_longest([[str(value) for value in row] for row in rows], theirs):
        if mine != its:
            shown = " ".join(its or mine or [])
            raise LedgerError(f"{carried / BALANCES}: {shown}: differs from the ledger")
