"""Three databases that answer the same questions: DuckDB within, PostgreSQL and MariaDB by address.

Each holds the books in a separate place (memory, a schema, a database) that is gone afterwards;
nothing that was there before is read or changed.
"""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from openoutcry.ledger import exchange, parquet_store
from openoutcry.ledger.ledger_state import folder_of
from openoutcry.ledger.postgresql import EXCHANGE_SCHEMA
from openoutcry.ledger.questions import sample_sql, translate
from openoutcry.wire.errors import QuestionsError
from openoutcry.wire.extras import need
from openoutcry.wire.urls import without_password

Rows = list[tuple[Any, ...]]
DUCKDB_FUNCTIONS = """
CREATE MACRO unscaled(x) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT);
CREATE MACRO decimals(x) AS
    CASE WHEN contains(CAST(x AS VARCHAR), '.')
         THEN length(CAST(x AS VARCHAR)) - strpos(CAST(x AS VARCHAR), '.') ELSE 0 END;
CREATE MACRO power_of_ten(n) AS CAST('1' || repeat('0', CAST(greatest(n, 0) AS BIGINT)) AS HUGEINT);
CREATE MACRO half_away(a, b) AS sign(a) * sign(b) * ((2 * abs(a) + abs(b)) // (2 * abs(b)));
CREATE MACRO placed(units, n) AS
    CAST(CASE WHEN units < 0 THEN '-' ELSE '' END || (abs(units) // power_of_ten(n)) || '.' ||
         lpad(CAST(abs(units) % power_of_ten(n) AS VARCHAR), n, '0') AS DECIMAL(38, 12));
CREATE MACRO exact_ratio(a, b, n) AS
    placed(half_away(unscaled(a) * power_of_ten(n + decimals(b) - decimals(a)),
                     unscaled(b) * power_of_ten(decimals(a) - decimals(b) - n)), n);
CREATE MACRO seconds_between(a, b) AS CAST(trunc((epoch_us(b) - epoch_us(a)) / 1000000) AS BIGINT);
"""
"""Integers of 128 bits: a sum of products that does not fit is an error, never a wrong figure."""

POSTGRESQL_FUNCTIONS = """
CREATE FUNCTION exact_ratio(a numeric, b numeric, n int) RETURNS numeric LANGUAGE sql IMMUTABLE AS
    'SELECT round(CAST(a AS numeric(200, 60)) / b, n)';
CREATE FUNCTION seconds_between(a timestamp, b timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    'SELECT CAST(trunc(extract(epoch FROM b - a)) AS bigint)';
"""


class Engine(Protocol):
    """A database that holds the books."""

    name: str

    def ask(self, path: Path, as_of: datetime) -> tuple[list[str], Rows]:
        """The names and the rows that the SELECT of a file gives."""


class DuckDB:
    """DuckDB in memory, within this process, without access to files or the network."""

    name = "duckdb"

    def __init__(self, tables: Path) -> None:
        """Raises ``QuestionsError`` where the tables' file cannot be read or filled in."""
        need("sqlglot", "this needs sqlglot", "ledger", QuestionsError)
        duckdb = need("duckdb", "this needs duckdb", "ledger", QuestionsError)
        self._error: type[Exception] = duckdb.Error
        self._connection = duckdb.connect(config={"enable_external_access": False})
        self._connection.execute(DUCKDB_FUNCTIONS)
        statements, self._schema = translate.table_statements(tables)
        for statement in statements:
            self._run(tables, translate.translated(statement, "duckdb", None))

    def ask(self, path: Path, as_of: datetime) -> tuple[list[str], Rows]:
        """Answer a question (a file of SQL) as of a moment: columns and rows."""
        return self._run(path, translate.translated_question(path, "duckdb", as_of, self._schema))

    def rows(self, text: str) -> Rows:
        """Return the rows of a SELECT in DuckDB's own dialect."""
        return self._run(Path("the books"), text)[1]

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _run(self, path: Path, text: str) -> tuple[list[str], Rows]:
        try:
            cursor = self._connection.execute(text)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except self._error as error:
            raise QuestionsError(f"{path}: DuckDB: {_message(error)}") from None


class PostgreSQL:
    """A server of PostgreSQL: a schema for this once, and no other is checked."""

    name = "postgresql"

    def __init__(self, tables: Path, address: str) -> None:
        """Raises ``QuestionsError`` where no server answers at the address; else as ``DuckDB``."""
        psycopg = need("psycopg", "this needs psycopg[binary]", "ledger", QuestionsError)
        self._error: type[Exception] = psycopg.Error
        try:
            self._connection = psycopg.connect(address)
        except psycopg.Error as error:
            raise QuestionsError(f"PostgreSQL does not answer: {_message(error)}") from None
        try:
            # Never committed: with the connection everything is gone.
            place = f"outcry_{uuid.uuid4().hex}"
            self._run(tables, f"CREATE SCHEMA {place}")
            self._run(tables, f"SET LOCAL search_path TO {place}")
            self._run(tables, "SET LOCAL TIME ZONE 'UTC'")
            self._run(tables, POSTGRESQL_FUNCTIONS)
            statements, self._schema = translate.table_statements(tables)
            for statement in statements:
                self._run(tables, translate.translated(statement, "postgres", None))
        except QuestionsError:
            self.close()
            raise

    def ask(self, path: Path, as_of: datetime) -> tuple[list[str], Rows]:
        """Answer a question (a file of SQL) as of a moment: columns and rows."""
        return self._run(path, translate.translated_question(path, "postgres", as_of, self._schema))

    def rows(self, text: str) -> Rows:
        """Return the rows of a SELECT in PostgreSQL's own dialect."""
        return self._run(Path("the books"), text)[1]

    def close(self) -> None:
        """Undo what is not committed, and close the connection."""
        with closing(self._connection):
            self._connection.rollback()

    def _run(self, path: Path, text: str) -> tuple[list[str], Rows]:
        try:
            cursor = self._connection.execute(text)
            rows = cursor.fetchall() if cursor.description else []
            return [column[0] for column in cursor.description or ()], rows
        except self._error as error:
            raise QuestionsError(f"{path}: PostgreSQL: {_message(error)}") from None


class Store(DuckDB):
    """A venue's own store: the files next to a journal, through the views of an exchange."""

    def __init__(self, directory: Path) -> None:
        """Raises ``LedgerError`` where there is no store, or none with spot trading."""
        need("sqlglot", "this needs sqlglot", "ledger", QuestionsError)
        duckdb = need("duckdb", "this needs duckdb", "ledger", QuestionsError)
        folder = folder_of(directory)
        parquet_store.exchange_of(folder)
        self._error: type[Exception] = duckdb.Error
        self._connection = parquet_store.connect(folder)
        self._schema = translate.schema_of(sample_sql.schema())
        self._connection.execute(DUCKDB_FUNCTIONS)
        self._connection.execute(f"set search_path = '{exchange.SCHEMA},main'")


class PostgreSQLStore(PostgreSQL):
    """A venue's own store in PostgreSQL, through the views of an exchange; read only."""

    def __init__(self, address: str) -> None:
        """Raises ``QuestionsError`` where there is no such store."""
        psycopg = need("psycopg", "this needs psycopg[binary]", "ledger", QuestionsError)
        need("sqlglot", "this needs sqlglot", "ledger", QuestionsError)
        self._error: type[Exception] = psycopg.Error
        self._schema = translate.schema_of(sample_sql.schema())
        try:
            self._connection = psycopg.connect(address)
        except psycopg.Error as error:
            raise QuestionsError(f"PostgreSQL does not answer: {_message(error)}") from None
        place, store = f"outcry_{uuid.uuid4().hex}", Path(without_password(address))
        try:
            # Never committed: with the connection the functions are gone.
            self._run(store, f"CREATE SCHEMA {place}")
            self._run(store, f"SET LOCAL search_path TO {place}")
            self._run(store, "SET LOCAL TIME ZONE 'UTC'")
            self._run(store, POSTGRESQL_FUNCTIONS)
            self._run(store, f"SET LOCAL search_path TO {EXCHANGE_SCHEMA}, {place}")
            self._run(store, "SELECT 1 FROM markets")
        except QuestionsError:
            self.close()
            raise


def store_of(address: str) -> Store | PostgreSQLStore:
    """A venue's own store: a journal's folder, or ``postgresql://…``."""
    if address.startswith(("postgresql://", "postgres://")):
        return PostgreSQLStore(address)
    return Store(Path(address))


class MariaDB:
    """A server of MariaDB or MySQL: a database for this once, asked in the SQL as it is."""

    name = "mariadb"

    def __init__(self, tables: Path, address: str) -> None:
        """Raises ``QuestionsError`` as ``PostgreSQL``.

        The database compares texts byte by byte (utf8mb4_nopad_bin), as the two others do.
        """
        self._pymysql = need("pymysql", "this needs pymysql", "ledger", QuestionsError)
        self._error: type[Exception] = self._pymysql.Error
        statements, _ = translate.table_statements(tables)
        self._place = f"outcry_{uuid.uuid4().hex}"
        try:
            self._connection = self._pymysql.connect(**_mysql_words(address))
        except self._pymysql.Error as error:
            raise QuestionsError(f"MariaDB does not answer: {_message(error)}") from None
        try:
            self._run(
                tables,
                f"CREATE DATABASE {self._place} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            )
            self._run(tables, f"USE {self._place}")
            self._run(tables, "SET time_zone = '+00:00'")
            for statement in statements:
                self._run(tables, statement.sql("mysql"))
        except QuestionsError:
            self.close()
            raise

    def ask(self, path: Path, as_of: datetime) -> tuple[list[str], Rows]:
        """Answer a question (a file of SQL) as of a moment: columns and rows."""
        translate.question(path)
        self._run(path, f"SET timestamp = {as_of.replace(tzinfo=UTC).timestamp():.6f}")
        return self._run(path, path.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Drop the database that was made, and close the connection."""
        with closing(self._connection):
            self._run(Path("the books"), f"DROP DATABASE IF EXISTS {self._place}")

    def _run(self, path: Path, text: str) -> tuple[list[str], Rows]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(text.strip().removesuffix(";"))
                rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
                return [column[0] for column in cursor.description or ()], rows
        except self._error as error:
            raise QuestionsError(f"{path}: MariaDB: {_message(error)}") from None


@contextmanager
def opened(tables: Path, address: str) -> Iterator[Engine]:
    """The books in a database: ``duckdb``, ``postgresql://…`` or ``mysql://USER@HOST:PORT``
    (``mysql://USER@/?unix_socket=PATH`` for a socket).

    Raises ``QuestionsError`` for another address.
    """
    need("sqlglot", "this needs sqlglot", "ledger", QuestionsError)
    scheme = address.partition("://")[0]
    engine: DuckDB | PostgreSQL | MariaDB
    if address == "duckdb":
        engine = DuckDB(tables)
    elif scheme in ("postgresql", "postgres"):
        engine = PostgreSQL(tables, address)
    elif scheme in ("mysql", "mariadb"):
        engine = MariaDB(tables, address)
    else:
        raise QuestionsError(
            f"{without_password(address)}: neither duckdb, postgresql://… nor mysql://…"
        )
    with closing(engine):
        yield engine


def _mysql_words(address: str) -> dict[str, Any]:
    try:
        parts = urlsplit(address)
        words: dict[str, Any] = {"user": unquote(parts.username or "root"), "charset": "utf8mb4"}
        if parts.password:
            words["password"] = unquote(parts.password)
        key, _, value = parts.query.partition("=")
        if key == "unix_socket":
            return words | {"unix_socket": unquote(value)}
        return words | {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    except ValueError as error:
        raise QuestionsError(f"{address}: {error}") from None


def _message(error: Exception) -> str:
    text = str(error.args[-1] if error.args else error)
    return " ".join(text.split())
