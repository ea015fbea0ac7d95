"""``outcry ledger questions``: the five questions of an exchange's books."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.options import PathArgument, Secret, as_json_option

if TYPE_CHECKING:
    from openoutcry.ledger.questions import Answer

NAMES = ("q1", "q2", "q3", "q4", "q5", "filled", "fees")
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.argument("name", type=click.Choice(NAMES), required=False)
@click.option(
    "--store",
    metavar="STORE",
    type=Secret(),
    help="Venue's own store: a JOURNAL that outcry ledger follow has written, or postgresql://….",
)
@click.option("--data", type=PathArgument, help="Folder with schema_and_data.sql, instead.")
@click.option(
    "--as",
    "reading",
    type=click.Choice(["faithful", "corrected"]),
    help="Answer as the given SQL does, or as the question intends [both].",
)
@click.option(
    "--as-of", type=MOMENT, help="Moment of q4, UTC [faithful: now; corrected: 2024-10-02]."
)
@click.option("--from", "begin", type=MOMENT, help="Start of the window of q1, q5 or fees.")
@click.option("--to", "end", type=MOMENT, help="End of the window (exclusive).")
@click.option("--order", "order_id", type=int, help="Order for q3 [9001, or the first].")
@click.option("--market", help="Market for q5 [BTC_USD, or the first].")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; needs one NAME and one --as.")
@as_json_option
def questions(
    name: str | None,
    store: str | None,
    data: Path | None,
    reading: str | None,
    as_csv: bool,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Answer the five questions about an exchange's books.

    q1: bars. q2: users in debt. q3: an order's execution chain. q4: wash trades. q5: ledger against
    trades. There are two more: filled and fees. Without a NAME: all.
    """
    from openoutcry.ledger import questions as answers

    if (store is None) == (data is None):
        raise click.UsageError("Missing option '--store' or '--data': one of them has the books")
    if name in NAMES[5:]:
        reading = reading or "corrected"
    if as_csv and (name is None or reading is None):
        raise click.UsageError("--csv prints one answer: give a NAME, and --as for q1 to q5")
    if reading == "faithful" and name in NAMES[5:]:
        raise click.UsageError(f"there is no given SQL for {name}: it has no faithful answer")
    if name not in answers.WINDOWS and (parameters["begin"] or parameters["end"]):
        raise click.UsageError("--from and --to need q1, q5 or fees")
    asked = answers.Parameters(**parameters)
    with answers.data_set(data) if data else answers.store(str(store)) as books:
        found = {
            kind: {
                one: books.answer(one, asked, kind == "faithful")
                for one in ((name,) if name else NAMES)
                if kind == "corrected" or one in NAMES[:5]
            }
            for kind in ("faithful", "corrected")
            if reading in (None, kind)
        }
    _print(found, as_csv, as_json)


def _print(answers: dict[str, dict[str, "Answer"]], as_csv: bool, as_json: bool) -> None:
    from rich.console import Console

    from openoutcry.cli.columns import print_columns

    if as_json:
        document = {
            reading: {
                name: [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
                for name, (names, rows) in of.items()
            }
            for reading, of in answers.items()
        }
        click.echo(json.dumps(document))
        return
    for reading, of in answers.items():
        for name, (names, rows) in of.items():
            cells = [["" if value is None else str(_plain(value)) for value in row] for row in rows]
            if as_csv:
                write_rows(sys.stdout, names, cells)
            else:
                click.echo(f"{name}, {reading}:" + ("" if rows else " no rows"))
                if rows:
                    print_columns(Console(), names, cells)


def _plain(value: Any) -> Any:
    """Return money as text, every digit of it; anything else as it is."""
    return f"{value:f}" if isinstance(value, Decimal) else value
