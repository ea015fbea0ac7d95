"""Memory for two processes that do not trust each other: of a fixed size, without a name."""

import fcntl
import mmap
import os

FUTURE_WRITE = 0x10
"""F_SEAL_FUTURE_WRITE (linux/fcntl.h, since Linux 5.1)."""
SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def make_sealed(name: str, size_bytes: int) -> int:
    """Descriptor of memory of a fixed size, all of it there, that only its holder can open."""
    fd = _make(name, size_bytes)
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd


def make_written_here(name: str, size_bytes: int) -> tuple[int, mmap.mmap]:
    """Return such memory that is written through this one map, which forks inherit: no descriptor
    of it can be mapped for writing any more, by any process."""
    fd = _make(name, size_bytes)
    try:
        memory = mmap.mmap(fd, size_bytes)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS | FUTURE_WRITE | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd, memory


def _make(name: str, size_bytes: int) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.fchmod(fd, 0o600)
        os.posix_fallocate(fd, 0, size_bytes)
    except OSError:
        os.close(fd)
        raise
    return fd


def give_back(fd: int) -> None:
    """Give the pages of a segment back to the system, whoever still has it open or mapped: it reads
    zeros there."""
    with mmap.mmap(fd, os.fstat(fd).st_size) as memory:
        memory.madvise(mmap.MADV_REMOVE)


def read_only(fd: int) -> int:
    """Return another descriptor of the same memory, through which it can only be read."""
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def is_sealed(fd: int, size_bytes: int) -> bool:
    """Return whether a segment has this size and keeps it."""
    seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    return os.fstat(fd).st_size == size_bytes and seals & SIZE_SEALS == SIZE_SEALS
