"""``outcry backtest``: strategies over recorded days."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import Whole, as_json_option
from openoutcry.report.plain import drawn_on


@click.command()
@click.argument("days", nargs=-1, required=True)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    required=True,
    metavar="FILE.py:NAME",
    help="FILE:NAME, or one of ours: maker, taker, requoter; over venues take, post, rest, twap, "
    "arrival, pov, iceberg, peg. Repeatable.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUES",
    help="Values of a parameter: 1,2,3 or 1..3. Every combination runs. Repeatable.",
)
@click.option(
    "--latency",
    "latencies",
    multiple=True,
    default=("constant:0:0",),
    show_default=True,
    metavar="MODEL",
    help="constant:FEED_NS:ORDER_NS, drawn:P50_NS:P99_NS or measured:FILE:NAME (of "
    "outcry run --histograms FILE).  Repeatable.",
)
@click.option(
    "--seed",
    type=Whole(0),
    default=1,
    show_default=True,
    help="Seed of the drawn latencies.",
)
@click.option(
    "--maker-fee",
    type=int,
    default=0,
    show_default=True,
    help="Millionths of the traded amount; negative: a rebate.",
)
@click.option(
    "--taker-fee", type=int, default=0, show_default=True, help="Millionths of the traded amount."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="SETTING=VALUE",
    help="A risk limit of the strategy, as in a venue file. Repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of results; if it has some of the same plan, only the rest runs.",
)
@click.option(
    "--workers",
    type=Whole(0),
    default=2,
    show_default=True,
    help="Ray processes to start on this machine; 0: run in this process, without Ray.",
)
@click.option("--address", help="Use this Ray cluster instead; all its nodes must see --out.")
@as_json_option
def backtest(out: Path, workers: int, address: str | None, as_json: bool, **options: Any) -> None:
    """Run strategies over recorded days, with queue positions.

    Every day runs with every strategy, parameter and latency, on many cores.

    \b
    outcry backtest itch:DAY.itch@AAPL --strategy maker --param offset_ticks=0..3 --out results
    outcry backtest lobster:MESSAGES.csv:BOOK.csv journal:JOURNAL@GOLD \\
        --strategy mine.py:quoter --latency constant:5000:5000 --out results
    outcry backtest generated:normal:100000:1 --strategy taker --out results --workers 0
    outcry backtest venues:routes.toml@GOLD/USD --strategy twap --out results
    """
    from openoutcry.backtest.page import write_results
    from openoutcry.backtest.plan import Plan, parse_parameters, path_of
    from openoutcry.backtest.work import run_plan

    plan = Plan(
        options["days"],
        tuple(path_of(name) for name in options["strategies"]),
        parse_parameters(options["parameters"]),
        options["latencies"],
        options["seed"],
        options["maker_fee"],
        options["taker_fee"],
        tuple(_limit(text) for text in options["limits"]),
    )
    summary = run_plan(plan, out, workers, address, _progress)
    click.echo(err=True)
    page = write_results(plan, out, summary)
    if as_json:
        click.echo(json.dumps(summary))
        return
    for row in summary["days"]:
        click.echo(f"{row['hash']}  {row['commands']:>12,} commands  {row['day']}")
    click.echo(
        f"{summary['hash']}  {summary['runs']:,} runs, {summary['commands']:,} commands\n"
        f"report: {page}"
    )


def _progress(done: int, count: int) -> None:
    drawn_on(sys.stderr).write(f"\r{done:,} of {count:,} tasks")
    sys.stderr.flush()


def _limit(text: str) -> dict[str, Any]:
    name, _, value = text.partition("=")
    try:
        return {"set": name.upper(), "value": int(value)}
    except ValueError:
        raise click.UsageError(f"--limit {text!r} is not SETTING=VALUE") from None
