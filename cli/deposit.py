"""``outcry venue deposit``: money comes into a running venue."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks
from openoutcry.cli.movements import (
    AT_ONCE,
    OneStepOrMore,
    first_step,
    later_step,
    listing,
    money_options,
    move,
)


@click.group(cls=OneStepOrMore)
def deposit() -> None:
    """Credit an amount to a participant, at once or in steps.

    AMOUNT is in whole units of the asset. The venue sequences and journals each step.

    \b
    outcry venue deposit 7 500000 --asset USD --why "wire 4711" --operator anna
    outcry venue deposit seen 7 30000 BTC --reference "tx 81f2"
    outcry venue deposit credit "tx 81f2"
    """


@deposit.command(AT_ONCE)
@money_options
@asks
def at_once(
    participant: int,
    amount: int,
    asset: str | None,
    purpose: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Credit an amount in one step; the word may be left out."""
    move(participant, amount, asset, purpose, file, operator, as_json)


first_step(
    deposit, "seen", "deposit-seen", "Record a deposit that is not certain; it moves nothing."
)
later_step(deposit, "credit", "deposit-credit", "Make a deposit that was seen available.")
later_step(
    deposit, "reverse", "deposit-reverse", "Take a deposit back, also one that was credited."
)
listing(deposit, "deposit", ("seen", "credited", "reversed"))
