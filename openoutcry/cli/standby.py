"""``outcry venue standby``: a hot standby of a replicated venue."""

import json
import sys
from typing import Any

import click
from rich.console import Console

from openoutcry.cli.display import Display
from openoutcry.cli.options import PathArgument, Whole
from openoutcry.report.plain import drawn_on


@click.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--patience-ms",
    type=Whole(0, 600_000),
    default=0,
    show_default=True,
    help="Wait this much longer than other standbys before taking over.",
)
@click.option(
    "--trust-checks-until",
    "trusted",
    type=Whole(0),
    default=0,
    help="Ignore the primary's hashes up to this message: the primary's core was wrong, and an "
    "operator has found out why.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def standby(file: Any, patience_ms: int, trusted: int, as_json: bool) -> None:
    """Follow a replicated venue; take over if its primary fails.

    FILE is this node's venue file: the primary's with a different journal. The standby verifies the
    stream's hash chain, writes its blocks to that journal, runs them through the core and compares
    the core's hashes with the primary's. A difference ends the standby.

    \b
    outcry venue standby node-b.toml
    outcry venue failover node-a.toml
    """
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.operator_lane import SystemClock
    from openoutcry.venue.standby import StandbyVenue

    venue = read_venue(file)
    with Display(Console(file=drawn_on(sys.stderr))) as display:
        result = StandbyVenue(
            venue,
            display.watcher(),
            SystemClock(),
            patience_ns=patience_ms * 1_000_000,
            trusted=trusted,
        ).run()
    if as_json:
        click.echo(json.dumps(result))
        return
    last = result["standby"]
    click.echo(
        f"{result['venue']}: followed to command {last['commands']:,}, state {last['state_hash']}; "
        f"{last['verified_checks']:,} hashes compared"
        + ("; then it took over" if result["led"] else "")
    )
