"""Events order by order as the steps that formats with a message a step have.

Databento says an execution as a trade, the fill of the resting order, and a cancel of what no
longer rests.  Most other formats have one message for the three; and they tell the cancel of a
whole order from that of a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from openoutcry.tape.fit import Losses
from openoutcry.tape.records import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    MODIFY,
    NO_PRICE,
    REPLACED,
    TRADE,
    WHOLE,
    Array,
)


class Event(NamedTuple):
    """A record of the kind event: what a step needs of it."""

    ts_ns: int
    rx_ts_ns: int
    instrument: int
    order_id: int
    price: int
    qty: int
    match_id: int
    sequence: int
    action: bytes
    side: bytes
    flags: int
    detail: int


def events_of(records: Array) -> Iterator[Event]:
    """Yield records one by one."""
    columns = [records[name].tolist() for name in Event._fields]
    yield from map(Event, *columns)


@dataclass(slots=True)
class Resting:
    """An order of the book."""

    instrument: int
    side: bytes
    price: int
    qty: int


class OpenOrders:
    """Every order that rests, by its number."""

    def __init__(self) -> None:
        self.orders: dict[int, Resting] = {}

    def add(self, number: int, order: Resting) -> None:
        """Put an order into the book."""
        self.orders[number] = order

    def take(self, number: int, qty: int) -> int:
        """Take so much of an order, and return what is left of it; -1: it is unknown."""
        order = self.orders.get(number)
        if order is None:
            return -1
        order.qty -= qty
        if order.qty <= 0:
            del self.orders[number]
            return 0
        return order.qty


class Step(NamedTuple):
    """One of: ``add``; ``part``, ``whole`` (of an order cancelled); ``replace`` of an order by
    ``other``; ``execution`` of an order, with the trade as ``other``, if there is one; ``trade`` of
    no displayed order."""

    kind: str
    event: Event
    other: Event | None = None
    left: int = 0
    """Of the order; -1: unknown."""
    price: int = NO_PRICE
    """Of the order, as far as it is known."""


class Steps:
    """The steps of events.  What a step says in another way than the event is counted in
    ``losses``."""

    def __init__(self, losses: Losses) -> None:
        self.book, self._losses = OpenOrders(), losses
        self._trade: Event | None = None
        self._trade_left = 0
        self._fills: dict[int, tuple[Event, Event | None]] = {}
        self._replaced: Event | None = None

    def of(self, records: Array) -> Iterator[Step]:
        """Yield the steps of a chunk."""
        for event in events_of(records):
            yield from self._step(event)

    def end(self) -> Iterator[Step]:
        """Yield what waits for a further record."""
        yield from self._cancelled()
        yield from self._traded()
        self._lose_fills()

    def _step(self, event: Event) -> Iterator[Step]:
        if self._replaced is not None and not (event.action == ADD and event.detail == REPLACED):
            yield from self._cancelled()
        if event.action == FILL:
            trade = self._trade
            if trade is not None and trade.instrument == event.instrument and self._trade_left > 0:
                self._trade_left -= event.qty
            else:
                trade = None
                self._losses.add("trade", 1, "a fill without its trade gets one")
            self._fills[event.order_id] = event, trade
            return
        yield from self._traded()
        if event.action == TRADE:
            if self._fills:
                self._lose_fills()
            if event.order_id:
                self._losses.add("order_id", 1, "the aggressor's order of a trade is not said")
            self._trade, self._trade_left = event, event.qty
        elif event.action == ADD:
            yield self._added(event)
        elif event.action == CANCEL and event.detail == REPLACED:
            self._replaced = event
        elif event.action == CANCEL:
            yield self._cancel(event)
        elif event.action == MODIFY:
            yield from self._modified(event)
        elif event.action == CLEAR:
            self._losses.add("action R", 1, "said as the cancel of each order")
            for number, order in list(self.book.orders.items()):
                if order.instrument == event.instrument:
                    yield self._gone(event, number, order)

    def _added(self, event: Event) -> Step:
        old, self._replaced = self._replaced, None
        self.book.add(event.order_id, Resting(event.instrument, event.side, event.price, event.qty))
        if old is None:
            return Step("add", event, None, event.qty)
        self.book.take(old.order_id, old.qty)
        return Step("replace", old, event, event.qty)

    def _cancel(self, event: Event) -> Step:
        fill, trade = self._fills.pop(event.order_id, (None, None))
        order = self.book.orders.get(event.order_id)
        price = order.price if order else event.price
        left = self.book.take(event.order_id, event.qty)
        if fill is not None and fill.qty == event.qty:
            return Step("execution", fill, trade, left, price)
        if fill is not None:
            self._lose_fills(1)
        kind = "whole" if left == 0 or event.detail == WHOLE else "part"
        return Step(kind, event, None, left, price)

    def _modified(self, event: Event) -> Iterator[Step]:
        """To less at the same price: a cancel of a part; otherwise the order loses its place."""
        had = self.book.orders.get(event.order_id)
        if had is not None and event.price == had.price and 0 < event.qty < had.qty:
            part = event._replace(action=CANCEL, qty=had.qty - event.qty)
            step = self._cancel(part)
            if step.kind != "execution":
                self._losses.add("action M", 1, "said as the cancel of a part")
            yield step
            return
        self._losses.add("action M", 1, "said as a cancel and an addition")
        if had is not None:
            yield self._gone(event, event.order_id, had)
        yield self._added(event._replace(action=ADD))

    def _gone(self, event: Event, number: int, order: Resting) -> Step:
        del self.book.orders[number]
        gone = event._replace(
            action=CANCEL, order_id=number, price=order.price, qty=order.qty, side=order.side
        )
        return Step("whole", gone)

    def _cancelled(self) -> Iterator[Step]:
        """A cancel that was to be a replacement's, and is none."""
        if self._replaced is not None:
            event, self._replaced = self._replaced, None
            yield self._cancel(event)

    def _traded(self) -> Iterator[Step]:
        """The part of a trade that no fill has said."""
        trade, self._trade = self._trade, None
        if trade is not None and (self._trade_left > 0 or not trade.qty):
            yield Step("trade", trade._replace(qty=self._trade_left))

    def _lose_fills(self, count: int = 0) -> None:
        self._losses.add(
            "action F",
            count or len(self._fills),
            "a fill that no cancel of the same quantity follows is not said",
        )
        if not count:
            self._fills.clear()
