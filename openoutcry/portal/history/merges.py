"""Rows that change some that the history has: orders, candles and fees.

They come as arrays, a parameter a column.  As rows of temporary tables, which each transaction
empties, they let a transaction wait for the file system, up to half a second.
"""

from collections.abc import Mapping
from typing import Any

from openoutcry.portal.history import schema
from openoutcry.portal.history.binary import arrays_of
from openoutcry.portal.history.rows import OLD, OLD_CANDLES, ORDERS

CHANGING = (
    "client_id",
    *schema.ORDER_COLUMNS[schema.ORDER_COLUMNS.index("updated_ns") :],
)
"""Columns of an order that its events change."""
ORDERS_MERGE = (
    "insert into orders select * from {new} on conflict (number) do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in CHANGING)
)
CANDLES_MERGE = """
    insert into {0} as old
    select day, instrument, begin_s, (array_agg(open_ticks order by first_trade))[1],
        max(high_ticks), min(low_ticks), (array_agg(close_ticks order by last_trade desc))[1],
        min(first_trade), max(last_trade), sum(lots), sum(tick_lots), sum(count),
        sum(taker_buy_lots), sum(taker_buy_tick_lots)
    from {{new}} group by day, instrument, begin_s
    on conflict (day, instrument, begin_s) do update set
        high_ticks = greatest(old.high_ticks, excluded.high_ticks),
        low_ticks = least(old.low_ticks, excluded.low_ticks),
        close_ticks = excluded.close_ticks,
        last_trade = excluded.last_trade,
        lots = old.lots + excluded.lots,
        tick_lots = old.tick_lots + excluded.tick_lots,
        count = old.count + excluded.count,
        taker_buy_lots = old.taker_buy_lots + excluded.taker_buy_lots,
        taker_buy_tick_lots = old.taker_buy_tick_lots + excluded.taker_buy_tick_lots
"""
FEES_MERGE = """
    insert into fees as old select * from {new}
    on conflict (participant, day, instrument, asset)
    do update set fee_units = old.fee_units + excluded.fee_units
"""
MERGES = {
    OLD: (ORDERS, ORDERS_MERGE),
    "fees": ("fees", FEES_MERGE),
    **{old: (name, CANDLES_MERGE.format(name)) for name, old in OLD_CANDLES.items()},
}
"""Rows that are merged: by their name, their table, and the statement that does it."""


class Array(bytes):
    """A parameter that is in binary already."""


class Merges:
    """The statements, for one connection."""

    def __init__(self, connection: Any) -> None:
        from psycopg.adapt import Dumper
        from psycopg.pq import Format

        class AsItIs(Dumper):
            format = Format.BINARY

            def dump(self, obj: Array) -> bytes:
                return obj

        connection.adapters.register_dumper(Array, AsItIs)
        self.connection = connection
        self._merges = {}
        for name, (table, statement) in MERGES.items():
            query = """
                select attname, atttypid::integer, format_type(atttypid, null) from pg_attribute
                where attrelid = %s::regclass and attnum > 0 order by attnum
            """
            found = connection.execute(query, (table,)).fetchall()
            names, types, shown = zip(*found, strict=True)
            arrays = ", ".join(f"%b::{one}[]" for one in shown)
            new = f"unnest({arrays}) as new ({', '.join(names)})"
            self._merges[name] = types, statement.format(new=new)

    def run(self, tables: Mapping[str, bytes | memoryview]) -> None:
        """Merge the rows, which are binary COPY, of those of these tables that have some."""
        for name, (types, statement) in self._merges.items():
            if name in tables:
                self.connection.execute(statement, [*map(Array, arrays_of(tables[name], types))])
