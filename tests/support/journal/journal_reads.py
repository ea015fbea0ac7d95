"""What reading a journal costs, in bytes: the same on every machine, however busy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from openoutcry.journal import Disk


@contextmanager
def counted_reads() -> Iterator[list[int]]:
    """The size of each read from any journal's disk meanwhile, as they come."""
    sizes: list[int] = []
    read, read_into = Disk.read, Disk.read_into

    def counted(disk: Disk, fd: int, size: int, offset: int) -> bytes:
        data = read(disk, fd, size, offset)
        sizes.append(len(data))
        return data

    def counted_into(disk: Disk, fd: int, into: Any, offset: int) -> int:
        size = read_into(disk, fd, into, offset)
        sizes.append(size)
        return size

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Disk, "read", counted)
        patched.setattr(Disk, "read_into", counted_into)
        yield sizes
