"""``outcry venue instrument``: the states of a venue's instruments."""

import json
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, asks, send_to_desk
from openoutcry.cli.options import Whole, as_json_option
from openoutcry.wire.errors import OutcryError


@click.group()
def instrument() -> None:
    """Open, change or delist an instrument; list states.

    Every change is a sequenced command with a reference. With operators in the file two supervisors
    ask for the same.

    \b
    outcry venue instrument list
    outcry venue instrument suspend BTC-USD --reference "notice 12" --operator anna
    outcry venue instrument change BTC-USD price_step_ticks=5 --operator anna
    outcry venue instrument delist BTC-USD --reference "notice 14" --operator anna
    """


@instrument.command("list")
@FILE_OPTION
@as_json_option
def list_states(file: Path, as_json: bool) -> None:
    """List the instruments: state, phase, and the changes it takes."""
    from openoutcry.venue.days import read_status
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.instruments_desk import rows_of

    venue = read_venue(file)
    document = read_status(venue.journal)
    if document is None or document["state"] != "open":
        raise OutcryError(f"{file}: this venue is not open")
    risk = document["risk"]
    rows = rows_of(document["phases"], risk.get("states", {}), risk.get("rules", {}))
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        takes = ", ".join(row["takes"]) or "nothing"
        click.echo(f"{row['symbol']:<12} {row['state']:<10} {row['phase']:<18} takes {takes}")
        for key, text in row.get("rules", {}).items():
            click.echo(f"{'':<12} {key}={text}, by command")


def _ask(file: Path, do: str, operator: str | None, as_json: bool, **given: Any) -> None:
    send_to_desk(file, {"do": f"instrument-{do}", **given}, operator, as_json)


@instrument.command("open")
@click.argument("symbol")
@click.option(
    "--call-min",
    type=Whole(1, 1_440),
    default=10,
    show_default=True,
    help="Minutes for which it collects orders.",
)
@asks
def open_symbol(
    symbol: str, call_min: int, file: Path, operator: str | None, as_json: bool
) -> None:
    """List SYMBOL, which was announced: it opens with an auction.

    The venue file has it with `announced = true`. It collects orders from now on. Then an auction
    opens it, if it would trade continuously now. Otherwise the calendar opens it."""
    _ask(file, "open", operator, as_json, instrument=symbol, call_s=60 * call_min)


@instrument.command()
@click.argument("symbol")
@asks
def suspend(symbol: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Reject new orders in SYMBOL; resting orders stay.

    Cancels are accepted, and nothing trades, also on later days. `outcry venue halt` does the same
    at once, by one operator."""
    _ask(file, "suspend", operator, as_json, instrument=symbol)


@instrument.command("close-only")
@click.argument("symbol")
@asks
def close_only(symbol: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Cancel all orders in SYMBOL; take only those that reduce.

    An order must make a position smaller. In a spot instrument that is a sale of what its
    participant has available, without credit."""
    _ask(file, "close-only", operator, as_json, instrument=symbol)


@instrument.command()
@click.argument("symbol")
@click.argument("rules", nargs=-1, required=True, metavar="KEY=VALUE…")
@click.option(
    "--cancel-off-grid",
    is_flag=True,
    help="Cancel open orders that the new rules do not permit.",
)
@asks
def change(
    symbol: str,
    rules: tuple[str, ...],
    cancel_off_grid: bool,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Change rules of SYMBOL while it trades.

    Keys are those of the venue file: price_step_ticks, tick_table (as FROM:STEP,FROM:STEP),
    qty_step_lots, min_qty_lots, max_qty_lots, min_price_ticks, max_price_ticks, market_band_ticks,
    auction_band_ticks. All are in force with one command. It is refused while an open order is off
    the new rules, unless --cancel-off-grid cancels it. It changes no file."""
    given = {"rules": " ".join(sorted(rules)), "cancel_off_grid": cancel_off_grid}
    _ask(file, "change", operator, as_json, instrument=symbol, **given)


@instrument.command()
@click.argument("symbol")
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE…")
@asks
def announce(
    symbol: str, keys: tuple[str, ...], file: Path, operator: str | None, as_json: bool
) -> None:
    """Add the spot pair SYMBOL, which no file has named.

    It takes one of the venue file's [[instrument_slots]]. Keys are those of an [[instrument]]:
    base, quote, lot_units, tick_units, min_price_ticks and max_price_ticks, and if you want
    decimals, price_step_ticks, tick_table (as FROM:STEP,FROM:STEP), qty_step_lots, min_qty_lots,
    max_qty_lots, market_band_ticks, auction_band_ticks. Then `outcry venue instrument open` lists
    it. It changes no file."""
    _ask(file, "announce", operator, as_json, instrument=symbol, rules=" ".join(sorted(keys)))


@instrument.command()
@click.argument("symbol")
@asks
def resume(symbol: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Let SYMBOL trade again after it was suspended or close-only.

    A suspended instrument opens with an auction if it would trade continuously now."""
    _ask(file, "resume", operator, as_json, instrument=symbol)


@instrument.command()
@click.argument("symbol")
@click.option("--price", type=int, help="Settle the positions of a contract at this price, ticks.")
@asks
def delist(symbol: str, price: int | None, file: Path, operator: str | None, as_json: bool) -> None:
    """Cancel all orders in SYMBOL and end its trading for good.

    What holders of a spot instrument have stays in their wallets and can be withdrawn. Positions
    must be closed before. Those of a contract can be settled at --price, of an option its
    underlying's."""
    _ask(file, "delist", operator, as_json, instrument=symbol, price=price)
