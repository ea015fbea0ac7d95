"""The disk under a folder: whether there is one, and what the bare calls take."""

import os
import time
from collections.abc import Generator
from contextlib import closing
from itertools import count as numbers
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

SECTOR = 4096
SLOTS = 16_384


def has_disk(folder: Path) -> bool:
    """False where the journal would be in a memory file system."""
    here = folder.resolve()
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, fs, *_ = line.split()
        inside = here == Path(mount) or Path(mount) in here.parents
        if inside and len(mount) >= len(best):
            best, kind = mount, fs
    return kind not in ("tmpfs", "ramfs", "devtmpfs")


def bare_ns(path: Path, size: int, count: int) -> npt.NDArray[np.int64]:
    """Return the times of the bare calls, ns (count,): write ``size`` bytes after the last into a
    prewritten file, fdatasync."""
    with closing(_writes(path, size, count)) as bare:
        writes = np.array(list(islice(bare, count)))
    return writes[:, 1] - writes[:, 0]


def bare_writes(path: Path, size: int, seconds: float) -> npt.NDArray[np.int64]:
    """Began and ended, ns (writes, 2), of as many of them as ``seconds`` have room for, over and
    over in a file like a segment of the journal."""
    writes = []
    with closing(_writes(path, size, SLOTS)) as bare:
        for began, ended in bare:
            writes.append((began, ended))
            if ended - writes[0][0] > seconds * 1e9:
                break
    return np.array(writes)


def group_commit_ns(writes: npt.NDArray[np.int64], every_ns: int) -> npt.NDArray[np.int64]:
    """Return how long orders would wait, of which one comes each ``every_ns``.

    Each of those ``writes`` takes all orders that had come before it began. That is the least that
    group commit with one write at a time can do on that disk. A list of writes alone does not show
    two things. An order that comes while a write takes long waits for the rest of it, and more
    orders come the longer it takes."""
    began, ended = writes.T
    comes = np.arange(began[0], began[-1], every_ns)
    waited: npt.NDArray[np.int64] = ended[np.searchsorted(began, comes)] - comes
    return waited


def _writes(path: Path, size: int, slots: int) -> Generator[tuple[int, int], None, None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.pwrite(fd, bytes(size * slots), 0)
        os.fsync(fd)
        data = os.urandom(size)
        for number in numbers():
            began = time.perf_counter_ns()
            os.pwrite(fd, data, number % slots * size)
            os.fdatasync(fd)
            yield began, time.perf_counter_ns()
    finally:
        os.close(fd)
        path.unlink()
