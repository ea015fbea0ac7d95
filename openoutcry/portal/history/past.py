"""Orders, fills, trades and candles of any age: what the mirror has in memory, and before that what
the history in the database has."""

from typing import TypeVar

from openoutcry.portal.history.reader import History
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.orders import (
    FILLS_KEPT,
    REJECTED,
    Fill,
    FilledOrder,
    Order,
    OrderList,
)
from openoutcry.portal.trading.public import (
    CANDLES_KEPT,
    TRADES_KEPT,
    AggregateTrade,
    Candle,
    Trade,
    add_to,
    with_gaps,
)

NO_END_MS = 2**43
PARTS_OF_AGGREGATES = 8
"""Trades that are read for each aggregate that is asked for."""
Row = TypeVar("Row")


class Past:
    """The database is asked only for what memory may lack."""

    def __init__(self, mirror: Mirror, history: History | None = None) -> None:
        self.mirror, self.history = mirror, history

    async def order(
        self, participant: int, market: Market, number: int | None, name: str
    ) -> Order | None:
        """Return an order by its number or the client's name of it, as the database has it."""
        if self.history is None:
            return None
        return await self.history.order(participant, market.index, number, name)

    async def orders(
        self,
        participant: int,
        market: Market,
        limit: int,
        first: int | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> list[Order]:
        """Return orders from ``first`` or ``start_ms`` on, otherwise the last ``limit``; in the
        order in which they were entered."""
        own = self.mirror.orders.participant(participant)
        rows = {
            order.number: order
            for order in own.all()
            if order.instrument == market.index
            and order.state != REJECTED
            and order.number >= (first or 0)
            and (start_ms or 0) <= order.created_ns // 1_000_000 <= (end_ms or NO_END_MS)
        }
        if self.history is not None and (own.forgotten_seq or self.mirror.began_seq):
            older = await self.history.orders(
                participant, market.index, limit, first=first, start_ms=start_ms, end_ms=end_ms
            )
            rows = {order.number: order for order in older} | rows
        return _cut([rows[number] for number in sorted(rows)], limit, (first, start_ms))

    async def order_list(self, participant: int, number: int | None, name: str) -> OrderList | None:
        """Return a list of orders by its number or the client's name of it, as the database has
        it."""
        if self.history is None:
            return None
        return await self.history.order_list(participant, number, name)

    async def order_lists(
        self,
        participant: int,
        limit: int,
        first: int | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> list[OrderList]:
        """Like :meth:`orders`, but lists of orders of all markets that were placed."""
        own = self.mirror.orders.participant(participant)
        rows = {
            one.number: one
            for one in own.lists.values()
            if one.is_whole
            and one.number >= (first or 0)
            and (start_ms or 0) <= one.created_ns // 1_000_000 <= (end_ms or NO_END_MS)
        }
        if self.history is not None and (own.forgotten_seq or self.mirror.began_seq):
            span = {"first": first, "start_ms": start_ms, "end_ms": end_ms}
            older = await self.history.order_lists(participant, limit, **span)
            rows = {one.number: one for one in older} | rows
        return _cut([rows[number] for number in sorted(rows)], limit, (first, start_ms))

    async def fills(
        self,
        participant: int,
        market: Market,
        limit: int,
        first: int | None,
        start_ms: int | None,
        end_ms: int | None,
        number: int | None,
    ) -> list[tuple[Order | FilledOrder, Fill]]:
        """Like :meth:`orders`, but fills, by trade number; ``number``: only those of one order."""
        own = self.mirror.orders.participant(participant)
        rows: dict[tuple[int, int], tuple[Order | FilledOrder, Fill]] = {
            (fill.number, order.number): (order, fill)
            for order, fill in own.fills
            if order.instrument == market.index
            and number in (None, order.number)
            and fill.number >= (first or 0)
            and (start_ms or 0) <= fill.time_ns // 1_000_000 <= (end_ms or NO_END_MS)
        }
        is_cut = len(own.fills) == FILLS_KEPT or self.mirror.began_seq
        if self.history is not None and is_cut:
            older = await self.history.fills(
                participant,
                market.index,
                limit,
                first=first,
                start_ms=start_ms,
                end_ms=end_ms,
                number=number,
            )
            rows = {(fill.number, order.number): (order, fill) for order, fill in older} | rows
        return _cut([rows[at] for at in sorted(rows)], limit, (first, start_ms))

    async def trades(self, market: Market, limit: int, first: int | None) -> list[Trade]:
        """Return trades from number ``first`` on, or the last ``limit``."""
        tape = self.mirror.tapes[market.index].trades
        rows = {row.number: row for row in tape if row.number >= (first or 0)}
        is_cut = len(tape) == TRADES_KEPT or self.mirror.began_seq
        lacks = len(rows) < limit if first is None else not tape or first < tape[0].number
        if self.history is not None and is_cut and lacks:
            older = await self.history.trades(market.index, first, limit)
            rows = {row.number: row for row in older} | rows
        return _cut([rows[number] for number in sorted(rows)], limit, (first,))

    async def aggregates(
        self,
        market: Market,
        limit: int,
        first: int | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> list[AggregateTrade]:
        """Return aggregates from number ``first`` or ``start_ms`` on, otherwise the
        last ``limit``."""
        tape = self.mirror.tapes[market.index]
        kept = tape.aggregates
        rows = {
            row.number: row
            for row in kept
            if row.number >= (first or 0)
            and (start_ms or 0) <= row.time_ms <= (end_ms or NO_END_MS)
        }
        begins = first, start_ms
        lacks = len(rows) < limit if begins == (None, None) else not kept
        if kept and first is not None:
            lacks = lacks or first < kept[0].number
        if kept and start_ms is not None:
            lacks = lacks or start_ms <= kept[0].time_ms
        is_cut = len(kept) == TRADES_KEPT or self.mirror.began_seq
        if self.history is not None and is_cut and lacks:
            older = await self._older_aggregates(market.index, limit, first, start_ms, end_ms)
            rows = {row.number: row for row in older} | rows
        return _cut([rows[number] for number in sorted(rows)], limit, begins)

    async def _older_aggregates(
        self,
        instrument: int,
        limit: int,
        first: int | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> list[AggregateTrade]:
        """Made of trades in the database, each of all its trades."""
        assert self.history is not None
        most = limit * PARTS_OF_AGGREGATES
        trades = await self.history.trades(instrument, first, most, start_ms, end_ms)
        rows: list[AggregateTrade] = []
        for trade in trades:
            add_to(rows, trade)
        if not rows:
            return rows
        before = await self.history.trade_before(instrument, rows[0].number)
        of_rest = before is not None and (before.seq, before.price) == (rows[0].seq, rows[0].price)
        is_whole = len(trades) < most or (first is None and start_ms is None) or len(rows) == 1
        return rows[int(of_rest) : len(rows) - (not is_whole)]

    async def candles(
        self,
        market: Market,
        interval: str,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
        now_ms: int,
    ) -> list[Candle]:
        """Return candles from ``start_ms`` on, or the last ``limit`` up to ``end_ms``."""
        tape = self.mirror.tapes[market.index]
        rows = tape.candles_of(interval, start_ms, end_ms, limit, now_ms)
        kept = tape.candles[interval]
        is_cut = len(kept) == CANDLES_KEPT or self.mirror.began_seq
        lacks = len(rows) < limit if start_ms is None else not kept or start_ms < kept[0].begin_ms
        if self.history is None or not is_cut or not lacks:
            return rows
        last_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        older = await self.history.candles(market.index, interval, start_ms, last_ms, limit)
        found = {row.begin_ms: row for row in older}
        for row in tape.candles_of(interval, None, end_ms, CANDLES_KEPT, now_ms):
            # A candle in which this portal began has only a part of its trades.
            if row.begin_ms >= (start_ms or 0) and not (
                row.begin_ms in found and found[row.begin_ms].count > row.count
            ):
                found[row.begin_ms] = row
        ordered = [found[begin] for begin in sorted(found)]
        return with_gaps(ordered, interval, limit, start_ms is None)


def _cut(rows: list[Row], limit: int, begins: tuple[int | None, ...]) -> list[Row]:
    """The first rows if a begin was named, otherwise the last."""
    return rows[-limit:] if all(begin is None for begin in begins) else rows[:limit]
