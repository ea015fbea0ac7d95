"""What a venue file asks of a run: its stages and rings, and its sessions."""

import time
from dataclasses import replace
from datetime import date, timedelta

from openoutcry.market_data.public_feed import with_feed
from openoutcry.order_entry.sessions import with_sessions
from openoutcry.order_entry.spec import SessionsSpec
from openoutcry.pipeline.topology import sharded
from openoutcry.runtime.table import Topology
from openoutcry.venue import days
from openoutcry.venue.calendar import moment_ns
from openoutcry.venue.file import VenueFile
from openoutcry.venue.operator_lane import WIRING


def wiring_of(file: VenueFile) -> Topology:
    """The table of a venue with what its file asks for."""
    table = sharded(WIRING, file.shards)
    table = with_sessions(table) if file.sessions.sessions else table
    return with_feed(table) if file.feed else table


def sessions_of(file: VenueFile, now_ns: int, delayed: int) -> SessionsSpec | None:
    """The sessions of the trading day at a time, or of all days since they began in a venue that
    never closes; None if the file has none.

    They have the day's name, its local midnight, and the end of the day before.  That end is by
    the real clock, which stamps commands.

    ``delayed``: commands that may wait at the journal's speed bump."""
    if not file.sessions.sessions:
        return None
    calendar = file.calendar
    done = days.finished_days(file.journal)
    closed = [row for row in done if "closed_ns" in row]
    day = calendar.session_day(now_ns)
    midnight_of = calendar.local_date(time.time_ns())
    if calendar.never_closes:
        # A run that has ended since, by another calendar, has used the days until then.
        used = date.fromisoformat(closed[-1]["day"]) if closed else date.min
        midnight_of = day = max(day, used + timedelta(days=1))
    return replace(
        file.sessions,
        day=day.strftime("%Y%m%d"),
        day_start_ns=moment_ns(calendar.zone, midnight_of, 0),
        day_begin_ns=closed[-1]["closed_ns"] if closed else 1,
        is_over_days=calendar.never_closes,
        delayed=delayed,
    )
