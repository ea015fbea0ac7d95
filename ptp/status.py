"""The clock's status as plain data: what programs and people learn of it."""

import time
from typing import Any

from openoutcry.ptp import ClockPage, kernel_evidence, living_pages, load_table
from openoutcry.ptp.host import Machine
from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import MAX_VALUE


def clock_status() -> dict[str, Any]:
    """The clock's status: the daemon's page, or without a daemon what the kernel says."""
    table = load_table()
    if not living_pages():
        record = kernel_evidence(Machine().kernel(), time.time_ns(), table)
        return {"page": None, **describe(record[0], table)}
    page = ClockPage.open()
    # The daemon that has just been started has not said anything yet.
    records = page.evidence()
    if not len(records):
        raise OutcryError(f"{page.name}: the clock daemon knows nothing yet; try again in a second")
    document = {"page": page.name, **describe(records[-1], table)}
    document["simulated"] = page.is_simulated
    since = page.rts25_since_tai_ns
    document["rts25"]["since_utc"] = table.text(abs(since)) if since else None
    document["rts25"]["holds"] = since > 0
    document["sources"] = page.sources()
    document["events"] = [
        {"event": ClockEvent(int(r["event"])).name.lower(), "utc": utc_text(r, table)}
        for r in records
        if r["event"] != ClockEvent.SAMPLE
    ][-5:]
    try:
        now = page.now()
        document["now"] = {
            "utc": table.text(now.tai_ns),
            "bound_ns": now.bound_ns if now.bound_ns < UNBOUNDED_NS else None,
            "earliest_tai_ns": now.earliest_tai_ns,
            "latest_tai_ns": now.latest_tai_ns,
            "earliest_utc_ns": now.earliest_utc_ns,
            "latest_utc_ns": now.latest_utc_ns,
        }
    except OutcryError as error:
        # The page's last word was about a time that is no longer available.
        document["now"], document["error"] = None, str(error)
        document["rts25"] = {"holds": False, "since_utc": None}
    return document


def describe(record: Any, table: Any) -> dict[str, Any]:
    """A clock record as people and programs read it."""
    flags = ClockFlag(int(record["flags"]))
    bound = int(record["bound_ns"])
    return {
        "utc": utc_text(record, table),
        "state": ClockState(int(record["state"])).name.lower(),
        "source": ClockSource(int(record["source"])).name.lower(),
        "grandmaster": f"{int(record['grandmaster']):016x}" if record["grandmaster"] else None,
        "offset_ns": int(record["offset_ns"]),
        "bound_ns": None if bound == MAX_VALUE else bound,
        "drift_ppb": int(record["drift_ppb"]),
        "path_delay_ns": int(record["path_delay_ns"]),
        "utc_offset_s": int(record["utc_offset_s"]),
        "flags": [flag.name.lower() for flag in flags if flag.name],
        "rts25": {"holds": bool(flags & ClockFlag.RTS25), "since_utc": None},
    }


def utc_text(record: Any, table: Any) -> str | None:
    """The record's time in UTC; None: it has none yet."""
    return table.text(int(record["tai_ts_ns"])) if record["tai_ts_ns"] else None
