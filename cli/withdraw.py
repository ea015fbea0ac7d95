"""``outcry withdraw``: money leaves a running venue."""

from pathlib import Path

import click

from openoutcry.cli.deposit import money_options, move
from openoutcry.cli.desk import asks


@click.command()
@money_options
@asks
def withdraw(
    participant: int,
    amount: int,
    asset: str | None,
    purpose: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Take an AMOUNT from PARTICIPANT, in whole units: to outside at most what is available.

    \b
    outcry withdraw 7 20000 --asset USD --why "wire 4712" --operator anna
    outcry withdraw 7 1530 --purpose fees
    """
    move(participant, -amount, asset, purpose, file, operator, as_json)
