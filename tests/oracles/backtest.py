"""The same run in plain Python: slow, and plainly right.

One command at a time through the reference matcher; what the driver keeps in words is here in plain
objects.  ``drive.py`` is tested against it, event by event.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Day
from openoutcry.backtest.latency import Latency
from openoutcry.backtest.strategy import Strategy
from openoutcry.ledger.fees import share_of
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE
from tests.oracles.matcher.books import Place
from tests.oracles.matcher.engine import ReferenceEngine

MASK = (1 << 64) - 1


class Random:
    """splitmix64, as flow's kernels have it."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def entry(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) >> 1 >> 51


class ReferenceRun:
    """Run a strategy of plain Python over a day; ``log`` has every own event as the driver's."""

    def __init__(
        self,
        day: Day,
        strategy: Strategy,
        parameters: Mapping[str, int],
        latency: Latency,
        seed: int = 1,
        fees: tuple[int, int] = (0, 0),
    ) -> None:
        self.day, self.strategy, self.latency, self.fees = day, strategy, latency, fees
        self.engine = ReferenceEngine(day.instruments, day.order_capacity)
        self.market = self.engine.markets[0]
        self.random = Random(seed)
        self.state = strategy.state(parameters)
        self.view, self.desk = (
            np.zeros(lay.VIEW_WORDS, np.int64),
            np.zeros(lay.DESK_WORDS, np.int64),
        )
        self.desk[lay.NEXT_ID], self.desk[lay.ROWS_END] = day.own_id, lay.DESK_AT
        self.under_way: deque[tuple[int, list[int]]] = deque()
        self.log: list[list[int]] = []
        self.rows_told = 0
        self.position = self.cash = self.paid = self.impact_lots = self.done = 0
        self.now_ns = self.local_ns = self.arrival_ns = lay.NOTHING
        self.shown: tuple[int, int, int, int] = (0, 0, 0, 0)
        interval_ns = strategy.interval(parameters)
        self._run(interval_ns)

    def _run(self, interval_ns: int) -> None:
        records = self.day.records()
        timer_ns = self.day.first_ns + interval_ns if interval_ns else lay.NEVER
        at = 0
        while at < len(records):
            recorded_ns = int(records["rx_ts_ns"][at])
            own_ns = self.under_way[0][0] if self.under_way else lay.NEVER
            if recorded_ns <= min(own_ns, timer_ns):
                self.now_ns = recorded_ns
                self._recorded(records[at : at + 1])
                self.done = at = at + 1
                self._tell_events()
                is_last = at == len(records) or int(records["rx_ts_ns"][at]) > recorded_ns
                if is_last:
                    self._tell_book()
            elif own_ns <= timer_ns:
                self.now_ns, fields = self.under_way.popleft()
                self._own(fields)
                self._tell_events()
                self._tell_book()
            else:
                self.now_ns, timer_ns = timer_ns, timer_ns + interval_ns
                for row in self._open_rows():
                    self.desk[row + lay.ROW_AHEAD] = self._ahead(int(self.desk[row]))
                self._call(self.strategy.on_timer)

    def _recorded(self, order: Any) -> None:
        """The rule of impact of docs/backtest.md, in plain objects."""
        if not self.day.restores:
            self._match(order)
        elif order["time_in_force"][0] & 15 == TimeInForce.IOC:
            self._executed(order)
        elif self._match(order):
            if self._crosses_own(order):
                self.impact_lots += int(order["qty_lots"][0])
                return
            again = order.copy()
            again["aux"] = 0
            is_left = int(order["order_id"][0]) in self.market.orders
            again["kind"] = CommandKind.REPLACE if is_left else CommandKind.NEW
            self._match(again)

    def _executed(self, order: Any) -> None:
        """An execution of the order in ``aux``: own orders before it, then itself, no other."""
        named, lots, price = (int(order[n][0]) for n in ("aux", "qty_lots", "price_ticks"))
        side = Side.SELL if order["side"][0] == Side.BUY else Side.BUY
        ours = self.day.participant
        before = there = 0
        for at, queue in self.market.books[Place.DISPLAYED, side].items():
            ids = [one.order_id for one in queue]
            is_better = at > price if side == Side.BUY else at < price
            if is_better or (at == price and not named):
                before += sum(one.open_qty for one in queue if one.participant == ours)
            elif at == price and named in ids:
                first = queue[: ids.index(named)]
                before += sum(one.open_qty for one in first if one.participant == ours)
                there = queue[ids.index(named)].open_qty
        reached = min(lots, before + there)
        if named:
            self.impact_lots += lots - reached
        if not reached:
            return
        again = order.copy()
        again["qty_lots"] = reached
        taken = self._match(again, is_recorded=not named or there >= lots)
        self.impact_lots += taken
        if taken and there and named in self.market.orders:
            again["kind"], again["order_id"], again["aux"] = CommandKind.REDUCE, named, 0
            again["qty_lots"] = taken
            self._match(again)

    def _crosses_own(self, order: Any) -> bool:
        price, is_buy = int(order["price_ticks"][0]), order["side"][0] == Side.BUY
        for row in self._open_rows():
            own = int(self.desk[row + lay.ROW_TICKS])
            if self.desk[row + lay.ROW_SIDE] != order["side"][0] and (
                price >= own if is_buy else price <= own
            ):
                return True
        return False

    def _own(self, fields: list[int]) -> None:
        kind, order_id, side, price, qty, what = fields
        order = np.zeros(1, ORDER_DTYPE)
        order["kind"], order["order_id"], order["side"] = kind, order_id, side
        order["price_ticks"], order["qty_lots"], order["seq"] = price, qty, self.done
        order["order_type"], order["time_in_force"] = what & 255, what >> 8
        order["participant"], order["symbol"] = (
            self.day.participant,
            self.day.instruments["symbol"][0],
        )
        first = len(self.log)
        self._match(order)
        if kind == CommandKind.NEW and len(self.log) > first:
            ahead = self._ahead(order_id)
            for row in self._rows():
                if self.desk[row] == order_id:
                    self.desk[row + lay.ROW_AHEAD] = ahead
            self.log[first][lay.LOG_AHEAD] = ahead

    def _match(self, order: Any, is_recorded: bool = False) -> int:
        """Lots of own resting orders that it filled; ``is_recorded``: as the recording says."""
        filled, self.is_recorded = 0, is_recorded
        for event in self.engine.process(order):
            if int(event["participant"]) == self.day.participant:
                filled += self._note(event)
        return filled

    def _note(self, event: Any) -> int:
        kind, side = int(event["kind"]), int(event["side"])
        price, qty, leaves = (int(event[n]) for n in ("price_ticks", "qty_lots", "leaves_lots"))
        is_maker = int(bool(event["flags"] & EventFlag.MAKER))
        if kind == EventKind.FILLED:
            signed = qty if side == Side.BUY else -qty
            self.position += signed
            self.cash -= signed * price
            self.paid += share_of(abs(qty * price), self.fees[1 - is_maker])
        ahead = sent_ns = 0
        for row in self._rows():
            if self.desk[row] == event["order_id"]:
                ahead, sent_ns = (
                    int(self.desk[row + at]) for at in (lay.ROW_AHEAD, lay.ROW_SENT_NS)
                )
                is_open = self.desk[row + lay.ROW_STATE] == lay.OPEN
                if kind == EventKind.REJECTED and is_open:
                    self.desk[row + lay.ROW_CANCEL] = 0
                elif kind == EventKind.REJECTED or leaves == 0:
                    self.desk[row + lay.ROW_STATE] = lay.FREE
                else:
                    self.desk[row + lay.ROW_STATE], self.desk[row + lay.ROW_LEAVES] = (
                        lay.OPEN,
                        leaves,
                    )
                break
        self.log.append(
            [
                self.now_ns,
                kind,
                int(event["order_id"]),
                side,
                price,
                qty,
                leaves,
                is_maker,
                int(event["reason"]),
                ahead,
                self.position,
                self.cash,
                self.paid,
                sent_ns,
                int(kind == EventKind.FILLED and not self.is_recorded),
            ]
        )
        return qty if kind == EventKind.FILLED and is_maker else 0

    # What the strategy sees

    def _rows(self) -> list[int]:
        ends = lay.DESK_AT + lay.DESK_ROWS * lay.DESK_ROW_WORDS
        rows = range(lay.DESK_AT, ends, lay.DESK_ROW_WORDS)
        return [row for row in rows if self.desk[row + lay.ROW_STATE] != lay.FREE]

    def _open_rows(self) -> list[int]:
        return [row for row in self._rows() if self.desk[row + lay.ROW_STATE] == lay.OPEN]

    def _ahead(self, order_id: int) -> int:
        for side in Side:
            for queue in self.market.books[Place.DISPLAYED, side].values():
                ids = [order.order_id for order in queue]
                if order_id in ids:
                    return sum(order.open_qty for order in queue[: ids.index(order_id)])
        return 0

    def _best(self, side: Side) -> tuple[int, int]:
        for price in self.market.prices(Place.DISPLAYED, side):
            queue = self.market.books[Place.DISPLAYED, side][price]
            lots = sum(o.open_qty for o in queue if o.participant != self.day.participant)
            if lots:
                return price, lots
        return lay.NOTHING, 0

    def _tell_events(self) -> None:
        while self.rows_told < len(self.log):
            row = self.log[self.rows_told]
            self.rows_told += 1
            if self.strategy.on_event is None:
                continue
            shown = {
                lay.EVENT_KIND: lay.LOG_KIND,
                lay.EVENT_ORDER: lay.LOG_ORDER,
                lay.EVENT_SIDE: lay.LOG_SIDE,
                lay.EVENT_TICKS: lay.LOG_TICKS,
                lay.EVENT_LOTS: lay.LOG_LOTS,
                lay.EVENT_LEAVES: lay.LOG_LEAVES,
                lay.EVENT_MAKER: lay.LOG_MAKER,
                lay.EVENT_REASON: lay.LOG_REASON,
            }
            for word, column in shown.items():
                self.view[word] = row[column]
            self._call(self.strategy.on_event)

    def _tell_book(self) -> None:
        if self.strategy.on_book is None:
            return
        if (*self._best(Side.BUY), *self._best(Side.SELL)) != self.shown:
            self._call(self.strategy.on_book)

    def _call(self, callback: Any) -> None:
        feed_ns = int(self.latency.feed[self.random.entry()])
        self.local_ns = max(self.local_ns, self.now_ns + feed_ns)
        self.shown = (*self._best(Side.BUY), *self._best(Side.SELL))
        self.view[lay.NOW_NS], self.view[lay.EXCHANGE_NS] = self.local_ns, self.now_ns
        self.view[lay.BID_TICKS : lay.ASK_LOTS + 1] = self.shown
        self.view[lay.POSITION_LOTS], self.view[lay.CASH] = self.position, self.cash
        self.view[lay.FEES] = self.paid
        last = self.market.last
        self.view[lay.LAST_TICKS] = lay.NOTHING if last is None else last
        callback(self.view, self.state, self.desk)
        for index in range(int(self.desk[lay.REQUEST_COUNT])):
            at = lay.ASK_AT + index * lay.ASK_WORDS
            order_ns = int(self.latency.order[self.random.entry()])
            earliest_ns = max(self.local_ns + order_ns, self.now_ns + 1)
            self.arrival_ns = max(self.arrival_ns, earliest_ns)
            fields = [int(value) for value in self.desk[at : at + lay.ASK_WORDS]]
            self.under_way.append((self.arrival_ns, fields))
            for row in self._rows():
                if fields[0] == CommandKind.NEW and self.desk[row] == fields[1]:
                    self.desk[row + lay.ROW_SENT_NS] = self.local_ns
        self.desk[lay.REQUEST_COUNT] = 0
