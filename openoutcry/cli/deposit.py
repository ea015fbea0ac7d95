"""``outcry venue deposit``: money comes into a running venue."""

import click

from openoutcry.cli.movements import OneStepOrMore, first_step, later_step, listing, one_step


@click.group(cls=OneStepOrMore)
def deposit() -> None:
    """Credit an amount to a participant, at once or in steps.

    AMOUNT is decimal, as 5000.00; with --units in whole units of the asset. The venue sequences
    and journals each step.

    \b
    outcry venue deposit 7 5000.00 --asset USD --why "wire 4711" --operator anna
    outcry venue deposit seen 7 0.0003 BTC --reference "tx 81f2"
    outcry venue deposit credit "tx 81f2"
    """


one_step(deposit, 1, "Credit an amount in one step; the word may be left out.")
first_step(
    deposit, "seen", "deposit-seen", "Record a deposit that is not certain; it moves nothing."
)
later_step(deposit, "credit", "deposit-credit", "Make a deposit that was seen available.")
later_step(
    deposit, "reverse", "deposit-reverse", "Take a deposit back, also one that was credited."
)
listing(deposit, "deposit", ("seen", "credited", "reversed"))
