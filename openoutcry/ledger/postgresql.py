"""The ledger in PostgreSQL: the same schema, partitioned by day, each batch in one transaction.

The table ``progress`` says what was written, in the same transaction as the rows.  A batch that is
sent again writes nothing twice, and one that broke off wrote nothing.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger import exchange as exchange_views
from openoutcry.ledger.columns import COLUMNS, NUMBERS, TYPES, days_of
from openoutcry.ledger.copy_rows import encoded
from openoutcry.ledger.exchange import Exchange
from openoutcry.ledger.ledger_state import LedgerState
from openoutcry.ledger.parquet_store import views
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.extras import need

SCHEMA, EXCHANGE_SCHEMA = "outcry_ledger", "outcry_exchange"
LOCK = 0x4F555443
FLUSH_ROWS = 200_000


DAY_INDEXES = {
    "trades": "(instrument, ts_ns) where kind = 'POSTED'",
    "orders": "(instrument, order_id)",
    "broken": "(contra_id) where kind = 'BROKEN'",
}
"""Indexes of each day's partition, created once the day is over."""


class StoreGone(LedgerError):
    """The database cannot be reached, or broke off: the batch was not written, and may come."""


class PostgresStore:
    """Writes a ledger into a database.  ``add`` gathers, ``flush`` makes it count."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: Any = None
        self._gathered: list[npt.NDArray[Any]] = []
        self._assets = 0
        """How many the tables of an exchange have; 0: there is no such table."""

    def begin(self, ledger_state: LedgerState) -> int:
        """Take up the database; the event up to which it has everything.

        Raises :class:`LedgerError` if it is another journal's or something else, and
        :class:`StoreGone` if it cannot be reached.
        """
        self.ledger_state = ledger_state
        return self._transact(self._begin)

    def written_seq(self, journal_id: int) -> int:
        """The command up to which the database has everything; 0: it has nothing yet."""

        def read(cursor: Any) -> int:
            cursor.execute("select to_regclass(%s)", (f"{SCHEMA}.progress",))
            if cursor.fetchone()[0] is None:
                return 0
            cursor.execute(f"select journal_id, cause_seq from {SCHEMA}.progress")
            row = cursor.fetchone()
            return int(row[1]) if row and int(row[0]) == journal_id else 0

        return self._transact(read)

    def _begin(self, cursor: Any) -> int:
        cursor.execute("select to_regnamespace(%s) is not null", (SCHEMA,))
        exists = cursor.fetchone()[0]
        cursor.execute("select to_regclass(%s) is not null", (f"{SCHEMA}.progress",))
        if exists and not cursor.fetchone()[0]:
            raise LedgerError(
                f"the database has a schema {SCHEMA} of another program; nothing was done"
            )
        if not exists:
            self._create(cursor)
        cursor.execute(f"select journal_id, event_seq from {SCHEMA}.progress")
        journal_id, event_seq = cursor.fetchone()
        mine = self.ledger_state.reader.journal_id
        if int(journal_id) != mine:
            raise LedgerError(
                f"the database is the ledger of journal {int(journal_id):016x}, not of {mine:016x}"
            )
        self._done = int(event_seq)
        self._create_views(cursor)
        self._create_exchange(cursor)
        return self._done

    def _create_exchange(self, cursor: Any) -> None:
        """The tables of an exchange, if there are spot instruments whose amounts fit them."""
        exchange = Exchange.of(self.ledger_state.books)
        if exchange is None:
            return
        self._assets = len(exchange.assets)
        try:
            texts = exchange_views.views(
                exchange, "postgresql", f"{SCHEMA}.transactions", EXCHANGE_SCHEMA
            )
        except LedgerError:
            return
        cursor.execute(f"create schema if not exists {EXCHANGE_SCHEMA}")
        for name, text in texts.items():
            cursor.execute(f"create or replace view {EXCHANGE_SCHEMA}.{name} as {text}")

    def _create(self, cursor: Any) -> None:
        columns = ", ".join(
            f"{name} {'bigint' if name in NUMBERS else TYPES[name]} not null" for name in COLUMNS
        )
        cursor.execute(f"create schema {SCHEMA}")
        cursor.execute(f"set local search_path to {SCHEMA}")
        cursor.execute(
            f"create table transactions ({columns}, primary key (event_seq, part, day)) "
            "partition by range (day)"
        )
        cursor.execute("create index on transactions (participant, event_seq)")
        cursor.execute(
            "create table progress (journal_id numeric not null, event_seq bigint not null, "
            "cause_seq bigint not null)"
        )
        cursor.execute(
            "insert into progress values (%s, -1, 0)", (self.ledger_state.reader.journal_id,)
        )

    def _create_views(self, cursor: Any) -> None:
        """Views of this release; those that an older one made have fewer columns."""
        cursor.execute(f"set local search_path to {SCHEMA}")
        for name, text in views().items():
            cursor.execute(f"create or replace view {name} as {text}")

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Gather the rows that the database does not have yet."""
        fresh = rows[rows["event_seq"] > self._done]
        if len(fresh):
            self._gathered.append(fresh)

    @property
    def is_full(self) -> bool:
        """Enough was gathered for a transaction of the database."""
        return sum(map(len, self._gathered)) >= FLUSH_ROWS

    def flush(self, stretch_is_full: bool = False) -> None:
        """Write what was gathered, in one transaction.  Raises :class:`StoreGone` if the database
        is: nothing of it was written, and a further call tries it again."""
        if not self._gathered:
            return
        rows = np.concatenate(self._gathered)
        self._transact(lambda cursor: self._write(cursor, rows))
        self._gathered = []
        self._done = int(rows["event_seq"][-1])

    def _write(self, cursor: Any, rows: npt.NDArray[Any]) -> int:
        cursor.execute(f"set local search_path to {SCHEMA}")
        cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        cursor.execute("select event_seq from progress")
        rows = rows[rows["event_seq"] > int(cursor.fetchone()[0])]
        if not len(rows):
            return 0
        days = np.unique(days_of(rows["ts_ns"])).tolist()
        newest = f"transactions_{_date(days[-1]):%Y%m%d}"
        cursor.execute("select to_regclass(%s) is null", (newest,))
        is_new = cursor.fetchone()[0]
        for day in days:
            begin = _date(day)
            until = begin + timedelta(days=1)
            cursor.execute(
                f'create table if not exists "transactions_{begin:%Y%m%d}" '
                f"partition of transactions for values from ('{begin}') to ('{until}')"
            )
        # Progress and rows are one transaction under a lock: what is copied was not there before,
        # and a row that is there nevertheless ends the batch with an error.
        names = ", ".join(COLUMNS)
        with cursor.copy(f"copy transactions ({names}) from stdin (format binary)") as copy:
            copy.write(self._encoded(rows))
        if is_new:
            self._index_days_before(cursor, newest)
        cursor.execute(
            "update progress set event_seq = %s, cause_seq = %s",
            (int(rows["event_seq"][-1]), int(rows["cause_seq"][-1])),
        )
        if self._assets and len(self.ledger_state.books.wallets) > self._assets:
            # One was declared meanwhile.
            self._create_exchange(cursor)
        return len(rows)

    def _index_days_before(self, cursor: Any, newest: str) -> None:
        """Days that are over get the indexes that questions of trades and orders want.  Measured:
        with all four indexes from the first row on the server had half of the rows a second."""
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
            "where i.inhparent = 'transactions'::regclass and c.relname < %s",
            (newest,),
        )
        for (name,) in cursor.fetchall():
            for suffix, what in DAY_INDEXES.items():
                cursor.execute(f'create index if not exists "{name}_{suffix}" on "{name}" {what}')

    def _encoded(self, rows: npt.NDArray[Any]) -> bytes:
        books = self.ledger_state.books
        return encoded(rows, books.symbols, books.money_names)

    def _transact(self, work: Any) -> Any:
        """Run ``work(cursor)`` in a transaction, on the connection, which is made if needed."""
        psycopg = driver()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.url, connect_timeout=5)
            with self._connection.transaction(), self._connection.cursor() as cursor:
                return work(cursor)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.close()
            raise StoreGone(f"the connection to the database is lost: {_line(error)}") from None
        except psycopg.Error as error:
            self.close()
            raise LedgerError(f"the database reports an error: {_line(error)}") from None

    def finish(self) -> None:
        """Write what is left."""
        self.flush()

    def close(self) -> None:
        """Close the connection; further calls do nothing."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * 86_400, UTC).date()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def driver() -> Any:
    """psycopg, or an error that says how to get it."""
    return need("psycopg", "PostgreSQL needs psycopg", "ledger", LedgerError)
