"""Requests of operators that are cut off: the machine is gone after some of their commands."""

from typing import Any

import numpy as np

from openoutcry.journal.desk_record import desk_record
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.requests import FRAMING
from tests.support.venue.floor import InlineFloor


def cut_off(floor: InlineFloor, request: dict[str, Any], after: int) -> bool:
    """Ask for this, and let everything in memory be lost once ``after`` of its commands are in the
    journal; whether that was before the request's last command.  It is written down either way, as
    the desk does."""
    desk = floor._desk
    work = desk._work_of(request)
    desk.operator_lane.put(work.records[:after])
    work.begun()
    floor.step()
    floor.again()
    return after < len(work.records) or work.follow() is not None


def balance(floor: InlineFloor, who: int) -> int:
    floor.step()
    return int(floor._desk.view.of(who, lay.BALANCE))


def effects(floor: InlineFloor, what: Setting) -> np.ndarray:
    """The commands by which operators set this."""
    commands, _ = floor.journal()
    chosen = (commands["kind"] == RISK_KIND) & (commands["order_type"] == what)
    return commands[chosen & ~np.isin(commands["order_type"], FRAMING) & (commands["side"] != 0)]


def times_noted(floor: InlineFloor, reference: str) -> int:
    """How often the desk wrote a request down."""
    rows = desk_record(floor.file.parent / "journal")
    return sum(row["asked"].get("reference") == reference for row in rows)
