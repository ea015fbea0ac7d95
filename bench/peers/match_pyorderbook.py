"""Run by the interpreter of pyorderbook's own environment: see ``matchers.py``.

``match_pyorderbook.py FILE`` prints JSON: how long the operations of FILE took it, and the trades
it made.
"""

import json
import logging
import struct
import sys
import time
from typing import Any

from pyorderbook import Book, ask, bid

CANCEL, REST, TAKE = range(3)
SYMBOL = "OUTCRY"


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        rows = list(struct.iter_unpack("<5q", file.read()))
    logging.disable(logging.CRITICAL)
    book = Book()
    last: dict[int, Any] = {}
    placed = []
    trades = []
    match, cancel, is_there = book.match, book.cancel, book.get_order
    before = time.perf_counter_ns()
    for op, order_id, side, price, qty in rows:
        if op == CANCEL:
            order = last[order_id]
            if is_there(order.id) is not None:
                cancel(order)
        else:
            order = bid(SYMBOL, price, qty) if side == 1 else ask(SYMBOL, price, qty)
            last[order_id] = order
            placed.append(order)
            blotter = match(order)
            if blotter.trades:
                trades.append(blotter)
            if op == TAKE and order.quantity:
                cancel(order)
    took_ns = time.perf_counter_ns() - before
    # It numbers orders by uuid, here told back in ours.
    sent = [order_id for op, order_id, *_ in rows if op != CANCEL]
    ids = {order.id: order_id for order, order_id in zip(placed, sent, strict=True)}
    fills = [
        [
            ids[trade.incoming_order_id],
            ids[trade.standing_order_id],
            int(trade.fill_price),
            trade.fill_quantity,
        ]
        for blotter in trades
        for trade in blotter.trades
    ]
    print(json.dumps({"took_ns": took_ns, "trades": fills}))


main()
