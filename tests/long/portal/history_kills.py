"""Kills of the projector, of the database and of the notifier; and how fast the history is.

    python -m tests.long.portal.history_kills --kills 1000 --folder FOLDER [--seconds 600]

The folder keeps what was done: the same command continues after a stop, without the round that was
under way.  Each round follows a generated journal with real processes that are killed at random
moments of their work, and then compares: every row by its digest with a history that was written
undisturbed, every notification by its id.  Of the database a kill ends every connection, or, each
fifth, the server, as a power cut does.  With ``--evidence`` the figures of all rounds go to
docs/evidence/history.json.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg

from openoutcry.portal.database import migrate, start_embedded, wait_until_ready
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history import schema
from openoutcry.portal.history.pages import Pages, Span
from openoutcry.portal.history.projector import LOCK as PROJECTOR_LOCK
from openoutcry.portal.history.projector import digest, follow
from openoutcry.portal.notices.notifier import LOCK as NOTIFIER_LOCK
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.file import read_venue
from tests.support.pipeline import warm_outcry
from tests.support.portal.generated import FIRST, Generated, generated_market
from tests.support.processes import OUTCRY
from tests.support.waiting import wait_until

PEOPLE, ORDERS, DAYS = 20, 6_000, 3
ROUNDS_A_MARKET = 10
SPEED_ORDERS = 800_000
KINDS = ("projector", "database", "notifier")
LOCKS = {"projector": PROJECTOR_LOCK, "notifier": NOTIFIER_LOCK}
"""A process that works holds its own in the database."""
AFTER_S = 0.6
"""The longest from the begin of a process's work to its kill."""
CRASH_EVERY = 5
NO_HISTORY = psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName
MIGRATED = "migrated"
"""The database that others are copies of."""
END_CONNECTIONS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""


class Rounds:
    """What was done so far, on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "rounds.json"
        self.done: dict[str, Any] = {"kills": dict.fromkeys(KINDS, 0), "rounds": 0}
        self.done["crashes_of_the_server"] = 0
        self.done |= {"differing_digests": 0, "notices_missing": 0, "notices_doubled": 0}
        if self.path.exists():
            self.done = json.loads(self.path.read_text())

    @property
    def kills(self) -> int:
        return int(sum(self.done["kills"].values()))

    def add(self, kills: dict[str, int], crashes: int, found: dict[str, int]) -> None:
        """A round that was compared, on disk at once."""
        for kind, count in kills.items():
            self.done["kills"][kind] += count
        self.done["rounds"] += 1
        self.done["crashes_of_the_server"] += crashes
        for name, count in found.items():
            self.done[name] += count
        self.keep()

    def keep(self) -> None:
        """Write it to the disk."""
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.done))
        part.replace(self.path)


class Looks:
    """Questions to a database over one connection, which is opened again after a crash."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: Any = None

    def ask(self, query: str, *values: Any) -> Any:
        """The first row; None: there is none, or no such table, or no server."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.url, autocommit=True)
            return self._connection.execute(query, values).fetchone()
        except (*NO_HISTORY, psycopg.OperationalError):
            return None

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()


def fresh(url: str, name: str) -> str:
    """A database with the portal's empty tables, copied from one that was migrated before."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = "select from pg_database where datname = %s"
        if connection.execute(query, (MIGRATED,)).fetchone() is None:
            connection.execute(f"create database {MIGRATED}")
            migrate(url.replace("/postgres?", f"/{MIGRATED}?"))
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name} template {MIGRATED}")
    return url.replace("/postgres?", f"/{name}?")


def started(file: Path, url: str, command: str, *options: str) -> subprocess.Popen[str]:
    process = warm_outcry.Process(
        [*OUTCRY, "portal", command, str(file), "--database=-", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{url}\n")
    process.stdin.close()
    return process


def crash(server: Any) -> None:
    """End the server without a checkpoint, as a power cut does, and start it."""
    pid = server.get_pid()
    psutil.Process(pid).send_signal(signal.SIGQUIT)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [])
    # The package waits for ten seconds, which a busy machine takes; then it finds the server.
    with suppress(subprocess.TimeoutExpired, AssertionError):
        server.ensure_postgres_running()
    wait_until_ready(server.pgdata)
    server.ensure_postgres_running()


def works(looks: Looks, kind: str) -> bool:
    """Whether a process holds its lock."""
    query = """
        select from pg_locks where locktype = 'advisory' and granted and objid = %s
          and database = (select oid from pg_database where datname = current_database())
    """
    return looks.ask(query, LOCKS[kind]) is not None


def is_done(looks: Looks, commands: int) -> bool:
    """Whether all is in the history, and every mail is sent."""
    query = """
        select (select seq from history.position) >= %s
          and (select changes from notice_sources)
              = (select max(event_seq) from history.order_changes)
          and not exists (select from notice_targets where newest_id > sent_id)
    """
    row = looks.ask(query, commands)
    return bool(row and row[0])


def one_round(url: str, server: Any, folder: Path, rounds: Rounds) -> None:
    """Follow a journal with kills, then compare."""
    seed = 100 + rounds.done["rounds"]
    made, wanted = market_of(url, folder, seed // ROUNDS_A_MARKET)
    wild = fresh(url, "wild")
    sign_up(wild, made)
    looks, rng = Looks(wild), np.random.default_rng([seed, 1])
    running: dict[str, subprocess.Popen[str]] = {}
    kills, crashes, seq, after_s = dict.fromkeys(KINDS, 0), 0, 0, AFTER_S
    try:
        while not is_done(looks, made.commands):
            for name, command in (("projector", "history"), ("notifier", "notifier")):
                if name not in running or running[name].poll() is not None:
                    running[name] = started(made.file.path, wild, command)
            kind = KINDS[int(rng.integers(0, len(KINDS)))]
            for one in LOCKS if kind == "database" else [kind]:
                until_working(looks, one, running[one], made.commands)
            time.sleep(float(rng.uniform(0, after_s)))
            # On a busy machine a process comes to nothing in so short a time.
            before, (seq,) = seq, looks.ask("select seq from history.position") or (0,)
            after_s = AFTER_S if seq > before else 1.2 * after_s
            if kind != "database":
                running[kind].kill()
                running[kind].wait()
            elif kills[kind] % CRASH_EVERY == 0:
                crash(server)
                crashes += 1
            else:
                looks.ask(END_CONNECTIONS)
            kills[kind] += 1
    finally:
        looks.close()
        for process in running.values():
            process.kill()
            process.wait()
    rounds.add(kills, crashes, compared(wild, wanted, folder_of(made.file)))


def market_of(url: str, folder: Path, seed: int) -> tuple[Generated, str]:
    """A market, and the digest of its history as it is written undisturbed: made once."""
    folder, done = folder / str(seed), folder / str(seed) / "digest.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made = generated_market(folder, PEOPLE, ORDERS, seed, DAYS, block=200)
        make_folder(folder_of(made.file))
        calm = fresh(url, "calm")
        follow(made.file, calm, once=True)
        with psycopg.connect(calm) as connection:
            done.write_text(json.dumps([made.commands, digest(connection)]))
    commands, wanted = json.loads(done.read_text())
    file = read_venue(folder / "venue.toml")
    shutil.rmtree(folder_of(file))
    make_folder(folder_of(file))
    return Generated(file, range(FIRST, FIRST + PEOPLE), commands), wanted


def sign_up(url: str, made: Generated) -> None:
    """Every person has an account, and asks for mails."""
    settings = json.dumps({"order": ["mail"], "deposit": ["mail"]})
    with psycopg.connect(url, autocommit=True) as connection:
        for who in made.people:
            connection.execute(
                "insert into users (id, mail, password_hash, is_verified, is_open, participant) "
                "overriding system value values (%s, %s, 'x', true, true, %s)",
                (who, f"p{who}@example.com", who),
            )
            connection.execute(
                "insert into notice_settings (user_id, events) values (%s, %s)", (who, settings)
            )


def until_working(looks: Looks, kind: str, process: Any, commands: int) -> None:
    """Or it has ended, or there is nothing left to do: then a projector does not notice that its
    connection, and with it its lock, is gone."""
    wait_until(
        lambda: process.poll() is not None or works(looks, kind) or is_done(looks, commands), kind
    )


def compared(url: str, wanted: str, folder: Path) -> dict[str, int]:
    """Rows with those of an undisturbed history; mails with the notices."""
    with psycopg.connect(url) as connection:
        differs = digest(connection) != wanted
        query = "select key from notices where 'mail' = any(channels)"
        keys = [row[0] for row in connection.execute(query)]
    sent = mailed(folder)
    return {
        "differing_digests": int(differs),
        "notices_missing": len(set(keys) - set(sent)),
        "notices_doubled": len(keys) - len(set(keys)),
    }


def mailed(folder: Path) -> list[str]:
    """Ids of notices in the mails of a portal, in order; one that was sent twice is there twice."""
    sent = []
    for line in (folder / "mails.jsonl").read_text().splitlines():
        text = json.loads(line)["text"]
        sent += [row.rpartition(" id ")[2] for row in text.splitlines() if " UTC, id " in row]
    return sent


class Clock:
    """Seconds since it was made, and processor time of this process and of the database."""

    def __init__(self, server: Any) -> None:
        self.server = psutil.Process(server.get_pid())
        self.begun = self._now()

    def _now(self) -> np.ndarray:
        # The time of a process of a connection is its parent's as soon as it has ended.
        children, at_server = None, 0.0
        while children != (children := self.server.children()):
            with suppress(psutil.NoSuchProcess):
                times = [self.server.cpu_times()[:4], *(one.cpu_times()[:2] for one in children)]
                at_server = float(sum(map(sum, times)))
        return np.array([time.monotonic(), time.process_time(), at_server])

    @property
    def passed(self) -> list[float]:
        """Wall, this process, the database."""
        return list((self._now() - self.begun).tolist())


def speed(url: str, server: Any, folder: Path) -> dict[str, Any]:
    """Trades a second of a history that is made again, and times of pages, here and now."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = generated_market(folder, 200, SPEED_ORDERS, 1, 5)
    target = fresh(url, "speed")
    clock = Clock(server)
    follow(made.file, target, once=True, rebuild=True)
    took, own, at_server = clock.passed
    with psycopg.connect(target) as connection:
        row = connection.execute("select count(*) from history.trades").fetchone()
        assert row is not None
    return {
        "rebuilt_trades": row[0],
        "rebuild_trades_per_s": round(row[0] / took),
        "rebuild_own_processor_us_a_trade": round(1e6 * own / row[0], 1),
        "rebuild_server_processor_us_a_trade": round(1e6 * at_server / row[0], 1),
        "load_average": round(os.getloadavg()[0], 1),
        **copy_alone(url, target, server, row[0]),
        "page_ms_p99": page_ms(target, list(made.people)),
    }


def copy_alone(url: str, target: str, server: Any, trades: int) -> dict[str, Any]:
    """How fast PostgreSQL takes the same rows, ready as they are, into the same tables: with their
    keys, and without."""
    tables = [table for table in schema.BY_DAY if table not in schema.CANDLES]
    data = {}
    with psycopg.connect(target, autocommit=True) as connection:
        schema.use(connection)
        days = {table: schema.days(connection, table) for table in ("trades", "transactions")}
        for table in ("orders", *tables, *schema.CANDLES, "transactions"):
            statement = f"copy (select * from {table}) to stdout (format binary)"
            with connection.cursor().copy(statement) as copy:
                data[table] = b"".join(bytes(part) for part in copy)
    found: dict[str, Any] = {}
    for what, name in (("copy_alone", schema.NAME), ("copy_without_keys", schema.NEW)):
        with psycopg.connect(fresh(url, "copied"), autocommit=True) as connection:
            schema.create(connection, "copied", 0, name)
            for day in days["trades"]:
                schema.add_day(connection, day)
            for day in days["transactions"]:
                schema.add_day(connection, day, ("transactions",))
            clock = Clock(server)
            with connection.transaction():
                for table, rows in data.items():
                    statement = f"copy {table} from stdin (format binary)"
                    with connection.cursor().copy(statement) as copy:
                        copy.write(rows)
            took, _, at_server = clock.passed
        found[f"{what}_trades_per_s"] = round(trades / took)
        found[f"{what}_server_processor_us_a_trade"] = round(1e6 * at_server / trades, 1)
    return found


def page_ms(url: str, people: list[int]) -> float:
    """The 99th percentile of pages of 100 orders and fills of random users."""
    import asyncio

    from openoutcry.portal.database import Database

    async def ask() -> list[float]:
        database, rng, times = Database(url), np.random.default_rng(1), []
        pages = Pages(database)
        for _ in range(300):
            who = people[int(rng.integers(0, len(people)))]
            begun = time.perf_counter()
            await pages.orders_before(who, None, "all", "", Span(), 0, 101)
            times.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await pages.fills_before(who, None, 0, Span(), None, 101)
            times.append(time.perf_counter() - begun)
        await database.close()
        return times

    return round(float(np.percentile(asyncio.run(ask()), 99)) * 1_000, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--speed", action="store_true", help="Measure the speed, too.")
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rounds, until_s = Rounds(options.folder), time.monotonic() + options.seconds
    url, server = start_embedded(options.folder / "postgresql")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            # Made by an earlier version it may have other tables.
            connection.execute(f"drop database if exists {MIGRATED}")
            # A server that dies has handed all that it wrote to the system: only one that loses
            # its power needs it on the disk.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        if options.speed:
            rounds.done |= speed(url, server, options.folder / "speed")
            rounds.keep()
            print(json.dumps(rounds.done), flush=True)
        while rounds.kills < options.kills and time.monotonic() < until_s:
            one_round(url, server, options.folder / "markets", rounds)
            print(json.dumps(rounds.done), flush=True)
    finally:
        server.cleanup()
    if options.evidence:
        figures = {**rounds.done, "kills": rounds.kills, "kills_by_kind": rounds.done["kills"]}
        command = "python -m tests.long.portal.history_kills --folder FOLDER"
        command += f" --kills {rounds.kills}{' --speed' * ('rebuilt_trades' in rounds.done)}"
        write_evidence("history", figures, command)


if __name__ == "__main__":
    main()
