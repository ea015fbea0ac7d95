"""``outcry venue withdraw``: money leaves a running venue."""

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
    """Debit an amount from a participant.

    AMOUNT is in whole units of the asset. The venue rejects a withdrawal to outside that exceeds
    the available balance.

    \b
    outcry venue withdraw 7 20000 --asset USD --why "wire 4712" --operator anna
    outcry venue withdraw 7 1530 --purpose fees
    """
    move(participant, -amount, asset, purpose, file, operator, as_json)
