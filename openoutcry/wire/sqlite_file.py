"""``SqliteFile``: one SQLite file with its tables, which every store of the product in SQLite is.

A change is one transaction.  It has the file's only write lock from its beginning, and is on the
disk and whole when it ends.  The file says in its header what it is (``application_id``) and of
which layout (``user_version``).  A file of an older layout is brought to the newest one in one
transaction; any other file is refused by its name, and not written to.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Self

from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError

WAIT_S = 30.0
"""How long a change waits for that of another process."""
BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of SQLite's own files next to one."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
COLUMNS = (
    "select m.name as 'table', c.name as 'column' from sqlite_master as m "
    "join pragma_table_info(m.name) as c where m.type = 'table' and m.name not like 'sqlite_%'"
)
TABLE = re.compile(r"create table if not exists (\w+)")


class StoreError(OutcryError):
    """A database file does not take or give rows; the message names the file.  Memory may be ahead
    of it: what was loaded is loaded again."""


class WrongFileError(StoreError):
    """A database file is damaged, of another kind or of a newer layout; the message names it."""


@dataclass(frozen=True)
class Schema:
    """The tables of one kind of file."""

    keeps: str
    """What the file keeps, for errors: ``a signer's records``."""
    application_id: int
    """The kind's number in the file's header.  Files of releases before this number have 0."""
    tables: str
    """Statements that make the newest layout, each ``create ... if not exists``."""
    version: int = 1
    upgrades: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Statements that an older layout needs to become the next, before ``tables`` makes what it
    lacks.  Layout 0 is an empty file, or one of a release that did not number layouts."""

    def known_tables(self) -> set[str]:
        """Return the names of the tables that this layout has or an older one had."""
        later = (text for texts in self.upgrades.values() for text in texts)
        return set(TABLE.findall(";".join((self.tables, *later)).lower()))

    def columns(self) -> set[tuple[str, str]]:
        """Return table and name of every column of the newest layout."""
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(self.tables)
            return set(connection.execute(COLUMNS).fetchall())


class SqliteFile(Closing):
    """One connection; one thread."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        wait_s: float = WAIT_S,
        journal_mode: str = "wal",
        is_durable: bool = True,
        is_exclusive: bool = False,
    ) -> None:
        """Open the file, or make it.

        ``is_durable`` False: a power cut may lose the last changes, a kill may not.
        ``is_exclusive``: no other process may open the file.  Raises :class:`WrongFileError` for a
        file that is damaged, of another kind or of a newer layout, and :class:`StoreError` if it
        cannot be opened."""
        self.path, self.schema = path, schema
        with self._named():
            self.connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
        try:
            if is_exclusive:
                self.run("pragma locking_mode = exclusive")
            self._check_kind()
            self.run(f"pragma journal_mode = {journal_mode}")
            self.run(f"pragma synchronous = {'full' if is_durable else 'off'}")
            with self.change():
                self._bring_up()
        except BaseException:
            self.close()
            raise

    @classmethod
    def reader(cls, path: Path, schema: Schema, wait_s: float) -> Self | None:
        """Open a file that another process makes and writes; None while there is none.  Raises as
        the constructor, also for an older layout."""
        if not path.exists():
            return None
        self = cls.__new__(cls)
        self.path, self.schema = path, schema
        # A reader may write as well: what a killed writer left half done is rolled back by the
        # next one that opens the file.
        address = f"{path.absolute().as_uri()}?mode=rw"
        with self._named():
            self.connection = sqlite3.connect(address, uri=True, timeout=wait_s)
        try:
            version = self._check_kind()
            if version == schema.version:
                return self
            if version:
                raise WrongFileError(f"{path}: its layout is {version}, not {schema.version}")
        except BaseException:
            self.close()
            raise
        self.close()
        return None

    @staticmethod
    def remove(path: Path) -> None:
        """Remove a file and what SQLite keeps next to it, which would be applied to a new one."""
        for end in (*BESIDE, ""):
            path.with_name(path.name + end).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing, durable when the block ends.  Within another one: a part of it."""
        if self.connection.in_transaction:
            yield
            return
        self.run("begin immediate")
        try:
            yield
            self.run("commit")
        except BaseException:
            if self.connection.in_transaction:  # a full disk may have ended it
                with suppress(sqlite3.Error):
                    self.connection.execute("rollback")
            raise

    def run(self, query: str, *values: Any) -> int:
        """Return how many rows changed.  Raises :class:`StoreError`."""
        with self._named():
            return self.connection.execute(query, values).rowcount

    def run_many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do the same for each row, in one call."""
        with self._named():
            self.connection.executemany(query, rows)

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Return every row of a query.  Raises :class:`StoreError`."""
        with self._named():
            return self._cursor(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query; None: it has no row.  Raises :class:`StoreError`."""
        with self._named():
            found: sqlite3.Row | None = self._cursor(query, values).fetchone()
        return found

    def value(self, query: str, *values: Any) -> Any:
        """Return the first column of the first row; None without a row."""
        found = self.row(query, *values)
        return None if found is None else found[0]

    def insert(self, table: str, **values: Any) -> int:
        """Add a row; return its number.  Raises :class:`StoreError`, also for a key that exists."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"insert into {table} ({names}) values ({marks})"
        with self._named():
            return int(self.connection.execute(query, tuple(values.values())).lastrowid or 0)

    def _cursor(self, query: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        cursor = self.connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(query, values)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Give errors of SQLite the file's name."""
        try:
            yield
        except sqlite3.Error as error:
            is_damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED
            kind = WrongFileError if is_damaged else StoreError
            raise kind(f"{self.path}: {error}") from None

    def _check_kind(self) -> int:
        """Return the file's layout.  Raises :class:`WrongFileError` if this code cannot use it."""
        schema = self.schema
        version = int(self.value("pragma user_version"))
        application_id = int(self.value("pragma application_id"))
        if application_id not in (0, schema.application_id):
            raise self._other(f"its application id is {application_id:#x}")
        if application_id == 0:
            unknown = {table.lower() for table, _ in self.rows(COLUMNS)} - schema.known_tables()
            if unknown:
                raise self._other(f"it has the table {min(unknown)}")
        if not 0 <= version <= schema.version:
            raise WrongFileError(
                f"{self.path}: written by another build (layout {version}; this one reads "
                f"layouts up to {schema.version})"
            )
        return version

    def _bring_up(self) -> None:
        """Bring the file to the newest layout, within a change."""
        schema, version = self.schema, int(self.value("pragma user_version"))
        steps = [
            schema.upgrades.get(number, ())
            for number in range(version or schema.version, schema.version)
        ]
        if version != schema.version:
            steps.append(schema.tables.split(";\n"))
        try:
            for statement in chain.from_iterable(steps):
                self.connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise StoreError(f"{self.path}: {error}") from None
            raise self._other(f"layout {version} cannot be brought up: {error}") from None
        missing = schema.columns() - {(table, column) for table, column in self.rows(COLUMNS)}
        if missing:
            raise self._other(f"it lacks {'.'.join(min(missing))}")
        self.run(f"pragma user_version = {schema.version}")
        self.run(f"pragma application_id = {schema.application_id}")

    def _other(self, why: str) -> WrongFileError:
        return WrongFileError(f"{self.path}: the file does not keep {self.schema.keeps}: {why}")
