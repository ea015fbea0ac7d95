"""A day of clock evidence in a few lines: how long the time was known how well, and when not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from openoutcry.ptp import LeapTable
from openoutcry.wire import CLOCK_DTYPE, OutcryError
from openoutcry.wire.enums import BlockKind, ClockEvent, ClockFlag, ClockState
from openoutcry.wire.records import MAX_VALUE

GAP_NS = 5_000_000_000
"""The daemon speaks every second: what is longer than this between two records is not covered."""


def clock_records(directory: Path) -> npt.NDArray[Any]:
    """Every clock record of a journal, in the order of their times.  Raises :class:`OutcryError`
    if there is none."""
    from openoutcry.journal import JournalReader

    blocks = [
        np.frombuffer(bytes(block.payload), CLOCK_DTYPE)
        for block in JournalReader(directory).all_blocks()
        if block.header.kind == BlockKind.CLOCK
    ]
    records = np.concatenate(blocks) if blocks else np.zeros(0, CLOCK_DTYPE)
    known = records[records["tai_ts_ns"] > 0]
    if not len(known):
        raise OutcryError(
            f"{directory} holds no clock evidence: it was written while no clock daemon ran"
        )
    return known[np.argsort(known["tai_ts_ns"], kind="stable")]


def summarise(records: npt.NDArray[Any], table: LeapTable, zone: ZoneInfo) -> dict[str, Any]:
    """The report as plain data: one entry a day of ``zone``, and the whole.

    A record speaks for the time until the next one, for :data:`GAP_NS` at most; what is longer is
    without evidence, and RTS 25 is not held there.
    """
    tai_ns = records["tai_ts_ns"]
    gaps_ns = np.diff(tai_ns, append=tai_ns[-1])
    spans_ns = np.minimum(gaps_ns, GAP_NS)
    days = [_day(int(at), table, zone) for at in tai_ns]
    entries = []
    for day in sorted(set(days)):
        inside = np.array([d == day for d in days])
        entries.append({"day": day, **_figures(records[inside], spans_ns[inside], gaps_ns[inside])})
    whole = _figures(records, spans_ns, gaps_ns)
    return {
        "zone": str(zone),
        "first_utc": table.text(int(tai_ns[0])),
        "last_utc": table.text(int(tai_ns[-1])),
        "rts25_held": whole["rts25_share"] == 1.0 and not whole["without_evidence_s"],
        "days": entries,
        "whole": whole,
        "events": [
            {
                "utc": table.text(int(r["tai_ts_ns"])),
                "event": ClockEvent(int(r["event"])).name.lower(),
                "state": ClockState(int(r["state"])).name.lower(),
                "bound_ns": int(r["bound_ns"]),
            }
            for r in records
            if r["event"] != ClockEvent.SAMPLE
        ],
    }


def _figures(
    records: npt.NDArray[Any], spans_ns: npt.NDArray[Any], gaps_ns: npt.NDArray[Any]
) -> dict[str, Any]:
    held = (records["flags"] & int(ClockFlag.RTS25)) > 0
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
        "covered_s": round(total_ns * 1e-9, 3),
        "without_evidence_s": round(int((gaps_ns - spans_ns).sum()) * 1e-9, 3),
        "rts25_share": share,
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


def local(utc: str | None, zone: ZoneInfo) -> str:
    """A UTC text of :meth:`LeapTable.text` in another zone; an inserted second stays a 60."""
    if utc is None or zone.key == "UTC":
        return utc or "-"
    day, rest = utc[:17], utc[17:-1]
    there = datetime.fromisoformat(day + "00+00:00").astimezone(zone)
    return f"{there:%Y-%m-%dT%H:%M}:{rest}{there:%z}"


def report_lines(made: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    from openoutcry.pipeline.clock_cli import duration

    zone = ZoneInfo(made["zone"])
    first, last = (local(made[key], zone) for key in ("first_utc", "last_utc"))
    yield f"clock evidence from {first} to {last}"
    for row in [*made["days"], {"day": "whole", **made["whole"]}]:
        states = ", ".join(f"{name} {s:,.0f} s" for name, s in row["state_s"].items())
        yield (
            f"{row['day']:<10}  RTS 25 {row['rts25_share']:.4%} of {row['covered_s']:,.0f} s; "
            f"bound p50 {duration(row['bound_p50_ns'])}, p99 {duration(row['bound_p99_ns'])}, "
            f"max {duration(row['bound_max_ns'])}; {states}"
        )
        if row["without_evidence_s"]:
            yield f"{'':<12}{row['without_evidence_s']:,.0f} s without evidence"
    for event in made["events"]:
        yield (
            f"{local(event['utc'], zone)}  {event['event']}: {event['state']}, "
            f"bound {duration(event['bound_ns'] if event['bound_ns'] < MAX_VALUE else None)}"
        )
    verdict = "held all the time" if made["rts25_held"] else "did NOT hold all the time"
    yield f"RTS 25 (100 us of UTC, traceable) {verdict}"
