"""``outcry halt``: for news, or whatever else the operator knows."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command()
@click.argument("instrument", required=False)
@click.option("--all", "all_instruments", is_flag=True, help="Every instrument of the venue.")
@click.option(
    "--reason",
    default="",
    metavar="CODE",
    help="What the market data say of it, in ITCH 5.0's codes: T1 news pending, T2 news released, "
    "T6 extraordinary activity, T12 information requested, H10 suspended by the regulator; up to "
    "four capitals and digits. Without it: an operational halt of this market (O1).",
)
@asks
def halt(
    instrument: str | None,
    all_instruments: bool,
    reason: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Halt an instrument of a running venue, or all; cancels are still taken.

    No order enters, nothing trades, orders stay.

    `outcry resume instrument INSTRUMENT` ends it.
    """
    if all_instruments == (instrument is not None):
        raise click.UsageError("name an INSTRUMENT, or --all")
    name = "*" if all_instruments else instrument
    request = {"do": "halt", "instrument": name} | ({"reason": reason} if reason else {})
    send_to_desk(file, request, operator, as_json)
