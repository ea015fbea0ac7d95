"""``outcry venue carry``: a venue continues in a new journal, with its file as it is now."""

import json
import time
from pathlib import Path

import click

from openoutcry.cli.desk import OPERATOR_OPTION, REFERENCE_OPTION, WHY_OPTION, send_to_desk
from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.wire.errors import OutcryError

WAIT_S, LOOK_S = 120.0, 0.1
"""How long a venue may take to open again, and from one look to the next."""


@click.command()
@click.argument("file", type=PathArgument, default=Path("venue.toml"))
@OPERATOR_OPTION
@WHY_OPTION
@REFERENCE_OPTION
@as_json_option
def carry(file: Path, operator: str | None, as_json: bool) -> None:
    """Continue a venue with a changed file.

    \b
    outcry venue carry venue.toml
    outcry venue carry venue.toml --operator anna

    FILE is the venue file as it is to be from now on: more instruments, other rules. New ones come
    after those that there are, also of participants and assets. The journal continues in a new
    folder of the same name. Open orders keep their places; money, positions and names that were
    used stay. The old folder is renamed, and can be read, but no longer served.

    Everything is checked before anything is written. A venue that is open tries it first while it
    trades; then it closes its doors for a few seconds, and sessions continue where they were. With
    operators in the file two supervisors ask for the same."""
    from openoutcry.journal.lock import held
    from openoutcry.venue.carry import carry as carry_over
    from openoutcry.venue.days import read_status
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    if held(venue.journal):
        request = {"do": "carry", "number": venue.number}
        answer = send_to_desk(file, request, operator, as_json)
        if not answer.get("waits"):
            _wait_until_open(venue.journal, venue.number)
            click.echo("the venue is open", err=as_json)
        return
    state = (read_status(venue.journal) or {}).get("state", "stopped")
    if state not in ("stopped", "dead"):
        raise OutcryError(
            f"{venue.journal}: the venue is served, and has no run now: ask once it is open, or "
            "stop it first"
        )
    result = carry_over(venue, lambda text: None if as_json else click.echo(text))
    if as_json:
        click.echo(json.dumps(result))
        return
    names = ", ".join(result["instruments"]) or "none"
    click.echo(f"new instruments: {names}. Open the venue with `outcry serve {file}`")


def _wait_until_open(journal: Path, number: int) -> None:
    """Wait until the venue has opened with the file of this number.  Raises :class:`OutcryError` if
    it continues as before, or does not open."""
    from openoutcry.venue.days import read_status

    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        status = read_status(journal) or {}
        carried = status.get("carried") or {}
        if carried.get("number") == number and "error" in carried:
            raise OutcryError(f"the venue continues as before: {carried['error']}")
        if carried.get("number") == number and status["state"] == "open":
            return
        time.sleep(LOOK_S)
    raise OutcryError(f"{journal}: the venue is not open after {WAIT_S:.0f} s; see its log")
