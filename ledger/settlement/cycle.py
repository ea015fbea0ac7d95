"""The settlement cycle: T+n by market and trade date, counted in the market's own sessions.

Sources: SEC Releases 34-96930 (T+1 from 28 May 2024) and 34-80295 (T+2 from 5 September 2017);
Canada and Mexico went to T+1 on 27 May 2024; the European Union (amending Regulation 909/2014), the
United Kingdom and Switzerland go on 11 October 2027.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping
from datetime import MAXYEAR, date, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from openoutcry.ledger.errors import SettlementError

DEFAULT_DAYS = 2
MAX_DAYS = 30
MARGIN_DAYS = 60
"""So many days behind a trade the calendar is asked for: more than T+30 and a week of holidays."""

_US = ("XNYS", "us_futures", "CMES", "XCBF", "IEPA")
_EUROPE = (
    "ASEX", "XAMS", "XBRA", "XBRU", "XBSE", "XBUD", "XCSE", "XCYS", "XDUB", "XDUS", "XEEE", "XETR",
    "XEUR", "XFRA", "XHAM", "XHEL", "XICE", "XLIS", "XLIT", "XLJU", "XLON", "XLUX", "XMAD", "XMIL",
    "XOSL", "XPAR", "XPRA", "XRIS", "XSTO", "XSTU", "XSWX", "XTAL", "XWAR", "XWBO", "XZAG",
)  # fmt: skip
Cycles = Mapping[str, tuple[tuple[date, int], ...]]
"""Of each market (its code in exchange-calendars) the days n of T+n, each from a trade date on."""

CYCLES: Cycles = {
    **{market: ((date(2017, 9, 5), 2), (date(2024, 5, 28), 1)) for market in _US},
    **{market: ((date.min, 2), (date(2027, 10, 11), 1)) for market in _EUROPE},
    **{market: ((date.min, 2), (date(2024, 5, 27), 1)) for market in ("XTSE", "XMEX")},
    "24/7": ((date.min, 0),),
}
BEFORE_US_T2 = 3
"""In the United States, for trades before 5 September 2017."""


def cycle_days(market: str, trade_date: date, cycles: Cycles = CYCLES) -> int:
    """n of T+n for a trade of that day; 2 in a market of which nothing else is known."""
    days = BEFORE_US_T2 if market in _US and cycles is CYCLES else DEFAULT_DAYS
    for begin, n in cycles.get(market, ()):
        if trade_date >= begin:
            days = n
    return days


@lru_cache(maxsize=65_536)
def settlement_date(
    market: str, trade_date: date, days: int | None = None, closed: Collection[date] = ()
) -> date:
    """The day on which a trade is due: so many sessions after the trade's.

    days: n of T+n; None: by ``CYCLES``.  closed: sessions of the market on which nothing settles (a
    bank holiday): they are not counted, and what is traded on one is due with what was traded on
    the session before.  A trade on a day that is no session counts as one of the next.
    Raises ``SettlementError`` for a market or a date that exchange-calendars does not know.
    """
    n = cycle_days(market, trade_date) if days is None else days
    if not 0 <= n <= MAX_DAYS:
        raise SettlementError(f"T+{n}: a cycle has 0 to {MAX_DAYS} days")
    sessions = _sessions(market, trade_date.year)
    at = bisect_left(sessions, trade_date)
    later = [day for day in sessions[at:] if day not in closed]
    if at < len(sessions) and sessions[at] in closed:
        n = max(n - 1, 0)
    if n >= len(later):
        raise SettlementError(f"{market}: its sessions after {trade_date} are not known")
    return later[n]


@lru_cache(maxsize=64)
def _sessions(market: str, year: int) -> tuple[date, ...]:
    """Of a year and what follows of the next."""
    if year == MAXYEAR:
        raise SettlementError(f"{market} in {year}: its sessions are not known")
    end = date(year, 12, 31) + timedelta(days=MARGIN_DAYS)
    calendar = _calendar(market, date(year, 1, 1), end)
    return tuple(day.date() for day in calendar.sessions)


@lru_cache(maxsize=64)
def time_zone(market: str) -> ZoneInfo:
    """Whose days a market's trade dates are.  Raises ``SettlementError`` as ``settlement_date``."""
    zone: ZoneInfo = _calendar(market, date(2026, 1, 1), date(2026, 12, 31)).tz
    return zone


def _calendar(market: str, begin: date, end: date) -> Any:
    try:
        import exchange_calendars
    except ImportError:
        raise SettlementError(
            "settlement dates need exchange-calendars: pip install 'openoutcry[ledger]'"
        ) from None
    try:
        return exchange_calendars.get_calendar(market, start=str(begin), end=str(end))
    except exchange_calendars.errors.InvalidCalendarName:
        raise SettlementError(f"{market!r} is no market that exchange-calendars knows") from None
    except ValueError as error:
        raise SettlementError(f"{market} in {begin.year}: {error}") from None
