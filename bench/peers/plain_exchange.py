"""What people write first: an exchange in plain Python, with sortedcontainers for the book.

Two ways to run it are the pipeline's peers: its stages as asyncio tasks with queues between them,
and as processes with multiprocessing.Queue between them.  Both get the same commands as we do and
must trade as often as our matcher.
"""

import asyncio
import multiprocessing
import os
import time
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.peers.programs import need_module
from openoutcry.host.processes import PeerError
from openoutcry.wire import enum_numbers

NEW, CANCEL, REDUCE, REPLACE = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.COMMAND_KIND_CANCEL,
    enum_numbers.COMMAND_KIND_REDUCE,
    enum_numbers.COMMAND_KIND_REPLACE,
)
MARKET, POST_ONLY = enum_numbers.ORDER_TYPE_MARKET, enum_numbers.ORDER_TYPE_POST_ONLY
IOC, FOK, BUY = (
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_FOK,
    enum_numbers.SIDE_BUY,
)
FAR_TICKS = 1 << 40
BURST = 64
QUEUE_BOUND = 4096
JOIN_S = 60

Command = tuple[int, int, int, int, int, int, int]
"""kind, order id, side, price, quantity, order type, time in force."""


class PlainBook:
    """Price-time priority for one instrument: levels in a SortedDict a side, orders in a deque."""

    def __init__(self) -> None:
        need_module("sortedcontainers", "pip install 'openoutcry[bench]'")
        from sortedcontainers import SortedDict

        self.sides: dict[bool, Any] = {True: SortedDict(), False: SortedDict()}
        self.orders: dict[int, list[Any]] = {}
        self.trades = 0

    def apply(self, command: Command) -> int:
        """Carry one command out; returns the trades that it made."""
        kind, order_id, side, price, qty, order_type, force = command
        before = self.trades
        if kind == NEW:
            self._enter(order_id, side == BUY, price, qty, order_type, force)
        elif order_id in self.orders:
            order = self.orders[order_id]
            if kind == CANCEL:
                self._remove(order)
            elif kind == REDUCE:
                order[3] -= qty
                if order[3] <= 0:
                    self._remove(order)
            elif kind == REPLACE:
                self._replace(order, price, qty)
        return self.trades - before

    def _replace(self, order: list[Any], price: int, qty: int) -> None:
        if price == order[2] and qty <= order[3]:
            order[3] = qty
            return
        self._remove(order)
        self._enter(order[0], order[1], price, qty, 0, 0)

    def _enter(self, order_id: int, buy: bool, price: int, qty: int, kind: int, force: int) -> None:
        if kind == MARKET:
            price = FAR_TICKS if buy else -FAR_TICKS
        against = self.sides[not buy]
        if kind == POST_ONLY and against and self._crosses(buy, price, self._best(against, buy)):
            return
        if force == FOK and self._available(against, buy, price) < qty:
            return
        while qty and against:
            best = self._best(against, buy)
            if not self._crosses(buy, price, best):
                break
            level = against[best]
            while qty and level:
                maker = level[0]
                taken = min(qty, maker[3])
                qty -= taken
                maker[3] -= taken
                self.trades += 1
                if not maker[3]:
                    level.popleft()
                    del self.orders[maker[0]]
            if not level:
                del against[best]
        if qty and kind != MARKET and force not in (IOC, FOK):
            order = [order_id, buy, price, qty]
            self.orders[order_id] = order
            self.sides[buy].setdefault(price, deque()).append(order)

    @staticmethod
    def _best(against: Any, buy: bool) -> int:
        return int(against.peekitem(0 if buy else -1)[0])

    @staticmethod
    def _crosses(buy: bool, price: int, best: int) -> bool:
        return price >= best if buy else price <= best

    def _available(self, against: Any, buy: bool, price: int) -> int:
        prices = against.irange(maximum=price) if buy else against.irange(minimum=price)
        return sum(order[3] for at in prices for order in against[at])

    def _remove(self, order: list[Any]) -> None:
        del self.orders[order[0]]
        level = self.sides[order[1]][order[2]]
        level.remove(order)
        if not level:
            del self.sides[order[1]][order[2]]


def as_tuples(records: npt.NDArray[Any]) -> list[Command]:
    """ORDER_DTYPE records as plain Python sees them."""
    names = ("kind", "order_id", "side", "price_ticks", "qty_lots", "order_type", "time_in_force")
    return list(zip(*(records[name].tolist() for name in names), strict=True))


def valid(command: Command) -> bool:
    """What a first gateway checks."""
    return command[4] > 0 or command[0] in (CANCEL,)


class Taken:
    """What one run gave: seconds from the first command's intended send to the last reply,
    latencies in ns by command in their order, trades."""

    def __init__(self, seconds: float, latencies: list[int], trades: int) -> None:
        self.seconds = seconds
        self.latencies = np.asarray(latencies, np.int64)
        self.trades = trades


def asyncio_exchange(commands: list[Command], rate: int) -> Taken:
    """Gateway, matcher and replies as tasks with asyncio.Queue between them; ``rate`` commands a
    second by intended send time, 0: as fast as they go."""
    return asyncio.run(_asyncio_exchange(commands, rate))


async def _asyncio_exchange(commands: list[Command], rate: int) -> Taken:
    book = PlainBook()
    to_gateway: asyncio.Queue[Any] = asyncio.Queue(QUEUE_BOUND)
    to_matcher: asyncio.Queue[Any] = asyncio.Queue(QUEUE_BOUND)
    to_replies: asyncio.Queue[Any] = asyncio.Queue(QUEUE_BOUND)
    latencies: list[int] = []

    async def gateway() -> None:
        while (item := await to_gateway.get()) is not None:
            if valid(item[1]):
                await to_matcher.put(item)
        await to_matcher.put(None)

    async def matcher() -> None:
        while (item := await to_matcher.get()) is not None:
            await to_replies.put((item[0], book.apply(item[1])))
        await to_replies.put(None)

    async def replies() -> None:
        while (item := await to_replies.get()) is not None:
            latencies.append(time.monotonic_ns() - item[0])

    tasks = [asyncio.create_task(stage()) for stage in (gateway, matcher, replies)]
    first = time.monotonic_ns()
    for number, command in enumerate(commands):
        due = first + number * 1_000_000_000 // rate if rate else time.monotonic_ns()
        while time.monotonic_ns() < due:
            await asyncio.sleep(0)
        await to_gateway.put((due, command))
    await to_gateway.put(None)
    await asyncio.gather(*tasks)
    return Taken((time.monotonic_ns() - first) / 1e9, latencies, book.trades)


def queue_stages(commands: list[Command], rate: int) -> Taken:
    """Gateway and matcher as processes with multiprocessing.Queue between them; BURST commands an
    item, because one an item is slower still."""
    context = multiprocessing.get_context("fork")
    to_gateway, to_matcher, to_replies = (context.Queue(BURST) for _ in range(3))
    stages = [
        context.Process(target=_queue_gateway, args=(to_gateway, to_matcher), daemon=True),
        context.Process(target=_queue_matcher, args=(to_matcher, to_replies), daemon=True),
    ]
    for stage in stages:
        stage.start()
    sender = context.Process(target=_queue_sender, args=(commands, rate, to_gateway), daemon=True)
    sender.start()
    latencies: list[int] = []
    trades = first = now = 0
    try:
        while (batch := to_replies.get(timeout=JOIN_S)) is not None:
            now = time.monotonic_ns()
            # As ours: from the first command's intended send, not from the fork of its sender.
            first = first or batch[0][0]
            latencies += [now - due for due, _ in batch]
            trades += sum(trade_count for _, trade_count in batch)
        took = (now - first) / 1e9
    finally:
        for process in (sender, *stages):
            # Not SIGTERM: they would inherit what the bench does on it.
            process.kill()
            process.join(JOIN_S)
    return Taken(took, latencies, trades)


def _queue_sender(commands: list[Command], rate: int, out: Any) -> None:
    first = time.monotonic_ns()
    batch: list[tuple[int, Command]] = []
    for number, command in enumerate(commands):
        due = first + number * 1_000_000_000 // rate if rate else time.monotonic_ns()
        if rate and time.monotonic_ns() < due:
            # Nobody keeps an order back to fill a batch.
            if batch:
                out.put(batch)
                batch = []
            while time.monotonic_ns() < due:
                os.sched_yield()
        batch.append((due, command))
        if len(batch) == BURST:
            out.put(batch)
            batch = []
    if batch:
        out.put(batch)
    out.put(None)
    out.close()
    out.join_thread()


def _queue_gateway(inbox: Any, out: Any) -> None:
    while (batch := inbox.get()) is not None:
        out.put([item for item in batch if valid(item[1])])
    out.put(None)


def _queue_matcher(inbox: Any, out: Any) -> None:
    book = PlainBook()
    while (batch := inbox.get()) is not None:
        out.put([(due, book.apply(command)) for due, command in batch])
    out.put(None)


PEERS = {"asyncio": asyncio_exchange, "mp_queue": queue_stages}


def measure(name: str, commands: list[Command], rate: int, trades: int) -> Taken:
    """Run a peer; raises :class:`PeerError` if it answered or traded otherwise than it must
    (``trades``: our run's, of the same commands)."""
    taken = PEERS[name](commands, rate)
    if len(taken.latencies) != len(commands):
        raise PeerError(f"{name}: {len(taken.latencies)} of {len(commands)} commands answered")
    if taken.trades != trades:
        raise PeerError(f"{name}: {taken.trades} trades, and our matcher made {trades}")
    return taken
