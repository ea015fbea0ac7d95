"""Two markets by an author who has not read the detectors, their oracle or their tests.

``bonds``: two thin corporate bonds of one issuer, eight hours, three dealers, calls at the open and
the close, blocks by request for quote off the book.  ``coins``: one coin against two currencies,
day and night, four makers, hundreds of small accounts, stops, news.  The acts are as regulators'
cases and textbooks describe them (Delegated Regulation (EU) 2016/522, FINRA's and the CFTC's
cases), each with drawn tactics; every other day is without acts.  Times are seconds or ns, prices
ticks, quantities lots.
"""

import heapq
import math
import random
from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import WHOLE
from openoutcry.venue.requests import opening
from openoutcry.wire import make_instruments
from openoutcry.wire.enum_numbers import EVENT_FLAG_MAKER
from openoutcry.wire.enums import (
    SELF_TRADE_SHIFT,
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.records import ORDER_DTYPE

Steps = Generator[float, None, None]
SECOND, DAY_S, BEGIN_S = 10**9, 86_400, 1_790_035_200
ENDED = (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REJECTED)
OWN_ORDERS = SelfTrade.CANCEL_NEWEST << SELF_TRADE_SHIFT
"""Nobody trades with a resting order of the same account."""
INDEX_FUND, FIRST_ACTOR, PARTICIPANTS = 90, 600, 2_000


def other(side: Side) -> Side:
    """Return the opposite side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def sign(side: Side) -> int:
    """Return 1 for a buyer and -1 for a seller."""
    return 1 if side == Side.BUY else -1


@dataclass
class Act:
    """What was done, by whom, and its gain (ticks times lots, at the mid of its end) or the move of
    the mid its way; ``worked``: it had the effect that its kind is meant to have."""

    kind: str
    who: tuple[int, ...]
    symbol: str
    begin_ns: int
    end_ns: int
    gain: float
    moved_bps: float
    worked: bool
    rounds: int = 0
    """Times that it traded as it was meant to: a bait that drew, a wash that met."""


@dataclass(frozen=True)
class Style:
    """The scale of a market: its symbols, its price, what moves it, and what its people send."""

    symbols: tuple[bytes, ...]
    price: float
    sigma: float
    """Ticks of the value's move in the square root of a second."""
    impact: float
    """Ticks that makers move for a lot that is taken; it fades in ``fades_s``."""
    fades_s: float
    lean: float
    """Ticks that makers move for a book that is all on one side."""
    half: tuple[int, int]
    """Half of a maker's spread."""
    maker_lots: int
    taker_lots: int
    accounts: int
    takes_s: float
    """Seconds between orders of the crowd in its busiest hour."""
    slow: float
    """How many times longer the steps of acts take than where many trade."""


BONDS = Style((b"ISSA", b"ISSB"), 10_000, 0.18, 0.03, 1_200, 6, (6, 14), 100, 20, 60, 100, 6)
COINS = Style((b"COINU", b"COINE"), 60_000, 4, 0.05, 300, 25, (8, 24), 150, 12, 400, 2.4, 1)


class BlindMarket:
    """Days of one market; ``batches`` has their commands and events, ``acts`` what was done."""

    def __init__(self, style: Style, seed: int, *, blocks: bool = False) -> None:
        self.style, self.random = style, random.Random(seed)
        rows = [
            {
                "symbol": symbol.decode(),
                "min_price_ticks": 1,
                "max_price_ticks": 10**6,
                "reference_price_ticks": int(style.price),
            }
            for symbol in style.symbols
        ]
        table = make_instruments(rows)
        hooks = {"name": "risk", "participants": PARTICIPANTS, "order_capacity": 1 << 16}
        hooks |= {"requests": 4_096} if blocks else {}
        self.config: dict[str, Any] = {
            "instruments": instruments_to_json(table),
            "order_capacity": 1 << 16,
            "hooks": hooks,
        }
        self.engine = Core(table, 1 << 16, hooks=hooks).fresh()
        self.batches: list[tuple[Any, Any]] = []
        self.acts: list[Act] = []
        self.client_orders: list[dict[str, Any]] = []
        self.related: list[tuple[int, ...]] = []
        self.now_ns, self.seq, self.ids, self.blocks = BEGIN_S * SECOND, 0, 0, 0
        self.open: dict[int, tuple[int, bytes, int, int]] = {}
        """Open orders: participant, symbol, price, open lots."""
        self.cash: dict[int, float] = defaultdict(float)
        self.held: dict[tuple[int, bytes], int] = defaultdict(int)
        self.turnover: dict[int, int] = defaultdict(int)
        self.rounds: dict[int, int] = defaultdict(int)
        """Times that an actor's order traded as its act meant it to."""
        self.owner: dict[int, int] = {}
        self.pairs: dict[tuple[int, int], int] = defaultdict(int)
        """Lots that one traded with another in the book, seen from each."""
        self.value, self.value_ns = style.price, self.now_ns
        self.last = dict.fromkeys(style.symbols, style.price)
        """Prices of the last trades in the book."""
        self.pressure = dict.fromkeys(style.symbols, 0.0)
        self.rush, self.rush_way = 0.0, 0.5
        self.actors = FIRST_ACTOR
        self.roles = dict.fromkeys(range(1, 5), "maker") | {INDEX_FUND: "index fund"}
        """What honest accounts do; the others are the crowd."""
        self.queue: list[tuple[int, int, Steps]] = []
        self.calling = False
        """Whether a call takes place."""

    # The clock and the value.

    def start(self, steps: Steps, after_s: float = 0.0) -> None:
        """Let somebody act, from then on."""
        self.ids += 1
        heapq.heappush(self.queue, (self.now_ns + int(after_s * SECOND), self.ids, steps))

    def run(self, seconds: float) -> None:
        """Let all act for that long."""
        end_ns = self.now_ns + int(seconds * SECOND)
        while self.queue and self.queue[0][0] < end_ns:
            self.now_ns, number, steps = heapq.heappop(self.queue)
            wait_s = next(steps, None)
            if wait_s is not None:
                wait_ns = max(1_000, int(wait_s * SECOND))
                heapq.heappush(self.queue, (self.now_ns + wait_ns, number, steps))
        self.now_ns = end_ns

    def stop(self) -> None:
        """End what all do."""
        while self.queue:
            self.queue.pop()[2].close()

    def fair(self, symbol: bytes) -> float:
        """Return what an informed maker believes the price to be."""
        passed_s = (self.now_ns - self.value_ns) / SECOND
        self.value += self.style.sigma * math.sqrt(passed_s) * self.random.gauss(0, 1)
        for one in self.pressure:
            self.pressure[one] *= math.exp(-passed_s / self.style.fades_s)
        self.rush *= math.exp(-passed_s / 240)
        self.value_ns = self.now_ns
        return self.value + self.pressure[symbol] + self.style.lean * self.imbalance(symbol)

    def imbalance(self, symbol: bytes) -> float:
        """Return how much more is bid than offered near the best prices, -1 to 1."""
        depth = self.engine.depth(symbol, 5)
        bid, ask = (sum(level[1] for level in depth[name]) for name in ("bids", "asks"))
        return (bid - ask) / (bid + ask) if bid and ask else 0.0

    def mid(self, symbol: bytes) -> float:
        """Return the mid, or the value where a side of the book is empty."""
        bid, _, ask, _ = self.engine.best(symbol)
        return self.value if bid is None or ask is None else (bid + ask) / 2

    def touch(self, side: Side, symbol: bytes) -> int:
        """Return the best price on this side, or one near the value."""
        bid, _, ask, _ = self.engine.best(symbol)
        best = bid if side == Side.BUY else ask
        return int(self.value) - sign(side) * self.style.half[1] if best is None else best

    # Commands.

    def send(self, orders: Any) -> Any:
        """Process commands at this moment."""
        self.seq += len(orders)
        orders["seq"] = np.arange(self.seq - len(orders) + 1, self.seq + 1)
        orders["rx_ts_ns"] = self.now_ns
        events = self.engine.process(orders).copy()
        self.batches.append((orders, events))
        for event in events:
            self._note(event, orders["symbol"][0])
        return events

    def _note(self, event: Any, symbol: bytes) -> None:
        kind, order_id = int(event["kind"]), int(event["order_id"])
        if kind in ENDED:
            self.open.pop(order_id, None)
        if kind != EventKind.FILLED:
            return
        way, lots, price = sign(event["side"]), int(event["qty_lots"]), int(event["price_ticks"])
        who = int(event["participant"])
        self.cash[who] -= way * lots * price
        if order_id < 1 << 50:
            self.last[symbol] = price
        self.held[who, symbol] += way * lots
        self.turnover[who] += lots
        self.pairs[who, self.owner.get(int(event["contra_id"]), 0)] += lots
        if not event["flags"] & EVENT_FLAG_MAKER and order_id < 1 << 50:
            self.pressure[symbol] += self.style.impact * way * lots
            self.value += 0.1 * self.style.impact * way * lots
        if event["leaves_lots"] == 0:
            self.open.pop(order_id, None)
        elif order_id in self.open:
            self.open[order_id] = (who, symbol, price, int(event["leaves_lots"]))

    def command(
        self,
        kind: CommandKind,
        who: int,
        symbol: bytes,
        order_id: int = 0,
        price: float = 0,
        lots: int = 0,
        side: int = 0,
        order_type: int = 0,
        tif: int = 0,
        aux: int = 0,
    ) -> Any:
        """Send one command."""
        order = np.zeros(1, ORDER_DTYPE)
        order[0] = (
            int(price),
            lots,
            symbol,
            order_id,
            aux,
            0,
            who,
            0,
            kind,
            side,
            order_type,
            tif,
            0,
        )
        return self.send(order)

    def post(
        self,
        who: int,
        side: Side,
        lots: int,
        price: float,
        symbol: bytes,
        order_type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
        aux: int = 0,
    ) -> int:
        """Enter an order; returns its id."""
        self.ids += 1
        number, lots = self.ids, max(1, int(lots))
        self.owner[number] = who
        if tif != TimeInForce.IOC:
            self.open[number] = (who, symbol, int(price), lots)
        self.command(
            CommandKind.NEW,
            who,
            symbol,
            number,
            price,
            lots,
            side,
            order_type,
            tif | OWN_ORDERS,
            aux,
        )
        return number

    def take(self, who: int, side: Side, lots: int, symbol: bytes, through: float = 0) -> None:
        """Trade at once, up to ``through`` ticks beyond the best price."""
        price = self.touch(other(side), symbol) + sign(side) * through
        self.post(who, side, lots, price, symbol, tif=TimeInForce.IOC)

    def cancel(self, *order_ids: int) -> None:
        """Cancel those that are open."""
        for number in order_ids:
            if number in self.open:
                who, symbol, _, _ = self.open.pop(number)
                self.command(CommandKind.CANCEL, who, symbol, number)

    def requote(
        self, who: int, side: Side, number: int, lots: int, price: int, symbol: bytes
    ) -> int:
        """Move an order, or enter it again; returns its id."""
        if number not in self.open:
            return self.post(who, side, lots, price, symbol)
        if self.open[number][2:] != (price, lots):
            self.open[number] = (who, symbol, price, lots)
            self.command(CommandKind.REPLACE, who, symbol, number, price, lots, side)
        return number

    def block(self, buyer: int, seller: int, lots: int, price: float, symbol: bytes) -> None:
        """Book a trade that two have agreed on off the book."""
        self.blocks += 1
        for record in opening(f"rfq {self.blocks}", 0, 0):
            self.send(record)
        record = setting(Setting.OFF_BOOK, lots, buyer << 16 | seller, symbol, int(price))
        record["time_in_force"], record["side"] = Side.BUY, WHOLE
        self.send(record)

    def phase(self, phase: Phase) -> None:
        """Bring both instruments to a phase."""
        for symbol in self.style.symbols:
            self.command(CommandKind.PHASE, 0, symbol, aux=phase)

    # Draws.

    def between(self, low: float, high: float) -> float:
        """Draw evenly on a logarithmic scale."""
        return math.exp(self.random.uniform(math.log(low), math.log(high)))

    def pause(self, low_s: float, high_s: float) -> float:
        """Draw a wait of an act, longer where few trade."""
        return self.between(low_s, high_s) * self.style.slow

    def side(self, buys: float = 0.5) -> Side:
        """Draw a side."""
        return Side.BUY if self.random.random() < buys else Side.SELL

    def symbol(self) -> bytes:
        """Draw a symbol; the first one trades more."""
        return self.style.symbols[self.random.random() < 0.4]

    def lots(self, times: float = 1.0) -> int:
        """Draw a size of the crowd's."""
        return max(1, int(times * self.style.taker_lots * self.random.lognormvariate(0, 0.8)))

    def new_actors(self, count: int) -> tuple[int, ...]:
        """Return accounts that do an act and, besides, trade a little as others do."""
        who = tuple(range(self.actors, self.actors + count))
        self.actors += count
        return who

    def pnl(self, who: Iterable[int], symbol: bytes) -> float:
        """Return money and lots at the mid."""
        mid = self.mid(symbol)
        return sum(self.cash[one] + self.held[one, symbol] * mid for one in who)
