"""CSV files in and out: columns of texts, dates and whole numbers, each fault with row and
field."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import SettlementError
from openoutcry.wire.text import cell

NAME_LENGTH = 64
Columns = dict[str, Callable[[str], Any]]
"""The columns of a file, each with what makes a value of its text or raises ``ValueError``."""


def name(text: str) -> str:
    """Return the name of a member or asset. Raises ``ValueError`` for one that is too long or
    unsafe in a spreadsheet."""
    if not 0 < len(text) <= NAME_LENGTH or not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r} is not a name of 1 to {NAME_LENGTH} printable characters")
    if cell(text) != text:  # these files are opened in spreadsheets, ours with the same names
        raise ValueError(f"{text!r} begins like a formula of a spreadsheet")
    return text


def whole(text: str) -> int:
    """An int64."""
    return _integer(text, 64)


def _integer(text: str, bits: int) -> int:
    end = 1 << (bits - 1)
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(end)):
        value = int(text)
        if -end <= value < end:
            return value
    raise ValueError(f"{text!r} is not a whole number of {bits} bits")


def balance(text: str) -> int:
    """Return a member's balance, 0 or more: many amounts of 64 bits add up to 128."""
    value = _integer(text, 128)
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value


def positive(text: str) -> int:
    """Return an int64 above 0. Raises ``ValueError`` for anything else."""
    value = whole(text)
    if value <= 0:
        raise ValueError(f"{value} is not positive")
    return value


def natural(text: str) -> int:
    """Return an int64 that is not below 0. Raises ``ValueError`` for anything else."""
    value = whole(text)
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value


def day(text: str) -> date:
    """Return a day of the form 2026-11-23. Raises ``ValueError`` for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day like 2026-11-23") from None


def one_of(*names: str) -> Callable[[str], str]:
    """Return a reader of exactly these words."""

    def chosen(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is not one of {', '.join(names)}")
        return text

    return chosen


def read(path: Path, columns: Columns) -> Iterator[tuple[Any, ...]]:
    """The rows of a file whose first row names exactly these columns; a byte order mark before it,
    as spreadsheets write one, is passed over.

    Raises ``SettlementError`` naming file, row (the first is 1) and field.
    """
    names = list(columns)
    convert = list(columns.values())
    with path.open(newline="", encoding="utf-8-sig") as file:
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
                        f"{path}: row {number}: {len(row)} fields, but {len(names)} are expected"
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
    """Write a file as a whole, or leave what was there.  Raises ``SettlementError`` where no file
    can be."""
    write_all([(path, names, rows)])


def write_all(files: Sequence[tuple[Path, Sequence[str], Iterable[Sequence[Any]]]]) -> None:
    """Write files of (path, columns, rows): none is in place before all are whole.  Raises as
    ``write``."""
    parts: list[str] = []
    try:
        for path, names, rows in files:
            if path.is_dir():
                raise SettlementError(f"{path}: it is a folder: nothing was written")
            parts.append(_written(path, names, rows))
        for part, (path, _, _) in zip(parts, files, strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            Path(part).unlink(missing_ok=True)


def _written(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The name of a whole file in the folder of ``path``."""
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.absolute().parent)
    except OSError as error:
        raise SettlementError(f"{path}: {error.strerror}: nothing was written") from None
    try:
        with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows)
    except BaseException:
        os.unlink(part)
        raise
    return part
