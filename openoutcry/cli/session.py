"""``outcry venue session``: sessions of a running venue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import asks, send_to_desk
from openoutcry.cli.options import Secret, read_secret

OPTIONS = (
    click.option(
        "--network",
        "networks",
        multiple=True,
        help='Address or network that may log in; "none": any. Repeatable.',
    ),
    click.option(
        "--cancel-on-disconnect",
        help="Orders to cancel when the connection is lost: none, day or all.",
    ),
    click.option("--grace-ms", type=int, help="How long orders are kept after a lost connection."),
    click.option("--messages-per-s", type=int, help="Messages a second; 0: no limit."),
    click.option("--burst", type=int, help="Largest burst, in messages."),
    click.option("--over-limit", help="reject or queue: messages beyond the limit."),
    click.option("--max-open-orders", type=int, help="Open orders; 0: as many as the book holds."),
    click.option("--self-trade", help="Mode of orders whose message names none."),
    click.option("--heartbeat-ms", type=int, help="The venue sends something at least this often."),
    click.option(
        "--timeout-ms", type=int, help="A client that is silent for this long is disconnected."
    ),
    click.option("--second-login", help="refuse or take-over."),
    click.option("--queue-bytes", type=int, help="How far a reader may fall behind."),
    click.option("--order-types", help='Order types that it may enter, between commas; or "all".'),
    click.option("--times-in-force", help='Times in force, between commas; or "all".'),
    click.option("--lists/--no-lists", default=None, help="Whether it may enter lists of orders."),
    click.option("--quotes/--no-quotes", default=None, help="Whether it may enter quotes."),
    click.option("--password-hash", type=Secret(), help="Made by `outcry venue password`."),
)


def _terms(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def _asked(**terms: Any) -> dict[str, Any]:
    """The terms that are given, as the desk takes them."""
    networks = terms.pop("networks")
    given = {key: value for key, value in terms.items() if value is not None}
    return given | ({"networks": ",".join(networks)} if networks else {})


def _hashed(terms: dict[str, Any]) -> None:
    """Ask for the password unless its hash is given; only the hash leaves this process, with why
    no login over SoupBinTCP can carry the password."""
    from openoutcry.order_entry.passwords import password_hasher, soupbin_fault
    from openoutcry.wire.errors import OutcryError

    if terms["password_hash"] is None:
        word = read_secret("password of the session")
        if not word:
            raise OutcryError("a password needs at least one character")
        terms["password_hash"] = password_hasher().hash(word)
        terms["password_fault"] = soupbin_fault(word) or None


@click.group()
def session() -> None:
    """Add, change or remove a session.

    The venue trades meanwhile.

    \b
    outcry venue session add NEW01 --protocol ouch-5.0 --participant 7
    outcry venue session change NEW01 --new-password
    outcry venue session change NEW01 --network 192.0.2.0/24
    outcry venue session remove NEW01
    """


@session.command()
@click.argument("name")
@click.option("--protocol", required=True, help="ouch-4.2, ouch-5.0, fix-4.2 or fix-4.4.")
@click.option("--participant", type=int, required=True, help="Participant whose orders it enters.")
@click.option("--target", help="FIX: the venue's CompID in it.")
@_terms
@asks
def add(
    name: str,
    protocol: str,
    participant: int,
    target: str | None,
    file: Path,
    operator: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Add the session NAME in a free slot of the venue file.

    The command reads the session's password (without a terminal: a line of standard input, before
    the operator's), unless --password-hash has its hash."""
    _hashed(terms)
    request = {
        "do": "session-add",
        "name": name,
        "protocol": protocol,
        "participant": participant,
        "target": target,
        **_asked(**terms),
    }
    send_to_desk(file, request, operator, as_json)


@session.command()
@click.argument("name")
@click.option("--new-password", is_flag=True, help="Read a new password, as `add` does.")
@_terms
@asks
def change(
    name: str,
    new_password: bool,
    file: Path,
    operator: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Change password, networks or limits of the session NAME.

    A session of the venue file keeps the change until its row in the file changes."""
    if new_password:
        _hashed(terms)
    request = {"do": "session-change", "name": name, **_asked(**terms)}
    send_to_desk(file, request, operator, as_json)


@session.command()
@click.argument("name")
@asks
def remove(name: str, file: Path, operator: str | None, as_json: bool) -> None:
    """Remove the session NAME: its connection ends, and it takes no login.

    Its open orders follow its policy of lost connections."""
    send_to_desk(file, {"do": "session-remove", "name": name}, operator, as_json)
