"""Run by the interpreter of lightmatchingengine's own environment: see ``matchers.py``.

``match_lightmatchingengine.py FILE`` prints JSON: how long the operations of FILE took it, and the
trades it made.
"""

import json
import struct
import sys
import time

from lightmatchingengine.lightmatchingengine import LightMatchingEngine

CANCEL, REST, TAKE = range(3)
SYMBOL = "OUTCRY"


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        rows = list(struct.iter_unpack("<5q", file.read()))
    engine = LightMatchingEngine()
    # It numbers the orders itself, from 1 in the order of arrival.
    numbers: dict[int, int] = {}
    ids = [0]
    prepared = []
    for op, order_id, side, price, qty in rows:
        if op != CANCEL:
            ids.append(order_id)
            numbers[order_id] = len(ids) - 1
        prepared.append((op, numbers[order_id], side, price, qty))
    batches = []
    add, cancel = engine.add_order, engine.cancel_order
    before = time.perf_counter_ns()
    for op, number, side, price, qty in prepared:
        if op == CANCEL:
            try:
                cancel(number, SYMBOL)
            except AssertionError:
                # It keeps the numbers of filled orders, and misses their level.
                continue
        else:
            order, trades = add(SYMBOL, price, qty, side)
            if trades:
                batches.append(trades)
            if op == TAKE and order.leaves_qty:
                cancel(order.order_id, SYMBOL)
    took_ns = time.perf_counter_ns() - before
    fills = []
    for trades in batches:
        taker = 0
        for trade in trades:
            # The taker's trade with a level stands before those of the level's makers.
            if trade.order_id == trades[0].order_id:
                taker = ids[trade.order_id]
            else:
                fills.append([taker, ids[trade.order_id], trade.trade_price, trade.trade_qty])
    print(json.dumps({"took_ns": took_ns, "trades": fills}))


main()
