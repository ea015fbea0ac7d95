"""``outcry failover``: another node leads a replicated venue."""

from typing import Any

import click

from openoutcry.cli.options import PathArgument


@click.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--force", is_flag=True, help="FILE is a standby's: it leads now, whoever holds the lease."
)
@click.option(
    "--wait-s",
    type=click.FloatRange(1, 600),
    default=30,
    show_default=True,
    help="For the venue to end, and for the standby to lead.",
)
def failover(file: Any, force: bool, wait_s: float) -> None:
    """Stop the primary whose venue file FILE is, so that a standby takes over at once.

    Everything that it took is replicated and answered first; when the lease passed is told.
    `outcry standby FILE` makes it a standby afterwards.

    \b
    outcry failover node-a.toml
    outcry failover --force node-b.toml
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
