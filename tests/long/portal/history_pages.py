"""Times of pages of a large history, and whether they stay the same while new rows arrive.

    python -m tests.long.portal.history_pages --trades 10000000 --folder FOLDER [--evidence]

Rows are made in the database, by the day, until there are as many as asked for: a journal with so
many would take hours to match.  They are in the tables, partitions and indices of the history, in
the order in which the projector writes them; the ledger's transactions and candles are left out,
because no page of a user reads them here.  A hundredth of all orders is of the busiest user.  The
folder keeps the rows: the same command goes on where it has stopped.

Pages are asked for as the portal does, and turned into what it sends: orders and fills, the newest,
from a random cursor on, of a market, of a day, open, or by a search; an order's changes; movements,
wallets and fees by day.  Half of them are of random users, half of the users of random orders.  A
page from a cursor on must be the same after a day with more rows came.  With ``--evidence`` the
figures go to docs/evidence/history_pages.json.
"""

import argparse
import asyncio
import json
import signal
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg

from openoutcry.portal.database import Database, migrate, start_embedded
from openoutcry.portal.history import schema
from openoutcry.portal.history.pages import Pages, Span
from openoutcry.portal.native.orders import fill_row, order_row
from openoutcry.portal.trading.instruments import Markets
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.file import read_venue
from tests.support.portal.packed_rows import packed_rows
from tests.support.portal.portal_venue import venue_text

FIRST_DAY, A_DAY, DAY_NS = 20_000, 250_000, 86_400 * 10**9
FIRST_USER, PAGE, NO_END = 1_000, 100, 2**63 - 1
WRITERS = 2
SETTINGS = {
    "fsync": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "512MB",
}
"""For the making of the rows: none of them changes how a page is read."""
USER = (
    f"{FIRST_USER} + floor(%(users)s * power((hashint8(n) & 2147483647) / 2147483648.0::float8, 2))"
    "::integer"
)
"""Of order ``n``.  Half of the orders are of a quarter of the users."""
NUMBERS = "generate_series(%(first)s::bigint, %(last)s) as n"
CHANGES = packed_rows(np.array([[1, 0, 0, 5_000_000, 10, 0], [2, 1, 2, 5_000_000, 10, 10]]))
"""Entered and filled."""
ORDER = packed_rows(
    np.array([[12_345_678, 1, 1, 5_000_000, 10, 0, 10, 0, 0, 0, 0, 12_345_679, 0, 50_000_000]])
)
"""A limit order; of every order alike."""
AT = "%(begin)s + (n - %(first)s) * 170000"
ORDERS = f"""
    insert into history.orders
    select n, {USER}, n / 2 %% 3, 1 + n %% 2, 'c' || n, {AT}, {AT},
        case when n %% 500 = 0 then 'PARTIALLY_FILLED' else 'FILLED' end, '',
        decode('{ORDER.hex()}', 'hex')
    from {NUMBERS}
"""
ROWS = {
    "fills": f"""
        select %(day)s, n / 2, n, {USER}, n / 2 %% 3, 5000000 + n / 2 %% 1000, 10, 5, 'USD',
            n %% 2 = 0, {AT}, n
        from {NUMBERS}
    """,
    "trades": f"""
        select %(day)s, n / 2 %% 3, n / 2, 5000000 + n / 2 %% 1000, 10, ({AT}) / 1000000, true, n
        from {NUMBERS} where n %% 2 = 0
    """,
    "order_changes": f"""
        select %(day)s, 2 * n + 1, n, 'c' || n, {AT}, n, decode('{CHANGES.hex()}', 'hex')
        from {NUMBERS}
    """,
    "movements": """
        select %(day)s, %(first)s + n, 0, n, n, 'deposit', 'credit', 'USD', 1000, 1000, 0,
            %(begin)s, %(first)s + n
        from generate_series(1000, 999 + %(users)s) as n
    """,
}
"""Of a day, by table with partitions."""
FEES = """
    insert into history.fees
    select participant, date '1970-01-01' + %(day)s, (array['BTC-USD', 'ETH-USD', 'ETH-BTC'])
        [1 + instrument], fee_asset, sum(fee_units)
    from fills_{day} group by participant, instrument, fee_asset
"""
BALANCES = """
    insert into history.balances select n, asset, %(day)s, 1000, 0
    from generate_series(1000, 999 + %(users)s) as n, unnest(array['USD', 'BTC', 'ETH']) as asset
"""
ORDERS_KEY = "alter table history.orders add primary key (number)"
ORDERS_INDICES = list(schema.KEYS["orders"].values())
Asked = tuple[str, int, int]
"""A kind of page, a user, and the place or the number from which on it is, 0: the newest."""


def begin(url: str, server: Any) -> None:
    """Empty tables, if there are none, in a server that writes quickly."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('history.position')").fetchone()
        if row == (None,):
            migrate(url)
            schema.create(connection, "made", 0)
        for name, value in SETTINGS.items():
            connection.execute(f"alter system set {name} = '{value}'")
    process = psutil.Process(server.get_pid())
    process.send_signal(signal.SIGINT)
    psutil.wait_procs([process])
    server.ensure_postgres_running()


def days_made(url: str) -> int:
    """Days that are there whole."""
    with psycopg.connect(url) as connection:
        schema.use(connection)
        return len(schema.days(connection, "movements"))


def drop_indices(url: str) -> None:
    """Those of the orders: made at once they cost a part of what row by row does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table history.orders drop constraint if exists orders_pkey")
        for name in ("orders_of", "orders_named", "orders_open"):
            connection.execute(f"drop index if exists history.{name}")


def make_indices(url: str) -> None:
    """And what the planner and reads of indices alone need: the server does it by itself."""

    def run(statements: list[str]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            schema.use(connection)
            for statement in statements:
                connection.execute(statement)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(run, ([ORDERS_KEY], *([one] for one in ORDERS_INDICES))))
    run(["vacuum analyze history.orders", "vacuum analyze history.fills"])
    run(["analyze history.order_changes"])
    run(["analyze history.movements", "vacuum analyze history.fees", "analyze history.balances"])


def add_day(url: str, users: int, number: int) -> None:
    """All rows of a day, in one transaction."""
    day = FIRST_DAY + number
    first = 2 + 2 * A_DAY * number
    values = {
        "first": first,
        "last": first + 2 * A_DAY - 1,
        "day": day,
        "users": users,
        "begin": day * DAY_NS,
    }
    with psycopg.connect(url) as connection:
        connection.execute("set local search_path to history, public")
        connection.execute(ORDERS, values)
        for table, rows in ROWS.items():
            part = f"{table}_{day}"
            connection.execute(f"create table {part} (like {table} including defaults)")
            connection.execute(f"insert into {part} {rows}", values)
        connection.execute(FEES.format(day=day), values)
        connection.execute(BALANCES, values)
        for table in ROWS:
            # So that attaching it need not look at each row.
            limits = f"day is not null and day >= {day} and day < {day + 1}"
            connection.execute(f"alter table {table}_{day} add check ({limits})")
            connection.execute(
                f"alter table {table} attach partition {table}_{day} "
                f"for values from ({day}) to ({day + 1})"
            )
        newest = "update history.position set seq = greatest(seq, %(last)s)"
        connection.execute(newest, values)


def make(url: str, users: int, days: int, until_s: float) -> int:
    """Rows of this many days in all, as far as there is time; how many there are."""
    done = days_made(url)
    if done < days:
        drop_indices(url)
        with ThreadPoolExecutor(WRITERS) as pool:
            while done < days and time.monotonic() < until_s:
                part = range(done, min(done + WRITERS, days))
                list(pool.map(lambda number: add_day(url, users, number), part))
                done = part.stop
                print(f"{done * A_DAY:,} trades", flush=True)
        make_indices(url)
    return done


def questions(users: int, newest: int, count: int) -> list[Asked]:
    """Of random users, and of the users of random orders."""
    rng, found = np.random.default_rng(53), []
    kinds = list(SHARES)
    for kind in rng.choice(kinds, count, p=[SHARES[one] / 100 for one in kinds]):
        who = int(users * rng.random() ** (2 if rng.random() < 0.5 else 1))
        at = int(rng.integers(2, newest)) if rng.random() < 0.7 else 0
        found.append((str(kind), FIRST_USER + who, at))
    return found


SHARES = {
    "orders": 25,
    "fills": 25,
    "orders of a market": 8,
    "orders of a day": 5,
    "open orders": 5,
    "orders by a search": 5,
    "fills of a market": 8,
    "fills of a day": 5,
    "changes": 5,
    "movements": 3,
    "wallets": 3,
    "fees": 3,
}
"""Pages of a hundred, by kind."""
WITH_CURSOR = ("orders", "fills", "orders of a market", "fills of a market")


class Shown:
    """Pages as the portal makes them."""

    def __init__(self, pages: Pages, markets: Markets) -> None:
        self.pages, self.markets = pages, markets

    async def page(self, kind: str, who: int, at: int) -> list[Any]:
        """What is sent."""
        day = at // (2 * A_DAY)
        day_ms = (FIRST_DAY + day) * DAY_NS // 10**6
        span = Span(day_ms, day_ms + 86_399_999) if kind.endswith("of a day") else Span()
        market = 1 if kind.endswith("of a market") else None
        if kind == "changes":
            newest = await self.pages.orders_before(who, None, "all", "", Span(), at, 1)
            return await self.pages.changes(who, newest[0].number) if newest else []
        if kind == "movements":
            return await self.pages.movements_before(who, "", "", 0, PAGE + 1)
        if kind == "wallets":
            return await self.pages.balances(who, 0, NO_END)
        if kind == "fees":
            return await self.pages.fees(who, 0, 2 * FIRST_DAY)
        if "fills" in kind:
            before = (FIRST_DAY + day, at // 2) if at and kind in WITH_CURSOR else None
            rows = await self.pages.fills_before(who, market, 0, span, before, PAGE + 2)
            return [fill_row(one, fill, self.market(one)) for one, fill, _ in rows]
        state, search = "open" if kind == "open orders" else "all", ""
        if kind == "orders by a search":
            search = str(at // 1_000)
        before_number = at if kind in WITH_CURSOR else 0
        terms = market, state, search, span, before_number, PAGE + 1
        return [
            order_row(one, self.market(one)) for one in await self.pages.orders_before(who, *terms)
        ]

    def market(self, order: Any) -> Any:
        return self.markets.by_index[order.instrument]


async def answers(
    url: str, markets: Markets, asked: list[Asked]
) -> tuple[list[list[Any]], list[float]]:
    """Each page, and how long it took, in milliseconds.  Each kind is asked before: the portal's
    connections have planned it long since."""
    database = Database(url)
    shown, found, times = Shown(Pages(database), markets), [], []
    for kind in SHARES:
        for turn in range(40):
            await shown.page(kind, FIRST_USER + turn, 0)
    for kind, who, at in asked:
        begun = time.perf_counter()
        found.append(await shown.page(kind, who, at))
        times.append(1_000 * (time.perf_counter() - begun))
    await database.close()
    return found, times


def markets_of(folder: Path) -> Markets:
    """Those of the venue of the portal's tests."""
    path = folder / "venue.toml"
    path.write_text(venue_text())
    return Markets(read_venue(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=1e9, help="For the making of rows.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    until_s = time.monotonic() + options.seconds
    options.folder.mkdir(parents=True, exist_ok=True)
    markets = markets_of(options.folder)
    url, server = start_embedded(options.folder / "postgresql")
    try:
        begin(url, server)
        days = make(url, options.users, -(-options.trades // A_DAY), until_s)
        with psycopg.connect(url) as connection:
            query = "select pg_database_size(current_database())"
            size = connection.execute(query).fetchone()
        asked = questions(options.users, 2 * A_DAY * days, options.pages)
        before, times = asyncio.run(answers(url, markets, asked))
        add_day(url, options.users, days)
        after, _ = asyncio.run(answers(url, markets, asked))
    finally:
        server.cleanup()
    moved = sum(
        one != other
        for one, other, (kind, _, at) in zip(before, after, asked, strict=True)
        if at and kind in WITH_CURSOR
    )
    by_kind = defaultdict(list)
    for (kind, _, _), took in zip(asked, times, strict=True):
        by_kind[kind].append(took)
    figures = {
        "trades": days * A_DAY,
        "orders": 2 * days * A_DAY,
        "users": options.users,
        "database_bytes": size[0] if size else 0,
        "pages": len(times),
        "page_ms_p50": round(float(np.percentile(times, 50)), 2),
        "page_ms_p99": round(float(np.percentile(times, 99)), 2),
        "page_ms_worst": round(max(times), 2),
        "page_ms_p99_by_kind": {
            kind: round(float(np.percentile(some, 99)), 2) for kind, some in by_kind.items()
        },
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
