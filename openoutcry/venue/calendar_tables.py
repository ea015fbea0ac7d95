"""The venue file's tables of time and of what is traded: calendar, schedules, instruments."""

import re
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy.typing as npt

from openoutcry.derivatives.tables import symbol
from openoutcry.market_data.feed import MAX_DECIMALS
from openoutcry.venue.calendar import (
    CALL_PHASES,
    UNCROSSING_PHASES,
    Calendar,
    CalendarError,
    Schedule,
    Step,
    Traded,
    exchange_days,
)
from openoutcry.venue.fee_tables import INSTRUMENT_MONEY_KEYS
from openoutcry.venue.risk_tables import INSTRUMENT_KEYS
from openoutcry.wire import make_instruments, toml_tables
from openoutcry.wire.enums import Allocation, InstrumentOption, Phase
from openoutcry.wire.records import INSTRUMENT_RANGES, MAX_INSTRUMENTS, TICK_BANDS
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import Key, Tables

WEEKDAYS = {
    name: number for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
}
STEP = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))? +([A-Z_]+)")
PHASES = {phase.name: phase for phase in Phase if phase is not Phase.HALT}
OPTIONS = {str(option.name): option for option in InstrumentOption}
NAMED = ("allocation", "options", "initial_phase")
OWN_KEYS = ("decimals", "ouch", "schedule", "extension_s")
"""Keys of ``[[instrument]]`` that are not the matcher's."""


def zone(value: Any) -> ZoneInfo:
    """Read a time zone of a venue file. Raises ``ValueError`` for an unknown name."""
    try:
        return ZoneInfo(toml_tables.text()(value))
    except (OSError, LookupError, ValueError):
        raise ValueError(f"{value!r} is not a time zone; write one like `Europe/Berlin`") from None


def parse_date(value: Any) -> date:
    """A TOML date, or its text."""
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a date; write YYYY-MM-DD") from None


def exchange_or_dates(value: Any) -> str | tuple[date, ...]:
    """The MIC of an exchange, or a list of dates."""
    if type(value) is not str:
        return toml_tables.list_of(parse_date)(value)
    try:
        exchange_days(value, date.today().year)
    except CalendarError as error:
        raise ValueError(str(error)) from None
    return value


def steps(value: Any) -> tuple[Step, ...]:
    """``["09:00 PRE_OPEN", …, "17:30 CLOSED"]``, in order; or ``["00:00 CONTINUOUS"]`` alone, which
    never closes."""
    day_steps: list[Step] = []
    for text in toml_tables.list_of(toml_tables.text())(value):
        match = STEP.fullmatch(text)
        if not match or match[4] not in PHASES:
            raise ValueError(f"{text!r} is not HH:MM[:SS] followed by one of {', '.join(PHASES)}")
        at_s = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
        if day_steps and at_s <= day_steps[-1].at_s:
            raise ValueError(f"{text!r} is not after the line before it")
        day_steps.append(Step(at_s, PHASES[match[4]]))
    if [step.phase for step in day_steps] == [Phase.CONTINUOUS]:
        return tuple(day_steps)
    if len(day_steps) < 2 or day_steps[-1].phase is not Phase.CLOSED:
        raise ValueError(
            "needs at least two lines, the last of them CLOSED, or one line HH:MM CONTINUOUS, at "
            "which the trading day changes without a close"
        )
    return tuple(day_steps)


def whole_steps(value: Any) -> tuple[Step, ...]:
    """The lines of a half day, which ends with CLOSED."""
    half_day = steps(value)
    if len(half_day) == 1:
        raise ValueError("a half day ends with CLOSED")
    return half_day


def tick_table(value: Any) -> tuple[tuple[int, int], ...]:
    """Read the pairs of (from price, step) of a tick table. Raises ``ValueError`` if they are too
    many or no pairs."""
    rows = toml_tables.list_of(toml_tables.list_of(toml_tables.integer(-(2**62), 2**63 - 1)))(value)
    if len(rows) > TICK_BANDS or any(len(row) != 2 for row in rows):
        raise ValueError(f"must have at most {TICK_BANDS} pairs of [from price, step]")
    return rows


def options(value: Any) -> int:
    """Read a list of InstrumentOption names; returns the sum of their bits."""
    return sum(set(toml_tables.list_of(toml_tables.one_of(OPTIONS))(value)))


CALENDAR = {
    "time_zone": Key(zone),
    "weekdays": Key(toml_tables.list_of(toml_tables.one_of(WEEKDAYS)), tuple(range(5))),
    "holidays": Key(exchange_or_dates, ()),
    "more_holidays": Key(toml_tables.list_of(parse_date), ()),
    "half_days": Key(toml_tables.list_of(parse_date), ()),
    "time_every_s": Key(toml_tables.integer(1, 3_600), 1),
    "session_resets": Key(toml_tables.list_of(toml_tables.one_of(WEEKDAYS)), (6,)),
}
SCHEDULE = {"name": Key(toml_tables.text(32)), "day": Key(steps), "half_day": Key(whole_steps, ())}


INSTRUMENT: dict[str, Key] = {
    "symbol": Key(symbol),
    "decimals": Key(toml_tables.integer(0, MAX_DECIMALS), 2),
    "ouch": Key(toml_tables.boolean, True),
    "schedule": Key(toml_tables.text(32), ""),
    "extension_s": Key(toml_tables.integer(0, 86_400), 0),
    "allocation": Key(
        toml_tables.one_of({one.name: one for one in Allocation}), Allocation.PRICE_TIME
    ),
    "options": Key(options, 0),
    "tick_table": Key(tick_table, ()),
    **{
        name: Key(toml_tables.integer(*both), None)
        for name, both in INSTRUMENT_RANGES.items()
        if name not in NAMED and not name.startswith("reserved")
    },
    **INSTRUMENT_KEYS,
    **INSTRUMENT_MONEY_KEYS,
}


def read_calendar(tables: Tables) -> tuple[Calendar | None, list[Traded]]:
    """The calendar, and the instruments as it sees them; None if it has mistakes."""
    before = len(tables.mistakes)
    calendar = tables.table("calendar", CALENDAR)
    schedules = tables.rows("schedule", SCHEDULE)
    tables.distinct([((*path, "name"), row["name"]) for path, row in schedules], "name")
    if not schedules:
        tables.wrong(("schedule",), "is missing: a venue has at least one [[schedule]]")
    _check_half_days(tables, calendar, schedules)
    named = {row["name"]: Schedule(row["day"] or (), row["half_day"]) for _, row in schedules}
    traded = _traded(tables, named)
    _check_never_closing(tables, calendar, named, traded)
    if len(tables.mistakes) > before:
        return None, traded
    exchange = calendar["holidays"] if isinstance(calendar["holidays"], str) else ""
    holidays = () if exchange else calendar["holidays"]
    venue_calendar = Calendar(
        calendar["time_zone"],
        named,
        tuple(traded),
        frozenset(calendar["weekdays"]),
        frozenset({*holidays, *calendar["more_holidays"]}),
        frozenset(calendar["half_days"]),
        exchange,
        calendar["time_every_s"],
        frozenset(calendar["session_resets"]),
    )
    return venue_calendar, traded


def _check_half_days(tables: Tables, calendar: dict[str, Any], schedules: Any) -> None:
    holidays, half_days = calendar["holidays"], calendar["half_days"]
    if isinstance(holidays, str):
        early: set[date] = set()
        for year in (date.today().year, date.today().year + 1):
            early |= exchange_days(holidays, year)[1]
        needs = f"{holidays} has half days, so the schedule needs half-day lines" if early else ""
        if "weekdays" in tables.given_table("calendar"):
            tables.wrong(("calendar", "weekdays"), f"{holidays} already says which days are traded")
    else:
        needs = ""
        for day in sorted(set(holidays) & set(half_days)):
            tables.wrong(("calendar", "half_days"), f"{day} is also a holiday")
    needs = "there are half_days" if half_days else needs
    for path, row in schedules:
        if needs and not row["half_day"] and "half_day" not in _document_row(tables, path):
            tables.wrong((*path, "half_day"), f"is missing: {needs}")


def _check_never_closing(
    tables: Tables, calendar: dict[str, Any], named: dict[str, Schedule], traded: list[Traded]
) -> None:
    """Note what does not go with an instrument that never closes: a date without trading, and
    sessions that never begin again."""
    never = [row for row in traded if row.schedule in named and named[row.schedule].never_closes]
    given = tables.given_table("calendar")
    if not never:
        if "session_resets" in given:
            what = "only a venue with a schedule that never closes has it: sessions end at CLOSED"
            tables.wrong(("calendar", "session_resets"), what)
        return
    name = never[0].schedule
    for key in ("holidays", "more_holidays", "half_days"):
        if calendar[key]:
            tables.wrong(("calendar", key), f"schedule {name!r} never closes: it has no such days")
    if calendar["weekdays"] is not None and len(set(calendar["weekdays"])) < len(WEEKDAYS):
        what = f"schedule {name!r} never closes: name all seven days"
        tables.wrong(("calendar", "weekdays"), what)
    if calendar["session_resets"] == ():
        what = "names no day; the sessions' numbers and tokens must begin again on at least one"
        tables.wrong(("calendar", "session_resets"), what)


def _document_row(tables: Tables, path: Any) -> dict[str, Any]:
    row = tables.document[path[0]][path[1]]
    return row if isinstance(row, dict) else {}


def _traded(tables: Tables, schedules: dict[str, Schedule]) -> list[Traded]:
    """Return what the calendar must know of each instrument; mistakes of the rows themselves are
    noted by :func:`read_instruments`."""
    traded = []
    for path, row in tables.given_rows("instrument"):
        name = row.get("schedule", next(iter(schedules), ""))
        if not isinstance(name, str) or (schedules and name not in schedules):
            tables.wrong((*path, "schedule"), f"there is no schedule {name!r}")
            continue
        band = row.get("auction_band_ticks", 0)
        count = row.get("auction_extensions", 0) if band else 0
        seconds = row.get("extension_s", 0)
        if type(count) is not int or type(seconds) is not int:
            continue
        if count and not seconds:
            tables.wrong((*path, "extension_s"), "is missing: auction_extensions need it")
        if name in schedules:
            _check_extensions(tables, path, schedules[name], count * seconds)
        traded.append(Traded(str(row.get("symbol", "")), name, count, seconds))
    return traded


def _check_extensions(tables: Tables, path: Any, schedule: Schedule, seconds: int) -> None:
    """An auction that was put off ends before the next phase begins, and on its day."""
    for kind in (schedule.day, schedule.half_day):
        ends = [*(step.at_s for step in kind[1:]), int(timedelta(days=1).total_seconds())]
        phases = [Phase.CLOSED, *(step.phase for step in kind)]
        for before, step, end_s in zip(phases, kind, ends, strict=False):
            ends_call = before in CALL_PHASES and step.phase in UNCROSSING_PHASES
            if ends_call and seconds and step.at_s + seconds >= end_s:
                tables.wrong(
                    (*path, "extension_s"),
                    f"an auction before {step.phase.name} may be extended by {seconds} s, "
                    "past the next phase",
                )
                return


def read_instruments(
    tables: Tables, traded: list[Traded]
) -> tuple[npt.NDArray[Any] | None, dict[str, int]]:
    """The instrument table, every instrument closed until the calendar says otherwise, and the
    decimals by symbol."""
    rows = tables.rows("instrument", INSTRUMENT)
    if not 1 <= len(rows) <= MAX_INSTRUMENTS:
        tables.wrong(
            ("instrument",), f"a venue has 1 to {MAX_INSTRUMENTS} instruments, not {len(rows)}"
        )
    tables.distinct([((*path, "symbol"), row["symbol"]) for path, row in rows], "symbol")
    _check_codes(tables, rows)
    instruments = []
    for path, row in rows:
        ours = (*OWN_KEYS, *INSTRUMENT_KEYS, *INSTRUMENT_MONEY_KEYS)
        fields = {k: value for k, value in row.items() if value is not None and k not in ours}
        fields["initial_phase"] = Phase.CLOSED
        if row["symbol"] is None:
            continue
        fields["symbol"] = code_of(row["symbol"])
        try:
            make_instruments([fields])
        except ValueError as error:
            tables.wrong(path, str(error).removeprefix("instrument row 0: "))
        instruments.append(fields)
    if tables.mistakes:
        return None, {}
    return make_instruments(instruments), {row["symbol"]: row["decimals"] for _, row in rows}


def _check_codes(tables: Tables, rows: Any) -> None:
    """Note every symbol that would have the code of another one."""
    seen: dict[bytes, tuple[Any, str]] = {}
    for path, row in rows:
        if row["symbol"] is None:
            continue
        code = code_of(row["symbol"])
        other, name = seen.setdefault(code, (path, row["symbol"]))
        if name != row["symbol"]:
            tables.wrong(
                (*path, "symbol"),
                f"{row['symbol']!r} has the code {code.decode()} in records, as {name!r} in line "
                f"{tables.line_of((*other, 'symbol'))} has; choose another symbol",
            )
