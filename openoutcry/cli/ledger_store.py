"""``outcry ledger follow`` and ``sql``: the ledger in files or a database."""

import sys
from pathlib import Path

import click

from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.options import Count, PathArgument, Secret
from openoutcry.host.processes import until_stopped

journal_argument = click.argument("journal", type=PathArgument)


@click.command()
@journal_argument
@click.option(
    "--ledger",
    "url",
    type=Secret(),
    help="Use this database (postgresql://…) instead of files next to the journal.",
)
@click.option("--once", is_flag=True, help="Stop at the journal's current end.")
@click.option(
    "--every",
    type=Count,
    default=250_000,
    show_default=True,
    help="Commands per file and per checkpoint.",
)
def follow(journal: Path, url: str | None, once: bool, every: int) -> None:
    """Write a journal's ledger to Parquet or PostgreSQL; follow it.

    The command follows the journal until Control-C or SIGTERM. After a stop or a crash the same
    command continues: it duplicates and misses nothing.
    """
    from openoutcry.cli.aside import Bystander
    from openoutcry.ledger.follow import follow as go_along

    bystander: list[Bystander] = []

    def ends(stopped: list[int]) -> bool:
        # Not before it has begun, which would take a busy machine's lowest priority seconds.
        bystander.extend(() if bystander else [Bystander()])
        bystander[0].poll()
        return bool(stopped)

    note = lambda text: print(f"outcry: {text}", file=sys.stderr, flush=True)  # noqa: E731
    with until_stopped() as stopped:
        done = go_along(journal, url, once, lambda: ends(stopped), note, every)
    books = done.ledger_state.books
    click.echo(f"posted up to command {done.ledger_state.seq:,}, event {books.event_seq:,}")


@click.command()
@journal_argument
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
def sql(journal: Path, query: str, as_csv: bool) -> None:
    """Query the files of `outcry ledger follow` with SQL (DuckDB).

    The views are transactions, postings, balances and trades.

    \b
    outcry ledger sql day "select asset, sum(amount) from postings group by asset"
    """
    from rich.console import Console

    from openoutcry.cli.columns import print_columns
    from openoutcry.ledger.ledger_state import folder_of
    from openoutcry.ledger.parquet_store import ask

    table = ask(folder_of(journal), query)
    rows = [
        ["" if value is None else str(value) for value in row.values()] for row in table.to_pylist()
    ]
    if as_csv:
        write_rows(sys.stdout, table.column_names, rows)
    else:
        print_columns(Console(), table.column_names, rows)


@click.command()
@journal_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["hledger", "beancount"]),
    required=True,
    help="Program that reads the file.",
)
@click.option("--out", type=PathArgument, required=True, help="File to write.")
@click.option("--as-of", help="As of a command (a number) or a time.")
def export(journal: Path, form: str, out: Path, as_of: str | None) -> None:
    """Export every transaction for hledger or beancount.

    \b
    outcry ledger export day --format hledger --out day.journal && hledger -f day.journal balance
    """
    from openoutcry.cli.ledger_moment import ledger_state_at
    from openoutcry.ledger.ledger_state import write_whole
    from openoutcry.ledger.plain_text import plain_text
    from openoutcry.ledger.transactions import transactions

    ledger_state = ledger_state_at(journal, as_of)
    lines = list(plain_text(ledger_state.books, transactions(journal, ledger_state), form))
    write_whole(out, "".join(lines).encode())
    click.echo(f"{out}: {sum(line == chr(10) for line in lines):,} transactions")
