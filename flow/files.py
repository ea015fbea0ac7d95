"""What all file sources check before and while they read."""

import csv
import io
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openoutcry.flow.errors import FlowError
from openoutcry.flow.source import Progress

XZ_MAGIC = b"\xfd7zXZ\x00"
PROGRESS_ROWS = 1 << 13
SHOWN_CHARACTERS = 40
"""A wrong cell is quoted up to here: in a binary file it may be megabytes long."""


def checked_file(path: str | Path) -> Path:
    """``path`` if it is a readable file with something in it; :class:`FlowError` if not."""
    path = Path(path)
    if path.is_dir():
        raise FlowError(f"{path} is a directory, not a file")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise FlowError(f"{path} is empty")
    except OSError as error:
        raise file_error(path, error) from error
    return path


def file_error(path: Path, error: OSError) -> FlowError:
    """The operating system's refusal, with the file named once."""
    return FlowError(f"{path}: {error.strerror or error}")


@dataclass(frozen=True)
class Column:
    """One column of a CSV file: every cell must match ``pattern`` whole."""

    name: str
    pattern: str
    meaning: str


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose every cell is checked: plain, or packed with xz.

    ``what`` says in words what the file should be; ``header`` whether the first row must be the
    columns' names.
    """

    path: Path
    columns: tuple[Column, ...]
    what: str
    header: bool = False

    def rows(self, progress: Progress | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number from 1, cells) of each row after the header.

        Raises :class:`FlowError` naming row and column for a wrong cell, a row of another length,
        a missing or foreign header and a broken .xz file.
        """
        patterns = [re.compile(column.pattern) for column in self.columns]
        size_bytes = self.path.stat().st_size
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(len(XZ_MAGIC)) == XZ_MAGIC
                raw.seek(0)
                data = lzma.LZMAFile(raw) if packed else raw  # noqa: SIM115
                # Latin-1 never fails to decode: a foreign byte is reported as a wrong cell.
                text = io.TextIOWrapper(data, encoding="latin-1", newline="")
                for number, row in enumerate(csv.reader(text), start=1):
                    if number == 1 and self.header:
                        self._check_header(row)
                        continue
                    if len(row) != len(patterns):
                        raise self._wrong_length(number, row)
                    for pattern, cell in zip(patterns, row, strict=True):
                        if not pattern.fullmatch(cell):
                            raise self._wrong_cell(number, row)
                    yield number, row
                    if progress and number % PROGRESS_ROWS == 0:
                        progress(raw.tell(), size_bytes)
                if progress:
                    progress(size_bytes, size_bytes)
        except (lzma.LZMAError, EOFError) as error:
            raise FlowError(f"{self.path}: broken .xz file: {error}") from error
        except csv.Error as error:
            raise FlowError(f"{self.path} is not {self.what}: {error}") from error
        except OSError as error:
            raise file_error(self.path, error) from error

    def _check_header(self, row: list[str]) -> None:
        names = [column.name for column in self.columns]
        if row != names:
            raise FlowError(
                f"{self.path}: row 1 is {_shown(','.join(row))}, not the header "
                f"{','.join(names)!r} of {self.what}"
            )

    def _wrong_length(self, number: int, row: list[str]) -> FlowError:
        return FlowError(
            f"{self.path}: row {number} has {len(row)} columns where {self.what} has "
            f"{len(self.columns)}: {_shown(','.join(row))}"
        )

    def _wrong_cell(self, number: int, row: list[str]) -> FlowError:
        for at, (column, cell) in enumerate(zip(self.columns, row, strict=True), start=1):
            if not re.fullmatch(column.pattern, cell):
                return FlowError(
                    f"{self.path}: row {number}, column {at} ({column.name}): {_shown(cell)} is "
                    f"not {column.meaning}"
                )
        raise AssertionError("called for a row in which every cell is right")


def _shown(text: str) -> str:
    """``text`` quoted, and cut where it is long."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")
