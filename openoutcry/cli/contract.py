"""``outcry venue contract``: marks, settlement, funding and the end of a venue's contracts."""

from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, asks, send_to_desk
from openoutcry.cli.options import Amount, AmountCommand, PathArgument, Whole
from openoutcry.wire.errors import OutcryError

ALSO = click.option(
    "--also",
    metavar="SYMBOL[=VALUE]",
    multiple=True,
    help="Another instrument, in force at once with the first; repeatable.",
)


@click.group()
def contract() -> None:
    """Mark, settle, fund or end contracts; change their margins.

    Prices are in ticks. Every command is sequenced and journaled. Settle, fund or end contracts of
    one moment together, with --also: participants are then judged once, after all of them.

    \b
    outcry venue contract mark BTC-PERP 5000000 --index 4998000
    outcry venue contract fund BTC-PERP
    outcry venue contract settle BTC-26Z
    outcry venue contract expire BTC-26Z 5012000 --also BTC-26Z-C50=5012000
    outcry venue contract pledge 7 BTC 2.00000000
    """


def _ask(
    file: Path,
    do: str,
    operator: str | None,
    as_json: bool,
    also: tuple[str, ...] = (),
    **given: Any,
) -> None:
    request = {"do": f"contract-{do}", **given} | ({"also": " ".join(also)} if also else {})
    send_to_desk(file, request, operator, as_json)


@contract.command()
@click.argument("instrument")
@click.argument("price", type=int)
@click.option("--index", type=int, help="Price of the index that the mark is from, in ticks.")
@ALSO
@asks
def mark(
    instrument: str,
    price: int,
    index: int | None,
    also: tuple[str, ...],
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Value every position in INSTRUMENT at PRICE.

    Futures and perpetuals are paid what they gained since the last mark."""
    given = {"instrument": instrument, "price": price, "index": index}
    _ask(file, "mark", operator, as_json, also, **given)


@contract.command()
@click.argument("instrument")
@click.option("--price", type=int, help="Settlement price in ticks [the mark].")
@ALSO
@asks
def settle(
    instrument: str,
    price: int | None,
    also: tuple[str, ...],
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Set the day's settlement price of INSTRUMENT.

    The venue does it by itself when the trading day ends, at the last mark."""
    _ask(file, "settle", operator, as_json, also, instrument=instrument, price=price)


@contract.command()
@click.argument("instrument")
@click.option(
    "--rate", type=int, help="In billionths; below 0, shorts pay  [how far mark is above index]."
)
@ALSO
@asks
def fund(
    instrument: str,
    rate: int | None,
    also: tuple[str, ...],
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Pay one period's funding of a perpetual: longs pay shorts.

    Without --rate it is how far the mark is above the index, 0.75 % at most."""
    _ask(file, "fund", operator, as_json, also, instrument=instrument, rate=rate)


@contract.command()
@click.argument("instrument")
@click.argument("price", type=int)
@ALSO
@asks
def expire(
    instrument: str,
    price: int,
    also: tuple[str, ...],
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Settle an expired INSTRUMENT finally at PRICE.

    PRICE is the underlying's for an option, which is paid if it is in the money. All open orders
    are cancelled, every position is paid and gone."""
    _ask(file, "expire", operator, as_json, also, instrument=instrument, price=price)


@contract.command()
@click.argument("instrument")
@asks
def pause(instrument: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Stop entry in INSTRUMENT: its index has too few sources.

    Cancels are still accepted."""
    _ask(file, "pause", operator, as_json, instrument=instrument)


@contract.command()
@click.argument("instrument")
@asks
def resume(instrument: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Permit entry in INSTRUMENT after a pause.

    The index has enough sources again."""
    _ask(file, "resume", operator, as_json, instrument=instrument)


@contract.command()
@click.argument("underlying")
@click.argument("new", type=int)
@click.argument("old", type=int, default=1)
@asks
def adjust(
    underlying: str, new: int, old: int, file: Path, operator: str | None, as_json: bool
) -> None:
    """Adjust all contracts on UNDERLYING after it was split.

    For OLD units before there are NEW now. Each must be halted. Open orders in them are cancelled.
    Positions stay, and a lot is worth what it was: prices and strikes are divided by the ratio, and
    what a lot holds is multiplied by it.
    """
    _ask(file, "adjust", operator, as_json, underlying=underlying, new=new, old=old)


@contract.command()
@asks
def margin(file: Path, operator: str | None, as_json: bool) -> None:
    """Put the values of the venue's margin file in force.

    All of them at once; every participant is then checked against its maintenance margin."""
    _ask(file, "margin", operator, as_json)


@contract.command(cls=AmountCommand)
@click.argument("participant", type=int)
@click.argument("asset")
@click.argument("amount", type=Amount)
@asks
def pledge(
    participant: int, asset: str, amount: str, file: Path, operator: str | None, as_json: bool
) -> None:
    """Pledge AMOUNT of ASSET out of PARTICIPANT's wallet.

    They count as collateral after haircuts, and can be neither sold nor withdrawn."""
    given: dict[str, Any] = {"participant": participant, "asset": asset, "amount": amount}
    _ask(file, "pledge", operator, as_json, **given)


@contract.command(cls=AmountCommand)
@click.argument("participant", type=int)
@click.argument("asset")
@click.argument("amount", type=Amount)
@asks
def release(
    participant: int, asset: str, amount: str, file: Path, operator: str | None, as_json: bool
) -> None:
    """Give AMOUNT of pledged ASSET back to PARTICIPANT's wallet.

    Rejected if what is left would not cover its initial margin with open orders."""
    given: dict[str, Any] = {"participant": participant, "asset": asset, "amount": amount}
    _ask(file, "release", operator, as_json, **given)


@contract.command(cls=AmountCommand)
@click.argument("asset")
@click.argument("worth", type=Amount)
@click.argument("of", type=Amount)
@asks
def collateral(
    asset: str, worth: str, of: str, file: Path, operator: str | None, as_json: bool
) -> None:
    """Value OF of ASSET at WORTH of the margin's money.

    The venue does it by itself for an asset that has an [[index]]."""
    _ask(file, "collateral", operator, as_json, asset=asset, units=worth, of=of)


@contract.command()
@click.argument("underlying")
@click.argument("source")
@click.argument("price", type=int)
@asks
def report(
    underlying: str, source: str, price: int, file: Path, operator: str | None, as_json: bool
) -> None:
    """Report a PRICE of SOURCE, in ticks, for the index of UNDERLYING.

    The [[index]] of the venue file names its sources."""
    given = {"underlying": underlying, "source": source, "price": price}
    send_to_desk(file, {"do": "index-report", **given}, operator, as_json)


@contract.command()
@click.argument("underlying")
@click.argument("routes", type=PathArgument)
@click.argument("symbol")
@FILE_OPTION
@click.option("--every-ms", type=Whole(10, 60_000), default=500, show_default=True, help="Pause.")
def feed(underlying: str, routes: Path, symbol: str, file: Path, every_ms: int) -> None:
    """Report outside prices for an index until Control-C.

    ROUTES is a router's file, SYMBOL an instrument of it. Each of its venues is a source of the
    same name, which reports the middle of its book."""
    import time
    from contextlib import ExitStack

    from openoutcry.host.processes import until_stopped
    from openoutcry.routing.index_feed import IndexFeed
    from openoutcry.routing.settings import read_settings
    from openoutcry.venue.desk import DeskError, ask
    from openoutcry.venue.file import read_venue

    venue, settings = read_venue(file), read_settings(routes)
    members = [
        s
        for index_ in venue.risk.indices
        if index_.underlying == underlying
        for s in index_.contracts
    ]
    if not members:
        raise OutcryError(f"{file} has no [[index]] of {underlying!r}")
    decimals = venue.sessions.price_decimals[members[0]]
    market, said = settings.market(symbol), dict[str, str]()

    def send(source: str, price: int) -> None:
        given = {"underlying": underlying, "source": source, "price": price}
        try:
            ask(venue.journal, {"do": "index-report", **given})
            why = ""
        except (DeskError, OSError) as error:
            why = str(error)
        if why != said.get(source, ""):
            click.echo(f"{source}: {why or 'reports again'}", err=True)
        said[source] = why

    with ExitStack() as stack, until_stopped() as stopped:
        connectors = settings.connectors(market)
        for connector in connectors.values():
            stack.callback(connector.close)
        source = IndexFeed(market, connectors, decimals, send)
        while not stopped:
            source.step(time.time_ns())
            time.sleep(every_ms / 1_000)
