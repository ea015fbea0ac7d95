"""``outcry venue limits``: show limits, and set one."""

import json
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, asks, send_to_desk, show_history
from openoutcry.cli.options import AmountCommand, Whole, as_json_option
from openoutcry.wire.errors import OutcryError


@click.group()
def limits() -> None:
    """Show or set limits of participants and instruments.

    \b
    outcry venue limits show --participant 7
    outcry venue limits set max_qty_lots 500 --participant 7 --instrument GOLD
    outcry venue limits history
    """


@limits.command()
@click.option("--days", type=Whole(1, 366), default=20, show_default=True, help="Days that count.")
@asks
def adv(days: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Set every instrument's adv_lots from the venue's finished days."""
    from openoutcry.ledger.volumes import traded_lots
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.rolled import by_count, text_of

    venue = read_venue(file)
    window = by_count(venue.journal, days)
    lots = traded_lots(venue.journal, window.after_seq, window.until_seq)
    volumes = {symbol: total // window.days for symbol, total in lots.items()}
    request = {"do": "adv-roll", "volumes": text_of(volumes), "days": str(window)}
    send_to_desk(file, request, operator, as_json)


@limits.command("set", cls=AmountCommand)
@click.argument("limit")
@click.argument("value")
@click.option("--participant", type=int, help="Participant of the limit.")
@click.option("--group", help="Group of the limit.")
@click.option("--instrument", help="Instrument of the limit.")
@click.option("--burst", type=int, help="With orders_per_s: orders that may arrive at once.")
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
    """Set LIMIT to VALUE in the running venue; "none" removes it.

    Names are those of the venue file; amounts are decimal, as 5000.00. A change outlives restarts
    until the limits in the file change.
    """
    from openoutcry.venue.amounts import LIMITS

    request = {
        "do": "set",
        "limit": limit,
        "value": value if limit in LIMITS else _value(value),
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
@click.option("--participant", type=int, help="Show only this participant.")
@click.option("--instrument", help="Show only this instrument.")
@FILE_OPTION
@as_json_option
def show(participant: int | None, instrument: str | None, file: Path, as_json: bool) -> None:
    """List limits, positions, kills and halts, from the journal.

    The venue may be closed."""
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.limits_in_force import limits_in_force

    rows = limits_in_force(read_venue(file), participant, instrument)
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        raise OutcryError(f"{file}: no limit is set, nothing is held, nothing is switched off")
    for row in rows:
        click.echo(f"{row['of']:<24} {row['what']:<22} {row.get('text', row['value'])}")


@limits.command()
@FILE_OPTION
@as_json_option
def history(file: Path, as_json: bool) -> None:
    """List kills, halts, liquidations and resumptions.

    Each has its time and operator, from the journal."""
    from openoutcry.venue.history import switch_history

    show_history(file, switch_history, "nothing was killed or halted", as_json)
