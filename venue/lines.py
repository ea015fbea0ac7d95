"""Where in a TOML text a key stands: `tomllib` reads values and forgets their lines."""

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
HEADER = re.compile(r"\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"""([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*((?:\.\s*[A-Za-z0-9_-]+\s*)*)=""")
STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of each table, each entry of an array of tables and each key of a text that
    is TOML; keys inside of inline tables are not told apart from the one that holds them."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
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


def _resolved(parts: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """A header's path, with the last entry of every array of tables on the way to it."""
    path: Path = ()
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
