"""From a trading calendar to the exchange operator's commands, each with its moment.

Pure: this module reads no clock.  A trading day is a date of the calendar's time zone.  Its
schedules say at which local times instruments enter which phases.  ``due`` gives the commands of a
span of time.  A venue that was down asks for the span from its last sequenced TIME until now.

Local times become moments by one rule: the first moment at which the local clock shows that time
or a later one.  A time that daylight saving leaves out becomes the moment at which the clocks jump.
A time that comes twice becomes the first of the two.  So each day keeps its order.

A schedule of one line, CONTINUOUS, never closes: at its time the trading day changes between two
commands.  A venue with such a schedule trades on every date, and each day ends where the next one
begins.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from openoutcry.wire.enums import Phase
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need

SECOND_NS = 1_000_000_000
CALL_PHASES = {
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
}
UNCROSSING_PHASES = {Phase.CONTINUOUS, Phase.TRADING_AT_LAST, Phase.CLOSED}
HORIZON_DAYS = 400
"""How far ahead a next trading day is looked for."""


class CalendarError(OutcryError):
    """A calendar says nothing about the days that are asked for."""


class Step(NamedTuple):
    """A step of the day: at this local time (seconds after midnight) instruments enter
    this phase."""

    at_s: int
    phase: Phase


class Command(NamedTuple):
    """One command of the exchange operator's: TIME, PHASE of an instrument, or the begin of its
    trading day."""

    ts_ns: int
    symbol: str = ""
    phase: Phase | None = None
    """None: TIME, or the begin of a day."""
    repeat: int = 0
    """The how-manieth repetition this is, for an auction that was put off."""
    day: int = 0
    """The trading day, YYYYMMDD, that begins in an instrument that never closes; else 0."""


@dataclass(frozen=True)
class Schedule:
    """The phases of a whole day and of one that ends early (empty: no day ends early)."""

    day: tuple[Step, ...]
    half_day: tuple[Step, ...] = ()

    @property
    def never_closes(self) -> bool:
        """Return whether its day only changes: one line, CONTINUOUS."""
        return len(self.day) == 1


@dataclass(frozen=True)
class Traded:
    """An instrument as the calendar sees it."""

    symbol: str
    schedule: str
    extensions: int = 0
    """How often its auctions are put off at most (``auction_extensions``, with a band)."""
    extension_s: int = 0


@dataclass(frozen=True)
class TradingDay:
    """A day's PHASE commands in order, the last being a CLOSED.  In a venue that never closes the
    day ends where the next one begins."""

    day: date
    begin_ns: int
    end_ns: int
    phases: tuple[Command, ...]

    @property
    def number(self) -> int:
        """The date as YYYYMMDD."""
        return number_of(self.day)


@dataclass(frozen=True)
class Calendar:
    """Days that are traded, and the steps on each."""

    zone: ZoneInfo
    schedules: Mapping[str, Schedule]
    instruments: tuple[Traded, ...]
    weekdays: frozenset[int] = frozenset(range(5))
    """Monday is 0."""
    holidays: frozenset[date] = frozenset()
    half_days: frozenset[date] = frozenset()
    exchange: str = ""
    """MIC of an exchange whose holidays and half days are taken (`exchange-calendars`); then
    ``weekdays`` count for nothing, and the lists above come on top."""
    time_every_s: int = 1
    """Seconds between TIME commands on a trading day."""
    session_resets: frozenset[int] = frozenset()
    """Weekdays at whose begin the sessions of a venue that never closes begin again; Monday is 0.
    """
    _days: dict[date, "TradingDay | None"] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def never_closing(self) -> frozenset[str]:
        """The instruments that never close."""
        rows = self.instruments
        return frozenset(r.symbol for r in rows if self.schedules[r.schedule].never_closes)

    @property
    def never_closes(self) -> bool:
        """Return whether the venue's day only changes, because an instrument never closes."""
        return bool(self.never_closing)

    def is_half_day(self, day: date) -> bool:
        """Return whether the venue closes early on a day, by its file or its exchange's
        calendar."""
        if day in self.half_days:
            return True
        return bool(self.exchange) and day in exchange_days(self.exchange, day.year)[1]

    def is_traded(self, day: date) -> bool:
        """Return whether the venue opens on a day."""
        if day in self.holidays:
            return False
        if self.exchange:
            return day in exchange_days(self.exchange, day.year)[0]
        return day.weekday() in self.weekdays

    def trading_day(self, day: date) -> TradingDay | None:
        """Return the steps of a date; None if it is not traded."""
        if day not in self._days:
            if len(self._days) > HORIZON_DAYS:
                self._days.clear()
            self._days[day] = self._trading_day(day) if self.is_traded(day) else None
        return self._days[day]

    def _trading_day(self, day: date) -> TradingDay:
        half = self.is_half_day(day)
        rows = []
        for index, traded in enumerate(self.instruments):
            schedule = self.schedules[traded.schedule]
            steps = schedule.half_day if half else schedule.day
            if not steps:
                raise CalendarError(
                    f"{day} is a half day, but schedule {traded.schedule} has no half-day lines"
                )
            for command in self._phases(day, traded, steps):
                rows.append((command.ts_ns, index, command))
        rows.sort(key=lambda row: row[:2])
        phases = tuple(command for _, _, command in rows)
        end_ns = phases[-1].ts_ns
        if self.never_closes:
            first_s = min(self.schedules[row.schedule].day[0].at_s for row in self.instruments)
            end_ns = moment_ns(self.zone, day + timedelta(days=1), first_s)
        return TradingDay(day, phases[0].ts_ns, end_ns, phases)

    def _phases(self, day: date, traded: Traded, steps: tuple[Step, ...]) -> Iterator[Command]:
        """An instrument's commands.  One that ends an auction is repeated as often as the auction
        may be put off, and so is CLOSED, which may find one after a pause; where none was put off,
        the repetition changes nothing."""
        before = Phase.CLOSED
        if traded.symbol in self.never_closing:
            ts_ns = moment_ns(self.zone, day, steps[0].at_s)
            yield Command(ts_ns, traded.symbol, day=number_of(day))
            return
        for step in steps:
            ts_ns = moment_ns(self.zone, day, step.at_s)
            yield Command(ts_ns, traded.symbol, step.phase)
            ends_call = before in CALL_PHASES and step.phase in UNCROSSING_PHASES
            if ends_call or step.phase is Phase.CLOSED:
                for repeat in range(1, traded.extensions + 1):
                    later_ns = ts_ns + repeat * traded.extension_s * SECOND_NS
                    yield Command(later_ns, traded.symbol, step.phase, repeat)
            before = step.phase

    def local_date(self, ts_ns: int) -> date:
        """Return the day that it is at the venue at a time in ns since the epoch."""
        return datetime.fromtimestamp(ts_ns // SECOND_NS, self.zone).date()

    def current_or_next(self, now_ns: int) -> TradingDay:
        """The trading day that has not ended yet, or the next one.

        Raises :class:`CalendarError` if none comes within a year.
        """
        first = self.local_date(now_ns)
        # One that began on an earlier date ends on that date, or within the repeats after it.
        for days in range(-1, HORIZON_DAYS):
            trading_day = self.trading_day(first + timedelta(days=days))
            if trading_day is not None and trading_day.end_ns > now_ns:
                return trading_day
        raise CalendarError(f"no trading day within {HORIZON_DAYS} days from {first}")

    def last_ended(self, now_ns: int) -> TradingDay | None:
        """The last trading day that had ended by then."""
        today = self.local_date(now_ns)
        for days in range(HORIZON_DAYS):
            trading_day = self.trading_day(today - timedelta(days=days))
            if trading_day is not None and trading_day.end_ns <= now_ns:
                return trading_day
        return None

    def days_between(self, after_ns: int, until_ns: int) -> Iterator[TradingDay]:
        """Trading days that a span of time touches."""
        day, last = self.local_date(after_ns) - timedelta(days=1), self.local_date(until_ns)
        while day <= last:
            trading_day = self.trading_day(day)
            if (
                trading_day is not None
                and max(trading_day.end_ns, trading_day.phases[-1].ts_ns) > after_ns
                and trading_day.begin_ns <= until_ns
            ):
                yield trading_day
            day += timedelta(days=1)

    def due(self, after_ns: int, until_ns: int) -> list[Command]:
        """The commands of the moments after ``after_ns`` up to ``until_ns``, in order: at each a
        TIME and the PHASEs that fall there.  Of the TIMEs between two of them only the last: the
        others would say nothing that it does not."""
        commands: list[Command] = []
        at_ns = after_ns
        for day in self.days_between(after_ns, until_ns):
            begin = bisect_right(day.phases, after_ns, key=lambda command: command.ts_ns)
            end = bisect_right(day.phases, until_ns, key=lambda command: command.ts_ns)
            for ts_ns, phases in groupby(day.phases[begin:end], key=lambda c: c.ts_ns):
                commands += self._tick(day, at_ns, ts_ns - 1)
                commands += [Command(ts_ns), *phases]
                at_ns = ts_ns
            # Where the next day begins at once, its begin has the TIME.
            last_ns = day.end_ns - self.never_closes
            commands += self._tick(day, at_ns, min(until_ns, last_ns))
        return commands

    def _tick(self, day: TradingDay, after_ns: int, until_ns: int) -> list[Command]:
        """The last regular TIME of that day in the span, if any is."""
        every_ns = self.time_every_s * SECOND_NS
        ts_ns = day.begin_ns + (until_ns - day.begin_ns) // every_ns * every_ns
        return [Command(ts_ns)] if ts_ns > max(after_ns, day.begin_ns) else []

    def expected(self, at_ns: int) -> dict[str, Phase]:
        """The phase in which each instrument is by the calendar."""
        phases = dict.fromkeys((traded.symbol for traded in self.instruments), Phase.CLOSED)
        phases |= dict.fromkeys(self.never_closing, Phase.CONTINUOUS)
        for day in self.days_between(at_ns - SECOND_NS, at_ns):
            for command in day.phases:
                if command.ts_ns <= at_ns and command.phase is not None:
                    phases[command.symbol] = command.phase
        return phases

    def session_day(self, now_ns: int) -> date:
        """The trading day at whose begin the sessions began by the calendar: in a venue that never
        closes the last one of a weekday of ``session_resets``."""
        day = self.current_or_next(now_ns).day
        while self.never_closes and day.weekday() not in self.session_resets:
            day -= timedelta(days=1)
        return day

    def sessions_end_ns(self, now_ns: int) -> int:
        """When sessions that are open now end: with their day, or at their next reset."""
        day = self.current_or_next(now_ns)
        while self.never_closes:
            following = self.current_or_next(day.end_ns)
            if following.day.weekday() in self.session_resets:
                break
            day = following
        return day.end_ns


def number_of(day: date) -> int:
    """A date as YYYYMMDD."""
    return int(day.strftime("%Y%m%d"))


def moment_ns(zone: ZoneInfo, day: date, at_s: int) -> int:
    """The first moment at which the local clock shows this time of the day, or a later one."""
    naive = datetime.combine(day, time.min) + timedelta(seconds=at_s)
    both = [int(naive.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)]
    low, high = min(both), max(both)

    def reached(at: int) -> bool:
        return datetime.fromtimestamp(at, zone).replace(tzinfo=None) >= naive

    if reached(low):
        return low * SECOND_NS
    # Left out: between the two offsets the clocks jump past it.
    while low < high:
        middle = (low + high) // 2
        if reached(middle):
            high = middle
        else:
            low = middle + 1
    return low * SECOND_NS


@lru_cache(maxsize=16)
def exchange_days(mic: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """An exchange's trading days of a year, and those that end early.

    Raises :class:`CalendarError` for an exchange that is not known, and without the library.
    """
    what = "holidays of an exchange need exchange-calendars"
    exchange_calendars = need("exchange_calendars", what, "venue", CalendarError)
    try:
        calendar: Any = exchange_calendars.get_calendar(
            mic, start=f"{year}-01-01", end=f"{year}-12-31"
        )
    except exchange_calendars.errors.InvalidCalendarName:
        raise CalendarError(f"{mic!r} is not an exchange of exchange-calendars") from None
    except ValueError as error:
        raise CalendarError(f"{mic} in {year}: {error}") from None
    early = frozenset(day.date() for day in calendar.early_closes)
    return frozenset(day.date() for day in calendar.sessions), early


def utc_text(ts_ns: int) -> str:
    """Return a time in ns since the epoch as ``2026-11-27T09:30:00Z``."""
    return datetime.fromtimestamp(ts_ns / SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
