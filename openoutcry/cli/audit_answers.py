"""How ``outcry audit`` shows rows: a table, CSV, JSON or a Parquet file."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.options import PathArgument
from openoutcry.wire.errors import OutcryError

ROWS_SHOWN = 200
SHOWN = (
    "seq", "time", "bound_ns", "participant", "action", "symbol", "order_id", "side", "order_type",
    "price_ticks", "qty_lots", "leaves_lots", "reason", "risk_result", "client_order_id",
    "session", "source_address", "latency_ns", "order_uuid",
)  # fmt: skip
"""Columns of a table for people; every other form has them all."""
NUMBERS = (
    "seq",
    "bound_ns",
    "participant",
    "order_id",
    "price_ticks",
    "qty_lots",
    "leaves_lots",
    "latency_ns",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def answer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Form and file: what every answer takes."""
    for option in (
        click.option("--out", type=PathArgument, help="File to write; required for Parquet."),
        click.option(
            "--format",
            "form",
            default="table",
            show_default=True,
            type=click.Choice(["table", "csv", "json", "parquet"]),
            help="Format of the output.",
        ),
    ):
        function = option(function)
    return function


def moment_ns(text: str) -> int:
    """``2026-11-22T10:00`` as ns since the epoch; without an offset UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OutcryError(f"{text!r} is not a time; write it as 2026-11-22T10:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


def show_answer(table: Any, form: str, out: Path | None) -> None:
    """Print rows of the trail, or write them to a file, whole or not at all."""
    if form == "parquet" and out is None:
        raise click.UsageError("--format parquet needs --out FILE")
    if form == "table" and out is not None:
        raise click.UsageError("--out needs --format csv, json or parquet")
    if form == "table":
        _print(table)
        return
    data = {"csv": _csv, "json": _json, "parquet": _parquet}[form](table)
    if out is None:
        click.echo(data, nl=False)
        return
    write_file(out, data)
    click.echo(f"{out}: {table.num_rows:,} rows")


def write_file(out: Path, data: bytes) -> None:
    """Whole or not at all.  Raises :class:`OutcryError` naming the file."""
    from openoutcry.surveillance.audit.chain import write_whole

    write_whole(out, data)


def readable(table: Any) -> list[dict[str, Any]]:
    """Rows with names as text, times as text to the ns, UUIDs as people write them."""
    from uuid import UUID

    import pyarrow as pa

    def plain(kind: Any) -> Any:
        text = pa.types.is_dictionary(kind) or pa.types.is_timestamp(kind)
        return pa.string() if text else kind

    kept = table.cast(pa.schema([pa.field(f.name, plain(f.type)) for f in table.schema]))
    rows: list[dict[str, Any]] = kept.to_pylist()
    for row in rows:
        row["order_uuid"] = str(UUID(bytes=row["order_uuid"])) if row["order_uuid"] else None
    return rows


def _print(table: Any) -> None:
    from rich.console import Console

    from openoutcry.cli.columns import print_columns

    records = readable(table.slice(0, ROWS_SHOWN))
    shown = [name for name in SHOWN if any(row[name] is not None for row in records)]
    rows = [["" if row[name] is None else str(row[name]) for name in shown] for row in records]
    print_columns(Console(), shown, rows, NUMBERS)
    if table.num_rows > ROWS_SHOWN:
        click.echo(
            f"{table.num_rows:,} rows; the first {ROWS_SHOWN:,} are shown; --format csv prints all"
        )


def _csv(table: Any) -> bytes:
    import io

    out, names = io.StringIO(), table.schema.names
    rows = (
        [row.get(name, "") for name in names]
        for batch in table.to_batches(max_chunksize=1 << 16)
        for row in readable(batch_table(batch))
    )
    write_rows(out, names, rows)
    return out.getvalue().encode()


def batch_table(batch: Any) -> Any:
    """A table of Arrow with one batch."""
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _json(table: Any) -> bytes:
    return (json.dumps({"rows": readable(table)}) + "\n").encode()


def _parquet(table: Any) -> bytes:
    from openoutcry.surveillance.audit.build import parquet_bytes

    data: bytes = parquet_bytes(table)
    return data
