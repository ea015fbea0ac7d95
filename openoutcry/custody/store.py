"""What custody knows, in one SQLite file: durable and whole at each commit.

Several processes use it, each with a connection.  A change is one transaction, which has the lock
from its beginning.  Amounts are text: those of some chains pass 63 bits.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError, StoreError
from openoutcry.wire.closing import Closing

NAME = "custody.sqlite"
WAIT_S = 30.0
VERSION = 6
SCHEMA = """
create table blocks (
    chain text not null, height integer not null, hash text not null, parent text not null,
    time_s integer not null, primary key (chain, height)
) without rowid;
create table addresses (
    chain text not null, branch integer not null, place integer not null, address text not null,
    participant integer, purpose text not null, given_ns integer not null,
    primary key (chain, branch, place), unique (chain, address)
) without rowid;
create table outputs (
    chain text not null, txid text not null, place integer not null, address text not null,
    amount text not null, height integer, spent_by text, spent_height integer,
    primary key (chain, txid, place)
) without rowid;
create index outputs_unspent on outputs (chain) where spent_height is null;
create table deposits (
    reference text primary key, chain text not null, txid text not null, place integer not null,
    generation integer not null, token text not null, asset text not null, participant integer,
    address text not null, amount text not null, units integer not null, state text not null,
    height integer, block text, asked text not null, venue text not null, why text not null,
    changed_ns integer not null, unique (chain, txid, place, generation)
) without rowid;
create index deposits_moving on deposits (chain, state);
create index deposits_by_owner on deposits (participant, changed_ns);
create index deposits_by_address on deposits (chain, address);
create table withdrawals (
    reference text primary key, chain text not null, asset text not null,
    participant integer not null, address text not null, amount text not null,
    units integer not null, salt text not null, state text not null, score integer not null,
    why text not null, draft integer, asked_ns integer not null, changed_ns integer not null,
    code text not null default ''
) without rowid;
create index withdrawals_by_owner on withdrawals (participant, changed_ns);
create table askers (
    reference text primary key, device text not null, changes text not null, disputed_ns integer
) without rowid;
create index withdrawals_by_state on withdrawals (state);
create table approvals (
    reference text not null, person text not null, at_ns integer not null,
    primary key (reference, person)
) without rowid;
create table drafts (
    id integer primary key, chain text not null, purpose text not null, state text not null,
    identity text not null, body text not null, fee text not null, conflicts text not null,
    payments text not null, replaces integer, notes text not null, number integer, txid text,
    raw text, height integer, why text not null, made_ns integer not null,
    sent_ns integer
);
create index drafts_open on drafts (chain, state);
create table whitelist (
    chain text not null, participant integer not null, address text not null,
    label text not null, added_ns integer not null, usable_ns integer not null,
    announced_ns integer, primary key (chain, participant, address)
) without rowid;
create table breaker (
    id integer primary key, tripped_ns integer not null, why text not null, lifted_ns integer
);
create table lifts (
    breaker integer not null, person text not null, at_ns integer not null,
    primary key (breaker, person)
) without rowid;
create table notes (
    id integer primary key, at_ns integer not null, kind text not null, subject text not null,
    text text not null
);
create table cases (
    id integer primary key, kind text not null, subject text not null, participant integer not null,
    asset text not null, units integer not null, text text not null, at_ns integer not null,
    referred integer not null
);
create table refills (
    id integer primary key, asset text not null, units integer not null, address text not null,
    asked_ns integer not null, usable_ns integer, built_ns integer
);
create table words (name text primary key, value text not null) without rowid;
"""
NOTES_KEPT = 10_000
UPGRADES = {
    1: (
        "alter table whitelist add column announced_ns integer",
        "create index deposits_by_owner on deposits (participant, changed_ns)",
        "create index deposits_by_address on deposits (chain, address)",
    ),
    2: (
        "create table cases (id integer primary key, kind text not null, subject text not null, "
        "participant integer not null, asset text not null, units integer not null, "
        "text text not null, at_ns integer not null, referred integer not null)",
    ),
    3: (
        "create table refills (id integer primary key, asset text not null, "
        "units integer not null, address text not null, asked_ns integer not null, "
        "usable_ns integer, built_ns integer)",
    ),
    4: ("alter table withdrawals add column code text not null default ''",),
    5: (
        "create table if not exists askers (reference text primary key, device text not null, "
        "changes text not null, disputed_ns integer) without rowid",
        "create index if not exists withdrawals_by_owner on withdrawals (participant, changed_ns)",
        # A device was known from its first request.  Of those only the oldest is believed, as that
        # of what has arrived.
        "create table if not exists devices (participant integer, device text, first_ns integer)",
        "insert or ignore into askers select reference, coalesce((select device from devices where "
        "devices.participant = withdrawals.participant order by first_ns limit 1), ''), '', null "
        "from withdrawals where state = 'done'",
        "drop table devices",
    ),
}
"""Steps from an older layout to the next."""


class Store(Closing):
    """One connection; one thread."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
            self.connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
                self.connection.execute(f"pragma {pragma}")
            with self.change():
                (version,) = self.connection.execute("pragma user_version").fetchone()
                self._bring_up(int(version))
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path}: {error}") from None

    def _bring_up(self, version: int) -> None:
        """Within a change."""
        if version == VERSION:
            return
        if version == 0:
            statements = SCHEMA.split(";\n")
        elif 0 < version < VERSION:
            later = (UPGRADES[one] for one in range(version, VERSION))
            statements = [one for statements in later for one in statements]
        else:
            raise CustodyError(f"{self.path}: written by another build (layout {version})")
        for statement in statements:
            self.connection.execute(statement)
        self.connection.execute(f"pragma user_version = {VERSION}")

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing, durable when the block ends.  Within another one: a part of it."""
        if self.connection.in_transaction:
            yield
            return
        self._execute("begin immediate")
        try:
            yield
            self._execute("commit")
        except BaseException:
            if self.connection.in_transaction:  # a full disk may have ended it
                self.connection.execute("rollback")
            raise

    def _execute(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Raises :class:`StoreError`."""
        try:
            return self.connection.execute(query, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None

    def run(self, query: str, *values: Any) -> int:
        """How many rows changed."""
        return self._execute(query, values).rowcount

    def run_many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """The same for each row, in one call."""
        try:
            self.connection.executemany(query, rows)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Every row of a query.  Raises :class:`StoreError`."""
        try:
            return self._execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query; None: it has no row.  Raises :class:`StoreError`."""
        try:
            found: sqlite3.Row | None = self._execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None
        return found

    def insert(self, table: str, **values: Any) -> int:
        """Add a row; its number.  Raises :class:`StoreError`, also for a key that exists."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"insert into {table} ({names}) values ({marks})"
        return int(self._execute(query, tuple(values.values())).lastrowid or 0)

    def word(self, name: str) -> str:
        """A value that was stored by :meth:`set_word`, or nothing."""
        found = self.row("select value from words where name = ?", name)
        return "" if found is None else str(found["value"])

    def set_word(self, name: str, value: str) -> None:
        """Store a value by its name, in the place of the one before."""
        self.run("insert or replace into words values (?, ?)", name, value)

    def note(self, kind: str, subject: str, text: str) -> None:
        """Store a note that the console shows; the same as the last about this subject is not
        repeated."""
        last = self.row("select text from notes where subject = ? order by id desc", subject)
        if last is not None and last["text"] == text:
            return
        number = self.insert("notes", at_ns=now_ns(), kind=kind, subject=subject, text=text)
        self.run("delete from notes where id <= ?", number - NOTES_KEPT)


def now_ns() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()
