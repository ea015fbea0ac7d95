"""``outcry bench SUBJECT``: measure, in rounds, and say how sure each figure is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openoutcry.wire import OutcryError

SUBJECTS = ("pipeline",)
ROUNDS, QUICK_ROUNDS = 7, 3


@click.command()
@click.argument("subject", type=click.Choice(SUBJECTS))
@click.option("--rounds", type=click.IntRange(1), help="Interleaved rounds [7, quick 3].")
@click.option("--quick", is_flag=True, help="Shorter runs: figures to look at, not to quote.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the document to this file.")
def bench(subject: str, rounds: int | None, quick: bool, as_json: bool, out: Path | None) -> None:
    """Measure the pipeline on this machine: medians over interleaved rounds.

    \b
    pipeline   throughput of each way to run; latency at fixed rates
    """
    from openoutcry.bench.pipeline import bench_pipeline
    from openoutcry.bench.results import write_document

    if out and not out.absolute().parent.is_dir():
        raise OutcryError(f"--out {out}: there is no folder {out.absolute().parent}")
    count = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    command = f"outcry bench {subject} --rounds {count}" + (" --quick" if quick else "")
    subjects: dict[str, Callable[..., dict[str, Any]]] = {"pipeline": bench_pipeline}
    made = subjects[subject](count, quick, command, lambda text: click.echo(text, err=True))
    if out:
        write_document(made, out)
    if as_json:
        click.echo(json.dumps(made))
    else:
        Console().print(_table(made))


def _table(made: dict[str, Any]) -> Table:
    host = made["host"]
    table = Table(
        title=f"{made['subject']}: {host['cpu_model']}, {host['cores_usable']} cores",
        title_justify="left",
        box=SIMPLE_HEAD,
        header_style="bold",
    )
    for column in ("figure", "unit", "median", "p25", "p75", "rounds"):
        table.add_column(column, justify="left" if column in ("figure", "unit") else "right")
    for row in made["results"]:
        low, high = row["spread"]
        figures = [f"{value:,.0f}" for value in (row["median"], low, high)]
        table.add_row(row["name"], row["unit"], *figures, str(row["samples"]))
    return table
