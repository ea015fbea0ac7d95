"""``outcry venue emergency-close``: everything stops."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command("emergency-close")
@click.option("--rehearse", is_flag=True, help="Journal the six steps without their effects.")
@asks
def emergency_close(rehearse: bool, file: Path, operator: str | None, as_json: bool) -> None:
    """Close the market at once, in six journaled steps.

    The steps: reject all orders, cancel all orders, disable the participants of all sessions,
    publish (every instrument halts), record the venue's state, notify. If the close is interrupted,
    the same command resumes after the last step in the journal.
    """
    send_to_desk(file, {"do": "rehearse" if rehearse else "emergency-close"}, operator, as_json)
