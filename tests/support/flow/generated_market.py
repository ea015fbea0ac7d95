"""A market invented by a seed, and its recording in the formats that we read.

The book is two dictionaries of queues, as slow and plain as can be, so that a recording's reader
and our matcher can be compared with it after every message.
"""

import lzma
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.flow.itch import about, add, replace, stamped

NEW, REDUCE, DELETE, EXECUTION, HIDDEN = range(1, 6)
FIRST_NS = 34_200 * 10**9
STEP_NS = 1_234_567
MID = 5_000


class Row(NamedTuple):
    """A message of the market, as LOBSTER numbers them; ``side`` of the resting order: 1 or -1."""

    ts_ns: int
    kind: int
    order_id: int
    qty_lots: int
    price_ticks: int
    side: int


class Market:
    """``before`` orders rest when the recording begins; ``levels`` prices a side are used.  The
    share ``passes`` of executions takes any order at the best price, and so passes over others."""

    def __init__(self, seed: int, before: int = 0, levels: int = 60, passes: float = 0.0) -> None:
        self.random, self.passes = random.Random(seed), passes
        self.levels = levels
        self.ts_ns = FIRST_NS
        self.last_id = 0
        self.queues: dict[tuple[int, int], dict[int, int]] = {}
        """By side and price: the open quantity of each order, first in time first."""
        for _ in range(before):
            self._add()

    def step(self) -> Row:
        """One thing that happens, done in the book."""
        self.ts_ns += self.random.randint(1, STEP_NS)
        kind = self.random.choices(
            (NEW, REDUCE, DELETE, EXECUTION, HIDDEN), weights=(50, 8, 27, 12, 3)
        )[0]
        queue = self._queue(best=kind == EXECUTION)
        if kind == HIDDEN:
            return Row(self.ts_ns, HIDDEN, 0, self.random.randint(1, 50), MID, 1)
        if queue is None or kind == NEW:
            return self._add()
        side, price_ticks = queue
        orders = self.queues[queue]
        if kind == EXECUTION and not (self.passes and self.random.random() < self.passes):
            order_id = next(iter(orders))
        else:
            order_id = self.random.choice([*orders])
        left = orders[order_id]
        if kind == DELETE or (kind == REDUCE and left == 1):
            kind, qty_lots = DELETE, left
        else:
            qty_lots = self.random.randint(1, left if kind == EXECUTION else left - 1)
        self.take(side, price_ticks, order_id, qty_lots)
        return Row(self.ts_ns, kind, order_id, qty_lots, price_ticks, side)

    def take(self, side: int, price_ticks: int, order_id: int, qty_lots: int) -> int:
        """Take so much of an order away.  Returns what is left of it."""
        orders = self.queues[side, price_ticks]
        orders[order_id] -= qty_lots
        left = orders[order_id]
        if not left:
            del orders[order_id]
        if not orders:
            del self.queues[side, price_ticks]
        return left

    def best_first(self, side: int) -> list[int]:
        """The prices of a side that have orders."""
        return sorted((price for at, price in self.queues if at == side), reverse=side > 0)

    def open_orders(self) -> dict[int, int]:
        """Return the open lots of each order."""
        return {key: left for orders in self.queues.values() for key, left in orders.items()}

    def book_row(self, levels: int) -> str:
        """The book as a row of a LOBSTER order book file."""
        cells: list[int] = []
        sides = {side: self.best_first(side) for side in (-1, 1)}
        for level in range(levels):
            for side, prices in sides.items():
                if level < len(prices):
                    cells += prices[level], sum(self.queues[side, prices[level]].values())
                else:
                    cells += -side * 9_999_999_999, 0
        return ",".join(map(str, cells))

    def rest(self, order_id: int, side: int, price_ticks: int, qty_lots: int) -> None:
        self.queues.setdefault((side, price_ticks), {})[order_id] = qty_lots

    def _add(self) -> Row:
        side = self.random.choice((1, -1))
        price_ticks = MID - side * self.random.randint(1, self.levels)
        qty_lots = self.random.randint(1, 300)
        self.last_id += 1
        self.rest(self.last_id, side, price_ticks, qty_lots)
        return Row(self.ts_ns, NEW, self.last_id, qty_lots, price_ticks, side)

    def _queue(self, best: bool) -> tuple[int, int] | None:
        side = self.random.choice((1, -1))
        prices = self.best_first(side)
        if not prices:
            return None
        return side, prices[0] if best else self.random.choice(prices)


def write_lobster(
    folder: Path,
    seed: int,
    messages: int,
    levels: int = 50,
    prices: int = 45,
    passes: float = 0.0,
) -> dict[int, int]:
    """``messages.csv`` and ``orderbook.csv``, whose first row is the book after the first message.
    Returns how many messages there are of each kind.  ``prices`` a side are used."""
    market = Market(seed, before=2 * prices, levels=prices, passes=passes)
    counts: dict[int, int] = {}
    rows, books = [], []
    for _ in range(messages):
        row = market.step()
        if not rows:
            # The seed book contains the first message, which is of a new order.
            while row.kind != NEW:
                row = market.step()
        counts[row.kind] = counts.get(row.kind, 0) + 1
        seconds, part = divmod(row.ts_ns, 10**9)
        fields = (row.kind, row.order_id, row.qty_lots, row.price_ticks, row.side)
        rows.append(f"{seconds}.{part:09},{','.join(map(str, fields))}\n")
        books.append(market.book_row(levels) + "\n")
    (folder / "messages.csv").write_text("".join(rows))
    (folder / "orderbook.csv").write_text("".join(books))
    return counts


def write_bitstamp(path: Path, seed: int, events: int) -> dict[int, int]:
    """Events as ob-analytics records them, packed with xz.  A created order may cross: its trades
    follow as changed and deleted events of both orders.  Returns what is open at the end."""
    market = Market(seed, levels=30)
    lines = ["id,timestamp,exchange.timestamp,price,volume,action,direction\n"]

    def event(order_id: int, price_ticks: int, volume: int, action: str, side: int) -> None:
        at_ms = market.ts_ns // 10**6
        direction = "bid" if side > 0 else "ask"
        price = f"{price_ticks // 100}.{price_ticks % 100:02}"
        lines.append(f"{order_id},{at_ms + 518},{at_ms},{price},{volume},{action},{direction}\n")

    def left_over(order_id: int, price_ticks: int, left: int, side: int) -> None:
        event(order_id, price_ticks, left, "changed" if left else "deleted", side)

    while len(lines) <= events:
        row = market.step()
        if row.kind == NEW:
            event(row.order_id, row.price_ticks, row.qty_lots, "created", row.side)
        elif row.kind in (REDUCE, DELETE):
            left = market.open_orders().get(row.order_id, 0)
            # A deleted order is reported with the volume that was still open.
            event(
                row.order_id,
                row.price_ticks,
                left or row.qty_lots,
                "changed" if left else "deleted",
                row.side,
            )
        elif row.kind == EXECUTION:
            # The order that the execution needs: it crosses, and nothing of it is left.
            market.last_id += 1
            event(market.last_id, row.price_ticks, row.qty_lots, "created", -row.side)
            left = market.open_orders().get(row.order_id, 0)
            left_over(row.order_id, row.price_ticks, left, row.side)
            left_over(market.last_id, row.price_ticks, 0, -row.side)
    path.write_bytes(lzma.compress("".join(lines).encode()))
    return market.open_orders()


def itch_messages(market: Market, count: int) -> Iterator[bytes]:
    """The market as ITCH 5.0 messages of one stock; some deletes are halves of a replace."""
    for _ in range(count):
        row = market.step()
        side = b"B" if row.side > 0 else b"S"
        if row.kind == NEW:
            kind = market.random.choice((b"A", b"F"))
            body = add(row.order_id, side, row.qty_lots, b"ALC", row.price_ticks, kind)
        elif row.kind == REDUCE:
            body = about(b"X", row.order_id, row.qty_lots)
        elif row.kind == EXECUTION:
            body = about(market.random.choice((b"E", b"C")), row.order_id, row.qty_lots)
        elif row.kind == DELETE and market.random.random() < 0.5:
            market.last_id += 1
            price_ticks, qty_lots = row.price_ticks, market.random.randint(1, 300)
            market.rest(market.last_id, row.side, price_ticks, qty_lots)
            body = replace(row.order_id, market.last_id, qty_lots, price_ticks)
        elif row.kind == DELETE:
            body = about(b"D", row.order_id)
        else:
            body = about(b"P", 0)
        yield stamped(body, row.ts_ns)
