"""Find who traded before a moment: a halt, a funding, a listing, a liquidation, or any time.

The moment is a command of the journal, or a time that is given.  What each owner traded in the
minutes before it, in the instruments concerned, is held against the prices after it and against
what it commonly trades.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.events import Records, events_of, starting_point
from openoutcry.journal.projections import JournalReader, Setting
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire.enum_numbers import COMMAND_KIND_RISK
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Phase, Side
from openoutcry.wire.errors import SurveillanceError
from openoutcry.wire.symbols import symbols_of

MINUTE_NS = 60 * 10**9
HISTORY = 12
"""As many spans before the one that is asked about say what an owner commonly trades."""
RISK = {
    "funding": (Setting.CONTRACT_FUNDING,),
    "settlement": (Setting.CONTRACT_SETTLE, Setting.CONTRACT_EXPIRE),
    "listing": (Setting.CONTRACT_LIST,),
    "liquidation": (Setting.LIQUIDATE, Setting.DELEVERAGE),
}
MOMENTS = ("time", "halt", *RISK)


@dataclass
class Trading:
    """What one owner traded in one instrument before the moment."""

    participants: list[int]
    symbol: str
    bought_lots: int = 0
    sold_lots: int = 0
    took_lots: int = 0
    value_ticks: int = 0
    """Of what it bought, less of what it sold: price ticks times lots."""
    common_lots: float = 0.0
    """Mean of the spans before."""
    share_percent: float = 0.0
    """Of the lots of the instrument in the span."""
    gain_ticks: int = 0
    """By the last price of as many minutes after the moment (or the first one later), price ticks
    times lots."""

    @property
    def net_lots(self) -> int:
        """Lots bought less lots sold."""
        return self.bought_lots - self.sold_lots


@dataclass
class Answer:
    """The moment, the prices around it, and who traded before it, the largest gain first."""

    what: str
    ts_ns: int
    seq: int
    """Its command; 0: it is a time."""
    minutes: int
    prices: dict[str, tuple[int | None, int | None, int | None]]
    """By symbol the last price before the moment, the first one after it, and the one by which
    gains are, ticks."""
    rows: list[Trading]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        rows = [asdict(row) | {"net_lots": row.net_lots} for row in self.rows]
        return asdict(self) | {"rows": rows}


def before(
    directory: Path,
    settings: Settings,
    what: str,
    symbol: str = "",
    at_ns: int | None = None,
    minutes: int = 5,
) -> Answer:
    """Return who traded in the ``minutes`` before the newest such moment, at ``at_ns`` or before.

    ``symbol``: of this instrument, and of what it is linked with.  Raises
    :class:`SurveillanceError` where there was no such moment."""
    reader = JournalReader(directory)
    symbols = symbols_of(reader.config)
    if symbol and symbol not in symbols:
        raise SurveillanceError(f"{directory}: the journal has no instrument {symbol!r}")
    links = Detectors(reader.config, settings).links
    asked = _group(links, symbols.index(symbol)) if symbol else set(range(len(symbols)))
    codes = {row["symbol"]: at for at, row in enumerate(reader.config["instruments"])}
    if what == "time":
        if at_ns is None:
            raise SurveillanceError("a time is needed: --at")
        found = (at_ns, 0, -1)
    else:
        found = _newest(
            reader, what, {code: at for code, at in codes.items() if at in asked}, at_ns
        )
    ts_ns, seq, instrument = found
    if instrument >= 0:
        asked = _group(links, instrument)
    return _answer(reader, settings, Answer(what, ts_ns, seq, minutes, {}, []), asked)


def _group(links: Records, instrument: int) -> set[int]:
    """An instrument, what it is linked with, and all that is linked with either."""
    near = {instrument, int(links[instrument])} - {-1}
    return near | {at for at, linked in enumerate(links.tolist()) if linked in near}


def _newest(
    reader: JournalReader, what: str, codes: dict[str, int], at_ns: int | None
) -> tuple[int, int, int]:
    """Time, command and instrument of the newest moment of a kind."""
    found: tuple[int, int, int] | None = None
    names = np.array([code.encode() for code in codes])
    for first_seq, orders in reader.chunks():
        if what == "halt":
            fits = (orders["kind"] == CommandKind.PHASE) & (orders["aux"] == Phase.HALT)
        else:
            fits = (orders["kind"] == COMMAND_KIND_RISK) & np.isin(orders["order_type"], RISK[what])
        fits &= np.isin(orders["symbol"], names)
        if at_ns is not None:
            fits &= orders["rx_ts_ns"] <= at_ns
        if fits.any():
            at = int(np.flatnonzero(fits)[-1])
            code = orders["symbol"][at].decode()
            found = int(orders["rx_ts_ns"][at]), first_seq + at, codes[code]
    if found is None:
        until = "" if at_ns is None else " until then"
        raise SurveillanceError(f"{reader.directory}: there was no {what} of these{until}")
    return found


class _Gathering:
    """Collects fills before and after the moment."""

    def __init__(
        self, answer: Answer, asked: set[int], symbols: list[str], owners: Records
    ) -> None:
        self.answer, self.asked, self.symbols, self.owners = answer, asked, symbols, owners
        self.span_ns = answer.minutes * MINUTE_NS
        self.rows: dict[tuple[int, int], Trading] = {}
        self.earlier: dict[tuple[int, int], int] = defaultdict(int)
        self.spans: set[int] = set()
        self.was: dict[int, int] = {}
        self.then: dict[int, int] = {}
        self.later: dict[int, int] = {}

    def take(self, event: Any, ts_ns: int) -> None:
        """A party's part of a trade."""
        instrument, price = int(event["instrument"]), int(event["price_ticks"])
        if instrument not in self.asked:
            return
        answer = self.answer
        if ts_ns > answer.ts_ns or (answer.seq and int(event["cause_seq"]) > answer.seq):
            self.then.setdefault(instrument, price)
            if ts_ns <= answer.ts_ns + self.span_ns or instrument not in self.later:
                self.later[instrument] = price
            return
        self.was[instrument] = price
        who, lots = int(event["participant"]), int(event["qty_lots"])
        key, back = (int(self.owners[who]), instrument), (answer.ts_ns - ts_ns) // self.span_ns
        if back > 0:
            self.earlier[key] += lots if back <= HISTORY else 0
            self.spans.add(min(back, HISTORY))
            return
        row = self.rows.setdefault(key, Trading([], self.symbols[instrument]))
        if who not in row.participants:
            row.participants.append(who)
        if event["side"] == Side.BUY:
            row.bought_lots += lots
            row.value_ticks += price * lots
        else:
            row.sold_lots += lots
            row.value_ticks -= price * lots
        rests = event["flags"] & (EventFlag.MAKER | EventFlag.AUCTION)
        row.took_lots += 0 if rests else lots

    def finish(self) -> Answer:
        """Work out shares and gains; the rows in the order of these."""
        totals: dict[str, int] = defaultdict(int)
        for row in self.rows.values():
            totals[row.symbol] += row.bought_lots
        for (owner, instrument), row in self.rows.items():
            price = self.later.get(instrument, self.was[instrument])
            row.common_lots = round(self.earlier[owner, instrument] / max(len(self.spans), 1), 1)
            both = max(row.bought_lots, row.sold_lots)
            row.share_percent = round(100 * both / max(totals[row.symbol], 1), 1)
            row.gain_ticks = row.net_lots * price - row.value_ticks
        rows = self.rows.values()
        self.answer.rows = sorted(rows, key=lambda row: (-row.gain_ticks, row.participants))
        self.answer.prices = {
            self.symbols[at]: (self.was.get(at), self.then.get(at), self.later.get(at))
            for at in sorted(self.asked)
            if at in self.was or at in self.then
        }
        return self.answer


def _answer(reader: JournalReader, settings: Settings, answer: Answer, asked: set[int]) -> Answer:
    """Replay the spans before the moment and what follows it."""
    gathering = _Gathering(answer, asked, symbols_of(reader.config), settings.owners())
    begin_ns = answer.ts_ns - (HISTORY + 1) * gathering.span_ns
    first = _first(reader, begin_ns)
    for batch in events_of(reader, starting_point(reader, first - 1)):
        if not len(batch.commands) or int(batch.commands["seq"][-1]) < first:
            continue
        begun = int(batch.commands["rx_ts_ns"][0]) > answer.ts_ns + gathering.span_ns
        if begun and gathering.was.keys() <= gathering.then.keys():
            break
        fills = batch.events[batch.events["kind"] == EventKind.FILLED]
        stamps = batch.commands["rx_ts_ns"][fills["cause_seq"] - batch.commands["seq"][0]]
        for event, ts_ns in zip(fills, stamps.tolist(), strict=True):
            gathering.take(event, ts_ns)
    return gathering.finish()


def _first(reader: JournalReader, begin_ns: int) -> int:
    """The first command at that time or later."""
    for first_seq, orders in reader.chunks():
        inside = np.flatnonzero(orders["rx_ts_ns"] >= begin_ns)
        if len(inside):
            return int(first_seq + inside[0])
    raise SurveillanceError(f"{reader.directory} ends before that time")
