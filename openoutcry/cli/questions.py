"""``outcry ledger questions`` and ``sample-books``: an exchange's books asked, and books to ask."""

import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.options import PathArgument, Secret, as_json_option

if TYPE_CHECKING:
    from openoutcry.ledger.questions.corrected import Parameters
    from openoutcry.ledger.questions.faithful import Answer

NAMES = ("q1", "q2", "q3", "q4", "q5", "filled", "fees", "anomalies")
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.argument("name", type=click.Choice(NAMES), required=False)
@click.option(
    "--data",
    "folder",
    type=PathArgument,
    help="Folder with schema_and_data.sql and q1.sql to q5.sql.",
)
@click.option(
    "--store",
    metavar="STORE",
    type=Secret(),
    help="Ask a venue's own store instead: a JOURNAL that outcry ledger follow has written, or "
    "postgresql://…; --data then gives q1.sql to q5.sql.",
)
@click.option(
    "--as",
    "reading",
    type=click.Choice(["faithful", "corrected"]),
    help="Answer as the given SQL does, or as the question intends [both].",
)
@click.option(
    "--on",
    "address",
    default="duckdb",
    show_default=True,
    metavar="ADDRESS",
    type=Secret(),
    help="Database that runs the given SQL: duckdb, postgresql://… or mysql://….",
)
@click.option(
    "--as-of", type=MOMENT, help="Value of NOW(), UTC [faithful: now; corrected: 2024-10-02]."
)
@click.option("--from", "begin", type=MOMENT, help="Start of the window of q1, q5 or fees.")
@click.option("--to", "end", type=MOMENT, help="End of the window (exclusive).")
@click.option("--order", "order_id", type=int, help="Order for q3 [9001].")
@click.option("--market", help="Market for q5 [BTC_USD].")
@click.option(
    "--fees",
    type=click.Choice(["rate", "amount"]),
    default="rate",
    show_default=True,
    help="Read a trade's fees as fractions of its notional, or as amounts (those of a store are).",
)
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="Print CSV on standard output; needs one NAME and one --as.",
)
@as_json_option
def questions(
    name: str | None,
    folder: Path | None,
    store: str | None,
    reading: str | None,
    address: str,
    as_of: datetime | None,
    begin: datetime | None,
    end: datetime | None,
    order_id: int | None,
    market: str | None,
    fees: str,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Answer the five questions about an exchange's books.

    q1: bars. q2: users in debt. q3: an order's execution chain. q4: wash trades. q5: ledger against
    trades. There are three more: filled, fees, and anomalies (all faults). Without a NAME: all.
    """
    from openoutcry.ledger.questions import corrected, faithful
    from openoutcry.ledger.questions.books import read_books, read_store

    if as_csv and (name is None or (reading is None and name in NAMES[:5])):
        raise click.UsageError("--csv prints one answer: give a NAME, and --as for q1 to q5")
    if name in NAMES[5:] and reading == "faithful":
        raise click.UsageError(f"there is no SQL for {name}: it has no faithful answer")
    options: dict[str, Any] = {"as_of": as_of, "order_id": order_id, "market": market}
    options = {key: value for key, value in options.items() if value is not None}
    options |= _window(name, begin, end)
    if folder is None and (store is None or reading == "faithful"):
        raise click.UsageError("Missing option '--data': it has the questions' SQL")
    params = corrected.Parameters(**options, fees_are_rates=fees == "rate" and store is None)
    answers: dict[str, dict[str, Answer]] = {}
    if folder is not None and reading != "corrected" and name not in NAMES[5:]:
        answers["faithful"] = faithful.ask(folder, address, as_of, name, store)
    if reading != "faithful":
        if store is not None:
            books = read_store(store)
        else:
            assert folder is not None
            books = read_books(folder)
        names = NAMES if name is None else (name,)
        answers["corrected"] = {question: _corrected(books, question, params) for question in names}
    _print(answers, as_csv, as_json)


def _window(name: str | None, begin: datetime | None, end: datetime | None) -> dict[str, datetime]:
    stem = {"q1": "bars", "q5": "books", "fees": "fees"}.get(name or "")
    if stem is None:
        if begin or end:
            raise click.UsageError("--from and --to need q1, q5 or fees")
        return {}
    return {f"{stem}_{key}": at for key, at in (("from", begin), ("to", end)) if at is not None}


def _corrected(books: Any, name: str, params: "Parameters") -> "Answer":
    from openoutcry.ledger.questions.anomalies import Finding, find
    from openoutcry.ledger.questions.corrected import answer
    from openoutcry.ledger.questions.faithful import Answer

    if name != "anomalies":
        return answer(books, name, params)
    return Answer(Finding._fields, [tuple(row) for row in find(books, params.fees_are_rates)])


def _print(answers: dict[str, dict[str, "Answer"]], as_csv: bool, as_json: bool) -> None:
    from rich.console import Console

    from openoutcry.cli.columns import print_columns
    from openoutcry.ledger.questions.corrected import WHY

    if as_json:
        document = {
            reading: {
                name: [
                    dict(zip(answer.names, map(_plain, row), strict=True)) for row in answer.rows
                ]
                for name, answer in of.items()
            }
            for reading, of in answers.items()
        }
        click.echo(json.dumps(document))
        return
    for reading, of in answers.items():
        for name, answer in of.items():
            rows = [
                ["" if value is None else str(_plain(value)) for value in row]
                for row in answer.rows
            ]
            if as_csv:
                write_rows(sys.stdout, answer.names, rows)
                continue
            click.echo(f"{name}, {reading}:" + ("" if rows else " no rows"))
            if rows:
                print_columns(Console(), answer.names, rows)
            if (len(answers) == 2 and reading == "corrected") or name not in NAMES[:5]:
                for why in WHY.get(name, ()):
                    click.echo(f"  - {why}")


def _plain(value: Any) -> Any:
    """Money as text, every digit of it; anything else as it is."""
    return f"{value:f}" if isinstance(value, Decimal) else value


@click.command("sample-books")
@click.argument("folder", type=PathArgument)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the sample.")
@click.option(
    "--trades",
    type=click.IntRange(20, 100_000),
    default=40,
    show_default=True,
    help="Number of trades.",
)
@click.option("--clean", is_flag=True, help="Write books without faults.")
@as_json_option
def sample_books(folder: Path, seed: int, trades: int, clean: bool, as_json: bool) -> None:
    """Write sample books from a seed, with a fault of each kind.

    They have the ten tables that the questions need."""
    from openoutcry.ledger.questions.sample import write_sample

    planted = sorted(write_sample(folder, seed, trades, not clean))
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "planted": planted}))
        return
    click.echo(f"{folder}: {trades} trades, {len(planted)} faults")
    for kind, table, key in planted:
        click.echo(f"  {kind}: {table} {key}")
