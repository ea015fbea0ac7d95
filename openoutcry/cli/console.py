"""``outcry venue console``: the page from which a venue is run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from openoutcry.cli.options import Listening, PathArgument, portal_database_option
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.peers import is_loopback

if TYPE_CHECKING:
    from openoutcry.venue.file import VenueFile


Command = TypeVar("Command", bound=Callable[..., None])


def of_a_page(address: str) -> Callable[[Command], Command]:
    """The arguments of a command that serves a page of a venue, by itself at ``address``."""
    arguments = (
        click.argument("file", type=PathArgument, default=Path("venue.toml")),
        click.option(
            "--listen",
            "--address",
            "address",
            type=Listening(),
            default=address,
            show_default=True,
            help="Serve the page at this address.",
        ),
        click.option(
            "--certificate",
            type=PathArgument,
            help="Certificate for TLS, PEM [default: the one of the venue's ports].",
        ),
        click.option("--key", type=PathArgument, help="Private key of the certificate (PEM)."),
        click.option(
            "--name",
            "names",
            multiple=True,
            help="Another host name under which browsers open the page. Repeatable.",
        ),
    )

    def with_arguments(command: Command) -> Command:
        for argument in reversed(arguments):
            command = argument(command)
        return command

    return with_arguments


@click.command()
@of_a_page("127.0.0.1:9470")
@click.option(
    "--standby",
    "standbys",
    type=PathArgument,
    multiple=True,
    metavar="DIR",
    help="Show the state of the standby with this journal. Repeatable.",
)
@portal_database_option
def console(
    file: Path,
    address: tuple[str, int],
    certificate: Path | None,
    key: Path | None,
    names: tuple[str, ...],
    standbys: tuple[Path, ...],
    database: str,
) -> None:
    """Serve the web page on which operators run the venue.

    \b
    outcry venue console venue.toml

    The page is served until Control-C. Operators of the file ([[operator]]) log in. Their requests
    go through the venue's desk; the venue works without the page.
    """
    from openoutcry.wire.extras import require_console

    require_console()
    from openoutcry.console.console import Console
    from openoutcry.console.server import make_app, serve
    from openoutcry.pipeline.announce import announced
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    pair = tls_pair(venue, address, certificate, key)
    with announced("console", venue.journal, venue.number):
        page = Console(venue, standbys, database)
        serve(page, make_app, address, *pair, lambda at: click.echo(at, err=True), names)


def tls_pair(
    venue: "VenueFile", address: tuple[str, int], certificate: Path | None, key: Path | None
) -> tuple[Path | None, Path | None]:
    """Certificate and key of a page: those that were given, else those of a port of the venue.

    Raises :class:`OutcryError` without a pair if the address is open to other hosts, and for files
    that are not a pair."""
    from openoutcry.order_entry.tls import server_context

    if bool(certificate) != bool(key):
        raise click.UsageError("TLS needs --certificate and --key")
    if certificate is None:
        tls_port = next((port for port in venue.sessions.ports if port.tls_cert), None)
        certificate, key = (tls_port.tls_cert, tls_port.tls_key) if tls_port else (None, None)
    if certificate is None and not is_loopback(address[0]):
        raise OutcryError(
            f"{address[0]}: other hosts can reach this address, so the page needs TLS; give "
            "--certificate and --key"
        )
    if certificate is not None and key is not None:
        server_context(certificate, key)
    return certificate, key
