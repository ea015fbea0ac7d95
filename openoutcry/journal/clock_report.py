"""A day of clock evidence in a few lines: how long the time was known how well, and when not."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.ptp import LeapTable
from openoutcry.wire import CLOCK_DTYPE, OutcryError, enum_numbers
from openoutcry.wire.enums import BlockKind, ClockEvent, ClockSource, ClockState
from openoutcry.wire.records import MAX_VALUE

GAP_NS = 5_000_000_000
"""The daemon speaks every second: what is longer than this between two records is not covered."""


@dataclass(frozen=True)
class Evidence:
    """A journal's clock records (CLOCK_DTYPE) in the order of their times, and from when to when
    (TAI ns, by the stamps of its blocks) the journal was written."""

    records: npt.NDArray[Any]
    since_tai_ns: int
    until_tai_ns: int


def clock_records(directory: Path, table: LeapTable) -> Evidence:
    """Every clock record of a journal, each once.  Raises :class:`OutcryError` for a journal
    without.

    A record of a moment at which nothing was known carries no time.  Its place among the others and
    the time of its block say where it belongs (:func:`place`).
    """
    parts, block_ns = [], []
    first_ns = last_ns = 0
    for block in JournalReader(directory).all_blocks():
        if block.header.kind not in (BlockKind.COMMANDS, BlockKind.CLOCK):
            continue
        last_ns = block.header.written_ts_ns
        first_ns = first_ns or last_ns
        if block.header.kind == BlockKind.CLOCK:
            records = np.frombuffer(bytes(block.payload), CLOCK_DTYPE)
            records = records[records["seq"] > 0]  # 0: a run's own word on its stamps
            parts.append(records)
            block_ns.append(np.full(len(records), table.tai_of(last_ns)))
    if not sum(map(len, parts)):
        raise OutcryError(
            f"{directory} holds no clock evidence: it was written while no clock daemon ran"
        )
    records, written = np.concatenate(parts), np.concatenate(block_ns)
    fresh = _said_once(records)
    placed = place(records[fresh], written[fresh])
    return Evidence(placed, table.tai_of(first_ns), table.tai_of(last_ns))


def _said_once(records: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which records are not of a page that was read again from its beginning, as a journal
    that is resumed does."""
    fresh = np.ones(len(records), bool)
    known: dict[bytes, int] = {}  # a record with a time, and which reading of which page it is of
    heard: list[int] = []  # the last sequence of each page
    starts = np.flatnonzero(np.diff(records["seq"], prepend=MAX_VALUE) <= 0)
    for first, last in zip(starts, [*starts[1:], len(records)], strict=True):
        keys = [r.tobytes() for r in records[first:last] if r["tai_ts_ns"]]
        page = next((known[key] for key in keys if key in known), len(heard))
        if page == len(heard):
            heard.append(0)
        fresh[first:last] = records["seq"][first:last] > heard[page]
        heard[page] = max(heard[page], int(records["seq"][last - 1]))
        known |= dict.fromkeys(keys, page)
    return fresh


def place(records: npt.NDArray[Any], written_tai_ns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The records by time.  Those without a time are placed no later than they were written, and
    the first of them at the last known time: from there on the time is not reliable."""
    records = records.copy()
    tai_ns = records["tai_ts_ns"]
    known = np.flatnonzero(tai_ns > 0)
    for index in np.flatnonzero(tai_ns == 0):
        follower = np.searchsorted(known, index)
        before = int(tai_ns[index - 1]) if index else 0
        at = int(written_tai_ns[index])
        if follower < len(known):
            at = min(at, int(tai_ns[known[follower]]))
        first = follower and known[follower - 1] == index - 1
        tai_ns[index] = before if first else max(before, at)
    return records[np.argsort(tai_ns, kind="stable")]


def summarise(
    records: npt.NDArray[Any],
    table: LeapTable,
    zone: ZoneInfo,
    since_tai_ns: int | None = None,
    until_tai_ns: int | None = None,
) -> dict[str, Any]:
    """The report as plain data: one entry a day of ``zone``, and the whole.

    A record speaks for the time until the next one, for :data:`GAP_NS` at most; what is longer is
    without evidence, and RTS 25 is not held there.  Neither is it between two records of which one
    is missing, after a daemon's last one, nor, where the journal's span is given, outside them.
    """
    tai_ns = records["tai_ts_ns"]
    end_ns = max(int(tai_ns[-1]), until_tai_ns or 0)
    gaps_ns = np.diff(tai_ns, append=end_ns)
    missing = np.maximum(np.diff(records["seq"], append=records["seq"][-1]) - 1, 0)
    silent = (missing > 0) | (records["event"] == ClockEvent.STOPPED)
    spans_ns = np.where(silent, 0, np.minimum(gaps_ns, GAP_NS))
    if since_tai_ns is not None:
        # No record yet: the time is added to the first record's, which cannot vouch for it.
        gaps_ns[0] += max(0, int(tai_ns[0]) - since_tai_ns)
    days = [_day(int(at), table, zone) for at in tai_ns]
    entries = []
    for day in sorted(set(days)):
        inside = np.array([d == day for d in days])
        figures = _figures(records[inside], spans_ns[inside], gaps_ns[inside], missing[inside])
        entries.append({"day": day, **figures})
    whole = _figures(records, spans_ns, gaps_ns, missing)
    return {
        "zone": str(zone),
        "first_utc": table.text(int(tai_ns[0])),
        "last_utc": table.text(int(tai_ns[-1])),
        "rts25_held": whole["rts25_share"] == 1.0 and not whole["without_evidence_s"],
        "days": entries,
        "whole": whole,
        "events": [_event(r, table) for r in records if r["event"] != ClockEvent.SAMPLE],
    }


def _event(record: Any, table: LeapTable) -> dict[str, Any]:
    state = ClockState(int(record["state"]))
    return {
        "utc": table.text(int(record["tai_ts_ns"])),
        "about": state is ClockState.UNKNOWN,
        "event": ClockEvent(int(record["event"])).name.lower(),
        "state": state.name.lower(),
        "simulated": bool(record["source"] == ClockSource.SIMULATED),
        "bound_ns": int(record["bound_ns"]),
    }


def _figures(
    records: npt.NDArray[Any],
    spans_ns: npt.NDArray[Any],
    gaps_ns: npt.NDArray[Any],
    missing: npt.NDArray[Any],
) -> dict[str, Any]:
    simulated = records["source"] == ClockSource.SIMULATED
    held = ((records["flags"] & enum_numbers.CLOCK_FLAG_RTS25) > 0) & ~simulated
    total_ns = int(spans_ns.sum())
    bounds = records["bound_ns"][records["bound_ns"] < MAX_VALUE]
    states = {
        state.name.lower(): round(int(spans_ns[records["state"] == state].sum()) * 1e-9, 3)
        for state in ClockState
        if (records["state"] == state).any()
    }
    share = int(spans_ns[held].sum()) / total_ns if total_ns else float(held.all())
    percentiles = np.percentile(bounds, [50, 99, 100]) if len(bounds) else [0, 0, 0]
    return {
        "records": len(records),
        "missing_records": int(missing.sum()),
        "covered_s": round(total_ns * 1e-9, 3),
        "without_evidence_s": round(int((gaps_ns - spans_ns).sum()) * 1e-9, 3),
        "rts25_share": share,
        "simulated_s": round(int(spans_ns[simulated].sum()) * 1e-9, 3),
        "state_s": states,
        **{
            f"bound_{name}_ns": round(float(value))
            for name, value in zip(("p50", "p99", "max"), percentiles, strict=True)
        },
        "grandmasters": sorted({f"{int(g):016x}" for g in records["grandmaster"] if g}),
    }


def _day(tai_ns: int, table: LeapTable, zone: ZoneInfo) -> str:
    seconds = table.utc_of(tai_ns) // 1_000_000_000
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).date().isoformat()
