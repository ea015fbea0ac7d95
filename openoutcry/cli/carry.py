"""``outcry venue carry``: a stopped venue continues in a new journal."""

import json
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, as_json_option


@click.command()
@click.argument("old", type=PathArgument)
@click.argument("new", type=PathArgument)
@as_json_option
def carry(old: Path, new: Path, as_json: bool) -> None:
    """Continue a stopped venue in a new journal: more instruments, other rules.

    \b
    outcry venue carry venue.toml venue-2.toml
    outcry serve venue-2.toml

    OLD is the file of a venue that was stopped. NEW is the file with which it continues, with
    another journal folder. New instruments, participants and assets come after those that there
    are. Open orders keep their places; money, positions and names that were used stay. Everything
    is checked before anything is written. The old journal is then sealed, and can be read, but no
    longer served."""
    from openoutcry.venue.carry import carry as carry_over
    from openoutcry.venue.file import read_venue

    result = carry_over(
        read_venue(old), read_venue(new), lambda text: None if as_json else click.echo(text)
    )
    if as_json:
        click.echo(json.dumps(result))
        return
    names = ", ".join(result["instruments"]) or "none"
    click.echo(f"new instruments: {names}. Open it with `outcry serve {new}`")
