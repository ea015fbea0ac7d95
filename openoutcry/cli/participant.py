"""``outcry venue participant``: participants of a running venue."""

from pathlib import Path

import click

from openoutcry.cli.desk import asks, send_to_desk


@click.group()
def participant() -> None:
    """Add, suspend, resume or close a participant.

    \b
    outcry venue participant add 4711 --name ACME --group alpha
    outcry venue participant suspend 4711
    outcry venue participant resume 4711
    outcry venue participant close 4711
    """


@participant.command()
@click.argument("number", type=int)
@click.option("--to", "last", type=int, help="Add every number from NUMBER to this one.")
@click.option("--name", help="Up to 8 characters.")
@click.option("--group", help="A group of the venue file.")
@asks
def add(
    number: int,
    last: int | None,
    name: str | None,
    group: str | None,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Add the participant NUMBER, or several.

    The participant outlives restarts. A number can be used only once."""
    request = {
        "do": "participant-add",
        "participant": number,
        "last": last,
        "name": name,
        "group": group,
    }
    send_to_desk(file, request, operator, as_json)


@participant.command()
@click.argument("number", type=int)
@click.option("--keep-orders", is_flag=True, help="Leave its open orders in the book.")
@asks
def suspend(
    number: int, keep_orders: bool, file: Path, operator: str | None, as_json: bool
) -> None:
    """Reject the orders of participant NUMBER, and cancel its open ones.

    It may still cancel. The suspension outlives restarts."""
    request = {
        "do": "participant-suspend",
        "participant": number,
        "keep_orders": keep_orders or None,
    }
    send_to_desk(file, request, operator, as_json)


@participant.command()
@click.argument("number", type=int)
@asks
def resume(number: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Accept orders of the suspended participant NUMBER again."""
    request = {"do": "participant-resume", "participant": number}
    send_to_desk(file, request, operator, as_json)


@participant.command()
@click.argument("number", type=int)
@asks
def close(number: int, file: Path, operator: str | None, as_json: bool) -> None:
    """Close the suspended participant NUMBER for good.

    It must have no money, no positions and no open orders."""
    request = {"do": "participant-close", "participant": number}
    send_to_desk(file, request, operator, as_json)
