"""``outcry corporate``: dividends and splits of a venue's instruments."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk

PRICE = click.option(
    "--price", type=int, help="Ticks behind it [worked out of the last price, half to even]."
)


@click.group()
def corporate() -> None:
    """Dividends, splits and the reference price of a running venue's instrument.

    The instrument is halted before (`outcry halt`) and goes on behind it (`outcry resume`).
    Everybody's open orders in it are cancelled.

    \b
    outcry corporate dividend GOLD 25 --why "ex-day"
    outcry corporate split GOLD 2 1 --price 100000
    outcry corporate reference GOLD 100000
    """


@corporate.command()
@click.argument("instrument")
@click.argument("amount", type=int)
@click.option("--lots", type=int, default=1, show_default=True, help="The AMOUNT is of so many.")
@PRICE
@asks
def dividend(
    instrument: str,
    amount: int,
    lots: int,
    price: int | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Pay AMOUNT, in whole units of INSTRUMENT's money, for each lot; who is short pays it."""
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
    """Turn OLD lots into NEW ones; fewer: a reverse split. A fraction is paid in money."""
    request = {"do": "split", "instrument": instrument, "new": new, "old": old, "price": price}
    send_to_desk(file, request, operator, as_json)


@corporate.command()
@click.argument("instrument")
@click.argument("price", type=int)
@asks
def reference(instrument: str, price: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Make PRICE (ticks) the reference price of a halted INSTRUMENT; its last trade counts no
    more."""
    request = {"do": "reference-price", "instrument": instrument, "price": price}
    send_to_desk(file, request, operator, as_json)
