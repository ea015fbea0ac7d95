"""``outcry venue``: make a venue file, check it, look at the venue."""

import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.groups import SectionedGroup
from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.cli.sections import VENUE
from openoutcry.report.quantity import duration
from openoutcry.wire.errors import OutcryError

DAYS_SHOWN = 5
file_argument = click.argument("file", type=PathArgument)


class VenueGroup(SectionedGroup):
    """The commands of this file, and those with a separate file."""

    sections = VENUE


@click.group(cls=VenueGroup)
def venue() -> None:
    """Set up, inspect and operate a venue.

    `outcry serve` opens the venue of a file. What acts on a running venue needs its file
    (--venue, default venue.toml).

    \b
    outcry venue init
    outcry venue check venue.toml
    outcry venue password
    outcry venue status venue.toml
    outcry venue sessions venue.toml
    outcry venue halt GOLD
    outcry venue limits set max_qty_lots 500 --participant 7
    outcry venue logs venue.toml --follow
    """


@venue.command()
@click.argument("file", type=PathArgument, default=Path("venue.toml"))
def init(file: Path) -> None:
    """Write a commented example of a venue file.

    The default name is venue.toml. `outcry serve` opens the example unchanged."""
    from openoutcry.venue.example import make_example

    text, passwords = make_example()
    try:
        with file.open("x", encoding="utf-8") as out:
            file.chmod(0o600)  # it is there for secrets as well
            out.write(text)
    except FileExistsError:
        raise OutcryError(f"{file} already exists") from None
    for name, word in passwords.items():
        click.echo(f"session {name}: password {word}")
    if not passwords:
        click.echo("no sessions: their passwords need pip install 'openoutcry[venue]'")
    click.echo(f"{file}: open it with `outcry serve {file}`")


@venue.command()
@file_argument
@as_json_option
def check(file: Path, as_json: bool) -> None:
    """Report every mistake in a venue file, with line and key.

    Without one, symbols of more than eight characters are listed with the code that OUCH, ITCH and
    the journal's records have for them.

    Exit status 1 if there is a mistake."""
    from openoutcry.venue.file import VenueFileError, read_venue
    from openoutcry.wire.symbols import code_of, coded

    try:
        parsed = read_venue(file)
    except VenueFileError as error:
        if as_json:
            click.echo(json.dumps({"mistakes": [m._asdict() for m in error.mistakes]}))
        else:
            click.echo(str(error))
        sys.exit(1)
    if as_json:
        symbols = {one: code_of(one).decode() for one in parsed.symbols}
        warnings = [one._asdict() for one in parsed.warnings]
        click.echo(json.dumps({"mistakes": [], "warnings": warnings, "symbols": symbols}))
        return
    counts = (
        f"{len(parsed.instruments)} instruments",
        f"{len(parsed.participants)} participants",
        f"{sum(session.is_there for session in parsed.sessions.sessions)} sessions",
    )
    click.echo(f"{file}: {parsed.name}: {', '.join(counts)}: no mistake")
    for warning in parsed.warnings:
        click.echo(f"{file}: {warning}; served as before, because the journal exists")
    for code, symbol in coded(parsed.symbols).items():
        click.echo(f"{symbol}: {code} in OUCH, ITCH and records")


@venue.command()
@click.option("--generate", is_flag=True, help="Generate a random password and print it.")
def password(generate: bool) -> None:
    """Hash a session's password for the venue file.

    The command prompts for the password without showing it, or reads one line if standard input is
    not a terminal. It prints the argon2 hash for `password` in the venue file.
    """
    from openoutcry.order_entry.passwords import make_password, password_hasher, soupbin_fault

    hasher = password_hasher()
    if generate:
        word = make_password()
        click.echo(f"password: {word}", err=True)
    elif sys.stdin.isatty():
        word = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        word = sys.stdin.readline().rstrip("\n")
    if not word:
        raise OutcryError("a password must not be empty")
    if fault := soupbin_fault(word):
        click.echo(f"outcry: for FIX alone: the password {fault}", err=True)
    click.echo(hasher.hash(word))


@venue.command()
def key() -> None:
    """Generate a key for a session of order packets.

    It goes into `key` of the venue file and to the session's client."""
    click.echo(secrets.token_hex(32))


@venue.command()
@click.argument("operator", default="operator")
def totp(operator: str) -> None:
    """Generate the secret of an operator's one-time codes.

    Standard output gets the value for `totp` in the venue file, standard error the URI for the
    operator's authenticator.
    """
    from importlib.util import find_spec

    if find_spec("pyotp") is None:
        raise OutcryError("one-time codes need pyotp: pip install 'openoutcry[venue]'")
    import pyotp

    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=operator, issuer_name="Open Outcry")
    click.echo(uri, err=True)
    click.echo(secret)


@venue.command()
@file_argument
@as_json_option
def actions(file: Path, as_json: bool) -> None:
    """List the operators' requests, with time and reason.

    Exit status 1 if a line of the record was changed."""
    from openoutcry.venue.desk_record import desk_record
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.operations import words_of

    journal = read_venue(file).journal
    if not journal.exists():
        raise OutcryError(f"{file}: this venue was never opened")
    rows = desk_record(journal)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        why = f": {row['why']}" if row["why"] else ""
        who = row["operator"] or "the account"
        click.echo(
            f"{row['at']} {who}: {words_of(row['asked'])}{why} (after command {row['after_seq']:,})"
        )


def switched_off(risk: dict[str, Any], money: Callable[[int, str], str]) -> list[str]:
    """Return the kills and halts in a status, a line each; ``money``: units of an asset as text."""
    lines = ["the market is killed"] if risk.get("market_killed") else []
    if step := risk.get("emergency_step"):
        lines.append(f"emergency close: step {step} of 6 is done")
    for what, names in (("group", "groups_killed"), ("participant", "killed")):
        lines += [f"{what} {name} is killed" for name in risk.get(names, [])]
    lines += [
        f"participant {who} is {money(amount, asset)} short because a deposit was reversed"
        for who, asset, amount in risk.get("shortfalls", [])
    ]
    lines += [f"participant {who} is liquidated" for who in risk.get("liquidated", [])]
    if level := risk.get("breaker_level"):
        lines.append(f"the breaker has fired: level {level}")
    lines += [f"{symbol}: {state}" for symbol, state in risk.get("protection", {}).items()]
    lines += [f"{symbol} is {state}" for symbol, state in risk.get("states", {}).items()]
    return lines + [f"{symbol} is halted" for symbol in risk.get("halted", [])]


def session_cells(row: dict[str, Any]) -> str:
    """Return a session's state in a line."""
    words = [word for word in ("killed", "locked", "connected") if row.get(word)]
    counts = (
        "connections",
        "messages",
        "refused",
        "throttled",
        "duplicates",
        "faults",
        "slow",
        "open_orders",
    )
    parts = [f"{row[name]:,} {name.replace('_', ' ')}" for name in counts if row.get(name)]
    logins = [f"{count:,} {why}" for why, count in row["refused_logins"].items()]
    parts += [f"logins refused: {', '.join(logins)}"] if logins else []
    parts += [f"last end: {row['ended']}"] if row.get("ended") else []
    who = row["name"] or "(no session)"
    return f"{who:<8} {row.get('protocol', ''):<13} {' '.join(words)}: {'; '.join(parts)}".rstrip(
        ": "
    )


@venue.command()
@file_argument
@as_json_option
def sessions(file: Path, as_json: bool) -> None:
    """List the sessions: connected, disabled, locked out."""
    from openoutcry.venue.days import read_status
    from openoutcry.venue.file import read_venue

    document = read_status(read_venue(file).journal)
    if document is None or document["state"] != "open":
        raise OutcryError(f"{file}: this venue is not open")
    if as_json:
        click.echo(json.dumps(document["sessions"]))
        return
    for row in document["sessions"]:
        click.echo(session_cells(row))


@venue.command()
@file_argument
@as_json_option
def status(file: Path, as_json: bool) -> None:
    """Show whether the venue is open, and its phases."""
    from openoutcry.venue.days import finished_days, read_status
    from openoutcry.venue.file import read_venue

    venue_file = read_venue(file)
    journal = venue_file.journal
    document = read_status(journal)
    if document is None:
        raise OutcryError(f"{file}: this venue was never opened")
    document["days"] = finished_days(journal)[-DAYS_SHOWN:]
    if as_json:
        click.echo(json.dumps(document))
        return
    click.echo(f"{document['venue']}: {document['state']} at {document['time']}")
    for symbol, phase in document["phases"].items():
        click.echo(f"{symbol:<8} {phase}")
    for line in switched_off(document.get("risk", {}), venue_file.risk.money.text):
        click.echo(line)
    for row in document.get("sessions", []):
        for word in ("killed", "locked"):
            if row.get(word):
                click.echo(f"session {row['name']} is {word}{' out' * (word == 'locked')}")
    if document["next"]:
        click.echo(f"next: {document['next']['phase']} at {document['next']['at']}")
    for day in document["days"]:
        click.echo(
            f"{day['day']}: ended after command {day['last_seq']:,}, "
            f"{day['open_orders']:,} orders stayed open"
        )


@venue.command()
@file_argument
@as_json_option
def fairness(file: Path, as_json: bool) -> None:
    """Show when events become visible, by door; check a speed bump.

    The first is of a venue that is open: how long events take from their release until they are
    with the sockets or the shared memory of each door. The second is worked out from the journal.
    Exit status 1 if a command entered out of turn.
    """
    from openoutcry.journal import Journal
    from openoutcry.venue.fairness import doors
    from openoutcry.venue.fairness import fairness as audit
    from openoutcry.venue.file import read_venue

    venue_file = read_venue(file)
    if not Journal.exists(venue_file.journal):
        raise OutcryError(f"{file}: this venue was never opened")
    rows = doors(venue_file.journal)
    result = audit(venue_file.journal) if venue_file.delayed else {}
    if not rows and not result:
        raise OutcryError(
            f"{file}: the venue is not open, and has no speed bump ([venue] speed_bump_us)"
        )
    if as_json:
        click.echo(json.dumps(result | {"doors": rows}))
    else:
        for line in door_lines(rows):
            click.echo(line)
        for fault in result.get("faults", ()):
            click.echo(f"command {fault['seq']} {fault['what']}")
        if result:
            click.echo(
                f"{result['commands']:,} commands of participants, {result['delayed']:,} of "
                f"them delayed, {result['out_of_turn']:,} out of turn"
            )
    if result and result["out_of_turn"]:
        sys.exit(1)


def door_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The doors' distributions as a table."""
    if not rows:
        return []
    lines = [f"{'door':<16} {'from -> to':<28} {'events':>12} {'p50':>9} {'p99':>9} {'max':>9}"]
    for row in rows:
        times = " ".join(f"{duration(row[name]):>9}" for name in ("p50", "p99", "max"))
        lines.append(f"{row['name']:<16} {row['span']:<28} {row['count']:>12,} {times}")
    return lines
