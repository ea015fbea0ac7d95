"""``outcry halt``: a news halt."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, tell_desk


@click.command()
@click.argument("instrument")
@asks
def halt(instrument: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Halt an instrument of a running venue; cancels are still taken.

    No order enters, nothing trades, orders stay.

    `outcry resume instrument INSTRUMENT` ends it.
    """
    tell_desk(file, {"do": "halt", "instrument": instrument}, operator, as_json)
