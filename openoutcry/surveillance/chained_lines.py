"""A file of JSON lines to which is only appended; each line has a hash over itself and the one
before."""

import errno
import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import SurveillanceError

Entry = dict[str, Any]


def read_entries(path: Path, begin: bytes) -> list[Entry]:
    """Every entry; ``begin`` is the hash before the first.

    Raises :class:`SurveillanceError` naming the first line that was changed, or is missing.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    entries: list[Entry] = []
    previous = begin.hex()
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            holds = entry["previous"] == previous and entry["hash"] == hash_of(entry)
            holds = holds and line == _line(entry)
        except (ValueError, KeyError, TypeError):
            holds = False
        if not holds:
            raise SurveillanceError(f"{path}: line {number} was changed: its hash does not hold")
        previous = entry["hash"]
        entries.append(entry)
    return entries


def append_entry(path: Path, begin: bytes, entries: list[Entry], fields: Entry) -> Entry:
    """The new entry, after ``entries``; all of it is durable, or nothing: after half an entry no
    other would hold."""
    entry = fields | {"previous": entries[-1]["hash"] if entries else begin.hex()}
    entry["hash"] = hash_of(entry)
    data = _line(entry)
    with open(path, "ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            os.ftruncate(file.fileno(), before)
            raise SurveillanceError(f"{path}: {error.strerror}: nothing was written") from None
    return entry


def hash_of(entry: Entry) -> str:
    """Over everything but the hash itself."""
    text = json.dumps({k: v for k, v in entry.items() if k != "hash"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def _line(entry: Entry) -> bytes:
    """The one way in which an entry is written."""
    return (json.dumps(entry, sort_keys=True) + "\n").encode()


class Locked:
    """Locks the file, so that no other process appends to it meanwhile."""

    def __init__(self, path: Path) -> None:
        self._file = open(path.parent / f".{path.stem}.lock", "w")  # noqa: SIM115

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
