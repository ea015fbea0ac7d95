"""``outcry venue kill``: kill switches of a running venue."""

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
    """Block a session, participant, group or instrument; cancel.

    The venue rejects new orders of WHAT with this NAME, then cancels its open orders. WHAT `market`
    blocks everything. A killed session is disconnected and cannot log in; its orders are cancelled
    according to its cancel_on_disconnect. The kill outlives restarts and ends with `outcry venue
    resume`.

    \b
    outcry venue kill session ALPHA
    outcry venue kill participant 7
    outcry venue kill group alpha
    outcry venue kill instrument GOLD
    outcry venue kill market
    """
    send_to_desk(file, switch("kill", what, name), operator, as_json)


def switch(do: str, what: str, name: str | None) -> dict[str, Any]:
    """The desk's request; ``do``: kill or its opposite.  Raises :class:`click.UsageError` without a
    name where one is needed."""
    if (what == "market") == (name is not None):
        text = "there is one market: no NAME" if name else f"which {what}? NAME is missing"
        raise click.UsageError(text)
    return {"do": do, "what": what, "name": name}
