"""Pages of the history, in the form in which the mirror keeps what is recent."""

from collections.abc import Mapping
from typing import Any

from openoutcry.portal.database import Database
from openoutcry.portal.history.changes import changes_of
from openoutcry.portal.history.projector import order_of
from openoutcry.portal.history.schema import (
    NAMED,
    NO_HISTORY,
    NOT_REFUSED,
    OPEN,
    ORDER_COLUMNS,
    POSITION,
)
from openoutcry.portal.trading.follower import DAY_NS
from openoutcry.portal.trading.orders import Fill, FilledOrder, Order, OrderList, own_terms
from openoutcry.portal.trading.public import (
    DAY_MS,
    INTERVALS,
    MINUTE_MS,
    WEEK_BEGIN_MS,
    Candle,
    Trade,
    bounds,
)
from openoutcry.wire.order_ids import LEG_ORDER_IDS

NO_END = 2**63 - 1
MS, LAST_MS = 1_000_000, 2**43
"""A client may name a moment that no calendar has: later ones are this one, in the year 2248."""
COLUMNS = ", ".join(ORDER_COLUMNS)
OF_ORDER = ", ".join(f"o.{name}" for name in ORDER_COLUMNS)
FILLS = f"""
    select o.client_id, o.side, f.*,
        exists(
            select from history.broken_trades as b
            where b.trade = f.trade and b.seq > f.seq and b.day between f.day and f.day + 1
        ) as is_broken
    from (
        select * from history.fills where {{conditions}}
        order by day {{way}}, trade {{way}}, number {{way}} limit %(most)s
    ) as f cross join lateral (
        select client_id, side from history.orders
        where participant = %(participant)s and number = f.number and {NOT_REFUSED} limit 1
    ) as o
"""
"""In the order of the primary key, which has all of a fill; the index of a participant's orders has
what is read of them.  A user's rows are next to each other there, and far apart in the tables."""
OF_TRADES = "trade = any(%(trades)s::bigint[])"
"""With these :meth:`History.trades_of` an order its fills are found by the primary key."""
NUMBERS_AROUND = """
    select
        (select seq from history.order_changes where day < %(begin)s
            order by day desc, event_seq desc limit 1) as before,
        (select seq from history.order_changes where day > %(end)s
            order by day, event_seq limit 1) as after
"""
SUMS = """
    (array_agg(open_ticks order by begin_s))[1] as open, max(high_ticks) as high,
    min(low_ticks) as low, (array_agg(close_ticks order by begin_s desc))[1] as close,
    min(first_trade) as first_trade, max(last_trade) as last_trade, sum(lots) as lots,
    sum(tick_lots) as tick_lots, sum(count) as count, sum(taker_buy_lots) as taker_buy_lots,
    sum(taker_buy_tick_lots) as taker_buy_tick_lots
"""


HOUR_MS = 60 * MINUTE_MS


def table_of(interval: str) -> str:
    """The table whose candles those of an interval are made of."""
    length = INTERVALS[interval] or DAY_MS
    tables = {1_000: "seconds", MINUTE_MS: "minutes", HOUR_MS: "hours", DAY_MS: "dates"}
    return next(tables[table] for table in sorted(tables, reverse=True) if length % table == 0)


class History:
    """Reads what the projector has written; nothing while there is no history."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        import psycopg

        try:
            return await self.database.rows(query, **values)
        except psycopg.ProgrammingError as error:
            if error.sqlstate not in NO_HISTORY:
                raise
            return []

    async def seq(self) -> int:
        """The last command that is in the history."""
        rows = await self._rows(f"select seq from {POSITION}")
        return int(rows[0]["seq"]) if rows else 0

    async def open_orders(self, number: int) -> tuple[int, list[Order]]:
        """Return the last command that is in the history, and the orders that are open there and
        were entered with command ``number`` or before it."""
        query = f"""
            select p.history_seq, {COLUMNS} from (select seq as history_seq from {POSITION}) as p
            left join history.orders on {OPEN} and number <= %(number)s
        """
        rows = await self._rows(query, number=number)
        seq = int(rows[0]["history_seq"]) if rows else 0
        orders = [order_of(row) for row in rows if row["number"] is not None]
        await self.lists_of(orders)
        return seq, orders

    async def created(self, begin_ns: int, end_ns: int) -> list[str]:
        """Conditions of orders that were entered from ``begin_ns`` on (0: at any time) and before
        ``end_ns`` (NO_END: at any time).

        By their numbers the index leads there.  They are between those of changes that were more
        than a day before and after: the venue's clock may have been set by up to a day."""
        if begin_ns == 0 and end_ns == NO_END:
            return []
        days = {"begin": begin_ns // DAY_NS - 1, "end": end_ns // DAY_NS + 1}
        found = await self._rows(NUMBERS_AROUND, **days)
        numbers = found[0] if found else {"before": None, "after": None}
        # Written out: without them the server takes these orders for few, and sorts all.
        return [
            f"created_ns >= {begin_ns} and created_ns < {end_ns}",
            f"number >= {numbers['before'] or 0} and number <= {numbers['after'] or NO_END}",
        ]

    async def orders(
        self,
        participant: int,
        instrument: int,
        most: int,
        *,
        first: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[Order]:
        """Orders of a participant that were not refused, in the order in which they were entered:
        from ``first`` or ``start_ms`` on, otherwise the last ``most``."""
        forwards = first is not None or start_ms is not None
        end_ns = NO_END if end_ms is None else (min(end_ms, LAST_MS) + 1) * MS
        of_time = await self.created(min(start_ms or 0, LAST_MS) * MS, end_ns)
        conditions = " and ".join(["number >= %(first)s", *of_time])
        query = f"""
            select {COLUMNS} from history.orders
            where participant = %(participant)s and instrument = %(instrument)s
              and {NOT_REFUSED} and {conditions}
            order by number {"asc" if forwards else "desc"} limit %(most)s
        """
        rows = await self._rows(
            query,
            participant=participant,
            instrument=instrument,
            most=most,
            first=first or 0,
        )
        orders = sorted(map(order_of, rows), key=lambda order: order.number)
        await self.lists_of(orders)
        return orders

    async def order(
        self, participant: int, instrument: int, number: int | None, client_id: str
    ) -> Order | None:
        """One order of a participant, by its number or by the client's name of it: of several with
        one name the last."""
        conditions = "participant = %(participant)s and instrument = %(instrument)s"
        if number is not None:
            conditions += " and number = %(number)s"
        if client_id:
            conditions += f" and client_id = %(client_id)s and {NAMED}"
        query = f"""
            select {COLUMNS} from history.orders where {conditions} and {NOT_REFUSED}
            order by number desc limit 1
        """
        rows = await self._rows(
            query,
            participant=participant,
            instrument=instrument,
            number=number,
            client_id=client_id,
        )
        orders = list(map(order_of, rows))
        await self.lists_of(orders)
        return orders[0] if orders else None

    async def order_lists(
        self,
        participant: int,
        most: int,
        *,
        first: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[OrderList]:
        """Lists of orders of a participant, as :meth:`orders` gives orders, of all markets."""
        forwards = first is not None or start_ms is not None
        return await self._lists(
            f"""
            participant = %(participant)s and leg = 1 and list_number >= %(first)s
            and created_ns >= %(start)s and created_ns < %(end)s
            order by list_number {"asc" if forwards else "desc"} limit %(most)s
            """,
            participant=participant,
            first=first or 0,
            start=min(start_ms or 0, LAST_MS) * MS,
            end=NO_END if end_ms is None else (min(end_ms, LAST_MS) + 1) * MS,
            most=most,
        )

    async def order_list(
        self, participant: int, number: int | None, client_id: str
    ) -> OrderList | None:
        """One list of a participant, by its number or by the client's name of it: the last one."""
        conditions = "participant = %(participant)s and leg = 1"
        if number is not None:
            conditions += " and list_number = %(number)s"
        if client_id:
            conditions += " and client_id = %(client_id)s"
        found = await self._lists(
            f"{conditions} order by list_number desc limit 1",
            participant=participant,
            number=number,
            client_id=client_id,
        )
        return found[0] if found else None

    async def _lists(
        self, conditions: str, known: Mapping[int, Order] | None = None, **values: Any
    ) -> list[OrderList]:
        """The whole lists whose first order's row meets ``conditions``, by their numbers.
        ``known``: orders that are here already, by their numbers."""
        query = f"""
            with firsts as (select participant, core_id, instrument from history.list_orders
                where {conditions})
            select l.leg, l.legs, l.core_id, l.contingency, l.list_number,
                l.client_id as list_id, l.created_ns as begun_ns, {OF_ORDER}
            from firsts join history.list_orders as l using (participant, core_id, instrument)
            join history.orders as o on o.number = l.number
            order by l.core_id, l.leg
        """
        lists: dict[tuple[int, int], OrderList] = {}
        for row in await self._rows(query, **values):
            order = (known or {}).get(row["number"]) or order_of(row)
            key = order.instrument, row["core_id"]
            if row["leg"] == 1:
                terms = row["list_id"], row["contingency"], row["legs"], row["begun_ns"]
                lists[key] = OrderList(row["list_number"], order.participant, *key, *terms)
            if key in lists:
                order.of = lists[key]
                order.of.orders.append(order)
        return sorted((one for one in lists.values() if one.is_whole), key=lambda one: one.number)

    async def lists_of(self, orders: list[Order]) -> list[OrderList]:
        """The lists of which these orders are, which belong to them from now on.  So do their other
        terms."""
        known = {order.number: order for order in orders if order.core_id >= LEG_ORDER_IDS}
        if not known:
            return []
        query = "select * from history.order_terms where number = any(%(numbers)s::bigint[])"
        for row in await self._rows(query, numbers=list(known)):
            terms = own_terms(row["term"], row["price_ticks"], row["aux"])
            known[row["number"]].terms = terms
        return await self._lists(
            """
            leg = 1 and (participant, core_id) in (
                select participant, core_id from history.list_orders
                where number = any(%(numbers)s::bigint[]))
            """,
            known,
            numbers=list(known),
        )

    async def fills(
        self,
        participant: int,
        instrument: int,
        most: int,
        *,
        first: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        number: int | None = None,
    ) -> list[tuple[FilledOrder, Fill]]:
        """Fills of a participant in the order of their trades, each with its order: from ``first``
        or ``start_ms`` on, otherwise the last ``most``; ``number``: of one order."""
        forwards = first is not None or start_ms is not None
        end_ms = LAST_MS if end_ms is None else min(end_ms, LAST_MS)
        conditions = """
            participant = %(participant)s and instrument = %(instrument)s
            and day between %(first_day)s and %(last_day)s and trade >= %(first)s
            and at_ns >= %(start)s and at_ns < %(end)s
        """
        trades = None
        if number is not None:
            trades = await self.trades_of(number, (start_ms or 0) // DAY_MS, end_ms // DAY_MS)
            conditions += " and number = %(number)s"
        if trades is not None:
            conditions += f" and {OF_TRADES}"
        query = FILLS.format(conditions=conditions, way="asc" if forwards else "desc")
        rows = await self._rows(
            query,
            participant=participant,
            instrument=instrument,
            most=most,
            first=first or 0,
            start=(start_ms or 0) * MS,
            end=(end_ms + 1) * MS,
            first_day=(start_ms or 0) // DAY_MS,
            last_day=end_ms // DAY_MS,
            number=number,
            trades=trades,
        )
        rows.sort(key=lambda row: (row["trade"], row["number"]))
        return [(filled_of(row), fill_of(row)) for row in rows]

    async def trades_of(self, number: int, first_day: int, last_day: int) -> list[int] | None:
        """Numbers that the trades of an order have between two days, among others; None: of an
        order off the book, which has no changes, any."""
        if number < 0:
            return None
        query = """
            select packed from history.order_changes
            where number = %(number)s and day between %(first_day)s and %(last_day)s
        """
        rows = await self._rows(query, number=number, first_day=first_day, last_day=last_day)
        # A trade has the number of the first of its two events.
        return [
            change["event_seq"] - before
            for row in rows
            for change in changes_of(row)
            if change["execution"] == "TRADE"
            for before in (0, 1)
        ]

    async def trades(
        self,
        instrument: int,
        first: int | None,
        most: int,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[Trade]:
        """Trades of a market from number ``first`` or ``start_ms`` on, or the last ``most``."""
        is_last = first is None and start_ms is None
        query = f"""
            select trade, price_ticks, lots, at_ms, buyer_is_maker, seq from history.trades
            where instrument = %(instrument)s and trade >= %(first)s
              and at_ms >= %(start)s and at_ms <= %(end)s
              and day >= %(start)s / {DAY_MS} and day <= %(end)s / {DAY_MS}
            order by trade {"desc" if is_last else "asc"} limit %(most)s
        """
        rows = await self._rows(
            query,
            instrument=instrument,
            first=first or 0,
            start=min(start_ms or 0, LAST_MS),
            end=LAST_MS if end_ms is None else min(end_ms, LAST_MS),
            most=most,
        )
        return sorted((Trade(*row.values()) for row in rows), key=lambda trade: trade.number)

    async def trade_before(self, instrument: int, number: int) -> Trade | None:
        """The last trade of a market below a number."""
        query = """
            select trade, price_ticks, lots, at_ms, buyer_is_maker, seq from history.trades
            where instrument = %(instrument)s and trade < %(number)s
            order by trade desc limit 1
        """
        rows = await self._rows(query, instrument=instrument, number=number)
        return Trade(*rows[0].values()) if rows else None

    async def candles(
        self, instrument: int, interval: str, start_ms: int | None, end_ms: int, most: int
    ) -> list[Candle]:
        """Candles in which something was traded and that begin in a time: the first ``most`` from
        ``start_ms`` on, otherwise the last ``most``."""
        length = INTERVALS[interval]
        begin = "(begin_s * 1000 - %(offset)s) / %(length)s * %(length)s + %(offset)s"
        if interval == "1M":
            begin = (
                "(extract(epoch from date_trunc('month', to_timestamp(begin_s) "
                "at time zone 'UTC')) * 1000)::bigint"
            )
        query = f"""
            select {begin} as begin_ms, {SUMS} from history.{table_of(interval)}
            where instrument = %(instrument)s
              and begin_s >= %(first)s and begin_s <= %(last)s
              and day >= %(first)s / 86400 and day <= %(last)s / 86400
            group by 1 order by 1 {"desc" if start_ms is None else "asc"} limit %(most)s
        """
        _, last_ms = bounds(interval, min(end_ms, LAST_MS))
        first_ms = 0
        if start_ms is not None:
            # A candle that began before ``start_ms`` is not one of these.
            start_ms = min(start_ms, LAST_MS)
            begin_ms, own_end_ms = bounds(interval, start_ms)
            first_ms = start_ms if begin_ms == start_ms else own_end_ms + 1
        rows = await self._rows(
            query,
            instrument=instrument,
            first=first_ms // 1_000,
            last=last_ms // 1_000,
            length=length or 1,
            offset=WEEK_BEGIN_MS if interval == "1w" else 0,
            most=most,
        )
        return sorted((_candle(row, interval) for row in rows), key=lambda row: row.begin_ms)


def filled_of(row: dict[str, Any]) -> FilledOrder:
    """The order of a row of ``FILLS``."""
    return FilledOrder(row["number"], row["instrument"], row["client_id"], row["side"])


def fill_of(row: dict[str, Any]) -> Fill:
    """The fill of a row of ``FILLS``."""
    return Fill(
        row["trade"],
        row["price_ticks"],
        row["lots"],
        int(row["fee_units"]),
        row["fee_asset"],
        row["at_ns"],
        row["is_maker"],
        row["seq"],
        row["is_broken"],
    )


def _candle(row: dict[str, Any], interval: str) -> Candle:
    begin_ms, end_ms = bounds(interval, int(row["begin_ms"]))
    sums = "lots", "tick_lots", "count", "taker_buy_lots", "taker_buy_tick_lots"
    return Candle(
        begin_ms,
        end_ms,
        row["open"],
        row["high"],
        row["low"],
        row["close"],
        row["first_trade"],
        row["last_trade"],
        *(int(row[name]) for name in sums),
    )
