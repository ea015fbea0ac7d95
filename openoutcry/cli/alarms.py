"""``outcry venue alarms``: report what is wrong with a running venue, without Prometheus."""

import json
import time
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument

LOOK_S = 1.0


@click.group()
def alarms() -> None:
    """Show a venue's alarms, or write Prometheus rules.

    \b
    outcry venue alarms show venue.toml
    outcry venue alarms watch venue.toml
    outcry venue alarms rules > openoutcry.rules.yml
    """
    from openoutcry.wire.extras import require_operations

    require_operations()


@alarms.command()
@click.option(
    "--runbooks",
    default="docs/alarms.md",
    show_default=True,
    metavar="URL",
    help="URL of docs/alarms.md.",
)
def rules(runbooks: str) -> None:
    """Write the alarms as a rule file for Prometheus."""
    from openoutcry.operations.alarms import rule_file

    click.echo(rule_file(runbooks), nl=False)


@alarms.command()
@click.argument("file", type=PathArgument, required=False)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Stop after SECONDS (default: run until interrupted).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per change.")
def watch(file: Path | None, seconds: float | None, as_json: bool) -> None:
    """Report when an alarm's condition begins to hold and when it ends.

    The command checks a venue (FILE), or every running pipeline, once a second until Control-C.
    Alarms over a window of time need Prometheus."""
    from openoutcry.operations.alarms import wanted
    from openoutcry.operations.aside import Aside
    from openoutcry.operations.metrics import VenueMetrics
    from openoutcry.operations.watch import Watch
    from openoutcry.venue.file import read_venue

    venue = VenueMetrics(read_venue(file) if file else None, wanted())
    venue.aside = Aside()
    watching = Watch(venue.collect)
    end_s = None if seconds is None else time.monotonic() + seconds
    while end_s is None or time.monotonic() < end_s:
        for one in watching.poll():
            click.echo(json.dumps(one.document()) if as_json else one.line())
        time.sleep(LOOK_S)


@alarms.command()
@click.argument("file", type=PathArgument, required=False)
def show(file: Path | None) -> None:
    """Show every alarm as red or green, once; exit with 1 if one is red.

    The command looks at a venue (FILE), or at every running pipeline."""
    from openoutcry.operations.alarms import wanted
    from openoutcry.operations.metrics import VenueMetrics
    from openoutcry.operations.watch import Light, Watch
    from openoutcry.venue.file import read_venue

    watching = Watch(VenueMetrics(read_venue(file) if file else None, wanted()).collect)
    watching.poll()
    rows = watching.page()
    for row in rows:
        click.echo(f"{row['light']:<18}{row['severity']:<10}{row['name']}: {row['summary']}")
    if any(row["light"] == Light.RED for row in rows):
        raise SystemExit(1)
