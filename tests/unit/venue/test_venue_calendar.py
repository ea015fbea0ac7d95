"""The calendar gives every command of a day once, in order, at the local times that its file names,
whatever daylight saving, holidays and half days do, and however the span asked for is cut."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.venue.calendar import (
    Calendar,
    CalendarError,
    Schedule,
    Traded,
    moment_ns,
)
from openoutcry.wire.enums import Phase
from tests.support.venue.venue_calendar import DAY, HOUR, calendar, never_closing, ns

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Etc/UTC",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
)


def rows_of(commands) -> list[tuple[str, str, str]]:
    return [
        (
            datetime.fromtimestamp(c.ts_ns / 1e9, UTC).strftime("%d %H:%M:%S"),
            c.symbol,
            c.phase.name if c.phase else "TIME",
        )
        for c in commands
    ]


def test_a_day_in_winter_time() -> None:
    commands = calendar(time_every_s=3_600).due(ns("2026-11-23T00:00"), ns("2026-11-23T09:30"))
    assert rows_of(commands) == [
        ("23 07:00:00", "", "TIME"),
        ("23 07:00:00", "A", "PRE_OPEN"),
        ("23 07:00:00", "B", "PRE_OPEN"),
        ("23 08:00:00", "", "TIME"),
        ("23 08:00:00", "A", "CONTINUOUS"),
        ("23 08:00:00", "B", "CONTINUOUS"),
        ("23 09:00:00", "", "TIME"),
    ]


def test_a_day_in_summer_time_a_half_day_and_a_holiday() -> None:
    trading_calendar = calendar(
        holidays=frozenset({date(2026, 12, 25)}), half_days=frozenset({date(2026, 12, 24)})
    )
    summer = trading_calendar.trading_day(date(2026, 7, 1))
    assert (summer.begin_ns, summer.end_ns) == (ns("2026-07-01T06:00"), ns("2026-07-01T15:05"))
    half = trading_calendar.trading_day(date(2026, 12, 24))
    assert (half.begin_ns, half.end_ns) == (ns("2026-12-24T07:00"), ns("2026-12-24T11:00"))
    assert trading_calendar.trading_day(date(2026, 12, 25)) is None
    assert trading_calendar.trading_day(date(2026, 12, 26)) is None  # Saturday
    assert trading_calendar.current_or_next(half.end_ns).day == date(2026, 12, 28)
    assert trading_calendar.last_ended(ns("2026-12-27T00:00")).day == date(2026, 12, 24)


def test_an_auction_that_may_be_put_off_is_ended_again() -> None:
    trading_calendar = Calendar(
        ZoneInfo("Etc/UTC"), {"main": Schedule(DAY)}, (Traded("A", "main", 2, 60),)
    )
    day = trading_calendar.trading_day(date(2026, 11, 23))
    assert rows_of(day.phases) == [
        ("23 08:00:00", "A", "PRE_OPEN"), ("23 09:00:00", "A", "CONTINUOUS"),
        ("23 09:01:00", "A", "CONTINUOUS"), ("23 09:02:00", "A", "CONTINUOUS"),
        ("23 17:00:00", "A", "CLOSING_AUCTION"), ("23 17:05:00", "A", "CLOSED"),
        ("23 17:06:00", "A", "CLOSED"), ("23 17:07:00", "A", "CLOSED"),
    ]  # fmt: skip


def test_times_that_daylight_saving_leaves_out_or_repeats_keep_their_order() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    jump = ns("2026-03-29T01:00")
    assert moment_ns(berlin, spring, 2 * HOUR - 1) == jump - 10**9
    assert moment_ns(berlin, spring, 2 * HOUR + 1_800) == jump
    assert moment_ns(berlin, spring, 3 * HOUR) == jump
    assert moment_ns(berlin, autumn, 2 * HOUR + 1_800) == ns("2026-10-25T00:30")
    assert moment_ns(berlin, autumn, 3 * HOUR) == ns("2026-10-25T02:00")


@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2000, 1, 1), date(2035, 12, 31)),
    at_s=st.integers(0, 86_399),
    more_s=st.integers(0, 7_200),
)
def test_a_moment_is_the_first_at_which_the_local_clock_shows_that_time(
    zone: str, day: date, at_s: int, more_s: int
) -> None:
    place = ZoneInfo(zone)
    wanted = datetime.combine(day, datetime.min.time()) + timedelta(seconds=at_s)
    at_ns = moment_ns(place, day, at_s)

    def local(ts_ns: int) -> datetime:
        return datetime.fromtimestamp(ts_ns // 10**9, place).replace(tzinfo=None)

    assert local(at_ns) >= wanted > local(at_ns - 10**9)
    later_s = min(86_399, at_s + more_s)
    assert moment_ns(place, day, later_s) >= at_ns


@given(
    zone=st.sampled_from(ZONES),
    begin=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    cuts=st.lists(st.integers(0, 5 * 86_400), min_size=2, max_size=8),
    every_s=st.sampled_from([1, 60, 3_600]),
    half=st.booleans(),
)
def test_however_a_span_is_cut_each_phase_is_due_once(
    zone: str, begin: datetime, cuts: list[int], every_s: int, half: bool
) -> None:
    first = begin.date()
    trading_calendar = calendar(
        zone,
        time_every_s=every_s,
        half_days=frozenset({first + timedelta(days=1)} if half else ()),
        holidays=frozenset({first + timedelta(days=2)}),
    )
    begin_ns = int(begin.replace(tzinfo=UTC).timestamp()) * 10**9
    times = sorted({begin_ns + cut * 10**9 + cut % 7 for cut in cuts})
    whole = trading_calendar.due(times[0], times[-1])
    # Also at the very moments of phases: one span has them, and the next begins behind them.
    times = sorted({*times, *(c.ts_ns for c in whole if c.phase)})
    parts = [c for low, high in pairwise(times) for c in trading_calendar.due(low, high)]
    assert [c for c in parts if c.phase] == [c for c in whole if c.phase]
    for commands in (whole, parts):
        stamps = [c.ts_ns for c in commands]
        assert stamps == sorted(stamps)
        # Each PHASE follows a TIME of its moment: a matcher's time says what it has had.
        now = None
        for command in commands:
            now = command.ts_ns if command.phase is None else now
            assert now == command.ts_ns
    if whole:
        assert times[0] < whole[0].ts_ns
        assert whole[-1].ts_ns <= times[-1]
    ends = {c.symbol: c.phase for c in whole if c.phase}
    assert ends.items() <= trading_calendar.expected(times[-1]).items()


@given(at_s=st.integers(0, 10 * 86_400))
def test_what_is_expected_is_what_the_commands_since_the_begin_lead_to(at_s: int) -> None:
    trading_calendar = calendar(half_days=frozenset({date(2026, 3, 27)}))
    begin_ns = ns("2026-03-24T00:00")  # over the change to summer time
    at_ns = begin_ns + at_s * 10**9
    phases = dict.fromkeys("AB", Phase.CLOSED)
    phases |= {c.symbol: c.phase for c in trading_calendar.due(begin_ns - 1, at_ns) if c.phase}
    assert trading_calendar.expected(at_ns) == phases


@given(
    zone=st.sampled_from(ZONES),
    begin=st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 1)),
    cuts=st.lists(st.integers(0, 5 * 86_400), min_size=2, max_size=8),
)
def test_however_a_span_is_cut_each_day_of_what_never_closes_begins_once(
    zone: str, begin: datetime, cuts: list[int]
) -> None:
    trading_calendar = never_closing(zone, time_every_s=3_600)
    begin_ns = int(begin.replace(tzinfo=UTC).timestamp()) * 10**9
    times = sorted({begin_ns + cut * 10**9 for cut in cuts})
    whole = trading_calendar.due(times[0], times[-1])
    times = sorted({*times, *(c.ts_ns for c in whole if c.symbol)})
    parts = [c for low, high in pairwise(times) for c in trading_calendar.due(low, high)]
    assert [c for c in parts if c.symbol] == [c for c in whole if c.symbol]
    for symbol in "AB":
        mine = [c for c in whole if c.symbol == symbol]
        days = [datetime.strptime(str(c.day), "%Y%m%d").date() for c in mine]
        assert days == sorted(set(days))
        assert all(b - a == timedelta(days=1) for a, b in pairwise(days))
        assert [c.phase for c in mine] == [None] * len(mine), "nothing but the day changes"
    stamps = [c.ts_ns for c in whole]
    assert stamps == sorted(stamps)
    for earlier, later in pairwise(whole):
        assert later.ts_ns == earlier.ts_ns or not later.symbol, "a TIME comes first"


@given(at_s=st.integers(0, 10 * 86_400), zone=st.sampled_from(ZONES))
def test_days_of_what_never_closes_follow_each_other_without_a_gap(at_s: int, zone: str) -> None:
    trading_calendar = never_closing(zone)
    at_ns = ns("2026-03-24T00:00") + at_s * 10**9
    day = trading_calendar.current_or_next(at_ns)
    assert day.begin_ns <= at_ns < day.end_ns
    assert trading_calendar.current_or_next(day.end_ns).begin_ns == day.end_ns
    ended = trading_calendar.last_ended(at_ns)
    assert ended is not None
    assert ended.end_ns == day.begin_ns
    phases = trading_calendar.expected(at_ns)
    assert (phases["A"], phases["B"]) == (Phase.CONTINUOUS, Phase.CONTINUOUS)
    began, ends_ns = trading_calendar.session_day(at_ns), trading_calendar.sessions_end_ns(at_ns)
    assert began.weekday() == 6
    assert timedelta() <= day.day - began < timedelta(days=7)
    assert trading_calendar.session_day(ends_ns - 1) == began
    assert trading_calendar.session_day(ends_ns) == began + timedelta(days=7)


def test_without_a_trading_day_within_a_year_it_says_so() -> None:
    with pytest.raises(CalendarError, match="no trading day within 400 days from 2026-11-23"):
        calendar(weekdays=frozenset()).current_or_next(ns("2026-11-23T12:00"))
