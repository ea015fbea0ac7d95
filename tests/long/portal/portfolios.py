"""Portfolios, profits, performance, statements and tax reports of many users against the ledger.

    python -m tests.long.portal.portfolios --users 1000 --folder FOLDER [--seed 53] [--seconds 600]

Every user of a generated market trades spot, futures, an option and perpetuals, pledges, pays in
and takes out over several days.  The bookkeeper answers from the history, as the portal's page asks
it; the ledger's reports are made from the journal alone, without a database.  Each difference is an
error.  So is a contract whose profit is not the money that its transactions moved.  Users whose
statements are of the same days come one after the other: the books of a day's end are made once.
The folder keeps which users are done: the same command continues after a stop.  With ``--evidence``
the figures go to docs/evidence/portfolios.json.
"""

import argparse
import base64
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.ledger import ledger_state, portfolio, reports
from openoutcry.ledger.books import MARGIN, Books
from openoutcry.ledger.layout import MONEY_SLOTS, Kind
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.portal.database import start_embedded
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history.projector import connected, follow
from openoutcry.portal.portfolio.bookkeeper import FUNDINGS, Bookkeeper
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.file import read_venue
from tests.support.portal.generated import BEGIN_DAY, DAY_NS, FIRST, Generated
from tests.support.portal.generated_contracts import contract_market

ORDERS_A_USER, DAYS = 60, 5
OPTIONS = ("XAU-C",)
NO_END = 2**63 - 1
Found = dict[str, int]


class Ledger:
    """What the journal alone says, at its end and at the ends of its days."""

    def __init__(self, made: Generated) -> None:
        journal = made.file.journal
        state = ledger_state.at(journal)
        self.books, self.rows = state.books, joined(transactions(journal, state))
        self.closes = portfolio.closes_of([self.rows])
        order = np.argsort(self.rows["participant"], kind="stable")
        self._sorted = self.rows[order]
        self.profits = {
            method: by_participant(reports.profits(self.books, [self.rows], method))
            for method in METHODS
        }
        self.ends = [
            ledger_state.at(journal, time_ns=(BEGIN_DAY + day) * DAY_NS - 1)
            for day in range(DAYS + 1)
        ]

    def own(self, who: int, after: int = -1, until: int = NO_END) -> Any:
        """The transactions of a participant after one command and up to another."""
        places = np.searchsorted(self._sorted["participant"], [who, who + 1])
        rows = self._sorted[slice(*places)]
        return rows[(rows["cause_seq"] > after) & (rows["cause_seq"] <= until)]


def records(report: Any) -> list[dict[str, Any]]:
    return [dict(zip(report.columns, row, strict=True)) for row in report.rows]


def by_participant(report: Any) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in records(report):
        found.setdefault(row["participant"], []).append(row)
    return found


def days_of(who: int, seed: int) -> tuple[int, int]:
    """The first and last day of a user's statement, at random."""
    first, last = sorted(np.random.default_rng([seed, who]).integers(0, DAYS, 2).tolist())
    return first, last


def gained(books: Books, own: Any) -> dict[str, int]:
    """By contract, the money that its transactions moved before fees, and, of an option, what its
    lots are worth: a plain adding-up."""
    sums: dict[str, int] = {}
    for row in own[(own["asset"] < MONEY_SLOTS) & (own["instrument"] < books.count)]:
        moved = sum(int(row[name]) for name in ("available", "reserved", "margin", "fees_due"))
        symbol = books.symbols[int(row["instrument"])]
        sums[symbol] = sums.get(symbol, 0) + moved + int(row["fee_income"])
    return sums


def compare(who: int, ledger: Ledger, keeper: Bookkeeper, seed: int) -> Found:
    """What was compared of a user, and how much of it differed."""
    found, own = {"compared": 0, "different": 0}, ledger.own(who)

    def same(answer: Any, wanted: Any) -> None:
        found["compared"] += 1
        found["different"] += answer != wanted

    for currency in ("USD", "BTC"):
        days = records(portfolio.performance(ledger.books, [own], who, currency, ledger.closes))
        question = {"participant": who, "currency": currency}
        same(keeper.answer({"ask": "performance", **question})["days"], days)
        for method in METHODS:
            answer = keeper.answer({"ask": "portfolio", "method": method, **question})
            same(answer["holdings"], records(portfolio.holdings(ledger.books, who, currency)))
            same(answer["instruments"], ledger.profits[method].get(who, []))
            same(answer["last_day"], days[-1])
    paid = gained(ledger.books, own)
    for row in ledger.profits["fifo"].get(who, []):
        if row["asset"].endswith(MARGIN):
            worth = row["value"] if row["instrument"] in OPTIONS else 0
            same(row["realised"] + row["unrealised"], paid.get(row["instrument"], 0) + worth)
    funded = own[own["kind"] == Kind.FUNDING][::-1]
    answer = keeper.answer({"ask": "funding", "participant": who})["rows"]
    same([row["paid"] for row in answer], funded["available"].tolist()[:FUNDINGS])
    first, last = days_of(who, seed)
    span = {"first_day": BEGIN_DAY + first, "last_day": BEGIN_DAY + last, "format": "csv"}
    begin, end = ledger.ends[first], ledger.ends[last + 1]
    answer = keeper.answer({"ask": "statement", "participant": who, **span})
    rows = ledger.own(who, begin.seq, end.seq)
    before = begin.books if begin.seq else None
    same(text_of(answer), reports.statement(end.books, [rows], who, begin=before).as_csv())
    times = (BEGIN_DAY + first) * DAY_NS, (BEGIN_DAY + last + 1) * DAY_NS
    answer = keeper.answer({"ask": "tax", "participant": who, **span})
    same(text_of(answer), tax(ledger.books, [own], who, *times).as_csv())
    return found


def text_of(answer: dict[str, Any]) -> str:
    return base64.b64decode(answer.get("data", "")).decode() or json.dumps(answer)


def market(folder: Path, users: int, seed: int) -> Generated:
    """The market of the folder, made if there is none."""
    done = folder / "market.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = contract_market(folder, users, users * ORDERS_A_USER, seed, DAYS)
        make_folder(folder_of(made.file))
        done.write_text(json.dumps({"commands": made.commands}))
    commands = json.loads(done.read_text())["commands"]
    return Generated(read_venue(folder / "venue.toml"), range(FIRST, FIRST + users), commands)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=53)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    until_s, path = time.monotonic() + options.seconds, options.folder / "done.json"
    made = market(options.folder, options.users, options.seed)
    totals = {"users": 0, "compared": 0, "different": 0}
    if path.exists():
        totals = json.loads(path.read_text())
    url, server = start_embedded(options.folder / "postgresql")
    try:
        follow(made.file, url, once=True)
        ledger = Ledger(made)
        with connected(url) as connection:
            keeper = Bookkeeper(made.file, connection)
            people = sorted(made.people, key=lambda who: days_of(who, options.seed))
            for who in people[totals["users"] :]:
                if time.monotonic() > until_s:
                    break
                found = compare(who, ledger, keeper, options.seed)
                totals = {name: totals[name] + count for name, count in found.items()} | {
                    "users": totals["users"] + 1
                }
                path.write_text(json.dumps(totals))
    finally:
        server.cleanup()
    figures = totals | {"seed": options.seed, "transactions": len(ledger.rows), "days": DAYS}
    print(json.dumps(figures))
    if options.evidence:
        command = f"python -m tests.long.portal.portfolios --users {options.users} --seed"
        write_evidence("portfolios", figures, f"{command} {options.seed} --folder FOLDER")
    assert not totals["different"], totals


if __name__ == "__main__":
    main()
