"""Own a piece of POSIX shared memory: named, private to its user, never half-made.

Names are ``outcry.PID.START.WHAT``: the owner's identity stands in the name, so what a crashed run
left behind can be told from what is in use without opening it.
"""

import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import posix_ipc

from openoutcry.ring.identity import ProcessIdentity
from openoutcry.wire import OutcryError

SHM = Path("/dev/shm")
NAME = re.compile(r"outcry\.(\d+)\.(\d+)\.([a-z0-9_-]+)")


class SegmentError(OutcryError):
    """A shared-memory segment cannot be made or must not be used."""


def segment_name(owner: ProcessIdentity, what: str) -> str:
    return f"outcry.{owner.pid}.{owner.start_ticks}.{what}"


@dataclass
class Segment:
    """A mapped segment: ``address`` for kernels, ``view`` (uint8 array) for numpy."""

    name: str
    size_bytes: int
    map: mmap.mmap
    view: npt.NDArray[np.uint8]
    address: int

    @classmethod
    def create(cls, name: str, size_bytes: int) -> "Segment":
        """Make a segment of zeros with mode 0600.

        Every page is reserved here: a full /dev/shm is an error now, not a SIGBUS later.  Raises
        :class:`SegmentError` if the name is taken or the space is not there.
        """
        try:
            made = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX, mode=0o600)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"shared memory {SHM / name} is there already") from None
        except OSError as error:
            raise SegmentError(f"shared memory {SHM / name}: {error.strerror}") from error
        try:
            os.posix_fallocate(made.fd, 0, size_bytes)
            return cls._map(name, made.fd, size_bytes)
        except OSError as error:
            posix_ipc.unlink_shared_memory("/" + name)
            free = os.statvfs(SHM)
            raise SegmentError(
                f"no space for shared memory {SHM / name}: {size_bytes:,} bytes needed, "
                f"{free.f_bavail * free.f_frsize:,} free ({error.strerror})"
            ) from error
        except BaseException:
            # Control-C while the pages are being reserved.
            posix_ipc.unlink_shared_memory("/" + name)
            raise
        finally:
            made.close_fd()

    @classmethod
    def attach(cls, name: str) -> "Segment":
        """Map an existing segment of this user; refuses one that others could have written."""
        try:
            found = posix_ipc.SharedMemory("/" + name)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"shared memory {SHM / name} does not exist") from None
        except posix_ipc.PermissionsError:
            raise SegmentError(f"shared memory {SHM / name} belongs to another user") from None
        try:
            status = os.fstat(found.fd)
            if status.st_uid != os.geteuid():
                raise SegmentError(f"shared memory {SHM / name} belongs to user {status.st_uid}")
            if status.st_mode & 0o077:
                raise SegmentError(f"shared memory {SHM / name} is open to other users")
            if status.st_size == 0:
                raise SegmentError(f"shared memory {SHM / name} is empty")
            return cls._map(name, found.fd, status.st_size)
        finally:
            found.close_fd()

    @classmethod
    def _map(cls, name: str, fd: int, size_bytes: int) -> "Segment":
        # Populated here, so that no first touch of a page stands in anybody's latency.
        mapped = mmap.mmap(fd, size_bytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        view = np.frombuffer(mapped, np.uint8)
        return cls(name, size_bytes, mapped, view, view.ctypes.data)

    def words(self, offset: int, count: int) -> npt.NDArray[np.int64]:
        """``count`` int64 words from byte ``offset``."""
        return self.view[offset : offset + 8 * count].view(np.int64)

    def records(self, offset: int, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """``count`` records of ``dtype`` from byte ``offset``, no copy."""
        return self.view[offset : offset + dtype.itemsize * count].view(dtype)

    def unlink(self) -> None:
        """Remove the name; the memory goes when the last process that mapped it does."""
        try:
            posix_ipc.unlink_shared_memory("/" + self.name)
        except posix_ipc.ExistentialError:
            return


def list_segments() -> list[tuple[str, ProcessIdentity]]:
    """Name and owner of every segment of ours on this machine."""
    found = []
    for path in sorted(SHM.glob("outcry.*")):
        match = NAME.fullmatch(path.name)
        if match:
            found.append((path.name, ProcessIdentity(int(match[1]), int(match[2]))))
    return found


def remove_dead_segments() -> list[str]:
    """Remove this user's segments whose owner is proven dead; returns their names."""
    removed = []
    for name, owner in list_segments():
        if owner.alive():
            continue
        try:
            if (SHM / name).stat().st_uid != os.geteuid():
                continue
            posix_ipc.unlink_shared_memory("/" + name)
        except (FileNotFoundError, posix_ipc.ExistentialError):
            continue
        removed.append(name)
    return removed
