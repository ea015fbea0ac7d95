"""``outcry portal``: accounts and an API for people and their programs."""

from pathlib import Path

import click

from openoutcry.cli.options import (
    SMTP_CA_OPTION,
    SMTP_TLS_OPTION,
    Endpoint,
    PathArgument,
    Secret,
    Whole,
)

MAIL_FROM_OPTION = click.option(
    "--mail-from",
    "sender",
    default="openoutcry@localhost",
    show_default=True,
    help="Sender of the mail.",
)

LISTEN_OPTION = click.option(
    "--listen",
    "--address",
    "address",
    type=Endpoint(),
    default="127.0.0.1:9480",
    show_default=True,
    metavar="HOST:PORT",
    help="Serve at this address.",
)


@click.group()
def portal() -> None:
    """Let people sign up and trade over a Binance-style API.

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
    "--tcp",
    "address",
    default="",
    metavar="HOST:PORT",
    help="Take the portal's orders over TCP at this address (default: over shared memory).",
)
@click.option(
    "--from",
    "network",
    default="",
    metavar="NETWORK",
    help="With --tcp: address or network of the portal's host.",
)
@click.option(
    "--user",
    default="",
    metavar="NAME",
    help="System user of the portal's processes (default: the venue's own).",
)
def init(file: Path, users: int, first: int, address: str, network: str, user: str) -> None:
    """Add the portal's sessions to the venue file FILE.

    Run it before the venue's first start, or between two starts. If FILE does not exist, an example
    with three spot markets is written first. The keys also go into a folder next to the journal."""
    from openoutcry.portal.init import prepare, write_example
    from openoutcry.venue.file import read_venue

    if bool(address) != bool(network):
        raise click.UsageError("--tcp and --from are given together")
    if not file.exists():
        click.echo(write_example(file))
    for line in prepare(read_venue(file), first, users, address, network, user):
        click.echo(line)


@portal.command()
@click.argument("file", type=PathArgument)
@LISTEN_OPTION
@click.option(
    "--database",
    default="",
    metavar="URL",
    type=Secret(),
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
@MAIL_FROM_OPTION
@click.option(
    "--settings",
    type=PathArgument,
    help="Read networks, levels and limits from this file (portal.toml).",
)
@click.option(
    "--processes",
    "count",
    type=Whole(1, 64),
    default=1,
    show_default=True,
    help="Serve by this many processes at the same address.",
)
@click.option("--certificate", type=PathArgument, help="Serve over TLS with this certificate.")
@click.option("--key", type=PathArgument, help="The certificate's key.")
@click.option(
    "--faults",
    type=PathArgument,
    help="Apply the faults of this file at a test venue (docs/test-venue.md).",
)
def serve(
    file: Path,
    address: tuple[str, int],
    database: str,
    smtp: tuple[str, int] | None,
    smtp_tls: str,
    smtp_ca: Path | None,
    sender: str,
    settings: Path | None,
    count: int,
    certificate: Path | None,
    key: Path | None,
    faults: Path | None,
) -> None:
    """Serve accounts, API and page of a venue until Control-C."""
    from openoutcry.wire.extras import require_portal

    require_portal()
    from openoutcry.operations.notify import MailServer
    from openoutcry.pipeline.announce import announced
    from openoutcry.portal.faults import faults_of
    from openoutcry.portal.processes import serve_all
    from openoutcry.portal.server import Settings
    from openoutcry.venue.file import read_venue

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key are given together")
    server = MailServer(*smtp, smtp_tls, smtp_ca) if smtp else None
    venue = read_venue(file)
    chosen = Settings(database, server, sender, settings, faults_of(venue, faults, count))
    tls = (certificate, key) if certificate is not None and key is not None else None
    is_carried_over = True
    while is_carried_over:
        venue = read_venue(file)
        with announced("portal", venue.journal, venue.number):
            is_carried_over = serve_all(
                venue, chosen, address, lambda at: click.echo(at, err=True), tls, count
            )


DATABASE_OPTION = click.option(
    "--database",
    default="",
    metavar="URL",
    type=Secret(),
    help="The portal's PostgreSQL (default: the one next to the journal).",
)


@portal.command()
@click.argument("file", type=PathArgument)
@DATABASE_OPTION
def identities(file: Path, database: str) -> None:
    """List the identities that wait for a decision.

    Each is listed with its papers and its matches of the list of sanctions."""
    from openoutcry.portal.review import waiting
    from openoutcry.venue.file import read_venue

    for line in waiting(read_venue(file), database):
        click.echo(line)


@portal.command()
@click.argument("file", type=PathArgument)
@click.argument("submission")
@click.argument("decision", type=click.Choice(["accept", "refuse"]))
@click.option("--why", required=True, help="Why; the user sees it.")
@click.option("--by", required=True, help="Name of the person who decides.")
@click.option("--level", type=Whole(1, 9), help="[default: the level that was asked for]")
@click.option("--despite-matches", is_flag=True, help="Accept a name of the list of sanctions.")
@DATABASE_OPTION
def identity(
    file: Path,
    submission: str,
    decision: str,
    why: str,
    by: str,
    level: int | None,
    despite_matches: bool,
    database: str,
) -> None:
    """Accept or refuse an identity.

    SUBMISSION is its reference, which `outcry portal identities` lists."""
    from openoutcry.portal.review import Decision, decide
    from openoutcry.venue.file import read_venue

    terms = Decision(submission, decision == "accept", why, by, level, despite_matches)
    click.echo(decide(read_venue(file), database, terms))


@portal.command()
@click.argument("file", type=PathArgument)
@DATABASE_OPTION
@click.option("--once", is_flag=True, help="Stop when everything released is written.")
@click.option("--rebuild", is_flag=True, help="Make the history again from the journal.")
@click.option("--keep-days", type=Whole(0), default=0, help="Drop older days (0: none).")
@click.option(
    "--digest", is_flag=True, help="Print the SHA-256 of all rows and stop; writes nothing."
)
def history(
    file: Path, database: str, once: bool, rebuild: bool, keep_days: int, digest: bool
) -> None:
    """Write orders, fills and trades to the database.

    It writes candles and daily balances, too. `outcry portal serve` runs this by itself. The
    history can be dropped and made again: the journal has everything that is in it."""
    from openoutcry.wire.extras import require_portal

    require_portal()
    from openoutcry.host.processes import until_stopped
    from openoutcry.portal.child import has_lost_parent
    from openoutcry.portal.database import running_embedded
    from openoutcry.portal.folder import folder_of
    from openoutcry.portal.history import projector
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    url = database or running_embedded(folder_of(venue) / "postgresql")
    if digest:
        with projector.connected(url) as connection:
            click.echo(projector.digest(connection))
        return
    with until_stopped() as stopped:
        seq = projector.follow(
            venue,
            url,
            rebuild=rebuild,
            once=once,
            keep_days=keep_days,
            stop=lambda: bool(stopped) or has_lost_parent(),
        )
    click.echo(f"the history has commands up to {seq:,}")


@portal.command(hidden=True)
@click.argument("file", type=PathArgument)
@DATABASE_OPTION
@click.option("--smtp", type=Endpoint(), metavar="HOST:PORT", help="Send mail through this server.")
@SMTP_TLS_OPTION
@SMTP_CA_OPTION
@MAIL_FROM_OPTION
@click.option("--settings", type=PathArgument, help="The portal's file (portal.toml).")
def notifier(
    file: Path,
    database: str,
    smtp: tuple[str, int] | None,
    smtp_tls: str,
    smtp_ca: Path | None,
    sender: str,
    settings: Path | None,
) -> None:
    """Send notifications.

    `outcry portal serve` runs this by itself."""
    from openoutcry.wire.extras import require_portal

    require_portal()
    from openoutcry.host.processes import until_stopped
    from openoutcry.operations.notify import MailServer
    from openoutcry.portal.child import has_lost_parent
    from openoutcry.portal.database import running_embedded
    from openoutcry.portal.folder import folder_of
    from openoutcry.portal.notices.notifier import Ways, notify
    from openoutcry.portal.settings import PortalFile, read_portal_file
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    url = database or running_embedded(folder_of(venue) / "postgresql")
    assets = dict(venue.risk.money.assets)
    choices = read_portal_file(settings, assets) if settings else PortalFile()
    server = MailServer(*smtp, smtp_tls, smtp_ca) if smtp else None
    with until_stopped() as stopped:
        stop = lambda: bool(stopped) or has_lost_parent()  # noqa: E731
        notify(venue, url, Ways(server, sender, choices), stop)


@portal.command(hidden=True)
@click.argument("file", type=PathArgument)
def books(file: Path) -> None:
    """Answer the portal's questions about portfolios and statements.

    `outcry portal serve` runs this by itself: questions come on standard input."""
    import sys

    from openoutcry.portal.portfolio.desk import serve_questions
    from openoutcry.venue.file import read_venue

    serve_questions(read_venue(file), sys.stdin, sys.stdout)


@portal.command()
@click.argument("file", type=PathArgument)
@click.argument("out", type=PathArgument)
@DATABASE_OPTION
def backup(file: Path, out: Path, database: str) -> None:
    """Write what people own to the file OUT.

    It has users, passwords, keys, settings, identities with their papers, and the portal's own key.
    The portal may run meanwhile. The history is not in it: it is made again from the journal."""
    from openoutcry.portal.backup import back_up
    from openoutcry.venue.file import read_venue
    from openoutcry.wire.extras import require_portal

    require_portal()
    click.echo(back_up(read_venue(file), database, out))


@portal.command()
@click.argument("file", type=PathArgument)
@click.argument("source", type=PathArgument)
@DATABASE_OPTION
def restore(file: Path, source: Path, database: str) -> None:
    """Restore what `outcry portal backup` wrote to SOURCE.

    The database must have no tables of a portal yet. What has changed since the backup is lost: for
    example, a key that was revoked since then counts again."""
    from openoutcry.portal.backup import restore as restored
    from openoutcry.venue.file import read_venue
    from openoutcry.wire.extras import require_portal

    require_portal()
    click.echo(restored(read_venue(file), database, source))


@portal.command()
@click.argument("file", type=PathArgument)
@click.argument("name")
@click.option("--remove", is_flag=True, help="End the token of this operator.")
@DATABASE_OPTION
def operator(file: Path, name: str, remove: bool, database: str) -> None:
    """Make a token for the operator NAME, who looks after users.

    It is shown once; the operator's token before it ends."""
    from openoutcry.portal.review import operator_token
    from openoutcry.venue.file import read_venue

    click.echo(operator_token(read_venue(file), database, name, remove))
