"""``outcry rings``: every ring on the machine, its processes, its rates, and what is left over."""

import json
from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from openoutcry import wire
from openoutcry.cli.options import Count
from openoutcry.wire import OutcryError
from openoutcry.wire.records import EVENT, ORDER

ENUMS = {
    tuple(f.name for f in record.fields): {f.name: f.enum for f in record.fields if f.enum}
    for record in (ORDER, EVENT)
}
"""The enumerations of a record's fields, by the names of all its fields."""
LIFE = {True: "alive", False: "dead", None: "hidden"}


@click.command()
@click.argument("name", required=False)
@click.option(
    "--tail", "count", type=Count, metavar="N", help="Print the next N records as they pass."
)
@click.option(
    "--clean",
    "do_clean",
    is_flag=True,
    help="Remove rings whose processes are all proven dead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def rings(name: str | None, count: int | None, do_clean: bool, as_json: bool) -> None:
    """List the rings on this machine and the attached processes.

    The list shows fill, rate and cursors of each ring, and whether each attached process is alive.
    NAME is the name of a ring, or a part that no other ring's name has.

    \b
    outcry rings                       every ring
    outcry rings sequenced --tail 5    five records as they pass; the writer does not notice
    outcry rings --clean               remove the rings of dead processes
    """
    if do_clean and (name or count):
        raise click.UsageError("--clean works on all rings: give neither NAME nor --tail")
    if count and not name:
        raise click.UsageError("--tail needs the NAME of a ring")
    # Numba is imported by these: `outcry --help` need not wait for it.
    from openoutcry.ring import listing

    if do_clean:
        _print_cleaned(listing.clean(), as_json)
    elif name and count:
        _follow(listing.find_ring(name), count, as_json)
    else:
        _print_rings(listing.list_rings(only=listing.find_ring(name) if name else None), as_json)


def _print_cleaned(cleaned: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"removed": cleaned.removed, "kept": cleaned.kept}))
        return
    for name in cleaned.removed:
        click.echo(f"removed {name}")
    for name, reason in cleaned.kept.items():
        click.echo(f"kept    {name}: {reason}")
    if not cleaned.removed:
        click.echo("nothing to remove")


def _print_rings(infos: list[Any], as_json: bool) -> None:
    others = [info for info in infos if info.state == "other"]
    shown = [info for info in infos if info.state != "other"]
    if as_json:
        rows = {"rings": shown, "others": others}
        click.echo(json.dumps({key: [i.as_dict() for i in infos] for key, infos in rows.items()}))
        return
    for info in shown:
        for line in _ring_lines(info):
            click.echo(line)
    for info in others:
        click.echo(f"{info.name}: {info.problem}, {info.size_bytes:,} bytes, {_owner(info)}")
    if not infos:
        click.echo("no ring on this machine")


def _ring_lines(info: Any) -> Iterator[str]:
    yield info.name if info.state == "ring" else f"{info.name}: {info.state}: {info.problem}"
    yield f"    {_owner(info)}, {info.size_bytes:,} bytes"
    if info.state != "ring":
        return
    rate = "" if info.records_per_s is None else f", {info.records_per_s:,.0f} records/s"
    yield (
        f"    {info.capacity:,} slots of {info.slot_bytes:,} bytes, {info.fill:.1%} full, "
        f"published {info.published:,}{rate}" + (", closed" if info.closed else "")
    )
    if info.tombstones or info.dropped:
        yield f"    {info.tombstones:,} tombstones, {info.dropped:,} dropped"
    for one in info.producers:
        yield f"    {one.role:<9}{one.name:<25}{_process(one)}"
    for one in info.consumers:
        place = "does not gate" if one.cursor is None else f"at {one.cursor:,}, {one.lag:,} behind"
        yield f"    {one.role:<9}{one.name:<25}{place}; {_process(one)}"


def _owner(info: Any) -> str:
    return f"owner {info.owner_pid} {LIFE[info.owner_alive]} (user {info.uid})"


def _process(one: Any) -> str:
    if one.pid is None:
        return "no process registered"
    beat = "" if one.heartbeat_age_s is None else f", heartbeat {one.heartbeat_age_s:,.1f} s ago"
    return f"{one.pid} {LIFE[one.alive]}{beat}"


def _follow(name: str, count: int, as_json: bool) -> None:
    """Print records as they pass; an error if the ring ends before there were ``count``."""
    from openoutcry.ring.tail import tail

    rows: list[dict[str, Any]] = []
    printed = missed = buried = 0
    for passed in tail(name, count):
        printed, missed, buried = printed + 1, missed + passed.missed, buried + passed.buried
        fields = record_fields(passed.record)
        if as_json:
            rows.append(fields)
            continue
        if passed.missed or passed.buried:
            click.echo(f"... {passed.missed:,} missed, {passed.buried:,} tombstones")
        click.echo(record_text(fields))
    if as_json:
        document = {"ring": name, "records": rows, "missed": missed, "tombstones": buried}
        click.echo(json.dumps(document))
    if printed < count:
        raise OutcryError(f"{name} ended after {printed:,} of {count:,} records")


def record_fields(record: Any) -> dict[str, Any]:
    """A record's fields as JSON can hold them: symbols as text, bytes in hexadecimal."""
    fields: dict[str, Any] = {}
    for name in record.dtype.names:
        value = record[name]
        if isinstance(value, np.void):
            fields[name] = value.tobytes().hex()
        elif isinstance(value, bytes):
            fields[name] = value.decode("ascii", "backslashreplace")
        else:
            fields[name] = value.item()
    return fields


def record_text(fields: dict[str, Any]) -> str:
    """One line: the sequence first, enumerations by name, zeros left out."""
    enums = ENUMS.get(tuple(fields), {})
    words = [f"{fields['seq']:>12,}"] if "seq" in fields else []
    for name, value in fields.items():
        if name != "seq" and value:
            words.append(f"{name}={_named(enums.get(name, ''), value)}")
    return " ".join(words)


def _named(enum: str, value: Any) -> str:
    """The value's name in that enumeration of wire; bits joined by ``|``."""
    if not enum:
        return str(value)
    try:
        return str(getattr(wire, enum)(value).name or value).lower()
    except ValueError:
        return str(value)
