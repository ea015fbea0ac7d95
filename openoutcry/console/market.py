"""The market as the public sees it: a subscriber of the venue's own feed, with its last trades and
candles."""

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from openoutcry.market_data.book import ITCH_DECIMALS, Instrument
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.stream import StreamReceiver
from openoutcry.venue.days import read_status
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50

TRADES, CANDLES = 200, 7_200
POLL_S, QUIET_POLL_S, AGAIN_S, LOOK_S = 0.005, 0.05, 1.0, 0.5
DOWN = "feed down: this page may be out of date; the venue still accepts and matches orders"
SECOND_NS = 1_000_000_000
DAY_S = 86_400
DEPTH = 25
EVERY_S = (1, 5, 15, 60, 300, 900)
"""Lengths of candles."""


def _at(kind: str, *names: str) -> list[slice]:
    message = ITCH50.from_server(kind)
    sizes = {one.name: one.size_bytes for one in message.fields}
    return [slice(message.offsets[n], message.offsets[n] + sizes[n]) for n in names]


_LOCATE, _TIME = _at("A", "locate", "timestamp")
_ADD = _at("A", "reference", "price", "shares")
_REPLACE = _at("U", "reference", "new_reference", "price", "shares")
_REFERENCE, _LESS = _at("E", "reference", "shares")
"""Offsets in E, C, X and D messages; D has no shares."""
_PRICED = _at("C", "shares", "price", "printable")
_TRADE = _at("P", "shares", "price", "side")
_CROSS = _at("Q", "shares", "price", "cross_type")


def _number(message: bytes, at: slice) -> int:
    return int.from_bytes(message[at], "big")


@dataclass
class Tape:
    """Trades of an instrument. Prices have four decimals; a candle is its second since the midnight
    before the first trade, open, high, low, close and volume."""

    trades: deque[dict[str, int]] = field(default_factory=lambda: deque(maxlen=TRADES))
    candles: deque[list[int]] = field(default_factory=lambda: deque(maxlen=CANDLES))
    count: int = 0
    day: int = 0
    """Midnights that have passed since the first trade: ITCH gives only the time of day."""

    def add(self, time_ns: int, price: int, shares: int) -> None:
        """Add a trade: ``time_ns`` since midnight, ``price`` with four decimals."""
        self.count += 1
        row = {"number": self.count, "time_ns": time_ns, "price": price, "shares": shares}
        self.trades.append(row)
        second = self.day * DAY_S + time_ns // SECOND_NS
        newest = self.candles[-1][0] if self.candles else second
        if newest - second > DAY_S // 2:
            self.day += 1
            second += DAY_S
        # A clock that was set back: charts take no candle that is older than the one before it.
        second = max(second, newest)
        if self.candles and newest == second:
            candle = self.candles[-1]
            candle[2], candle[3] = max(candle[2], price), min(candle[3], price)
            candle[4], candle[5] = price, candle[5] + shares
        else:
            self.candles.append([second, price, price, price, price, shares])


class Tapes:
    """Trades out of messages of ITCH 5.0, by locate."""

    def __init__(self) -> None:
        self.of: dict[int, Tape] = {}
        self._orders: dict[int, list[int]] = {}
        """Price and shares of displayed orders; of those before the subscription nothing."""

    def clear(self) -> None:
        """Forget every trade and order, before a subscription begins again."""
        self.of, self._orders = {}, {}

    def take(self, messages: bytes) -> None:
        """Messages, each after its length."""
        at = 0
        while at < len(messages):
            size = int.from_bytes(messages[at : at + FRAME_BYTES], "big")
            at += FRAME_BYTES
            self._one(messages[at : at + size])
            at += size

    def _one(self, message: bytes) -> None:
        kind = message[:1]
        if kind in (b"A", b"F"):
            number, *order = (_number(message, one) for one in _ADD)
            self._orders[number] = order
        elif kind == b"D":
            self._orders.pop(_number(message, _REFERENCE), None)
        elif kind == b"U":
            old, new, *order = (_number(message, one) for one in _REPLACE)
            self._orders.pop(old, None)
            self._orders[new] = order
        elif kind in (b"E", b"C", b"X"):
            price = self._less(_number(message, _REFERENCE), _number(message, _LESS))
            if kind == b"E":
                self._trade(message, price, _number(message, _LESS))
        if (kind == b"C" and message[_PRICED[2]] == b"Y") or kind in (b"P", b"Q"):
            lots_at, price_at, _ = {b"C": _PRICED, b"P": _TRADE, b"Q": _CROSS}[kind]
            self._trade(message, _number(message, price_at), _number(message, lots_at))
        elif kind == b"S" and message[11:12] == b"O":
            self.clear()

    def _less(self, number: int, shares: int) -> int:
        """Take shares off an order; returns its price, 0 if it is not known."""
        order = self._orders.get(number)
        if order is None:
            return 0
        order[1] -= shares
        if order[1] <= 0:
            del self._orders[number]
        return order[0]

    def _trade(self, message: bytes, price: int, shares: int) -> None:
        if price and shares:
            tape = self.of.setdefault(_number(message, _LOCATE), Tape())
            tape.add(_number(message, _TIME), price, shares)


class Market:
    """Subscribes in a separate thread; :meth:`view` returns the present state.

    ``journal``: the venue's, whose status says whether the feed sends anything.
    """

    def __init__(self, spec: FeedSpec | None, journal: Path) -> None:
        self.spec, self.journal = spec, journal
        self.error = "" if spec else "this venue publishes no market data ([market_data])"
        self.tapes = Tapes()
        self._is_down = False
        self._look_s = 0.0
        self._receiver: Receiver | StreamReceiver | None = None
        self._lock, self._over = Lock(), Event()
        self._thread = Thread(target=self._run, daemon=True, name="console-market")

    def start(self) -> None:
        """Begin to read the feed in a thread, if the venue has one."""
        if self.spec is not None:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; waits 5 s at most."""
        self._over.set()
        if self.spec is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._receiver = self._subscribe()
                self.error, wait_s = "", POLL_S
                while not self._over.is_set():
                    with self._lock:
                        came = self._receiver.poll(0)
                    self._look()
                    if came:
                        wait_s = POLL_S
                    elif wait_s < QUIET_POLL_S:
                        self._over.wait(wait_s)
                        wait_s *= 2
                    else:
                        self._receiver.wait(LOOK_S)
            except (FeedError, OSError) as error:
                self.error = str(error)
            finally:
                if self._receiver is not None:
                    self._receiver.close()
            self._over.wait(AGAIN_S)

    def _look(self) -> None:
        """The stream sends its own heartbeats: only the venue knows whether the feed is down."""
        now_s = time.monotonic()
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        status = read_status(self.journal) if self.journal.is_dir() else None
        feed = (status or {}).get("feed") or {}
        self._is_down = bool(status and status["state"] == "open" and feed.get("up", 1) == 0)

    @property
    def _shown_error(self) -> str:
        return self.error or (DOWN if self._is_down else "")

    def _subscribe(self) -> Receiver | StreamReceiver:
        """Subscribe to the stream, which has the whole day; else to the lines, from a
        snapshot on."""
        assert self.spec is not None
        self.tapes.clear()
        if self.spec.stream is not None:
            return StreamReceiver(self.spec.stream, deliver=self._deliver, follow=True)
        lines = [one for one in (self.spec.a, self.spec.b) if one is not None]
        return Receiver(
            lines,
            self.spec.retransmission,
            self.spec.interface,
            self._deliver,
            snapshots=self.spec.snapshots,
        )

    def _deliver(self, messages: bytes, first: int) -> None:
        self.tapes.take(messages)

    def view(self, symbol: str, since: int = 0) -> dict[str, Any]:
        """Book, statistics, and the trades after number ``since`` of an instrument."""
        with self._lock:
            return self._view(symbol, since)

    def _view(self, symbol: str, since: int) -> dict[str, Any]:
        receiver = self._receiver
        instrument = self._find(symbol)
        if receiver is None or instrument is None:
            return {
                "symbol": symbol,
                "error": self._shown_error or "nothing was published for it yet",
            }
        tape = self.tapes.of.get(instrument.locate, Tape())
        return {
            "symbol": symbol,
            "price_decimals": instrument.price_decimals,
            "state": instrument.state,
            "reason": instrument.reason,
            "error": self._shown_error,
            "last": instrument.last_price,
            "last_shares": instrument.last_shares,
            "open": instrument.open_price,
            "high": instrument.high,
            "low": instrument.low,
            "volume": instrument.volume,
            "count": instrument.trades,
            "indicative": instrument.near_price,
            "paired": instrument.paired,
            "imbalance": instrument.imbalance,
            "vwap": instrument.turnover // instrument.volume if instrument.volume else 0,
            "bids": receiver.book.levels(instrument.locate, "B", DEPTH),
            "asks": receiver.book.levels(instrument.locate, "S", DEPTH),
            "trades": [row for row in tape.trades if row["number"] > since],
        }

    def _find(self, symbol: str) -> Instrument | None:
        instruments = self._receiver.book.instruments() if self._receiver else []
        return next((row for row in instruments if row.symbol == symbol), None)

    def last(self) -> dict[str, int]:
        """Return each instrument's last price, in ten-thousandths; no row for one that has not, or
        whose prices have other decimals."""
        with self._lock:
            instruments = self._receiver.book.instruments() if self._receiver else []
            return {
                instrument.symbol: instrument.last_price
                for instrument in instruments
                if instrument.last_price and instrument.price_decimals == ITCH_DECIMALS
            }

    def ahead(self, references: list[int]) -> list[tuple[int, int] | None]:
        """(orders, shares) displayed before each of these orders at its price; None of an order
        that is not displayed."""
        with self._lock:
            book = self._receiver.book if self._receiver else None
            return [
                book.ahead(reference) if book and reference else None for reference in references
            ]

    def candles(self, symbol: str, every_s: int) -> list[list[int]]:
        """[begin (seconds of the epoch, by the venue's day), open, high, low, close, volume]."""
        rows: dict[int, list[int]] = {}
        with self._lock:
            instrument = self._find(symbol)
            tape = self.tapes.of.get(instrument.locate, Tape()) if instrument else Tape()
            kept, day = list(tape.candles), tape.day
        now_s = int(time.time())
        midnight = (now_s // DAY_S - day) * DAY_S
        if kept and midnight + kept[-1][0] > now_s + DAY_S // 2:
            midnight -= DAY_S  # nothing has been traded since midnight
        for second, first, high, low, last, volume in kept:
            begin = second // every_s * every_s
            if begin not in rows:
                rows[begin] = [midnight + begin, first, high, low, last, volume]
                continue
            row = rows[begin]
            row[2], row[3] = max(row[2], high), min(row[3], low)
            row[4], row[5] = last, row[5] + volume
        return list(rows.values())
