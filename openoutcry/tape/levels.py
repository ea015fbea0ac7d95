"""The levels that a tape of orders makes: after each event those that it changed."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace

from openoutcry.tape.orders import Event, OpenOrders, Resting, events_of
from openoutcry.tape.records import (
    ADD,
    BID,
    BY_PRICE,
    CANCEL,
    CLEAR,
    LAST,
    LEVEL,
    MODIFY,
    SNAPSHOT,
    TRADE,
    Array,
    Rows,
    Tape,
)

Key = tuple[bytes, int]
"""Side and price."""


class _Book:
    """The levels of an instrument."""

    def __init__(self) -> None:
        self.levels: dict[Key, int] = {}
        self.prices: dict[bool, list[int]] = {True: [], False: []}
        """Of the bids and of the asks, ascending."""
        self.changed: dict[Key, None] = {}
        self.is_new = True
        self.last: Event | None = None

    def change(self, side: bytes, price: int, qty: int) -> None:
        """Add so much to a level."""
        key = side, price
        self.changed[key] = None
        had = self.levels.pop(key, 0)
        left, of_side = had + qty, self.prices[side == BID]
        if left > 0:
            self.levels[key] = left
        if left > 0 and not had:
            insort(of_side, price)
        elif had and left <= 0:
            del of_side[bisect_left(of_side, price)]

    @property
    def is_crossed(self) -> bool:
        """Return whether a bid is not below an ask, as before an auction."""
        bids, asks = self.prices[True], self.prices[False]
        return bool(bids and asks) and bids[-1] >= asks[0]


class LevelsOf:
    """A tape of orders as one of levels and trades.

    An event is of the records up to one with the flag ``LAST``, or of one time where the tape has
    no such flag.  Levels that cross wait for the event that ends it.  The levels of an instrument's
    first event are a snapshot.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape, self.orders = tape, 0
        self.unread: dict[str, int] = {}
        self.header = replace(tape.header, kinds=("event",), about=BY_PRICE)

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        rows, orders = Rows(), OpenOrders()
        books: dict[int, _Book] = {}
        has_flags = False
        for kind, records in self._tape.chunks():
            if kind != "event":
                continue
            has_flags = has_flags or bool((records["flags"] & LAST).any())
            for event in events_of(records):
                book = books.setdefault(event.instrument, _Book())
                if not has_flags and book.last and book.last.ts_ns != event.ts_ns:
                    self._say(book, rows)
                book.last = event
                self.orders += event.action != TRADE
                self._apply(event, book, orders, rows)
                if has_flags and event.flags & LAST:
                    self._say(book, rows)
            yield from rows.taken()
        for book in books.values():
            self._say(book, rows)
        self.unread = self._tape.unread
        yield from rows.taken(end=True)

    def _apply(self, event: Event, book: _Book, orders: OpenOrders, rows: Rows) -> None:
        number, order = event.order_id, orders.orders.get(event.order_id)
        if event.action == TRADE:
            rows.event(
                event.ts_ns,
                TRADE,
                event.side,
                event.price,
                event.qty,
                instrument=event.instrument,
                rx_ts_ns=event.rx_ts_ns,
                match_id=event.match_id,
                sequence=event.sequence,
            )
        elif event.action == CANCEL and order is not None:
            taken = min(event.qty, order.qty)
            book.change(order.side, order.price, -taken)
            orders.take(number, taken)
        elif event.action in (ADD, MODIFY):
            if order is not None:
                book.change(order.side, order.price, -order.qty)
            orders.add(number, Resting(event.instrument, event.side, event.price, event.qty))
            book.change(event.side, event.price, event.qty)
        elif event.action == CLEAR:
            for one, resting in list(orders.orders.items()):
                if resting.instrument == event.instrument:
                    book.change(resting.side, resting.price, -resting.qty)
                    del orders.orders[one]

    def _say(self, book: _Book, rows: Rows) -> None:
        """Append the levels that have changed, unless the book is crossed."""
        event = book.last
        if event is None or not book.changed or book.is_crossed:
            return
        for side, price in book.changed:
            rows.event(
                event.ts_ns,
                LEVEL,
                side,
                price,
                book.levels.get((side, price), 0),
                instrument=event.instrument,
                rx_ts_ns=event.rx_ts_ns,
                flags=SNAPSHOT if book.is_new else 0,
            )
        book.changed.clear()
        book.is_new = False
