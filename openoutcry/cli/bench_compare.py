"""``outcry bench compare``: faster, slower, or cannot tell."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openoutcry.bench.compare import CANNOT_TELL, FASTER, SLOWER, Verdict, warnings
from openoutcry.bench.compare import compare as judge
from openoutcry.bench.results import read_document
from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.report.quantity import quantity

WIDE, LOG_WIDTH = 120, 160
"""Columns of a terminal that has room for the reasons; columns where there is no terminal."""


@click.command("compare")
@click.argument("a", type=PathArgument)
@click.argument("b", type=PathArgument)
@click.option(
    "--threshold",
    type=click.FloatRange(0),
    metavar="PERCENT",
    help="Report only differences of at least this; exit with status 1 if B is slower or lacks "
    "a figure of A.",
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="NAME",
    help="Compare only this figure (repeatable): fewer figures need fewer rounds.",
)
@as_json_option
def compare(
    a: Path, b: Path, threshold: float | None, figures: tuple[str, ...], as_json: bool
) -> None:
    """Compare result A with result B, figure by figure.

    A and B are documents that --out wrote. Each figure is faster, slower or undecided: these rounds
    cannot tell.
    """
    before, after = read_document(a), read_document(b)
    verdicts = judge(before, after, threshold, figures)
    notes = warnings(before, after)
    if as_json:
        document = {
            "verdicts": [asdict(verdict) for verdict in verdicts],
            "warnings": notes,
            "threshold_percent": threshold,
        }
        click.echo(json.dumps(document))
    else:
        for line in notes:
            click.echo(f"warning: {line}", err=True)
        show(verdicts)
    gone = {row["name"] for row in before["results"]} - {row["name"] for row in after["results"]}
    if threshold is not None and (gone or any(verdict.verdict == SLOWER for verdict in verdicts)):
        raise SystemExit(1)


def show(verdicts: Sequence[Verdict]) -> None:
    """Print the table.  A log has room for all of it; a narrow terminal has the reasons beneath."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    wide = console.width >= WIDE
    console.print(_table(verdicts, wide))
    if not wide:
        for verdict in verdicts:
            click.echo(f"{verdict.name}: {verdict.verdict}: {verdict.why}{_resolution(verdict)}")


def _resolution(verdict: Verdict) -> str:
    least = verdict.detectable_percent
    return "" if least is None else f" (these rounds could show {least:.1f} %)"


def _table(verdicts: Sequence[Verdict], with_reasons: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold")
    table.add_column("figure", overflow="fold")
    for column in ("A", "B", "B / A", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=len(CANNOT_TELL))
    for one in verdicts:
        interval = "" if one.interval is None else f"{one.interval[0]:.3f} - {one.interval[1]:.3f}"
        times = "" if one.ratio is None else f"{one.ratio:.3f}"
        colour = {FASTER: "green", SLOWER: "red"}.get(one.verdict, "")
        verdict = f"[{colour}]{one.verdict}[/]" if colour else one.verdict
        table.add_row(
            one.name,
            quantity(one.a, one.unit),
            quantity(one.b, one.unit),
            times,
            interval,
            f"{verdict}: {one.why}{_resolution(one)}" if with_reasons else verdict,
        )
    return table
