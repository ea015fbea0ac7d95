"""``outcry data``: recorded market data in the formats of others, in and out."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.options import PathArgument, Whole, as_json_option, journal_feed_options
from openoutcry.report.plain import drawn_on

if TYPE_CHECKING:
    from openoutcry.tape.convert import Reading
    from openoutcry.tape.files import Progress

SHOWN = 32
"""Instruments in the table."""


@click.group()
def data() -> None:
    """Convert recorded market data between formats; say what it holds.
    \b
    outcry data info day.dbn.zst
    outcry data convert day.dbn.zst day.parquet
    outcry data convert day.dbn trades.dbn --to dbn-trades --allow-loss all
    """


symbol_option = click.option("--symbol", help="Write only this instrument [all].")
to_option = click.option(
    "--to", "to_name", default="", help="Format of OUT, or its family [by the suffix]."
)


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a file is read."""
    options = (
        click.option(
            "--from", "from_name", default="", help="Format of the file [by its content]."
        ),
        click.option(
            "--midnight",
            metavar="TIME",
            help="Midnight from which the times of LOBSTER and ITCH count, in ISO 8601 with its "
            "zone: 2012-06-21T00:00-04:00 [that of 1970-01-01, UTC].",
        ),
        click.option("--name", default="", help="Symbol of a LOBSTER file, which names none."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def how_of(from_name: str, midnight: str | None, name: str) -> "Reading":
    """The options as the reader takes them."""
    from openoutcry.tape.convert import Reading

    midnight_ns = 0
    if midnight is not None:
        try:
            moment = datetime.fromisoformat(midnight)
        except ValueError as error:
            raise click.UsageError(f"--midnight {midnight}: {error}") from None
        if moment.tzinfo is None:
            raise click.UsageError(f"--midnight {midnight} has no zone: append Z or -04:00")
        midnight_ns = round(moment.timestamp()) * 10**9
    return Reading(from_name, midnight_ns, name, _progress())


loss_option = click.option(
    "--allow-loss",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Write OUT though it does not say this; `all`: whatever is lost.",
)


def _progress() -> "Progress | None":
    """A line that is drawn again, on a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, size: int) -> None:
        click.echo(f"\r{done / max(size, 1):4.0%}", nl=done >= size, err=True)

    return show


@data.command()
@click.argument("file", type=PathArgument)
@reading
@as_json_option
def info(file: Path, from_name: str, midnight: str | None, name: str, as_json: bool) -> None:
    """Say what is in a file: format, times, kinds, instruments, gaps."""
    from openoutcry.tape.convert import info, open_tape

    found = info(open_tape(file, how_of(from_name, midnight, name)))
    if as_json:
        click.echo(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    click.echo(f"{file}: {found['format']}, {found['records']:,} records")
    click.echo(f"first {found['first_ns']} ns, last {found['last_ns']} ns since 1970")
    for name, count in found["counts"].items():
        click.echo(f"{count:>12,}  {name}")
    table = Table("number", "symbol", "records", "decimals of prices", "of quantities")
    for one in found["instruments"][:SHOWN]:
        names = ("number", "symbol", "records", "price_decimals", "qty_decimals")
        table.add_row(*(str(one[name]) for name in names))
    Console(file=drawn_on(sys.stdout)).print(table)
    if len(found["instruments"]) > SHOWN:
        click.echo(f"and {len(found['instruments']) - SHOWN:,} more instruments (--json has all)")
    gaps = found["gaps"]
    click.echo(
        f"gaps: {gaps['missing_sequences']:,} sequence numbers missing, time goes back "
        f"{gaps['times_backwards']:,} times, longest silence "
        f"{gaps['longest_silence_ns'] / 1e9:,.3f} s"
    )
    for name, count in found["not_read"].items():
        click.echo(f"not read: {name}, {count:,} times")


@data.command()
@click.argument("file", type=PathArgument)
@click.argument("out", type=PathArgument)
@reading
@to_option
@symbol_option
@loss_option
@as_json_option
def convert(
    file: Path,
    out: Path,
    from_name: str,
    midnight: str | None,
    name: str,
    to_name: str,
    symbol: str | None,
    allowed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write FILE as OUT, in another format.

    What OUT cannot say is listed with counts. Unless each such loss is allowed, OUT is not written,
    and the exit status is 1.
    """
    from openoutcry.tape.convert import convert

    done = convert(file, out, to_name, symbol, allowed, how_of(from_name, midnight, name))
    report(done, as_json)


@data.command()
@click.argument("journal", type=PathArgument)
@click.argument("out", type=PathArgument)
@to_option
@symbol_option
@loss_option
@journal_feed_options
@click.option(
    "--latency",
    metavar="LATENCY",
    help="Draw the receiver's times from the feed latency of this model, in ns: "
    "constant:FEED:ORDER, drawn:P50:P99 or measured:FILE:NAME [the exchange's times].",
)
@click.option("--seed", type=Whole(0), default=1, show_default=True, help="Seed of --latency.")
@as_json_option
def export(
    journal: Path,
    out: Path,
    to_name: str,
    symbol: str | None,
    allowed: tuple[str, ...],
    decimals: int,
    venue: Path | None,
    session: int | None,
    latency: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write the public feed of a journal in the format of others.

    \b
    outcry data export JOURNAL day.dbn --allow-loss all
    outcry data export JOURNAL levels.csv --to tardis-levels --symbol GOLD --allow-loss all

    It never shows hidden quantity, participants and stop orders. Losses are as in `convert`.
    """
    from openoutcry.cli.feed import places_of
    from openoutcry.market_data.tape import AT_ONCE, Arrival
    from openoutcry.market_data.tape import export as write

    arrival = AT_ONCE
    if latency is not None:
        from openoutcry.backtest.latency import parse_latency

        arrival = Arrival(parse_latency(latency).feed, seed)
    places = places_of(journal, decimals, venue)
    report(write(journal, out, to_name, symbol, allowed, places, session, arrival), as_json)


@data.command("import")
@click.argument("file", type=PathArgument)
@click.argument("out", type=PathArgument)
@click.option("--symbol", default="", help="Instrument to take [the only one].")
@as_json_option
def import_(file: Path, out: Path, symbol: str, as_json: bool) -> None:
    """Write a recording order by order as commands for a run.

    \b
    outcry data import day.dbn.zst orders.bin --symbol AAPL
    outcry run --records orders.bin

    An execution becomes an order on the other side, so that the book must find the resting order by
    itself. Times are not kept: the run stamps each command as it comes.
    """
    from openoutcry.flow.by_order import ByOrderSource
    from openoutcry.flow.record_file import write_records

    source = ByOrderSource(file, symbol, progress=_progress())
    done: dict[str, Any] = {"path": str(out), "symbol": source.symbol.decode(), "commands": 0}
    done["commands"] = write_records(out, source.chunks())
    done["records"] = dict(source.account)
    if as_json:
        click.echo(json.dumps(done))
        return
    click.echo(f"{out}: {done['commands']:,} commands of {done['symbol']}")
    for what, count in source.account.items():
        click.echo(f"{count:>12,}  {what}")


def report(done: dict[str, Any], as_json: bool) -> None:
    """Print what a conversion has written and lost; exit with 1 if it was refused."""
    say: Callable[[str], None] = click.echo
    if as_json:
        click.echo(json.dumps(done))
    else:
        for loss in done["losses"]:
            say(f"lost: {loss['name']}, {loss['count']:,} times: {loss['reason']}")
        if done["refused"]:
            options = " ".join(f"--allow-loss '{name}'" for name in done["refused"])
            say(f"{done['path']} is not written: allow what is lost ({options})")
        else:
            say(
                f"{done['path']}: {done['format']}, {done['records']:,} records, "
                f"{done['bytes']:,} bytes"
            )
    if done["refused"]:
        sys.exit(1)
