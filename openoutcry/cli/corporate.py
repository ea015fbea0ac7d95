"""``outcry venue corporate``: dividends and splits of a venue's instruments."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk
from openoutcry.cli.options import Amount, AmountCommand

PRICE = click.option(
    "--price",
    type=int,
    help="New reference price in ticks [computed from the last price, half to even].",
)


@click.group()
def corporate() -> None:
    """Apply a dividend, a split or a new reference price.

    Halt the instrument first (`outcry venue halt`) and resume it afterwards (`outcry venue
    resume`). The venue cancels all open orders in it.

    \b
    outcry venue corporate dividend GOLD 0.25 --why "ex-day"
    outcry venue corporate split GOLD 2 1 --price 100000
    outcry venue corporate reference GOLD 100000
    """


@corporate.command(cls=AmountCommand)
@click.argument("instrument")
@click.argument("amount", type=Amount)
@click.option(
    "--lots",
    type=int,
    default=1,
    show_default=True,
    help="Number of lots for which AMOUNT is paid.",
)
@PRICE
@asks
def dividend(
    instrument: str,
    amount: str,
    lots: int,
    price: int | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Pay AMOUNT for each lot of INSTRUMENT.

    AMOUNT is in the asset that pays INSTRUMENT. The holder of a short position pays it."""
    request = {
        "do": "dividend",
        "instrument": instrument,
        "amount": amount,
        "lots": lots,
        "price": price,
    }
    send_to_desk(file, request, operator, as_json)


@corporate.command()
@click.argument("instrument")
@click.argument("new", type=int)
@click.argument("old", type=int)
@PRICE
@asks
def split(
    instrument: str,
    new: int,
    old: int,
    price: int | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Turn every OLD lots of INSTRUMENT into NEW lots.

    Fewer NEW than OLD lots is a reverse split. Fractions are paid in the instrument's asset."""
    request = {"do": "split", "instrument": instrument, "new": new, "old": old, "price": price}
    send_to_desk(file, request, operator, as_json)


@corporate.command()
@click.argument("instrument")
@click.argument("price", type=int)
@asks
def reference(instrument: str, price: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Set the reference price of a halted INSTRUMENT.

    PRICE is in ticks. The instrument's last trade no longer counts."""
    request = {"do": "reference-price", "instrument": instrument, "price": price}
    send_to_desk(file, request, operator, as_json)
