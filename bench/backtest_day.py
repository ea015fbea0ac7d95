"""A day for the backtest's bench: what a venue would have recorded of a generated market."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from openoutcry.backtest.day import GENERATED_STEP_NS, Recording
from openoutcry.flow import GeneratedFlow
from openoutcry.flow.commands import (
    AGGRESSOR_ID,
    Command,
    as_orders,
    as_recorded,
    command,
    opposite,
)
from openoutcry.matcher import Engine
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import CommandKind, EventKind, Side, TimeInForce

SYMBOL = b"OUTCRY"
CHUNK = 1 << 14
FILLED, LAST, MAKER = (
    enum_numbers.EVENT_KIND_FILLED,
    enum_numbers.EVENT_FLAG_LAST,
    enum_numbers.EVENT_FLAG_MAKER,
)
KEPT = enum_numbers.EVENT_FLAG_KEPT_PLACE
ENDS = (enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_EXPIRED)


def recorded_market(flow: str, orders: int, seed: int) -> Recording:
    """The public record of a generated flow: what came to rest, was executed, reduced, cancelled.
    It is as ITCH reports it: executions name the executed order."""
    return Recording(
        f"recorded {flow} {orders} {seed}", {"symbol": SYMBOL}, _chunks(flow, orders, seed), True
    )


def _chunks(flow: str, orders: int, seed: int) -> Iterator[Any]:
    source = GeneratedFlow(flow, orders, seed)
    engine = Engine(source.instruments)

    def rows() -> Iterator[Command]:
        market, count = _Market(), 0
        for chunk in source.chunks():
            chunk["seq"] = count + 1 + np.arange(len(chunk))
            count += len(chunk)
            yield from market.messages(engine.process(chunk))

    messages = rows()
    while chunk := list(islice(messages, CHUNK)):
        yield as_orders(chunk)


class _Market:
    """Which orders rest, as far as the record must know."""

    def __init__(self) -> None:
        self.resting: dict[int, tuple[Side, int, int]] = {}
        self.executions = 0

    def messages(self, events: Any) -> Iterator[Command]:
        """The messages about these events, which are those of whole commands."""
        arriving: tuple[int, Side, int, int] | None = None
        for e in events.tolist():
            order_id, _, price, qty, leaves, cause, _, _, kind, _, side, flags, _ = e
            ts_ns = cause * GENERATED_STEP_NS
            if kind == EventKind.ACCEPTED:
                arriving = order_id, Side(side), price, leaves
            elif kind == FILLED and flags & MAKER:
                yield self._executed(ts_ns, order_id, qty, leaves)
            elif kind == FILLED and arriving:
                arriving = (*arriving[:3], leaves)
            elif kind in ENDS and arriving and order_id == arriving[0]:
                arriving = None
            elif order_id in self.resting and kind in (*ENDS, EventKind.REDUCED):
                yield self._taken_off(ts_ns, order_id, qty, leaves)
            elif kind == EventKind.REPLACED:
                before = self.resting[order_id][2]
                if flags & KEPT:
                    yield self._taken_off(ts_ns, order_id, before - leaves, leaves)
                else:
                    yield self._taken_off(ts_ns, order_id, before, 0)
                    arriving = order_id, Side(side), price, leaves
            if flags & LAST:
                if arriving and arriving[3]:
                    yield self._rests(ts_ns, *arriving)
                arriving = None

    def _rests(self, ts_ns: int, order_id: int, side: Side, price: int, qty: int) -> Command:
        self.resting[order_id] = side, price, qty
        return as_recorded(command(CommandKind.NEW, SYMBOL, side, price, qty, order_id), ts_ns, 0)

    def _taken_off(self, ts_ns: int, order_id: int, qty: int, leaves: int) -> Command:
        side, price, _ = self.resting[order_id]
        kind = CommandKind.REDUCE if leaves else CommandKind.CANCEL
        self._left(order_id, leaves)
        return as_recorded(command(kind, SYMBOL, side, price, qty, order_id), ts_ns, 0)

    def _executed(self, ts_ns: int, order_id: int, qty: int, leaves: int) -> Command:
        side, price, _ = self.resting[order_id]
        self._left(order_id, leaves)
        self.executions += 1
        taker = AGGRESSOR_ID + self.executions
        execution = command(
            CommandKind.NEW, SYMBOL, opposite(side), price, qty, taker, TimeInForce.IOC
        )
        return as_recorded(execution, ts_ns, order_id)

    def _left(self, order_id: int, leaves: int) -> None:
        side, price, _ = self.resting.pop(order_id)
        if leaves:
            self.resting[order_id] = side, price, leaves
