"""``outcry emergency-close``: everything stops."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.command("emergency-close")
@click.option("--rehearse", is_flag=True, help="The six steps without what they do.")
@asks
def emergency_close(rehearse: bool, file: Path, operator: str | None, as_json: bool) -> None:
    """Close a running venue's market at once, in six steps of its journal.

    Reject all, cancel all, disable the participants of all sessions, publish (every instrument
    halts), write down what stands, notify.

    Each step is in the journal. One that broke off resumes after its last step.
    """
    send_to_desk(file, {"do": "rehearse" if rehearse else "emergency-close"}, operator, as_json)
