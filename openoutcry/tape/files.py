"""What all file sources check before and while they read."""

import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from openoutcry.wire.errors import FlowError

Progress = Callable[[int, int], None]
"""Called now and then with (bytes done, bytes in all)."""

XZ, GZIP, ZSTD = b"\xfd7zXZ\x00", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A zstd file may begin with a frame that has no data in it, as pzstd's do."""
PACKED_BYTES = 1 << 17
FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it first",
    b"\xd4\xc3\xb2\xa1": "a packet capture (pcap): take the messages out of its packets first",
    b"\xa1\xb2\xc3\xd4": "a packet capture (pcap): take the messages out of its packets first",
    b"\x4d\x3c\xb2\xa1": "a packet capture (pcap): take the messages out of its packets first",
    b"\xa1\xb2\x3c\x4d": "a packet capture (pcap): take the messages out of its packets first",
    b"\x0a\x0d\x0d\x0a": "a packet capture (pcapng): take the messages out of its packets first",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF document",
}
"""First bytes of other kinds of files, and what they are."""
PROGRESS_ROWS = 1 << 13
SHOWN_CHARACTERS = 40
"""A wrong cell is quoted up to here: in a binary file it may be megabytes long."""


def checked_file(path: str | Path, raw: bool = False) -> Path:
    """Return ``path`` if it is a readable file that is not empty; otherwise raise
    :class:`FlowError`.

    The error names another kind of file if the first bytes are those of one. With ``raw``, the
    first bytes may be any.
    """
    path = Path(path)
    if path.is_dir():
        raise FlowError(f"{path} is a directory, not a file")
    try:
        with path.open("rb") as file:
            begin = file.read(16)
        if not begin:
            raise FlowError(f"{path} is empty")
        for magic, what in FOREIGN.items():
            if not raw and begin.startswith(magic):
                raise FlowError(f"{path} is {what}")
    except OSError as error:
        raise file_error(path, error) from error
    return path


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(what is in the file, the file itself, whose position says how far one is): plain, or packed
    with gzip, zstd (the module ``zstandard``) or xz.  Raises :class:`FlowError`, also for a file
    that is packed twice or has another kind of file in it."""
    try:
        with path.open("rb") as raw:
            begin = raw.read(len(XZ))
            raw.seek(0)
            data: Any = raw
            packed = packed_with(begin)
            if packed == "gzip":
                data = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)))
            elif packed:
                data = _xz(raw) if packed == "xz" else _zstd(path, raw)
            if packed:
                _check_inside(path, packed, data.peek(len(XZ)))
            yield data, raw
    except (lzma.LZMAError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FlowError(f"{path}: its packed bytes are broken: {error}") from error
    except OSError as error:
        raise file_error(path, error) from error


def packed_with(begin: bytes) -> str:
    """Return the program that packed the file that begins so; nothing if none of gzip, xz
    and zstd."""
    if begin.startswith(ZSTD) or SKIPPABLE.match(begin):
        return "zstd"
    return "xz" if begin.startswith(XZ) else "gzip" if begin.startswith(GZIP) else ""


def _check_inside(path: Path, packed: str, begin: bytes) -> None:
    if not begin:
        raise FlowError(f"{path} is empty: {packed} has packed no bytes")
    if again := packed_with(begin):
        raise FlowError(f"{path} is packed twice, with {again} and {packed}: unpack it once first")
    for magic, what in FOREIGN.items():
        if begin.startswith(magic):
            raise FlowError(f"{path} has, packed with {packed}, {what}")


class _Frames(io.RawIOBase):
    """Content of frames (xz: streams), in turn, with ``padding`` between them. The readers of both
    libraries take a file that is cut short, or damaged after its first frame, for a whole one."""

    def __init__(self, raw: IO[bytes], new: Callable[[], Any], padding: bytes = b"") -> None:
        self.raw, self.new, self.padding = raw, new, padding
        self.frame: Any = None
        self.packed = self.left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.left:
            packed = self.packed or self.raw.read(PACKED_BYTES)
            self.packed = b""
            if not packed:
                if self.frame is not None:
                    raise EOFError("it ends within a frame")
                return 0
            if self.frame is None:
                packed = packed.lstrip(self.padding)
                if not packed:
                    continue
                self.frame = self.new()
            self.left = self.frame.decompress(packed)
            if self.frame.eof:
                self.packed, self.frame = self.frame.unused_data, None
        data, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _xz(raw: IO[bytes]) -> IO[bytes]:
    return io.BufferedReader(_Frames(raw, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), b"\0"))


def _zstd(path: Path, raw: IO[bytes]) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise FlowError(
            f"{path} is packed with zstd: python -m pip install zstandard, or unpack it first"
        ) from None

    class Frames(_Frames):
        def readinto(self, buffer: Any) -> int:
            try:
                return super().readinto(buffer)
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from error

    return io.BufferedReader(Frames(raw, zstandard.ZstdDecompressor().decompressobj), 1 << 20)


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
    """A CSV file whose every cell is checked: plain, or packed with gzip, zstd or xz.

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
        a missing or foreign header and a broken packed file.
        """
        patterns = [re.compile(column.pattern) for column in self.columns]
        size_bytes = self.path.stat().st_size
        try:
            with unpacked(self.path) as (data, raw):
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
        except csv.Error as error:
            raise FlowError(f"{self.path} is not {self.what}: {error}") from error

    def _check_header(self, row: list[str]) -> None:
        names = [column.name for column in self.columns]
        if row != names:
            missing = ", ".join(name for name in names if name not in row)
            raise FlowError(
                f"{self.path}: row 1 is {_shown(','.join(row))}, not the header "
                f"{','.join(names)!r} of {self.what}" + (f": it lacks {missing}" if missing else "")
            )

    def _wrong_length(self, number: int, row: list[str]) -> FlowError:
        return FlowError(
            f"{self.path}: row {number} has {len(row)} columns, but {self.what} has "
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
