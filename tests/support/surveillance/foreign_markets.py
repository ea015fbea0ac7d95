"""Markets of another style than flow/agent_market.py: few institutions, makers that replace their
quotes every second or two, takers of round lots, noise without a purpose.

Each participant is a function that acts and returns the seconds until it acts again.  Makers quote
around a value that wanders and follows what is taken.
"""

import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.risk.contract_layout import PERPETUAL as PERPETUAL_KIND
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import make_instruments
from openoutcry.wire.enum_numbers import EVENT_FLAG_MAKER
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE

Row = dict[str, Any]
Trader = Callable[[], float | None]
SECOND, DAY_S = 10**9, 86_400
SYMBOL, PERPETUAL = b"SPOT", b"SPOTP"
CAPACITY = 1 << 14
HOOKS: dict[str, Any] = {
    "name": "risk", "participants": 100, "order_capacity": CAPACITY, "leveraged": [1], "fund": 99,
    "contracts": [[1, PERPETUAL_KIND, 0, 1, 0, 0, 0, 0]],
}  # fmt: skip
MARKER, LAST, ONE, OTHER = 71, 81, 91, 92


class ForeignMarket:
    """A market with its detectors; ``lots_follow``: how far the value follows a lot that is taken,
    ticks; ``leans``: how far quotes lean to the side on which more is displayed, ticks.  With
    ``perpetual`` a contract on the instrument trades, too."""

    def __init__(
        self, seed: int, lots_follow: float = 0.0, leans: float = 0.0, *, perpetual: bool = False
    ) -> None:
        self.random, self.lots_follow = random.Random(seed), lots_follow
        self.leans = leans
        symbols = [SYMBOL.decode(), PERPETUAL.decode()][: 1 + perpetual]
        limits = {"min_price_ticks": 1, "max_price_ticks": 10**6, "reference_price_ticks": 10_000}
        table = make_instruments([{"symbol": symbol} | limits for symbol in symbols])
        self.symbols = [symbol.encode() for symbol in symbols]
        hooks = HOOKS if perpetual else None
        self.engine: Engine = Core(table, CAPACITY, hooks=hooks).fresh()
        config = {"instruments": instruments_to_json(table), "order_capacity": CAPACITY}
        self.config: dict[str, Any] = config | ({"hooks": hooks} if hooks else {})
        self.detectors = Detectors(self.config)
        self.batches: list[tuple[Any, Any]] = []
        self.hits: list[Any] = []
        self.seq = self.last_id = 0
        self.now_ns, self.end_ns = 1_790_000_000 * SECOND, 0
        self.value = 10_000.0
        self.found: list[tuple[str, tuple[int, ...]]] = []
        self.took: list[tuple[int, int, int, int]] = []
        """Of each trade: its time, its taker, the taker's side, lots."""

    @property
    def left_s(self) -> float:
        """Return the seconds until continuous trading ends."""
        return (self.end_ns - self.now_ns) / SECOND

    def best(self, side: Side, symbol: bytes = SYMBOL) -> int | None:
        """Return the best price that an order of this side can trade at."""
        levels = self.engine.depth(symbol, 1)["asks" if side == Side.BUY else "bids"]
        return int(levels[0][0]) if levels else None

    def middle(self, symbol: bytes = SYMBOL) -> float | None:
        """Return the mid, ticks."""
        bid, ask = self.best(Side.SELL, symbol), self.best(Side.BUY, symbol)
        return None if bid is None or ask is None else (bid + ask) / 2

    def order(
        self,
        who: int,
        side: int,
        price: float,
        lots: int,
        *,
        ioc: bool = False,
        symbol: bytes = SYMBOL,
    ) -> Row:
        """Return a limit order to send."""
        self.last_id += 1
        return {
            "kind": CommandKind.NEW, "order_id": self.last_id, "participant": who, "side": side,
            "price_ticks": int(price), "qty_lots": lots, "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.IOC if ioc else TimeInForce.DAY, "symbol": symbol,
        }  # fmt: skip

    def take(self, who: int, side: Side, lots: int, through: int, symbol: bytes = SYMBOL) -> None:
        """Trade at once, up to ``through`` ticks beyond the best price."""
        best = self.best(side, symbol)
        if best is not None:
            price = best + (through if side == Side.BUY else -through)
            self.send([self.order(who, side, price, lots, ioc=True, symbol=symbol)])

    def send(self, rows: list[Row]) -> None:
        """Process commands at this moment, and note what was taken and found."""
        orders = np.zeros(len(rows), ORDER_DTYPE)
        orders["symbol"] = SYMBOL
        for order, row in zip(orders, rows, strict=True):
            for name, value in row.items():
                order[name] = value
        orders["seq"] = np.arange(self.seq + 1, self.seq + len(orders) + 1)
        orders["rx_ts_ns"] = self.now_ns
        self.seq += len(orders)
        events = self.engine.process(orders).copy()
        self.batches.append((orders, events))
        for hit in self.detectors.watch(orders, events):
            who = sorted(hit["participants"][: hit["members"]].tolist())
            self.found.append((lay.Detector(int(hit["detector"])).name, tuple(who)))
            self.hits.append(hit)
        for event in events[events["kind"] == EventKind.FILLED]:
            if not event["flags"] & EVENT_FLAG_MAKER:
                taker, side, lots = (
                    int(event[name]) for name in ("participant", "side", "qty_lots")
                )
                self.took.append((self.now_ns, taker, side, lots))
                self.value += self.lots_follow * (lots if side == Side.BUY else -lots)

    def phase(self, phase: Phase) -> None:
        """Bring all instruments to a phase."""
        row = {"kind": CommandKind.PHASE, "aux": phase}
        self.send([row | {"symbol": symbol} for symbol in self.symbols])

    def call(self) -> None:
        """Let a closing auction take place; in this market there is none."""

    def day(self, seconds: int, traders: list[Trader]) -> None:
        """Trade for that long, and close."""
        self.phase(Phase.CONTINUOUS)
        self.end_ns = self.now_ns + seconds * SECOND
        due = [
            (self.now_ns + int(self.random.random() * 5 * SECOND), number, trader)
            for number, trader in enumerate(traders)
        ]
        heapq.heapify(due)
        while due and due[0][0] < self.end_ns:
            at_ns, number, trader = heapq.heappop(due)
            passed_ns = max(at_ns - self.now_ns, 0)
            self.now_ns += passed_ns
            self.value += self.random.gauss(0, 0.4 * (passed_ns / SECOND) ** 0.5)
            wait_s = trader()
            if wait_s is not None:
                heapq.heappush(due, (self.now_ns + int(wait_s * SECOND) + 1, number, trader))
        self.now_ns = self.end_ns
        self.call()
        self.phase(Phase.CLOSED)
        self.now_ns += (DAY_S - seconds) * SECOND

    # The honest.

    def maker(
        self, who: int, lots: int, half: int, every_s: float, symbol: bytes = SYMBOL
    ) -> Trader:
        """Return one that replaces its quotes ``half`` ticks around the value."""
        quotes: list[Row] = []

        def act() -> float:
            gone = [row | {"kind": CommandKind.CANCEL, "qty_lots": 1} for row in quotes]
            middle = self.value + self.random.gauss(0, 0.5) + self.leans * self.imbalance()
            quotes[:] = [
                self.order(who, Side.BUY, middle - half, lots, symbol=symbol),
                self.order(who, Side.SELL, middle + half + 1, lots, symbol=symbol),
            ]
            self.send(gone + quotes)
            return self.random.expovariate(1 / every_s)

        return act

    def imbalance(self) -> float:
        """Return how much more is bid than offered in the spot book, -1 to 1."""
        levels = self.engine.depth(SYMBOL, 5)
        bid, ask = (sum(int(row[1]) for row in levels[side]) for side in ("bids", "asks"))
        return (bid - ask) / max(bid + ask, 1) if self.leans else 0.0

    def taker(
        self, who: int, sizes: tuple[int, ...], every_s: float, symbol: bytes = SYMBOL
    ) -> Trader:
        """Return one that takes one of these sizes in a random direction."""

        def act() -> float:
            side = self.random.choice((Side.BUY, Side.SELL))
            self.take(who, side, self.random.choice(sizes), 2, symbol)
            return self.random.expovariate(1 / every_s)

        return act

    # Acts.

    def pre_arranged(self, every_s: float) -> Trader:
        """Return two that meet within 0.4 s, in random sizes and directions, and no others."""

        def act() -> float:
            bid, ask = self.best(Side.SELL), self.best(Side.BUY)
            if bid is None or ask is None or ask - bid < 2:
                return 1.0
            first, second = self.random.choice(((ONE, OTHER), (OTHER, ONE)))
            side = self.random.choice((Side.BUY, Side.SELL))
            other_side = Side.SELL if side == Side.BUY else Side.BUY
            lots, price = self.random.randrange(3, 60), self.random.randrange(bid + 1, ask)
            self.send([self.order(first, side, price, lots)])
            self.now_ns += int(self.random.uniform(0.05, 0.4) * SECOND)
            self.send([self.order(second, other_side, price, lots, ioc=True)])
            return self.random.expovariate(1 / every_s)

        return act

    def mark(self, middles: list[float | None]) -> Iterator[Trader]:
        """Yield one that takes one way for nearly the whole last minute, one whose single lot is
        the last trade, and one that notes the mid before and after in ``middles``."""
        side = self.random.choice((Side.BUY, Side.SELL))
        lots, every_s = self.random.choice((15, 20, 30)), self.random.choice((2, 3, 4))

        def press() -> float | None:
            if self.left_s > 55:
                return self.left_s - 55 + 8 * self.random.random()
            if self.left_s < 2:
                return None
            self.take(MARKER, side, lots, 3)
            return float(every_s)

        def end() -> float | None:
            if self.left_s > 1.2:
                return self.left_s - 1
            self.take(LAST, self.random.choice((Side.BUY, Side.SELL)), 1, 2)
            return None

        def look() -> float | None:
            if self.left_s > 61:
                return self.left_s - 60.5
            middles.append(self.middle())
            return self.left_s - 0.2 if len(middles) == 1 else None

        yield from (press, end, look)

    def moved_bps(self, middles: list[float | None]) -> float:
        """Return how far the mark moved the mid its way, and 0 if it took less than half of the
        last minute's lots."""
        rows = [row for row in self.took if row[0] >= self.end_ns - 60 * SECOND]
        own = [row for row in rows if row[1] == MARKER]
        if 2 * sum(row[3] for row in own) < sum(row[3] for row in rows) or None in middles:
            return 0.0
        before, after = (float(middle or 0) for middle in middles)
        return (after - before) / before * 10_000 * (1 if own[0][2] == Side.BUY else -1)


def crowd(market: ForeignMarket, sizes: tuple[int, ...], waits_s: list[float]) -> list[Trader]:
    """Return takers, numbered from 11 on."""
    return [market.taker(11 + number, sizes, wait) for number, wait in enumerate(waits_s)]


STYLES: Mapping[str, Callable[[ForeignMarket], list[Trader]]] = {
    "one large maker": lambda m: [
        m.maker(1, 10, 2, 1.5), m.maker(2, 10, 4, 5), *crowd(m, (5, 10, 20), [20, 40, 60, 80, 120])
    ],
    "three equal makers": lambda m: [
        *(m.maker(n, 10, 2, n) for n in (1, 2, 3)), *crowd(m, (10,), [15, 30, 45, 60, 75, 90])
    ],
    "few institutions": lambda m: [
        m.maker(1, 25, 2, 2), m.maker(2, 25, 2, 2), *crowd(m, (25, 50), [25, 35, 45, 55])
    ],
    "retail": lambda m: [
        *(m.maker(n, lots, 2, n) for n, lots in enumerate((1, 5, 10, 20), 1)),
        *crowd(m, (1, 2, 5, 10), [10 + 3 * n for n in range(30)]),
    ],
    "few, and busy": lambda m: [
        m.maker(1, 10, 2, 0.8), m.maker(2, 20, 2, 1.1), *crowd(m, (10, 20), [4, 5, 6, 7])
    ],
}  # fmt: skip
