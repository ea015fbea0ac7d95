"""Incidents: an alarm of a venue opens one, people are told until somebody acknowledges it, and it
is closed with its causes and actions.

The store has what happened and who did what.  ``Desk.look`` compares the alarms that are red with
the open incidents, once a second; who is told when follows from the store and the clock alone, so a
desk that was killed continues.  What it sends has an id, the same where it is sent again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.operations.alarms import ALARMS, CRITICAL
from openoutcry.operations.watch import Red
from openoutcry.venue.log import log_folder, log_lines
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.sqlite_file import Schema, SqliteFile
from openoutcry.wire.text import printable
from openoutcry.wire.toml_tables import (
    Key,
    Tables,
    address,
    integer,
    list_of,
    one_of,
    read_tables,
    text,
)

TABLES = """
create table if not exists incidents (
    number integer primary key, subject text not null, severity text not null,
    summary text not null, opened_ms integer not null, ended_ms integer not null default 0,
    acknowledged_ms integer not null default 0, closed_ms integer not null default 0,
    cause text not null default '', actions text not null default '');
create table if not exists entries (
    number integer primary key, incident integer not null references incidents (number),
    at_ms integer not null, who text not null, text text not null);
create table if not exists told (
    number integer primary key, incident integer not null references incidents (number),
    level integer not null, round integer not null, recipient text not null,
    at_ms integer not null, error text not null);
"""
SCHEMA = Schema("the venue's incidents", 0x4F4F494E, TABLES)
DESK = "desk"
"""Who made an entry that no person made."""
WEEK_MS, MONDAY_MS = 7 * 86_400_000, 4 * 86_400_000
"""The first Monday of Unix time."""
LONG_S = 30 * 86_400
MAX_TEXT, MAX_NAME = 4_000, 80
MAX_MS = 1 << 62
BEFORE_MS, AFTER_MS = 900_000, 60_000
"""What of the log belongs to an incident."""
OUTSIDERS_MS, AGAIN_MS = 86_400_000, 60_000
"""How long, and how often, those outside are told what could not be sent."""
Row = Mapping[str, Any]


class IncidentError(OutcryError):
    """A settings file or a request that cannot be; the message names it."""


@dataclass(frozen=True)
class Person:
    """Somebody who is told, by each way that has an address."""

    name: str
    mail: str = ""
    webhook: str = ""
    phone: str = ""


@dataclass(frozen=True)
class Level:
    """Who is told after so many seconds without an acknowledgement, and again each ``repeat_s``:
    everybody of ``people``, and of ``rota`` the one whose week it is (from Monday, UTC)."""

    after_s: int
    repeat_s: int
    people: Sequence[str]
    rota: Sequence[str]

    def on_duty(self, now_ms: int) -> list[str]:
        """Return the names of those who are told now."""
        week = (now_ms - MONDAY_MS) // WEEK_MS
        turn = [self.rota[week % len(self.rota)]] if self.rota else []
        return list(dict.fromkeys([*self.people, *turn]))


@dataclass(frozen=True)
class Outsiders:
    """Members, or an authority, who get mails about some alarms: when an incident opens, and its
    record when it is closed.  ``key_file``: that signs them."""

    name: str
    mails: Sequence[str]
    alarms: Sequence[str]
    key_file: str = ""


@dataclass(frozen=True)
class Settings:
    """Content of an incidents file.  ``ways`` has the tables ``mail``, ``webhook`` and ``sms``."""

    path: Path
    venue: Path
    store: Path
    alarms: frozenset[str]
    """The alarms that open an incident."""
    people: Mapping[str, Person]
    levels: Sequence[Level]
    outsiders: Sequence[Outsiders]
    ways: Mapping[str, dict[str, Any]]


NAMES = Key(list_of(text(80)), ())
PERSON = {name: Key(text(200), "") for name in ("mail", "webhook", "phone")} | {
    "name": Key(text(80))
}
LEVEL = {
    "after_s": Key(integer(0, LONG_S), 0),
    "repeat_s": Key(integer(10, LONG_S), 300),
    "people": NAMES,
    "rota": NAMES,
}
OUTSIDERS = {
    "name": Key(text(80)),
    "mails": NAMES,
    "alarms": NAMES,
    "key_file": Key(text(), ""),
}
TLS = Key(one_of({name: name for name in ("never", "starttls", "always")}), "starttls")
MAIL = {"server": Key(address), "from": Key(text()), "tls": TLS, "authorities": Key(text(), "")}
WEBHOOK = {"secret_file": Key(text())}
SMS = {"url": Key(text()), "token_file": Key(text()), "sender": Key(text(20))}
WAYS = {"mail": MAIL, "webhook": WEBHOOK, "sms": SMS}
ADDRESS = {"mail": "mail", "webhook": "webhook", "sms": "phone"}
"""By way: the key of a person's address."""
TOP = {"venue": Key(text()), "store": Key(text(), "incidents.sqlite"), "alarms": NAMES}
KNOWN = {alarm.name: alarm for alarm in ALARMS}


def read_settings(path: Path) -> Settings:
    """Read the file.  Raises :class:`IncidentError` naming its first mistake with its line."""
    tables = read_tables(path, lambda mistakes: IncidentError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, (*TOP, *WAYS, "person", "level", "outsiders"))
    top = tables.top(TOP)
    ways = {way: tables.table(way, WAYS[way]) for way in WAYS if way in tables.document}
    people = list(_people(tables, ways))
    names, rows = [person.name for person in people], tables.rows("level", LEVEL)
    levels = [Level(**row) for at, row in rows if _has(tables, at, row, names)]
    if not levels:
        tables.wrong(("level",), "there is none: nobody would be told")
    outsiders = [Outsiders(**row) for _, row in tables.rows("outsiders", OUTSIDERS) if row["name"]]
    if outsiders and "mail" not in ways:
        tables.wrong(("outsiders",), "are told by mail: [mail] is missing")
    of_outsiders = [name for one in outsiders for name in one.alarms or ()]
    for name in [*(top["alarms"] or ()), *of_outsiders]:
        if name not in KNOWN:
            tables.wrong(("alarms",), f"there is no alarm {name!r}")
    if tables.mistakes:
        raise IncidentError(f"{path}: {min(tables.mistakes)}")
    critical = (alarm.name for alarm in ALARMS if alarm.severity == CRITICAL)
    return Settings(
        path,
        path.parent / top["venue"],
        path.parent / top["store"],
        frozenset([*(top["alarms"] or critical), *of_outsiders]),
        {person.name: person for person in people},
        sorted(levels, key=lambda level: level.after_s),
        outsiders,
        ways,
    )


def _people(tables: Tables, ways: Mapping[str, Any]) -> Iterator[Person]:
    rows = tables.rows("person", PERSON)
    tables.distinct([((*at, "name"), row["name"]) for at, row in rows], "name")
    for at, row in rows:
        given = [way for way, key in ADDRESS.items() if row[key]]
        for way in given:
            if way not in ways:
                tables.wrong((*at, ADDRESS[way]), f"is not used: [{way}] is missing")
        if not given:
            tables.wrong(at, "has neither mail nor webhook nor phone")
        if row["name"] is not None:
            yield Person(**row)


def _has(tables: Tables, at: Any, row: dict[str, Any], names: Sequence[str]) -> bool:
    if not (row["people"] or row["rota"]):
        tables.wrong(at, "has neither people nor a rota")
    for key in ("people", "rota"):
        for name in row[key] or ():
            if name not in names:
                tables.wrong((*at, key), f"there is no person {name!r}")
    return None not in row.values()


class IncidentStore(SqliteFile):
    """The file of incidents."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)

    def incidents(self, only_open: bool = False, closed_since_ms: int = 0) -> list[Row]:
        """Return them, the newest first; of closed ones those that were closed since then."""
        query = "select * from incidents where closed_ms = 0 or closed_ms >= ? order by number desc"
        return [dict(row) for row in self.rows(query, MAX_MS if only_open else closed_since_ms)]

    def incident(self, number: int) -> Row:
        """Return one.  Raises :class:`IncidentError`."""
        row = self.row("select * from incidents where number = ?", number)
        if row is None:
            raise IncidentError(f"{self.path}: there is no incident {number}")
        return dict(row)

    def entries(self, number: int) -> list[Row]:
        """Return what happened in one, the oldest first, with who was told."""
        query = (
            "select at_ms, who, text from entries where incident = ? union all select at_ms, ?, "
            "case error when '' then 'told ' || recipient else 'could not tell ' || recipient || "
            "': ' || error end from told where incident = ? order by 1"
        )
        return [dict(row) for row in self.rows(query, number, DESK, number)]

    def note(self, number: int, now_ms: int, who: str, said: str) -> None:
        """Add an entry.  Raises :class:`IncidentError` for none, or for a name or text that is too
        long."""
        self.incident(number)
        if not 0 < len(who) <= MAX_NAME:
            raise IncidentError(f"a name has 1 to {MAX_NAME} characters, not {len(who)}")
        if not 0 < len(said) <= MAX_TEXT:
            raise IncidentError(f"a text has 1 to {MAX_TEXT} characters, not {len(said)}")
        self.insert("entries", incident=number, at_ms=now_ms, who=who, text=said)

    def open(self, subject: str, severity: str, summary: str, now_ms: int) -> int:
        """Open an incident; returns its number."""
        with self.change():
            values = {"subject": subject, "severity": severity, "summary": summary}
            number = self.insert("incidents", opened_ms=now_ms, **values)
            self.note(number, now_ms, DESK, f"opened: {summary}")
        return number

    def condition(self, number: int, now_ms: int, holds: bool) -> None:
        """Note that an incident's alarm has begun again, or has ended."""
        with self.change():
            ended_ms = 0 if holds else now_ms
            self.run("update incidents set ended_ms = ? where number = ?", ended_ms, number)
            said = "the alarm fires again" if holds else "the alarm's condition has ended"
            self.note(number, now_ms, DESK, said)

    def acknowledge(self, number: int, now_ms: int, who: str, said: str) -> None:
        """Stop the messages.  Raises :class:`IncidentError` for one that is closed."""
        with self.change():
            if self.incident(number)["closed_ms"]:
                raise IncidentError(f"incident {number} is closed")
            query = "update incidents set acknowledged_ms = ? where number = ? "
            self.run(query + "and acknowledged_ms = 0", now_ms, number)
            self.note(number, now_ms, who, f"acknowledged{f': {said}' if said else ''}")

    def end(self, number: int, now_ms: int, who: str, cause: str, actions: str) -> None:
        """Close an incident.  Raises :class:`IncidentError` while its alarm fires."""
        with self.change():
            row = self.incident(number)
            if row["closed_ms"]:
                raise IncidentError(f"incident {number} is closed")
            if not row["ended_ms"]:
                raise IncidentError(f"incident {number}: its alarm still fires ({row['subject']})")
            query = "update incidents set closed_ms = ?, cause = ?, actions = ? where number = ?"
            self.run(query, now_ms, cause, actions, number)
            self.note(number, now_ms, who, f"closed: {cause}; actions: {actions}")

    def last_round(self, number: int, level: int) -> tuple[int, int]:
        """Return the number and the time of the last round of messages; 0, 0: there was none."""
        query = "select max(round), max(at_ms) from told where incident = ? and level = ?"
        found = self.row(query, number, level)
        return (found[0] or 0, found[1] or 0) if found else (0, 0)


Tell = Callable[[Person, str, str, str], Iterator[tuple[str, str]]]
"""Tells a person, by every way: id, subject and text; yields each way with its error, or ""."""
TellOutsiders = Callable[[Outsiders, str, str, str], str]


class Desk:
    """Opens incidents and has people told."""

    def __init__(
        self, settings: Settings, store: IncidentStore, tell: Tell, tell_outsiders: TellOutsiders
    ) -> None:
        self.settings, self.store = settings, store
        self.tell, self.tell_outsiders = tell, tell_outsiders

    def look(self, red: Sequence[Red], now_ms: int) -> None:
        """Compare the alarms that are red with the incidents; tell whom it concerns."""
        firing = {subject_of(one): one for one in red if one.alarm.name in self.settings.alarms}
        opened = {row["subject"]: row for row in self.store.incidents(only_open=True)}
        for subject, one in firing.items():
            if subject not in opened:
                self.store.open(subject, one.alarm.severity, one.alarm.summary, now_ms)
            elif opened[subject]["ended_ms"]:
                self.store.condition(opened[subject]["number"], now_ms, holds=True)
        for subject, row in opened.items():
            if subject not in firing and not row["ended_ms"]:
                self.store.condition(row["number"], now_ms, holds=False)
        for row in self.store.incidents(only_open=True):
            if not row["acknowledged_ms"]:
                self._tell_levels(row, now_ms)
        self._tell_outsiders(now_ms)

    def _tell_levels(self, row: Row, now_ms: int) -> None:
        for number, level in enumerate(self.settings.levels, 1):
            last, last_ms = self.store.last_round(row["number"], number)
            if now_ms < row["opened_ms"] + 1_000 * level.after_s:
                continue
            if last and now_ms < last_ms + 1_000 * level.repeat_s:
                continue
            for name in level.on_duty(now_ms):
                self._tell(row, number, last + 1, name, now_ms)

    def _tell(self, row: Row, level: int, turn: int, name: str, now_ms: int) -> None:
        subject, said = words(row, self.settings.path)
        message = f"{row['number']}.{level}.{turn}.{name}"
        for way, error in self.tell(self.settings.people[name], message, subject, said):
            self._told(row, level, turn, f"{name} by {way}", now_ms, error)

    def _told(
        self, row: Row, level: int, turn: int, recipient: str, now_ms: int, error: str
    ) -> None:
        values = {"incident": row["number"], "level": level, "round": turn, "at_ms": now_ms}
        self.store.insert("told", recipient=recipient, error=error[:MAX_TEXT], **values)

    def _tell_outsiders(self, now_ms: int) -> None:
        """Tell them once that an incident was opened, and once that it was closed."""
        for row in self.store.incidents(closed_since_ms=now_ms - OUTSIDERS_MS):
            name = row["subject"].partition(" ")[0]
            for outsiders in (one for one in self.settings.outsiders if name in one.alarms):
                self._tell_outside(row, outsiders, 1, row["opened_ms"], now_ms)
                self._tell_outside(row, outsiders, 2, row["closed_ms"], now_ms)

    def _tell_outside(
        self, row: Row, outsiders: Outsiders, turn: int, at_ms: int, now_ms: int
    ) -> None:
        query = (
            "select max(at_ms), min(error) from told "
            "where incident = ? and level = 0 and round = ? and recipient = ?"
        )
        before = self.store.row(query, row["number"], turn, outsiders.name)
        last_ms, error = (before[0], before[1]) if before else (None, None)
        if not at_ms or error == "" or (last_ms and now_ms < last_ms + AGAIN_MS):
            return
        subject, said = words(row, None)
        said = self.record(row["number"]) if row["closed_ms"] else said
        message = f"{row['number']}.0.{turn}.{outsiders.name}"
        failed = self.tell_outsiders(outsiders, message, subject, said)
        self._told(row, 0, turn, outsiders.name, now_ms, failed)

    def record(self, number: int) -> str:
        """Return an incident's record as text."""
        return "\n".join(record_lines(self.store, number))


def subject_of(red: Red) -> str:
    """Return what an incident is about: the alarm's name and its labels."""
    labels = ", ".join(f"{key} {value}" for key, value in sorted(red.labels))
    return f"{red.alarm.name} ({labels})" if labels else red.alarm.name


def words(row: Row, path: Path | None) -> tuple[str, str]:
    """Return subject and text of a message; ``path``: the settings, for who may acknowledge."""
    state = "closed" if row["closed_ms"] else "ended" if row["ended_ms"] else "open"
    subject = f"incident {row['number']} ({row['severity']}, {state}): {row['summary']}"
    lines = [subject, f"alarm: {row['subject']}", f"since: {utc(row['opened_ms'])} UTC"]
    if path is not None:
        lines.append(
            f"stop these messages: outcry venue incidents acknowledge {path} {row['number']}"
        )
    return subject, "\n".join(lines)


def record_lines(store: IncidentStore, number: int, more: Sequence[Row] = ()) -> Iterator[str]:
    """Yield an incident's record: its times, cause and actions, and a line for each entry, with
    ``more`` entries.  A text stays on its line, so that it cannot look like an entry of others."""
    yield from map(printable, _record_lines(store, number, more))


def _record_lines(store: IncidentStore, number: int, more: Sequence[Row]) -> Iterator[str]:
    row = store.incident(number)
    yield f"incident {number}: {row['summary']}"
    yield f"alarm: {row['subject']}, {row['severity']}"
    for name in ("opened", "acknowledged", "ended", "closed"):
        yield f"{name}: {utc(row[f'{name}_ms']) if row[f'{name}_ms'] else '-'}"
    if row["closed_ms"]:
        yield f"cause: {row['cause']}"
        yield f"actions: {row['actions']}"
    for entry in sorted([*store.entries(number), *more], key=lambda entry: entry["at_ms"]):
        yield f"{utc(entry['at_ms'])}  {entry['who']}: {entry['text']}"


def of_log(journal: Path, row: Row) -> list[Row]:
    """Return what the venue's log has, with each action of an operator and its reason, from a
    quarter of an hour before an incident until a minute after its alarm ended."""
    begin_ms = row["opened_ms"] - BEFORE_MS
    end_ms = row["ended_ms"] + AFTER_MS if row["ended_ms"] else MAX_MS
    lines = log_lines(journal) if log_folder(journal).is_dir() else ()
    found = [
        {
            "at_ms": int(1_000 * datetime.fromisoformat(line["@timestamp"]).timestamp()),
            "who": f"log {line['log.level']}",
            "text": line["message"],
        }
        for line in lines
    ]
    return [one for one in found if begin_ms <= one["at_ms"] <= end_ms]


def utc(time_ms: int) -> str:
    """Return a time as text."""
    return datetime.fromtimestamp(time_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
