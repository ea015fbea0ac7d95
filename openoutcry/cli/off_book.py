"""``outcry venue off-book``: a trade on which two participants have agreed elsewhere."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command("off-book")
@click.argument("buyer", type=int)
@click.argument("seller", type=int)
@click.argument("lots", type=int)
@click.argument("instrument")
@click.argument("price", type=int)
@click.option(
    "--asked-by",
    type=click.Choice(["buyer", "seller"]),
    required=True,
    help="The side that asked for the trade; it pays the taker's fee.",
)
@asks
def off_book(
    buyer: int,
    seller: int,
    lots: int,
    instrument: str,
    price: int,
    asked_by: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Book a trade on which two participants have agreed.

    BUYER and SELLER are participants' numbers; PRICE is in ticks. Every limit of both sides is
    checked, and the book's orders and last price stay as they are. If --operator is named, a
    second supervisor must send the same request.

    \b
    outcry venue off-book 1001 1002 250 BTC-USD 5000000 --asked-by buyer --why "call of 14:03"
    """
    from openoutcry.venue.off_book_desk import off_book as request_of

    request = request_of(instrument, buyer, seller, lots, price, asked_by, "")
    del request["reference"]
    send_to_desk(file, request, operator, as_json)
