"""``outcry venue alarms``: report what is wrong with a running venue, without Prometheus."""

import json
import time
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import (
    SMTP_CA_OPTION,
    SMTP_TLS_OPTION,
    Endpoint,
    PathArgument,
    concealed,
)

LOOK_S = 1.0


@click.group()
def alarms() -> None:
    """Watch a venue's alarms, or write Prometheus rules.

    \b
    outcry venue alarms watch venue.toml
    outcry venue alarms watch venue.toml --webhook http://127.0.0.1:9000/ --mail-to ops@example.com
    outcry venue alarms rules > openoutcry.rules.yml
    """
    from openoutcry.wire.extras import require_operations

    require_operations()


@alarms.command()
@click.option(
    "--runbooks",
    default="docs/alarms.md",
    show_default=True,
    metavar="URL",
    help="URL of docs/alarms.md.",
)
def rules(runbooks: str) -> None:
    """Write the alarms as a rule file for Prometheus."""
    from openoutcry.operations.alarms import rule_file

    click.echo(rule_file(runbooks), nl=False)


@alarms.command()
@click.argument("file", type=PathArgument, required=False)
@click.option(
    "--webhook",
    metavar="URL",
    callback=concealed,
    help="POST each change to this URL, in Alertmanager's format.",
)
@click.option(
    "--smtp",
    type=Endpoint(),
    default="127.0.0.1:25",
    show_default=True,
    help="Send mail through this server.",
)
@SMTP_TLS_OPTION
@SMTP_CA_OPTION
@click.option(
    "--mail-from",
    default="outcry@localhost",
    show_default=True,
    metavar="ADDRESS",
    help="Sender of the mail.",
)
@click.option(
    "--mail-to", multiple=True, metavar="ADDRESS", help="Send mail to this address. Repeatable."
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Stop after SECONDS (default: run until interrupted).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per change.")
def watch(
    file: Path | None,
    webhook: str | None,
    smtp: tuple[str, int],
    smtp_tls: str,
    smtp_ca: Path | None,
    mail_from: str,
    mail_to: tuple[str, ...],
    seconds: float | None,
    as_json: bool,
) -> None:
    """Report when an alarm starts to fire and when it ends.

    The command checks a venue (FILE), or every running pipeline, once a second until Control-C."""
    from openoutcry.operations import notify
    from openoutcry.operations.alarms import ALARMS, wanted_by
    from openoutcry.operations.aside import Aside
    from openoutcry.operations.metrics import VenueMetrics
    from openoutcry.operations.watch import Watch
    from openoutcry.venue.file import read_venue

    def show(changed: Any) -> None:
        for alarm in changed:
            click.echo(json.dumps(notify.document(alarm)) if as_json else notify.line(alarm))

    server = notify.MailServer(*smtp, smtp_tls, smtp_ca)
    receivers: list[notify.Notify] = [show]
    receivers += [notify.webhook(webhook)] if webhook else []
    receivers += [notify.mail(server, mail_from, mail_to)] if mail_to else []
    venue = VenueMetrics(read_venue(file) if file else None, wanted_by(ALARMS))
    venue.aside = Aside()
    watching = Watch(venue.collect, receivers, lambda text: click.echo(text, err=True))
    end_s = None if seconds is None else time.monotonic() + seconds
    while end_s is None or time.monotonic() < end_s:
        watching.poll()
        time.sleep(LOOK_S)
