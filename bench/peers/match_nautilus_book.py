"""Run by the interpreter of nautilus_trader's own environment: see ``matchers.py``.

``match_nautilus_book.py FILE`` prints JSON: how long its Rust order book took to apply the deltas
of FILE, and the book that was left.  It is a book, not a matcher: FILE says what was matched.
"""

import json
import struct
import sys
import time

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

DELETE, ADD, UPDATE = range(3)
BATCH = 1024
"""Deltas handed over in one call, so that Python's part of it does not count."""


def main() -> None:
    """Apply the operations of the file to a book and print how long it took."""
    with open(sys.argv[1], "rb") as file:
        rows = list(struct.iter_unpack("<5q", file.read()))
    instrument = InstrumentId.from_str("OUTCRY.XOUT")
    actions = {DELETE: BookAction.DELETE, ADD: BookAction.ADD, UPDATE: BookAction.UPDATE}
    sides = {1: OrderSide.BUY, 2: OrderSide.SELL}
    prices: dict[int, Price] = {}
    sizes: dict[int, Quantity] = {}
    deltas = []
    for number, (op, order_id, side, price, qty) in enumerate(rows):
        at = prices.setdefault(price, Price(price, 0))
        size = sizes.setdefault(qty, Quantity(qty, 0))
        order = BookOrder(sides[side], at, size, order_id)
        deltas.append(OrderBookDelta(instrument, actions[op], order, 0, number, number, number))
    batches = [
        OrderBookDeltas(instrument, deltas[at : at + BATCH]) for at in range(0, len(deltas), BATCH)
    ]
    book = OrderBook(instrument, BookType.L3_MBO)
    apply = book.apply_deltas
    before = time.perf_counter_ns()
    for batch in batches:
        apply(batch)
    took_ns = time.perf_counter_ns() - before
    levels = {
        name: [
            [int(level.price), [[order.order_id, int(order.size)] for order in level.orders()]]
            for level in half
        ]
        for name, half in (("bids", book.bids()), ("asks", book.asks()))
    }
    print(json.dumps({"took_ns": took_ns, "book": levels}))


main()
