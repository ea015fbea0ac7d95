"""A disk that writes down what is asked of it, and what it may hold after the power went.

Between two syncs of a file any subset of its unsynced 512-byte sectors may be on the medium, and
any first part of the unsynced changes of names.  A durable write is on it, whole, when it returns.
"""

import copy
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import Disk

SECTOR = 512


class File:
    """One file whatever its name, and what it held before the log began."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content


class RecordingDisk(Disk):
    """The real disk, with a log: each entry is what was done, to which file, and how."""

    def __init__(self, directory: Path) -> None:
        self.names = {p.name: File(p.read_bytes()) for p in directory.iterdir() if p.is_file()}
        self.first_names = dict(self.names)
        self.files: dict[int, File] = {}
        self.log: list[tuple[Any, ...]] = []
        self.acknowledged: list[tuple[int, int]] = []

    def acknowledge(self, seq: int) -> None:
        """Somebody was told that all up to ``seq`` is durable."""
        self.acknowledged.append((len(self.log), seq))

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        if path.name not in self.names:
            self.names[path.name] = File()
            self.log.append(("create", path.name, self.names[path.name]))
        elif flags & os.O_TRUNC:
            self.log.append(("truncate", self.names[path.name], 0))
        self.files[fd] = self.names[path.name]
        return fd

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        kind = "durable write" if durable else "write"
        self.log.append((kind, self.files[fd], offset, bytes(data)))
        return super().write(fd, data, offset, durable)

    def datasync(self, fd: int) -> None:
        super().datasync(fd)
        self.log.append(("sync", self.files[fd]))

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.log.append(("sync", self.files[fd]))

    def truncate(self, fd: int, size: int) -> None:
        self.log.append(("truncate", self.files[fd], size))
        super().truncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self.log.append(("rename", old.name, new.name))
        self.names[new.name] = self.names.pop(old.name)
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        if path.name in self.names:
            self.log.append(("unlink", path.name))
            del self.names[path.name]
        super().unlink(path)

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.log.append(("sync names",))

    def acknowledged_before(self, moment: int) -> int:
        return max((seq for at, seq in self.acknowledged if at <= moment), default=0)


class RecordingDisks(Disk):
    """A recording disk for each of several directories, with one order over all their logs; one
    call at a time, whichever thread makes it."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.disks = {path: RecordingDisk(path) for path in directories}
        self.order: list[Path] = []
        self.acknowledged: list[tuple[int, int]] = []
        self._places: dict[int, Path] = {}
        self._lock = threading.Lock()

    def acknowledge(self, seq: int) -> None:
        """Somebody was told that all up to ``seq`` is durable."""
        self.acknowledged.append((len(self.order), seq))

    def acknowledged_before(self, moment: int) -> int:
        return max((seq for at, seq in self.acknowledged if at <= moment), default=0)

    def _do(self, place: Path, what: str, *arguments: Any) -> Any:
        disk = self.disks[place]
        with self._lock:
            before = len(disk.log)
            result = getattr(disk, what)(*arguments)
            self.order += [place] * (len(disk.log) - before)
            if what == "open":
                self._places[result] = place
        return result

    def open(self, path: Path, flags: int) -> int:
        return int(self._do(path.parent, "open", path, flags))

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        return int(self._do(self._places[fd], "write", fd, data, offset, durable))

    def datasync(self, fd: int) -> None:
        self._do(self._places[fd], "datasync", fd)

    def sync(self, fd: int) -> None:
        self._do(self._places[fd], "sync", fd)

    def truncate(self, fd: int, size: int) -> None:
        self._do(self._places[fd], "truncate", fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self._do(old.parent, "rename", old, new)

    def unlink(self, path: Path) -> None:
        self._do(path.parent, "unlink", path)

    def sync_directory(self, path: Path) -> None:
        self._do(path, "sync_directory", path)

    def after_power_cut(self, moment: int, into: Path, rng: np.random.Generator) -> list[Path]:
        """As :func:`after_power_cut`, for all directories at once; returns those in ``into``."""
        into.mkdir()
        folders = []
        for place, disk in self.disks.items():
            done = self.order[:moment].count(place)
            under_way = self.order[moment : moment + 1] == [place]
            cut = copy.copy(disk)
            cut.log = disk.log[: done + under_way]
            after_power_cut(cut, done, into / place.name, rng)
            folders.append(into / place.name)
        return folders


def after_power_cut(disk: RecordingDisk, moment: int, into: Path, rng: np.random.Generator) -> None:
    """Lay out in ``into`` what may be found when the power went as call ``moment`` was under way
    (those before had returned)."""
    names, pending_names = dict(disk.first_names), []
    medium: dict[File, bytearray] = {}
    pending: dict[File, list[tuple[Any, ...]]] = {}
    for number, (kind, *rest) in enumerate(disk.log[: moment + 1]):
        done = number < moment
        if kind == "sync names" and done:
            _rename(names, pending_names)
            pending_names = []
        elif kind in ("create", "rename", "unlink"):
            pending_names.append((kind, *rest))
        elif kind == "sync" and done:
            for change in pending.pop(rest[0], []):
                _change(_medium(medium, rest[0]), change, None)
        elif kind == "durable write" and done:
            _change(_medium(medium, rest[0]), ("write", *rest[1:]), None)
        elif kind in ("write", "durable write", "truncate"):
            what = "truncate" if kind == "truncate" else "write"
            pending.setdefault(rest[0], []).append((what, *rest[1:]))
    _rename(names, pending_names[: rng.integers(len(pending_names) + 1)])
    kept = float(rng.choice([0.0, 0.3, 0.7, 1.0]))
    for file, changes in pending.items():
        for change in changes:
            _change(_medium(medium, file), change, (rng, kept))
    into.mkdir()
    for name, file in names.items():
        (into / name).write_bytes(_medium(medium, file))


def _medium(medium: dict[File, bytearray], file: File) -> bytearray:
    return medium.setdefault(file, bytearray(file.content))


def _rename(names: dict[str, File], changes: list[tuple[Any, ...]]) -> None:
    for kind, name, *rest in changes:
        if kind == "create":
            names[name] = rest[0]
        elif kind == "rename":
            names[rest[0]] = names.pop(name)
        else:
            names.pop(name, None)


def _change(content: bytearray, change: tuple[Any, ...], luck: Any) -> None:
    """Do a write or a truncation; with ``luck`` (generator, share) only some sectors of it."""
    kind, *rest = change
    if kind == "truncate":
        (size,) = rest
        if luck is None or luck[0].random() < luck[1]:
            del content[size:]
            content.extend(bytes(max(0, size - len(content))))
        return
    offset, data = rest
    at = 0
    while at < len(data):
        end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
        if luck is None or luck[0].random() < luck[1]:
            content.extend(bytes(max(0, offset + end - len(content))))
            content[offset + at : offset + end] = data[at:end]
        at = end
