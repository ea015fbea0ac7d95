"""``outcry standby``: a hot standby of a replicated venue."""

import json
from typing import Any

import click
from rich.console import Console

from openoutcry.cli.display import Display
from openoutcry.cli.options import PathArgument


@click.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--patience-ms",
    type=click.IntRange(0, 600_000),
    default=0,
    show_default=True,
    help="Wait so much longer than others before taking over.",
)
@click.option(
    "--trust-checks-until",
    "trusted",
    type=click.IntRange(0),
    default=0,
    help="Do not compare with what the primary said of its core up to this message: "
    "whose core was wrong has been seen.",
)
@click.option("--json", "as_json", is_flag=True, help="At the end one JSON document.")
def standby(file: Any, patience_ms: int, trusted: int, as_json: bool) -> None:
    """Follow the venue of FILE, and take it over when its primary is gone.

    FILE is this node's venue file: as the primary's, with a journal of its own.  The stream's chain
    is verified, its blocks go into that journal and through the core, whose hashes are compared
    with the primary's; a difference ends the standby.

    \b
    outcry standby node-b.toml
    outcry failover node-a.toml
    """
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.operator_lane import SystemClock
    from openoutcry.venue.standby import StandbyVenue

    venue = read_venue(file)
    with Display(Console(stderr=True)) as display:
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
        f"{last['verified_checks']:,} hashes compared" + ("; then it led" if result["led"] else "")
    )
