"""CSV files in and out: columns of texts, dates and whole numbers, each fault with row and
field."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from openoutcry.ledger.settlement.errors import SettlementError

INT64_END = 1 << 63
NAME_LENGTH = 64
Columns = dict[str, Callable[[str], Any]]
"""The columns of a file, each with what makes a value of its text or raises ``ValueError``."""


def name(text: str) -> str:
    if not 0 < len(text) <= NAME_LENGTH or not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r} is no name of 1 to {NAME_LENGTH} characters")
    return text


def whole(text: str) -> int:
    """An int64."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        raise ValueError(f"{text!r} is no whole number of 64 bits")
    value = int(text)
    if not -INT64_END <= value < INT64_END:
        raise ValueError(f"{text!r} is no whole number of 64 bits")
    return value


def positive(text: str) -> int:
    value = whole(text)
    if value <= 0:
        raise ValueError(f"{value} is not positive")
    return value


def natural(text: str) -> int:
    value = whole(text)
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day like 2026-11-23") from None


def one_of(*names: str) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is none of {', '.join(names)}")
        return text

    return chosen


def read(path: Path, columns: Columns) -> Iterator[tuple[Any, ...]]:
    """The rows of a file whose first row names exactly these columns.

    Raises ``SettlementError`` naming file, row (the first is 1) and field.
    """
    names = list(columns)
    convert = list(columns.values())
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, strict=True)
        number = 0
        try:
            for number, row in enumerate(rows, 1):
                if number == 1:
                    if row != names:
                        raise SettlementError(f"{path}: row 1 must be {','.join(names)}")
                    continue
                if len(row) != len(names):
                    raise SettlementError(
                        f"{path}: row {number}: {len(row)} fields where {len(names)} are wanted"
                    )
                try:
                    yield tuple([make(text) for make, text in zip(convert, row, strict=True)])
                except ValueError:
                    raise _fault(path, number, columns, row) from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise SettlementError(f"{path}: row {number + 1}: {error}") from None
        if number == 0:
            raise SettlementError(f"{path}: row 1 must be {','.join(names)}")


def _fault(path: Path, number: int, columns: Columns, row: list[str]) -> SettlementError:
    for (field, make), text in zip(columns.items(), row, strict=True):
        try:
            make(text)
        except ValueError as error:
            return SettlementError(f"{path}: row {number}, {field}: {error}")
    raise AssertionError("a row that could not be read can be read")


def write(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a file as a whole, or leave what was there."""
    descriptor, part = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.absolute().parent)
    try:
        with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
