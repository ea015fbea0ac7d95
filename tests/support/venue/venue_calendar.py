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


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9
