"""The tables of the history.  They hold nothing that the journal does not: :func:`create` makes
them empty, and the projector fills them from the journal's first command.

What grows without bound is partitioned by day (UTC, counted from 1970), so that old days can be
dropped.  Prices are in ticks, quantities in lots, amounts in units of their asset.  The table of
transactions is the ledger's: its days stay, because what a holding has cost may be from any.  What
a command did to an order, or to a participant's money, is one row (:mod:`packed`), which has the
number of its last event.  Names are compared by their bytes: that makes their index in a quarter
less time.

A primary key begins with what pages ask for: a further index would cost as much as the rows.  That
of fills has the day before the numbers: a page goes from one day's partition to the next, and reads
no more of them than it needs.  Which trades are an order's its changes say.  The key and the index
of orders have every column, and rows of one user are next to each other there.  The tables are in
the order of the journal: each row of a page would be a read of the disk.  With every column an
index takes the server a quarter longer.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from openoutcry.portal.trading.orders import OPEN_STATES, REJECTED

NAME, NEW = "history", "history_new"
"""The schema, and that of a history which is made again until it is whole: what is read meanwhile
is as it was."""
VERSION = 14
"""Version of these tables.  Tables of another version are made again, and are not read: it is as
if there were no history meanwhile."""
POSITION = f"{NAME}.position where version = {VERSION}"
"""The row of where the history ends, of tables of this version."""
NO_HISTORY = ("42P01", "3F000", "42703")
"""States of SQL while there is no history: no table, no schema, or a column of another version."""
BY_DAY = (
    *("order_changes", "fills", "trades", "seconds", "minutes", "movements"),
    *("account_events", "market_events"),
)
CANDLES = {"seconds": 1, "minutes": 60, "hours": 3_600, "dates": 86_400}
"""Tables of candles, each with its length in seconds; those of hours and dates keep every day."""
CANDLE_COLUMNS = """
        day integer not null,
        instrument integer not null,
        begin_s bigint not null,
        open_ticks bigint not null,
        high_ticks bigint not null,
        low_ticks bigint not null,
        close_ticks bigint not null,
        first_trade bigint not null,
        last_trade bigint not null,
        lots numeric not null,
        tick_lots numeric not null,
        count bigint not null,
        taker_buy_lots numeric not null,
        taker_buy_tick_lots numeric not null,
        primary key (day, instrument, begin_s)
"""
NOT_REFUSED, NAMED = f"state <> '{REJECTED}'", "client_id <> ''"
OPEN = f"state in ({', '.join(repr(open_state) for open_state in OPEN_STATES)})"
"""Conditions as indices have them: a query that says the same uses the index."""
ORDER_COLUMNS = (
    "number",
    "participant",
    "instrument",
    "side",
    "client_id",
    "created_ns",
    "updated_ns",
    "state",
    "cancel_id",
    "packed",
)
"""What no query asks for is packed (:func:`openoutcry.portal.history.fold.numbers_of`)."""
STATEMENTS = (
    """
    create table position (
        version integer not null,
        journal_id text not null,
        began_seq bigint not null,
        seq bigint not null,
        at_ns bigint not null,
        day integer not null
    )
    """,
    """
    create table orders (
        number bigint primary key,
        participant integer not null,
        instrument integer not null,
        side smallint not null,
        client_id text collate "C" not null,
        created_ns bigint not null,
        updated_ns bigint not null,
        state text not null,
        cancel_id text not null,
        packed bytea not null
    )
    """,
    """
    create table order_changes (
        day integer not null,
        event_seq bigint not null,
        number bigint not null,
        client_id text not null,
        at_ns bigint not null,
        seq bigint not null,
        packed bytea not null
    ) partition by range (day)
    """,
    """
    create table fills (
        day integer not null,
        trade bigint not null,
        number bigint not null,
        participant integer not null,
        instrument integer not null,
        price_ticks bigint not null,
        lots bigint not null,
        fee_units numeric not null,
        fee_asset text not null,
        is_maker boolean not null,
        at_ns bigint not null,
        seq bigint not null
    ) partition by range (day)
    """,
    """
    create table trades (
        day integer not null,
        instrument integer not null,
        trade bigint not null,
        price_ticks bigint not null,
        lots bigint not null,
        at_ms bigint not null,
        buyer_is_maker boolean not null,
        seq bigint not null
    ) partition by range (day)
    """,
    """
    create table list_orders (
        number bigint not null,
        participant integer not null,
        instrument integer not null,
        core_id bigint not null,
        list_number bigint not null,
        leg smallint not null,
        legs smallint not null,
        contingency smallint not null,
        client_id text collate "C" not null,
        created_ns bigint not null,
        seq bigint not null
    )
    """,
    """
    create table order_terms (
        number bigint not null,
        term smallint not null,
        price_ticks bigint not null,
        aux bigint not null
    )
    """,
    f"create table seconds ({CANDLE_COLUMNS}) partition by range (day)",
    f"create table minutes ({CANDLE_COLUMNS}) partition by range (day)",
    f"create table hours ({CANDLE_COLUMNS})",
    f"create table dates ({CANDLE_COLUMNS})",
    "create index hours_of on hours (instrument, begin_s)",
    "create index dates_of on dates (instrument, begin_s)",
    """
    create table movements (
        day integer not null,
        event_seq bigint not null,
        part bigint not null,
        participant integer not null,
        number bigint not null,
        kind text not null,
        step text not null,
        asset text not null,
        amount numeric not null,
        available numeric not null,
        reserved numeric not null,
        at_ns bigint not null,
        seq bigint not null
    ) partition by range (day)
    """,
    """
    create table account_events (
        day integer not null,
        event_seq bigint not null,
        part bigint not null,
        participant integer not null,
        kind text not null,
        instrument integer not null,
        lots bigint not null,
        price_ticks bigint not null,
        asset text not null,
        paid numeric not null,
        at_ns bigint not null,
        seq bigint not null
    ) partition by range (day)
    """,
    """
    create table market_events (
        day integer not null,
        event_seq bigint not null,
        instrument integer not null,
        kind text not null,
        at_ns bigint not null,
        seq bigint not null
    ) partition by range (day)
    """,
    """
    create table broken_trades (
        trade bigint not null,
        day integer not null,
        at_ns bigint not null,
        seq bigint not null
    )
    """,
    "create index broken_trades_of on broken_trades (trade, day, seq)",
    """
    create table transactions (
        day integer not null,
        participant integer not null,
        event_seq bigint not null,
        cause_seq bigint not null,
        packed bytea not null
    ) partition by range (day)
    """,
    """
    create table fees (
        participant integer not null,
        day date not null,
        instrument text not null,
        asset text not null,
        fee_units numeric not null,
        primary key (participant, day, instrument, asset)
    )
    """,
    """
    create table markets (
        instrument integer primary key,
        symbol text not null,
        base text not null,
        quote text not null,
        base_decimals integer not null,
        quote_decimals integer not null,
        lot_units bigint not null,
        tick_units bigint not null
    )
    """,
    """
    create table balances (
        participant integer not null,
        asset text not null,
        day integer not null,
        available numeric not null,
        reserved numeric not null,
        primary key (participant, asset, day)
    )
    """,
)
TERMS = {
    "fills": "with (autovacuum_vacuum_insert_scale_factor = 0, "
    "autovacuum_vacuum_insert_threshold = 20000)"
}
"""Of partitions, by table.  The server reads an index alone only where it has vacuumed: without
these it would leave out the last fifth of a day."""
PAGED = ("participant", "number", "instrument", "created_ns")
SHOWN = tuple(name for name in ORDER_COLUMNS if name not in PAGED)
KEYS = {
    "orders": {
        "orders_of": "create index orders_of on orders "
        f"({', '.join(PAGED)}) include ({', '.join(SHOWN)}) where {NOT_REFUSED}",
        "orders_named": "create index orders_named on orders "
        f"(client_id, participant, number) where {NAMED}",
        "orders_open": f"create index orders_open on orders (participant, number) where {OPEN}",
    },
    "fills": {
        "fills_pkey": "alter table fills add primary key "
        "(participant, day, trade, number, instrument) "
        "include (price_ticks, lots, fee_units, fee_asset, is_maker, at_ns, seq)",
    },
    "transactions": {
        "transactions_pkey": "alter table transactions add primary key "
        "(participant, event_seq, day)",
    },
    "list_orders": {
        "list_orders_pkey": "alter table list_orders add primary key (number)",
        "lists_of": "create index lists_of on list_orders (participant, core_id)",
        "lists_numbered": "create index lists_numbered on list_orders (participant, list_number) "
        "where leg = 1",
    },
    "order_terms": {
        "order_terms_pkey": "alter table order_terms add primary key (number)",
    },
    "order_changes": {
        "order_changes_pkey": "alter table order_changes add primary key (day, event_seq)",
        "changes_of": "create index changes_of on order_changes (number, event_seq)",
    },
    "trades": {
        "trades_pkey": "alter table trades add primary key (instrument, trade, day)",
    },
    "movements": {
        "movements_pkey": "alter table movements add primary key (day, event_seq, part)",
        "movements_of": "create index movements_of on movements "
        "(participant, event_seq desc, part desc)",
    },
    "account_events": {
        "account_events_pkey": "alter table account_events add primary key (day, event_seq, part)",
    },
    "market_events": {
        "market_events_pkey": "alter table market_events add primary key (day, event_seq)",
    },
}
"""By table and name, keys that only pages need, and that tell when a row is written twice.  Made of
all rows at once they cost the server half of what they cost row by row.  Those of a table that take
longest come first: two connections are then done at one time."""


def use(connection: Any, name: str = NAME) -> None:
    """Let the connection's statements, and functions here, mean the tables of this schema."""
    connection.execute(f"set search_path to {name}")


def create(connection: Any, journal_id: str, began_seq: int, name: str = NAME) -> None:
    """The tables, empty, in place of those that are there; the connection uses them.  Those of
    ``NEW`` have no KEYS before :func:`make_keys`."""
    drop(connection, name)
    connection.execute(f"create schema {name}")
    use(connection, name)
    keys = [statement for made in KEYS.values() for statement in made.values()]
    for statement in STATEMENTS if name == NEW else (*STATEMENTS, *keys):
        connection.execute(statement)
    connection.execute(
        "insert into position values (%s, %s, %s, %s, 0, 0)",
        (VERSION, journal_id, began_seq, began_seq),
    )


def drop(connection: Any, name: str) -> None:
    """Drop the tables of a schema, where it is there."""
    connection.execute(f"drop schema if exists {name} cascade")


def make_keys(connection: Any) -> None:
    """Make the keys that the new history has not.  Each is a transaction: what is interrupted
    leaves those that are whole.  A second connection makes those of other tables meanwhile, if the
    server has one free."""
    import psycopg

    query = "select indexname from pg_indexes where schemaname = %s"
    known = {name for (name,) in connection.execute(query, (NEW,))}
    tables = deque(
        [statement for name, statement in keys.items() if name not in known]
        for keys in KEYS.values()
    )

    def make(one: Any) -> None:
        one.execute("set maintenance_work_mem to '256MB'")
        # A server's own workers for one key cost a sixth more.
        one.execute("set max_parallel_maintenance_workers to 0")
        with suppress(IndexError):
            while True:
                for statement in tables.popleft():
                    one.execute(statement)
        for name in ("maintenance_work_mem", "max_parallel_maintenance_workers"):
            one.execute(f"reset {name}")

    def help_out() -> None:
        terms = connection.info.dsn, connection.info.password
        try:
            second = psycopg.connect(terms[0], password=terms[1] or None, autocommit=True)
        except psycopg.OperationalError:
            return
        with second:
            use(second, NEW)
            make(second)

    with ThreadPoolExecutor(1) as pool:
        helped = pool.submit(help_out)
        make(connection)
        helped.result()


def finish(connection: Any) -> None:
    """The new history is whole: it takes the place of the one before.  In a transaction."""
    drop(connection, NAME)
    connection.execute(f"alter schema {NEW} rename to {NAME}")
    use(connection)


def add_day(connection: Any, day: int, tables: Sequence[str] = BY_DAY) -> None:
    """The partitions of a day, where they are missing."""
    for table in tables:
        connection.execute(
            f"create table if not exists {table}_{day} "
            f"partition of {table} for values from ({day}) to ({day + 1}) {TERMS.get(table, '')}"
        )


def days(connection: Any, table: str = "trades") -> list[int]:
    """Return the days that have partitions, in order."""
    query = """
        select child.relname as name from pg_inherits
        join pg_class as child on child.oid = inhrelid
        where inhparent = %s::regclass
    """
    names = [row[0] for row in connection.execute(query, (f"{table}",))]
    return sorted(int(name.rpartition("_")[2]) for name in names)


def drop_days_before(connection: Any, day: int) -> list[int]:
    """Drop the partitions of earlier days, and orders that ended before; the days dropped."""
    old = [one for one in days(connection) if one < day]
    for table in BY_DAY:
        for one in days(connection, table):
            if one < day:
                connection.execute(f"drop table {table}_{one}")
    connection.execute(
        "delete from orders where state not in ('NEW', 'PARTIALLY_FILLED') and updated_ns < %s",
        (day * 86_400 * 10**9,),
    )
    for table in ("list_orders", "order_terms"):
        connection.execute(
            f"delete from {table} as l "
            "where not exists (select from orders as o where o.number = l.number)"
        )
    return old
