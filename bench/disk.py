"""The disk under a folder: whether there is one, and what the bare calls take."""

import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

SECTOR = 4096


def has_disk(folder: Path) -> bool:
    """False where the journal would stand in a memory file system."""
    here = folder.resolve()
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, fs, *_ = line.split()
        inside = here == Path(mount) or Path(mount) in here.parents
        if inside and len(mount) >= len(best):
            best, kind = mount, fs
    return kind not in ("tmpfs", "ramfs", "devtmpfs")


def bare_ns(path: Path, size: int, count: int) -> npt.NDArray[np.float64]:
    """The bare calls: write ``size`` bytes behind the last into a prewritten file, fdatasync."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.pwrite(fd, bytes(size * count), 0)
        os.fsync(fd)
        data = os.urandom(size)
        took = np.zeros(count)
        for number in range(count):
            started = time.perf_counter_ns()
            os.pwrite(fd, data, number * size)
            os.fdatasync(fd)
            took[number] = time.perf_counter_ns() - started
        return took
    finally:
        os.close(fd)
        path.unlink()
