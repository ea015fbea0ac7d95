"""``outcry venue fees``: fee schedules of a venue, and their assignments."""

import json
from pathlib import Path

import click

from openoutcry.cli.desk import FILE_OPTION, asks, reference_or_new, send_to_desk, show_history
from openoutcry.cli.options import Amount, AmountCommand, Whole, as_json_option
from openoutcry.wire.decimals import amount_words

ASSET_OPTION = click.option(
    "--asset", help="The asset that the amount is of.  [default: the venue's first]"
)
ROLLED = 1_500
"""Participants of one request: their volumes fit in it whatever they are."""


@click.group()
def fees() -> None:
    """Show or set fee schedules and their assignments.

    \b
    outcry venue fees show
    outcry venue fees set standard --maker-bps -0.5 --taker-bps 2.5
    outcry venue fees assign standard --participant 7 --instrument GOLD
    """


@fees.command("set", cls=AmountCommand)
@click.argument("schedule")
@click.option("--tier", type=int, default=0, show_default=True, help="Number of the tier, 0 to 7.")
@click.option(
    "--from-volume",
    type=Amount,
    default="0",
    show_default=True,
    help="30-day volume from which the tier applies.",
)
@click.option(
    "--maker-bps",
    required=True,
    help="Basis points of the amount, to hundredths; negative: a rebate.",
)
@click.option(
    "--taker-bps",
    required=True,
    help="Basis points of the amount, to hundredths; negative: a rebate.",
)
@ASSET_OPTION
@asks
def set_tier(
    schedule: str,
    tier: int,
    asset: str | None,
    from_volume: str,
    maker_bps: str,
    taker_bps: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Set a tier of SCHEDULE while trading.

    SCHEDULE is a name of the venue file, or a number 0 to 255. A change outlives restarts until
    fees or limits in the file change.
    """
    request = {
        "do": "fee-tier",
        "schedule": schedule,
        "tier": tier,
        "from_volume": from_volume,
        "asset": asset,
        "maker_bps": maker_bps,
        "taker_bps": taker_bps,
    }
    send_to_desk(file, request, operator, as_json)


@fees.command(cls=AmountCommand)
@click.argument("schedule")
@click.argument("least", type=Amount)
@ASSET_OPTION
@asks
def minimum(
    schedule: str,
    least: str,
    asset: str | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Set the minimum fee of a fill under SCHEDULE.

    Each instrument's fees count it in units of its own asset."""
    request = {"do": "fee-minimum", "schedule": schedule, "minimum": least, "asset": asset}
    send_to_desk(file, request, operator, as_json)


@fees.command()
@click.argument("schedule")
@click.option("--participant", type=int, help="Only this participant (default: all).")
@click.option("--instrument", help="Only this instrument (default: all).")
@asks
def assign(
    schedule: str,
    participant: int | None,
    instrument: str | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Assign SCHEDULE to a participant, an instrument, both or all.

    The most specific assignment applies: participant and instrument, then participant, then
    instrument, then all. "none" removes an assignment.
    """
    request = {
        "do": "fee-payer",
        "schedule": schedule,
        "participant": participant,
        "instrument": instrument,
    }
    send_to_desk(file, request, operator, as_json)


@fees.command(cls=AmountCommand)
@click.argument("participant", type=int)
@click.argument("volume", type=Amount)
@ASSET_OPTION
@asks
def volume(
    participant: int,
    volume: str,
    asset: str | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Set the VOLUME that decides the spot fee tier of PARTICIPANT."""
    request = {"do": "fee-volume", "participant": participant, "volume": volume, "asset": asset}
    send_to_desk(file, request, operator, as_json)


@fees.command()
@click.option("--days", type=Whole(1, 366), default=30, show_default=True, help="Dates that count.")
@click.option("--asset", help="Asset of the volumes.  [default: the first that pays an instrument]")
@asks
def roll(days: int, asset: str | None, file: Path, operator: str | None, as_json: bool) -> None:
    """Set every participant's volume from the venue's finished days.

    A volume is what the spot fills of the last days were worth, both makers' and takers'. Fills in
    other assets count at the venue's own last price."""
    from openoutcry.ledger.volumes import spot_volumes
    from openoutcry.risk.bits import LARGEST
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.rolled import by_date, text_of
    from openoutcry.wire.errors import OutcryError

    venue = read_venue(file)
    quotes = [one.quote for one in venue.risk.money.spot.values()]
    if not quotes:
        raise OutcryError(f"{file}: the venue has no spot instrument; the ledger rolls the volumes")
    window = by_date(venue.journal, days)
    asset = asset or quotes[0]
    volumes = spot_volumes(venue.journal, window.after_seq, window.until_seq, asset)
    for name, units in volumes.unconverted.items():
        click.echo(
            f"{venue.risk.money.text(units, name)} have no price in {asset} and are left out",
            err=True,
        )
    paid = {who: min(units, LARGEST) for who, units in sorted(volumes.paid.items()) if units}
    last, reference = venue.participant_capacity, reference_or_new()
    last = max([last, *paid, *(participant.number for participant in venue.participants)])
    parts = [(first, min(first + ROLLED - 1, last)) for first in range(1, last + 1, ROLLED)]
    for place, (first, end) in enumerate(parts):
        of_these = {who: units for who, units in paid.items() if first <= who <= end}
        request = {"do": "fee-roll", "first": first, "last": end, "volumes": text_of(of_these)}
        name = reference if len(parts) == 1 else f"{reference[:28]}.{place}"
        send_to_desk(file, request | {"days": str(window), "reference": name}, operator, as_json)


@fees.command()
@click.argument("schedule")
@click.argument("what", type=click.Choice(["received", "quote"]))
@asks
def collect(schedule: str, what: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Set the asset of spot buyers' fees by SCHEDULE: received or quote."""
    request = {"do": "fee-collect", "schedule": schedule, "collect": what}
    send_to_desk(file, request, operator, as_json)


@fees.command()
@FILE_OPTION
@as_json_option
def show(file: Path, as_json: bool) -> None:
    """List the schedules and their assignments.

    They are those of the ledger at the journal's end."""
    from openoutcry.ledger.ledger_state import at
    from openoutcry.ledger.schedules import payers, schedules
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    names = list(venue.risk.money.schedules)
    books = at(venue.journal).books
    rows = {"schedules": schedules(books, names), "payers": payers(books, names)}
    if as_json:
        click.echo(json.dumps(rows))
        return
    text = venue.risk.money.text
    for row in rows["schedules"]:
        least = f", at least {text(row['minimum'])} a fill" if row["minimum"] else ""
        click.echo(
            f"{row['schedule']}: from a 30-day volume of {text(row['from_volume'])} on: maker "
            f"{row['maker_bps']} bps, taker {row['taker_bps']} bps{least}"
        )
    for row in rows["payers"]:
        who = f"participant {row['participant']}" if row["participant"] is not None else "everybody"
        where = row["instrument"] or "all instruments"
        click.echo(f"{who} in {where}: {row['schedule']}")
    if not any(rows.values()):
        click.echo("there is no fee schedule")


@fees.command()
@FILE_OPTION
@as_json_option
def due(file: Path, as_json: bool) -> None:
    """List the fees by schedule that margin accounts owe.

    They are those of the ledger at the journal's end."""
    from openoutcry.ledger.ledger_state import at
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    books = at(venue.journal).books
    names = books.money_names
    rows = [(who, names[asset], units) for (who, asset), units in sorted(books.fees_owed().items())]
    if as_json:
        owed = [dict(zip(("participant", "asset", "units"), row, strict=True)) for row in rows]
        click.echo(json.dumps({"owed": owed}))
        return
    for who, name, units in rows:
        click.echo(f"participant {who} owes {amount_words(units, name, books.scales)}")
    if not rows:
        click.echo("no fee is owed")


@fees.command()
@FILE_OPTION
@as_json_option
def history(file: Path, as_json: bool) -> None:
    """List requests about fees, assets, deposits and dividends.

    Splits are listed too. Each request has its time and operator."""
    from openoutcry.venue.money_history import money_history

    show_history(file, money_history, "nothing was asked for", as_json)
