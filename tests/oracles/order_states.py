"""What became of orders, folded from events alone: as plain as can be."""

from typing import Any

from openoutcry.wire.enums import CommandKind, EventKind, Reason
from openoutcry.wire.off_book import is_off_book

BY_OWNER = (Reason.USER, Reason.MASS_CANCEL, Reason.DISCONNECTED, Reason.REDUCED_TO_ZERO)
TIME_IS_OVER = (Reason.EXPIRED, Reason.DAY_END, Reason.AUCTION_REST)
ENDS = (EventKind.CANCELLED, EventKind.EXPIRED)
OPEN = ("NEW", "PARTIALLY_FILLED")


class OrderStates:
    """Every order by its id: whose, state, lots open, lots traded.

    The API says that an order has expired if anybody but its owner ended it.  FIX says so only if
    its time was over (``fix_state``)."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}

    def take(self, command: Any, events: Any) -> None:
        """A command and the events that it caused, as records."""
        for event in events:
            number = int(event["order_id"])
            if is_off_book(number):
                continue
            kind = int(event["kind"])
            is_own = int(command["kind"]) == CommandKind.NEW and number == int(command["order_id"])
            if kind == EventKind.ACCEPTED or (kind == EventKind.REJECTED and is_own):
                state = "NEW" if kind == EventKind.ACCEPTED else "REJECTED"
                self.orders[number] = {
                    "participant": int(command["participant"]),
                    "state": state,
                    "fix_state": state,
                    "leaves_lots": 0 if state == "REJECTED" else int(event["leaves_lots"]),
                    "executed_lots": 0,
                }
            elif number in self.orders and kind != EventKind.REJECTED:
                self._change(self.orders[number], kind, event)

    @staticmethod
    def _change(order: dict[str, Any], kind: int, event: Any) -> None:
        if kind in ENDS:
            is_cancelled = kind == EventKind.CANCELLED
            by_owner = is_cancelled and int(event["reason"]) in BY_OWNER
            order["state"], order["leaves_lots"] = "CANCELED" if by_owner else "EXPIRED", 0
            is_over = not is_cancelled or int(event["reason"]) in TIME_IS_OVER
            order["fix_state"] = "EXPIRED" if is_over else "CANCELED"
            return
        if kind == EventKind.FILLED:
            order["executed_lots"] += int(event["qty_lots"])
        if kind in (EventKind.FILLED, EventKind.REDUCED, EventKind.REPLACED):
            order["leaves_lots"] = int(event["leaves_lots"])
        if order["state"] in OPEN:
            traded = "PARTIALLY_FILLED" if order["executed_lots"] else "NEW"
            is_filled = kind == EventKind.FILLED and not order["leaves_lots"]
            order["state"] = order["fix_state"] = "FILLED" if is_filled else traded

    def open(self) -> dict[int, tuple[int, int]]:
        """Participant and open lots of each open order."""
        return {
            number: (one["participant"], one["leaves_lots"])
            for number, one in self.orders.items()
            if one["state"] in OPEN
        }
