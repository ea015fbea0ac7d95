"""``outcry limits``: what limits stand, and another one."""

import json
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, asks, send_to_desk, show_history
from openoutcry.cli.options import as_json_option
from openoutcry.wire.errors import OutcryError


@click.group()
def limits() -> None:
    """Show or set the limits of a venue's participants and instruments.

    \b
    outcry limits show --participant 7
    outcry limits set max_qty_lots 500 --participant 7 --instrument GOLD
    outcry limits history
    """


@limits.command("set")
@click.argument("limit")
@click.argument("value")
@click.option("--participant", type=int)
@click.option("--group")
@click.option("--instrument")
@click.option("--burst", type=int, help="Of orders_per_s: how many may come at once.")
@asks
def set_limit(
    limit: str,
    value: str,
    participant: int | None,
    group: str | None,
    instrument: str | None,
    burst: int | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Set LIMIT to VALUE ("none": no limit) in the running venue.

    Names are those of the venue file, and `deposit`, which is `outcry deposit`. It outlives a
    restart as long as the limits in the file stay as they are.
    """
    request = {
        "do": "set",
        "limit": limit,
        "value": _value(value),
        "participant": participant,
        "group": group,
        "instrument": instrument,
        "burst": burst,
    }
    send_to_desk(file, request, operator, as_json)


def _value(text: str) -> Any:
    """A whole number, true, false, or a text."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return text


@limits.command()
@click.option("--participant", type=int, help="Only this one's.")
@click.option("--instrument", help="Only in this one.")
@FILE_OPTION
@as_json_option
def show(participant: int | None, instrument: str | None, file: Path, as_json: bool) -> None:
    """What limits, positions and switches stand, by the journal: also of a venue that is closed."""
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.standing import standing

    rows = standing(read_venue(file), participant, instrument)
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        raise OutcryError(f"{file}: no limit is set, nothing is held, nothing is switched off")
    for row in rows:
        click.echo(f"{row['of']:<24} {row['what']:<22} {row['value']}")


@limits.command()
@FILE_OPTION
@as_json_option
def history(file: Path, as_json: bool) -> None:
    """What was killed, halted, closed out and let trade again, when and by whom, by the journal."""
    from openoutcry.venue.history import switch_history

    show_history(file, switch_history, "nothing was killed or halted", as_json)
