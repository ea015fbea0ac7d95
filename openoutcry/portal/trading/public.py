"""What is public of a market: trades, candles, and the last day's statistics."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from openoutcry.portal.trading.instruments import worth

MINUTE_MS, DAY_MS = 60_000, 86_400_000
INTERVALS = {
    "1s": 1_000,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 0,
}
"""Lengths in milliseconds; a month has none."""
WEEK_BEGIN_MS = 4 * DAY_MS
"""The first Monday of the epoch."""
TRADES_KEPT, CANDLES_KEPT = 10_000, 1_500


@dataclass(slots=True)
class Trade:
    """A public trade: ``price`` in ticks, ``time_ms`` since 1970."""

    number: int
    price: int
    lots: int
    time_ms: int
    buyer_is_maker: bool
    seq: int
    """Number of the command that caused it."""
    is_off_book: bool = False
    inverse_units: int = 0
    """Of its market."""


@dataclass(slots=True)
class AggregateTrade:
    """Trades of one command at one price."""

    number: int
    price: int
    lots: int
    first: int
    last: int
    time_ms: int
    buyer_is_maker: bool
    seq: int


def add_to(aggregates: MutableSequence[AggregateTrade], trade: Trade) -> None:
    """Add the trade that follows those in the list."""
    newest = aggregates[-1] if aggregates else None
    if newest is not None and (newest.seq, newest.price, newest.buyer_is_maker) == (
        trade.seq,
        trade.price,
        trade.buyer_is_maker,
    ):
        newest.lots += trade.lots
        newest.last = trade.number
        return
    number = trade.number
    terms = trade.price, trade.lots, number, number, trade.time_ms, trade.buyer_is_maker
    aggregates.append(AggregateTrade(number, *terms, trade.seq))


@dataclass(slots=True)
class Candle:
    """Prices in ticks; quantities in lots; ``tick_lots``: what they were worth, summed."""

    begin_ms: int
    end_ms: int
    """The last millisecond that belongs to it."""
    open: int
    high: int
    low: int
    close: int
    first_trade: int = 0
    last_trade: int = 0
    lots: int = 0
    tick_lots: int = 0
    count: int = 0
    taker_buy_lots: int = 0
    taker_buy_tick_lots: int = 0

    def add(self, trade: Trade) -> None:
        """Add a trade that lies within the candle; trades come in order."""
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.close, self.last_trade = trade.price, trade.number
        self.first_trade = self.first_trade or trade.number
        self.lots += trade.lots
        value = worth(trade.price, trade.inverse_units) * trade.lots
        self.tick_lots += value
        self.count += 1
        if not trade.buyer_is_maker:
            self.taker_buy_lots += trade.lots
            self.taker_buy_tick_lots += value

    def join(self, later: "Candle") -> None:
        """Add what a candle that follows within this one has."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close, self.last_trade = later.close, later.last_trade
        self.lots += later.lots
        self.tick_lots += later.tick_lots
        self.count += later.count
        self.taker_buy_lots += later.taker_buy_lots
        self.taker_buy_tick_lots += later.taker_buy_tick_lots


def bounds(interval: str, time_ms: int) -> tuple[int, int]:
    """First and last millisecond of the candle that holds a moment (UTC)."""
    if interval == "1M":
        at = datetime.fromtimestamp(time_ms / 1000, UTC)
        begin = datetime(at.year, at.month, 1, tzinfo=UTC)
        end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        return int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000 - 1
    length = INTERVALS[interval]
    offset = WEEK_BEGIN_MS if interval == "1w" else 0
    begin_ms = (time_ms - offset) // length * length + offset
    return begin_ms, begin_ms + length - 1


def with_gaps(candles: list[Candle], interval: str, most: int, are_last: bool) -> list[Candle]:
    """The first or last ``most`` of these, which are in order of time, and of those between them in
    which nothing was traded."""
    length, rows = INTERVALS[interval], candles[:1]
    # What lies further back than the last ``most`` is not made at all.
    earliest_ms = candles[-1].begin_ms - most * length if candles and are_last else 0
    for before, candle in pairwise(candles):
        begin_ms, end_ms, price = before.end_ms + 1, candle.begin_ms, before.close
        if are_last:
            begin_ms = max(begin_ms, earliest_ms)
        else:
            end_ms = min(end_ms, begin_ms + (most - len(rows)) * length)
        for at in range(begin_ms, end_ms, length) if length else ():
            rows.append(Candle(at, at + length - 1, price, price, price, price))
        rows.append(candle)
        if len(rows) >= most and not are_last:
            break
    return rows[-most:] if are_last else rows[:most]


@dataclass
class Day:
    """The last 24 hours of a market."""

    first: int = 0
    last: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    close: int = 0
    lots: int = 0
    tick_lots: int = 0
    count: int = 0
    last_lots: int = 0
    before: int = 0
    """Price of the last trade before these 24 hours."""


@dataclass
class Tape:
    """Trades of a market."""

    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    off_book: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    """Trades off the book, which are in no candle, no statistics, and not ``last``."""
    aggregates: deque[AggregateTrade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    candles: dict[str, deque[Candle]] = field(
        default_factory=lambda: {name: deque(maxlen=CANDLES_KEPT) for name in INTERVALS}
    )
    last: Trade | None = None

    def every(self) -> list[Trade]:
        """All trades, those off the book among them, in their order."""
        return sorted([*self.trades, *self.off_book], key=lambda trade: trade.number)

    def add(self, trade: Trade) -> list[tuple[str, Candle]]:
        """Add a trade; the candles that it is in."""
        self.trades.append(trade)
        self.last = trade
        add_to(self.aggregates, trade)
        return [(name, self._candle(name, trade)) for name in INTERVALS]

    def _candle(self, interval: str, trade: Trade) -> Candle:
        rows = self.candles[interval]
        if not rows or rows[-1].end_ms < trade.time_ms:
            begin_ms, end_ms = bounds(interval, trade.time_ms)
            # Where nothing was traded a candle has the last price, and no volume.
            if rows and INTERVALS[interval]:
                self._fill(rows, interval, begin_ms)
            price = trade.price
            rows.append(Candle(begin_ms, end_ms, price, price, price, price))
        rows[-1].add(trade)
        return rows[-1]

    def _fill(self, rows: deque[Candle], interval: str, until_ms: int) -> None:
        length, price = INTERVALS[interval], rows[-1].close
        begin_ms = max(rows[-1].end_ms + 1, until_ms - CANDLES_KEPT * length)
        for at in range(begin_ms, until_ms, length):
            rows.append(Candle(at, at + length - 1, price, price, price, price))

    def candles_of(
        self, interval: str, start_ms: int | None, end_ms: int | None, most: int, now_ms: int
    ) -> list[Candle]:
        """Return candles from ``start_ms`` on, or the last ``most`` up to ``end_ms``."""
        rows = self.candles[interval]
        if rows and INTERVALS[interval]:
            begin_ms, _ = bounds(interval, now_ms)
            if begin_ms > rows[-1].end_ms:
                length = INTERVALS[interval]
                self._fill(rows, interval, begin_ms + length)
        kept = list(rows)
        begins = [row.begin_ms for row in kept]
        first = 0 if start_ms is None else bisect_left(begins, start_ms)
        end = len(kept) if end_ms is None else bisect_right(begins, end_ms)
        chosen = kept[first:end]
        return chosen[:most] if start_ms is not None else chosen[-most:]

    def day(self, now_ms: int) -> Day:
        """Return the statistics of a day, by minutes: a trade leaves them within a minute of its 24
        hours."""
        day = Day()
        begin_ms = now_ms - DAY_MS
        for candle in self.candles["1m"]:
            if candle.end_ms < begin_ms:
                day.before = candle.close
                continue
            if not candle.count:
                continue
            day.first = day.first or candle.first_trade
            day.open = day.open or candle.open
            day.high = max(day.high, candle.high)
            day.low = min(day.low or candle.low, candle.low)
            day.lots += candle.lots
            day.tick_lots += candle.tick_lots
            day.count += candle.count
            day.last = candle.last_trade
        if self.last is not None:
            day.close, day.last_lots = self.last.price, self.last.lots
            day.open = day.open or day.close
            day.high, day.low = day.high or day.close, day.low or day.close
        return day
