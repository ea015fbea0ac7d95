"""The day that a backtest has of a journal, beside the venue's own replay of it.

The venues of the tests compare them for each journal that they leave.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Day, open_recording, prepare_day
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import DayRun
from openoutcry.backtest.strategy import Strategy
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.verify import verify
from openoutcry.matcher import Engine
from openoutcry.risk.bits import RISK_KIND
from openoutcry.wire.enums import EventKind
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.rule_changes import SET_APPLY

MAX_COMMANDS = 5_000
"""Of a journal that a test of a venue leaves: plain Python compares it, command by command."""
FILL = ("order_id", "contra_id", "participant", "side", "price_ticks", "qty_lots", "leaves_lots")
Best = tuple[int | None, int, int | None, int]
Step = tuple[int, Best]
"""A time, and the best prices with their quantities then."""
Fill = tuple[int, ...]
"""Its time, and the fields of FILL."""


class Recorded:
    """Fills and best prices of one instrument, command by command, and the book at the end."""

    def __init__(self, engine: Engine, index: int) -> None:
        self.engine, self.index = engine, index
        self.symbol = engine.instruments["symbol"][index]
        self.fills: list[Fill] = []
        self.steps: list[Step] = [(0, engine.best(self.symbol))]

    def add(self, now_ns: int, events: Any) -> None:
        """What a command caused; trades off the book are in no day."""
        filled = (events["instrument"] == self.index) & (events["kind"] == EventKind.FILLED)
        for row in events[filled]:
            if not is_off_book(int(row["order_id"])):
                self.fills.append((now_ns, *(int(row[name]) for name in FILL)))
        best = self.engine.best(self.symbol)
        if best != self.steps[-1][1]:
            self.steps.append((now_ns, best))

    def book(self) -> list[tuple[Any, ...]]:
        """Every open order, in the order in which they trade."""
        rows = self.engine.state().rows
        # Numbers of commands count those of other instruments as well.
        others = {"instrument", "word", "arrival", "expiry_number", "list_key"}
        names = [name for name in rows.dtype.names or () if name not in others]
        own = rows[rows["instrument"] == self.index].copy()
        # A list has the number of a command, too; their order is the same.
        _, own["list_key"] = np.unique(own["list_key"], return_inverse=True)
        found: list[tuple[Any, ...]] = own[names].tolist()
        return found


def of_the_venue(journal: Path) -> dict[str, Recorded]:
    """Each instrument as the venue's own core replays it."""
    reader = JournalReader(journal)
    point = oldest_point(reader)
    symbols = point.engine.instruments["symbol"].tolist()
    found = {symbol.decode(): Recorded(point.engine, at) for at, symbol in enumerate(symbols)}
    now_ns = 0
    for batch in events_of(reader, from_seq=point.seq + 1):
        for command in np.array(batch.commands).reshape(-1, 1):
            events = point.engine.process(command)
            now_ns = max(now_ns, int(command["rx_ts_ns"][0]))
            for one in found.values():
                one.add(now_ns, events)
    return found


def of_the_day(day: Day) -> Recorded:
    """The day without a strategy, command by command."""
    found = Recorded(day.engine(), 0)
    for record in np.array(day.records()).reshape(-1, 1):
        found.add(int(record["rx_ts_ns"][0]), found.engine.process(record))
    return found


def require_same(day: Recorded, venue: Recorded) -> None:
    """Compare every fill, the best prices after each command and at each time, and the book at the
    end."""
    assert day.fills == venue.fills
    # A command of the core may be two of the day: an order, and the cancel of what is left.
    steps = iter(day.steps)
    assert [step for step in venue.steps if step not in steps] == []
    ours, theirs = dict(day.steps), dict(venue.steps)
    now = now_there = venue.steps[0][1]
    for time_ns in sorted(ours | theirs):
        now, now_there = ours.get(time_ns, now), theirs.get(time_ns, now_there)
        assert (time_ns, now) == (time_ns, now_there)
    assert day.book() == venue.book()


def require_shown(day: Day, venue: Recorded) -> None:
    """Run a strategy that sends nothing: it is shown what the venue showed, time by time."""
    shown: list[Step] = []

    def on_book(view: Any, state: Any, desk: Any) -> None:
        bid, bid_lots, ask, ask_lots = view[lay.BID_TICKS : lay.ASK_LOTS + 1].tolist()
        best = (bid if bid_lots else None, bid_lots, ask if ask_lots else None, ask_lots)
        shown.append((int(view[lay.EXCHANGE_NS]), best))

    run = DayRun(day, Strategy("looks", on_book=on_book), {}, parse_latency("constant:0:0"))
    while run.advance() != lay.DONE:
        on_book(run.view, run.state, run.desk)
    assert run.result().figures["commands"] == day.count
    # The first time is always shown, any other if the best prices have changed.
    last = {max(time_ns, day.first_ns): best for time_ns, best in venue.steps}
    before, expected = None, []
    for step in last.items():
        if step[1] != before:
            expected.append(step)
        before = step[1]
    assert shown == expected


def require_days(journal: Path) -> list[str]:
    """Compare the day of each instrument in which anything happened, unless the journal is damaged
    or long; returns their symbols."""
    count = sum(len(orders) for _, orders in JournalReader(journal).chunks())
    if count > MAX_COMMANDS or not verify(journal).sound:
        return []
    venue, busy = of_the_venue(journal), []
    changed = {
        bytes(one["symbol"]).decode()
        for _, orders in JournalReader(journal).chunks()
        for one in orders[(orders["kind"] == RISK_KIND) & (orders["order_type"] == SET_APPLY)]
    }
    for symbol, recorded in venue.items():
        if len(recorded.steps) == 1 and not recorded.fills:
            continue
        if symbol in changed:
            continue  # a day has one set of rules
        busy.append(symbol)
        with TemporaryDirectory() as folder:
            recording = open_recording(f"journal:{journal}@{symbol}")
            day = prepare_day(recording, Path(folder) / "day")
            require_same(of_the_day(day), recorded)
            require_shown(day, recorded)
    return busy
