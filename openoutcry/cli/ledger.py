"""``outcry ledger``: what each participant owns and owes, from the journal alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.ledger_moment import begin_at, from_option, ledger_state_at
from openoutcry.cli.ledger_store import export, follow, sql
from openoutcry.cli.options import PathArgument, Whole, as_json_option
from openoutcry.cli.questions import questions
from openoutcry.cli.reconcile import reconcile

if TYPE_CHECKING:
    from openoutcry.ledger.report import Report

journal_argument = click.argument("journal", type=PathArgument)


@click.group()
def ledger() -> None:
    """Report balances, statements, fees and profits of a journal.

    \b
    outcry ledger balances JOURNAL --as-of 1000
    outcry ledger statement JOURNAL --participant 7 --format pdf --out 7.pdf
    outcry ledger trial-balance JOURNAL --as-of 2026-11-22T17:00
    """


@ledger.command()
@as_json_option
def accounts(as_json: bool) -> None:
    """List the chart of accounts: those of each owner per asset."""
    from openoutcry.ledger.accounts import Account, VenueAccount

    chart = {
        "participant": [kind.name.lower() for kind in Account],
        "venue": [kind.name.lower() for kind in VenueAccount],
    }
    if as_json:
        click.echo(json.dumps(chart))
        return
    for owner, kinds in chart.items():
        for kind in kinds:
            number = ":NUMBER" if owner == "participant" else ""
            click.echo(f"{owner}{number}:ASSET:{kind}")


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Journal, moment and format: what every report takes."""
    for option in (
        click.option(
            "--out", type=PathArgument, help="File to write; required for Parquet and PDF."
        ),
        click.option(
            "--format",
            "form",
            default="table",
            show_default=True,
            type=click.Choice(["table", "csv", "json", "parquet", "pdf"]),
            help="Format of the output.",
        ),
        click.option(
            "--as-of",
            help="As of a command (a number) or a time: 2026-11-22T17:00 (UTC unless it has an "
            "offset).",
        ),
        journal_argument,
    ):
        function = option(function)
    return function


def show(report: "Report", form: str, out: Path | None) -> None:
    """Print a report, or write it to a file."""
    from rich.console import Console

    from openoutcry.cli.columns import print_columns
    from openoutcry.ledger.ledger_state import write_whole

    if form in ("parquet", "pdf"):
        if out is None:
            raise click.UsageError(f"--format {form} needs --out FILE")
        (report.write_parquet if form == "parquet" else report.write_pdf)(out)
    elif form == "table" and out is None:
        for name, text in report.heading.items():
            click.echo(f"{name}: {text}")
        print_columns(Console(), report.columns, report.texts(), report.numbers)
        for note in report.notes:
            click.echo(f"note: {note}")
    elif form == "table":
        raise click.UsageError("--out needs --format csv, json, parquet or pdf")
    else:
        text = report.as_csv() if form == "csv" else report.as_json() + "\n"
        if out is None:
            click.echo(text, nl=False)
        else:
            write_whole(out, text.encode())
    if out is not None:
        click.echo(f"{out}: {len(report.rows):,} rows")


PARTICIPANT = Whole(0, 65_535)
participant_option = click.option(
    "--participant", type=PARTICIPANT, help="Show only this participant."
)


@ledger.command()
@report_options
@participant_option
@click.option("--negative", is_flag=True, help="Show only participants' balances below 0.")
def balances(
    journal: Path,
    as_of: str | None,
    form: str,
    out: Path | None,
    participant: int | None,
    negative: bool,
) -> None:
    """List every account that is not empty."""
    from openoutcry.ledger import reports

    books = ledger_state_at(journal, as_of).books
    show(reports.negative(books) if negative else reports.balances(books, participant), form, out)


@ledger.command("trial-balance")
@report_options
def trial_balance(journal: Path, as_of: str | None, form: str, out: Path | None) -> None:
    """Show debits and credits by asset and account.

    For each asset, both are equal."""
    from openoutcry.ledger import reports

    show(reports.trial_balance(ledger_state_at(journal, as_of).books), form, out)


@ledger.command()
@report_options
@participant_option
def positions(
    journal: Path, as_of: str | None, form: str, out: Path | None, participant: int | None
) -> None:
    """List positions in lots, by participant and instrument."""
    from openoutcry.ledger import reports

    show(reports.positions(ledger_state_at(journal, as_of).books, participant), form, out)


@ledger.command()
@report_options
@from_option
@click.option("--participant", type=PARTICIPANT, required=True, help="The participant.")
@click.option("--pending", is_flag=True, help="Include amounts reserved for open orders.")
def statement(
    journal: Path,
    as_of: str | None,
    form: str,
    out: Path | None,
    participant: int,
    pending: bool,
    begin: str | None,
) -> None:
    """Show the movements on a participant's accounts."""
    from openoutcry.ledger import reports
    from openoutcry.ledger.transactions import transactions

    ledger_state = ledger_state_at(journal, as_of)
    first = begin_at(journal, begin, ledger_state)
    rows = transactions(journal, ledger_state, first.seq if first else 0, participant)
    brought = first.books if first else None
    show(reports.statement(ledger_state.books, rows, participant, pending, brought), form, out)


@ledger.command()
@report_options
@from_option
def fees(journal: Path, as_of: str | None, form: str, out: Path | None, begin: str | None) -> None:
    """Report fees by participant and instrument.

    It covers flat fees per lot and fees by schedule."""
    from openoutcry.ledger import reports
    from openoutcry.ledger.transactions import transactions

    ledger_state = ledger_state_at(journal, as_of)
    first = begin_at(journal, begin, ledger_state)
    rows = transactions(journal, ledger_state, first.seq if first else 0)
    show(reports.fees(ledger_state.books, rows), form, out)


@ledger.command()
@report_options
@from_option
@participant_option
@click.option(
    "--method",
    type=click.Choice(["fifo", "lifo", "average"]),
    default="fifo",
    show_default=True,
    help="How to value a sale: first in, first out; last in, first out; or at the average cost.",
)
def pnl(
    journal: Path,
    as_of: str | None,
    form: str,
    out: Path | None,
    participant: int | None,
    method: str,
    begin: str | None,
) -> None:
    """Report realised and unrealised profit, at the last price.

    With --from, of a period: positions held before count as bought at the last price before it."""
    from openoutcry.ledger import reports
    from openoutcry.ledger.transactions import transactions

    ledger_state = ledger_state_at(journal, as_of)
    first = begin_at(journal, begin, ledger_state)
    rows = transactions(journal, ledger_state, first.seq if first else 0, participant)
    brought = first.books if first else None
    show(reports.profits(ledger_state.books, rows, method, participant, brought), form, out)


currency_option = click.option(
    "--in", "currency", required=True, metavar="ASSET", help="Value everything in this asset."
)


@ledger.command()
@report_options
@click.option("--participant", type=PARTICIPANT, required=True, help="The participant.")
@currency_option
def holdings(
    journal: Path, as_of: str | None, form: str, out: Path | None, participant: int, currency: str
) -> None:
    """Show what a participant's wallets are worth.

    Prices are the last; an asset without a market to ASSET counts by way of others."""
    from openoutcry.ledger import portfolio

    books = ledger_state_at(journal, as_of).books
    show(portfolio.holdings(books, participant, currency), form, out)


@ledger.command()
@report_options
@click.option("--participant", type=PARTICIPANT, required=True, help="The participant.")
@currency_option
def performance(
    journal: Path, as_of: str | None, form: str, out: Path | None, participant: int, currency: str
) -> None:
    """Show value and money put in, day by day.

    Deposits and withdrawals count at the last prices of their day."""
    from openoutcry.ledger import portfolio
    from openoutcry.ledger.transactions import joined, transactions

    ledger_state = ledger_state_at(journal, as_of)
    rows = [joined(transactions(journal, ledger_state))]
    closes = portfolio.closes_of(rows)
    books = ledger_state.books
    show(portfolio.performance(books, rows, participant, currency, closes), form, out)


@ledger.command()
@report_options
@from_option
@click.argument("symbol")
@click.argument("order_id", type=int)
def order(
    journal: Path,
    as_of: str | None,
    form: str,
    out: Path | None,
    symbol: str,
    order_id: int,
    begin: str | None,
) -> None:
    """Show an order's execution chain: events with postings."""
    from openoutcry.ledger.chain import chain

    ledger_state = ledger_state_at(journal, as_of)
    show(
        chain(journal, symbol, order_id, ledger_state, begin_at(journal, begin, ledger_state)),
        form,
        out,
    )


@ledger.command("end-of-day")
@journal_argument
@from_option
@click.option("--as-of", help="As of a command (a number) or a time (default: the end).")
@click.option("--day", help="Close this finished day of a venue: 2026-11-23.")
@click.option("--out", type=PathArgument, required=True, help="Folder to create.")
@click.option(
    "--format",
    "form",
    default="pdf",
    show_default=True,
    type=click.Choice(["pdf", "csv", "json", "parquet"]),
    help="Format of the statements.",
)
@click.option(
    "--carried",
    type=PathArgument,
    help="Folder of the day before; its closing balances must equal this day's opening ones.",
)
@as_json_option
def end_of_day(
    journal: Path,
    begin: str | None,
    as_of: str | None,
    day: str | None,
    out: Path,
    form: str,
    carried: Path | None,
    as_json: bool,
) -> None:
    """Close a day: write all its statements and balances.

    The folder gets every participant's statement, the balances, the trial balance and the fees.

    \b
    outcry ledger end-of-day journal --day 2026-11-23 --carried 2026-11-20 --out 2026-11-23
    """
    from openoutcry.ledger.day_end import end_day

    if day is not None:
        begin, as_of = _of_day(journal, day, begin, as_of)
    ledger_state = ledger_state_at(journal, as_of)
    first = begin_at(journal, begin, ledger_state)
    closing = end_day(journal, first, ledger_state, out, form, carried)
    if as_json:
        click.echo(json.dumps(closing))
        return
    click.echo(
        f"{out}: {closing['statements']:,} statements, {closing['transactions']:,} "
        f"transactions after command {closing['from_seq']:,} up to {closing['seq']:,}"
    )


def _of_day(
    journal: Path, day: str, begin: str | None, as_of: str | None
) -> tuple[str | None, str]:
    """The last commands of the day before and of a finished day."""
    from openoutcry.venue.days import finished_days
    from openoutcry.wire.errors import LedgerError

    if begin is not None or as_of is not None:
        raise click.UsageError("--day sets both ends of the period; leave --from and --as-of out")
    before = None
    for row in finished_days(journal):
        if row["day"] == day:
            return before, str(row["last_seq"])
        before = str(row["last_seq"])
    raise LedgerError(f"{journal}: {day} is not a finished day (days.jsonl)")


ledger.add_command(questions)
ledger.add_command(follow)
ledger.add_command(sql)
ledger.add_command(export)
ledger.add_command(reconcile)
