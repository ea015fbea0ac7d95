"""``outcry venue carry``: a stopped venue continues in a new journal."""

import json
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, as_json_option


@click.command()
@click.argument("file", type=PathArgument)
@as_json_option
def carry(file: Path, as_json: bool) -> None:
    """Continue a stopped venue with a changed file.

    \b
    outcry venue carry venue.toml
    outcry serve venue.toml

    FILE is the venue file as it is to be from now on: more instruments, other rules. New ones come
    after those that there are, also of participants and assets. The journal continues in a new
    folder of the same name. Open orders keep their places; money, positions and names that were
    used stay. Everything is checked before anything is written. The old folder is renamed, and can
    be read, but no longer served."""
    from openoutcry.venue.carry import carry as carry_over
    from openoutcry.venue.file import read_venue

    result = carry_over(read_venue(file), lambda text: None if as_json else click.echo(text))
    if as_json:
        click.echo(json.dumps(result))
        return
    names = ", ".join(result["instruments"]) or "none"
    click.echo(f"new instruments: {names}. Open the venue with `outcry serve {file}`")
