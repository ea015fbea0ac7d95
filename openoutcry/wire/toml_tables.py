"""Reads the tables of a TOML file strictly: every mistake is noted with its line and key.

It reads all files that people write: venues, the gateway's settings, surveillance, the codes of
reports.  :func:`read_tables` reads a file.  Its :class:`Tables` check keys and values, and suggest
the key that was probably meant.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.wire.errors import OutcryError

KeyPath = tuple[str | int, ...]
HEADER = re.compile(r"\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"""([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*((?:\.\s*[A-Za-z0-9_-]+\s*)*)=""")
STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')


class Mistake(NamedTuple):
    """A mistake, and its place."""

    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.key}: {self.text}" if self.key else f"{place}{self.text}"


REQUIRED = object()
NAMING = frozenset(
    (
        "symbol", "name", "instrument", "asset", "base", "quote", "underlying", "schedule",
        "settlement", "protocol", "group", "margin_asset",
    )
)  # fmt: skip
"""Keys whose values are names: tables are found by them."""


@dataclass(frozen=True)
class Key:
    """A key of a table: ``parse`` gives what the value means or raises ``ValueError``."""

    parse: Callable[[Any], Any]
    default: Any = REQUIRED


class Tables:
    """The document's tables, and the mistakes that have been found in them."""

    def __init__(self, document: dict[str, Any], lines: dict[KeyPath, int], text: str = "") -> None:
        """``lines``: of each key, from 1 (:func:`key_lines`); empty for a document without."""
        self.document, self.lines, self.text = document, lines, text
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []
        """What :meth:`stricter` found in a file that an older release accepted."""
        self.is_accepted = False
        """Whether a release has accepted this file: its journal exists."""

    def line_of(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest table around it; 0 for a document without lines."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1 if self.lines else 0)

    def line_of_error(self, error: OutcryError) -> int:
        """The line of the key that an error of :func:`misplaced` is about."""
        return self.line_of(getattr(error, "key_path", ()))

    def wrong(self, path: KeyPath, text: str) -> None:
        """Add a mistake at ``path``, with its line."""
        self.mistakes.append(Mistake(self.line_of(path), name_of(path), text))

    def stricter(self, path: KeyPath, text: str) -> None:
        """Add a mistake by a rule that older releases did not have.  A file that one of them has
        accepted gets a warning instead: an upgrade never closes a venue."""
        found = self.warnings if self.is_accepted else self.mistakes
        found.append(Mistake(self.line_of(path), name_of(path), text))

    def only(self, path: KeyPath, keys: Iterable[str], known: Iterable[str]) -> None:
        """Note every unknown key."""
        known = list(known)
        for key in keys:
            if key not in known:
                self.wrong((*path, key), f"unknown key{meant(key, known)}")

    def read(self, path: KeyPath, table: Any, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The values of one table; a key whose value is wrong has its default (None, if none)."""
        values = {name: None if k.default is REQUIRED else k.default for name, k in keys.items()}
        if not isinstance(table, dict):
            self.wrong(path, f"must be a table, not {kind_of(table)}")
            return values
        self.only(path, table, keys)
        for name, key in keys.items():
            if name not in table:
                if key.default is REQUIRED:
                    self.wrong((*path, name), "is missing")
                continue
            try:
                values[name] = key.parse(table[name])
            except ValueError as error:
                self.wrong((*path, name), str(error))
        return values

    def table(self, name: str, keys: Mapping[str, Key]) -> dict[str, Any]:
        """A table that there is once; it need not be there if all of its keys have defaults."""
        return self.read((name,), self.document.get(name, {}), keys)

    def top(self, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The values of keys that stand above all tables."""
        return self.read((), {k: v for k, v in self.document.items() if k in keys}, keys)

    def rows(self, name: str, keys: Mapping[str, Key]) -> list[tuple[KeyPath, dict[str, Any]]]:
        """The entries of an array of tables (``[[name]]``), each with its path."""
        array = self.document.get(name, [])
        if not isinstance(array, list):
            self.wrong((name,), f"must be an array of tables, [[{name}]], not {kind_of(array)}")
            return []
        paths = [(name, index) for index in range(len(array))]
        return [(p, self.read(p, row, keys)) for p, row in zip(paths, array, strict=True)]

    def given_table(self, name: str) -> dict[str, Any]:
        """A table as the file has it; empty where the name has another value."""
        table = self.document.get(name)
        return table if isinstance(table, dict) else {}

    def given_rows(self, name: str) -> list[tuple[KeyPath, dict[str, Any]]]:
        """The entries of an array of tables as the file has them, without what is not a table.  A
        name that is a list or a table is left out; the error is noted where the name is read."""
        array = self.document.get(name, [])
        rows = enumerate(array if isinstance(array, list) else [])
        return [((name, index), _with_names(row)) for index, row in rows if isinstance(row, dict)]

    def distinct(self, rows: Iterable[tuple[KeyPath, Any]], what: str) -> None:
        """Note every value that was there before; the path is that of the key."""
        seen: dict[Any, KeyPath] = {}
        for path, value in rows:
            if value is None or isinstance(value, list | dict):
                continue
            if value in seen:
                self.wrong(
                    path,
                    f"{what} {shown(value)} already exists, in line {self.line_of(seen[value])}",
                )
            seen.setdefault(value, path)


def _with_names(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if key not in NAMING or not isinstance(value, list | dict)
    }


def read_tables(path: Path, fail: Callable[[list[Mistake]], OutcryError]) -> Tables:
    """Read a TOML file (UTF-8).

    Raises :class:`OutcryError` naming a file that cannot be read, and what ``fail`` returns for
    text that is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OutcryError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise OutcryError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_tables(text, fail)


def parse_tables(text: str, fail: Callable[[list[Mistake]], OutcryError]) -> Tables:
    """Like :func:`read_tables`, for the text itself."""
    try:
        return Tables(tomllib.loads(text), key_lines(text), text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        line = int(place[1]) if place else max(1, text.count("\n"))
        raise fail([Mistake(line, "", f"not TOML: {error}")]) from None


def misplaced(error: OutcryError, path: KeyPath) -> OutcryError:
    """The error, which is about the key at ``path``: a file's reader adds the line."""
    error.key_path = path  # type: ignore[attr-defined]
    return error


def meant(key: str, known: Iterable[str]) -> str:
    """Return which of the known keys was probably meant, as the end of a sentence; or an empty
    text."""
    near = difflib.get_close_matches(key, list(known), 1)
    return f"; is {near[0]} meant?" if near else ""


def name_of(path: KeyPath) -> str:
    """``instrument[2].symbol``; entries are counted from 1, as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """A value as a message shows it."""
    return ":".join(map(str, value)) if isinstance(value, tuple) else repr(value)


def kind_of(value: Any) -> str:
    """Return the kind of a value in words, for messages."""
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number with a point",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return next((text for kind, text in names.items() if type(value) is kind), "a date or time")


# Where keys are


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of each table, array entry and key of a TOML text.

    Keys inside of an inline table have the line of the key that holds it.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in _statements(text):
        if header := HEADER.match(line):
            table = _resolved(_parts(header[2]), counts)
            if header[1]:
                index = counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, index)
            lines.setdefault(table, number)
        elif key := KEY.match(line):
            parts = _parts(key[1] + key[2])
            for end in range(1, len(parts) + 1):
                lines.setdefault((*table, *parts[:end]), number)
    return lines


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _resolved(parts: tuple[str, ...], counts: dict[KeyPath, int]) -> KeyPath:
    """A header's path, with the last entry of every array of tables on the way to it."""
    path: KeyPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, parts[-1])


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines on which a statement begins: not those inside of a value of several lines."""
    depth, quotes = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line.strip()
        if not depth and not quotes:
            if rest.startswith("#"):
                continue
            yield number, rest
            if HEADER.match(rest):
                continue
            rest = rest.partition("=")[2]
        while rest:
            if quotes:
                _, closing, rest = rest.partition(quotes)
                quotes = "" if closing else quotes
                continue
            if rest.startswith(('"' * 3, "'" * 3)):
                quotes, rest = rest[:3], rest[3:]
            elif string := STRING.match(rest):
                rest = rest[string.end() :]
            elif rest[0] == "#":
                break
            else:
                depth += (rest[0] in "[{") - (rest[0] in "]}")
                rest = rest[1:]


# What values may be


def integer(low: int, high: int) -> Callable[[Any], int]:
    """A parser of whole numbers from ``low`` to ``high``; it raises ``ValueError`` for others."""

    def parse(value: Any) -> int:
        if type(value) is not int:
            raise ValueError(f"must be a whole number, not {kind_of(value)}")
        if not low <= value <= high:
            raise ValueError(f"{value} is not {low} to {high}")
        return value

    return parse


def boolean(value: Any) -> bool:
    """The value; raises ``ValueError`` if it is not true or false."""
    if type(value) is not bool:
        raise ValueError(f"must be true or false, not {kind_of(value)}")
    return value


def text(most: int = 1_000) -> Callable[[Any], str]:
    """A text of 1 to ``most`` printable characters."""

    def parse(value: Any) -> str:
        if type(value) is not str:
            raise ValueError(f"must be a text, not {kind_of(value)}")
        if not value or len(value) > most or not value.isprintable():
            raise ValueError(f"{value!r} is not 1 to {most} printable characters")
        return value

    return parse


def address(value: Any) -> tuple[str, int]:
    """HOST:PORT, as host and port; raises ``ValueError`` for others."""
    host, _, port = text()(value).rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def one_of(choices: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A parser of the keys of ``choices``, which returns their values."""

    def parse(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(f"must be a text, not {kind_of(value)}")
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return choices[value]

    return parse


def list_of(parse_one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A parser of lists, each element parsed by ``parse_one``."""

    def parse(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError(f"must be a list, not {kind_of(value)}")
        return tuple(parse_one(one) for one in value)

    return parse
