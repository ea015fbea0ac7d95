"""Single trades by hand."""

import numpy as np

from openoutcry.ledger.books import Books
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Side, TimeInForce
from tests.support.ledger import ledger_flow as flow


def new(side, price, qty, who, number, symbol=b"PLAIN", day=1):
    """A limit order of ``day``."""
    order = np.zeros(1, ORDER_DTYPE)
    order["kind"], order["order_type"] = CommandKind.NEW, OrderType.LIMIT
    order["time_in_force"], order["side"], order["symbol"] = TimeInForce.DAY, side, symbol
    order["price_ticks"], order["qty_lots"] = price, qty
    order["participant"], order["order_id"] = who, number
    order["rx_ts_ns"] = day * flow.DAY_NS
    return order


def trade_on(day, number, price, qty, symbol=b"PLAIN"):
    """Participant 2 sells, participant 1 takes it."""
    return [
        new(Side.SELL, price, qty, 2, number, symbol, day),
        new(Side.BUY, price, qty, 1, number + 1, symbol, day),
    ]


def booked(document, commands):
    """The books and rows of commands, none of which is rejected."""
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    engine, books = flow.core(document), Books(document)
    events = engine.process(orders)
    assert not (events["kind"] == EventKind.REJECTED).any()
    return books, books.post(orders, events)
