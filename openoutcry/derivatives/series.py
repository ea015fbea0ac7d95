"""Series of contracts by rule: expiries in cycles of a week, month or quarter, strikes by interval.

A rule gives the same contracts for the same day and reference price on every machine.  Contracts
that are listed stay until they expire; a reference that moves only adds strikes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from openoutcry.derivatives.contracts import CALL, FUTURE, PERPETUAL, PUT, Contract
from openoutcry.wire.symbols import check_symbol

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
LETTERS = {CALL: "C", PUT: "P"}
OPTION = 0
"""The kind of a series that has a call and a put of each strike."""
SERIES_KINDS = {"future": FUTURE, "option": OPTION}
SECOND = 1_000_000_000
MAX_EXPIRIES, MAX_STRIKES = 24, 100
"""Maximum expiries of a series and cycle; maximum strikes on each side of the reference."""


@dataclass(frozen=True)
class Series:
    """A rule by which contracts are listed."""

    root: str
    """The first part of their symbols."""
    underlying: str
    kind: int
    """FUTURE or OPTION."""
    asset: str
    multiplier: int
    inverse: bool = False
    strike_multiplier: int = 0
    delivered_asset: str = ""
    delivered_units: int = 0
    decimals: int = 0
    """Decimals of the underlying's price, for the strikes in symbols."""
    weekly: int = 0
    """Next expiries that are listed of each cycle."""
    monthly: int = 0
    quarterly: int = 0
    weekday: int = 4
    """The day of all expiries; 0 is Monday.  Monthly ones are on the last of the month."""
    second_of_day: int = 8 * 3600
    """UTC."""
    strike_interval_ticks: int = 0
    strikes: int = 0
    """Listed above and below the one next to the reference."""


def expiries(series: Series, now_ns: int, holidays: Iterable[date] = ()) -> list[int]:
    """The next expiries of a series after ``now_ns``, in order.

    An expiry on a holiday moves to the day before it.
    """
    closed = frozenset(holidays)
    found: set[int] = set()
    for days, count in (
        (_weekly(series, now_ns), series.weekly),
        (_monthly(series, now_ns, 1), series.monthly),
        (_monthly(series, now_ns, 3), series.quarterly),
    ):
        at = [moment for day in days if (moment := _moment(day, series, closed)) > now_ns]
        found.update(at[:count])
    return sorted(found)


def strikes(series: Series, reference_ticks: int) -> list[int]:
    """The strikes around a reference price, none below one interval.

    The middle one is the nearest multiple of the interval, of two the upper one.
    """
    interval = series.strike_interval_ticks
    middle = (2 * reference_ticks + interval) // (2 * interval)
    around = range(middle - series.strikes, middle + series.strikes + 1)
    return [number * interval for number in around if number >= 1]


def contracts_of(
    series: Series, now_ns: int, reference_ticks: int, holidays: Iterable[date] = ()
) -> list[Contract]:
    """The contracts that a series has at a time, by expiry, strike and kind."""
    listed = []
    for expiry_ns in expiries(series, now_ns, holidays):
        if series.kind == FUTURE:
            listed.append(_contract(series, FUTURE, expiry_ns, 0))
            continue
        for strike in strikes(series, reference_ticks):
            listed += [_contract(series, kind, expiry_ns, strike) for kind in (CALL, PUT)]
    return listed


def symbol_of(
    root: str, kind: int, expiry_ns: int = 0, strike_ticks: int = 0, decimals: int = 0
) -> str:
    """``BTC-PERP``, ``BTC-25DEC26`` or ``BTC-25DEC26-60000-C``; a strike's point is a d."""
    if kind == PERPETUAL:
        symbol = f"{root}-PERP"
    else:
        day = datetime.fromtimestamp(expiry_ns // SECOND, UTC)
        symbol = f"{root}-{day.day:02}{MONTHS[day.month - 1]}{day.year % 100:02}"
        if kind in LETTERS:
            price = Decimal(strike_ticks).scaleb(-decimals)
            text = f"{price:f}".rstrip("0").rstrip(".") if decimals else f"{price:f}"
            symbol += f"-{text.replace('.', 'd')}-{LETTERS[kind]}"
    check_symbol(symbol)
    return symbol


def _contract(series: Series, kind: int, expiry_ns: int, strike: int) -> Contract:
    return Contract(
        symbol=symbol_of(series.root, kind, expiry_ns, strike, series.decimals),
        underlying=series.underlying,
        kind=kind,
        asset=series.asset,
        multiplier=series.multiplier,
        inverse=series.inverse,
        expiry_ns=expiry_ns,
        strike_ticks=strike,
        strike_multiplier=series.strike_multiplier,
        delivered_asset=series.delivered_asset,
        delivered_units=series.delivered_units,
    )


def _today(now_ns: int) -> date:
    return datetime.fromtimestamp(now_ns // SECOND, UTC).date()


def _weekly(series: Series, now_ns: int) -> list[date]:
    """More than enough of them, from a week ago: a holiday may move one to before today."""
    today = _today(now_ns)
    first = today + timedelta((series.weekday - today.weekday()) % 7 - 7)
    return [first + timedelta(7 * week) for week in range(series.weekly + 4)]


def _monthly(series: Series, now_ns: int, months: int) -> list[date]:
    """The last weekday of each month, or of each quarter, from last month on."""
    today = _today(now_ns)
    count = today.year * 12 + today.month - 2
    last = max(series.monthly, series.quarterly) * months + 2 * months + 2
    days = []
    for number in range(count, count + last):
        year, month = divmod(number, 12)
        if (month + 1) % months:
            continue
        following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
        end = following - timedelta(1)
        days.append(end - timedelta((end.weekday() - series.weekday) % 7))
    return days


def _moment(day: date, series: Series, closed: frozenset[date]) -> int:
    while day in closed:
        day -= timedelta(1)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (int(midnight.timestamp()) + series.second_of_day) * SECOND
