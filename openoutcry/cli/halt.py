"""``outcry venue halt``: for news, or whatever else the operator knows."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command()
@click.argument("instrument", required=False)
@click.option("--all", "all_instruments", is_flag=True, help="Halt every instrument of the venue.")
@click.option(
    "--reason",
    default="",
    metavar="CODE",
    help="Publish this reason (default: O1, an operational halt of this market). A code of ITCH "
    "5.0 has up to four capitals and digits: T1 news pending, T2 news released, T6 extraordinary "
    "activity, T12 information requested, H10 suspended by the regulator.",
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
    """Halt one instrument or all; cancels are still accepted.

    New orders are rejected, nothing trades, resting orders stay. `outcry venue resume instrument
    INSTRUMENT` ends the halt.
    """
    if all_instruments == (instrument is not None):
        raise click.UsageError("name an INSTRUMENT, or --all")
    name = "*" if all_instruments else instrument
    request = {"do": "halt", "instrument": name} | ({"reason": reason} if reason else {})
    send_to_desk(file, request, operator, as_json)
