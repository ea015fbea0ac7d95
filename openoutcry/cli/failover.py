"""``outcry venue failover``: another node leads a replicated venue."""

from typing import Any

import click

from openoutcry.cli.options import PathArgument


@click.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--force",
    is_flag=True,
    help="FILE is a standby's file: make it lead now, even if another node holds the lease.",
)
@click.option(
    "--wait-s",
    type=click.FloatRange(1, 600),
    default=30,
    show_default=True,
    help="Seconds to wait for the primary to end, and for the standby to lead.",
)
def failover(file: Any, force: bool, wait_s: float) -> None:
    """Stop the primary, so that a standby takes over.

    FILE is the primary's venue file. The primary first replicates and answers everything that it
    accepted; the command reports when the lease was released and taken. `outcry venue standby FILE`
    turns the old primary into a standby.

    \b
    outcry venue failover node-a.toml
    outcry venue failover --force node-b.toml
    """
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.standby import hand_over, take_over

    venue = read_venue(file)
    if force:
        spans_ms = take_over(venue.journal, wait_s)
        for what, ms in spans_ms.items():
            click.echo(f"{ms:8.1f} ms  {what}")
        click.echo(f"{venue.name}: leads")
        return
    hand_over(venue, wait_s, click.echo)
    click.echo(f"{venue.name}: handed over")
