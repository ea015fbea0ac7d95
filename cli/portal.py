"""``outcry portal``: accounts and an API for people and their programs."""

from pathlib import Path

import click

from openoutcry.cli.options import SMTP_CA_OPTION, SMTP_TLS_OPTION, Endpoint, PathArgument


@click.group()
def portal() -> None:
    """Let people sign up and trade, by an API of Binance's shape.

    \b
    outcry portal init venue.toml
    outcry serve venue.toml
    outcry portal serve venue.toml
    """


@portal.command()
@click.argument("file", type=PathArgument)
@click.option("--users", default=64, show_default=True, help="How many people may sign up.")
@click.option(
    "--first", default=1000, show_default=True, help="Number of the first one's participant."
)
@click.option(
    "--fix",
    "address",
    default="127.0.0.1:9003",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the venue accepts the portal's sessions, if FILE has no port for fix-4.4.",
)
def init(file: Path, users: int, first: int, address: str) -> None:
    """Add the portal's sessions to the venue file FILE.

    Run it before the venue's first start, or between two starts. If FILE does not exist, an example
    with three spot markets is written first. The passwords go into a folder next to the journal."""
    from openoutcry.portal.init import prepare, write_example
    from openoutcry.venue.file import read_venue

    if not file.exists():
        click.echo(write_example(file))
    for line in prepare(read_venue(file), first, users, address):
        click.echo(line)


@portal.command()
@click.argument("file", type=PathArgument)
@click.option(
    "--listen",
    "address",
    type=Endpoint(),
    default="127.0.0.1:9480",
    show_default=True,
    metavar="HOST:PORT",
    help="Serve at this address.",
)
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="Use this PostgreSQL (default: start one next to the journal).",
)
@click.option(
    "--smtp",
    type=Endpoint(),
    metavar="HOST:PORT",
    help="Send mail through this server (default: write it to a file next to the journal).",
)
@SMTP_TLS_OPTION
@SMTP_CA_OPTION
@click.option(
    "--mail-from",
    "sender",
    default="openoutcry@localhost",
    show_default=True,
    help="Sender of the mail.",
)
@click.option("--certificate", type=PathArgument, help="Serve over TLS with this certificate.")
@click.option("--key", type=PathArgument, help="The certificate's key.")
def serve(
    file: Path,
    address: tuple[str, int],
    database: str,
    smtp: tuple[str, int] | None,
    smtp_tls: str,
    smtp_ca: Path | None,
    sender: str,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Serve accounts and the API of the venue of FILE until Control-C."""
    from openoutcry.wire.extras import require_portal

    require_portal()
    from openoutcry.operations.notify import MailServer
    from openoutcry.pipeline.announce import announced
    from openoutcry.portal.server import Portal, Settings
    from openoutcry.portal.server import serve as serve_portal
    from openoutcry.venue.file import read_venue

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key are given together")
    venue = read_venue(file)
    server = MailServer(*smtp, smtp_tls, smtp_ca) if smtp else None
    made = Portal(venue, Settings(database, server, sender))
    tls = (certificate, key) if certificate is not None and key is not None else None
    with announced("portal", venue.journal, venue.number):
        serve_portal(made, address, lambda at: click.echo(at, err=True), tls)
