"""What the options of several subcommands share: types of values, and rules between them."""

import sys
from pathlib import Path
from typing import Any

import click

from openoutcry.wire.decimals import amount_of, whole_units
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.private_file import require_private

MAX_COUNT = 10**12
"""More commands than any disk holds; every number made of it still fits 64 bits."""
MOST_DECIMALS = 30
"""Of an asset."""


class Whole(click.IntRange):
    """A whole number within bounds, which are part of each refusal."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            int(value)
        except (TypeError, ValueError):
            ends = "<=".join(str(end) for end in (self.min, "x", self.max) if end is not None)
            self.fail(f"{value!r} is not a valid integer ({ends}).", param, ctx)
        return super().convert(value, param, ctx)


Count = Whole(1, MAX_COUNT)
CountOrNone = Whole(0, MAX_COUNT)
PathArgument = click.Path(path_type=Path)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)


class AmountType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An amount of an asset as decimal text; with ``--units`` whole units.

    The asset, which is known later, says how many decimals there may be."""

    name = "amount"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the text as it was typed."""
        return str(value)


Amount = AmountType()
UNITS = "openoutcry.units"


def _keep_units(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.meta[UNITS] = value


UNITS_OPTION = click.option(
    "--units",
    is_flag=True,
    expose_value=False,
    callback=_keep_units,
    help="Amounts are in whole units of the asset, not decimal.",
)


class AmountCommand(click.Command):
    """A command that takes an amount: it has ``--units``, and a negative amount is no option."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.context_settings = {**self.context_settings, "ignore_unknown_options": True}
        UNITS_OPTION(self)


def units_typed(text: str, asset: str, decimals: int) -> int:
    """Return an amount that the present command was given, in units.

    Raises :class:`AmountError` with the asset and its decimals."""
    return whole_units(text) if counts_units() else amount_of(text, asset, decimals)


def counts_units() -> bool:
    """Return whether the present command was given ``--units``."""
    return bool(click.get_current_context().meta.get(UNITS))


def scales_of(texts: tuple[str, ...]) -> dict[str, int]:
    """Return decimals by asset from texts like ``USD=2``.  Raises UsageError."""
    named: dict[str, int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name in named:
            raise click.UsageError(f"--decimals {text}: {name} is named twice")
        if not (name and value.isascii() and value.isdigit() and int(value) <= MOST_DECIMALS):
            raise click.UsageError(f"--decimals {text}: is not ASSET=0 to ASSET={MOST_DECIMALS}")
        named[name] = int(value)
    return named


def seed_option(what: str) -> Any:
    """Decorator: ``--seed``, a 63-bit number, 1 by default; ``what``: its help."""
    return click.option(
        "--seed",
        type=Whole(0, 2**63 - 1),
        default=1,
        show_default=True,
        help=what,
    )


def read_secret(what: str) -> str:
    """A line from the terminal without an echo, or the next of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")


class Secret(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A password, or a URL that may hold one: the value, ``file:PATH`` or ``-``.

    The file is its owner's alone, and its first line is the value; ``-`` asks at the terminal, or
    reads a line of standard input.  ``openoutcry.early`` hides a value among the arguments.
    """

    name = "secret"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        text = str(value)
        if text == "-":
            return read_secret(param.name if param is not None else self.name)
        if not text.startswith("file:"):
            return text
        path = Path(text.removeprefix("file:"))
        try:
            require_private(path)
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError, OutcryError) as error:
            self.fail(str(error), param, ctx)
        if not lines or not lines[0]:
            self.fail(f"{path}: its first line is empty", param, ctx)
        return lines[0]


portal_database_option = click.option(
    "--portal-database",
    "database",
    default="",
    metavar="URL",
    type=Secret(),
    help="The portal's PostgreSQL (default: the one next to the journal).",
)


class Endpoint(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """HOST:PORT."""

    name = "host:port"
    first = 1

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if (
            not host
            or not port.isascii()
            or not port.isdigit()
            or not self.first <= int(port) < 65536
        ):
            self.fail(
                f"{value!r} is not HOST:PORT with a port from {self.first} to 65535", param, ctx
            )
        return host, int(port)


class Listening(Endpoint):
    """HOST:PORT to listen on; port 0 means any free port."""

    first = 0


class Rate(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Commands a second, or ``max`` (0)."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        text = str(value)
        if text == "max":
            return 0
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000_000:
            self.fail(
                f"{value!r} is neither `max` nor 1 to 1000000000 commands a second", param, ctx
            )
        return int(text)


class OpenOrders(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number of orders, or ``max`` (0)."""

    name = "orders"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        text = str(value)
        if text == "max":
            return 0
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAX_COUNT:
            self.fail(f"{value!r} is neither `max` nor 1 to {MAX_COUNT} orders", param, ctx)
        return int(text)


def exactly_one(**options: Any) -> None:
    """Raise UsageError if more than one of these options is given."""
    names = ["--" + name for name, value in options.items() if value is not None]
    if len(names) > 1:
        raise click.UsageError(f"one source at a time: {' and '.join(names)} are given")


SMTP_TLS_OPTION = click.option(
    "--smtp-tls",
    type=click.Choice(["never", "starttls", "always"]),
    default="never",
    show_default=True,
    help="TLS to the mail server; always: from the first byte (port 465).",
)
SMTP_CA_OPTION = click.option(
    "--smtp-ca",
    type=PathArgument,
    help="Trust these certificates of the mail server, PEM [the system's].",
)


def journal_feed_options(command: Any) -> Any:
    """Add the options of a command that writes the public feed of a journal."""
    options = (
        click.option(
            "--decimals",
            type=Whole(0, 4),
            default=4,
            show_default=True,
            help="Decimals of a tick, for every instrument.",
        ),
        click.option(
            "--venue",
            type=PathArgument,
            help="Take each instrument's decimals from this venue file.",
        ),
        click.option(
            "--session",
            type=Whole(min=1),
            help="Write only this session of the journal, from 1 (default: all, in turn).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
