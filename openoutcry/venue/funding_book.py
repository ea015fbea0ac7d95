"""The rates of perpetuals, and what positions in them were paid: one SQLite file in the journal's
folder.

A payment is the lots that were held at its moment, which no command says.  A process of the venue
works it out (``funding_follower.py``) and writes the file; console, FIX and portal read it.
Amounts are text where a sum could pass 63 bits.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.sqlite_file import Schema, SqliteFile, StoreError

NAME = "funding.sqlite"
WAIT_S = 1.0
"""How long a reader waits for the writer's commit."""
TABLES = """
create table if not exists place (
    journal text not null, seq integer not null, block integer not null, hash blob not null,
    staged integer not null, since_ns integer not null
);
create table if not exists contracts (
    contract text primary key, period integer not null
) without rowid;
create table if not exists payments (
    number integer primary key, participant integer not null, contract text not null,
    period integer not null, seq integer not null, ts_ns integer not null, rate integer not null,
    lots integer not null, mark integer not null, paid integer not null, total text not null
);
create table if not exists rates (
    number integer primary key, contract text not null, period integer not null,
    seq integer not null, ts_ns integer not null, rate integer not null, mark integer not null
);
create unique index if not exists rates_by_period on rates (contract, period);
create index if not exists rates_by_time on rates (ts_ns);
create index if not exists rates_of_contract on rates (contract, ts_ns);
create unique index if not exists payments_by_period on payments (participant, contract, period);
create index if not exists payments_by_participant on payments (participant, number);
"""
AGAIN = ("delete from place",)
"""Rates of periods in which nobody held lots are not in a file of layout 1: it is made again."""
SCHEMA = Schema("what positions were paid in funding", 0x4F4F4655, TABLES, 2, {1: AGAIN})
COLUMNS = "number, contract, period, seq, ts_ns, rate, lots, mark, paid, total"
OF_RATE = "contract, period, seq, ts_ns, rate, mark"
PERIODS = "select contract, period from contracts"


class FundingError(OutcryError):
    """The file cannot be read."""


class Payment(NamedTuple):
    """What one position was paid for one period."""

    number: int
    """Counts all payments of the journal, in its order."""
    contract: str
    period: int
    seq: int
    """The command that put the funding in force."""
    ts_ns: int
    """When it was sequenced, ns since the epoch."""
    rate: int
    """Billionths of a lot's value."""
    lots: int
    """Held at that moment, below 0: sold short."""
    mark: int
    """The contract's mark, ticks."""
    paid: int
    """Units of money, below 0: the position paid them."""
    total: int
    """What the participant was paid in this contract up to here."""


class Rate(NamedTuple):
    """What one perpetual was funded at for one period, whoever held it."""

    contract: str
    period: int
    seq: int
    """The command that put the funding in force."""
    ts_ns: int
    """When it was sequenced, ns since the epoch."""
    rate: int
    """Billionths of a lot's value; longs pay shorts, below 0 shorts pay."""
    mark: int
    """The contract's mark, ticks."""


def perpetual_periods(file: VenueFile, view: View) -> dict[str, int]:
    """The number of each perpetual's last funding, by the core's state."""
    contracts = view.contracts
    if contracts is None:
        return {}
    places = (place for place in contracts.number if contracts.of(place, "kind") == PERPETUAL)
    return {file.symbols[place]: contracts.of(place, "period") for place in places}


class FundingBook:
    """Reads the file of one journal."""

    def __init__(self, journal: Path) -> None:
        self.path = journal / NAME

    def payments(self, participant: int, before: int = 0, most: int = 100) -> list[Payment]:
        """A participant's payments, the newest first, of numbers below ``before`` (0: any).

        Raises :class:`FundingError`."""
        query = f"select {COLUMNS} from payments where participant = ? and number < ?"
        query += " order by number desc limit ?"
        with self._open() as file:
            rows = _rows(file, query, participant, before or 2**63 - 1, most)
        return [Payment._make([*row[:-1], int(row[-1])]) for row in rows]

    def rates(
        self, contract: str, since_ns: int | None, until_ns: int | None, most: int
    ) -> list[Rate]:
        """The rates of a contract (empty: of all) within a time, in the journal's order: the first
        ``most`` from ``since_ns`` on, or without it the last ones up to ``until_ns``.

        Raises :class:`FundingError`."""
        which = "contract = ? and" if contract else ""
        order = "desc" if since_ns is None else "asc"
        query = f"select {OF_RATE} from rates where {which} ts_ns between ? and ?"
        query += f" order by ts_ns {order}, number {order} limit ?"
        span = since_ns or 0, 2**63 - 1 if until_ns is None else until_ns
        with self._open() as file:
            rows = _rows(file, query, *([contract] if contract else []), *span, most)
        return [Rate._make(row) for row in (reversed(rows) if since_ns is None else rows)]

    def totals(self, participant: int, periods: Mapping[str, int]) -> dict[str, int]:
        """Return what a participant was paid in each contract up to this period of it; a contract
        whose period the file does not have yet is left out.

        Raises :class:`FundingError`."""
        query = "select total from payments where participant = ? and contract = ? and period <= ?"
        query += " order by period desc limit 1"
        found = {symbol: 0 for symbol, period in periods.items() if period == 0}
        with self._open() as file:
            known = dict(_rows(file, PERIODS))
            for symbol, period in periods.items():
                if 0 < period <= known.get(symbol, 0):
                    rows = _rows(file, query, participant, symbol, period)
                    found[symbol] = int(rows[0][0]) if rows else 0
        return found

    def periods(self) -> dict[str, int]:
        """The last period of each contract that the file has.

        Raises :class:`FundingError`."""
        with self._open() as file:
            return dict(_rows(file, PERIODS))

    def since_ns(self) -> int:
        """When the history begins, ns since the epoch; 0: as the journal did.  Later only if the
        journal's begin was retired before the file was made.

        Raises :class:`FundingError`."""
        with self._open() as file:
            rows = _rows(file, "select since_ns from place")
        return int(rows[0][0]) if rows else 0

    @contextmanager
    def _open(self) -> Iterator[SqliteFile | None]:
        """The file; None while there is none, or while it is being made."""
        try:
            with SqliteFile.reader(self.path, SCHEMA, WAIT_S) or nullcontext() as file:
                yield file
        except StoreError as error:
            raise FundingError(str(error)) from None


def _rows(file: SqliteFile | None, query: str, *values: Any) -> list[Any]:
    return [] if file is None else file.rows(query, *values)
