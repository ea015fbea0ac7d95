"""The settlement cycle: T+n by market and trade date, counted in the days on which the market's
securities settle, which are not those on which it trades.

The sources are in docs/settlement.md.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from datetime import MAXYEAR, date, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from openoutcry.ledger.settlement import systems
from openoutcry.wire.errors import SettlementError
from openoutcry.wire.extras import need

DEFAULT_DAYS = 2
MAX_DAYS = 30
MAX_WORDS = 200
"""Maximum length of a calendar's error message, which may list a year's days."""
MARGIN_DAYS = 60
"""How many days after a trade the calendar is asked for: more than T+30 and a week of holidays."""

_US = ("XNYS", "us_futures", "CMES", "XCBF", "IEPA")
_EUROPE = (
    "ASEX", "XAMS", "XBRA", "XBRU", "XBSE", "XBUD", "XCSE", "XCYS", "XDUB", "XDUS", "XEEE", "XETR",
    "XEUR", "XFRA", "XHAM", "XHEL", "XICE", "XLIS", "XLIT", "XLJU", "XLON", "XLUX", "XMAD", "XMIL",
    "XOSL", "XPAR", "XPRA", "XRIS", "XSTO", "XSTU", "XSWX", "XTAL", "XWAR", "XWBO", "XZAG",
)  # fmt: skip
Cycles = Mapping[str, tuple[tuple[date, int], ...]]
"""Settlement cycles of each market (by its code in exchange-calendars): days n of T+n, each with
the first trade date to which it applies."""

_EUROPE_T2, _EUROPE_T1 = date(2014, 10, 6), date(2027, 10, 11)
_EARLY = ("XDUS", "XETR", "XEUR", "XFRA", "XHAM", "XLJU", "XSTU")
"""Germany and Slovenia: T+2 long before the others."""

CYCLES: Cycles = {
    **{market: ((date.min, 3), (date(2017, 9, 5), 2), (date(2024, 5, 28), 1)) for market in _US},
    **dict.fromkeys(_EUROPE, ((date.min, 3), (_EUROPE_T2, 2), (_EUROPE_T1, 1))),
    **dict.fromkeys(_EARLY, ((date.min, 2), (_EUROPE_T1, 1))),
    "XMAD": ((date.min, 3), (date(2016, 10, 3), 2), (_EUROPE_T1, 1)),
    **{
        market: ((date.min, 3), (date(2017, 9, 5), 2), (date(2024, 5, 27), 1))
        for market in ("XTSE", "XMEX")
    },
    "XBOM": ((date.min, 2), (date(2023, 1, 27), 1)),
    "XBUE": ((date.min, 2), (date(2024, 5, 27), 1)),
    "XMOS": ((date.min, 2), (date(2023, 7, 31), 1)),
    "XJSE": ((date.min, 5), (date(2016, 7, 11), 3)),
    "XSHG": ((date.min, 1),),
    "XTAE": ((date.min, 0), (date(2012, 3, 18), 1)),
    "XTKS": ((date.min, 3), (date(2019, 7, 16), 2)),
    "24/7": ((date.min, 0),),
}


def cycle_days(market: str, trade_date: date, cycles: Cycles = CYCLES) -> int:
    """n of T+n for a trade of that day: the cycle of the session that it counts for; 2 in a market
    of which nothing else is known.  Raises ``SettlementError`` as ``settlement_date``."""
    sessions = _sessions(market, trade_date.year)
    return _cycle_of(market, sessions[_session(market, trade_date)], cycles)


def _cycle_of(market: str, session: date, cycles: Cycles) -> int:
    days = DEFAULT_DAYS
    for begin, n in cycles.get(market, ()):
        if session >= begin:
            days = n
    return days


def _session(market: str, trade_date: date) -> int:
    """Return the session of its year for which a trade counts: that of the day, or the next."""
    sessions = _sessions(market, trade_date.year)
    at = bisect_left(sessions, trade_date)
    if at == len(sessions):
        raise SettlementError(f"{market}: its sessions after {trade_date} are not known")
    return at


@lru_cache(maxsize=65_536)
def settlement_date(
    market: str,
    trade_date: date,
    days: int | None = None,
    closed: Collection[date] = (),
    opened: Collection[date] = (),
) -> date:
    """The day on which a trade is due: n settlement days after the trade's.

    days: n of T+n; None: by ``CYCLES``.  closed, opened: days that the settlement calendar has and
    on which nothing settles, and those that it lacks.  What is traded in a session on which nothing
    settles is due with what was traded on the settlement day before.  A trade on a day that is no
    session counts as one of the next.
    Raises ``SettlementError`` for a market or a date that exchange-calendars does not know.
    """
    session = _sessions(market, trade_date.year)[_session(market, trade_date)]
    n = _cycle_of(market, session, CYCLES) if days is None else days
    if not 0 <= n <= MAX_DAYS:
        raise SettlementError(f"T+{n}: a cycle has 0 to {MAX_DAYS} days")
    known = {day for day in (*settlement_days(market, session.year), *opened) if day >= session}
    later = sorted(known.difference(closed))
    if not later or later[0] > session:
        n = max(n - 1, 0)
    if n >= len(later):
        raise SettlementError(f"{market}: its settlement days after {trade_date} are not known")
    return later[n]


@lru_cache(maxsize=64)
def settlement_days(market: str, year: int) -> Sequence[date]:
    """The days of a year, and what follows of the next, on which a market's trades settle."""
    sessions = _sessions(market, year)
    return systems.days_of(market, sessions, date(year, 1, 1), _end(year))


@lru_cache(maxsize=64)
def _sessions(market: str, year: int) -> tuple[date, ...]:
    """Return the sessions of a year, and those of the next as far as they are known."""
    if year == MAXYEAR:
        raise SettlementError(f"{market} in {year}: its sessions are not known")
    try:
        calendar = _calendar(market, date(year, 1, 1), _end(year))
    except SettlementError:
        # Some calendars end with the last year whose holidays have been announced.
        calendar = _calendar(market, date(year, 1, 1), date(year, 12, 31))
    return tuple(day.date() for day in calendar.sessions)


def _end(year: int) -> date:
    return date(year, 12, 31) + timedelta(days=MARGIN_DAYS)


@lru_cache(maxsize=64)
def time_zone(market: str) -> ZoneInfo:
    """Return the time zone of a market's trade dates. Raises ``SettlementError`` as
    ``settlement_date``."""
    zone: ZoneInfo = _calendar(market, date(2026, 1, 1), date(2026, 12, 31)).tz
    return zone


def _calendar(market: str, begin: date, end: date) -> Any:
    what = "settlement dates need exchange-calendars"
    exchange_calendars = need("exchange_calendars", what, "ledger", SettlementError)
    try:
        return exchange_calendars.get_calendar(market, start=str(begin), end=str(end))
    except exchange_calendars.errors.InvalidCalendarName:
        raise SettlementError(f"{market!r} is not a market of exchange-calendars") from None
    except (ValueError, NotImplementedError) as error:
        raise SettlementError(f"{market} in {begin.year}: {str(error)[:MAX_WORDS]}") from None
