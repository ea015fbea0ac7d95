"""``outcry venue dump``: everything about a venue in one file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import PathArgument, as_json_option
from openoutcry.wire.errors import OutcryError

SHOWN_KEYS = 6


@click.group()
def dump() -> None:
    """Write everything about a venue to one file, or read it.

    \b
    outcry venue dump take venue.toml
    outcry venue dump show FILE

    An emergency close writes a dump next to the journal. A dump holds no password and no key.
    """


@dump.command("take")
@click.argument("file", type=PathArgument, default=Path("venue.toml"))
@click.option("--out", type=PathArgument, help="Write the dump to this file [next to the journal].")
def take_one(file: Path, out: Path | None) -> None:
    """Write the dump of a venue (FILE), open or closed.

    No stage of the venue waits for it."""
    from openoutcry.operations.dump import SUFFIX, take
    from openoutcry.venue.file import read_venue

    venue = read_venue(file)
    if not venue.journal.is_dir():
        raise OutcryError(f"{venue.journal}: there is no journal: the venue was never opened")
    name = f"dump-{datetime.now(UTC):%Y%m%dT%H%M%S%f}{SUFFIX}"
    click.echo(take(venue, out or venue.journal / name))


@dump.command()
@click.argument("file", type=PathArgument)
@click.argument("section", required=False)
@as_json_option
def show(file: Path, section: str | None, as_json: bool) -> None:
    """List the sections of a dump (FILE), or show one SECTION."""
    from openoutcry.operations.dump import read_dump

    document = read_dump(file)
    if section is not None and section not in document:
        raise OutcryError(f"{file}: has no section {section}; it has {', '.join(document)}")
    if as_json:
        click.echo(json.dumps(document if section is None else document[section]))
    elif section is not None:
        _show(section, document[section])
    else:
        for name, content in document.items():
            click.echo(f"{name:<14} {_line(content)}")


def _line(content: Any) -> str:
    """Return a section's content in a line."""
    if isinstance(content, list):
        return f"{len(content):,} rows"
    if not isinstance(content, dict):
        return str(content)
    if "missing" in content:
        return f"missing: {content['missing']}"
    if "depth" in content:
        rows = content["orders"]["rows"]
        return f"{len(rows):,} open orders after command {content['sequence']:,}"
    keys = list(content)
    plain = {key: value for key, value in content.items() if not isinstance(value, (dict, list))}
    shown = [f"{key} {str(value)[:40]}" for key, value in plain.items() if key != "text"]
    return ", ".join(shown[:SHOWN_KEYS] or keys[:SHOWN_KEYS]) or "the text"


def _show(name: str, content: Any) -> None:
    """Texts as they are, rows as lines, the rest as JSON."""
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        click.echo(content["text"], nl=not content["text"].endswith("\n"))
    elif name in ("log", "console_log"):
        for row in content:
            click.echo(f"{row.get('@timestamp')} {row.get('log.level')}: {row.get('message')}")
    elif name == "processes" and isinstance(content, list):
        for row in content:
            click.echo(f"== {row['process']} (pid {row['pid']})\n{row['wchan']}\n{row['python']}")
    elif isinstance(content, list):
        for row in content:
            click.echo(json.dumps(row))
    else:
        click.echo(json.dumps(content, indent=1))
