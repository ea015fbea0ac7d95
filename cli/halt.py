"""``outcry halt``: a news halt."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command()
@click.argument("instrument", required=False)
@click.option("--all", "everything", is_flag=True, help="Every instrument of the venue.")
@asks
def halt(
    instrument: str | None, everything: bool, file: Path, operator: str | None, as_json: bool
) -> None:
    """Halt an instrument of a running venue, or all; cancels are still taken.

    No order enters, nothing trades, orders stay.

    `outcry resume instrument INSTRUMENT` ends it.
    """
    if everything == (instrument is not None):
        raise click.UsageError("name an INSTRUMENT, or --all")
    name = "*" if everything else instrument
    send_to_desk(file, {"do": "halt", "instrument": name}, operator, as_json)
