"""``outcry screen``: the page on which participants trade."""

from pathlib import Path

import click

from openoutcry.cli.console import of_a_page, tls_pair
from openoutcry.cli.options import SMTP_CA_OPTION, SMTP_TLS_OPTION, Endpoint


@click.command()
@of_a_page("127.0.0.1:9471")
@click.option(
    "--smtp",
    type=Endpoint(),
    metavar="HOST:PORT",
    help="Send participants' mail through this server.",
)
@SMTP_TLS_OPTION
@SMTP_CA_OPTION
@click.option(
    "--mail-from",
    "sender",
    default="openoutcry@localhost",
    show_default=True,
    help="Sender of participants' mail.",
)
@click.option(
    "--webhook-host",
    "webhook_hosts",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Allow participants' webhooks to this host (default: none; port 80 for http, 443 for "
    "https). Repeatable.",
)
def screen(
    file: Path,
    address: tuple[str, int],
    certificate: Path | None,
    key: Path | None,
    names: tuple[str, ...],
    smtp: tuple[str, int] | None,
    smtp_tls: str,
    smtp_ca: Path | None,
    sender: str,
    webhook_hosts: tuple[str, ...],
) -> None:
    """Serve the web page on which participants trade.

    \b
    outcry screen venue.toml

    The page is served until Control-C. A participant logs in with the name and the password of an
    OUCH 4.2 session of FILE and trades through that session.
    """
    from openoutcry.wire.extras import require_console

    require_console()
    from openoutcry.console.screen.screen import Screen
    from openoutcry.console.screen.server import make_screen
    from openoutcry.console.server import serve
    from openoutcry.operations.notify import MailServer
    from openoutcry.pipeline.announce import announced
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    pair = tls_pair(venue, address, certificate, key)
    server = MailServer(*smtp, smtp_tls, smtp_ca) if smtp else None
    page = Screen(venue, server, sender, webhook_hosts)
    with announced("screen", venue.journal, venue.number):
        serve(page, make_screen, address, *pair, lambda at: click.echo(at, err=True), names)
