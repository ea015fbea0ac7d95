"""``outcry feed bars``: open, high, low, close, volume and VWAP of a journal's trades."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, Whole, as_json_option

MAX_DECIMALS = 12
"""Maximum decimals of a price."""


@click.command()
@click.argument("journal", type=PathArgument)
@click.argument("symbol", required=False)
@click.option(
    "--every",
    "every_s",
    type=Whole(1, 86_400),
    default=60,
    show_default=True,
    help="Length of a bar in seconds; 86400: a day (UTC).",
)
@click.option("--from", "begin", help="Start at this time, ISO 8601 (UTC unless it has an offset).")
@click.option("--to", "end", help="End before this time.")
@click.option(
    "--decimals",
    type=Whole(0, MAX_DECIMALS),
    default=4,
    show_default=True,
    help="Decimals of a tick in the printed prices, for every instrument.",
)
@click.option(
    "--venue", type=PathArgument, help="Take each instrument's decimals from this venue file."
)
@click.option("--parquet", type=PathArgument, help="Write the bars to this file, in ticks.")
@as_json_option
def bars(
    journal: Path,
    symbol: str | None,
    every_s: int,
    begin: str | None,
    end: str | None,
    decimals: int,
    venue: Path | None,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """Aggregate a journal's trades into bars.

    A bar lasts a second or longer. Volume, turnover and VWAP are exact; --json and --parquet give
    ticks and lots.
    """
    from rich.console import Console

    from openoutcry.cli.columns import print_columns
    from openoutcry.market_data.bars import EVER_NS, make_bars, write_parquet

    table = make_bars(
        journal,
        every_s,
        symbol,
        moment_ns(begin, "--from") if begin else 0,
        moment_ns(end, "--to") if end else EVER_NS,
    )
    if parquet is not None:
        size_bytes = write_parquet(table, parquet)
        if not as_json:
            click.echo(f"{parquet}: {len(table):,} bars, {size_bytes:,} bytes")
            return
    if as_json:
        rows = [asdict(bar) | {"vwap": rounded(bar.vwap, 9)} for bar in table]
        click.echo(json.dumps({"every_s": every_s, "bars": rows}))
        return
    if venue is None:
        places = dict.fromkeys((bar.symbol for bar in table), decimals)
    else:
        places = decimals_of(venue, {bar.symbol for bar in table})
    names = ("from (UTC)", "symbol", "open", "high", "low", "close", "VWAP", "volume", "trades")
    lines = []
    for bar in table:
        decimals = places[bar.symbol]
        ticks = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        lines.append(
            (
                datetime.fromtimestamp(bar.start_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                bar.symbol,
                *(rounded(Fraction(price, 10**decimals), decimals) for price in ticks),
                rounded(bar.vwap / 10**decimals, decimals + 2),
                f"{bar.volume_lots:,}",
                f"{bar.trades:,}",
            )
        )
    print_columns(Console(), names, lines, right=names[2:])


def decimals_of(venue: Path, symbols: set[str]) -> dict[str, int]:
    """Return the decimals of each instrument's prices, from the venue's file."""
    from openoutcry.venue.file import read_venue
    from openoutcry.wire.errors import FeedError

    places = dict(read_venue(venue).sessions.price_decimals)
    if unknown := symbols - places.keys():
        raise FeedError(f"{venue}: the journal's instrument {min(unknown)} is not in this file")
    return places


def moment_ns(text: str, option: str) -> int:
    """A moment in ISO 8601, ns since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time; write it as 2026-11-23T10:00", None, None, option
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def rounded(value: Fraction, places: int) -> str:
    """The nearest number with ``places`` decimals; a tie becomes the even one."""
    with localcontext() as context:
        context.prec = 80
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):f}"
