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
    """Compare builds; prove a new one; write what deploys them.

    \b
    outcry venue deploy check venue.toml
    outcry venue deploy canary journal
    outcry venue deploy files compose --out deployment
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


@deploy.command()
@click.argument("kind", metavar="KIND", type=click.Choice(["systemd", "compose", "kubernetes"]))
@click.option(
    "--out",
    type=PathArgument,
    required=True,
    help="Folder for the files; those that are there already must be the same, or go first.",
)
def files(kind: str, out: Path) -> None:
    """Write the files that run a venue's services elsewhere.

    KIND is systemd (a unit for each service), compose (compose.yaml and what it mounts) or
    kubernetes (manifests). Each begins with what to do before."""
    from openoutcry.operations.deployment import files_of
    from openoutcry.wire.atomic_file import create_atomically
    from openoutcry.wire.errors import OutcryError

    texts = files_of(kind)
    made = {out / name: text.encode() for name, text in texts.items()}
    for path, content in made.items():
        if path.exists() and path.read_bytes() != content:
            raise OutcryError(f"{path}: is there already, with other content; move it away first")
    for path, content in made.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            create_atomically(path, content)
            path.chmod(0o644)
        except OSError as error:
            raise OutcryError(f"{path}: {error.strerror}") from None
    click.echo(f"{out}: {', '.join(sorted(texts))}")
