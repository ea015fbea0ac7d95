"""The calendar gives every command of a day once, in order, at the local times that its file names,
whatever daylight saving, holidays and half days do, and however the span asked for is cut."""

from datetime import date

import pytest

from openoutcry.venue.calendar import (
    CalendarError,
    exchange_days,
)
from tests.support.venue.venue_calendar import calendar, ns


def test_an_exchange_says_its_holidays_and_half_days() -> None:
    pytest.importorskip("exchange_calendars")
    trading_calendar = calendar("America/New_York", exchange="XNYS")
    assert trading_calendar.trading_day(date(2026, 12, 25)) is None
    assert trading_calendar.trading_day(date(2026, 11, 28)) is None
    half = trading_calendar.trading_day(date(2026, 11, 27))
    assert half.end_ns == ns("2026-11-27T17:00")
    assert trading_calendar.trading_day(date(2026, 11, 30)).end_ns == ns("2026-11-30T22:05")
    assert len(exchange_days("XNYS", 2027)[0]) == 251
    with pytest.raises(CalendarError, match="'XNOWHERE' is not an exchange"):
        exchange_days("XNOWHERE", 2026)
