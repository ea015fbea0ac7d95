"""A ledger in files or a database: followed, killed, begun again, it is the rebuilt one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pytest

from openoutcry.journal import Journal
from openoutcry.ledger import follow as following
from openoutcry.ledger.follow import Follower
from openoutcry.ledger.ledger_state import at, folder_of
from openoutcry.ledger.parquet_store import ParquetStore, connect
from openoutcry.ledger.postgresql import PostgresStore
from openoutcry.ledger.transactions import transactions
from openoutcry.wire.errors import LedgerError
from tests.support.ledger import ledger_flow as flow
from tests.support.ledger.follow import EVERY, once
from tests.support.ledger.ledger_invariants import files
from tests.support.ledger.postgresql_server import postgresql
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S, wait_until

ALL = "select * from transactions order by event_seq, part"


@pytest.fixture(scope="module")
def rebuilt(day, tmp_path_factory):
    home = shutil.copytree(day, tmp_path_factory.mktemp("rebuilt") / "day")
    once(home)
    return home


def test_what_is_in_the_files_is_what_was_posted(rebuilt):
    ledger_state = at(rebuilt)
    rows = np.concatenate(list(transactions(rebuilt, ledger_state)))
    connection = connect(folder_of(rebuilt))
    table = connection.sql(ALL).to_arrow_table()
    assert table.num_rows == len(rows)
    for name in ("event_seq", "part", "available", "clearing", "lots_reserved", "ts_ns"):
        assert (table[name].to_numpy() == rows[name]).all()
    sums = dict(connection.sql("select asset, sum(amount) from postings group by asset").fetchall())
    assert len(sums) == 9
    assert set(sums.values()) == {0}
    balances = connection.sql("select * from balances").fetchall()
    books = {
        (place.participant if place.owner else -1, ledger_state.books.assets[place.asset]): True
        for place, _ in ledger_state.books.nonzero_balances()
    }
    assert {row[:2] for row in balances} == set(books)
    assert sum(1 for _ in ledger_state.books.nonzero_balances()) == len(balances)
    connection.close()


def test_live_in_small_steps_is_rebuilt_byte_for_byte(rebuilt, tmp_path, monkeypatch):
    """The journal grows beside the follower, which is dropped and begun anew at any place."""
    monkeypatch.setattr(following, "FLUSH_S", -1.0)
    orders, home = flow.draw(flow.COMMANDS, 11), tmp_path / "day"
    limits = [{"set": "DEPOSIT", "value": 10**6, "who": 7}]
    rng, at_seq = random.Random(3), 0
    writer = Journal.create(home, flow.config(limits=limits), segment_bytes=1 << 22, direct=False)
    with writer:
        follower = None
        while at_seq < len(orders):
            part = orders[at_seq : at_seq + rng.randint(1, 4_000)]
            writer.append(at_seq + 1, [part], len(part), 1_000)
            at_seq += len(part)
            if follower is None or rng.random() < 0.4:
                follower = Follower(home, ParquetStore(folder_of(home)), EVERY)
            follower.advance(follow=True)
            follower.flush()
            shown = connect(folder_of(home))
            last = shown.sql(
                "select max(cause_seq), count(*) - count(distinct (event_seq, part)) "
                "from transactions"
            ).fetchall()[0]
            shown.close()
            assert last[1] == 0
            assert at_seq - 60 <= last[0] <= at_seq
    once(home)
    ours, theirs = files(home), files(rebuilt)
    ours.pop("manifest.json"), theirs.pop("manifest.json")
    assert ours == theirs


def killed_again_and_again(home, more, kills):
    """Followers of a journal, each killed at some moment; the last may end."""
    words = [
        sys.executable,
        "-m",
        "openoutcry",
        "ledger",
        "follow",
        str(home),
        "--once",
        "--every",
        "2000",
        *more,
    ]
    rng = random.Random(7)
    for _ in range(kills):
        child = warm_outcry.Process(words, stdout=subprocess.DEVNULL)
        watched, before = time.monotonic(), len(list(folder_of(home).glob("checkpoint-*")))
        # Kill only once it has come to its work, wherever that then is.
        while child.poll() is None and time.monotonic() - watched < 60:
            if len(list(folder_of(home).glob("checkpoint-*"))) > before:
                break
            time.sleep(0.01)
        time.sleep(rng.random() * 0.2)
        child.kill()
        child.wait()
    done = warm_outcry.run_command(words)
    assert done.returncode == 0, done.stderr
    assert f"posted up to command {flow.COMMANDS:,}" in done.stdout


def test_a_folder_of_another_journal_is_refused(rebuilt, tmp_path):
    other = flow.write_journal(tmp_path / "other", flow.draw(100, 1))
    shutil.copytree(folder_of(rebuilt), folder_of(other))
    with pytest.raises(LedgerError, match="is the ledger of journal"):
        once(other)
    with pytest.raises(LedgerError, match="is not a store"):
        once(other, "mysql://x")


def test_a_follower_waits_for_a_full_disk_and_continues_by_itself(
    day, rebuilt, tmp_path, monkeypatch
):
    """What is then there is what one has that never met a full disk."""
    home, messages = shutil.copytree(day, tmp_path / "day"), []
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if 7 <= len(calls) < 12:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(following, "RETRY_S", 0.0)
    monkeypatch.setattr(Follower, "waits", True)
    follower = Follower(home, ParquetStore(folder_of(home)), EVERY, messages.append)
    follower.advance()
    follower.store.finish()
    assert len(calls) > 12
    assert {text.partition(": ")[2] for text in messages[:-1]} == {
        "No space left on device: nothing was written; waiting for it"
    }
    assert messages[-1] == "the store is back"
    assert files(home) == files(rebuilt)


# PostgreSQL


@pytest.fixture(scope="module")
def server():
    with postgresql() as url:
        yield url


@pytest.fixture
def database(server):
    """An empty database."""
    import psycopg

    name = f"ledger{random.getrandbits(40)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    parts = urlsplit(server)
    yield urlunsplit(parts._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def rows_of(url):
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("set search_path to outcry_ledger")
        return connection.execute(ALL).fetchall()


def test_postgresql_has_what_the_files_have(rebuilt, database, tmp_path):
    import psycopg

    home = shutil.copytree(rebuilt, tmp_path / "day")
    killed_again_and_again(home, ["--ledger", database], 1)
    connection = connect(folder_of(rebuilt))
    wanted = connection.sql(ALL).fetchall()
    connection.close()
    assert rows_of(database) == wanted
    once(home, database)
    assert len(rows_of(database)) == len(wanted)
    # Days that are over have the indexes of trades, orders and busts, today has not yet.
    query = (
        "select tablename, count(*) from pg_indexes where schemaname = 'outcry_ledger' and "
        "tablename like 'transactions_%' group by 1 order by 1"
    )
    with psycopg.connect(database) as session:
        counts = [count for _, count in session.execute(query).fetchall()]
    assert counts == [5] * (len(counts) - 1) + [2]
    assert len(counts) > 30


def test_a_database_that_goes_away_in_mid_batch_is_waited_for(rebuilt, database, monkeypatch):
    """The backend is ended while it copies; the batch is then sent again, once."""
    import psycopg

    messages = []
    monkeypatch.setattr(following, "RETRY_S", 0.01)
    monkeypatch.setattr(Follower, "waits", True)
    real, sent = PostgresStore._encoded, []

    def dying(self, rows):
        sent.append(len(rows))
        if len(sent) in (1, 3):
            pid = self._connection.info.backend_pid
            with psycopg.connect(database, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s)", (pid,))
        return real(self, rows)

    monkeypatch.setattr(PostgresStore, "_encoded", dying)
    follower = Follower(rebuilt, PostgresStore(database), EVERY, messages.append)
    follower.advance()
    follower.flush()
    follower.store.close()
    assert any("the connection to the database is lost" in text for text in messages)
    assert messages[-1] == "the store is back"
    connection = connect(folder_of(rebuilt))
    assert rows_of(database) == connection.sql(ALL).fetchall()
    connection.close()


def test_somebody_else_s_database_is_not_touched(rebuilt, database, tmp_path):
    import psycopg

    other = flow.write_journal(tmp_path / "other", flow.draw(100, 1))
    once(other, database)
    with pytest.raises(LedgerError, match="the database is the ledger of journal"):
        once(rebuilt, database)
    with psycopg.connect(database) as connection:
        connection.execute("drop schema outcry_ledger cascade")
        connection.execute("create schema outcry_ledger")
    with pytest.raises(LedgerError, match="of another program"):
        once(rebuilt, database)


def test_a_database_that_is_not_there_is_reported(outcry, rebuilt):
    done = outcry("ledger", "follow", rebuilt, "--once", "--ledger", "postgresql://x@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "the connection to the database is lost" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_follows_until_it_is_asked_to_end(day, rebuilt, tmp_path):
    home = Path(shutil.copytree(day, tmp_path / "day"))
    words = [sys.executable, "-m", "openoutcry", "ledger", "follow", str(home), "--every"]
    child = warm_outcry.Process([*words, str(EVERY)], stdout=subprocess.PIPE, text=True)
    folder = folder_of(home)
    wait_until(lambda: any(folder.glob("checkpoint-*")), "it has come to its work")
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=BOUND_S)
    assert child.returncode == 0
    assert "posted up to" in out
    once(home)
    assert files(home) == files(rebuilt)
