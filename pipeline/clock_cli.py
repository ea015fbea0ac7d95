"""``outcry clock``: what time it is, and how wrong that may be; the daemon; the report."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from openoutcry.wire import OutcryError
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from openoutcry.wire.records import MAX_VALUE

PTP4L_SOCKET = Path("/var/run/ptp4l")
ZONE = click.option("--zone", default="UTC", show_default=True, metavar="NAME",
                    help="Show times of day in this time zone (IANA name).")  # fmt: skip


@click.group(invoke_without_command=True)
@click.option("--watch", is_flag=True, help="Say it again every second, until Control-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output "
              "(with --watch one a line).")  # fmt: skip
@ZONE
@click.pass_context
def clock(ctx: click.Context, watch: bool, as_json: bool, zone: str) -> None:
    """What time it is, how wrong that may be, and whether RTS 25's 100 us hold.

    \b
    outcry clock                   one look
    outcry clock serve             the daemon: reads PTP, chrony, the kernel; steers nothing
    outcry clock report JOURNAL    a run's evidence: how long within 100 us, and when not
    """
    if ctx.invoked_subcommand is not None:
        return
    place = _zone(zone)
    while True:
        found = look()
        click.echo(json.dumps(found) if as_json else "\n".join(_lines(found, place)))
        if not watch:
            return
        time.sleep(1)
        if not as_json:
            click.echo()


def look() -> dict[str, Any]:
    """One look at the clock: the daemon's page, or without a daemon what the kernel says."""
    from openoutcry.ptp import ClockPage, kernel_evidence, living_pages, load_table
    from openoutcry.ptp.host import Machine

    table = load_table()
    if not living_pages():
        record = kernel_evidence(Machine().kernel(), time.time_ns(), table)
        return {"page": None, **describe(record[0], table)}
    page = ClockPage.open()
    # The daemon that has just been started has not said anything yet.
    records = page.evidence()
    if not len(records):
        raise OutcryError(f"{page.name}: the clock daemon knows nothing yet; try again in a second")
    found = {"page": page.name, **describe(records[-1], table)}
    since = page.rts25_since_tai_ns
    found["rts25"]["since_utc"] = table.text(abs(since)) if since else None
    found["rts25"]["holds"] = since > 0
    found["sources"] = page.sources()
    found["events"] = [
        {"event": ClockEvent(int(r["event"])).name.lower(), "utc": _utc_text(r, table)}
        for r in records
        if r["event"] != ClockEvent.SAMPLE
    ][-5:]
    try:
        now = page.now()
        found["now"] = {
            "utc": table.text(now.tai_ns), "bound_ns": now.bound_ns,
            "earliest_tai_ns": now.earliest_tai_ns, "latest_tai_ns": now.latest_tai_ns,
            "earliest_utc_ns": now.earliest_utc_ns, "latest_utc_ns": now.latest_utc_ns,
        }  # fmt: skip
    except OutcryError as error:
        # The page's last word was about a time that is no longer to be had.
        found["now"], found["error"] = None, str(error)
        found["rts25"] = {"holds": False, "since_utc": None}
    return found


def describe(record: Any, table: Any) -> dict[str, Any]:
    """A clock record as people and programs read it."""
    flags = ClockFlag(int(record["flags"]))
    bound = int(record["bound_ns"])
    return {
        "utc": _utc_text(record, table),
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


def _utc_text(record: Any, table: Any) -> str | None:
    return table.text(int(record["tai_ts_ns"])) if record["tai_ts_ns"] else None


def _lines(found: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    from openoutcry.pipeline.clock_report import local

    now = found.get("now")
    if found["page"] is None:
        yield "no clock daemon is running (`outcry clock serve`): what follows is the kernel's word"
    elif now:
        yield f"it is      {local(now['utc'], zone)} ± {duration(now['bound_ns'])}"
    else:
        yield f"time       NOT KNOWN: {found['error']}"
    yield f"state      {found['state'].replace('_', ' ')}"
    yield f"source     {found['source']}, grandmaster {found['grandmaster'] or 'none'}"
    yield f"offset     {duration(found['offset_ns'])} at the last sample"
    yield f"bound      {duration(found['bound_ns'])}"
    yield f"drift      {found['drift_ppb']:,} ppb (the counter against the source)"
    yield f"path       {duration(found['path_delay_ns'])} one way"
    rts25 = found["rts25"]
    since = f" since {local(rts25['since_utc'], zone)}" if rts25["since_utc"] else ""
    yield f"RTS 25     {'holds' if rts25['holds'] else 'DOES NOT HOLD'}{since} (100 us of UTC)"
    if found["flags"]:
        yield f"flags      {', '.join(found['flags'])}"
    for source in found.get("sources", ()):
        yield f"heard      {source['source']}: {_heard(source)}"
    for event in found.get("events", ()):
        yield f"event      {event['event']} at {local(event['utc'], zone)}"


def _heard(source: dict[str, Any]) -> str:
    """What one source says, in a line."""
    port = f", port {source['port_state']}" if source["port_state"] else ""
    if source["silent"]:
        return f"silent: {source['silent']}"
    if source["bound_ns"] is None:
        return f"gathering{port}"
    words = [name for name in ("traceable", "doubted") if source[name]]
    standing = [] if source["held"] else ["nobody stands behind it"]
    return ", ".join([f"bound {duration(source['bound_ns'])}", *words, *standing]) + port


def duration(ns: int | None) -> str:
    """``1.234 us``; None is not known."""
    if ns is None:
        return "unknown"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if abs(ns) >= size:
            return f"{ns / size:,.3f} {unit}"
    return f"{ns} ns"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise click.BadParameter(f"{name!r} is no time zone", param_hint="--zone") from None


# The daemon


@clock.command()
@click.option("--phc", type=click.Path(), help="PTP hardware clock [every /dev/ptp*].")
@click.option("--ptp4l", type=click.Path(), help=f"ptp4l's socket [{PTP4L_SOCKET}, if there].")
@click.option(
    "--smeared",
    is_flag=True,
    help="The NTP servers of this machine smear leap seconds, from noon to noon.",
)
@click.option("--simulate", is_flag=True,
              help="A made-up machine and grandmaster instead of this one's.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True,
              help="Seed of the simulation.")  # fmt: skip
def serve(phc: str | None, ptp4l: str | None, smeared: bool, simulate: bool, seed: int) -> None:
    """Keep the clock page until Control-C; print what happens.  No clock is set or steered."""
    from openoutcry.ptp import ClockDaemon, PageWriter, load_table
    from openoutcry.ptp.daemon import measure_nominal
    from openoutcry.ptp.host import Machine
    from openoutcry.ptp.simulate import live_machine
    from openoutcry.ptp.sources import find_sources
    from openoutcry.ring import remove_dead_segments

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
    with _until_stopped() as stop:
        writer = PageWriter()
        click.echo(f"{writer.name}: {', '.join(s.kind.name.lower() for s in sources)}", err=True)
        daemon = ClockDaemon(host, sources, table, writer, nominal_ns, listener=_say(table))
        try:
            while not stop:
                daemon.step()
                # A signal between the test and the sleep is seen a second later at most.
                time.sleep(daemon.pause_s())
        finally:
            daemon.close()


@contextmanager
def _until_stopped() -> Iterator[list[int]]:
    """A list that is no longer empty once SIGINT or SIGTERM has come."""
    stop: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: stop.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(table: Any) -> Any:
    """Print every event but the regular sample."""

    def listener(event: ClockEvent, records: Any) -> None:
        if event is ClockEvent.SAMPLE:
            return
        found = describe(records[0], table)
        click.echo(
            f"{found['utc'] or '-'} {event.name.lower()}: {found['state']}, {found['source']}, "
            f"bound {duration(found['bound_ns'])}, offset {duration(found['offset_ns'])}",
            err=True,
        )
        sys.stderr.flush()

    return listener


# The report


@clock.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@ZONE
def report(journal: Path, as_json: bool, zone: str) -> None:
    """How well the time was known while JOURNAL was written, day by day.

    Exit status 1 if RTS 25 did not hold all the time, or there is no evidence that it did.
    """
    from openoutcry.pipeline.clock_report import clock_records, report_lines, summarise
    from openoutcry.ptp import load_table

    place, table = _zone(zone), load_table()
    found = clock_records(journal, table)
    made = summarise(found.records, table, place, found.since_tai_ns, found.until_tai_ns)
    click.echo(json.dumps(made) if as_json else "\n".join(report_lines(made)))
    if not made["rts25_held"]:
        sys.exit(1)
