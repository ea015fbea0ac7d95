"""The book as its readers know it: kept from events alone.

Every event has the order's leaves, and those that put an order at the back of a queue are
known by kind, so the matcher need not be asked.  The number (``seq``) of the event that gave an
order its place is its public id: unique, and ascending along each queue.  The book is right
after an event with the flag LAST; within a command a taker already has the place of its remainder.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.records import EVENT_DTYPE

MAKER, KEPT_PLACE, HIDDEN = EventFlag.MAKER, EventFlag.KEPT_PLACE, EventFlag.HIDDEN
WAITING, ICEBERG = EventFlag.WAITING, EventFlag.ICEBERG

NO_ORDERS = (
    EventKind.REJECTED,
    EventKind.PHASE_CHANGED,
    EventKind.INDICATIVE,
    EventKind.UNCROSSED,
    EventKind.COMPLETED,
    EventKind.DELAYED,
    EventKind.ENTERED,
)
"""Events that are not about an open order."""

Levels = list[tuple[int, int, int]]


@dataclass
class BookOrder:
    """An open order.  ``shown_lots`` is what others see of it: 0 if it is hidden or waits."""

    order_id: int
    participant: int
    side: int
    price_ticks: int
    """Limit price; 0 for a stop without a limit until it is elected."""
    leaves_lots: int
    public_id: int
    is_hidden: bool
    is_waiting: bool
    """Open, but in no queue: a stop, a peg without a price, an order for an auction to come."""
    slice_lots: int = 0
    """The rest of an iceberg's slice."""
    display_lots: int = 0
    """An iceberg's next slice; 0 of any other order."""

    @property
    def shown_lots(self) -> int:
        """Lots that the displayed book shows of it."""
        if self.is_hidden or self.is_waiting:
            return 0
        return self.slice_lots if self.display_lots else self.leaves_lots


class BookFromEvents:
    """The open orders of all instruments, rebuilt from EVENT_DTYPE arrays in their order.

    Begin with an engine's first event.  :meth:`apply` raises :class:`MatcherError` for an event
    about an order that is not open, which means that events are missing.
    """

    def __init__(self) -> None:
        self._orders: dict[tuple[int, int], BookOrder] = {}

    def apply(self, events: npt.NDArray[Any]) -> None:
        """Take in events (EVENT_DTYPE, one dimension)."""
        if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
            raise MatcherError("events: not a one-dimensional array of EVENT_DTYPE")
        for event in events:
            if event["kind"] not in NO_ORDERS:
                self._apply(event)

    def order(self, instrument: int, order_id: int) -> BookOrder | None:
        """An open order, or None."""
        return self._orders.get((instrument, order_id))

    def queue(self, instrument: int, side: int, hidden: bool = False) -> list[BookOrder]:
        """The displayed (or hidden) orders of a side: best price first, then in queue order."""
        sign = -1 if side == Side.BUY else 1
        orders = [
            order
            for (where, _), order in self._orders.items()
            if where == instrument
            and order.side == side
            and not order.is_waiting
            and order.is_hidden == hidden
        ]
        return sorted(orders, key=lambda order: (sign * order.price_ticks, order.public_id))

    def waiting(self, instrument: int) -> list[BookOrder]:
        """The orders that are in no queue, in the order of their public ids."""
        orders = [
            o for (where, _), o in self._orders.items() if where == instrument and o.is_waiting
        ]
        return sorted(orders, key=lambda order: order.public_id)

    def depth(self, instrument: int, levels: int) -> dict[str, Levels]:
        """``{"bids": [(price_ticks, qty_lots, order_count), ...], "asks": [...]}``: what is
        displayed, best first, at most ``levels`` a side, as ``Engine.depth`` returns it."""
        sides = []
        for side in Side:
            by_price: dict[int, tuple[int, int]] = {}
            for order in self.queue(instrument, side):
                qty, count = by_price.get(order.price_ticks, (0, 0))
                by_price[order.price_ticks] = (qty + order.shown_lots, count + 1)
            sides.append([(price, *level) for price, level in by_price.items()][:levels])
        return {"bids": sides[0], "asks": sides[1]}

    def _apply(self, event: Any) -> None:
        kind, flags = int(event["kind"]), int(event["flags"])
        key = int(event["instrument"]), int(event["order_id"])
        if kind == EventKind.ACCEPTED:
            self._orders[key] = BookOrder(
                order_id=key[1],
                participant=int(event["participant"]),
                side=int(event["side"]),
                price_ticks=int(event["price_ticks"]),
                leaves_lots=0,
                public_id=0,
                is_hidden=bool(flags & HIDDEN),
                is_waiting=False,
            )
        order = self._orders.get(key)
        if order is None:
            raise MatcherError(
                f"event {event['seq']}: order {key[1]} of instrument {key[0]} is not open: "
                "events before it are missing"
            )
        order.leaves_lots = int(event["leaves_lots"])
        if flags & ICEBERG:
            order.display_lots = int(event["contra_id"])
        if kind == EventKind.FILLED and flags & MAKER:
            order.slice_lots -= int(event["qty_lots"])
        elif kind == EventKind.FILLED:
            order.slice_lots = order.display_lots
        elif kind in (EventKind.ACCEPTED, EventKind.REPLACED, EventKind.REPEGGED):
            order.price_ticks = int(event["price_ticks"])
            order.is_waiting = bool(flags & WAITING)
            if not flags & KEPT_PLACE:
                self._to_the_back(order, event)
        elif kind == EventKind.CONVERTED:
            order.price_ticks = int(event["price_ticks"])
            self._to_the_back(order, event)
        elif kind == EventKind.ELECTED:
            order.is_waiting = False
            self._to_the_back(order, event)
        elif kind == EventKind.REFRESHED:
            self._to_the_back(order, event)
        order.slice_lots = min(order.slice_lots, order.leaves_lots)
        if order.leaves_lots == 0:
            del self._orders[key]

    def _to_the_back(self, order: BookOrder, event: Any) -> None:
        order.public_id = int(event["seq"])
        order.slice_lots = order.display_lots
