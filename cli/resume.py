"""``outcry resume``: what was halted or killed trades again."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk
from openoutcry.cli.kill import WHAT, switch


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("name", required=False)
@asks
def resume(what: str, name: str | None, file: Path, operator: str | None, as_json: bool) -> None:
    """Let trade again what was halted or killed; the whole market takes two operators.

    An instrument opens by an auction if it would trade continuously now. The market opens when two
    operators of the venue file have asked for it, each with a name and a password.

    \b
    outcry resume instrument GOLD
    outcry resume participant 7
    outcry resume session ALPHA
    outcry resume market --operator anna
    """
    send_to_desk(file, switch("enable", what, name), operator, as_json)
