"""``outcry venue assets``: the money of a venue."""

import json
from pathlib import Path

import click

from openoutcry.cli.desk import FILE_OPTION, asks, send_to_desk
from openoutcry.cli.options import Amount, AmountCommand, as_json_option


@click.group()
def assets() -> None:
    """Show or declare assets; set an instrument's quote asset.

    \b
    outcry venue assets show
    outcry venue assets declare EUR 2
    outcry venue assets quote GOLD EUR 2
    outcry venue assets credit 7 10000.00 USD
    """


@assets.command()
@click.argument("name")
@click.argument("decimals", type=int)
@asks
def declare(name: str, decimals: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Declare the asset NAME with DECIMALS decimals while trading.

    Add it to the venue file as well."""
    request = {"do": "asset", "asset": name, "decimals": decimals}
    send_to_desk(file, request, operator, as_json)


@assets.command()
@click.argument("instrument")
@click.argument("name")
@click.argument("decimals", type=int)
@asks
def quote(
    instrument: str, name: str, decimals: int, file: Path, operator: str | None, as_json: bool
) -> None:
    """Quote INSTRUMENT in the asset NAME, with DECIMALS decimals.

    An amount is price x lots x multiplier. An instrument that was traded or is held keeps its
    asset; the ledger notes that it did not change.
    """
    request = {"do": "quote", "instrument": instrument, "asset": name, "decimals": decimals}
    send_to_desk(file, request, operator, as_json)


@assets.command(cls=AmountCommand)
@click.argument("participant", type=int)
@click.argument("amount", type=Amount)
@click.argument("name")
@asks
def credit(
    participant: int, amount: str, name: str, file: Path, operator: str | None, as_json: bool
) -> None:
    """Grant PARTICIPANT credit of AMOUNT in asset NAME.

    Its orders may take that wallet this far below 0."""
    request = {"do": "asset-credit", "participant": participant, "asset": name, "amount": amount}
    send_to_desk(file, request, operator, as_json)


@assets.command()
@FILE_OPTION
@as_json_option
def show(file: Path, as_json: bool) -> None:
    """List the assets with their decimals and instruments."""
    from openoutcry.ledger.ledger_state import at
    from openoutcry.ledger.schedules import money
    from openoutcry.venue.file import read_venue

    books = at(read_venue(file).journal).books
    rows = money(books)
    if as_json:
        click.echo(json.dumps({"assets": rows, "notes": [remark.text for remark in books.remarks]}))
        return
    for row in rows:
        click.echo(f"{row['asset']}: {row['decimals']} decimals; {', '.join(row['instruments'])}")
    for remark in books.remarks:
        click.echo(f"note: event {remark.event_seq}: {remark.text}")
