"""What the options of several subcommands share: types of values, and rules between them."""

import ctypes
from pathlib import Path
from typing import Any

import click

from openoutcry.wire.urls import password_of

ARGUMENTS_BEGIN, ARGUMENTS_END = 47, 48
"""Fields of /proc/PID/stat, from 0 (proc_pid_stat(5))."""


def hide_argument(secret: str) -> None:
    """Overwrite each occurrence of the secret in this process's arguments with ``x``.

    From here on ``ps`` and /proc/PID/cmdline do not show it; before, they did.  The arguments of
    its parent (a shell's ``-c``, ``sudo``) stay as they are.
    """
    secret_bytes = secret.encode(errors="surrogateescape")
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = (int(fields[field - 2]) for field in (ARGUMENTS_BEGIN, ARGUMENTS_END))
    if not secret_bytes or not 0 < begin < end:
        return
    arguments = ctypes.string_at(begin, end - begin)
    at = arguments.find(secret_bytes)
    while at >= 0:
        ctypes.memset(begin + at, ord("x"), len(secret_bytes))
        at = arguments.find(secret_bytes, at + len(secret_bytes))


MAX_COUNT = 10**12
"""More commands than any disk holds; every number made of it still fits 64 bits."""
Count = click.IntRange(1, MAX_COUNT)
CountOrNone = click.IntRange(0, MAX_COUNT)
PathArgument = click.Path(path_type=Path)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)


def seed_option(what: str) -> Any:
    """Decorator: ``--seed``, a 63-bit number, 1 by default; ``what``: its help."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=1,
        show_default=True,
        help=what,
    )


def concealed(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Callback of an option that is a secret: other users shall not read it in the process list."""
    if value:
        hide_argument(value)
    return value


def concealed_password(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """The same of a URL that may hold a password."""
    if value:
        hide_argument(password_of(value))
    return value


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
