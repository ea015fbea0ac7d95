"""``outcry bench SUBJECT``: measure, in rounds, and say how sure each figure is."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from openoutcry.wire import OutcryError

SUBJECTS = ("matcher", "pipeline", "ring")
ROUNDS, QUICK_ROUNDS = 7, 3


@click.command()
@click.argument("subject", type=click.Choice(SUBJECTS))
@click.option("--rounds", type=click.IntRange(1), help="Interleaved rounds [7, quick 3].")
@click.option("--quick", is_flag=True, help="Shorter runs: figures to look at, not to quote.")
@click.option("--against", metavar="LIST", help="ring, matcher: peers, comma-separated [all].")
@click.option("--setup", is_flag=True, help="ring, matcher: install the peers, measure nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the document to this file.")
def bench(
    subject: str,
    rounds: int | None,
    quick: bool,
    against: str | None,
    setup: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure on this machine: medians over interleaved rounds.

    \b
    matcher    ns a command, alone and in flows: lightmatchingengine, pyorderbook, nautilus_book
    pipeline   throughput of each way to run; latency at fixed rates
    ring       our ring beside others: bounce, c, boost, rte_ring, disruptor, iceoryx2, mp_queue
    """
    from openoutcry.bench.matcher import bench_matcher, matchers_named, setup_matchers
    from openoutcry.bench.pipeline import bench_pipeline
    from openoutcry.bench.results import write_document
    from openoutcry.bench.ring import bench_ring, peers_named, setup_peers

    subjects: dict[str, Callable[..., dict[str, Any]]] = {
        "matcher": bench_matcher,
        "pipeline": bench_pipeline,
        "ring": bench_ring,
    }
    compared: dict[str, tuple[Callable[[str | None], list[str]], Callable[[], int]]] = {
        "matcher": (matchers_named, setup_matchers),
        "ring": (peers_named, setup_peers),
    }
    measure = subjects[subject]
    if subject in compared:
        named, install = compared[subject]
        if setup:
            raise SystemExit(install())
        try:
            measure = partial(measure, peers=named(against))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--against") from None
    elif setup or against is not None:
        raise click.UsageError("--against and --setup are for the ring and the matcher")
    if out and not out.absolute().parent.is_dir():
        raise OutcryError(f"--out {out}: there is no folder {out.absolute().parent}")
    count = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    command = f"outcry bench {subject} --rounds {count}" + (" --quick" if quick else "")
    command += f" --against {against}" if against is not None else ""
    made = measure(count, quick, command, lambda text: click.echo(text, err=True))
    if out:
        write_document(made, out)
    if as_json:
        click.echo(json.dumps(made))
    else:
        Console().print(_table(made))
        for entry in made["missing"]:
            click.echo(f"missing: {entry['name']}: {entry['why']}")


def _peer_row(peer: str, theirs: dict[str, Any]) -> list[str]:
    """A peer's median, and ours / theirs with its interval where the quartiles would stand."""
    interval = ""
    if theirs["interval"]:
        interval = " - ".join(_ratio(value) for value in theirs["interval"])
    ratio = f"ours is {_ratio(theirs['ratio'])} x"
    return [f"  {peer}", "", f"{theirs['median']:,.0f}", ratio, interval, ""]


def _ratio(value: float) -> str:
    """Three figures, and never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(made: dict[str, Any]) -> Table:
    host = made["host"]
    table = Table(
        title=f"{made['subject']}: {host['cpu_model']}, {host['cores_usable']} cores",
        title_justify="left",
        box=SIMPLE_HEAD,
        header_style="bold",
    )
    for column in ("figure", "unit", "median", "p25", "p75", "rounds"):
        left = column in ("figure", "unit")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in made["results"]:
        low, high = row["spread"]
        figures = [f"{value:,.0f}" for value in (row["median"], low, high)]
        table.add_row(row["name"], row["unit"], *figures, str(row["samples"]))
        for peer, theirs in row["against"].items():
            table.add_row(*_peer_row(peer, theirs))
    return table
