"""The finished days of a venue by which volumes roll: those of fee tiers, and the average daily
volume of a limit.  The ledger adds up what was traded on them (ledger/volumes.py)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from openoutcry.venue.days import finished_days
from openoutcry.venue.desk import DeskError

VOLUME = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class Window:
    """Finished days of a venue: their number, and the commands of them."""

    days: int
    first: date
    last: date
    after_seq: int
    until_seq: int

    def __str__(self) -> str:
        return f"{self.first} to {self.last} ({self.days} days)"


def by_date(journal: Path, days: int) -> Window:
    """The finished days among the last ``days`` dates, up to that of the last finished day."""
    done = finished_days(journal)
    if not done:
        raise DeskError(f"{journal}: no day of the venue is finished yet")
    last = date.fromisoformat(done[-1]["day"])
    begin = last - timedelta(days=days - 1)
    inside = [row for row in done if date.fromisoformat(row["day"]) >= begin]
    return _window(done, len(inside))


def by_count(journal: Path, days: int) -> Window:
    """The last finished days, up to ``days`` of them."""
    done = finished_days(journal)
    if not done:
        raise DeskError(f"{journal}: no day of the venue is finished yet")
    return _window(done, min(days, len(done)))


def _window(done: list[dict[str, str]], count: int) -> Window:
    before, first, last = done[: len(done) - count], done[-count], done[-1]
    return Window(
        count,
        date.fromisoformat(first["day"]),
        date.fromisoformat(last["day"]),
        int(before[-1]["last_seq"]) if before else 0,
        int(last["last_seq"]),
    )


def text_of(values: Mapping[int, int] | Mapping[str, int]) -> str:
    """Return the volumes in the form of a request to the desk."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def values_of(text: object) -> dict[str, int]:
    """Return the values in a text of :func:`text_of`. Raises :class:`DeskError`."""
    found: dict[str, int] = {}
    for word in str(text or "").split():
        key, equals, value = word.rpartition("=")
        if not equals or not VOLUME.fullmatch(value) or key in found:
            raise DeskError(f"{word!r} is not NAME=VOLUME, or its name occurs twice")
        found[key] = int(value)
    return found
