"""What an event does to an order: one rule for orders in Python (``trading/orders.py``) and for
those in a kernel's memory (``history/fold.py``)."""

from typing import Any

from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import Reason
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, area, i64
from openoutcry.wire.order_types import BUDGETS, type_bits
from openoutcry.wire.record_blocks import EventRecord

STATE_NAMES = (
    "NEW",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "REJECTED",
    "EXPIRED",
    "EXPIRED_IN_MATCH",
)
NEW, PARTIALLY_FILLED, FILLED, CANCELED, REJECTED, EXPIRED, EXPIRED_IN_MATCH = range(
    len(STATE_NAMES)
)
EXECUTION_NAMES = (
    "NEW",
    "TRADE",
    "CANCELED",
    "REJECTED",
    "EXPIRED",
    "TRADE_PREVENTION",
    "REDUCED",
    "REPLACED",
    "ELECTED",
    "CONVERTED",
)
ENTER, TRADE, CANCEL, REJECT, EXPIRE, PREVENT, REDUCE, REPLACE, ELECT, CONVERT = range(
    len(EXECUTION_NAMES)
)
BROKEN_KIND = enum_numbers.EVENT_KIND_BROKEN
ACCEPTED_KIND, FILLED_KIND = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_FILLED
CANCELLED_KIND, REDUCED_KIND = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_REDUCED
REPLACED_KIND, REJECTED_KIND = enum_numbers.EVENT_KIND_REPLACED, enum_numbers.EVENT_KIND_REJECTED
EXPIRED_KIND, ELECTED_KIND = enum_numbers.EVENT_KIND_EXPIRED, enum_numbers.EVENT_KIND_ELECTED
CONVERTED_KIND = enum_numbers.EVENT_KIND_CONVERTED
KINDS = (
    1 << ACCEPTED_KIND
    | 1 << FILLED_KIND
    | 1 << CANCELLED_KIND
    | 1 << REDUCED_KIND
    | 1 << REPLACED_KIND
    | 1 << REJECTED_KIND
    | 1 << EXPIRED_KIND
    | 1 << ELECTED_KIND
    | 1 << CONVERTED_KIND
)
"""Events that change an order, a bit for each EventKind."""
WAITING, SELF_TRADE = enum_numbers.EVENT_FLAG_WAITING, enum_numbers.REASON_SELF_TRADE
ICEBERG = enum_numbers.ORDER_TYPE_ICEBERG
POST_ONLY_SLIDE = enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE
BY_USER = (Reason.USER, Reason.MASS_CANCEL, Reason.DISCONNECTED, Reason.REDUCED_TO_ZERO)
CANCELS = (
    1 << enum_numbers.COMMAND_KIND_CANCEL
    | 1 << enum_numbers.COMMAND_KIND_REDUCE
    | 1 << enum_numbers.COMMAND_KIND_MASS_CANCEL
    | 1 << enum_numbers.COMMAND_KIND_DISCONNECT
)
"""Commands by which somebody cancels, a bit for each CommandKind."""
LIST = enum_numbers.REASON_LIST
BUDGET_BITS, USER_BITS = type_bits(BUDGETS), sum(1 << int(reason) for reason in BY_USER)


class OrderState(Layout):
    """What events change in an order, and what that depends on."""

    core_id: int = i64("the core's")
    order_type: int = i64("OrderType")
    time_in_force: int = i64("as in its command")
    price_ticks: int = i64("as it was last replaced")
    lots: int = i64("as it was last replaced")
    aux: int = i64("as in its command")
    executed_lots: int = i64("traded")
    leaves_lots: int = i64("open")
    is_waiting: int = i64("1: a stop before its election")
    prevented_lots: int = i64("not traded with oneself")
    reason: int = i64("why it has ended")
    seq: int = i64("of the command that last changed it")
    executed: int = area(16, "what its lots were worth, summed: times 2^32, and below that")
    last_ticks: int = i64("price of its last trade")


@kernel
def apply_event(order: OrderState, event: EventRecord, spent: int, command: int) -> tuple[int, int]:
    """Apply an event of :data:`KINDS` to its order, and return the index in EXECUTION_NAMES and
    the order's state, an index in STATE_NAMES.

    ``spent``: price ticks times lots that the order has paid before.  ``command``: the kind of
    command that caused it.  The caller keeps the state, the client's names and the value of the
    lots.
    """
    kind, state = event.kind, PARTIALLY_FILLED if order.executed_lots > 0 else NEW
    if kind == REJECTED_KIND:
        order.reason = event.reason
        return REJECT, REJECTED
    if kind == ELECTED_KIND:
        order.is_waiting = 0
        return ELECT, state
    if kind == CONVERTED_KIND:
        order.price_ticks = event.price_ticks
        return CONVERT, state
    if kind in (CANCELLED_KIND, EXPIRED_KIND):
        reason = event.reason
        order.reason, order.leaves_lots = reason, 0
        if reason == SELF_TRADE:
            order.prevented_lots = event.qty_lots
            return PREVENT, EXPIRED_IN_MATCH
        if kind == CANCELLED_KIND and reason < 63 and USER_BITS >> reason & 1 != 0:
            return CANCEL, CANCELED
        if reason == LIST and command < 63 and CANCELS >> command & 1 != 0:
            return CANCEL, CANCELED  # another order of its list was cancelled
        is_budget = order.order_type < 63 and BUDGET_BITS >> order.order_type & 1 != 0
        if is_budget and order.executed_lots > 0 and order.aux - spent < order.last_ticks:
            return EXPIRE, FILLED  # what is left of the budget pays for no further lot
        return EXPIRE, EXPIRED
    order.leaves_lots = event.leaves_lots
    if kind == FILLED_KIND:
        order.executed_lots += event.qty_lots
        order.last_ticks, order.is_waiting = event.price_ticks, 0
        return TRADE, FILLED if event.leaves_lots == 0 else PARTIALLY_FILLED
    if kind == REPLACED_KIND:
        order.price_ticks = event.price_ticks
        order.lots = order.executed_lots + event.leaves_lots
        if order.order_type == ICEBERG:
            order.aux = event.contra_id
        return REPLACE, state
    if kind == REDUCED_KIND:
        if event.reason != SELF_TRADE:
            return REDUCE, state
        order.prevented_lots += event.qty_lots
        return PREVENT, state
    order.is_waiting = 1 if event.flags & WAITING != 0 else 0
    if order.order_type == POST_ONLY_SLIDE:
        order.price_ticks = event.price_ticks  # one step short of trading
    return ENTER, state


_function: Any = apply_event
apply_to_object = _function.py_func
"""The same for Python, whose orders and events are objects with fields of these names."""
