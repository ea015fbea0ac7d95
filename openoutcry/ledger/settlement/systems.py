"""The calendars of settlement systems: the days on which securities are delivered against payment.

A market settles where its securities are kept, on that system's days.  A market of no system named
here settles on its own trading days.
"""

from collections.abc import Sequence
from datetime import date, timedelta

T2S = {
    "XMIL": date(2015, 8, 31),
    "XLIS": date(2016, 3, 29),
    **dict.fromkeys(("XAMS", "XBRU", "XPAR"), date(2016, 9, 12)),
    **dict.fromkeys(
        ("XBRA", "XDUS", "XETR", "XFRA", "XHAM", "XLJU", "XLUX", "XSTU", "XWBO"), date(2017, 2, 6)
    ),
    **dict.fromkeys(("XLIT", "XMAD", "XRIS", "XTAL"), date(2017, 9, 18)),
    "XHEL": date(2023, 9, 11),
}
"""Markets whose depository settles in TARGET2-Securities, and since when; before, each settled on
its own days, which are taken to be the market's."""
DTC = ("XNYS",)


def days_of(market: str, sessions: Sequence[date], begin: date, end: date) -> Sequence[date]:
    """The settlement days of a market from ``begin`` to ``end``; ``sessions``: its trading days."""
    if market in DTC:
        return [day for day in sessions if not us_banks_only(day)]
    since = T2S.get(market)
    if since is None or since > end:
        return sessions
    before = [day for day in sessions if day < since]
    first = max(begin, since)
    days = (first + timedelta(days=at) for at in range((end - first).days + 1))
    return [*before, *(day for day in days if is_target_day(day))]


def is_target_day(day: date) -> bool:
    """Return whether euros settle against securities: the long-term calendar of TARGET."""
    if day.weekday() >= 5 or (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}:
        return False
    easter = easter_sunday(day.year)
    return day not in (easter - timedelta(days=2), easter + timedelta(days=1))


def us_banks_only(day: date) -> bool:
    """Columbus Day or Veterans Day: exchanges trade, banks are closed and nothing settles.  On a
    Sunday the banks close on the Monday after; on a Saturday on no other day."""
    if day.month == 10:
        return day.weekday() == 0 and 8 <= day.day <= 14
    return day.month == 11 and (day.day == 11 or (day.day == 12 and day.weekday() == 0))


def easter_sunday(year: int) -> date:
    """Return Easter Sunday by the Gregorian calendar (the anonymous algorithm, Meeus)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return date(year, month, day + 1)
