"""What the tests of venue calendar in several tiers share."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from openoutcry.venue.calendar import (
    Calendar,
    Schedule,
    Step,
    Traded,
)
from openoutcry.wire.enums import Phase

HOUR = 3_600
DAY = (
    Step(8 * HOUR, Phase.PRE_OPEN),
    Step(9 * HOUR, Phase.CONTINUOUS),
    Step(17 * HOUR, Phase.CLOSING_AUCTION),
    Step(17 * HOUR + 300, Phase.CLOSED),
)
HALF = (*DAY[:2], Step(12 * HOUR, Phase.CLOSED))


def calendar(zone: str = "Europe/Berlin", **more) -> Calendar:
    traded = (Traded("A", "main"), Traded("B", "main"))
    return Calendar(ZoneInfo(zone), {"main": Schedule(DAY, HALF)}, traded, **more)


def never_closing(zone: str = "Etc/UTC", **more) -> Calendar:
    """A and B never close, and their days change at other times; C closes."""
    at = {"midnight": (Step(0, Phase.CONTINUOUS),), "late": (Step(17 * HOUR, Phase.CONTINUOUS),)}
    schedules = {name: Schedule(steps) for name, steps in at.items()} | {"main": Schedule(DAY)}
    traded = (Traded("A", "midnight"), Traded("B", "late"), Traded("C", "main"))
    resets = frozenset({6})
    return Calendar(
        ZoneInfo(zone), schedules, traded, frozenset(range(7)), session_resets=resets, **more
    )


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9
