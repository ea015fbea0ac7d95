"""Times of pages of a large history, and whether they stay the same while new rows arrive.

    python -m tests.long.portal.history_pages --trades 5000000 --folder FOLDER [--evidence]

Rows are made in the database, by the day, until there are as many as asked for: a journal with so
many would take hours to match.  They are in the tables and indices of the history.  The folder
keeps them: the same command goes on where it has stopped.  Each page is asked for as the portal
does: orders and fills of a random user, the newest or from a random cursor on.  A page from a
cursor on must be the same after a day with more rows came.  With ``--evidence`` the figures go to
docs/evidence/history_pages.json.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from openoutcry.portal.database import Database, migrate, start_embedded
from openoutcry.portal.history import schema
from openoutcry.portal.history.pages import Pages, Span
from openoutcry.report.evidence import write_evidence

FIRST_DAY, A_DAY = 20_000, 250_000
PAGE, LIMIT_MS = 100, 50
ORDERS = """
    insert into history.orders
    select n, 1000 + (hashint8(n) & 2147483647) %% %(users)s, n %% 3, n, 'c' || n, 1 + n %% 2, 1, 1,
        5000000 + n %% 1000, 10, 0, at, at, 'FILLED', 10, 50000000, 0, false, 0, 0, '', n
    from generate_series(%(first)s::bigint, %(last)s) as n,
        lateral (select %(begin)s + (n - %(first)s) * 100000000 as at) as moment
"""
FILLS = """
    insert into history.fills
    select %(day)s, number / 2, number, participant, instrument, price_ticks, 10, 5, 'USD',
        number %% 2 = 0, created_ns, number
    from history.orders where number between %(first)s and %(last)s
"""
TRADES = """
    insert into history.trades
    select %(day)s, instrument, number / 2, price_ticks, 10, created_ns / 1000000, true, number
    from history.orders where number between %(first)s and %(last)s and number %% 2 = 0
"""
CHANGES = """
    insert into history.order_changes
    select %(day)s, 2 * number + step, number, 'TRADE', 'FILLED', price_ticks, 10, 10, client_id,
        created_ns, number
    from history.orders, generate_series(0, 1) as step where number between %(first)s and %(last)s
"""


def begin(url: str) -> None:
    """Empty tables, if there are none."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('history.position')").fetchone()
        if row == (None,):
            migrate(url)
            schema.create(connection, "made", 0)


def made(url: str) -> int:
    """Trades that there are."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select seq from history.position").fetchone()
    assert row is not None
    return int(row[0]) // 2


def add_day(url: str, users: int) -> int:
    """One more day of trades; how many there are now."""
    trades = made(url)
    with psycopg.connect(url) as connection:
        first = 2 * trades + 2
        last, day = first + 2 * A_DAY - 1, FIRST_DAY + trades // A_DAY
        values = {
            "first": first,
            "last": last,
            "day": day,
            "users": users,
            "begin": day * 86_400 * 10**9,
        }
        schema.add_day(connection, day)
        for statement in (ORDERS, FILLS, TRADES, CHANGES):
            connection.execute(statement, values)
        connection.execute("update history.position set seq = %s", (last - 1,))
    return trades + A_DAY


Asked = tuple[str, int, int]


def questions(users: int, newest: int, count: int) -> list[Asked]:
    """The newest page of a user, or one from a random number on."""
    rng, found = np.random.default_rng(53), []
    for _ in range(count):
        who = 1_000 + int(rng.integers(0, users))
        before = int(rng.integers(1, newest)) if rng.random() < 0.7 else 0
        found.append(("orders" if rng.random() < 0.5 else "fills", who, before))
    return found


async def answers(url: str, asked: list[Asked]) -> tuple[list[list[int]], list[float]]:
    """The numbers on each page, and how long it took, in milliseconds."""
    database = Database(url)
    pages, numbers, times = Pages(database), [], []
    await pages.position()
    for what, who, before in asked:
        begun = time.perf_counter()
        found: Any
        if what == "orders":
            found = await pages.orders_before(who, None, "all", "", Span(), before, PAGE + 1)
            row = [order.number for order in found]
        else:
            found = await pages.fills_before(who, None, 0, Span(), before // 2, PAGE + 1)
            row = [fill.number for _, fill in found]
        times.append(1_000 * (time.perf_counter() - begun))
        numbers.append(row)
    await database.close()
    return numbers, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    until_s = time.monotonic() + options.seconds
    options.folder.mkdir(parents=True, exist_ok=True)
    url, server = start_embedded(options.folder / "postgresql")
    try:
        begin(url)
        trades = made(url)
        while trades < options.trades and time.monotonic() < until_s:
            trades = add_day(url, options.users)
            print(f"{trades:,} trades", flush=True)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("vacuum analyze history.orders, history.fills")
            query = "select pg_database_size(current_database())"
            size = connection.execute(query).fetchone()
        asked = questions(options.users, 2 * trades, options.pages)
        before, times = asyncio.run(answers(url, asked))
        add_day(url, options.users)
        after, _ = asyncio.run(answers(url, asked))
    finally:
        server.cleanup()
    moved = sum(
        one != other
        for one, other, (_, _, cursor) in zip(before, after, asked, strict=True)
        if cursor
    )
    figures = {
        "trades": trades,
        "users": options.users,
        "database_bytes": size[0] if size else 0,
        "pages": len(times),
        "page_ms_p50": round(float(np.percentile(times, 50)), 2),
        "page_ms_p99": round(float(np.percentile(times, 99)), 2),
        "page_ms_worst": round(max(times), 2),
        "pages_that_changed": moved,
    }
    print(json.dumps(figures))
    if options.evidence:
        command = (
            f"python -m tests.long.portal.history_pages --trades {options.trades} --folder FOLDER"
        )
        write_evidence("history_pages", figures, command)
    assert not moved, "a page from a cursor on changed while rows arrived"


if __name__ == "__main__":
    main()
