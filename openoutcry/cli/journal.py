"""``outcry journal``: what a journal holds, whether it is sound, and what can be made of it."""

import json
import math
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from openoutcry.cli.columns import print_columns
from openoutcry.cli.options import Count, PathArgument, as_json_option

ROWS_SHOWN = 1000
directory_argument = click.argument("directory", type=PathArgument)


@click.group()
def journal() -> None:
    """Inspect, verify, repair and query a journal.

    \b
    outcry journal ls DIR
    outcry journal verify DIR
    outcry journal sql DIR "select symbol, count(*) from trades group by symbol"
    """


@journal.command()
@directory_argument
@as_json_option
def ls(directory: Path, as_json: bool) -> None:
    """List segments, checkpoints and the acknowledged commands.

    The journal may be in use."""
    from openoutcry.journal.listing import describe

    document = describe(directory)
    if as_json:
        click.echo(json.dumps(document))
    else:
        _print_listing(directory, document)
    if document["missing"]:
        sys.exit(1)


def _print_listing(directory: Path, document: dict[str, Any]) -> None:
    click.echo(
        f"{directory}: journal {document['journal_id']}, {document['commands']:,} commands in "
        f"{document['blocks']:,} blocks, {_acknowledged(document)}"
    )
    names = ("segment", "first", "last", "state", "since (UTC)", "blocks", "bytes")
    rows = [
        (
            row["name"].split(".")[0],
            f"{row['first_seq']:,}",
            f"{row['last_seq']:,}",
            row["state"],
            _time(row["first_ts_ns"]),
            f"{row['blocks']:,}",
            f"{row['bytes']:,}",
        )
        for row in document["segments"]
    ]
    print_columns(Console(), names, rows, right=("first", "last", "blocks", "bytes"))
    for row in document["checkpoints"]:
        good = "good" if row["good"] else "DAMAGED"
        click.echo(f"{row['name']}: after command {row['seq']:,}, {row['bytes']:,} bytes, {good}")
        if not row["good"]:
            click.echo(f"  {row['why']}")
    for row in document["resumed"]:
        click.echo(f"resumed after command {row['seq']:,} at {_time(row['ts_ns'])} UTC")
    for copy in document["copies"]:
        click.echo(f"copy: {copy} (policy {document['policy']})")
    for place, why in document["failed"].items():
        click.echo(f"not up to date: {place}: {why}")
    if document["missing"]:
        click.echo(f"commands are missing: {document['missing']}")
    if document["torn"]:
        click.echo(f"the end is torn: {document['torn']}")
    for note in document["notes"]:
        click.echo(f"note: {note}")


def _acknowledged(document: dict[str, Any]) -> str:
    if document["acknowledged_seq"] is None:
        why = document["watermark_flaw"] or "there is no watermark"
        return f"acknowledged up to where is unknown: {why}"
    return f"acknowledged up to {document['acknowledged_seq']:,}"


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


@journal.command()
@directory_argument
@click.option(
    "--head",
    metavar="[SEQ=]HASH",
    help="Require a head that was published, after command SEQ.",
)
@as_json_option
def verify(directory: Path, head: str | None, as_json: bool) -> None:
    """Check every byte: checksums, sequence and hash chain.

    Exit status 0 if the journal is intact (an unacknowledged torn tail counts as intact). The head
    is the hash of everything before it: store it elsewhere, and --head shows any later change or
    missing end.
    """
    from openoutcry.journal.verify import PublishedHead
    from openoutcry.journal.verify import verify as check

    try:
        published = PublishedHead.parse(head) if head is not None else None
    except ValueError:
        raise click.UsageError(
            f"--head {head}: not 64 hexadecimal digits, or SEQ= and those"
        ) from None
    verdict = check(directory, published=published)
    if as_json:
        click.echo(json.dumps(verdict.as_json()))
    else:
        rate = verdict.bytes / verdict.seconds / 1e9
        click.echo(
            f"{verdict.commands:,} commands, {verdict.blocks:,} blocks, "
            f"{verdict.segments:,} segments: {verdict.bytes:,} bytes in {verdict.seconds:.2f} s "
            f"({rate:.2f} GB/s)"
        )
        if verdict.torn:
            unknown = "no watermark says if it was acknowledged"
            reason = "never acknowledged" if verdict.watermarked else unknown
            click.echo(f"{reason}: {verdict.torn}")
        if verdict.sound:
            click.echo(f"sound; head {verdict.head} (--head {verdict.last_seq}={verdict.head})")
        else:
            click.echo(f"DAMAGED: {verdict.flaw}")
            at = "" if verdict.bad_byte is None else f" byte {verdict.bad_byte}"
            click.echo(f"first bad byte: {verdict.bad_file}{at}")
        for note in verdict.notes:
            click.echo(f"note: {note}")
    if not verdict.sound:
        sys.exit(1)


def _say(directory: Path, key: str, lines: list[str], nothing: str, as_json: bool) -> None:
    """Print what a command did, line by line; ``nothing`` says that there was no need."""
    if as_json:
        click.echo(json.dumps({"path": str(directory), key: lines}))
    else:
        click.echo("\n".join(lines) or nothing)


@journal.command()
@directory_argument
@click.option("--copy", type=PathArgument, help="Another directory with the same journal.")
@as_json_option
def repair(directory: Path, copy: Path | None, as_json: bool) -> None:
    """Cut an unacknowledged torn tail; restore blocks from a copy.

    The command changes nothing else."""
    from openoutcry.journal.repair import repair as mend

    done = mend(directory, copy)
    _say(directory, "done", done, "sound: nothing to do", as_json)


@journal.command()
@directory_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "pcap"]),
    required=True,
    help="Format of the file.",
)
@click.option("--out", type=PathArgument, required=True, help="File to write.")
@click.option(
    "--what",
    type=click.Choice(["orders", "events"]),
    default="orders",
    show_default=True,
    help="What to export to Parquet and CSV.",
)
@as_json_option
def export(directory: Path, form: str, out: Path, what: str, as_json: bool) -> None:
    """Export orders or events as Parquet, CSV or capture."""
    from openoutcry.journal.export import export as write

    if what == "events" and form not in ("parquet", "csv"):
        raise click.UsageError("--what needs --format parquet or csv")
    document = write(directory, form, out, what)
    if as_json:
        click.echo(json.dumps(document))
    else:
        click.echo(f"{out}: {document['rows']:,} rows, {document['bytes']:,} bytes")


@journal.command()
@directory_argument
@click.argument("query", required=False)
@click.option(
    "--schema", "show_schema", is_flag=True, help="List the views and their columns, and exit."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: a list of rows.")
def sql(directory: Path, query: str | None, show_schema: bool, as_csv: bool, as_json: bool) -> None:
    """Query the journal with SQL (DuckDB).

    The views are orders, events, trades and audit. A pipeline may be writing the journal.

    \b
    outcry journal sql DIR --schema
    outcry journal sql DIR "select verdict, count(*) from audit group by verdict"
    outcry journal sql DIR "select * from audit where participant = 7 order by seq limit 20"
    """
    from openoutcry.journal.sql import query as ask
    from openoutcry.journal.sql import schema

    if (query is None) != show_schema:
        raise click.UsageError("give a query or --schema")
    result = schema(directory) if query is None else ask(directory, query, as_csv)
    if as_json:
        click.echo(json.dumps(_finite(result.to_pylist()), default=_as_json))
    elif as_csv:
        import pyarrow.csv

        from openoutcry.journal.tables import safe_table

        pyarrow.csv.write_csv(safe_table(result), sys.stdout.buffer)
    else:
        _print_rows(result)


def _finite(value: Any) -> Any:
    """The same with null for infinity and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_json(value: Any) -> Any:
    """A sum of whole numbers is a decimal to DuckDB, whose own integers it might not fit."""
    is_whole = isinstance(value, Decimal) and value.as_tuple().exponent == 0
    return int(value) if is_whole else str(value)


def _print_rows(result: Any) -> None:
    """An arrow table's first rows."""
    from pyarrow.types import is_decimal, is_floating, is_integer

    rows = [
        ["" if value is None else str(value) for value in row.values()]
        for row in result.slice(0, ROWS_SHOWN).to_pylist()
    ]
    kinds = (is_integer, is_floating, is_decimal)
    numbers = [f.name for f in result.schema if any(is_kind(f.type) for is_kind in kinds)]
    print_columns(Console(), result.column_names, rows, numbers)
    if len(result) > ROWS_SHOWN:
        click.echo(f"{len(result):,} rows; the first {ROWS_SHOWN:,} are shown; --csv prints all")


@journal.command()
@directory_argument
@click.option(
    "--every", type=Count, help="Write a checkpoint every N commands, not only at the end."
)
@as_json_option
def checkpoint(directory: Path, every: int | None, as_json: bool) -> None:
    """Write a checkpoint at the end, for a faster restart."""
    from openoutcry.journal.checkpoint import make_checkpoints

    paths = [str(path) for path in make_checkpoints(directory, every)]
    _say(directory, "made", paths, "there is nothing new to write", as_json)


@journal.command()
@directory_argument
@click.option("--retire", is_flag=True, help="Remove segments that two checkpoints cover.")
@as_json_option
def archive(directory: Path, retire: bool, as_json: bool) -> None:
    """Compress finished segments in place, or retire them.

    Compressed segments stay verifiable."""
    from openoutcry.journal.archive import archive as compress
    from openoutcry.journal.archive import retire as remove

    done = remove(directory) if retire else compress(directory)
    _say(directory, "done", done, "nothing to do", as_json)
