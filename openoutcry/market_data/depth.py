"""The conflated feed: the top of each book at an interval, and the changes since.

A subscriber misses only what came and went within an interval.  Each interval's view is complete,
and so are its changes, by positions (records) or by prices (pages).
"""

import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from openoutcry.market_data.book import ITCH_DECIMALS, Book, Instrument
from openoutcry.market_data.publisher import join, line_socket
from openoutcry.market_data.spec import Address, FeedSpec
from openoutcry.wire.depth import (
    AGAIN,
    DEPTH,
    END,
    HEARTBEAT,
    LAST,
    NAME,
    NAME_BYTES,
    NAME_FIELDS,
)

DEPTH_DTYPE = DEPTH.dtype()
LEVELS = 10
RECORDS_A_PACKET = 22
"""Records of 64 bytes that fit a frame of 1,500 bytes."""
Levels = tuple[tuple[int, int, int], ...]
"""(price with four decimals, shares, orders), best first."""


@dataclass(frozen=True)
class View:
    """The top of an instrument's book at one moment."""

    locate: int
    symbol: str
    state: str
    bids: Levels = ()
    asks: Levels = ()
    last_price: int = 0
    last_shares: int = 0
    trades: int = 0
    reason: str = ""
    """Reason of the trading state, from the last H message."""
    code: str = ""
    """The symbol in eight characters; empty: the symbol has no more."""
    price_decimals: int = ITCH_DECIMALS

    def cut(self, depth: int) -> "View":
        """The view of its best ``depth`` levels."""
        if len(self.bids) <= depth and len(self.asks) <= depth:
            return self
        return replace(self, bids=self.bids[:depth], asks=self.asks[:depth])


def views_of(book: Book, depth: int = LEVELS) -> dict[int, View]:
    """Every instrument's view, by locate."""
    return {one.locate: view_of(book, one, depth) for one in book.instruments()}


def view_of(book: Book, instrument: Instrument, depth: int = LEVELS) -> View:
    """The view of one instrument."""
    return View(
        instrument.locate,
        instrument.symbol,
        instrument.state,
        tuple(book.levels(instrument.locate, "B", depth)),
        tuple(book.levels(instrument.locate, "S", depth)),
        instrument.last_price,
        instrument.last_shares,
        instrument.trades,
        instrument.reason,
        instrument.code,
        instrument.price_decimals,
    )


def by_price(old: Levels, new: Levels) -> list[tuple[int, int, int]]:
    """Return the changes that turn ``old`` into ``new``, by price: levels that are new or changed,
    and (price, 0, 0) for each that is no longer among them."""
    before, after = {row[0]: row for row in old}, {row[0] for row in new}
    gone = [(price, 0, 0) for price in before if price not in after]
    return gone + [row for row in new if before.get(row[0]) != row]


def applied(old: Levels, changes: Iterable[tuple[int, int, int]], side: str) -> Levels:
    """``old`` with the changes of :func:`by_price`, as a subscriber applies them."""
    rows = {row[0]: row for row in old}
    for row in changes:
        if row[1]:
            rows[row[0]] = (row[0], row[1], row[2])
        else:
            rows.pop(row[0], None)
    return tuple(sorted(rows.values(), reverse=side == "B"))


def records_of(old: View | None, new: View, again: bool = False) -> Iterator[tuple[int, ...]]:
    """(side, level, price, shares, orders) of every position that changed; with ``again`` of all,
    also of those where nothing is."""
    before = old or View(new.locate, new.symbol, "", code=new.code)
    was = (before.last_price, before.last_shares, before.trades, before.state)
    if again or was != (new.last_price, new.last_shares, new.trades, new.state):
        yield ord(" "), 0, new.last_price, new.last_shares, new.trades
    for side, older, newer in (("B", before.bids, new.bids), ("S", before.asks, new.asks)):
        for position in range(LEVELS if again else max(len(older), len(newer))):
            row = newer[position] if position < len(newer) else (0, 0, 0)
            if again or position >= len(older) or older[position] != row:
                yield ord(side), position + 1, *row


def packed(rows: Sequence[tuple[View, tuple[int, ...]]]) -> npt.NDArray[np.void]:
    """The records of views' positions (:func:`records_of`), without what they all share."""
    records = np.zeros(len(rows), DEPTH_DTYPE)
    for record, (view, (side, level, price, shares, orders)) in zip(records, rows, strict=True):
        record["price"], record["shares"], record["orders"] = price, shares, orders
        record["symbol"], record["locate"] = (view.code or view.symbol).encode(), view.locate
        record["side"], record["level"] = side, level
        decimals = view.price_decimals
        record["price_decimals"] = 0 if decimals == ITCH_DECIMALS else decimals
        record["state"] = ord(view.state or " ")
    return records


def names_of(views: Iterable[View]) -> npt.NDArray[np.void]:
    """A record for each instrument whose symbol has no room in a record: the symbol."""
    long = [view for view in views if view.code]
    records = packed([(view, (NAME, 0, 0, 0, 0)) for view in long])
    for record, view in zip(records, long, strict=True):
        words = np.frombuffer(view.symbol.encode().ljust(NAME_BYTES, b"\0"), "<u8")
        for name, word in zip(NAME_FIELDS, words, strict=True):
            record[name] = word
    return records


class DepthLine:
    """Sends the views of each interval as records to a group.

    Every ``refresh`` intervals the whole view is sent again, for subscribers that came late or lost
    a packet.
    """

    def __init__(self, spec: FeedSpec, group: Address, refresh: int = 10) -> None:
        self._socket = line_socket(spec)
        self._socket.connect(group)
        self._refresh, self._interval = refresh, 0
        self._views: dict[int, View] = {}
        self.seq = self.not_taken = 0
        self.run = secrets.randbits(32)

    def publish(self, views: dict[int, View], itch_seq: int, ts_ns: int) -> int:
        """An interval; returns how many records went, but for names."""
        again = self._interval % self._refresh == 0
        self._interval += 1
        rows: list[tuple[View, tuple[int, ...]]] = [
            (view, row)
            for view in views.values()
            for row in records_of(None if again else self._views.get(view.locate), view, again)
        ]
        self._views = dict(views)
        records = packed(rows) if rows else np.zeros(1, DEPTH_DTYPE)
        records["ts_ns"] = ts_ns
        if again:
            records = np.concatenate([names_of(views.values()), records])
        records["flags"] = (AGAIN if again else 0) if rows else HEARTBEAT
        records["flags"][-1] |= LAST
        records["itch_seq"], records["run"] = itch_seq, self.run
        records["seq"] = self.seq + 1 + np.arange(len(records))
        self.seq += len(records)
        self._send(records)
        return len(rows)

    def end(self, itch_seq: int, ts_ns: int) -> None:
        """The session has ended; the next one's records begin with all of it."""
        record = np.zeros(1, DEPTH_DTYPE)
        self.seq, self._interval, self._views = self.seq + 1, 0, {}
        record["flags"], record["seq"] = END | HEARTBEAT | LAST, self.seq
        record["itch_seq"], record["ts_ns"], record["run"] = itch_seq, ts_ns, self.run
        self._send(record)

    def _send(self, records: npt.NDArray[np.void]) -> None:
        for at in range(0, len(records), RECORDS_A_PACKET):
            try:
                self._socket.send(records[at : at + RECORDS_A_PACKET].tobytes())
            except OSError:
                self.not_taken += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@dataclass
class DepthBook:
    """State of a listener to a depth line. A gap heals with the next refresh."""

    seq: int = 0
    run: int = 0
    gaps: int = 0
    itch_seq: int = 0
    ended: bool = False
    """The session has ended, and no other has begun."""
    symbols: dict[int, str] = field(default_factory=dict)
    """By locate; of more than eight characters once the line has named them."""
    names: dict[int, str] = field(default_factory=dict)
    """Symbols of more than eight characters."""
    states: dict[int, str] = field(default_factory=dict)
    price_decimals: dict[int, int] = field(default_factory=dict)
    last: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Price, shares and how many trades, by locate."""
    _runs: set[int] = field(default_factory=set)
    """Runs before this one."""
    _levels: dict[tuple[int, str], dict[int, tuple[int, int, int]]] = field(default_factory=dict)

    def take(self, packet: bytes) -> int:
        """Take a datagram; returns the number of its records.  What is not a record is skipped."""
        if not packet or len(packet) % DEPTH_DTYPE.itemsize:
            return 0
        records: npt.NDArray[np.void] = np.frombuffer(packet, DEPTH_DTYPE)
        for record in records:
            seq, run = int(record["seq"]), int(record["run"])
            if run != self.run and run not in self._runs:  # it was started again
                self._runs.add(self.run)
                self.run, self.seq = run, 0
            if run != self.run or seq <= self.seq:
                continue  # doubled, or late
            self.gaps += bool(self.seq) and seq != self.seq + 1
            self.seq, self.itch_seq = seq, int(record["itch_seq"])
            if record["flags"] & HEARTBEAT:
                self.ended |= bool(record["flags"] & END)
                continue
            if self.ended:  # another session: the previous one's views are void
                self.ended = False
                for known in (
                    self.symbols,
                    self.names,
                    self.states,
                    self.price_decimals,
                    self.last,
                    self._levels,
                ):
                    known.clear()  # type: ignore[attr-defined]
            locate, side = int(record["locate"]), chr(record["side"])
            if record["side"] == NAME:
                name = b"".join(record[word].tobytes() for word in NAME_FIELDS)
                self.names[locate] = name.rstrip(b"\0").decode("latin-1")
            code = bytes(record["symbol"]).decode("latin-1")
            self.symbols[locate] = self.names.get(locate, code)
            self.states[locate] = chr(record["state"])
            self.price_decimals[locate] = int(record["price_decimals"]) or ITCH_DECIMALS
            row = tuple(int(record[name]) for name in ("price", "shares", "orders"))
            if record["side"] == NAME:
                continue
            if record["level"] == 0:
                self.last[locate] = row  # type: ignore[assignment]
            else:
                self._levels.setdefault((locate, side), {})[int(record["level"])] = row  # type: ignore[assignment]
        return len(records)

    def levels(self, locate: int, side: str) -> Levels:
        """(price, shares, orders) of a side, best first."""
        rows = self._levels.get((locate, side), {})
        return tuple(rows[level] for level in sorted(rows) if rows[level][1])


class DepthReceiver:
    """Listens to a depth line."""

    def __init__(self, group: Address, interface: str = "") -> None:
        self.book = DepthBook()
        self.socket: socket.socket = join(group, interface)

    def poll(self) -> int:
        """Take in what has come; returns how many packets."""
        count = 0
        while True:
            try:
                self.book.take(self.socket.recv(1 << 16))
            except OSError:
                return count
            count += 1

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
