"""``outcry bench check-book``: our book against a recorded one."""

import json
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, Whole, as_json_option


@click.command("check-book")
@click.option("--lobster", type=PathArgument, required=True, help="LOBSTER message file.")
@click.option(
    "--orderbook",
    type=PathArgument,
    required=True,
    help="LOBSTER book file: the book after each message.",
)
@click.option(
    "--seed-book", type=PathArgument, help="LOBSTER book file with the book before the messages."
)
@click.option("--levels", type=Whole(1), help="Number of levels to compare [all recorded].")
@as_json_option
def check_book(
    lobster: Path, orderbook: Path, seed_book: Path | None, levels: int | None, as_json: bool
) -> None:
    """Replay a recorded market; compare our book with its book.

    A recorded execution enters as an aggressing order, so the matcher must find the maker itself.
    Differences are a result, not an error: the command counts them and shows the first.
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
