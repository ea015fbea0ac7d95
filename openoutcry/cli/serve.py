"""``outcry serve``: a venue that stays open."""

import json
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from openoutcry.cli.display import Display
from openoutcry.cli.options import PathArgument
from openoutcry.report.plain import drawn_on

if TYPE_CHECKING:
    from openoutcry.host.processes import KeptProcess


@click.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--resume", is_flag=True, help="Continue an existing journal only; refuse to create one."
)
@click.option(
    "--from",
    "start",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]),
    help="Rehearse: start the venue's clock at this time (UTC).",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 1e7, min_open=True),
    default=1.0,
    show_default=True,
    help="Rehearse: run the venue's clock this many times as fast.",
)
@click.option(
    "--faults",
    type=PathArgument,
    help="Serve a test venue, with the faults of this file (docs/test-venue.md).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def serve(
    file: Any,
    resume: bool,
    start: datetime | None,
    speed: float,
    faults: Path | None,
    as_json: bool,
) -> None:
    """Open a venue and keep it open, day after day.

    \b
    outcry venue init
    outcry serve venue.toml

    The venue runs until Control-C or SIGTERM. After a stop or a crash the same command continues at
    the journal's end.
    """
    from openoutcry.operations.dump import take
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.operator_lane import AcceleratedClock, SystemClock
    from openoutcry.venue.serve import Venue

    venue = read_venue(file)
    clock: Any = SystemClock()
    if start is not None or speed != 1:
        begin_ns = clock.now_ns()
        if start is not None:
            begin_ns = int(start.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        clock = AcceleratedClock(begin_ns, speed)
    with ExitStack() as opened:
        kept: tuple[KeptProcess, ...] = ()
        if faults is not None:
            from openoutcry.faults.serve import between

            venue, process = opened.enter_context(between(venue, faults))
            kept = (process,)
        display = opened.enter_context(Display(Console(file=drawn_on(sys.stderr))))
        opening = Venue(venue, display.watcher(), clock, take_dump=take, kept=kept)
        result = opening.serve(resume)
    if as_json:
        click.echo(json.dumps(result))
        return
    last = result["last_run"]
    click.echo(f"{result['venue']} is closed; its journal is {result['journal']}")
    if last:
        click.echo(
            f"{last['commands']:,} commands, {last['open_orders']:,} open orders, lost "
            f"{last['lost']}, duplicated {last['duplicated']}; state {last['state_hash']}"
        )
