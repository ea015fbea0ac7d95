"""Answer the five questions of the reference data set on a venue's store or on the data set itself.

The SQL is that of :mod:`questions_sql`, in two readings: ``GIVEN`` and ``MEANT``.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.ledger import exchange, parquet_store
from openoutcry.ledger.ledger_state import folder_of
from openoutcry.ledger.postgresql import EXCHANGE_SCHEMA
from openoutcry.ledger.questions_sql import GIVEN, MEANT
from openoutcry.wire.errors import QuestionsError
from openoutcry.wire.extras import need
from openoutcry.wire.urls import without_password

TABLES = "schema_and_data.sql"
HALF_EVEN = """create macro half_even(x) as
  case when abs(x - round(x, 8)) = 0.000000005 then 2 * round(x * 0.5, 8) else round(x, 8) end"""
VENUE_ENTRIES = """create table venue_entries
  (trade_id bigint, currency varchar, amount decimal(20,8), reason varchar)"""
WINDOWS = {
    "q1": (datetime(2024, 10, 1, 9, 10), datetime(2024, 10, 1, 9, 12)),
    "q5": (datetime(2024, 10, 1, 9), datetime(2024, 10, 1, 10)),
    "fees": (datetime(2024, 10, 1), datetime(2024, 10, 2)),
}
"""The windows [begin, end) of the questions' text."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of the questions; the defaults are those of their text.  Moments are naive, UTC.

    begin, end: window of q1, q5 or fees, without end (None: ``WINDOWS``).
    as_of: end of the 24 hours of q4 (None: 2024-10-02, as given the present).
    order_id, market: of q3 and q5 (None: order 9001 and BTC_USD, or the first of the books)."""

    begin: datetime | None = None
    end: datetime | None = None
    order_id: int | None = None
    as_of: datetime | None = None
    market: str | None = None


class Answer(NamedTuple):
    """Names of the columns, and a tuple of as many values for each row.

    A value is an int, str, ``Decimal`` without trailing zeros, or None; a moment is a text like
    2024-10-01 09:11:00."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Books:
    """An open database with the tables of an exchange.

    source: DuckDB or PostgreSQL connection, and the name of what it reads for errors.
    terms: how this database says a trade's notional, fees and their currencies."""

    def __init__(self, connection: Any, source: str, error: type[Exception], **terms: str) -> None:
        self._connection, self._source, self._error = connection, source, error
        self._terms = terms

    def rows(self, query: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return the column names and rows of a SELECT, or raise ``QuestionsError``."""
        try:
            cursor = self._connection.execute(query)
            return tuple(column[0] for column in cursor.description), cursor.fetchall()
        except self._error as error:
            raise QuestionsError(f"{self._source}: {' '.join(str(error).split())}") from None

    def answer(self, name: str, parameters: Parameters, given: bool = False) -> Answer:
        """Return the answer to a question, as the given SQL says (q1 to q5) or as its text means.

        Raises ``QuestionsError`` for another name, an order or a market that does not exist, and a
        window that ends before it begins."""
        texts = GIVEN if given else MEANT
        if name not in texts:
            raise QuestionsError(f"no question {name!r}: there are {', '.join(texts)}")
        names, rows = self.rows(texts[name].format(**self._fields(name, parameters, given)))
        if name == "q1":
            rows = [(*row[:2], _quotient(row[2], row[3]), *row[3:]) for row in rows]
        return Answer(names, [tuple(_plain(value) for value in row) for row in rows])

    def _fields(self, name: str, parameters: Parameters, given: bool) -> dict[str, Any]:
        begin, end = WINDOWS.get(name, WINDOWS["fees"])
        begin, end = parameters.begin or begin, parameters.end or end
        if end < begin:
            raise QuestionsError(f"the window ends ({end}) before it begins ({begin})")
        usual = datetime.now(UTC).replace(tzinfo=None) if given else datetime(2024, 10, 2)
        moments = {"begin": begin, "end": end, "as_of": parameters.as_of or usual}
        fields: dict[str, Any] = {key: f"timestamp '{at}'" for key, at in moments.items()}
        if name == "q3":
            fields["order_id"] = self._chosen("orders", "order_id", parameters.order_id, 9001)
        if name == "q5":
            market = self._chosen("markets", "symbol", parameters.market, "BTC_USD", "market_id")
            fields["market_id"] = market
        return fields | self._terms

    def _chosen(
        self, table: str, column: str, asked: Any, usual: Any, key: str = "order_id"
    ) -> Any:
        """Return the key of the row that has the value asked; None: the usual, or the first."""
        literal = str(usual if asked is None else asked).replace("'", "''")
        order = f"case cast({column} as varchar) when '{literal}' then 0 else 1 end, {column}"
        rows = self.rows(f"select {column}, {key} from {table} order by {order} limit 9")[1]
        if not rows or asked not in (None, rows[0][0]):
            known = ", ".join(str(row[0]) for row in rows) or "none"
            raise QuestionsError(f"there is no {column} {asked!r} in {table}; there are {known}")
        return rows[0][1]


@contextmanager
def data_set(folder: Path) -> Iterator[Books]:
    """Open the tables that a folder's schema_and_data.sql makes, in DuckDB in memory.

    A trade's fees are fractions of its notional; amounts are half-even to 1e-8.  Raises
    ``QuestionsError`` if the file is missing or its SQL does not run."""
    duckdb = need("duckdb", "this needs duckdb", "ledger", QuestionsError)
    path = folder / TABLES
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"{path}: {error}") from None
    with closing(duckdb.connect(config={"enable_external_access": False})) as connection:
        for statements in (HALF_EVEN, VENUE_ENTRIES, text):
            try:
                connection.execute(statements)
            except duckdb.Error as error:
                raise QuestionsError(f"{path}: {' '.join(str(error).split())}") from None
        yield Books(
            connection,
            str(path),
            duckdb.Error,
            notional="half_even(t.price * t.quantity)",
            **{f"{role}_fee": f"half_even({role}_fee * notional)" for role in ("maker", "taker")},
            **{f"{role}_currency": "null" for role in ("maker", "taker")},
        )


STORED = {
    "notional": "round(t.price * t.quantity, 8)",
    **{f"{role}_fee": f"{role}_fee" for role in ("maker", "taker")},
    **{f"{role}_currency": f"{role}_fee_currency" for role in ("maker", "taker")},
}
"""Terms of a venue's store: its fees are amounts, each in the asset that paid it."""


@contextmanager
def store(address: str) -> Iterator[Books]:
    """Open a venue's own store for reading: a journal's folder, or ``postgresql://…``.

    Raises ``QuestionsError`` for a store that cannot be read, ``LedgerError`` for one that has no
    spot trading, or amounts with more than eight decimals."""
    if address.startswith(("postgresql://", "postgres://")):
        psycopg = need("psycopg", "this needs psycopg[binary]", "ledger", QuestionsError)
        place = without_password(address)
        try:
            with closing(psycopg.connect(address)) as connection:
                connection.execute(f"set search_path to {EXCHANGE_SCHEMA}")
                connection.execute("select 1 from markets")
                connection.execute("set transaction read only")
                yield Books(connection, place, psycopg.Error, **STORED)
        except psycopg.Error as error:
            raise QuestionsError(f"{place}: PostgreSQL: {' '.join(str(error).split())}") from None
        return
    duckdb = need("duckdb", "this needs duckdb", "ledger", QuestionsError)
    folder = folder_of(Path(address))
    parquet_store.exchange_of(folder)
    with closing(parquet_store.connect(folder)) as connection:
        connection.execute(f"set search_path = '{exchange.SCHEMA},main'")
        yield Books(connection, address, duckdb.Error, **STORED)


def _quotient(numerator: Decimal | None, denominator: Decimal | None) -> Decimal | None:
    """Return SQL's ROUND(…, 8) of a quotient that is not negative, exactly; None without volume."""
    if not numerator or not denominator:
        return None
    units = Fraction(numerator) / Fraction(denominator) * 10**8
    return Decimal((2 * units.numerator + units.denominator) // (2 * units.denominator)).scaleb(-8)


def _plain(value: Any) -> Any:
    """Return a decimal without trailing zeros or exponent, a moment as text, the rest as it is."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (
            Decimal(text.rstrip("0").rstrip(".") if "." in text else text) if value else Decimal(0)
        )
    return value.isoformat(" ") if isinstance(value, datetime) else value
