"""``outcry audit report``: what a regulator, or a member's tax adviser, is sent."""

import json
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.audit_answers import moment_ns, write_file
from openoutcry.cli.options import PathArgument, Whole

journal_argument = click.argument("journal", type=PathArgument)
trail_option = click.option(
    "--trail", "folder", type=PathArgument, help="Folder of the trail [JOURNAL/audit]."
)
day_option = click.option("--day", required=True, help="A day of the trail, UTC: 2026-11-22.")
codes_option = click.option(
    "--codes",
    type=PathArgument,
    required=True,
    help="File with LEIs, ISINs and the MIC; `outcry audit report codes` writes an example.",
)
out_option = click.option("--out", type=PathArgument, help="File to write [standard output].")


@click.group()
def report() -> None:
    """Write RTS 24, RTS 22 and RTS 9 reports, and others.

    \b
    outcry audit report codes JOURNAL --out codes.toml
    outcry audit report rts24 JOURNAL --day 2026-11-22 --codes codes.toml --out orders.csv
    outcry audit report tax JOURNAL --participant 7 --format pdf --out 7.pdf
    """


def _give(data: bytes, out: Path | None) -> None:
    """Print it, or write it whole."""
    if out is None:
        click.echo(data, nl=False)
        return
    write_file(out, data)
    click.echo(f"{out}: {data.count(10) - 1:,} rows")


def _trail(journal: Path, folder: Path | None) -> Any:
    from openoutcry.journal.projections import JournalReader
    from openoutcry.surveillance.audit.build import folder_of
    from openoutcry.surveillance.audit.trail import Trail
    from openoutcry.wire.symbols import symbols_of

    symbols = symbols_of(JournalReader(journal).config)
    return Trail(folder or folder_of(journal), symbols)


@report.command()
@journal_argument
@out_option
def codes(journal: Path, out: Path | None) -> None:
    """Write an example of the file of codes.

    It has a table for each instrument and participant."""
    from openoutcry.surveillance.reports.example import example_codes

    _give(example_codes(journal).encode(), out)


@report.command()
@click.argument("name", type=click.Choice(["rts24", "rts22", "rts9", "emergency"]))
def schema(name: str) -> None:
    """Print the JSON Schema of a report's rows."""
    from openoutcry.surveillance.reports import emergency, rts9, rts22, rts24

    tables = {"rts24": rts24, "rts22": rts22, "rts9": rts9, "emergency": emergency}
    click.echo(json.dumps(tables[name].TABLE.json_schema(), indent=1))


def _of_a_day(name: str, rows: str, what: str) -> None:
    """Add the report ``name``, whose rows the function ``rows`` of its module makes of a day's
    trail and the file of codes."""

    @report.command(name, help=what)
    @journal_argument
    @day_option
    @codes_option
    @trail_option
    @out_option
    def write_report(
        journal: Path, day: str, codes: Path, folder: Path | None, out: Path | None
    ) -> None:
        from openoutcry.surveillance.reports.quotes import with_quotes
        from openoutcry.surveillance.reports.reference_data import read_codes

        module = import_module(f"openoutcry.surveillance.reports.{name}")
        left_out: Counter[str] = Counter()
        more = (left_out,) if name == "rts24" else ()
        report_rows = getattr(module, rows)(
            _trail(journal, folder), day, with_quotes(read_codes(codes), journal), *more
        )
        _give(module.TABLE.as_csv(report_rows), out)
        for why, count in left_out.items():
            click.echo(f"left out: {count:,} events of orders {why}", err=True)


_of_a_day(
    "rts24",
    "records",
    "Write a day's order records (EU 2017/580), as CSV.\n\nThere is a row for each event "
    "of an order.",
)
_of_a_day(
    "rts22",
    "transactions",
    "Write a day's transactions (EU 2017/590), as CSV.\n\nThere are two rows per trade.",
)


@report.command()
@journal_argument
@day_option
@click.option("--codes", type=PathArgument, help="File with [rts9]: how each order type counts.")
@trail_option
@out_option
def rts9(
    journal: Path, day: str, codes: Path | None, folder: Path | None, out: Path | None
) -> None:
    """Write ratios of orders to trades (EU 2017/566), as CSV.

    There is a row for each participant and instrument."""
    from openoutcry.surveillance.reports.reference_data import read_codes
    from openoutcry.surveillance.reports.rts9 import TABLE, counts_of, ratios

    counts = counts_of(read_codes(codes).counts) if codes else None
    _give(TABLE.as_csv(ratios(_trail(journal, folder), day, counts)), out)


@report.command()
@journal_argument
@click.option(
    "--from", "begin", help="Include those that began at or after this time: 2026-11-22T10:00."
)
@click.option("--to", "end", help="Include those that began before this time.")
@out_option
def emergency(journal: Path, begin: str | None, end: str | None, out: Path | None) -> None:
    """Write halts, kills, pauses and emergency closes, as CSV."""
    from openoutcry.surveillance.reports.emergency import TABLE, stops

    from_ns = -(2**63) if begin is None else moment_ns(begin)
    to_ns = 2**63 - 1 if end is None else moment_ns(end)
    _give(TABLE.as_csv(stops(journal, from_ns, to_ns)), out)


@report.command()
@journal_argument
@click.option("--participant", type=Whole(0, 65_535), help="Show only this participant.")
@click.option("--as-of", help="As of a command (a number) or a time: 2026-11-22T17:00.")
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "csv", "json", "parquet", "pdf"]),
    help="Format of the report.",
)
@click.option("--out", type=PathArgument, help="File to write; required for Parquet and PDF.")
def tax(
    journal: Path, participant: int | None, as_of: str | None, form: str, out: Path | None
) -> None:
    """Write realised gains by lot, first in, first out."""
    from openoutcry.cli.ledger import show
    from openoutcry.cli.ledger_moment import ledger_state_at
    from openoutcry.ledger.tax import tax as gains
    from openoutcry.ledger.transactions import transactions

    ledger_state = ledger_state_at(journal, as_of)
    rows = transactions(journal, ledger_state, 0, participant)
    show(gains(ledger_state.books, rows, participant), form, out)
