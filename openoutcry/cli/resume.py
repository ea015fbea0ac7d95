"""``outcry venue resume``: what was halted or killed trades again."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk
from openoutcry.cli.kill import WHAT, switch


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("name", required=False)
@asks
def resume(what: str, name: str | None, file: Path, operator: str | None, as_json: bool) -> None:
    """Resume what was halted or killed.

    An instrument that would trade continuously now opens with an auction. The market resumes after
    two operators of the venue file have requested it, each with a name and a password.

    \b
    outcry venue resume instrument GOLD
    outcry venue resume participant 7
    outcry venue resume session ALPHA
    outcry venue resume market --operator anna
    """
    send_to_desk(file, switch("enable", what, name), operator, as_json)
