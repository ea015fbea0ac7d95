"""The transactions as a journal of plain-text accounting, for hledger and beancount to add up.

Commodities keep their whole units, so no other program's decimals come into it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.books import Books

FORMS = ("hledger", "beancount")
OWN = 4
"""Among the columns of money the first four belong to the participant; among those of lots the
first two."""


def _legs(row: Any, asset: str, instrument: str) -> Iterator[tuple[str, int, str]]:
    """(account, amount, commodity) of each posting; assets of participants, equity of the venue."""
    who = f"Assets:P{int(row['participant'])}"
    for columns, commodity, own in (
        (lay.MONEY_COLUMNS, asset, OWN),
        (lay.LOT_COLUMNS, instrument, 2),
    ):
        for index, name in enumerate(columns):
            amount = int(row[name])
            if amount:
                kind = name.removeprefix("lots_").title().replace("_", "")
                account = f"{who}:{kind}" if index < own else f"Equity:Venue:{kind}"
                yield account, amount, commodity


def commodity_name(name: str) -> str:
    """Return a name that both programs accept: capital letters, at least two."""
    kept = "".join(c if c.isalnum() else "-" for c in name.upper())
    return f"X{kept}X"


def plain_text(books: Books, parts: Iterable[npt.NDArray[Any]], form: str) -> Iterator[str]:
    """Lines of a journal in one of :data:`FORMS`; a transaction a row."""
    monies = [commodity_name(name) for name in books.money_names]
    symbols = [*map(commodity_name, books.symbols), ""]
    opened: set[str] = set()
    for part in parts:
        for row in part:
            index = min(int(row["instrument"]), books.count)
            legs = list(_legs(row, monies[int(row["asset"])], symbols[index]))
            date = datetime.fromtimestamp(int(row["ts_ns"]) // 10**9, UTC).date()
            title = f"{lay.Kind(int(row['kind'])).name} {int(row['event_seq'])}-{int(row['part'])}"
            if form == "beancount":
                for account in {leg[0] for leg in legs} - opened:
                    yield f"1970-01-01 open {account}\n"
                    opened.add(account)
                title = f'* "{title}"'
            yield f"{date} {title}\n"
            for account, amount, commodity in legs:
                quoted = f'"{commodity}"' if form == "hledger" else commodity
                yield f"  {account}  {amount} {quoted}\n"
            yield "\n"


def expected(books: Books) -> dict[tuple[str, str], int]:
    """Return the result that such a program must reach: by account and commodity."""
    balances: dict[tuple[str, str], int] = {}
    for place, value in books.nonzero_balances():
        commodity = commodity_name(books.assets[place.asset])
        kind = place.name(books.assets).rsplit(":", 1)[1].title().replace("_", "")
        who = place.participant
        account = f"Equity:Venue:{kind}" if who is None else f"Assets:P{who}:{kind}"
        balances[account, commodity] = value
    return balances
