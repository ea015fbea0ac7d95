"""A trading day with auctions that are put off, pauses and halts: a venue that has it, whose phases
are those of ``tests/oracles/trading_day.py``.

Times are seconds after 10:00 UTC.  ``python -m tests.support.venue.paused_day`` writes the table of
docs/risk.md.
"""

from pathlib import Path

from openoutcry.market_data.files import write_feed
from openoutcry.report.documents import fill, table
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Side
from tests import ROOT
from tests.oracles.trading_day import CALLS, Rules, TradingDay
from tests.support.market_data.feed_support import fields, unframed
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import order

PAGE = ROOT / "docs" / "risk.md"
DAY = (
    (0, Phase.PRE_OPEN),
    (20, Phase.CONTINUOUS),
    (130, Phase.CLOSING_AUCTION),
    (150, Phase.TRADING_AT_LAST),
    (330, Phase.CLOSED),
)
EXTENSIONS, EXTENSION_S = 2, 30
PAUSE_S, CALL_S = 14, 8
RULES = TradingDay(DAY, EXTENSIONS, EXTENSION_S, PAUSE_S, CALL_S)
BAND = 20
NEAR_S = 2
"""So close to a moment at which something may happen, every second is looked at."""
TEXT = (
    VENUE.replace("time_every_s = 600", "time_every_s = 1")
    .replace(
        'day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:00 CLOSING_AUCTION", "17:05 CLOSED"]',
        "day = ["
        + ", ".join(f'"10:{at // 60:02}:{at % 60:02} {phase.name}"' for at, phase in DAY)
        + "]",
    )
    .replace(
        'symbol = "GOLD"',
        'symbol = "GOLD"\nmin_price_ticks = 1\nmax_price_ticks = 100_000\n'
        "reference_price_ticks = 1_000\nmax_qty_lots = 1_000_000\n"
        f"auction_band_ticks = {BAND}\nauction_extensions = {EXTENSIONS}\n"
        f"extension_s = {EXTENSION_S}",
    )
    .replace('[[instrument]]\nsymbol = "TIN"\n', "")
    + f"""
[[participant]]
number = 2
name = "two"
[[protection]]
velocity_ticks = 40
velocity_s = 10
pause_s = {PAUSE_S}
call_s = {CALL_S}
"""
)


EVENTS = ("collar", "pause", "halt", "resume", "restart")
SITUATIONS: dict[str, tuple[int, dict[int, str]]] = {
    "a call, before its end": (10, {}),
    "a call that was put off": (33, {10: "collar"}),
    "CONTINUOUS, while the calendar repeats the auction's end": (40, {}),
    "CONTINUOUS": (90, {}),
    "CONTINUOUS, just before the closing auction": (124, {}),
    "the re-opening auction": (97, {80: "pause"}),
    "CLOSING_AUCTION": (140, {}),
    "CLOSING_AUCTION that was put off": (163, {140: "collar"}),
    "TRADING_AT_LAST": (224, {}),
}
"""By what is scheduled: the second at which something happens that is not, and what leads there."""
UNSCHEDULED: dict[str, dict[int, str]] = {
    "a pause": {0: "pause"},
    "a halt, resumed 24 s later": {0: "halt", 24: "resume"},
    "orders outside of the auction's band": {0: "collar"},
}
PAIRS = [(situation, what) for situation in SITUATIONS for what in UNSCHEDULED]


def events_of(situation: str, what: str) -> dict[int, str]:
    """The day of a pair."""
    at_s, before = SITUATIONS[situation]
    return before | {at_s + after_s: event for after_s, event in UNSCHEDULED[what].items()}


def phases_of(events: dict[int, str]) -> list[Phase]:
    """The phase in each second of the day, by the rules."""
    rules, phases = Rules(RULES), []
    for now_s in range(DAY[-1][0] + 1):
        rules.second(now_s)
        if now_s in events:
            getattr(rules, events[now_s])(now_s)
        phases.append(rules.phase)
    return phases


def consequence(situation: str, what: str) -> str:
    """What comes of it, by the rules: the phases until the day goes on as it would have."""
    at_s, before = SITUATIONS[situation]
    found, plain = phases_of(events_of(situation, what)), phases_of(before)
    differ = [now_s for now_s in range(len(plain)) if found[now_s] != plain[now_s]]
    steps, last_s = [], at_s
    for now_s in range(at_s, differ[-1] + 2 if differ else 0):
        if found[now_s] != found[now_s - 1]:
            after = f" after {now_s - last_s} s" if now_s > at_s else ""
            steps.append(f"{found[now_s].name}{after}")
            last_s = now_s
    return ", ".join(steps) or "nothing"


class PausedFloor(InlineFloor):
    """The venue of that day; its clock begins at 10:00."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TEXT)
        self.ids, self.now_s, self.rules = 100, 0, Rules(RULES)
        self.right = [(0, self.rules.phase)]

    def second(self, event: str = "") -> None:
        """One second, then what happens in it."""
        self.now_s += 1
        if event or self._may_bring():
            self.at(f"2026-11-23T10:{self.now_s // 60:02}:{self.now_s % 60:02}")
            self.step()
        self.rules.second(self.now_s)
        if event:
            getattr(self, f"do_{event}")()
            getattr(self.rules, event)(self.now_s)
        if self.right[-1][1] != self.rules.phase:
            self.right.append((self.now_s, self.rules.phase))

    def _may_bring(self) -> bool:
        """Return whether something may happen at about this second."""
        moments = [at + k * EXTENSION_S for at, _ in DAY for k in range(EXTENSIONS + 1)]
        moments += [s for s in (self.rules.ends_s, self.rules.paused_until_s) if s is not None]
        return any(abs(self.now_s - moment_s) <= NEAR_S for moment_s in moments)

    def play(self, events: dict[int, str]) -> None:
        """The whole day, with these events by their seconds."""
        for second in range(1, DAY[-1][0] + EXTENSIONS * EXTENSION_S + 5):
            self.second(events.get(second, ""))

    def _both(self, price: int) -> None:
        self.ids += 2
        self.publish(order(self.ids, Side.SELL, 1, price, who=2))
        self.publish(order(self.ids + 1, Side.BUY, 1, price, who=1))

    def do_collar(self) -> None:
        if self.rules.phase in CALLS:
            self._both(1_000 + BAND + 10)

    def do_pause(self) -> None:
        if self.rules.phase == Phase.CONTINUOUS:
            for price in (1_000, 1_060):
                self._both(price)

    def do_halt(self) -> None:
        if self.rules.phase != Phase.CLOSED:
            self.ask("halt", "GOLD")

    def do_resume(self) -> None:
        if self.rules.is_halted:
            self.ask("resume", "instrument", "GOLD")

    def do_restart(self) -> None:
        self.again()

    def phases(self) -> list[tuple[int, Phase]]:
        """When each phase began, from the journal; a phase that was asked for again is not one."""
        commands, events = self.journal()
        changed = events[events["kind"] == EventKind.PHASE_CHANGED]
        changed = changed[changed["qty_lots"] != changed["contra_id"]]
        times = commands[commands["kind"] == CommandKind.TIME]
        found = []
        for row in changed:
            before = times[times["seq"] < row["cause_seq"]]
            at_s = int(before["aux"][-1] // 10**9) % 3_600 if len(before) else 0
            found.append((at_s, Phase(int(row["qty_lots"]))))
        return found

    def announced(self, folder: Path) -> list[str]:
        """The trading states that the feed gave, with Q for an auction's trade or its absence."""
        write_feed(self.journal_path, folder / "day.itch", "itch", {"GOLD": 2}, session=1)
        rows = [fields(one) for one in unframed((folder / "day.itch").read_bytes())]
        return [
            row["reason"].strip() if row["kind"] == "H" else "Q"
            for row in rows
            if row["kind"] in "HQ"
        ]


def filled(text: str) -> str:
    """The page with the table of all pairs, by the rules."""

    def content(_all: str) -> str:
        header = "| scheduled | " + " | ".join(UNSCHEDULED) + " |"
        rows = [[name, *(consequence(name, what) for what in UNSCHEDULED)] for name in SITUATIONS]
        return table(header, rows)

    return fill(text, "pauses", content)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
