"""``outcry deploy``: one build everywhere, and a new one proven on yesterday's orders."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from openoutcry.cli.options import PathArgument, as_json_option


@click.group()
def deploy() -> None:
    """Compare the builds of what runs; prove a new build on a journal before it opens the venue.

    \b
    outcry deploy check venue.toml
    outcry deploy canary journal
    """


@deploy.command()
@click.argument("file", type=PathArgument, required=False)
@as_json_option
def check(file: Path | None, as_json: bool) -> None:
    """Compare build, layout and configuration of every process of a venue (FILE), or of every
    pipeline that runs, and of what is installed; exit status 1 if one differs."""
    from openoutcry.operations.deploy import compare, document, sentences
    from openoutcry.venue.file import read_venue

    rows = compare(read_venue(file) if file else None)
    odd = sentences(rows)
    if as_json:
        click.echo(json.dumps(document(rows)))
    else:
        table = Table(header_style="bold")
        for column in ("process", "pid", "build", "layout", "configuration"):
            table.add_column(column, no_wrap=True)
        for row in rows:
            shown = row.shown()
            table.add_row(
                row.process,
                str(row.pid or ""),
                shown["build"],
                shown["layout"],
                shown["config"] or "",
                style="red" if row.odd else "",
            )
        Console(width=None if sys.stdout.isatty() else 120).print(table)
        for line in odd or ["every process is of one build"]:
            click.echo(line)
    if odd:
        sys.exit(1)


@deploy.command()
@click.argument("journal", type=PathArgument)
@as_json_option
def canary(journal: Path, as_json: bool) -> None:
    """Replay a venue's JOURNAL through this build; exit status 1 if anything comes out another
    way, which is listed.

    What came out is kept beside the journal: with `canary = true` a venue is not opened by a build
    that has not been through this.
    """
    from openoutcry.venue import canary as birds

    report = birds.canary(journal)
    birds.note_canary(journal, report)
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(
            f"build {report['build']}: {report['until_seq']:,} commands, "
            f"{report['compared']:,} hashes compared"
        )
        for line in (*report["differences"], *report["events"]):
            click.echo(f"  {line}")
        click.echo(
            "DIFFERENT from what was recorded"
            if report["differences"]
            else "the same as what was recorded"
        )
    if report["differences"]:
        sys.exit(1)
