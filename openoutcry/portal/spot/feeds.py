"""Streams of market data: who subscribes to what, and the events, each made once for all.

A depth event says what changed between two moments. Its ``U`` is the number after the ``u`` of the
event before, so a client sees at once that it missed one. Numbers are those of the venue's
commands, the same in every portal and in ``lastUpdateId``.
"""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from openoutcry.portal.spot import contracts, shapes, times
from openoutcry.portal.spot.signing import now_ms
from openoutcry.portal.spot.windows import day_of, is_shifted, newest, part_of, window_of
from openoutcry.portal.trading.instruments import Market, level_changes
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.public import INTERVALS, MINUTE_MS, AggregateTrade, Candle, Trade
from openoutcry.portal.trading.reject import NotReady

STREAM = re.compile(
    r"(?P<symbol>[a-z0-9]{2,20})@(?:"
    r"(?P<kind>trade|aggTrade|bookTicker|avgPrice|(?:ticker|miniTicker)|ticker_(?:1h|4h|1d))"
    r"|kline_(?P<interval>\d{1,2}[smhdwM])(?P<zone>@\+08:00)?"
    r"|depth(?P<levels>5|10|20)?(?:@(?P<speed>100ms|1000ms))?)"
)
OF_CONTRACT = re.compile(
    r"(?:(?P<symbol>[a-z0-9]{2,20})@(?P<kind>markPrice|indexPrice)|!markPrice@arr)(?P<fast>@1s)?"
)
ALL = re.compile(r"!(?P<kind>ticker|miniTicker|ticker_(?:1h|4h|1d))@arr(?:@(?:1000|3000)ms)?")
EVENTS = ("trade", "aggTrade", "bookTicker")
"""Kinds of streams whose events come as they happen."""
ZONE_MS = 8 * 60 * MINUTE_MS
"""Offset of the one time zone other than UTC that candle streams have."""
MAX_LEVELS = 5_000
FAST_S, SLOW_EVERY = 0.1, 10
MAX_QUEUED = 2_000
MAX_STREAMS = 1_024


_due: dict[asyncio.AbstractEventLoop, list["Queue"]] = {}
"""Queues with something to send in this turn of a loop: one call for all of them."""


class Queue:
    """A queue with one reader.  That of asyncio takes three thousand bytes when it is empty."""

    __slots__ = ("_rows", "_waiter", "send")

    def __init__(self) -> None:
        self._rows: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None
        self.send: Callable[[list[Any]], bool] | None = None
        """Takes all rows of one turn of the event loop at once; the reader takes what this leaves
        (False), and None."""

    def put_nowait(self, row: Any) -> None:
        """Add one."""
        self._rows.append(row)
        self._wake(len(self._rows) == 1)

    def put_all(self, rows: Sequence[Any], now: bool = False) -> None:
        """Add some; ``now``: they are sent, with all that wait, before anything else is done, if
        that is possible."""
        is_first = not self._rows
        self._rows += rows
        if now and self.send is not None:
            self._send()
        else:
            self._wake(is_first)

    def _wake(self, is_first: bool) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self.send is None:
            self._waiter.set_result(None)
        elif is_first:
            _send_soon(self, self._waiter.get_loop())

    def is_idle(self) -> bool:
        """Return whether the reader has taken all and waits for more."""
        return not self._rows and self._waiter is not None and not self._waiter.done()

    def _send(self) -> None:
        """Without the reader, which a turn of its task would cost for each of a thousand queues."""
        rows, waiter = self._rows, self._waiter
        if not rows or waiter is None or waiter.done():
            return
        if self.send is not None and None not in rows and self.send(rows):
            self._rows = []
        else:
            waiter.set_result(None)

    def qsize(self) -> int:
        """Return how many wait."""
        return len(self._rows)

    def empty(self) -> bool:
        """Return whether none waits."""
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


def _send_soon(queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
    """A call of the loop for each queue would cost as much as half of what is sent."""
    queues = _due.get(loop)
    if queues is None:
        queues = _due[loop] = []
        loop.call_soon(_send_due, loop)
    queues.append(queue)


def _send_due(loop: asyncio.AbstractEventLoop) -> None:
    for queue in _due.pop(loop):
        try:
            queue._send()
        except Exception as error:  # of one connection; the others have their events
            loop.call_exception_handler({"message": "events were not sent", "exception": error})


class Subscriber:
    """One connection's events, in order, with a bound: a client that does not read is cut."""

    def __init__(self, combined: bool, fine: bool = False) -> None:
        """``fine``: its moments are in microseconds."""
        self.combined, self.fine = combined, fine
        self.streams: set[str] = set()
        self.queue = Queue()
        self.is_cut = False

    def put(self, stream: str, text: str) -> None:
        """Queue an event (``text``: JSON), in the envelope with its stream's name if the client
        asked for it."""
        self.put_events(stream, (text,))

    def put_events(self, stream: str, texts: Sequence[str], now: bool = False) -> None:
        """Queue several of one stream; ``now``: as of :meth:`put_text`."""
        if self.combined:
            name = json.dumps(stream)
            texts = [f'{{"stream":{name},"data":{text}}}' for text in texts]
        self.put_texts(texts, now)

    def put_text(self, text: str, now: bool = False) -> None:
        """Queue a text as it is; ``now``: it is sent before what else there is to do."""
        self.put_texts((text,), now)

    def put_texts(self, texts: Sequence[str], now: bool = False) -> None:
        """Queue several.  A client with ``MAX_QUEUED`` unread texts is cut: None ends its queue."""
        if self.is_cut:
            return
        if self.queue.qsize() >= MAX_QUEUED:
            self.cut()
        else:
            self.queue.put_all(texts, now)

    def cut(self) -> None:
        """End the connection after what is queued."""
        self.is_cut = True
        self.queue.put_nowait(None)


@dataclass
class _Depth:
    """Levels that the subscribers of a depth stream have been sent."""

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
    seconds: int = 1
    """Of a slow one: from one event to the next."""
    interval: str = ""
    zone_ms: int = 0
    subscribers: set[Subscriber] = field(default_factory=set)
    depth: _Depth | None = None
    last: Any = None
    """The last message sent, where the same is not sent again."""


def stream_of(name: str, mirror: Mirror) -> _Stream | None:
    """None: there is no such stream."""
    if of_contract := OF_CONTRACT.fullmatch(name):
        symbol, seconds = of_contract["symbol"], 1 if of_contract["fast"] else 3
        market = mirror.markets.contracts_by_name.get(symbol.upper()) if symbol else None
        if symbol and market is None:
            return None
        kind = of_contract["kind"] or "markPrice"
        return _Stream(name, market, kind, is_slow=True, seconds=seconds)
    of_all = ALL.fullmatch(name)
    if of_all is not None:
        return _Stream(name, None, of_all["kind"], is_slow=True)
    found = STREAM.fullmatch(name)
    market = mirror.markets.by_name.get(found["symbol"].upper()) if found else None
    if found is None or market is None:
        return None
    if found["kind"]:
        return _Stream(name, market, found["kind"], is_slow=found["kind"] not in EVENTS)
    if found["interval"]:
        if found["interval"] not in INTERVALS:
            return None
        zone_ms = ZONE_MS if found["zone"] else 0
        return _Stream(name, market, "kline", interval=found["interval"], zone_ms=zone_ms)
    levels, is_slow = int(found["levels"] or 0), found["speed"] != "100ms"
    return _Stream(name, market, "depth", levels, is_slow)


class Feeds:
    """Makes the events of every stream that has subscribers."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.streams: dict[str, _Stream] = {}
        self._candles: dict[int, dict[str, _Stream]] = {}
        """Streams of candles, by instrument."""
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
        if stream.market is None:
            stream.last = None  # the first event that a client gets has every market
        elif stream.kind == "kline":
            self._candles.setdefault(stream.market.index, {})[name] = stream
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
                if stream.market is not None:
                    self._candles.get(stream.market.index, {}).pop(name, None)

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
            with suppress(NotReady), self.mirror.as_of_seq():
                self.beat()

    def beat(self) -> None:
        """One interval."""
        self._rounds += 1
        for stream in list(self.streams.values()):
            if stream.is_slow and self._rounds % (SLOW_EVERY * stream.seconds):
                continue
            if stream.kind == "depth":
                self._send_depth(stream)
            elif stream.kind == "kline":
                self._end_candle(stream, now_ms())
            elif stream.kind in contracts.EVENTS:
                self._send_of_contracts(stream)
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
        for instrument in {instrument for instrument, _ in moment.candles}:
            for stream in list(self._candles.get(instrument, {}).values()):
                self._candle(stream, moment)
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
            self._send(name, lambda: aggregate_event(row, market))  # noqa: B023

    def _candle(self, stream: _Stream, moment: Moment) -> None:
        """The candle of a stream in which something was traded."""
        market = stream.market
        assert market is not None
        candle = moment.candles.get((market.index, stream.interval))
        if candle is None:
            return
        if is_shifted(stream.interval, stream.zone_ms):
            parts = self.mirror.tapes[market.index].candles[
                part_of(stream.interval, stream.zone_ms)
            ]
            candle = newest(parts, stream.interval, stream.zone_ms)
        self._end_candle(stream, candle.begin_ms)
        stream.last = candle
        self._to(stream, lambda: kline_event(candle, stream.interval, market))

    def _end_candle(self, stream: _Stream, at_ms: int) -> None:
        """The last event of a candle, once it is complete."""
        candle, market = stream.last, stream.market
        if candle is not None and market is not None and candle.end_ms < at_ms:
            stream.last = None
            self._to(stream, lambda: kline_event(candle, stream.interval, market, True))

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
        event |= {short: row[name] for name, short in names.items()}
        self._to(stream, lambda: event)

    def _send(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        stream = self.streams.get(name)
        if stream is not None:
            self._to(stream, make)

    def _to(self, stream: _Stream, make: Callable[[], Any]) -> None:
        """An event, made once for those whose moments have the same unit; None is not sent."""
        texts: dict[bool, str] = {}
        for subscriber in list(stream.subscribers):
            fine = subscriber.fine
            if fine not in texts:
                with times.in_unit(fine):
                    made = make()
                texts[fine] = json.dumps(made, separators=(",", ":")) if made is not None else ""
            if texts[fine]:
                subscriber.put(stream.name, texts[fine])

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
                part = {"lastUpdateId": self.mirror.seq, "bids": rows[0], "asks": rows[1]}
                self._to(stream, lambda: part)
            return
        old = stream.depth
        assert old is not None
        if self.mirror.seq == old.seq:
            return
        new = self._depth(market)
        changes = [
            level_changes(before, after, market)
            for before, after in ((old.bids, new.bids), (old.asks, new.asks))
        ]
        if any(changes):
            update = {"U": old.seq + 1, "u": new.seq, "b": changes[0], "a": changes[1]}
            self._to(stream, lambda: head_of("depthUpdate", market) | update)
            stream.depth = new

    def _send_slow(self, stream: _Stream) -> None:
        """One market's statistics, or those of all that have changed."""
        at_ms, kind = now_ms(), stream.kind
        make = SLOW_EVENTS.get(kind) or _rolling(kind)
        market = stream.market
        if market is not None:
            self._to(stream, lambda: make(self.mirror, market, at_ms))
            return
        known: dict[int, Any] = stream.last or {}
        states = {one.index: self._state(one) for one in self.mirror.markets.all}
        changed = [
            one for one in self.mirror.markets.all if known.get(one.index) != states[one.index]
        ]
        stream.last = states
        if changed:
            self._to(stream, lambda: [make(self.mirror, one, at_ms) for one in changed])

    def _send_of_contracts(self, stream: _Stream) -> None:
        """The figures of one contract, or of all that trade."""
        at_ms, make = now_ms(), contracts.EVENTS[stream.kind]
        every = [stream.market] if stream.market is not None else self.mirror.markets.contracts

        def events() -> Any:
            made = [make(self.mirror, one, at_ms) for one in every]
            if stream.market is not None:
                return made[0]
            return [event for event in made if event is not None] or None

        self._to(stream, events)

    def _state(self, market: Market) -> Any:
        last = self.mirror.tapes[market.index].last
        return last.number if last else 0, self.mirror.best(market.code)


def head_of(kind: str, market: Market) -> dict[str, Any]:
    """Return the fields with which every event of a market begins."""
    return {"e": kind, "E": times.now(), "s": market.name}


def trade_event(trade: Trade, market: Market) -> dict[str, Any]:
    """The event of ``SYMBOL@trade``."""
    return head_of("trade", market) | {
        "t": trade.number,
        "p": market.price(trade.price),
        "q": market.quantity(trade.lots),
        "T": times.of_ms(trade.time_ms),
        "m": trade.buyer_is_maker,
        "M": True,
    }


def aggregate_event(row: AggregateTrade, market: Market) -> dict[str, Any]:
    """The event of ``SYMBOL@aggTrade``."""
    return head_of("aggTrade", market) | shapes.aggregate(row, market)


def kline_event(
    candle: Candle, interval: str, market: Market, is_complete: bool = False
) -> dict[str, Any]:
    """The event of ``SYMBOL@kline_INTERVAL``; ``x`` says whether the candle is complete."""
    row = shapes.candle(candle, market)
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    kline = dict(zip(names, row, strict=True))
    more = {
        "s": market.name,
        "i": interval,
        "f": candle.first_trade,
        "L": candle.last_trade,
        "x": is_complete,
    }
    return head_of("kline", market) | {"k": kline | more}


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
    return head_of("24hrTicker", market) | {TICKER_NAMES[name]: row[name] for name in TICKER_NAMES}


def mini_ticker_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any]:
    """The event of ``SYMBOL@miniTicker``: the 24 hours up to ``at_ms``."""
    row = shapes.ticker(mirror, market, at_ms, mini=True)
    short = {TICKER_NAMES[name]: row[name] for name in MINI_NAMES}
    return head_of("24hrMiniTicker", market) | short


def average_event(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any]:
    """The event of ``SYMBOL@avgPrice``."""
    row = shapes.average_price(mirror, market, at_ms)
    head = head_of("avgPrice", market)
    return head | {"i": f"{row['mins']}m", "w": row["price"], "T": row["closeTime"]}


SLOW_EVENTS = {
    "ticker": ticker_event,
    "miniTicker": mini_ticker_event,
    "avgPrice": average_event,
}


def _rolling(kind: str) -> Callable[[Mirror, Market, int], dict[str, Any]]:
    """The event of ``SYMBOL@ticker_WINDOW``; it begins with a minute."""
    size = kind.partition("_")[2]
    length_ms = window_of(size)

    def make(mirror: Mirror, market: Market, at_ms: int) -> dict[str, Any]:
        tape, begin_ms = mirror.tapes[market.index], (at_ms - length_ms) // MINUTE_MS * MINUTE_MS
        last = tape.last.price if tape.last else 0
        day = day_of(tape.candles["1m"], begin_ms, at_ms, last)
        row = shapes.statistics(day, market, begin_ms, at_ms) | shapes.changes(day, market)
        head = head_of(f"{size}Ticker", market)
        return head | {short: row[name] for name, short in TICKER_NAMES.items() if name in row}

    return make
