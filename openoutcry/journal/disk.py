"""All file system calls of the journal, where tests inject faults and power cuts."""

import ctypes
import errno
import mmap
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

AT_FDCWD, STATX_INO, STATX_SIZE = -100, 0x100, 0x200
"""statx(2)."""
IN_MEMORY = (0x01021994, 0x858458F6)
"""statfs(2): tmpfs and ramfs, whose page cache is all that there is."""
FORGET_S = 1.0
"""As long as pages that something holds are asked for again (measured at full load: 3 of 1,000
drops leave one at first, the longest for 4 ms)."""


class FileStatus(NamedTuple):
    """Identity and size of a file."""

    device: int
    inode: int
    size_bytes: int


class _Statx(ctypes.Structure):
    """struct statx of linux/stat.h, as far as it is read."""

    _fields_ = (
        ("_before", ctypes.c_uint8 * 32),
        ("inode", ctypes.c_uint64),
        ("size_bytes", ctypes.c_uint64),
        ("_between", ctypes.c_uint8 * 88),
        ("device_major", ctypes.c_uint32),
        ("device_minor", ctypes.c_uint32),
        ("_behind", ctypes.c_uint8 * 112),
    )


assert ctypes.sizeof(_Statx) == 256

_libc = ctypes.CDLL(None, use_errno=True)
_HAS_STATX = hasattr(_libc, "statx")


def file_status(path: bytes | Path) -> FileStatus:
    """The file that has this name now; a symbolic link is followed.

    Times are not asked for: since Linux 6.13 (multigrain timestamps) the write after a stat(2) has
    to take a new time to the disk.  Measured: 79 us more for a durable write of 145.
    """
    if not _HAS_STATX:
        status = os.stat(path)
        return FileStatus(status.st_dev, status.st_ino, status.st_size)
    into = _Statx()
    name = path if isinstance(path, bytes) else os.fsencode(path)
    if _libc.statx(AT_FDCWD, name, 0, STATX_INO | STATX_SIZE, ctypes.byref(into)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(name))
    device = os.makedev(into.device_major, into.device_minor)
    return FileStatus(device, into.inode, into.size_bytes)


def cached_pages(fd: int) -> npt.NDArray[np.bool_]:
    """Return which pages of a file on a disk the page cache holds: all of them, if the caller may
    not write to it (mincore(2)). A file in memory has none: it has only its cache."""
    status = (ctypes.c_long * 32)()
    size_bytes = os.fstat(fd).st_size
    if not size_bytes or (_libc.fstatfs(fd, status) == 0 and status[0] in IN_MEMORY):
        return np.zeros(0, np.bool_)
    resident = np.zeros(-(-size_bytes // mmap.PAGESIZE), np.uint8)
    with mmap.mmap(fd, size_bytes, prot=mmap.PROT_READ) as pages:
        mapped = np.frombuffer(pages, np.uint8)
        _libc.mincore(
            ctypes.c_void_p(mapped.ctypes.data),
            ctypes.c_size_t(size_bytes),
            ctypes.c_void_p(resident.ctypes.data),
        )
        del mapped
    return (resident & 1).astype(np.bool_)


class Disk:
    """Every call by which a journal changes or reads a disk; each raises ``OSError`` as the system
    does.  A test derives from it, records or refuses calls, and runs the real ones below."""

    def open(self, path: Path, flags: int) -> int:
        """Open ``path``; new files are for their owner alone."""
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def open_to_read(self, path: Path) -> int:
        """Open an existing file for reading.  Its time of access stays, if the file is ours: else
        each read after a write changes the inode, which the next writes wait for."""
        try:
            return self.open(path, os.O_RDONLY | os.O_NOATIME)
        except PermissionError:
            return self.open(path, os.O_RDONLY)

    def open_direct(self, path: Path) -> tuple[int, bool]:
        """Open an existing file for whole aligned blocks: (fd, whether past the page cache).

        Where the file system takes no O_DIRECT (some in memory or on the network), through the
        cache; what is promised stays the same.
        """
        try:
            return self.open(path, os.O_RDWR | os.O_DIRECT), True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return self.open(path, os.O_RDWR), False

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on. Raises ``OSError``, as all calls here."""
        return os.pread(fd, size, offset)

    def read_into(self, fd: int, into: Any, offset: int) -> int:
        """Fill a writable buffer; how many bytes there were."""
        return os.preadv(fd, [into], offset)

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        """Write; with ``durable`` this write (not those before) is on the medium on return."""
        return os.pwritev(fd, [data], offset, os.RWF_DSYNC if durable else 0)

    def datasync(self, fd: int) -> None:
        """Make the file's data durable."""
        os.fdatasync(fd)

    def sync(self, fd: int) -> None:
        """Make the file's data and metadata durable."""
        os.fsync(fd)

    def status(self, path: bytes | Path) -> FileStatus:
        """The file that has this name now; a symbolic link is followed."""
        return file_status(path)

    def forget(self, fd: int) -> None:
        """Drop what the page cache holds of a file that was synced: it is read from the disk.

        The kernel leaves a page that anything refers to just then (a scan for idle pages, a
        compaction) and does not say so.  The drop is therefore repeated until each page is seen to
        be gone, for at most :data:`FORGET_S`: a page that another process has mapped never goes.
        """
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        left = cached_pages(fd)
        until_s = time.monotonic() + FORGET_S
        while left.any() and time.monotonic() < until_s:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            left &= cached_pages(fd)

    def read_no_more(self, fd: int) -> None:
        """Read from this file what is asked for, and nothing ahead."""
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)

    def truncate(self, fd: int, size: int) -> None:
        """Cut or extend the file to ``size`` bytes."""
        os.ftruncate(fd, size)

    def close(self, fd: int) -> None:
        """Close the descriptor."""
        os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file, replacing ``new``."""
        os.rename(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Make the names in ``path`` durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def cut(self, path: Path, size_bytes: int) -> None:
        """Cut a file to ``size_bytes``, and make that durable."""
        fd = self.open(path, os.O_RDWR)
        try:
            self.truncate(fd, size_bytes)
            self.sync(fd)
        finally:
            self.close(fd)


REAL = Disk()
