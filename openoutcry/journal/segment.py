"""Segment files: their names, their making, and reading them without ever trusting their length."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from openoutcry.journal.disk import REAL, Disk
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import JournalError
from openoutcry.wire.extras import need
from openoutcry.wire.records import BLOCK_HEADER

WINDOW_BYTES = 1 << 20
FOLLOWED_BYTES = 16 << 10
"""Bytes read at a time of a journal that is followed: most reads find one small block, and zeros
after it."""
ZEROS = bytes(WINDOW_BYTES)
NEW_SUFFIX = ".new"
PACKED_SUFFIX = ".zst"
RETIRED_NAME = "retired"
MAX_SEGMENTS = 1_000_000
OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_NAME = re.compile(r"segment-(\d{6})\.ocj(\.zst)?")


@lru_cache(maxsize=64)
def segment_path(directory: Path, number: int) -> Path:
    """Path of segment ``number``, counted from 0."""
    return directory / f"segment-{number:06d}.ocj"


def packed_path(directory: Path, number: int) -> Path:
    """Path of segment ``number`` once it is archived: the same bytes, compressed."""
    return directory / f"segment-{number:06d}.ocj{PACKED_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of the segment files in ``directory``, ascending."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        raise JournalError(f"{directory}: no such directory") from None
    except NotADirectoryError:
        raise JournalError(f"{directory} is not a directory") from None
    except OSError as error:
        raise JournalError(f"{directory}: {error.strerror}") from None
    return sorted({int(match[1]) for match in map(_NAME.fullmatch, names) if match})


def retired_before(directory: Path) -> int:
    """The first segment that must be there: those before it were retired on purpose."""
    try:
        return int((directory / RETIRED_NAME).read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise JournalError(f"{directory / RETIRED_NAME} cannot be read: {error}") from None


def write_zeros(fd: int, path: Path, start: int, end: int, disk: Disk = REAL) -> None:
    """Overwrite bytes ``start`` to ``end`` with zeros; :class:`JournalError` names what failed."""
    at = start
    while at < end:
        try:
            at += disk.write(fd, memoryview(ZEROS)[: end - at], at)
        except OSError as error:
            raise space_error(path, error, end - at) from None


def space_error(path: Path, error: OSError, missing_bytes: int) -> JournalError:
    """The error for a write to ``path`` that failed with ``missing_bytes`` still to go."""
    if error.errno in OUT_OF_SPACE:
        return JournalError(f"{path}: {error.strerror}: {missing_bytes:,} bytes are missing")
    return JournalError(f"{path}: cannot write: {error.strerror}")


def sync_file(path: Path, disk: Disk = REAL) -> None:
    """Make what the file at ``path`` holds durable; raises ``OSError`` as the disk does."""
    fd = disk.open(path, os.O_RDWR)
    try:
        disk.sync(fd)
    finally:
        disk.close(fd)


def write_whole(path: Path, data: bytes, disk: Disk = REAL, suffix: str = NEW_SUFFIX) -> None:
    """Make a file of ``data``, durable under its name or not there at all; ``suffix`` of its name
    until it is whole.

    Raises ``OSError`` as the disk does; what half was written is removed.
    """
    new = path.with_name(path.name + suffix)
    try:
        fd = disk.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            at = 0
            while at < len(data):
                at += disk.write(fd, memoryview(data)[at:], at)
            disk.sync(fd)
        finally:
            disk.close(fd)
        disk.rename(new, path)
        disk.sync_directory(path.parent)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def make_segment(
    directory: Path,
    number: int,
    size_bytes: int,
    head: Any = b"",
    disk: Disk = REAL,
    pace: Callable[[int], int] | None = None,
) -> None:
    """Make a segment of ``head`` and zeros, durable under its final name.

    Written under another name and renamed when whole, so that a segment is never seen half made.
    Zeros are written, not only allocated: a later sync then has no extents to convert and costs
    only the data.  The caller's ``pace`` is given how far the segment is, and says when and up to
    where to continue; what was written before is on the disk then.  Raises :class:`JournalError`,
    leaving no file.
    """
    path = segment_path(directory, number)
    new = path.with_name(path.name + NEW_SUFFIX)
    try:
        fd = disk.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    except OSError as error:
        raise space_error(new, error, size_bytes) from None
    try:
        if len(head) and (written := disk.write(fd, head, 0)) != len(head):
            raise JournalError(f"{path}: {size_bytes - written:,} bytes are missing")
        done_bytes = len(head)
        while pace is not None and (until := min(pace(done_bytes), size_bytes)) < size_bytes:
            write_zeros(fd, path, done_bytes, until, disk)
            disk.datasync(fd)
            done_bytes = until
        write_zeros(fd, path, done_bytes, size_bytes, disk)
        disk.sync(fd)
        disk.rename(new, path)
        disk.sync_directory(directory)
    except BaseException as error:
        new.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise space_error(path, error, size_bytes) from None
        raise
    finally:
        disk.close(fd)


def remove_half_made(directory: Path, disk: Disk = REAL) -> None:
    """Remove what a process killed in :func:`make_segment` left."""
    for path in directory.glob("segment-*" + NEW_SUFFIX):
        disk.unlink(path)


def unpack_segment(path: Path) -> bytes:
    """The bytes of an archived segment."""
    what = f"{path} is compressed: reading it needs zstandard"
    zstandard = need("zstandard", what, "journal", JournalError)
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error.strerror}") from None
    if not packed:
        raise JournalError(f"{path} is empty: the archived segment is gone")
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    try:
        data = bytes(unpacking.decompress(packed))
    except zstandard.ZstdError as error:
        raise JournalError(f"{path}: cannot be unpacked: {error}") from None
    if not unpacking.eof:
        raise JournalError(f"{path}: the file ends inside the archived segment")
    if behind := len(unpacking.unused_data):
        raise JournalError(f"{path}: {behind:,} bytes follow the archived segment")
    return data


class SegmentFile(Closing):
    """Reads one segment by pread(2) through a window.

    Not by mmap: a running writer truncates a segment when it has filled it, and a disk may fail
    to give a page.  Either would end a mapping's reader by SIGBUS instead of an error.  Reading
    also means that the bytes served are the very bytes that were checked.
    """

    def __init__(
        self, path: Path, number: int, fd: int, disk: Disk = REAL, unpacked: bytes = b""
    ) -> None:
        self.path = path
        self.number = number
        self._fd = fd
        self._disk = disk
        self._unpacked = memoryview(unpacked)
        self._window = memoryview(b"")
        self._base = 0
        self.window_bytes = WINDOW_BYTES

    @classmethod
    def open(cls, directory: Path, number: int, disk: Disk = REAL) -> "SegmentFile | None":
        """Open segment ``number``, archived or not; None if there is no such file."""
        path = segment_path(directory, number)
        try:
            return cls(path, number, disk.open_to_read(path), disk)
        except FileNotFoundError:
            packed = packed_path(directory, number)
            if packed.exists():
                return cls(packed, number, -1, disk, unpack_segment(packed))
            return None
        except OSError as error:
            raise JournalError(f"{path}: cannot open: {error.strerror}") from None

    @classmethod
    def require(cls, directory: Path, number: int, disk: Disk) -> "SegmentFile":
        """Open segment ``number``; raise :class:`JournalError` if there is no such file."""
        segment = cls.open(directory, number, disk)
        if segment is None:
            raise JournalError(f"{segment_path(directory, number)} is missing")
        return segment

    @property
    def size_bytes(self) -> int:
        """Bytes of the segment; of a packed one, after unpacking."""
        return os.fstat(self._fd).st_size if self._fd >= 0 else len(self._unpacked)

    def read(self, offset: int, size: int) -> memoryview:
        """``size`` bytes at ``offset``, read-only; fewer if the file ends before."""
        at = offset - self._base
        if at < 0 or at + size > len(self._window):
            self._window = memoryview(self._pread(offset, max(size, self.window_bytes)))
            self._base, at = offset, 0
        return self._window[at : at + size]

    def head(self, offset: int = 0) -> bytes:
        """The bytes of a block header at ``offset``; nothing more is read."""
        return self._pread(offset, BLOCK_HEADER.size_bytes)

    def follow(self) -> None:
        """Read what is new and little more.  Of a file that is read in order the kernel reads up to
        4 MiB ahead, here zeros that were prewritten, and a commit waits for them (measured:
        6 ms)."""
        self.window_bytes = FOLLOWED_BYTES
        if self._fd >= 0:
            self._disk.read_no_more(self._fd)

    def forget(self) -> None:
        """Read from the file again next time: another process may have written to it."""
        self._window = memoryview(b"")

    def windows(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """The file from ``offset`` on, as (offset, bytes), past the window of :meth:`read`."""
        while data := self._pread(offset, WINDOW_BYTES):
            yield offset, data
            offset += len(data)

    def _pread(self, offset: int, size: int) -> bytes:
        if self._fd < 0:
            return bytes(self._unpacked[offset : offset + size])
        if size > WINDOW_BYTES:
            # Bounded by the file: a damaged length must not make us ask for gigabytes.  Only then:
            # a request for the size is one for times, and the next durable write pays for them
            # (``disk.file_status``).
            size = min(size, max(0, self.size_bytes - offset))
        try:
            return self._disk.read(self._fd, size, offset)
        except OSError as error:
            raise JournalError(
                f"{self.path}: byte {offset}: cannot read: {error.strerror}"
            ) from None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            self._disk.close(self._fd)
            self._fd = -1


def read_from_disk(directory: Path, disk: Disk = REAL) -> None:
    """Have the last segments that a writer may have left unsynced read from the disk.

    After a failed sync the page cache may hold as clean what never reached the disk.

    Before a segment holds data, those before it are durable.  Raises :class:`JournalError` if a
    sync fails; what cannot be opened for it cannot be written either, and shows later.
    """
    for number in reversed(segment_numbers(directory)):
        path = segment_path(directory, number)
        try:
            fd = disk.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            begun = any(disk.read(fd, 8, 0))
            disk.sync(fd)
            disk.forget(fd)
        except OSError as error:
            raise JournalError(f"{path}: cannot sync: {error.strerror}") from None
        finally:
            disk.close(fd)
        if begun:
            return
