"""``outcry kill``: kill switches of a running venue."""

from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import asks, send_to_desk

WHAT = ("session", "participant", "group", "instrument", "market")


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("name", required=False)
@asks
def kill(what: str, name: str | None, file: Path, operator: str | None, as_json: bool) -> None:
    """Stop a session, participant, group, instrument or the market; cancel what is open.

    Nothing new is taken of WHAT (NAME of it), then its open orders are cancelled; a session's as
    its cancel_on_disconnect says, and nobody logs in to it.

    It stays so, over restarts too, until `outcry resume` of the same.

    \b
    outcry kill session ALPHA
    outcry kill participant 7
    outcry kill group alpha
    outcry kill instrument GOLD
    outcry kill market
    """
    send_to_desk(file, switch("kill", what, name), operator, as_json)


def switch(do: str, what: str, name: str | None) -> dict[str, Any]:
    if (what == "market") == (name is not None):
        text = "there is one market: no NAME" if name else f"which {what}? NAME is missing"
        raise click.UsageError(text)
    return {"do": do, "what": what, "name": name}
