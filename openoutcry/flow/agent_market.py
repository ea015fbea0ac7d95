"""A seeded market of agents: honest traders who look like manipulators, and manipulators.

Unlike the other flows it reacts: market makers lean on the book's imbalance and on trades, and
followers run after moves.  Pressure therefore moves prices, and a manipulator's gain can be
measured.  The caller brings the matcher (:class:`Matcher`): agents see its events, as participants
do.

Everything is drawn from one seed: the same seed and matcher give the same commands, byte for byte.
"""

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from openoutcry.flow.source import Array
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, TimeInForce
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import ORDER_DTYPE, make_instruments

SYMBOLS = ("OUTCRY", "OUTCRYF")
BEGIN_NS = 1_790_000_000 * 10**9
STEP_NS = 250_000_000
SECOND_STEPS = 4
START_TICKS = 2_000
OPEN_STEPS = 8
CLOSED_STEPS = 40
"""Steps before the market opens, and after its close."""
BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
Script = Generator[int, None, None]
"""Script of an agent: yields how many steps it waits."""
Levels = list[tuple[int, int, int]]


CROWD_BELOW, CROWD_FROM = 100, 1_000
"""The crowd's participants are 1 to CROWD_BELOW, and of a larger crowd CROWD_FROM on; between them
are all other participants."""


def crowd_number(n: int) -> int:
    """The participant that the crowd's member ``n`` (from 0) is."""
    return 1 + n if n < CROWD_BELOW else CROWD_FROM + n - CROWD_BELOW


class Matcher(Protocol):
    """A matcher that runs the market: :class:`openoutcry.matcher.Engine` is one."""

    def process(self, orders: Array) -> Array: ...

    def depth(self, symbol: bytes, levels: int) -> dict[str, Levels]: ...


@dataclass(frozen=True)
class Label:
    """One act of manipulation: whose, when, and what it gained (ticks times lots, marked to the mid
    half a minute later)."""

    pattern: str
    participants: tuple[int, ...]
    symbol: str
    begin_ns: int
    end_ns: int
    profit_ticks: int


@dataclass(frozen=True)
class KnownOrder:
    """A client's order that its broker knew of before it was entered."""

    broker: int
    client: int
    symbol: str
    side: int
    lots: int
    known_ns: int


class Agent:
    """A participant in one instrument: its open orders, lots held and cash, and its commands."""

    def __init__(self, market: "AgentMarket", participant: int, instrument: int = 0) -> None:
        self.market, self.participant, self.instrument = market, participant, instrument
        self.open: dict[int, list[int]] = {}
        """By order: side, price, leaves."""
        self.lots = self.cash = 0
        self.fills = 0
        market.agents.setdefault((participant, instrument), self)

    def limit(self, side: int, price: int, lots: int, *, ioc: bool = False, show: int = 0) -> int:
        """Enter a limit order; with ``show`` an iceberg.  Its id."""
        market = self.market
        market.last_id += 1
        kind = OrderType.ICEBERG if show else OrderType.LIMIT
        tif = TimeInForce.IOC if ioc else TimeInForce.DAY
        market.send(self, CommandKind.NEW, side, price, lots, market.last_id, kind, tif, show)
        return market.last_id

    def peg(self, side: int, kind: int, limit: int, lots: int, offset: int = 0) -> int:
        """Enter a pegged order of this type with a limit.  Its id."""
        market = self.market
        market.last_id += 1
        day = TimeInForce.DAY
        market.send(self, CommandKind.NEW, side, limit, lots, market.last_id, kind, day, offset)
        return market.last_id

    def take(self, side: int, lots: int, through: int = 0) -> int:
        """Trade at once, up to ``through`` ticks beyond the best; 0: the side is empty."""
        best = self.ask if side == BUY else self.bid
        if best is None:
            return 0
        return self.limit(side, best + (through if side == BUY else -through), lots, ioc=True)

    def cancel(self, order_id: int) -> None:
        if order_id in self.open:
            side, price, _ = self.open[order_id]
            self.market.send(
                self,
                CommandKind.CANCEL,
                side,
                price,
                1,
                order_id,
                OrderType.LIMIT,
                TimeInForce.DAY,
                0,
            )

    def cancel_all(self) -> None:
        for order_id in list(self.open):
            self.cancel(order_id)

    @property
    def bid(self) -> int | None:
        return self.market.views[self.instrument].bid

    @property
    def ask(self) -> int | None:
        return self.market.views[self.instrument].ask

    @property
    def mid(self) -> int:
        return self.market.views[self.instrument].mid

    @property
    def middle(self) -> int:
        return self.market.views[self.instrument].middle

    def worth(self) -> int:
        """Cash and lots at the mid, ticks times lots."""
        return self.cash + self.lots * self.mid

    def note(self, kind: int, order_id: int, side: int, price: int, lots: int, leaves: int) -> None:
        """One of its events."""
        if kind == EventKind.FILLED:
            self.fills += 1
            self.lots += lots if side == BUY else -lots
            self.cash -= price * lots if side == BUY else -price * lots
        if leaves:
            self.open[order_id] = [side, price, leaves]
        else:
            self.open.pop(order_id, None)


@dataclass
class View:
    """View of an instrument that every participant has after a step."""

    bid: int | None = None
    ask: int | None = None
    mid: int = START_TICKS
    middle: int = 2 * START_TICKS
    """Bid and ask together: twice the mid."""
    last: int = START_TICKS
    imbalance: float = 0.0
    """Imbalance of the first five levels: -1 has only offers, 1 only bids."""
    pressure: float = 0.0
    """Lots that buyers took, less sellers', fading."""
    trend: list[int] = field(default_factory=lambda: [START_TICKS])
    """Mids of the last steps."""


class AgentMarket:
    """A market of ``sessions`` days of ``minutes`` each, in two linked instruments.

    ``scripts`` are functions of the market that give scripts, for participants outside the crowd
    (:func:`openoutcry.flow.lookalikes.honest`, :mod:`openoutcry.flow.manipulators`).  All quotes
    are ``spread`` times as far from the middle.  After :meth:`run`, ``labels`` and ``known_orders``
    are whole.  Raises :class:`FlowError` for a market without time.
    """

    def __init__(
        self,
        seed: int,
        minutes: int,
        scripts: Sequence[Callable[["AgentMarket"], list[Script]]],
        sessions: int = 1,
        crowd: int = 60,
        spread: int = 1,
    ) -> None:
        if minutes < 2 or sessions < 1 or crowd < 1:
            raise FlowError("an agent market needs sessions of two minutes or more, and a crowd")
        self.seed, self.random = seed, random.Random(seed)
        self.steps = minutes * 60 * SECOND_STEPS
        self.sessions, self.crowd, self.scripts = sessions, crowd, scripts
        self.spread = spread
        rows = [
            {
                "symbol": symbol,
                "min_price_ticks": 1,
                "max_price_ticks": 1 << 20,
                "initial_phase": enum_numbers.PHASE_PRE_OPEN,
            }
            for symbol in SYMBOLS
        ]
        self.instruments = make_instruments(rows)
        self.agents: dict[tuple[int, int], Agent] = {}
        self.views = [View() for _ in SYMBOLS]
        self.values = [float(START_TICKS)] * len(SYMBOLS)
        self.labels: list[Label] = []
        self.known_orders: list[KnownOrder] = []
        self.step = self.last_id = self.seq = self.session = 0
        self._waiting: list[tuple[Any, ...]] = []
        self._crowd = [
            [Agent(self, crowd_number(n), i) for n in range(crowd)] for i in range(len(SYMBOLS))
        ]
        self._leaving: dict[int, list[tuple[Agent, int]]] = {}

    @property
    def now_ns(self) -> int:
        """The time of this step."""
        return BEGIN_NS + self.step * STEP_NS

    @property
    def left_steps(self) -> int:
        """Return the steps until continuous trading ends."""
        return self._end - self.step

    def send(
        self,
        agent: Agent,
        kind: int,
        side: int,
        price: int,
        lots: int,
        order_id: int,
        order_type: int,
        tif: int,
        aux: int,
    ) -> None:
        """A command of this step."""
        self._waiting.append(
            (
                max(price, 1),
                lots,
                SYMBOLS[agent.instrument].encode(),
                order_id,
                aux,
                0,
                agent.participant,
                0,
                kind,
                side,
                order_type,
                tif,
                0,
            )
        )

    def run(self, matcher: Matcher) -> Iterator[tuple[Array, Array]]:
        """Yield each step's commands (ORDER_DTYPE) and the matcher's events, to the end."""
        for session in range(self.sessions):
            self.session, self._end = session, self.step + OPEN_STEPS + self.steps
            yield from self._phase(matcher, Phase.CONTINUOUS)
            scripts = [
                (self.step + OPEN_STEPS, n, script)
                for n, script in enumerate(s for make in self.scripts for s in make(self))
            ]
            while self.step < self._end:
                self._noise()
                later = []
                for at, n, script in scripts:
                    if at <= self.step:
                        wait = next(script, None)
                        if wait is None:
                            continue
                        at = self.step + max(wait, 1)
                    later.append((at, n, script))
                scripts = later
                yield self._step(matcher)
            yield from self._phase(matcher, Phase.CLOSED)
            for _, _, script in scripts:
                script.close()
            self._leaving.clear()
            self.step += CLOSED_STEPS

    def _phase(self, matcher: Matcher, phase: int) -> Iterator[tuple[Array, Array]]:
        for symbol in SYMBOLS:
            self._waiting.append(
                (
                    0,
                    0,
                    symbol.encode(),
                    0,
                    int(phase),
                    0,
                    0,
                    0,
                    enum_numbers.COMMAND_KIND_PHASE,
                    0,
                    0,
                    0,
                    0,
                )
            )
        yield self._step(matcher)

    def _step(self, matcher: Matcher) -> tuple[Array, Array]:
        """Hand this step's commands over, and look at what came of it."""
        orders = np.array(self._waiting, ORDER_DTYPE)
        self._waiting = []
        count = len(orders)
        orders["seq"] = np.arange(self.seq + 1, self.seq + count + 1)
        orders["rx_ts_ns"] = self.now_ns + np.arange(count) * (STEP_NS // (count + 1))
        self.seq += count
        events = matcher.process(orders)
        for row in events.tolist():
            order_id, _, price, lots, leaves, _, who, instrument, kind, _, side, flags, _ = row
            agent = self.agents.get((who, instrument))
            if agent is not None and kind <= EventKind.EXPIRED and kind != EventKind.REJECTED:
                agent.note(kind, order_id, side, price, lots, leaves)
            if kind == EventKind.FILLED and not flags & 2:
                view = self.views[instrument]
                view.last = price
                view.pressure += lots if side == BUY else -lots
        for number, symbol in enumerate(SYMBOLS):
            self._look(matcher, number, symbol.encode())
        self.step += 1
        return orders, events

    def _look(self, matcher: Matcher, number: int, symbol: bytes) -> None:
        view, depth = self.views[number], matcher.depth(symbol, 5)
        bids, asks = depth["bids"], depth["asks"]
        view.bid = int(bids[0][0]) if bids else None
        view.ask = int(asks[0][0]) if asks else None
        if view.bid is not None and view.ask is not None:
            view.middle = view.bid + view.ask
            view.mid = view.middle // 2
        bought, sold = sum(r[1] for r in bids), sum(r[1] for r in asks)
        view.imbalance = (bought - sold) / (bought + sold) if bought + sold else 0.0
        view.pressure *= 0.9
        view.trend.append(view.mid)
        if len(view.trend) > 40:
            del view.trend[0]

    # The crowd: retail noise around a value that wanders, and some agents that follow moves.

    def _noise(self) -> None:
        rng = self.random
        shock = rng.gauss(0, 0.25)
        for number in range(len(SYMBOLS)):
            self.values[number] += shock + rng.gauss(0, 0.05)
            for _ in range(rng.choice((0, 1, 1, 2, 3))):
                self._one_of_the_crowd(number)
        for agent, order_id in self._leaving.pop(self.step, ()):
            agent.cancel(order_id)

    def _one_of_the_crowd(self, number: int) -> None:
        rng, view = self.random, self.views[number]
        agent = self._crowd[number][int(self.crowd * rng.random() ** 2)]
        lots = rng.choice((1, 1, 2, 3, 5, 8, 10))
        moved = view.mid - view.trend[0]
        if rng.random() < 0.3:
            apart = self.values[number] - view.mid + (1.5 * moved if rng.random() < 0.4 else 0)
            side = BUY if apart + rng.gauss(0, 4) > 0 else SELL
            agent.take(side, lots, rng.randrange(3))
            return
        side = BUY if rng.random() < 0.5 else SELL
        away = self.spread * (1 + int(rng.expovariate(0.25)))
        price = view.mid - away if side == BUY else view.mid + away
        order_id = agent.limit(side, price, lots)
        wait = self.step + 4 + int(rng.expovariate(1 / 48))
        self._leaving.setdefault(wait, []).append((agent, order_id))
