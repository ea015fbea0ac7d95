"""What `outcry venue deposit` and `outcry venue withdraw` have in common: one step, or a life cycle
of several."""

from pathlib import Path
from typing import Any

import click

from openoutcry.cli.desk import FILE_OPTION, OPERATOR_OPTION, asks, send_to_desk
from openoutcry.cli.options import (
    AmountCommand,
    AmountType,
    Whole,
    as_json_option,
    portal_database_option,
)

AT_ONCE = "at-once"


class MovedAmount(AmountType):
    """An amount that is more than 0."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the text as it was typed; refuses 0, also ``0.00``."""
        text = super().convert(value, param, ctx)
        if not text.strip("0."):
            self.fail(f"{text!r} moves nothing: the amount must be more than 0", param, ctx)
        return text


AMOUNT = MovedAmount()


class OneStepOrMore(click.Group):
    """``deposit 7 500`` is ``deposit at-once 7 500``."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.context_settings = {**self.context_settings, "ignore_unknown_options": True}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = [AT_ONCE, *args]
        return super().resolve_command(ctx, args)


def one_step(group: click.Group, sign: int, summary: str) -> None:
    """Add the movement in one step; ``sign``: 1 credits the participant, -1 debits it."""

    @group.command(AT_ONCE, cls=AmountCommand, help=summary)
    @click.argument("participant", type=int)
    @click.argument("amount", type=AMOUNT)
    @click.option("--asset", help="The asset [default: the venue's first].")
    @click.option(
        "--purpose",
        default="outside",
        show_default=True,
        type=click.Choice(["outside", "fees", "clearing", "suspense"]),
        help="The other account; fees: fees due by schedule.",
    )
    @asks
    def command(
        participant: int,
        amount: str,
        asset: str | None,
        purpose: str,
        file: Path,
        operator: str | None,
        as_json: bool,
    ) -> None:
        request = {"do": "deposit", "participant": participant, "amount": _signed(sign, amount)}
        request |= {"asset": asset, "purpose": purpose}
        if sign < 0 and purpose == "fees":
            request |= _facts(file, participant, asset or "")
        send_to_desk(file, request, operator, as_json)


def _signed(sign: int, amount: str) -> str:
    """Return the amount with ``-`` before it if it goes out; one that is below 0 as typed keeps its
    own, and is refused."""
    return f"-{amount}" if sign < 0 or amount.startswith("-") else amount


def _facts(file: Path, participant: int, asset: str) -> dict[str, int]:
    """Return what the ledger says of fees that a margin account owes; a wallet owes none."""
    from openoutcry.journal import Journal
    from openoutcry.venue.fee_collection import facts_at_end
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    if (asset and venue.risk.money.wallets) or not Journal.exists(venue.journal):
        return {}
    return facts_at_end(venue.journal, participant, asset)


def first_step(group: click.Group, name: str, do: str, summary: str) -> None:
    """Add the step that begins a life cycle."""

    @group.command(name, cls=AmountCommand, help=summary)
    @click.argument("participant", type=int)
    @click.argument("amount", type=AMOUNT)
    @click.argument("asset")
    @click.option("--decimals", type=Whole(0, 18), help="Refuse unless the asset has this many.")
    @asks
    def command(
        participant: int,
        amount: str,
        asset: str,
        decimals: int | None,
        file: Path,
        operator: str | None,
        as_json: bool,
    ) -> None:
        request = {"do": do, "participant": participant, "amount": amount, "asset": asset}
        send_to_desk(file, request | {"decimals": decimals}, operator, as_json)


def later_step(group: click.Group, name: str, do: str, summary: str) -> None:
    """Add a step of one that has begun."""

    @group.command(name, help=summary)
    @click.argument("movement", metavar="REFERENCE")
    @asks
    def command(movement: str, file: Path, operator: str | None, as_json: bool) -> None:
        send_to_desk(file, {"do": do, "movement": movement}, operator, as_json)


def approval(group: click.Group, name: str, do: str, summary: str) -> None:
    """Add the step in which a person approves: what the portal knows of it is shown first."""

    @group.command(name, help=summary)
    @click.argument("movement", metavar="REFERENCE")
    @portal_database_option
    @asks
    def command(
        movement: str, database: str, file: Path, operator: str | None, as_json: bool
    ) -> None:
        show_portals(file, database, movement)
        send_to_desk(file, {"do": do, "movement": movement}, operator, as_json)


def show_portals(file: Path, database: str, reference: str = "") -> None:
    """Show where the portal's withdrawals go, and what their owners' accounts have changed lately.
    ``reference``: of one; "": all that are not sent."""
    from openoutcry.portal.review import approval_lines
    from openoutcry.venue.file import read_venue

    for line in approval_lines(read_venue(file), database, reference):
        click.echo(line, err=True)


def listing(group: click.Group, kind: str, states: tuple[str, ...]) -> None:
    """Add the list of those under way."""

    @group.command("list", help=f"List {kind}s, the oldest first.")
    @click.option("--state", type=click.Choice(states), help="[default: all that have not ended]")
    @click.option("--participant", type=int, help="Only of this participant.")
    @FILE_OPTION
    @OPERATOR_OPTION
    @as_json_option
    def command(
        state: str | None, participant: int | None, file: Path, operator: str | None, as_json: bool
    ) -> None:
        from openoutcry.venue.movement_desk import listing as asked

        send_to_desk(file, asked(kind, state, participant), operator, as_json)
