"""What the subcommands that ask a running venue's desk have in common."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import PathArgument, as_json_option, counts_units, read_secret
from openoutcry.wire.errors import OutcryError

FILE_OPTION = click.option(
    "--venue",
    "file",
    type=PathArgument,
    default=Path("venue.toml"),
    show_default=True,
    help="The venue file.",
)
OPERATOR_OPTION = click.option(
    "--operator",
    help="An operator of the file; the command prompts for the password, or reads it from a pipe.",
)
WHY = "openoutcry.why"


def _keep_why(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[WHY] = value


WHY_OPTION = click.option(
    "--why",
    expose_value=False,
    callback=_keep_why,
    help="The reason; recorded next to the journal.",
)


REFERENCE = "openoutcry.reference"


def _keep_reference(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[REFERENCE] = value


REFERENCE_OPTION = click.option(
    "--reference",
    expose_value=False,
    callback=_keep_reference,
    help="1 to 32 characters of your choice: a request that is repeated with the same reference is "
    "done once.  [default: a new one, which is printed]",
)


def asks(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every such subcommand."""
    return FILE_OPTION(OPERATOR_OPTION(WHY_OPTION(REFERENCE_OPTION(as_json_option(function)))))


def send_to_desk(
    file: Path, request: dict[str, Any], operator: str | None, as_json: bool
) -> dict[str, Any]:
    """Ask, and show what was done; returns the answer.  Errors of the desk end with exit status
    1."""
    from openoutcry.venue.amounts import in_units
    from openoutcry.venue.desk import ask
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.movement_desk import LISTING
    from openoutcry.venue.requests import new_reference

    venue = read_venue(file)
    money = venue.risk.money
    in_file = in_units(request, money, None if counts_units() else money.assets)
    if counts_units():
        request = in_file
    reference = click.get_current_context().meta.get(REFERENCE)
    is_only_asked = request["do"] == LISTING
    if "reference" in request:
        reference = request["reference"]
    elif not is_only_asked:
        request = request | {"reference": reference or new_reference()}
    if why := click.get_current_context().meta.get(WHY):
        request = request | {"why": why}
    if operator:
        request = request | {
            "operator": operator,
            "password": read_secret(f"password of {operator}"),
        }
        if any(one.totp for one in venue.risk.operators if one.name == operator):
            request["code"] = read_secret(f"one-time code of {operator}")
    if not reference and not is_only_asked:
        # Before the venue is asked: a caller without an answer can ask again with it.
        click.echo(f"reference {request['reference']}", err=True)
    answer = ask(venue.journal, request)
    if as_json:
        click.echo(json.dumps(answer))
        return answer
    for line in answer["done"]:
        click.echo(line)
    for row in answer.get("movements", ()):
        click.echo(
            f"{row['reference']}: participant {row['participant']}, {row['text']}, "
            f"{row['state']} since {row['changed']}"
        )
    if "state" in answer:
        click.echo(f"the venue's state is in {answer['state']}")
    if "dump" in answer and Path(answer["dump"]).exists():
        click.echo(f"everything is in {answer['dump']}: `outcry venue dump show` reads it")
    return answer


def reference_or_new() -> str:
    """The reference of the command's option, or a new one, which is printed: for commands that send
    several requests and make the reference of each from it."""
    from openoutcry.venue.requests import new_reference

    reference = click.get_current_context().meta.get(REFERENCE)
    if reference is None:
        reference = new_reference()
        click.echo(f"reference {reference}", err=True)
    return str(reference)


def show_history(
    file: Path,
    history: Callable[[Path, Any], list[dict[str, Any]]],
    nothing: str,
    as_json: bool,
) -> None:
    """Print a line for each row that ``history(journal, risk)`` finds in the venue's journal:
    ``what`` (``did``), by which operator, by which command.  Print ``nothing`` if it finds no row.

    Raises :class:`OutcryError` if the venue was never opened."""
    from openoutcry.journal import Journal
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    if not Journal.exists(venue.journal):
        raise OutcryError(f"{venue.journal}: this venue was never opened")
    rows = history(venue.journal, venue.risk)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        did = f": {row['did']}" if "did" in row else ""
        by = f" by {row['operator']}" if row["operator"] else ""
        click.echo(f"{row['at']} {row['what']}{did}{by} (command {row['seq']:,})")
    if not rows:
        click.echo(nothing)
