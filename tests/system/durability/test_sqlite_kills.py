"""A kill at any step of SQLite leaves each change of a :class:`SqliteFile` whole."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from openoutcry.wire import sqlite_file
from openoutcry.wire.sqlite_file import Schema, SqliteFile

BOOK = "create table if not exists account (name text primary key, units integer not null)"
LOG = "create table if not exists moves (number integer primary key, units integer not null)"
MOVES = Schema("what accounts hold", 77, f"{BOOK};\n{LOG}", 2)
ROUNDS = 4


def move(file):
    """Bob pays one unit to Alice, by three statements of one change."""
    with file.change():
        file.run("update account set units = units - 1 where name = 'bob'")
        file.run("update account set units = units + 1 where name = 'alice'")
        file.insert("moves", units=1)


def run_until_killed(path, at_step, journal_mode, pipe):
    """Bring the file up and move units, in a process that kills itself at a step of SQLite's
    machine: an instruction of any statement.  A byte in the pipe follows each commit."""
    steps, connect = [0], sqlite3.connect

    def step():
        steps[0] += 1
        if steps[0] == at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    def connected(name, **terms):
        connection = connect(name, **terms)
        if name == path:
            connection.set_progress_handler(step, 1)
        return connection

    sqlite_file.sqlite3.connect = connected
    with SqliteFile(path, MOVES, journal_mode=journal_mode) as file:
        for _ in range(ROUNDS):
            move(file)
            os.write(pipe, b"x")


def killed(path, at_step, journal_mode):
    """The child's commits; and whether it came to its end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            run_until_killed(path, at_step, journal_mode, write)
        finally:
            os._exit(0)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as pipe:
        commits = len(pipe.read())
    assert status in (0, signal.SIGKILL)
    return commits, status == 0


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_kill_at_any_step_leaves_each_change_whole(tmp_path, journal_mode):
    """From a file of the layout before, which lacks a table: each seventh step, to the end."""
    at_step, is_over, seen = 1, False, set()
    while not is_over:
        path = tmp_path / f"{at_step}.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            accounts = "insert into account values ('alice', 0), ('bob', 10)"
            connection.executescript(f"{BOOK}; {accounts}; pragma user_version = 1")
        commits, is_over = killed(path, at_step, journal_mode)
        with SqliteFile(path, MOVES, journal_mode=journal_mode) as file:
            units = {row["name"]: row["units"] for row in file.rows("select * from account")}
            moved = int(file.value("select count(*) from moves"))
            assert units == {"alice": moved, "bob": 10 - moved}
            assert commits <= moved <= commits + 1
            seen.add(moved)
            move(file)
        SqliteFile.remove(path)
        at_step += 7
    assert commits == ROUNDS
    assert seen == set(range(ROUNDS + 1)), "the kills met every change"
