"""``outcry venue deploy``: one build everywhere, and a new one proven on yesterday's orders."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from openoutcry.cli.options import PathArgument, as_json_option


@click.group()
def deploy() -> None:
    """Compare running builds; prove a new one on a journal.

    \b
    outcry venue deploy check venue.toml
    outcry venue deploy canary journal
    """


@deploy.command()
@click.argument("file", type=PathArgument, required=False)
@as_json_option
def check(file: Path | None, as_json: bool) -> None:
    """Compare the builds of all processes with the installed one.

    The processes are those of a venue (FILE), or of every running pipeline. The command compares
    build, layout and configuration; exit status 1 if one differs."""
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
    """Replay a venue's JOURNAL through this build.

    The command lists every result that differs from the recorded one; exit status 1 if there is
    any. It stores its findings next to the journal: with `canary = true` in the venue file, only a
    build with a clean canary opens the venue.
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
        if report["differences"]:
            click.echo("DIFFERENT from what was recorded")
        elif report["not_compared"]:
            click.echo(f"events equal; {report['not_compared']}")
        else:
            click.echo("the same as what was recorded")
    if report["differences"]:
        sys.exit(1)
