"""One class for SQLite files: older files open, others are refused by name and left as they are."""

import sqlite3
from contextlib import closing

import pytest

from openoutcry.custody import signer_policy, store
from openoutcry.custody.evm import broadcaster
from openoutcry.routing import parents
from openoutcry.venue import funding_book
from openoutcry.wire.sqlite_file import Schema, SqliteFile, StoreError, WrongFileError
from tests.support import sqlite_layouts as old

SCHEMAS = (
    store.SCHEMA,
    signer_policy.SCHEMA,
    broadcaster.SCHEMA,
    parents.SCHEMA,
    funding_book.SCHEMA,
)
OLD = [
    *(
        (f"custody {number + 2}", store.SCHEMA, number + 2, "".join(old.CUSTODY[: number + 1]))
        for number in range(4)
    ),
    ("signer", signer_policy.SCHEMA, 0, old.SIGNER),
    ("signer killed while it made the file", signer_policy.SCHEMA, 0, old.SIGNER[:300]),
    ("gas", broadcaster.SCHEMA, 0, old.GAS),
    ("parents", parents.SCHEMA, 0, old.PARENTS),
    ("funding", funding_book.SCHEMA, 1, old.FUNDING),
]
BOOK = "create table if not exists account (name text primary key, units integer not null)"
LOG = "create table if not exists moves (number integer primary key, units integer not null)"
MOVES = Schema("what accounts hold", 77, f"{BOOK};\n{LOG}", 2)


def made_by_old_code(path, version, tables):
    """A file with one row in each table; returns the rows."""
    with closing(sqlite3.connect(path)) as connection:
        complete = tables[: tables.rindex(";") + 1]
        connection.executescript(complete + f"pragma user_version = {version}")
        for (name,) in connection.execute("select name from sqlite_master where type = 'table'"):
            columns = connection.execute("select type from pragma_table_info(?)", (name,))
            values = [
                {"integer": 5, "text": "x", "blob": b"y"}[kind.lower()] for (kind,) in columns
            ]
            marks = ", ".join("?" * len(values))
            connection.execute(f"insert into {name} values ({marks})", values)
        connection.commit()
        return dumped(connection)


def dumped(connection):
    """Every row of every table, as a dictionary."""
    names = "select name from sqlite_master where type = 'table' order by name"
    found = {}
    for (name,) in connection.execute(names).fetchall():
        cursor = connection.execute(f"select * from {name}")
        keys = [column[0] for column in cursor.description]
        found[name] = [dict(zip(keys, row, strict=True)) for row in cursor]
    return found


@pytest.mark.parametrize(
    ("schema", "version", "tables"), [o[1:] for o in OLD], ids=[o[0] for o in OLD]
)
def test_a_file_of_an_older_release_opens_with_its_rows(tmp_path, schema, version, tables):
    path = tmp_path / "old.sqlite"
    before = made_by_old_code(path, version, tables)
    for _ in range(2):
        with SqliteFile(path, schema) as file:
            after = dumped(file.connection)
            assert file.value("pragma user_version") == schema.version
            assert file.value("pragma application_id") == schema.application_id
    assert set(before) - set(after) <= {"devices"}
    for name in set(before) & set(after):
        assert [row | before[name][0] for row in after[name]] == after[name]


def text(path):
    path.write_text("no database\n" * 100)


def torn(path):
    with SqliteFile(path, MOVES) as file:
        file.insert("account", name="alice", units=1)
    path.write_bytes(path.read_bytes()[:-5000])


def header_alone(path):
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4080)


def of_another_program(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table bookmarks (url text)")


def named_by_another_program(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("pragma application_id = 7; create table account (name, units)")


def with_a_layout_of_its_own(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("pragma user_version = 1; create table moves (url text)")


def same_tables_other_columns(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("create table account (owner text); create table moves (x text)")


def newer(path):
    SqliteFile(path, Schema("what accounts hold", 77, f"{BOOK};\n{LOG}", 3)).close()


def below_zero(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = -1")


def without_a_table(path):
    with SqliteFile(path, MOVES) as file:
        file.run("drop table moves")


BAD = {
    text: "not a database",
    torn: "malformed|not a database|lacks",
    header_alone: "not a database|malformed|unsupported",
    of_another_program: "does not keep what accounts hold: it has the table bookmarks",
    named_by_another_program: "does not keep what accounts hold: its application id is 0x7",
    with_a_layout_of_its_own: "does not keep what accounts hold: it lacks moves",
    same_tables_other_columns: "does not keep what accounts hold: it lacks account",
    newer: "another build \\(layout 3; this one reads layouts up to 2\\)",
    below_zero: "another build \\(layout -1;",
    without_a_table: "does not keep what accounts hold: it lacks moves",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_file_that_is_not_ours_is_refused_by_name_and_keeps_its_rows(tmp_path, make):
    path = tmp_path / "bad.sqlite"
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(WrongFileError, match=f"bad.sqlite: .*({BAD[make]})"):
            SqliteFile(path, MOVES)
    if make in (with_a_layout_of_its_own, same_tables_other_columns):
        with closing(sqlite3.connect(path)) as connection:
            assert {name: rows for name, rows in dumped(connection).items() if rows} == {}
            assert connection.execute("pragma application_id").fetchone() == (0,)
    else:
        assert path.read_bytes() == before


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.keeps)
def test_the_file_of_one_store_is_refused_by_every_other(tmp_path, schema):
    path = tmp_path / "one.sqlite"
    SqliteFile(path, schema).close()
    for other in SCHEMAS:
        if other is not schema:
            with pytest.raises(WrongFileError, match="application id"):
                SqliteFile(path, other)
    SqliteFile(path, schema).close()


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "a.sqlite"):
        with pytest.raises(StoreError, match=f"{path}: unable to open"):
            SqliteFile(path, MOVES)


def test_an_exclusive_file_has_one_process_and_another_file_one_writer_at_a_time(tmp_path):
    path = tmp_path / "a.sqlite"
    with SqliteFile(path, MOVES, is_exclusive=True), pytest.raises(StoreError, match="locked"):
        SqliteFile(path, MOVES, wait_s=0)
    with SqliteFile(path, MOVES, wait_s=0) as one, SqliteFile(path, MOVES, wait_s=0) as other:
        with one.change(), pytest.raises(StoreError, match="database is locked"):
            other.run("insert into account values ('bob', 1)")
        two = [("alice", 5), ("alice", 6)]
        with pytest.raises(StoreError, match="UNIQUE"), one.change():
            one.run_many("insert into account values (?, ?)", two)
        assert other.rows("select * from account") == []


def test_a_reader_sees_only_a_file_of_its_layout(tmp_path):
    path = tmp_path / "a.sqlite"
    assert SqliteFile.reader(path, MOVES, 0) is None
    path.touch()
    assert SqliteFile.reader(path, MOVES, 0) is None, "it is being made"
    path.unlink()
    with SqliteFile(path, MOVES) as file:
        file.insert("account", name="alice", units=5)
        with SqliteFile.reader(path, MOVES, 0) as reader:
            assert reader.value("select units from account") == 5
        file.run("pragma user_version = 1")
    with pytest.raises(WrongFileError, match="its layout is 1, not 2"):
        SqliteFile.reader(path, MOVES, 0)


def test_a_removed_file_leaves_no_journal_for_the_next_one(tmp_path):
    path = tmp_path / "a.sqlite"
    for end in ("", "-wal", "-shm", "-journal"):
        (tmp_path / f"a.sqlite{end}").touch()
    SqliteFile.remove(path)
    assert list(tmp_path.iterdir()) == []
