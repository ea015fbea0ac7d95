"""Own a piece of POSIX shared memory: named, private to its user, never half-made.

Names are ``outcry.PID.START.WHAT``.  The owner's identity is in the name, so the segments that a
crashed run left can be distinguished from those in use without opening them.  A segment is a file
in /dev/shm or, with huge pages, a file of the same name in a hugetlbfs mount; a name is looked for
in both.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import posix_ipc

from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.sigbus import ALIGN_BYTES, PAGE_BYTES, Mapping
from openoutcry.wire import OutcryError

SHM = Path("/dev/shm")
NAME = re.compile(r"outcry\.(\d+)\.(\d+)\.([a-z0-9_-]+)")

MOUNTS = Path("/proc/mounts")
HUGE_PAGES = Path("/sys/kernel/mm/hugepages")
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25


class SegmentError(OutcryError):
    """A shared-memory segment cannot be made or must not be used."""


class NoRoomError(SegmentError):
    """Shared memory has not the bytes that a segment needs."""


def segment_name(owner: ProcessIdentity, what: str) -> str:
    """The name of a segment: it has its owner's pid and start time, to recognize dead owners."""
    return f"outcry.{owner.pid}.{owner.start_ticks}.{what}"


@dataclass(frozen=True)
class Place:
    """A folder of segments, and the size of its pages."""

    folder: Path
    page_bytes: int = PAGE_BYTES

    @property
    def huge(self) -> bool:
        """Return whether it is a mount of huge pages."""
        return self.folder != SHM


@dataclass
class Segment:
    """A mapped segment: ``address`` for kernels, ``view`` (uint8 array) for numpy.

    The list ``refused`` has a sentence for each request that the host did not grant.  The kind of
    memory is in ``pages``: ``small``, ``transparent`` (huge pages in /dev/shm) or ``huge``
    (hugetlbfs; ``size_bytes`` is then a multiple of ``page_bytes``).
    """

    name: str
    size_bytes: int
    map: Mapping
    view: npt.NDArray[np.uint8]
    address: int
    path: Path
    page_bytes: int = PAGE_BYTES
    pages: str = "small"
    locked: bool = False
    refused: list[str] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        name: str,
        size_bytes: int,
        huge_pages: bool = False,
        lock: bool = False,
        reserved: bool = True,
    ) -> "Segment":
        """Make a segment of zeros with mode 0600.

        Every page is reserved here: a full /dev/shm is an error now, not a SIGBUS later.  Raises
        :class:`SegmentError` if the name is taken or the space is not there.  Huge pages and
        ``lock`` (no page is ever swapped out) are wishes: see ``refused``.  Unless ``reserved``,
        none are taken from a hugetlbfs mount, where they are set aside for others (DPDK).
        """
        if find_place(name):
            raise SegmentError(f"shared memory {_path(name)} already exists")
        refused: list[str] = []
        takes = huge_pages and reserved
        segment = _create_huge(cls, name, size_bytes, refused) if takes else None
        if segment is None:
            segment = _create_small(cls, name, size_bytes)
            if huge_pages:
                _collapse(segment, refused)
        if lock:
            _lock(segment, refused)
        segment.refused = refused
        return segment

    @classmethod
    def attach(cls, name: str, read_only: bool = False) -> "Segment":
        """Map an existing segment of this user; refuses one that others could have written."""
        place = find_place(name)
        path = _path(name)
        if place is None:
            raise SegmentError(f"shared memory {path} does not exist")
        try:
            fd = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise SegmentError(f"shared memory {path} does not exist") from None
        except PermissionError:
            raise SegmentError(f"shared memory {path} belongs to another user") from None
        except OSError as error:
            raise SegmentError(f"shared memory {path}: {error.strerror}") from error
        try:
            status = os.fstat(fd)
            if status.st_uid != os.geteuid():
                raise SegmentError(f"shared memory {path} belongs to user {status.st_uid}")
            if status.st_mode & 0o077:
                raise SegmentError(f"shared memory {path} is open to other users")
            if status.st_size == 0:
                raise SegmentError(f"shared memory {path} is empty")
            return cls._map(name, fd, status.st_size, place, not read_only)
        finally:
            os.close(fd)

    @classmethod
    def _map(
        cls, name: str, fd: int, size_bytes: int, place: Place, writable: bool = True
    ) -> "Segment":
        path = place.folder / name
        try:
            # A reader that only looks must not bring a whole ring into its page tables.
            mapped = Mapping(fd, size_bytes, place.page_bytes, writable, populate=writable)
        except OSError as error:
            raise SegmentError(
                f"shared memory {path} cannot be mapped: {error.strerror}"
            ) from error
        pages = "huge" if place.huge else "small"
        view: npt.NDArray[np.uint8] = np.asarray(mapped)
        return cls(name, size_bytes, mapped, view, mapped.address, path, place.page_bytes, pages)

    def fits(self, size_bytes: int) -> bool:
        """Return whether ``create(name, size_bytes)`` makes a segment of just this size: huge
        pages are given whole."""
        return self.size_bytes == rounded_to_pages(size_bytes, self.page_bytes)

    def check(self) -> None:
        """Raise :class:`SegmentError` if the segment was truncated, or lost a page, while in use.

        One fstat(2), no more than a microsecond; ``map.damaged`` alone is a word in memory.
        """
        left = self.map.file_bytes()
        if left < self.size_bytes:
            raise SegmentError(
                f"shared memory {self.path} was truncated while in use: "
                f"{left:,} of {self.size_bytes:,} bytes are left"
            )
        if self.map.damaged:
            raise SegmentError(
                f"shared memory {self.path} lost a page while in use: it was truncated and made "
                "long again, or its file system had no memory for it"
            )

    def words(self, offset: int, count: int) -> npt.NDArray[np.int64]:
        """``count`` int64 words from byte ``offset``."""
        return self.view[offset : offset + 8 * count].view(np.int64)

    def records(self, offset: int, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """``count`` records of ``dtype`` from byte ``offset``, no copy."""
        return self.view[offset : offset + dtype.itemsize * count].view(dtype)

    def unlink(self) -> None:
        """Remove the name; the memory goes when the last process that mapped it does."""
        self.path.unlink(missing_ok=True)


# Small pages


def _create_small(cls: type[Segment], name: str, size_bytes: int) -> Segment:
    try:
        memory = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX, mode=0o600)
    except posix_ipc.ExistentialError:
        raise SegmentError(f"shared memory {SHM / name} already exists") from None
    except OSError as error:
        raise SegmentError(f"shared memory {SHM / name}: {error.strerror}") from error
    with _removed_on_error(SHM / name, memory.fd):
        try:
            os.posix_fallocate(memory.fd, 0, size_bytes)
            return cls._map(name, memory.fd, size_bytes, Place(SHM))
        except OSError as error:
            free = os.statvfs(SHM)
            raise NoRoomError(
                f"no space for shared memory {SHM / name}: {size_bytes:,} bytes needed, "
                f"{free.f_bavail * free.f_frsize:,} free ({error.strerror}); a container has 64 "
                "MiB unless it is started with more: docker run --shm-size=1g"
            ) from error


@contextmanager
def _removed_on_error(path: Path, fd: int) -> Iterator[None]:
    """Close the file in any case, and leave no half-made one: Control-C while the pages are being
    reserved is an error too."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


# Huge pages


def huge_places() -> list[Place]:
    """The hugetlbfs mounts of this machine, those with the smallest pages first."""
    places = []
    for line in MOUNTS.read_text().splitlines():
        _, folder, kind, options, *_ = line.split(" ")
        size = re.search(r"\bpagesize=(\d+)([KMG])", options)
        if kind == "hugetlbfs" and size:
            unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[size[2]]
            # Spaces and the like are written as \040.
            text = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), folder)
            places.append(Place(Path(text), int(size[1]) * unit))
    return sorted(places, key=lambda place: place.page_bytes)


def _create_huge(
    cls: type[Segment], name: str, size_bytes: int, refused: list[str]
) -> Segment | None:
    """A segment in the first hugetlbfs mount that has the pages; otherwise why not."""
    reasons = []
    places = [place for place in huge_places() if os.access(place.folder, os.W_OK | os.X_OK)]
    for place in places:
        length = rounded_to_pages(size_bytes, place.page_bytes)
        try:
            fd = os.open(place.folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            reasons.append(f"huge pages for {name}: {place.folder}: {error.strerror}")
            continue
        try:
            with _removed_on_error(place.folder / name, fd):
                os.posix_fallocate(fd, 0, length)
                return cls._map(name, fd, length, place)
        except SegmentError as error:
            reasons.append(f"huge pages for {name}: {error}")
        except OSError:
            reasons.append(_too_few_pages(name, place, length // place.page_bytes))
    refused.append(
        reasons[0]
        if reasons
        else f"huge pages for {name}: no hugetlbfs that this user may write to is mounted; "
        f"`sudo mount -t hugetlbfs -o uid={os.geteuid()} none /mnt` allows it"
    )
    return None


def _too_few_pages(name: str, place: Place, needed: int) -> str:
    setting = HUGE_PAGES / f"hugepages-{place.page_bytes >> 10}kB" / "nr_hugepages"
    total = int(setting.read_text())
    counts = {
        what: int((setting.parent / f"{what}_hugepages").read_text()) for what in ("free", "resv")
    }
    free = counts["free"] - counts["resv"]
    return (
        f"huge pages for {name}: {needed} pages of {place.page_bytes >> 10:,} KiB needed on "
        f"{place.folder}, {free} free; "
        f"`echo {total + max(needed - free, 1)} | sudo tee {setting}` allows it"
    )


def _collapse(segment: Segment, refused: list[str]) -> None:
    """Ask for transparent huge pages under a segment of /dev/shm.

    MADV_COLLAPSE (Linux 6.1) makes them even where the file system would not by itself, if the
    mapping is aligned; MADV_HUGEPAGE keeps them so.
    """
    what = f"transparent huge pages for {segment.name}"
    if segment.size_bytes < ALIGN_BYTES:
        refused.append(
            f"{what}: {segment.size_bytes:,} bytes do not fill one of {ALIGN_BYTES:,} bytes"
        )
        return
    reason = ""
    try:
        segment.map.madvise(MADV_HUGEPAGE)
        segment.map.madvise(MADV_COLLAPSE)
    except OSError as error:
        reason = str(error.strerror)
    # Refused, yet there all the same where the file system makes them by itself.
    if not reason or _transparent_bytes(segment.address):
        segment.pages = "transparent"
        refused.clear()
    else:
        refused.append(
            f"{what}: {reason}; `sudo mount -o remount,huge=advise {SHM}` allows it (a kernel "
            "older than 6.1 has no other way)"
        )


def _transparent_bytes(address: int) -> int:
    """Return how much of the mapping that begins at ``address`` is in transparent huge pages."""
    inside = False
    try:
        lines = Path("/proc/self/smaps").read_text().splitlines()
    except OSError:
        # A process that gave up privileges may not read about itself.
        return 0
    for line in lines:
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = int(line.split("-")[0], 16) == address
        elif inside and line.startswith("ShmemPmdMapped:"):
            return int(line.split()[1]) << 10
    return 0


def _lock(segment: Segment, refused: list[str]) -> None:
    try:
        segment.map.lock()
        segment.locked = True
    except OSError as error:
        refused.append(
            f"memory lock of {segment.name}: {error.strerror} for {segment.size_bytes:,} bytes; "
            "`sudo prlimit --memlock=unlimited --pid $$` allows it to what this shell starts"
        )


# Names


def find_place(name: str) -> Place | None:
    """The path of the segment of that name, or None."""
    for place in (Place(SHM), *huge_places()):
        try:
            os.lstat(place.folder / name)
        except OSError:
            continue
        return place
    return None


def _path(name: str) -> Path:
    place = find_place(name)
    return (place.folder if place else SHM) / name


def rounded_to_pages(size_bytes: int, page_bytes: int) -> int:
    """Return how long a segment made with ``size_bytes`` is: huge pages are given whole."""
    if page_bytes == PAGE_BYTES:
        return size_bytes
    return -(-size_bytes // page_bytes) * page_bytes


def list_segments() -> list[tuple[str, ProcessIdentity]]:
    """Name and owner of every segment of ours on this machine."""
    owners = {}
    for place in (Place(SHM), *huge_places()):
        try:
            names = os.listdir(place.folder)
        except OSError:
            continue
        for name in names:
            if match := NAME.fullmatch(name):
                owners[name] = ProcessIdentity(int(match[1]), int(match[2]))
    return sorted(owners.items())


def writers() -> dict[tuple[int, int], set[int]]:
    """Pids of the living processes that map a file shared and writable, by the file's device and
    inode: all that this user may see (source: /proc/PID/maps, proc(5))."""
    pids: dict[tuple[int, int], set[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines = (process / "maps").read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if "outcry." in line:
                _, access, _, device, inode, *_ = line.split()
                if access.startswith("rw") and access.endswith("s"):
                    major, minor = (int(part, 16) for part in device.split(":"))
                    file = (os.makedev(major, minor), int(inode))
                    pids.setdefault(file, set()).add(int(process.name))
    return pids


def remove_dead_segments() -> list[str]:
    """Remove this user's segments whose owner is proven dead and which no living process can still
    write to; returns their names."""
    removed = []
    dead = [name for name, owner in list_segments() if not owner.alive()]
    in_use = writers() if dead else {}
    for name in dead:
        path = _path(name)
        try:
            status = path.lstat()
            ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if not ours or (status.st_dev, status.st_ino) in in_use:
                continue
            path.unlink()
        except OSError:
            # Gone meanwhile, or no file at all: nothing of ours is left to remove.
            continue
        removed.append(name)
    return removed
