"""SQL over a journal, finished or running: views ``orders``, ``events``, ``trades``, ``audit``."""

import re
from pathlib import Path
from typing import Any

from openoutcry.journal import JournalError
from openoutcry.journal.tables import Tables
from openoutcry.wire.extras import need

VIEWS = ("orders", "events", "trades", "audit")

TRADES = """
create view trades as
select m.event_seq as match, m.cause_seq, o.rx_time, m.symbol, m.price_ticks, m.qty_lots,
       t.side as aggressor, m.auction,
       case m.side when 'BUY' then m.order_id else m.contra_id end as buy_order_id,
       case m.side when 'SELL' then m.order_id else m.contra_id end as sell_order_id,
       case m.side when 'BUY' then m.participant else t.participant end as buyer,
       case m.side when 'SELL' then m.participant else t.participant end as seller,
       b.event_seq is not null as broken
from events m
join events t on t.event_seq = m.event_seq + 1
join orders o on o.seq = m.cause_seq
left join events b on b.event = 'BROKEN' and b.side = 'BUY' and b.contra_id = m.event_seq
where m.event = 'FILLED' and (m.maker or (m.auction and m.side = 'BUY'))
"""

AUDIT = """
create view audit as
select o.seq, o.order_id, o.participant, o.action, o.rx_time, o.rx_ts_ns, o.bound_ns, o.symbol,
       o.side, o.order_type, o.time_in_force, o.price_ticks, o.qty_lots,
       '{gateway}' as gateway, o.session, o.latency_ns,
       case when o.error_code <> 0 then 'REJECTED ' || o.errors
            when e.reason = 'NONE' then e.event
            when e.refusal <> '' then e.event || ' ' || e.refusal
            else e.event || ' ' || e.reason end as verdict,
       coalesce(e.fills, 0) as fills, coalesce(e.filled_lots, 0) as filled_lots
from orders o
left join (
    select command_seq, cast(coalesce(arg_min(event, event_seq) filter ({final}), 'DELAYED')
                             as varchar) as event,
           cast(coalesce(arg_min(reason, event_seq) filter ({final}), 'NONE') as varchar) as reason,
           cast(coalesce(arg_min(refusal, event_seq) filter ({final}), '') as varchar) as refusal,
           count(*) filter (event = 'FILLED' and not maker) as fills,
           sum(qty_lots) filter (event = 'FILLED' and not maker) as filled_lots
    from events group by command_seq
) e on e.command_seq = o.seq
where o.seq > {after}
"""
FINAL_EVENTS = "event not in ('DELAYED', 'ENTERED')"
"""Condition for final events: a command that waited at a speed bump has the verdict of its release.
"""


TOLD_AS_TEXT = {"interval", "blob", "bit", "bignum"}
NESTED = {"list", "array", "struct", "map", "union"}
"""Types of DuckDB's that other programs, and CSV, have no values for."""


def query(directory: Path, text: str, flat: bool = False) -> Any:
    """Run ``text`` over the journal; returns an arrow table; ``flat``: what holds several values,
    such as a list, is text.

    What DuckDB plans to read decides what is read: a query that needs no events replays nothing.
    The tables are held in memory (about 250 bytes an order).  Raises :class:`JournalError` for a
    query that DuckDB refuses, in its words.
    """
    duckdb = _duckdb()
    named = set(re.findall(r"[a-z_]+", text.lower()))
    tables = Tables(directory, _reads_events(Tables(directory, with_events=False), text))
    orders, events = (_joined(tables, parts) for parts in _gather(tables))
    with duckdb.connect() as connection:
        _make_views(connection, tables, orders, events)
        try:
            relation = connection.sql(text)
            if relation is None:
                raise JournalError("sql: the statement must return rows")
            names = list(relation.columns)
            as_text = TOLD_AS_TEXT | NESTED if flat else TOLD_AS_TEXT
            if any(kind.id in as_text for kind in relation.types):
                relation = relation.project(
                    ", ".join(
                        f"#{number}::varchar" if kind.id in as_text else f"#{number}"
                        for number, kind in enumerate(relation.types, start=1)
                    )
                )
            return _readable(tables.pa, relation.to_arrow_table(), names)
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            shown = named.intersection(VIEWS) or VIEWS
            known = "\n".join(
                f"  {view}: {', '.join(columns)}"
                for view, columns in _columns(connection).items()
                if view in shown
            )
            raise JournalError(f"sql: {error}\nviews and their columns:\n{known}") from None
        except duckdb.Error as error:
            raise JournalError(f"sql: {error}") from None


def _reads_events(tables: Tables, text: str) -> bool:
    """Return whether DuckDB's plan of the query reads events, however they are named
    (``query_table('ev' || 'ents')``).  What DuckDB cannot plan before it runs may read them."""
    duckdb = _duckdb()
    with duckdb.connect() as connection:
        for name, empty in zip(("orders", "events"), tables.empty(), strict=True):
            connection.register("empty", empty)
            connection.execute(f"create table {name} as from empty")
            connection.unregister("empty")
        connection.execute("set enable_external_access = false")
        _make_derived_views(connection, tables)
        connection.execute("pragma explain_output = 'all'")
        try:
            for statement in connection.extract_statements(text):
                explained = f"explain (format json) {statement.query}"
                for _, plan in connection.execute(explained).fetchall():
                    if '"events"' in plan or ".events" in plan:
                        return True
        except duckdb.Error:
            return True
    return False


def schema(directory: Path) -> Any:
    """An arrow table with a row for each column of each view: view, column, type."""
    tables = Tables(directory, with_events=False)
    rows = []
    with _duckdb().connect() as connection:
        _make_views(connection, tables, *tables.empty())
        for view, columns in _columns(connection).items():
            rows += [{"view": view, "column": name, "type": kind} for name, kind in columns.items()]
    return tables.pa.Table.from_pylist(rows)


def _duckdb() -> Any:
    duckdb = need("duckdb", "this needs duckdb", "journal", JournalError)
    return duckdb


def _make_views(connection: Any, tables: Tables, orders: Any, events: Any) -> None:
    connection.register("orders", orders)
    connection.register("events", events)
    _make_derived_views(connection, tables)
    # The journal is what may be read here; a query has no business with other files.
    connection.execute("set enable_external_access = false")


def _make_derived_views(connection: Any, tables: Tables) -> None:
    connection.execute(TRADES)
    gateway = str(tables.reader.config.get("gateway", "")).replace("'", "''")
    connection.execute(
        AUDIT.format(gateway=gateway, final=FINAL_EVENTS, after=tables.events_after_seq)
    )


def _columns(connection: Any) -> dict[str, dict[str, str]]:
    """The views in their order, each with its columns' names and types."""
    columns = {}
    for view in VIEWS:
        rows = connection.execute(f"describe {view}").fetchall()
        columns[view] = {
            name: "ENUM" if kind.startswith("ENUM") else kind for name, kind, *_ in rows
        }
    return columns


def _readable(pa: Any, table: Any, given: list[str]) -> Any:
    """Names as text, and times as text to the ns, which Python's own times cannot hold.  A column
    has its name to itself, as a row is a mapping: of two ``given`` ``a`` the second is ``a_1``."""

    def plain(kind: Any) -> Any:
        text = pa.types.is_dictionary(kind) or pa.types.is_timestamp(kind)
        return pa.string() if text else kind

    names: list[str] = []
    columns: list[Any] = []
    for name, column in zip(given, table.columns, strict=True):
        taken, count = name, 0
        while taken in names or (count and taken in given):
            count += 1
            taken = f"{name}_{count}"
        names.append(taken)
        try:
            columns.append(column.cast(plain(column.type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise JournalError(f"sql: column {taken}: {error}") from None
    return pa.table(columns, names=names)


def _gather(tables: Tables) -> tuple[list[Any], list[Any]]:
    none_orders, none_events = tables.empty()
    orders, events = [none_orders], [none_events]
    for some_orders, some_events in tables.batches():
        orders.append(some_orders)
        if some_events is not None:
            events.append(some_events)
    return orders, events


def _joined(tables: Tables, parts: list[Any]) -> Any:
    return tables.pa.concat_tables(parts).unify_dictionaries()
