"""CSV files in and out: columns of texts, dates and whole numbers, each fault with row and
field.

An amount is in a column whose name ends ``units``, or as decimal text of its asset in the column
that :func:`decimal_name` names: the first row says which.
"""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from openoutcry.wire.decimals import AmountError, decimal_text, written_units
from openoutcry.wire.errors import SettlementError
from openoutcry.wire.text import cell

NAME_LENGTH = 64
Columns = dict[str, Callable[[str], Any]]
"""The columns of a file, each with what makes a value of its text or raises ``ValueError``."""

AMOUNTS = {
    "quantity_units": "asset",
    "cash_units": "cash_asset",
    "balance_units": "asset",
    "penalty_units": "cash_asset",
    "net_units": "asset",
    "units": "asset",
}
"""The columns of amounts, each with the column that names its asset."""
Scales = Mapping[str, int]
"""Decimals by asset."""


def decimal_name(column: str) -> str:
    """Return the name of a column where its amounts are decimal."""
    is_amount = column in AMOUNTS
    return (column.removesuffix("units").rstrip("_") or "amount") if is_amount else column


def is_decimal(path: Path, columns: Iterable[str]) -> bool:
    """Return whether the first row of a file says that its amounts are decimal."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return next(csv.reader(file), []) == list(map(decimal_name, columns))


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


def read(
    path: Path, columns: Columns, scales: Scales | None = None, asset: str = ""
) -> Iterator[tuple[Any, ...]]:
    """The rows of a file whose first row names exactly these columns, or the decimal ones; a byte
    order mark before it, as spreadsheets write one, is passed over.

    Amounts are units.  ``scales``: decimals by asset; ``asset``: of amounts whose row names none.
    Raises ``SettlementError`` naming file, row (the first is 1) and field.
    """
    names, in_decimals = list(columns), list(map(decimal_name, columns))
    amounts = _amounts(names)
    convert = list(columns.values())
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, strict=True)
        number, header = 0, names
        try:
            for number, row in enumerate(rows, 1):
                if number == 1:
                    if row not in (names, in_decimals):
                        raise SettlementError(f"{path}: row 1 must be {','.join(names)}")
                    header = row
                    continue
                if len(row) != len(names):
                    raise SettlementError(
                        f"{path}: row {number}: {len(row)} fields, but {len(names)} are expected"
                    )
                if header != names:
                    for at, named in amounts:
                        try:
                            row[at] = str(
                                written_units(
                                    row[at], row[named] if named >= 0 else asset, scales or {}
                                )
                            )
                        except AmountError as error:
                            raise SettlementError(
                                f"{path}: row {number}, {header[at]}: {error}"
                            ) from None
                try:
                    yield tuple([make(text) for make, text in zip(convert, row, strict=True)])
                except ValueError:
                    raise _fault(path, number, zip(header, convert, row, strict=True)) from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise SettlementError(f"{path}: row {number + 1}: {error}") from None
        if number == 0:
            raise SettlementError(f"{path}: row 1 must be {','.join(names)}")


def _amounts(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the place of each amount, and of the asset in the same row, or -1."""
    where = {column: at for at, column in enumerate(names)}
    return [(where[one], where.get(AMOUNTS[one], -1)) for one in names if one in AMOUNTS]


def decimal_table(
    names: Sequence[str], rows: Iterable[Sequence[Any]], scales: Scales | None, asset: str = ""
) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    """Return columns and rows with amounts as decimals of their assets; None: as they are.
    ``asset``: as for :func:`read`."""
    if scales is None:
        return names, rows
    amounts = _amounts(names)

    def texts(row: Sequence[Any]) -> list[Any]:
        made = list(row)
        for at, named in amounts:
            decimals = scales.get(row[named] if named >= 0 else asset, 0)
            made[at] = decimal_text(row[at], decimals)
        return made

    return list(map(decimal_name, names)), map(texts, rows)


def _fault(
    path: Path, number: int, fields: Iterable[tuple[str, Callable[[str], Any], str]]
) -> SettlementError:
    for field, make, text in fields:
        try:
            make(text)
        except ValueError as error:
            return SettlementError(f"{path}: row {number}, {field}: {error}")
    raise AssertionError("a row that could not be read can be read")


def write(
    path: Path,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    scales: Scales | None = None,
) -> None:
    """Write a file as a whole, or leave what was there; ``scales``: decimals by asset, for decimal
    amounts.  Raises ``SettlementError`` where no file can be."""
    write_all([(path, *decimal_table(names, rows, scales))])


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
