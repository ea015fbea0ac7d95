"""Several venues' recorded days in one run: the router of :mod:`openoutcry.routing`, unchanged, by
a recorded clock.

At each step every venue is brought to what the router knows of it: to now less a feed latency. What
the router sends arrives after an order latency, so never in a venue's past. Own events are seen as
the feed is.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from blake3 import blake3

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Day, load_day, open_recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, LIMIT_IOC, SELL, cancel, send
from openoutcry.backtest.drive import take_asked
from openoutcry.backtest.latency import Latency, constant, in_range, parse_latency
from openoutcry.backtest.run import DayRun, Run, Terms, Words, drawdown, failures_of
from openoutcry.backtest.scratch import committed
from openoutcry.backtest.strategy import Strategy, load_named
from openoutcry.matcher import constants as const
from openoutcry.matcher.book.arena import ArenaHeader, InstrumentState
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    Connector,
    Order,
    VenueEvent,
)
from openoutcry.routing.depth import HALTED, LIVE, Depth
from openoutcry.routing.instruments import BUY as ROUTER_BUY
from openoutcry.routing.instruments import Listing, Market, RoutingError, Venue
from openoutcry.routing.parents import Parent, ParentStore
from openoutcry.routing.report import best_execution
from openoutcry.routing.router import Router
from openoutcry.routing.settings import read_settings
from openoutcry.wire.enums import EventFlag, EventKind
from openoutcry.wire.errors import BacktestError

DAY_PREFIX = "venues:"
CHUNK = 4_096
IDLE_NS = 1_000_000_000
"""Steps of a router that has nothing to do: it still notes what prices do after its fills."""
KINDS = {
    EventKind.ACCEPTED: ACCEPTED,
    EventKind.FILLED: FILLED,
    EventKind.CANCELLED: CANCELLED,
    EventKind.REJECTED: REJECTED,
}
VENUE_COLUMN = lay.LOG_WORDS
"""A column more than a log has: the venue's number."""


@dataclass(frozen=True)
class RoutedDay:
    """Prepared days of the venues of a market."""

    name: str
    market: Market
    days: tuple[Day, ...]
    volumes: tuple[Words, ...]
    """By venue: lots that the recording had traded after each command."""
    latencies: tuple[Latency | None, ...]
    """By venue; None: the run's."""

    @property
    def count(self) -> int:
        """Commands of all venues."""
        return sum(day.count for day in self.days)

    @property
    def digest(self) -> str:
        """Return the digest of the records of all venues."""
        return blake3("".join(day.digest for day in self.days).encode()).hexdigest(16)

    @property
    def first_ns(self) -> int:
        """When the last venue begins."""
        return max(day.first_ns for day in self.days)

    @property
    def last_ns(self) -> int:
        """When the first venue ends."""
        return min(day.last_ns for day in self.days)


def is_routed(text: str) -> bool:
    """Return whether a day is ``venues:FILE@SYMBOL``, days of several venues."""
    return text.startswith(DAY_PREFIX)


def prepare_routed(text: str, folder: Path) -> None:
    """Write the commands of every venue of ``venues:FILE@SYMBOL`` to ``folder``, which appears
    whole or not at all.  Paths in FILE are relative to it.

    Raises :class:`BacktestError` or :class:`RoutingError`."""
    file, _, symbol = text.removeprefix(DAY_PREFIX).rpartition("@")
    path = Path(file).resolve()
    settings = read_settings(path)
    market = settings.market(symbol)
    with committed(folder) as scratch:
        for venue in market.venues:
            door = settings.doors[venue.name]
            if door["kind"] != "recorded":
                raise RoutingError(f"{path}: {venue.name} has no recorded day")
            day = prepare_day(open_recording(door["day"], path.parent), scratch / venue.name)
            _write_volume(day, scratch / venue.name / "volume.npy")
        shutil.copyfile(path, scratch / "routes.toml")
        facts = {"name": text, "symbol": symbol, "base": str(path.parent)}
        (scratch / "day.json").write_text(json.dumps(facts))


def _write_volume(day: Day, path: Path) -> None:
    """Write the lots that the recording has traded after each command."""
    engine, records = day.engine(), day.records()
    traded = np.lib.format.open_memmap(path, "w+", np.int64, (day.count,))
    before = 0
    for at in range(0, day.count, CHUNK):
        events = engine.process(records[at : at + CHUNK])
        fills = (events["kind"] == EventKind.FILLED) & (events["flags"] & EventFlag.MAKER != 0)
        lots = np.zeros(len(records[at : at + CHUNK]), np.int64)
        np.add.at(lots, events["cause_seq"][fills] - 1 - at, events["qty_lots"][fills])
        traded[at : at + CHUNK] = before + np.cumsum(lots)
        before += int(lots.sum())
    traded.flush()


def load_routed(folder: Path) -> RoutedDay:
    """A day that :func:`prepare_routed` has written.

    Raises :class:`BacktestError` for venues whose days have no time in common."""
    facts = json.loads((folder / "day.json").read_text())
    settings = read_settings(folder / "routes.toml")
    market = settings.market(facts["symbol"])
    names = [venue.name for venue in market.venues]
    texts = [settings.doors[name]["latency"] for name in names]
    day = RoutedDay(
        facts["name"],
        market,
        tuple(load_day(folder / name) for name in names),
        tuple(np.load(folder / name / "volume.npy", mmap_mode="r") for name in names),
        tuple(parse_latency(text, Path(facts["base"])) if text else None for text in texts),
    )
    if day.first_ns >= day.last_ns:
        raise BacktestError(f"{day.name}: the venues' days have no time in common")
    return day


class RecordedVenue(Connector):
    """A recorded day as a venue of the router."""

    def __init__(
        self,
        day: Day,
        traded: Words,
        terms: tuple[Listing, Venue, tuple[Mapping[str, Any], ...]],
        latency: Latency,
        seed: int,
    ) -> None:
        self.listing, venue, limits = terms
        self.name, self._traded = venue.name, traded
        fees = Terms(venue.maker_ppm, venue.taker_ppm, limits)
        nothing = Strategy(self.name, on_timer=lambda *_: None, interval_ns=lay.LONGEST_NS)
        at_once = Latency(latency.name, constant(0), latency.order)
        self.run = DayRun(day, nothing, {}, at_once, seed, fees)
        self._symbol = day.instruments["symbol"][0]
        self._feed, self._draw = latency.feed, Random(seed)
        self._seen_ns, self._is_over = day.first_ns, False
        self._shown = -1, -1
        self._read = self._own_lots = 0
        self._tokens: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._accepted: set[int] = set()
        self._refused: list[VenueEvent] = []
        self._refusals = 0

    def sample_from(self, first_ns: int, step_ns: int) -> None:
        """Sample the equity at times that all venues share."""
        self.run.words[lay.W_SAMPLE_NS] = first_ns + step_ns
        self.run.words[lay.W_SAMPLE_STEP_NS] = step_ns

    def catch_up(self, now_ns: int) -> bool:
        """Bring the venue to what is known of it at ``now_ns``; False: its day is over."""
        run, words = self.run, self.run.words
        if words[lay.W_IN_CALL]:
            # Sent at the last step, whose time W_LOCAL_NS still is.
            words[lay.W_IN_CALL] = 0
            take_asked(words, run.desk, run.flight, run.latency)
        feed_ns = int(self._feed[self._draw.randrange(len(self._feed))])
        self._seen_ns = max(self._seen_ns, now_ns - feed_ns)
        words[lay.W_TIMER_NS], words[lay.W_LOCAL_NS] = self._seen_ns, now_ns
        self._is_over = run.advance() == lay.DONE
        return not self._is_over

    def resume(self, stream: str, sequence: int) -> None:
        """A router of a backtest has no earlier life."""

    def poll(self, now_ns: int) -> list[VenueEvent]:
        events, self._refused = self._refused, []
        logged = int(self.run.words[lay.W_LOGGED])
        rows = self.run.log[self._read * lay.LOG_WORDS : logged * lay.LOG_WORDS]
        for row in rows.reshape(-1, lay.LOG_WORDS).tolist():
            self._read += 1
            event = self._event(row)
            if event is not None:
                events.append(event)
        return events

    def _event(self, row: list[int]) -> VenueEvent | None:
        """None for what the router does not need: other kinds, and a cancel that was refused."""
        number, kind = row[lay.LOG_ORDER], KINDS.get(EventKind(row[lay.LOG_KIND]))
        if kind is None or (kind == REJECTED and number in self._accepted):
            return None
        quantity = price = 0
        if kind == ACCEPTED:
            self._accepted.add(number)
        if kind == FILLED:
            quantity = row[lay.LOG_LOTS] * self.listing.quantity_factor
            price = row[lay.LOG_TICKS] * self.listing.price_factor
            self._own_lots += 0 if row[lay.LOG_MAKER] else row[lay.LOG_LOTS]
        reason = str(row[lay.LOG_REASON]) if kind == REJECTED else ""
        token = self._tokens[number]
        return VenueEvent(self.name, "day", self._read, token, kind, quantity, price, reason)

    def send(self, order: Order) -> None:
        side = BUY if order.side == ROUTER_BUY else SELL
        ticks = order.price // self.listing.price_factor
        lots = order.quantity // self.listing.quantity_factor
        what = LIMIT_IOC if order.is_ioc else LIMIT_DAY
        number = int(send(self.run.desk, side, ticks, lots, what))
        if number == 0:
            self._refusals += 1
            why = "too many orders at once"
            at = "refused", self._refusals, order.token, REJECTED
            self._refused.append(VenueEvent(self.name, *at, reason=why))
            return
        self._tokens[number], self._ids[order.token] = order.token, number

    def cancel(self, order: Order) -> None:
        cancel(self.run.desk, self._ids.get(order.token, 0))

    def settle(self, order: Order) -> None:
        """Nothing is ever in doubt here: its events come in time."""

    def reconnect(self) -> None:
        """There is no connection."""

    def follow(self, depth: Depth, number: int, now_ns: int) -> None:
        engine, words = self.run.engine, self.run.words
        # Every own command has an event, so these say whether the book may have changed.
        shown = int(words[lay.W_NEXT]), int(words[lay.W_LOGGED])
        if shown == self._shown:
            depth.heard(number, now_ns)
            return
        self._shown = shown
        state = InstrumentState(int(instrument_addr(ArenaHeader.of(engine.address), 0)))
        is_trading = state.phase == const.CONTINUOUS and not self._is_over
        depth.set_status(number, LIVE if is_trading else HALTED, now_ns)
        sides = engine.depth(self._symbol, depth.levels)
        bids, asks = ([row[:2] for row in sides[name]] for name in ("bids", "asks"))
        depth.set_levels(number, bids, asks, now_ns)
        lots = (int(self._traded[shown[0] - 1]) if shown[0] else 0) + self._own_lots
        self.volume = lots * self.listing.quantity_factor

    def close(self) -> None:
        return


@dataclass
class Trader:
    """What a :class:`RoutedStrategy` has."""

    router: Router
    parameters: Mapping[str, int]
    now_ns: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    """The strategy's own, empty at first."""

    @property
    def depth(self) -> Depth:
        """The consolidated depth, as the router knows it now."""
        return self.router.depth

    def submit(self, side: int, quantity: int, limit: int, **terms: Any) -> Parent:
        """A new order, by :meth:`Router.submit`."""
        return self.router.submit(side, quantity, limit, self.now_ns, **terms)


@dataclass(frozen=True)
class RoutedStrategy:
    """A strategy over several venues: Python, once at the beginning and then when it wants."""

    name: str
    parameters: Mapping[str, int]
    """Names and defaults; ``step_ns`` is how often the router steps."""
    on_step: Callable[[Trader], int | None]
    """Returns when it is called next; None: never."""

    def given(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """All parameters.  Raises :class:`BacktestError` for an unknown one."""
        unknown = sorted(set(parameters) - {*self.parameters, "step_ns"})
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise BacktestError(f"{self.name} has no parameter {unknown[0]!r}: it has {known}")
        given = {"step_ns": 1_000_000, **self.parameters, **parameters}
        in_range(f"{self.name}: step_ns", given["step_ns"], 1, lay.LONGEST_NS)
        return given

    def check(self, parameters: Mapping[str, int]) -> None:
        """Raise :class:`BacktestError` for parameters that it cannot run with."""
        self.given(parameters)


def load_routed_strategy(text: str) -> RoutedStrategy:
    """``FILE.py:NAME`` or ``MODULE:NAME``; without a module one of ``routed_strategies.py``.
    Raises :class:`BacktestError` without one."""
    return load_named(text, RoutedStrategy, "openoutcry.backtest.routed_strategies")


def run_routed(
    day: RoutedDay,
    strategy: RoutedStrategy,
    parameters: Mapping[str, int],
    latency: Latency,
    seed: int = 1,
    limits: tuple[Mapping[str, Any], ...] = (),
) -> Run:
    """Run the strategy over the venues' days, from when the last begins to when the first ends.
    The same arguments give the same :class:`Run`; ``latency`` is of venues without one."""
    market, given = day.market, strategy.given(parameters)
    step_ns = max(1, (day.last_ns - day.first_ns) // lay.SAMPLES)
    venues = []
    for number, (listing, venue) in enumerate(zip(market.listings, market.venues, strict=True)):
        terms = listing, venue, limits
        own = day.latencies[number] or latency
        # Each venue draws its own latencies.
        one = RecordedVenue(day.days[number], day.volumes[number], terms, own, seed + number)
        one.sample_from(day.first_ns, step_ns)
        venues.append(one)
    with ParentStore(Path(":memory:"), is_durable=False) as store:
        router = Router(store, Depth(market), {one.name: one for one in venues})
        _drive(router, venues, strategy, Trader(router, given), (day.first_ns, day.last_ns))
        orders = [best_execution(market, parent) for parent in store.parents.values()]
    for child in (child for order in orders for child in order["children"]):
        del child["token"]  # by chance, and so not the same in the next run
    return _result(venues, orders)


def _drive(
    router: Router,
    venues: list[RecordedVenue],
    strategy: RoutedStrategy,
    trader: Trader,
    span: tuple[int, int],
) -> None:
    """Step router and strategy until a day is over."""
    now_ns = due_ns = span[0]
    while now_ns <= span[1]:
        if [venue for venue in venues if not venue.catch_up(now_ns)]:
            return
        is_busy = router.step(now_ns)
        if now_ns >= due_ns:
            trader.now_ns = now_ns
            with failures_of(strategy.name):
                asked = strategy.on_step(trader)
            due_ns = lay.NEVER if asked is None else max(asked, now_ns + 1)
            is_busy = router.step(now_ns)
        step_ns = trader.parameters["step_ns"] if is_busy else IDLE_NS
        now_ns = min(now_ns + step_ns, max(due_ns, now_ns + 1))


def _result(venues: list[RecordedVenue], orders: list[dict[str, Any]]) -> Run:
    """All venues as one run, in the router's units."""
    runs = [venue.run.result() for venue in venues]
    figures = dict.fromkeys(runs[0].figures, 0)
    logs, samples = [], []
    length = min(len(run.samples) for run in runs)
    for number, (run, one) in enumerate(zip(runs, venues, strict=True)):
        lots, ticks = one.listing.quantity_factor, one.listing.price_factor
        scales = {"cash": ticks * lots, "fees": ticks * lots, "equity": ticks * lots}
        scales["impact_equity"] = ticks * lots
        for name, value in run.figures.items():
            figures[name] += value * scales.get(name, lots if name.endswith("_lots") else 1)
        log = np.column_stack([run.log, np.full(len(run.log), number, np.int64)])
        log[:, [lay.LOG_LOTS, lay.LOG_LEAVES, lay.LOG_AHEAD, lay.LOG_POSITION]] *= lots
        log[:, lay.LOG_TICKS] *= ticks
        log[:, [lay.LOG_CASH, lay.LOG_FEES]] *= ticks * lots
        logs.append(log)
        samples.append(run.samples[:length] * [1 if number == 0 else 0, lots, ticks * lots])
    log = np.concatenate(logs)
    curve: Words = np.sum(samples, axis=0)
    log = log[np.argsort(log[:, lay.LOG_NS], kind="stable")]
    figures["drawdown"] = drawdown([*curve[:, 2].tolist(), figures["equity"]])
    digest = blake3(np.ascontiguousarray(log).view(np.uint8).reshape(-1).data)
    digest.update(json.dumps([figures, orders], sort_keys=True).encode())
    state = blake3("".join(run.state_hash for run in runs).encode()).hexdigest()
    return Run(log, curve, figures, state, digest.hexdigest(16), tuple(orders))
