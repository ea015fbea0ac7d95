"""Times of day in a user's own time zone: quiet hours, and when the next summary is due."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAILY, WEEKLY = "daily", "weekly"


def time_of(text: str) -> time:
    """``22:00``.  Raises ValueError."""
    hours, _, minutes = text.partition(":")
    if len(text) != 5 or not (hours + minutes).isdigit() or not text.isascii():
        raise ValueError(f"{text!r} is not a time of day, such as 22:00")
    return time(int(hours), int(minutes))


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone, such as Europe/Berlin") from None


def quiet_until(now: datetime, begin: str, end: str, zone: str) -> datetime | None:
    """Return the end of the quiet hours that a moment is in; None if it is in none."""
    if not begin or not end or begin == end:
        return None
    local = now.astimezone(zone_of(zone))
    first, last, at = time_of(begin), time_of(end), local.time()
    is_quiet = first <= at < last if first < last else at >= first or at < last
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if at >= last else 0)
    until = datetime.combine(day, last, local.tzinfo)
    # Where clocks are set back, the end that is still ahead may be its time of day's second.
    later = (until.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return next((one for one in later if one > now), None)


def next_summary(now: datetime, kind: str, at: str, zone: str) -> datetime:
    """The first time after a moment; weekly on Mondays."""
    days = _summaries(now, kind, at, zone, timedelta(days=1))
    return next(due.astimezone(UTC) for due in days if due.astimezone(UTC) > now)


def last_summary(now: datetime, kind: str, at: str, zone: str) -> datetime:
    """The last time up to a moment, by the zone's clocks."""
    days = _summaries(now, kind, at, zone, timedelta(days=-1))
    return next(due for due in days if due.astimezone(UTC) <= now)


def _summaries(now: datetime, kind: str, at: str, zone: str, step: timedelta) -> Iterator[datetime]:
    """The times of a moment's day and of those after or before it."""
    local = now.astimezone(zone_of(zone))
    day = local.date()
    while True:
        if kind != WEEKLY or day.weekday() == 0:
            yield datetime.combine(day, time_of(at), local.tzinfo)
        day += step
