"""A case's dossier: what its commands were, the market around them, and the book at the time.

All of it is replayed from the journal; nothing in it comes from the detectors but which commands to
show.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.events import Records, events_of, starting_point
from openoutcry.journal.projections import JournalReader
from openoutcry.surveillance.cases import Case
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side
from openoutcry.wire.errors import SurveillanceError
from openoutcry.wire.records import ORDER_DTYPE
from openoutcry.wire.symbols import symbols_of

MARGIN_NS = 30 * 10**9
MAX_COMMANDS = 2_000_000
"""A longer stretch is cut at its begin: the last hits are what is shown."""
QUOTES = 400
MAX_BOOKS = 4
LEVELS = 10
MAX_TRADES, MAX_ORDERS, MAX_LINES = 4_000, 400, 200


@dataclass
class Bar:
    """An order of the case's participants, while it was open."""

    order_id: int
    participant: int
    side: str
    price_ticks: int
    qty_lots: int
    begin_ns: int
    end_ns: int
    filled_lots: int = 0


@dataclass
class Book:
    """Displayed levels right before a command: price, lots, lots of the case's participants."""

    seq: int
    ts_ns: int
    bids: list[tuple[int, int, int]]
    asks: list[tuple[int, int, int]]


@dataclass
class Dossier:
    """Content of a case's page."""

    case: Case
    related: dict[int, list[int]]
    journal_id: str
    begin_ns: int = 0
    end_ns: int = 0
    quotes: list[tuple[int, int | None, int | None]] = field(default_factory=list)
    """(time, best bid, best ask)"""
    trades: list[tuple[int, int, int, str]] = field(default_factory=list)
    """(time, price, lots, side of the case's participant or "")"""
    orders: list[Bar] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    """The participants' commands and events, in order."""
    books: list[Book] = field(default_factory=list)
    cut: bool = False


def dossier(directory: Path, case: Case, settings: Settings) -> Dossier:
    """Replay what a case is about.

    Raises :class:`SurveillanceError` if the journal no longer holds it.
    """
    reader = JournalReader(directory)
    related = {who: settings.related_to(who) for who in case.participants}
    case_dossier = Dossier(case, related, f"{reader.journal_id:016x}")
    case_dossier.begin_ns, case_dossier.end_ns = case.first_ns - MARGIN_NS, case.last_ns + MARGIN_NS
    first, last, case_dossier.cut = _stretch(reader, case, case_dossier)
    symbols = symbols_of(reader.config)
    symbol = case.symbol or symbols[0]
    watching = _Gathering(case_dossier, symbols.index(symbol), symbol)
    point = starting_point(reader, first - 1)
    for _ in events_of(reader, point, from_seq=point.seq + 1, until_seq=first - 1):
        if point.seq >= first - 1:
            break
    engine = point.engine
    marks = sorted({seq for seq in case.evidence if first <= seq <= last})[-MAX_BOOKS:]
    every = max(1, (last - first + 1) // QUOTES)
    stops = sorted({*marks, *range(first, last + 1, every)})
    for commands in _parts(reader, first, last, stops):
        seq = int(commands["seq"][0])
        if seq in marks:
            watching.book(engine, seq, int(commands["rx_ts_ns"][0]))
        watching.quote(engine, int(commands["rx_ts_ns"][0]))
        watching.take(commands, engine.process(commands))
    watching.finish()
    return case_dossier


def _stretch(reader: JournalReader, case: Case, dossier: Dossier) -> tuple[int, int, bool]:
    """The commands from a margin before the case to one after it."""
    first = last = 0
    for first_seq, orders in reader.chunks():
        stamps = orders["rx_ts_ns"]
        inside = np.flatnonzero((stamps >= dossier.begin_ns) & (stamps <= dossier.end_ns))
        if len(inside):
            first = first or first_seq + int(inside[0])
            last = first_seq + int(inside[-1])
        elif first and int(stamps[0]) > dossier.end_ns:
            break
    if not first or last < case.last_seq:
        first, last = first or case.first_seq, max(last, case.last_seq)
    if reader.first_seq > case.last_seq:
        raise SurveillanceError(f"{reader.directory} no longer holds command {case.last_seq}")
    begin = max(first, last - MAX_COMMANDS, reader.first_seq)
    return begin, last, begin > first


def _parts(reader: JournalReader, first: int, last: int, stops: list[int]) -> Iterator[Records]:
    """The commands from ``first`` to ``last``, a new part at each stop."""
    ends = np.array([*stops[1:], last + 1])
    for first_seq, orders in reader.chunks(last, first):
        low, high = max(first, first_seq), min(last, first_seq + len(orders) - 1)
        at = low
        while at <= high:
            end = min(int(ends[np.searchsorted(ends, at, "right")]), high + 1)
            part = np.zeros(end - at, ORDER_DTYPE)
            part[:] = orders[at - first_seq : end - first_seq]
            yield part
            at = end


class _Gathering:
    """Collects what a dossier shows along the replay."""

    def __init__(self, dossier: Dossier, index: int, symbol: str) -> None:
        self.dossier, self.index, self.symbol = dossier, index, symbol
        self.who = set(dossier.case.participants) | {n for o in dossier.related.values() for n in o}
        self.open: dict[int, Bar] = {}

    def quote(self, engine: Any, ts_ns: int) -> None:
        sides = engine.depth(self.symbol, 1)
        best = [sides[side][0][0] if sides[side] else None for side in ("bids", "asks")]
        self.dossier.quotes.append((ts_ns, best[0], best[1]))

    def book(self, engine: Any, seq: int, ts_ns: int) -> None:
        sides = engine.depth(self.symbol, LEVELS)
        own: dict[tuple[str, int], int] = {}
        for bar in self.open.values():
            key = bar.side, bar.price_ticks
            own[key] = own.get(key, 0) + bar.qty_lots - bar.filled_lots
        rows = [
            [
                (int(price), int(lots), own.get((side, int(price)), 0))
                for price, lots, _ in sides[name]
            ]
            for side, name in (("buy", "bids"), ("sell", "asks"))
        ]
        self.dossier.books.append(Book(seq, ts_ns, rows[0], rows[1]))

    def take(self, commands: Records, events: Records) -> None:
        first = int(commands["seq"][0])
        here = events["instrument"] == self.index
        ours = here & np.isin(events["participant"], list(self.who))
        fills = here & (events["kind"] == EventKind.FILLED)
        for event in events[ours | fills]:
            ts_ns = int(commands["rx_ts_ns"][int(event["cause_seq"]) - first])
            mine = int(event["participant"]) in self.who
            if event["kind"] == EventKind.FILLED:
                self._trade(event, ts_ns, mine)
            if mine:
                self._own(event, ts_ns, commands[int(event["cause_seq"]) - first])

    def _trade(self, event: Any, ts_ns: int, mine: bool) -> None:
        side = Side(int(event["side"])).name.lower() if mine else ""
        if mine or event["flags"] & EventFlag.MAKER:
            self.dossier.trades.append(
                (ts_ns, int(event["price_ticks"]), int(event["qty_lots"]), side)
            )

    def _own(self, event: Any, ts_ns: int, command: Any) -> None:
        kind, order_id = int(event["kind"]), int(event["order_id"])
        bar = self.open.get(order_id)
        side = Side(int(event["side"])).name.lower() if event["side"] else ""
        price, lots = int(event["price_ticks"]), int(event["qty_lots"])
        what = EventKind(kind).name.lower().replace("_", " ")
        order_type = ""
        if kind == EventKind.ACCEPTED:
            is_new = command["kind"] == CommandKind.NEW
            kind_of = OrderType(int(command["order_type"])) if is_new else None
            order_type = kind_of.name.lower() if kind_of else "off book"
        self.dossier.lines.append(
            {
                "seq": int(event["cause_seq"]),
                "ts_ns": ts_ns,
                "what": what,
                "side": side,
                "participant": int(event["participant"]),
                "order_id": order_id,
                "price_ticks": price,
                "qty_lots": lots,
                "leaves_lots": 0 if kind == EventKind.BROKEN else int(event["leaves_lots"]),
                "type": order_type,
            }
        )
        if kind in (EventKind.ACCEPTED, EventKind.REPLACED):
            if bar is not None:
                self._ended(bar, ts_ns)
            self.open[order_id] = Bar(
                order_id,
                int(event["participant"]),
                side,
                price,
                int(event["leaves_lots"]),
                ts_ns,
                0,
            )
        elif bar is not None and kind == EventKind.FILLED:
            bar.filled_lots += lots
        is_left = kind == EventKind.BROKEN or event["leaves_lots"] != 0
        if not is_left and order_id in self.open:
            self._ended(self.open.pop(order_id), ts_ns)

    def _ended(self, bar: Bar, ts_ns: int) -> None:
        bar.end_ns = ts_ns
        self.dossier.orders.append(bar)

    def finish(self) -> None:
        """End what is still open with the picture; of too much the last is kept."""
        dossier = self.dossier
        for bar in self.open.values():
            self._ended(bar, dossier.end_ns)
        dossier.orders.sort(key=lambda bar: bar.begin_ns)
        for name, most in (("trades", MAX_TRADES), ("orders", MAX_ORDERS), ("lines", MAX_LINES)):
            rows = getattr(dossier, name)
            dossier.cut |= len(rows) > most
            setattr(dossier, name, rows[-most:])
