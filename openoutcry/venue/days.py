"""Files in a venue's journal folder: its finished days and its current status."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openoutcry.ring import ProcessIdentity
from openoutcry.wire.errors import JournalError

DAYS_NAME, STATUS_NAME = "days.jsonl", "status.json"


def note_day(directory: Path, row: Mapping[str, Any]) -> None:
    """Add a finished day: its date, the journal's last command of it, the state's hash."""
    with (directory / DAYS_NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
        file.flush()
        os.fsync(file.fileno())


def finished_days(directory: Path) -> list[dict[str, Any]]:
    """The days that :func:`note_day` has noted, without a last line that a power cut tore."""
    try:
        lines = (directory / DAYS_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    days = []
    for number, line in enumerate(lines, start=1):
        try:
            days.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise JournalError(f"{directory / DAYS_NAME}: line {number} is not JSON") from None
    return days


def retired_until(directory: Path, retention_days: int) -> int | None:
    """The last command that no kept day needs; None while there are no more days than are kept."""
    days = finished_days(directory)
    return int(days[-retention_days - 1]["last_seq"]) if len(days) > retention_days else None


def write_status(directory: Path, status: Mapping[str, Any]) -> None:
    """Replace the status atomically."""
    me = ProcessIdentity.mine()
    document = {**status, "pid": me.pid, "start_ticks": me.start_ticks}
    new = directory / (STATUS_NAME + ".new")
    new.write_text(json.dumps(document), encoding="utf-8")
    new.replace(directory / STATUS_NAME)


def read_status(directory: Path) -> dict[str, Any] | None:
    """The last status, None if the venue has written none; ``state`` is ``dead`` if its writer
    is."""
    try:
        status: dict[str, Any] = json.loads((directory / STATUS_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if status["state"] != "stopped" and not _alive(status):
        status["state"] = "dead"
    return status


def _alive(status: Mapping[str, Any]) -> bool:
    return ProcessIdentity(int(status["pid"]), int(status["start_ticks"])).alive()
