"""What custody knows, in one SQLite file: durable and whole at each commit.

Several processes use it, each with a connection.  Amounts are text: those of some chains pass
63 bits.
"""

import time
from pathlib import Path

from openoutcry.custody.errors import CustodyError
from openoutcry.wire.sqlite_file import Schema, SqliteFile, StoreError, WrongFileError
from openoutcry.wire.text import printable

NAME = "custody.sqlite"
TABLES = """
create table if not exists blocks (
    chain text not null, height integer not null, hash text not null, parent text not null,
    time_s integer not null, primary key (chain, height)
) without rowid;
create table if not exists addresses (
    chain text not null, branch integer not null, place integer not null, address text not null,
    participant integer, purpose text not null, given_ns integer not null,
    primary key (chain, branch, place), unique (chain, address)
) without rowid;
create table if not exists outputs (
    chain text not null, txid text not null, place integer not null, address text not null,
    amount text not null, height integer, spent_by text, spent_height integer,
    primary key (chain, txid, place)
) without rowid;
create index if not exists outputs_unspent on outputs (chain) where spent_height is null;
create table if not exists deposits (
    reference text primary key, chain text not null, txid text not null, place integer not null,
    generation integer not null, token text not null, asset text not null, participant integer,
    address text not null, amount text not null, units integer not null, state text not null,
    height integer, block text, asked text not null, venue text not null, why text not null,
    changed_ns integer not null, unique (chain, txid, place, generation)
) without rowid;
create index if not exists deposits_moving on deposits (chain, state);
create index if not exists deposits_by_owner on deposits (participant, changed_ns);
create index if not exists deposits_by_address on deposits (chain, address);
create table if not exists owners (
    participant integer primary key, owner integer not null
) without rowid;
create table if not exists withdrawals (
    reference text primary key, chain text not null, asset text not null,
    participant integer not null, address text not null, amount text not null,
    units integer not null, salt text not null, state text not null, score integer not null,
    why text not null, draft integer, asked_ns integer not null, changed_ns integer not null,
    code text not null default ''
) without rowid;
create index if not exists withdrawals_by_owner on withdrawals (participant, changed_ns);
create table if not exists askers (
    reference text primary key, device text not null, changes text not null, disputed_ns integer
) without rowid;
create index if not exists withdrawals_by_state on withdrawals (state);
create table if not exists approvals (
    reference text not null, person text not null, at_ns integer not null,
    primary key (reference, person)
) without rowid;
create table if not exists drafts (
    id integer primary key, chain text not null, purpose text not null, state text not null,
    identity text not null, body text not null, fee text not null, conflicts text not null,
    payments text not null, replaces integer, notes text not null, number integer, txid text,
    raw text, height integer, why text not null, made_ns integer not null,
    sent_ns integer
);
create index if not exists drafts_open on drafts (chain, state);
create table if not exists whitelist (
    chain text not null, participant integer not null, address text not null,
    label text not null, added_ns integer not null, usable_ns integer not null,
    announced_ns integer, primary key (chain, participant, address)
) without rowid;
create table if not exists breaker (
    id integer primary key, tripped_ns integer not null, why text not null, lifted_ns integer
);
create table if not exists lifts (
    breaker integer not null, person text not null, at_ns integer not null,
    primary key (breaker, person)
) without rowid;
create table if not exists notes (
    id integer primary key, at_ns integer not null, kind text not null, subject text not null,
    text text not null
);
create table if not exists cases (
    id integer primary key, kind text not null, subject text not null, participant integer not null,
    asset text not null, units integer not null, text text not null, at_ns integer not null,
    referred integer not null
);
create table if not exists refills (
    id integer primary key, asset text not null, units integer not null, address text not null,
    asked_ns integer not null, usable_ns integer, built_ns integer
);
create table if not exists words (name text primary key, value text not null) without rowid;
"""
NOTES_KEPT, SWEPT = 10_000, 100
"""Alarms, and as many other notes, that are kept; notes between two looks for older ones."""
MOST_TEXT = 2_000
"""Characters of a note."""
ALARMS = 20
"""Alarms about one subject that may come by turns: none of them is repeated."""
UPGRADES = {
    1: ("alter table whitelist add column announced_ns integer",),
    4: ("alter table withdrawals add column code text not null default ''",),
    5: (
        "create table if not exists askers (reference text primary key, device text not null, "
        "changes text not null, disputed_ns integer) without rowid",
        # A device was known from its first request.  Of those only the oldest is believed, as that
        # of what has arrived.
        "create table if not exists devices (participant integer, device text, first_ns integer)",
        "insert or ignore into askers select reference, coalesce((select device from devices where "
        "devices.participant = withdrawals.participant order by first_ns limit 1), ''), '', null "
        "from withdrawals where state = 'done'",
        "drop table devices",
    ),
}
"""What a layout needs before the tables that it lacks are made."""
SCHEMA = Schema("what custody knows", 0x4F4F4355, TABLES, 7, UPGRADES)


class Store(SqliteFile):
    """One connection; one thread."""

    def __init__(self, folder: Path) -> None:
        """Raises :class:`CustodyError` for a file that this build cannot use, and
        :class:`StoreError` while the disk does not give it."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder / NAME}: {error}") from None
        try:
            super().__init__(folder / NAME, SCHEMA)
        except WrongFileError as error:
            raise CustodyError(str(error)) from None

    def word(self, name: str) -> str:
        """A value that was stored by :meth:`set_word`, or nothing."""
        found = self.row("select value from words where name = ?", name)
        return "" if found is None else str(found["value"])

    def set_word(self, name: str, value: str) -> None:
        """Store a value by its name, in the place of the one before."""
        self.run("insert or replace into words values (?, ?)", name, value)

    def note(self, kind: str, subject: str, text: str) -> None:
        """Store a note that the console shows; the same as the last of its kind about this subject,
        or as one of the last alarms about it, is not repeated.  A node or a signer may have said a
        part of it."""
        text = printable(text[:MOST_TEXT])
        query = "select text from notes where kind = ? and subject = ? order by id desc limit ?"
        last = self.rows(query, kind, subject, ALARMS if kind == "alarm" else 1)
        if text in [row["text"] for row in last]:
            return
        number = self.insert("notes", at_ns=now_ns(), kind=kind, subject=subject, text=text)
        if number % SWEPT == 0:
            # Alarms apart: what anyone can send to a wallet is noted, and puts none of them out.
            query = (
                "delete from notes where (kind = 'alarm') = ? and id <= (select id from notes "
                "where (kind = 'alarm') = ? order by id desc limit 1 offset ?)"
            )
            for is_alarm in (False, True):
                self.run(query, is_alarm, is_alarm, NOTES_KEPT)


def now_ns() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()
