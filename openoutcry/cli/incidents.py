"""``outcry venue incidents``: messages about alarms until one person acknowledges."""

import getpass
import json
import signal
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.wire.errors import OutcryError

if TYPE_CHECKING:
    from openoutcry.operations.incidents import IncidentStore

LOOK_S = 1.0
file_argument = click.argument("file", type=PathArgument)
number_argument = click.argument("number", type=int)
by_option = click.option("--by", help="Your name (default: that of the account).")


@click.group()
def incidents() -> None:
    """Tell people of alarms until one acknowledges; keep records.

    FILE names the people and the ways to reach them (docs/incidents.md).

    \b
    outcry venue incidents watch incidents.toml
    outcry venue incidents rehearse incidents.toml
    outcry venue incidents list incidents.toml
    outcry venue incidents acknowledge incidents.toml 7
    outcry venue incidents close incidents.toml 7 --cause "disk full" --actions "moved the log"
    """
    from openoutcry.wire.extras import require_operations

    require_operations()


@incidents.command()
@file_argument
def watch(file: Path) -> None:
    """Open incidents for alarms that fire, and tell people.

    The command looks once a second and runs until Control-C."""
    from openoutcry.operations.alarms import wanted
    from openoutcry.operations.aside import Aside
    from openoutcry.operations.incidents import Desk, IncidentStore, read_settings
    from openoutcry.operations.metrics import VenueMetrics
    from openoutcry.operations.pager import Pager
    from openoutcry.operations.watch import Watch
    from openoutcry.venue.file import read_venue

    settings = read_settings(file)
    pager, metrics = Pager(settings), VenueMetrics(read_venue(settings.venue), wanted())
    metrics.aside = Aside()
    watching, stop = Watch(metrics.collect), Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
    with IncidentStore(settings.store) as store:
        desk = Desk(settings, store, pager.tell, pager.tell_outsiders)
        click.echo(f"{len(settings.alarms)} alarms are watched", err=True)
        while not stop.is_set():
            watching.poll()
            desk.look(watching.lasting(), time.time_ns() // 10**6)
            stop.wait(LOOK_S)


@incidents.command()
@file_argument
def rehearse(file: Path) -> None:
    """Tell everybody of the file now that this is a rehearsal.

    Exit status 1 if somebody could not be told. Acknowledge and close it as any other."""
    from openoutcry.operations.incidents import IncidentStore, read_settings
    from openoutcry.operations.pager import Pager

    settings, failed = read_settings(file), False
    pager, now_ms = Pager(settings), time.time_ns() // 10**6
    with IncidentStore(settings.store) as store:
        number = store.open("Rehearsal", "warning", "this is a rehearsal: nothing is wrong", now_ms)
        store.condition(number, now_ms, holds=False)
        text = f"incident {number}: this is a rehearsal: nothing is wrong"
        for person in settings.people.values():
            for way, error in pager.tell(person, f"{number}.rehearsal.{person.name}", text, text):
                line = f"{person.name} by {way}: {error or 'told'}"
                store.note(number, now_ms, "desk", line)
                click.echo(line)
                failed = failed or bool(error)
    click.echo(f"incident {number}")
    if failed:
        raise SystemExit(1)


@incidents.command("list")
@file_argument
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@as_json_option
def list_incidents(file: Path, only_open: bool, as_json: bool) -> None:
    """Show every incident, the newest first."""
    from openoutcry.operations.incidents import utc

    with _store(file) as store:
        rows = store.incidents(only_open)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        state = next(
            (name for name in ("closed", "acknowledged", "ended") if row[f"{name}_ms"]), "open"
        )
        opened, what = utc(row["opened_ms"]), f"{row['subject']}: {row['summary']}"
        click.echo(f"{row['number']:>5}  {opened}  {state:<12}  {row['severity']:<8}  {what}")


@incidents.command()
@file_argument
@number_argument
@as_json_option
def show(file: Path, number: int, as_json: bool) -> None:
    """Show an incident's record: messages, actions, log.

    With it the venue's log from a quarter of an hour before, with what operators did."""
    from openoutcry.operations.incidents import of_log, read_settings, record_lines
    from openoutcry.venue.file import read_venue

    settings = read_settings(file)
    with _store(file) as store:
        row, entries = store.incident(number), store.entries(number)
        log = of_log(read_venue(settings.venue).journal, row)
        lines = list(record_lines(store, number, log))
    if as_json:
        click.echo(json.dumps({**row, "entries": entries, "log": log}))
    else:
        click.echo("\n".join(lines))


@incidents.command()
@file_argument
@number_argument
@by_option
@click.option("--note", "said", default="", help="What you are doing.")
def acknowledge(file: Path, number: int, by: str | None, said: str) -> None:
    """Stop the messages of an incident: you take care of it."""
    with _store(file) as store:
        store.acknowledge(number, time.time_ns() // 10**6, _who(by), said)
    click.echo(f"incident {number} is acknowledged by {_who(by)}")


@incidents.command()
@file_argument
@number_argument
@by_option
@click.option("--text", "said", required=True, help="What was seen or done.")
def note(file: Path, number: int, by: str | None, said: str) -> None:
    """Add a line to an incident's record."""
    with _store(file) as store:
        store.note(number, time.time_ns() // 10**6, _who(by), said)
    click.echo(f"incident {number}: noted")


@incidents.command()
@file_argument
@number_argument
@by_option
@click.option("--cause", required=True, help="Why it happened.")
@click.option("--actions", required=True, help="What was done, and what is to be done.")
def close(file: Path, number: int, by: str | None, cause: str, actions: str) -> None:
    """Close an incident that is over, with cause and actions."""
    with _store(file) as store:
        store.end(number, time.time_ns() // 10**6, _who(by), cause, actions)
    click.echo(f"incident {number} is closed")


def _store(file: Path) -> "IncidentStore":
    from openoutcry.operations.incidents import IncidentStore, read_settings

    store = read_settings(file).store
    if not store.exists():
        raise OutcryError(f"{store}: no incident was ever opened")
    return IncidentStore(store)


def _who(by: str | None) -> Any:
    return by or getpass.getuser()
