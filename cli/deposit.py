"""``outcry venue deposit``: money comes into a running venue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import asks, send_to_desk
from openoutcry.cli.options import Count


def money_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a deposit and a withdrawal are told by."""
    for option in (
        click.option(
            "--purpose",
            default="outside",
            show_default=True,
            type=click.Choice(["outside", "fees", "clearing", "suspense"]),
            help="The other account; fees: fees due by schedule.",
        ),
        click.option("--asset", help="The asset [default: the venue's first]."),
        click.argument("amount", type=Count),
        click.argument("participant", type=int),
    ):
        function = option(function)
    return function


@click.command()
@money_options
@asks
def deposit(
    participant: int,
    amount: int,
    asset: str | None,
    purpose: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Credit an amount to a participant.

    AMOUNT is in whole units of the asset. The venue sequences and journals it.

    \b
    outcry venue deposit 7 500000 --asset USD --why "wire 4711" --operator anna
    """
    move(participant, amount, asset, purpose, file, operator, as_json)


def move(
    participant: int,
    amount: int,
    asset: str | None,
    purpose: str,
    file: Path,
    operator: str | None,
    as_json: bool,
) -> None:
    """Ask the desk; negative: a withdrawal."""
    request = {
        "do": "deposit",
        "participant": participant,
        "amount": amount,
        "asset": asset,
        "purpose": purpose,
    }
    send_to_desk(file, request, operator, as_json)
