"""``outcry venue withdraw``: money leaves a running venue."""

from pathlib import Path

import click

from openoutcry.cli.desk import FILE_OPTION
from openoutcry.cli.movements import (
    OneStepOrMore,
    approval,
    first_step,
    later_step,
    listing,
    one_step,
    show_portals,
)
from openoutcry.cli.options import portal_database_option


@click.group(cls=OneStepOrMore)
def withdraw() -> None:
    """Debit an amount from a participant, at once or in steps.

    AMOUNT is decimal, as 200.00; with --units in whole units of the asset. The venue rejects a
    withdrawal to outside that exceeds the available balance.

    \b
    outcry venue withdraw 7 200.00 --asset USD --why "wire 4712" --operator anna
    outcry venue withdraw 7 15.30 --purpose fees
    outcry venue withdraw request 7 0.0003 BTC --reference "wd 4711"
    outcry venue withdraw approve "wd 4711"
    """


one_step(withdraw, -1, "Debit an amount in one step; the word may be left out.")
first_step(withdraw, "request", "withdrawal-request", "Reserve an amount for a withdrawal.")
approval(withdraw, "approve", "withdrawal-approve", "Approve a withdrawal for sending.")


@withdraw.command("to-approve")
@portal_database_option
@FILE_OPTION
def to_approve(database: str, file: Path) -> None:
    """Show the portal's withdrawals that are not sent.

    Each is shown with its address and with what its owner's account has changed lately."""
    show_portals(file, database)


later_step(
    withdraw, "sent", "withdrawal-sent", "Record that it is on its way; no cancel after that."
)
later_step(withdraw, "done", "withdrawal-done", "Record that it has arrived; the amount is gone.")
later_step(withdraw, "cancel", "withdrawal-cancel", "Release the amount of one that was not sent.")
later_step(withdraw, "fail", "withdrawal-fail", "Release the amount of one that will never arrive.")
listing(withdraw, "withdrawal", ("requested", "approved", "sent", "done", "cancelled", "failed"))
