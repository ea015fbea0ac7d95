"""``outcry venue logs``: what a venue has said of itself."""

import json
import time
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import PathArgument, Whole
from openoutcry.wire.errors import OutcryError

LOOK_S = 0.2


@click.command()
@click.argument("file", type=PathArgument)
@click.option("--follow", is_flag=True, help="Print new lines until Control-C.")
@click.option("--last", type=Whole(0), metavar="N", help="Start with the last N lines.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="With --follow: stop after SECONDS (default: run until interrupted).",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the lines as stored (ECS, one JSON object per line).",
)
def logs(file: Path, follow: bool, last: int | None, seconds: float | None, as_json: bool) -> None:
    """Show the venue's log; --follow waits for new lines.

    \b
    outcry venue logs venue.toml --last 20 --follow
    """
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.log import follow_lines, log_folder, log_lines

    journal = read_venue(file).journal
    if not log_folder(journal).is_dir():
        raise OutcryError(f"{log_folder(journal)}: this venue was never opened")

    def show(line: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps(line))
            return
        what = "" if line["log.level"] == "info" else f"{line['log.level']}: "
        click.echo(
            f"{line['@timestamp'][:23]}  {line['event.sequence']:>12,}  {what}{line['message']}"
        )

    if not follow:
        lines = list(log_lines(journal))
        for entry in lines[max(0, len(lines) - last) :] if last is not None else lines:
            show(entry)
        return
    end_s = None if seconds is None else time.monotonic() + seconds
    for line in follow_lines(journal, last):
        if line is not None:
            show(line)
        elif end_s is not None and time.monotonic() >= end_s:
            return
        else:
            time.sleep(LOOK_S)
