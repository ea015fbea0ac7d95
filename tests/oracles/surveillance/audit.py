"""Whose each event is, event by event: the slow and plain way of :meth:`rows.Orders.join`."""

from typing import Any

import numpy.typing as npt

from openoutcry.journal.tables import commands_of
from openoutcry.wire.enums import CommandKind, EventKind

GONE = (EventKind.CANCELLED, EventKind.EXPIRED)
WITH_REST = (EventKind.FILLED, EventKind.REDUCED, EventKind.REPLACED)


class PlainOrders:
    """``open``: entry sequence by (instrument, order id) of the orders that are open."""

    def __init__(self) -> None:
        self.open: dict[tuple[int, int], int] = {}
        self.kinds: dict[int, int] = {}
        """Kind of every command so far."""

    def entries(self, commands: npt.NDArray[Any], events: npt.NDArray[Any]) -> list[int]:
        """The entry sequence of each event's order, 0 where it belongs to none."""
        for command in commands:
            self.kinds[int(command["seq"])] = int(command["kind"])
        entries = []
        for event, own in zip(events, commands_of(events).tolist(), strict=True):
            key = int(event["instrument"]), int(event["order_id"])
            kind, is_new = int(event["kind"]), self.kinds[own] == CommandKind.NEW
            if is_new and kind == EventKind.ACCEPTED:
                self.open[key] = own
            if is_new and kind in (EventKind.REJECTED, EventKind.DELAYED):
                entries.append(own)
                continue
            entries.append(self.open.get(key, 0))
            if kind in GONE or (kind in WITH_REST and event["leaves_lots"] == 0):
                self.open.pop(key, None)
        return entries
