"""Reads the tables of a TOML document strictly: every mistake is noted with its line and key."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from openoutcry.venue.lines import Path


class Mistake(NamedTuple):
    """What is wrong, and where."""

    line: int
    key: str
    text: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.key}: {self.text}"
            if self.key
            else (f"line {self.line}: {self.text}")
        )


REQUIRED = object()


@dataclass(frozen=True)
class Key:
    """A key of a table: ``parse`` gives what the value means or raises ``ValueError``."""

    parse: Callable[[Any], Any]
    default: Any = REQUIRED


class Tables:
    """The document's tables, and the mistakes that have been found in them."""

    def __init__(self, document: dict[str, Any], lines: dict[Path, int]) -> None:
        self.document, self.lines = document, lines
        self.mistakes: list[Mistake] = []

    def line_of(self, path: Path) -> int:
        """The line of a key, or of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def wrong(self, path: Path, text: str) -> None:
        self.mistakes.append(Mistake(self.line_of(path), name_of(path), text))

    def only(self, path: Path, keys: Iterable[str], known: Iterable[str]) -> None:
        """Note every key that is none."""
        known = list(known)
        for key in keys:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                meant = f"; is {near[0]} meant?" if near else ""
                self.wrong((*path, key), f"unknown key{meant}")

    def read(self, path: Path, table: Any, keys: Mapping[str, Key]) -> dict[str, Any]:
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

    def rows(self, name: str, keys: Mapping[str, Key]) -> list[tuple[Path, dict[str, Any]]]:
        """The entries of an array of tables (``[[name]]``), each with its path."""
        array = self.document.get(name, [])
        if not isinstance(array, list):
            self.wrong((name,), f"must be an array of tables, [[{name}]], not {kind_of(array)}")
            return []
        paths = [(name, index) for index in range(len(array))]
        return [(p, self.read(p, row, keys)) for p, row in zip(paths, array, strict=True)]

    def given_table(self, name: str) -> dict[str, Any]:
        """A table as it stands in the file; empty where it is none."""
        table = self.document.get(name)
        return table if isinstance(table, dict) else {}

    def given_rows(self, name: str) -> list[tuple[Path, dict[str, Any]]]:
        """The entries of an array of tables as they stand in the file, without what is no table."""
        array = self.document.get(name, [])
        rows = enumerate(array if isinstance(array, list) else [])
        return [((name, index), row) for index, row in rows if isinstance(row, dict)]

    def reach(
        self, path: Path, row: Mapping[str, Any], numbers: Mapping[int, str], symbols: Iterable[str]
    ) -> None:
        """Note what is wrong with whom and where a row is of: ``participant`` or ``group``, and
        ``instrument``.  ``numbers``: each participant's group."""
        who, group, symbol = row["participant"], row["group"], row["instrument"]
        if who and group:
            self.wrong((*path, "group"), "a row names a participant or a group, not both")
        if who and who not in numbers:
            self.wrong((*path, "participant"), f"there is no participant {who}")
        if group and group not in numbers.values():
            self.wrong((*path, "group"), f"no participant is in group {group!r}")
        if symbol and symbol not in symbols:
            self.wrong((*path, "instrument"), f"there is no instrument {symbol!r}")

    def distinct(self, rows: Iterable[tuple[Path, Any]], what: str) -> None:
        """Note every value that was there before; the path is that of the key."""
        seen: dict[Any, Path] = {}
        for path, value in rows:
            if value is None:
                continue
            if value in seen:
                self.wrong(
                    path,
                    f"{what} {shown(value)} already exists, in line {self.line_of(seen[value])}",
                )
            seen.setdefault(value, path)


def name_of(path: Path) -> str:
    """``instrument[2].symbol``; entries are counted from 1, as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else repr(value)


def kind_of(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number with a point",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return next((text for kind, text in names.items() if type(value) is kind), "a date or time")


# What values may be


def integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if type(value) is not int:
            raise ValueError(f"must be a whole number, not {kind_of(value)}")
        if not low <= value <= high:
            raise ValueError(f"{value} is not {low} to {high}")
        return value

    return parse


def boolean(value: Any) -> bool:
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


def one_of(choices: Mapping[str, Any]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(f"must be a text, not {kind_of(value)}")
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return choices[value]

    return parse


def list_of(parse_one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def parse(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError(f"must be a list, not {kind_of(value)}")
        return tuple(parse_one(one) for one in value)

    return parse
