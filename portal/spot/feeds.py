"""Streams of market data: who subscribes to what, and the events, each made once for all.

A depth event says what changed between two moments. Its ``U`` is the number after the ``u`` of the
event before, so a client sees at once that it missed one. Numbers are those of the venue's
commands, the same in every portal and in ``lastUpdateId``.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openoutcry.portal.spot import shapes
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.public import INTERVALS, Candle, Trade

STREAM = re.compile(
    r"(?P<symbol>[a-z0-9]{2,20})@(?:"
    r"(?P<kind>trade|aggTrade|bookTicker|ticker|miniTicker)"
    r"|kline_(?P<interval>\d{1,2}[smhdwM])"
    r"|depth(?P<levels>5|10|20)?(?:@(?P<speed>100ms|1000ms))?)"
)
ALL = ("!ticker@arr", "!miniTicker@arr")
MAX_LEVELS = 5_000
FAST_S, SLOW_EVERY = 0.1, 10
MAX_QUEUED = 2_000
MAX_STREAMS = 1_024


class Queue:
    """A queue with one reader.  That of asyncio takes three thousand bytes when it is empty."""

    __slots__ = ("_rows", "_waiter")

    def __init__(self) -> None:
        self._rows: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, row: Any) -> None:
        """Add one."""
        self._rows.append(row)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def qsize(self) -> int:
        """How many wait."""
        return len(self._rows)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self._rows

    def get_nowait(self) -> Any:
        """The first, which is there."""
        return self._rows.pop(0)

    async def get(self) -> Any:
        """Wait for the first."""
        await self._wait()
        return self._rows.pop(0)

    async def all(self) -> list[Any]:
        """Wait for one; all that are there then."""
        await self._wait()
        rows, self._rows = self._rows, []
        return rows

    async def _wait(self) -> None:
        while not self._rows:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class Subscriber:
    """One connection's events, in order, with a bound: a client that does not read is cut."""

    def __init__(self, combined: bool) -> None:
        self.combined = combined
        self.streams: set[str] = set()
        self.queue = Queue()
        self.is_cut = False

    def put(self, stream: str, text: str) -> None:
        """Queue an event (``text``: JSON), in the envelope with its stream's name if the client
        asked for it."""
        if self.combined:
            text = f'{{"stream":{json.dumps(stream)},"data":{text}}}'
        self.put_text(text)

    def put_text(self, text: str) -> None:
        """Queue a text as it is.  A client with ``MAX_QUEUED`` unread texts is cut: None ends its
        queue."""
        if self.is_cut:
            return
        if self.queue.qsize() >= MAX_QUEUED:
            self.cut()
            return
        self.queue.put_nowait(text)

    def cut(self) -> None:
        """End the connection after what is queued."""
        self.is_cut = True
        self.queue.put_nowait(None)


@dataclass
class _Depth:
    """What the subscribers of a depth stream have been sent."""

    seq: int
    bids: dict[int, int]
    asks: dict[int, int]


@dataclass
class _Stream:
    name: str
    market: Market | None
    kind: str
    levels: int = 0
    is_slow: bool = False
    subscribers: set[Subscriber] = field(default_factory=set)
    depth: _Depth | None = None
    last: Any = None
    """What was sent last, where the same is not sent again."""


def stream_of(name: str, mirror: Mirror) -> _Stream | None:
    """None: there is no such stream."""
    if name in ALL:
        return _Stream(name, None, name.removeprefix("!").partition("@")[0], is_slow=True)
    found = STREAM.fullmatch(name)
    market = mirror.markets.by_name.get(found["symbol"].upper()) if found else None
    if found is None or market is None:
        return None
    if found["kind"]:
        is_slow = found["kind"] in ("ticker", "miniTicker")
        return _Stream(name, market, found["kind"], is_slow=is_slow)
    if found["interval"]:
        known = found["interval"] in INTERVALS
        return _Stream(name, market, f"kline {found['interval']}") if known else None
    levels, is_slow = int(found["levels"] or 0), found["speed"] != "100ms"
    return _Stream(name, market, "depth", levels, is_slow)


class Feeds:
    """Makes the events of every stream that has subscribers."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.streams: dict[str, _Stream] = {}
        self._rounds = 0
        mirror.listeners.append(self._moment)

    def subscribe(self, subscriber: Subscriber, name: str) -> bool:
        """False: there is no such stream, or the connection has too many."""
        if len(subscriber.streams) >= MAX_STREAMS:
            return False
        stream = self.streams.get(name) or stream_of(name, self.mirror)
        if stream is None:
            return False
        self.streams[name] = stream
        stream.subscribers.add(subscriber)
        subscriber.streams.add(name)
        if stream.kind == "depth" and not stream.levels and stream.depth is None:
            assert stream.market is not None
            stream.depth = self._depth(stream.market)
        return True

    def unsubscribe(self, subscriber: Subscriber, name: str) -> None:
        """End a subscription; a stream without subscribers is forgotten."""
        subscriber.streams.discard(name)
        stream = self.streams.get(name)
        if stream is not None:
            stream.subscribers.discard(subscriber)
            if not stream.subscribers:
                del self.streams[name]

    def leave(self, subscriber: Subscriber) -> None:
        """End every subscription of a connection."""
        for name in list(subscriber.streams):
            self.unsubscribe(subscriber, name)

    async def run(self) -> None:
        """Depth, tickers and the rest that has an interval; until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + FAST_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            self.beat()

    def beat(self) -> None:
        """One interval."""
        self._rounds += 1
        is_slow_round = self._rounds % SLOW_EVERY == 0
        for stream in list(self.streams.values()):
            if stream.is_slow and not is_slow_round:
                continue
            if stream.kind == "depth":
                self._send_depth(stream)
            elif stream.is_slow:
                self._send_slow(stream)

    # Events as they come

    def _moment(self, moment: Moment) -> None:
        if not self.streams:
            return
        markets = self.mirror.markets.by_index
        for instrument, trade in moment.trades:
            market = markets[instrument]
            self._send(f"{market.name.lower()}@trade", lambda: trade_event(trade, market))  # noqa: B023
        for instrument in {instrument for instrument, _ in moment.trades}:
            self._aggregates(markets[instrument], moment)
        for (instrument, interval), candle in moment.candles.items():
            market = markets[instrument]
            name = f"{market.name.lower()}@kline_{interval}"
            self._send(name, lambda: kline_event(candle, interval, market))  # noqa: B023
        for instrument in moment.touched:
            if instrument in markets:
                self._best(markets[instrument], moment.seq)

    def _aggregates(self, market: Market, moment: Moment) -> None:
        name = f"{market.name.lower()}@aggTrade"
        if name not in self.streams:
            return
        first = min(one.seq for index, one in moment.trades if index == market.index)
        rows = []
        for row in reversed(self.mirror.tapes[market.index].aggregates):
            if row.seq < first:
                break
            rows.append(row)
        for row in reversed(rows):
            shown = shapes.aggregate(row, market)
            head = {"e": "aggTrade", "E": now_ms(), "s": market.name}
            self._send(name, lambda: head | shown)  # noqa: B023

    def _best(self, market: Market, seq: int) -> None:
        stream = self.streams.get(f"{market.name.lower()}@bookTicker")
        if stream is None:
            return
        best = self.mirror.best(market.code)
        if best == stream.last:
            return
        stream.last = best
        row = shapes.book_ticker(self.mirror, market)
        names = {"bidPrice": "b", "bidQty": "B", "askPrice": "a", "askQty": "A"}
        event: dict[str, Any] = {"u": seq, "s": market.name}
        self._to(stream, event | {short: row[name] for name, short in names.items()})

    def _send(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        stream = self.streams.get(name)
        if stream is not None:
            self._to(stream, make())

    def _to(self, stream: _Stream, event: Any) -> None:
        text = json.dumps(event, separators=(",", ":"))
        for subscriber in list(stream.subscribers):
            subscriber.put(stream.name, text)

    # Events at intervals

    def _depth(self, market: Market) -> _Depth:
        bids, asks = self.mirror.depth(market.code, MAX_LEVELS)
        sides = [{price: lots for price, lots, _ in rows} for rows in (bids, asks)]
        return _Depth(self.mirror.seq, *sides)

    def _send_depth(self, stream: _Stream) -> None:
        market = stream.market
        assert market is not None
        if stream.levels:
            bids, asks = self.mirror.depth(market.code, stream.levels)
            if (bids, asks) != stream.last:
                stream.last = bids, asks
                rows = [shapes.levels(side, market) for side in (bids, asks)]
                seq = self.mirror.seq
                self._to(stream, {"lastUpdateId": seq, "bids": rows[0], "asks": rows[1]})
            return
        old = stream.depth
        assert old is not None
        if self.mirror.seq == old.seq:
            return
        new = self._depth(market)
        changes = [
            _changes(before, after, market)
            for before, after in ((old.bids, new.bids), (old.asks, new.asks))
        ]
        if any(changes):
            head = {"e": "depthUpdate", "E": now_ms(), "s": market.name}
            ids = {"U": old.seq + 1, "u": new.seq}
            self._to(stream, head | ids | {"b": changes[0], "a": changes[1]})
            stream.depth = new

    def _send_slow(self, stream: _Stream) -> None:
        markets = self.mirror.markets.all if stream.market is None else [stream.market]
        make = ticker_event if stream.kind == "ticker" else mini_ticker_event
        at_ms = now_ms()
        events = [make(self.mirror, market, at_ms) for market in markets]
        self._to(stream, events if stream.market is None else events[0])


def _changes(before: dict[int, int], after: dict[int, int], market: Market) -> list[list[str]]:
    """Levels that are new or other, and with quantity 0 those that are gone."""
    gone = {price: 0 for price in before if price not in after}
    new = {price: lots for price, lots in after.items() if before.get(price) != lots}
    return [[market.price(price), market.quantity(lots)] for price, lots in (gone | new).items()]


def trade_event(trade: Trade, market: Market) -> dict[str, Any]:
    """The event of ``SYMBOL@trade``."""
    return {
        "e": "trade",
        "E": now_ms(),
        "s": market.name,
        "t": trade.number,
        "p": market.price(trade.price),
        "q": market.quantity(trade.lots),
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def kline_event(candle: Candle, interval: str, market: Market) -> dict[str, Any]:
    """The event of ``SYMBOL@kline_INTERVAL``; ``x`` says whether the candle is complete."""
    row = shapes.candle(candle, market)
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    kline = dict(zip(names, row, strict=True))
    at_ms = now_ms()
    more = {
        "s": market.name,
        "i": interval,
        "f": candle.first_trade,
        "L": candle.last_trade,
        "x": candle.end_ms < at_ms,
    }
    return {"e": "kline", "E": at_ms, "s": market.name, "k": kline | more}


TICKER_NAMES = {
    "priceChange": "p", "priceChangePercent": "P", "weightedAvgPrice": "w", "prevClosePrice": "x",
    "lastPrice": "c", "lastQty": "Q", "bidPrice": "b", "bidQty": "B", "askPrice": "a",
    "askQty": "A", "openPrice": "o", "highPrice": "h", "lowPrice": "l", "volume": "v",
    "quoteVolume": "q", "openTime": "O", "closeTime": "C", "firstId": "F", "lastId": "L",
    "count": "n",
}  # fmt: skip
MINI_NAMES = ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")


def ticker_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any]:
    """The event of ``SYMBOL@ticker``: the 24 hours up to ``at_ms``."""
    row = shapes.ticker(mirror, market, at_ms)
    head: dict[str, Any] = {"e": "24hrTicker", "E": at_ms, "s": market.name}
    return head | {short: row[name] for name, short in TICKER_NAMES.items()}


def mini_ticker_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any]:
    """The event of ``SYMBOL@miniTicker``: the 24 hours up to ``at_ms``."""
    row = shapes.ticker(mirror, market, at_ms, mini=True)
    head: dict[str, Any] = {"e": "24hrMiniTicker", "E": at_ms, "s": market.name}
    return head | {TICKER_NAMES[name]: row[name] for name in MINI_NAMES}
