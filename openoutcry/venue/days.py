"""Files in a venue's journal folder: its finished days and its current status.

A day is finished by the last command of its run.  In a venue that never closes, the journal alone
says where it ends: after the TIME at which the next one begins and the commands by which it begins
in the instruments.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoint import make_checkpoint_at, recover
from openoutcry.journal.state_layout import KEY, state_layout
from openoutcry.ring import ProcessIdentity
from openoutcry.venue.calendar import Calendar, TradingDay, utc_text
from openoutcry.wire.enums import NEW_DAY, CommandKind
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


def first_time_ns(reader: JournalReader) -> int:
    """Return the first TIME of a journal, ns since the epoch; 0 if its beginning was retired."""
    for _, orders in reader.chunks() if reader.first_seq == 1 else ():
        times = orders["aux"][orders["kind"] == CommandKind.TIME]
        if len(times):
            return int(times[0])
    return 0


def ended_after(directory: Path, calendar: Calendar, seq: int) -> list[tuple[TradingDay, int]]:
    """Return the days of a venue that never closes that end after command ``seq`` of its journal,
    each with its last command.  One that had ended when the journal began is not among them."""
    found: list[tuple[TradingDay, int]] = []
    began_ns, ends = first_time_ns(JournalReader(directory)), False
    for first_seq, orders in JournalReader(directory).chunks(from_seq=seq + 1):
        kinds = orders["kind"]
        begins = (kinds == CommandKind.MASS_CANCEL) & (orders["aux"] == NEW_DAY)
        for place in np.flatnonzero(begins | (kinds == CommandKind.TIME)).tolist():
            at = first_seq + place
            if at > seq and kinds[place] == CommandKind.TIME:
                now_ns = int(orders["aux"][place])
                day = calendar.last_ended(now_ns)
                ends = day is not None and began_ns < now_ns == day.end_ns
                if day is not None and ends:
                    found.append((day, at))
            elif at > seq and ends:
                found[-1] = found[-1][0], at
    return found


def finish_days(
    directory: Path, calendar: Calendar, after_seq: int, before_ns: int
) -> list[dict[str, Any]]:
    """Note the days that have ended before a time in the journal of a venue that never closes and
    are not noted yet, with the state after each; returns their rows.  ``after_seq``: a command
    before the end of all of them."""
    done = finished_days(directory)
    noted = done[-1]["day"] if done else ""
    rows = []
    first = max(after_seq, done[-1]["last_seq"] if done else 0)
    for day, last_seq in ended_after(directory, calendar, first):
        if day.day.isoformat() <= noted or day.end_ns >= before_ns:
            continue  # noted by the end of its run
        make_checkpoint_at(directory, last_seq)
        engine = recover(directory, last_seq).engine
        row = day_row(day, last_seq, engine.state_hash(), engine.open_orders)
        note_day(directory, row)
        rows.append(row)
    return rows


def day_row(day: TradingDay, last_seq: int, state_hash: str, open_orders: int) -> dict[str, Any]:
    """Return what is noted of a finished day."""
    return {
        "day": day.day.isoformat(),
        "end": utc_text(day.end_ns),
        "last_seq": last_seq,
        "state_hash": state_hash,
        KEY: state_layout(),
        "open_orders": open_orders,
    }


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
