"""``outcry bench history``: figures over time."""

from pathlib import Path

import click

from openoutcry.bench.history import collect, write_history
from openoutcry.cli.options import PathArgument


@click.command("history")
@click.argument("files", nargs=-1, required=True, type=PathArgument)
@click.option("--report", type=PathArgument, required=True, help="The page to write.")
def history(files: tuple[Path, ...], report: Path) -> None:
    """Draw how each figure went over the documents that --out wrote (files, or folders of them)."""
    by_subject = collect(files)
    write_history(by_subject, report)
    count = sum(map(len, by_subject.values()))
    click.echo(f"{count} documents of {', '.join(by_subject)}: {report}")
