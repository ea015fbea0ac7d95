"""``outcry check-book``: our book against a recorded one."""

import json
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, as_json_option


@click.command("check-book")
@click.option("--lobster", type=PathArgument, required=True, help="LOBSTER message file.")
@click.option("--orderbook", type=PathArgument, required=True, help="The recorded book after each.")
@click.option("--seed-book", type=PathArgument, help="Book after the first message.")
@click.option("--levels", type=click.IntRange(1), help="Levels to compare [all recorded].")
@as_json_option
def check_book(
    lobster: Path, orderbook: Path, seed_book: Path | None, levels: int | None, as_json: bool
) -> None:
    """Run recorded messages through our matcher; compare its book with the recorded one.

    A recorded execution enters as an aggressing order, so the matcher must find the maker itself.
    Differences are the answer, not an error: they are counted, and the first is shown.
    """
    from openoutcry.bench.check_book import check_book as check

    result = check(lobster, orderbook, seed_book, levels)
    if as_json:
        click.echo(json.dumps(result))
        return
    rows, equal = result["rows"], result["equal"]
    executions, agrees = result["executions"], result["maker_agrees"]
    click.echo(f"rows equal: {equal:,} of {rows:,} ({equal / max(rows, 1):.4%})")
    click.echo(f"visible executions: {executions:,}, the maker the recording names: {agrees:,}")
    click.echo(f"levels compared: {result['levels']}, commands rejected: {result['rejected']}")
    click.echo(
        f"repairs: {result['repairs']} (after an execution that passes over the head of the queue, "
        "the book is put back in step with the recording)"
    )
    click.echo("messages:")
    for what, count in result["messages"].items():
        click.echo(f"  {count:>9,}  {what}")
    click.echo(f"first difference: {result['first_difference'] or 'none'}")
