"""``outcry clock``: what time it is, and how wrong that may be; the daemon; the report."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from openoutcry.cli.options import seed_option
from openoutcry.host.processes import until_stopped
from openoutcry.journal.clock_report import clock_records, summarise
from openoutcry.ptp import ClockDaemon, PageWriter, load_table
from openoutcry.ptp.daemon import measure_nominal
from openoutcry.ptp.host import Machine
from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.ptp.simulate import live_machine
from openoutcry.ptp.sources import find_sources
from openoutcry.ptp.status import clock_status, describe
from openoutcry.report.quantity import duration
from openoutcry.ring import remove_dead_segments
from openoutcry.wire.enums import ClockEvent
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import MAX_VALUE

PTP4L_SOCKET = Path("/var/run/ptp4l")
ZONE = click.option(
    "--zone",
    default="UTC",
    show_default=True,
    metavar="NAME",
    help="Show times of day in this time zone (IANA name).",
)


@click.group(invoke_without_command=True)
@click.option("--watch", is_flag=True, help="Repeat every second, until Control-C.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document on standard output (with --watch one per line).",
)
@ZONE
@click.pass_context
def clock(ctx: click.Context, watch: bool, as_json: bool, zone: str) -> None:
    """Show the time, its error bound, and whether it meets RTS 25.

    \b
    outcry clock                   one look
    outcry clock serve             the daemon: reads PTP, chrony, the kernel; steers nothing
    outcry clock report JOURNAL    a run's evidence: how long within 100 us, and when not
    """
    if ctx.invoked_subcommand is not None:
        return
    place = _zone(zone)
    while True:
        document = clock_status()
        click.echo(json.dumps(document) if as_json else "\n".join(_lines(document, place)))
        if not watch:
            return
        time.sleep(1)
        if not as_json:
            click.echo()


def _lines(document: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    now = document.get("now")
    if document.get("simulated"):
        yield "SIMULATED: the time of a made-up grandmaster; it is evidence of nothing"
    if document["page"] is None:
        yield "no clock daemon is running (`outcry clock serve`): the kernel reports the following"
    elif now:
        yield f"it is      {local(now['utc'], zone)} ± {duration(now['bound_ns'])}"
    else:
        yield f"time       NOT KNOWN: {document['error']}"
    yield f"state      {document['state'].replace('_', ' ')}"
    yield f"source     {document['source']}, grandmaster {document['grandmaster'] or 'none'}"
    yield f"offset     {duration(document['offset_ns'])} at the last sample"
    yield f"bound      {duration(document['bound_ns'])}"
    yield f"drift      {document['drift_ppb']:,} ppb (the counter against the source)"
    yield f"path       {duration(document['path_delay_ns'])} one way"
    rts25 = document["rts25"]
    since = f" since {local(rts25['since_utc'], zone)}" if rts25["since_utc"] else ""
    yield f"RTS 25     {'holds' if rts25['holds'] else 'DOES NOT HOLD'}{since} (100 us of UTC)"
    if document["flags"]:
        yield f"flags      {', '.join(document['flags'])}"
    for source in document.get("sources", ()):
        yield f"heard      {source['source']}: {_heard(source)}"
    for event in document.get("events", ()):
        yield f"event      {event['event']} at {local(event['utc'], zone)}"


def _heard(source: dict[str, Any]) -> str:
    """Return a source's report in a line."""
    port = f", port {source['port_state']}" if source["port_state"] else ""
    if source["silent"]:
        return f"silent: {source['silent']}"
    if source["bound_ns"] is None:
        return f"gathering{port}"
    words = [name for name in ("traceable", "doubted") if source[name]]
    standing = [] if source["held"] else ["not monitored by its source"]
    bound_ns = source["bound_ns"]
    bound = duration(bound_ns if bound_ns < UNBOUNDED_NS else None)
    return ", ".join([f"bound {bound}", *words, *standing]) + port


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise click.BadParameter(
            f"{name!r} is not a time zone; write one like Europe/Berlin", param_hint="--zone"
        ) from None


# The daemon


@clock.command()
@click.option("--phc", type=click.Path(), help="PTP hardware clock to read [every /dev/ptp*].")
@click.option("--ptp4l", type=click.Path(), help=f"ptp4l's socket [{PTP4L_SOCKET}, if there].")
@click.option(
    "--smeared",
    is_flag=True,
    help="Assume that this machine's NTP servers smear leap seconds from noon to noon.",
)
@click.option(
    "--simulate",
    is_flag=True,
    help="Simulate a machine and a grandmaster instead of reading real ones.",
)
@seed_option("Seed of the simulation.")
def serve(phc: str | None, ptp4l: str | None, smeared: bool, simulate: bool, seed: int) -> None:
    """Keep the clock page up to date until Control-C; print events.

    The daemon never sets or steers a clock."""
    table = load_table()
    host = live_machine(table, seed) if simulate else Machine()
    for path in (phc, ptp4l):
        if path and not simulate and not Path(path).exists():
            raise OutcryError(f"{path} does not exist")
    if simulate:
        phc, ptp4l = "/dev/ptp-simulated", "phc-simulated"
    elif ptp4l is None and PTP4L_SOCKET.exists():
        ptp4l = str(PTP4L_SOCKET)
    remove_dead_segments()
    nominal_ns = measure_nominal(host)
    sources = find_sources(nominal_ns, phc, ptp4l, smeared)
    with until_stopped() as stop:
        writer = PageWriter(simulated=simulate)
        click.echo(f"{writer.name}: {', '.join(s.kind.name.lower() for s in sources)}", err=True)
        daemon = ClockDaemon(
            host, sources, table, writer, nominal_ns, listener=_say(table), simulated=simulate
        )
        try:
            while not stop:
                daemon.step()
                # A signal between the test and the sleep is seen a second later at most.
                time.sleep(daemon.pause_s())
        finally:
            daemon.close()


def _say(table: Any) -> Any:
    """Print every event but the regular sample."""

    def listener(event: ClockEvent, records: Any) -> None:
        if event is ClockEvent.SAMPLE:
            return
        document = describe(records[0], table)
        click.echo(
            f"{document['utc'] or '-'} {event.name.lower()}: {document['state']}, "
            f"{document['source']}, bound {duration(document['bound_ns'])}, "
            f"offset {duration(document['offset_ns'])}",
            err=True,
        )
        sys.stderr.flush()

    return listener


# The report


@clock.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@ZONE
def report(journal: Path, as_json: bool, zone: str) -> None:
    """Report how precise the clock was while JOURNAL was written.

    There is a line for each day. Exit status 1 if RTS 25 was not met all the time, or if there is
    no evidence that it was.
    """
    place, table = _zone(zone), load_table()
    journal_records = clock_records(journal, table)
    summary = summarise(
        journal_records.records,
        table,
        place,
        journal_records.since_tai_ns,
        journal_records.until_tai_ns,
    )
    click.echo(json.dumps(summary) if as_json else "\n".join(report_lines(summary)))
    if not summary["rts25_held"]:
        sys.exit(1)


def local(utc: str | None, zone: ZoneInfo) -> str:
    """A UTC text of :meth:`LeapTable.text` in another zone; an inserted second stays a 60."""
    if utc is None or zone.key == "UTC":
        return utc or "-"
    day, rest = utc[:17], utc[17:-1]
    moment = datetime.fromisoformat(day + "00+00:00").astimezone(zone)
    return f"{moment:%Y-%m-%dT%H:%M}:{rest}{moment:%z}"


def report_lines(summary: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    zone = ZoneInfo(summary["zone"])
    first, last = (local(summary[key], zone) for key in ("first_utc", "last_utc"))
    yield f"clock evidence from {first} to {last}"
    for row in [*summary["days"], {"day": "whole", **summary["whole"]}]:
        states = ", ".join(f"{name} {s:,.0f} s" for name, s in row["state_s"].items())
        yield (
            f"{row['day']:<10}  RTS 25 {row['rts25_share']:.4%} of {row['covered_s']:,.0f} s; "
            f"bound p50 {duration(row['bound_p50_ns'])}, p99 {duration(row['bound_p99_ns'])}, "
            f"max {duration(row['bound_max_ns'])}; {states}"
        )
        if row["simulated_s"]:
            yield f"{'':<12}{row['simulated_s']:,.0f} s SIMULATED: they are evidence of nothing"
        if row["without_evidence_s"]:
            yield f"{'':<12}{row['without_evidence_s']:,.0f} s without evidence"
        if row["missing_records"]:
            yield f"{'':<12}{row['missing_records']:,} records are missing"
    for event in summary["events"]:
        about = "SIMULATED " if event["simulated"] else "about " if event["about"] else ""
        yield (
            f"{about}{local(event['utc'], zone)}  {event['event']}: {event['state']}, "
            f"bound {duration(event['bound_ns'] if event['bound_ns'] < MAX_VALUE else None)}"
        )
    verdict = "held all the time" if summary["rts25_held"] else "did NOT hold all the time"
    yield f"RTS 25 (100 us of UTC, traceable) {verdict}"
