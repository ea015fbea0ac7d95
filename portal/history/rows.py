"""Rows of the history, made from what a poll of the mirror has brought."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.layout import DAY_NS as LEDGER_DAY_NS
from openoutcry.ledger.layout import Kind
from openoutcry.portal.history.schema import ORDER_COLUMNS
from openoutcry.portal.trading.mirror import DAY_NS, Moment
from openoutcry.portal.trading.orders import Order, Report
from openoutcry.portal.trading.public import DAY_MS, Candle, Trade
from openoutcry.risk.bits import MovementStep

Row = tuple[Any, ...]
ORDER_ROW = attrgetter(*ORDER_COLUMNS)


@dataclass
class Rows:
    """What one transaction adds."""

    orders: dict[int, Order] = field(default_factory=dict)
    """By number; a row is made of each as it is in the end."""
    changes: list[Row] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    trades: list[Row] = field(default_factory=list)
    seconds: dict[tuple[int, int], Candle] = field(default_factory=dict)
    """By instrument and second; longer candles are made of these."""
    postings: list[npt.NDArray[Any]] = field(default_factory=list)
    """The ledger's transactions."""
    balances: list[Row] = field(default_factory=list)
    movements: list[Row] = field(default_factory=list)
    """Made of the postings when they are written."""
    days: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.changes) + len(self.fills) + len(self.trades)

    def add(self, moment: Moment) -> None:
        """Add the rows of what one moment of the mirror changed: orders, fills, trades and their
        seconds."""
        for report in moment.changes:
            self._add_change(report)
        for report in moment.off_book_fills:
            self.days.add(report.time_ns // DAY_NS)
            self.orders[report.order.number] = report.order
            self._add_fill(report)
        for instrument, trade in moment.trades:
            self._add_trade(instrument, trade)

    def _add_change(self, report: Report) -> None:
        order, day = report.order, report.time_ns // DAY_NS
        self.days.add(day)
        self.orders[order.number] = order
        self.changes.append(
            (
                day,
                report.event_seq,
                order.number,
                report.execution,
                report.state,
                report.price_ticks,
                report.lots,
                report.executed_lots,
                report.client_id,
                report.time_ns,
                report.seq,
            )
        )
        self._add_fill(report)

    def _add_fill(self, report: Report) -> None:
        order, fill = report.order, report.fill
        if fill is not None:
            self.fills.append(
                (
                    report.time_ns // DAY_NS,
                    fill.number,
                    order.number,
                    order.participant,
                    order.instrument,
                    fill.price_ticks,
                    fill.lots,
                    fill.fee_units,
                    fill.fee_asset,
                    fill.is_maker,
                    fill.time_ns,
                    report.seq,
                )
            )

    def _add_trade(self, instrument: int, trade: Trade) -> None:
        day, second = trade.time_ms // DAY_MS, trade.time_ms // 1_000
        self.days.add(day)
        self.trades.append(
            (
                day,
                instrument,
                trade.number,
                trade.price,
                trade.lots,
                trade.time_ms,
                trade.buyer_is_maker,
                trade.seq,
            )
        )
        candle = self.seconds.get((instrument, second))
        if candle is None:
            begin_ms, price = second * 1_000, trade.price
            candle = Candle(begin_ms, begin_ms + 999, price, price, price, price)
            self.seconds[instrument, second] = candle
        candle.add(trade)

    def order_rows(self) -> Iterable[Row]:
        """A row for each order that changed, as it is after the last change."""
        return map(ORDER_ROW, self.orders.values())

    def candle_rows(self, length_s: int) -> Iterable[Row]:
        """Candles of a length, made of those of a second."""
        made: dict[tuple[int, int], Candle] = {}
        for (instrument, second), of_second in self.seconds.items():
            key = instrument, second // length_s * length_s
            candle = made.get(key)
            if candle is None:
                made[key] = replace(of_second)
            else:
                candle.join(of_second)
        for (instrument, begin_s), candle in made.items():
            day = begin_s * 1_000 // DAY_MS
            yield (day, instrument, begin_s, *CANDLE_ROW(candle))

    def posted(self) -> npt.NDArray[Any]:
        """All transactions as one array."""
        return np.concatenate(self.postings)


CANDLE_ROW = attrgetter(
    "open",
    "high",
    "low",
    "close",
    "first_trade",
    "last_trade",
    "lots",
    "tick_lots",
    "count",
    "taker_buy_lots",
    "taker_buy_tick_lots",
)
DEPOSITS = frozenset({MovementStep.SEE, MovementStep.CREDIT, MovementStep.REVERSE})
TRANSFER = "transfer"
"""A deposit or withdrawal in one step, by the operator."""


def movement_rows(posted: npt.NDArray[Any], monies: list[str]) -> Iterable[Row]:
    """A row for each step of a deposit or withdrawal among the ledger's transactions."""
    for row in posted[np.isin(posted["kind"], (Kind.DEPOSIT, Kind.MOVEMENT))]:
        kind, step, number, amount = TRANSFER, TRANSFER, int(row["cause_seq"]), -int(row["outside"])
        if row["kind"] == Kind.MOVEMENT:
            taken = MovementStep(int(row["contra_id"]))
            kind = "deposit" if taken in DEPOSITS else "withdrawal"
            step, number, amount = taken.name.lower(), int(row["order_id"]), int(row["qty_lots"])
        yield (
            int(row["ts_ns"]) // LEDGER_DAY_NS,
            int(row["event_seq"]),
            int(row["part"]),
            int(row["participant"]),
            number,
            kind,
            step,
            monies[int(row["asset"])],
            amount,
            int(row["available"]),
            int(row["reserved"]),
            int(row["ts_ns"]),
            int(row["cause_seq"]),
        )
