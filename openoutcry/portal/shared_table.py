"""Small facts that all processes of a portal have in common, in memory that they share: counts of
rate limits, requests that were accepted, names of user streams.

A slot of the table is 24 bytes: a digest of the subject, the time until which it counts, and a
number.  A subject has PROBES slots in which it may be; a slot whose time is over is free.  A digest
is keyed: who chooses subjects cannot choose where they collide.  Every call holds the lock of the
table, which the kernel releases if its process is killed; a portal of one process needs none.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import RLock
from typing import Any

SLOT = struct.Struct("<QdQ")
PROBES, KEPT_DIGESTS = 16, 4_096
LARGEST = 2**63


class _Lock:
    """The lock of a file among processes.  A process that has it may enter again."""

    def __init__(self, file: int) -> None:
        self._file, self._depth = file, 0

    def __enter__(self) -> None:
        if not self._depth:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


class Table:
    """``slots`` of them, a power of two.  A table that is made before a fork is its children's,
    too; one in a file outlives them all, as long as it is opened with the same key."""

    def __init__(
        self, slots: int, is_shared: bool = True, path: Path | None = None, key: bytes = b""
    ) -> None:
        """``is_shared``: several processes may call; false: only one ever does.  ``key``: of the
        digests in a file."""
        assert slots & (slots - 1) == 0, "a power of two"
        self.slots, self._secret = slots, key or secrets.token_bytes(16)
        self._digests: dict[str, int] = {}
        """Of subjects that are counted again and again."""
        if path is None:
            self._file = os.memfd_create("portal", os.MFD_CLOEXEC)
        else:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, slots * SLOT.size)
        # Of a table that one process calls, the lock that takes the least time.
        self._lock: AbstractContextManager[Any] = _Lock(self._file) if is_shared else RLock()
        self._memory = mmap.mmap(self._file, slots * SLOT.size)
        weakref.finalize(self, os.close, self._file)

    def add(self, subject: str, more: int, until_s: float, now_s: float) -> int:
        """Add to the subject's number, which counts until then; what it is now.  Where there is no
        room, the smallest number among the subject's places gives way."""
        digest = self._digest(subject)
        with self._lock:
            found, free = self._places(digest, now_s)
            if found is not None:
                at, (_, until_s, number) = found
                number = min(number + more, LARGEST)
            else:
                at, number = free if free is not None else self._smallest(digest), more
            SLOT.pack_into(self._memory, at, digest, until_s, number)
            return number

    def number(self, subject: str, now_s: float) -> int:
        """0: the subject has none."""
        return self.entry(subject, now_s)[0]

    def entry(self, subject: str, now_s: float) -> tuple[int, float]:
        """Number and time of the subject; zeros: it has none."""
        digest = self._digest(subject)
        with self._lock:
            found, _ = self._places(digest, now_s)
            return (found[1][2], found[1][1]) if found is not None else (0, 0.0)

    def set(self, subject: str, number: int, until_s: float, now_s: float) -> bool:
        """Return whether there was room."""
        digest = self._digest(subject)
        with self._lock:
            found, free = self._places(digest, now_s)
            at = found[0] if found is not None else free
            if at is None:
                return False
            SLOT.pack_into(self._memory, at, digest, until_s, number)
            return True

    def take(self, subject: str, until_s: float, now_s: float) -> bool | None:
        """Return whether the subject was not there before, and is from here on; None: there is
        no room, and so no answer."""
        digest = self._hashed(subject)
        with self._lock:
            found, free = self._places(digest, now_s)
            if found is not None:
                return False
            if free is None:
                return None
            SLOT.pack_into(self._memory, free, digest, until_s, 1)
            return True

    # Slots

    def held(self) -> AbstractContextManager[Any]:
        """The lock, for several calls in a row."""
        return self._lock

    def _digest(self, subject: str) -> int:
        digest = self._digests.get(subject)
        if digest is None:
            if len(self._digests) >= KEPT_DIGESTS:
                self._digests.clear()
            digest = self._digests[subject] = self._hashed(subject)
        return digest

    def _hashed(self, subject: str) -> int:
        raw = hashlib.blake2b(subject.encode(), digest_size=8, key=self._secret).digest()
        return int.from_bytes(raw, "little")

    def _of(self, digest: int) -> Iterator[int]:
        """Offsets of the slots that a digest may have."""
        mask, step = self.slots - 1, (digest >> 32) | 1
        for probe in range(PROBES):
            yield ((digest + probe * step) & mask) * SLOT.size

    def _places(
        self, digest: int, now_s: float
    ) -> tuple[tuple[int, tuple[int, float, int]] | None, int | None]:
        """A subject's slot with what is in it, and the first free one."""
        first, free = (digest & (self.slots - 1)) * SLOT.size, None
        slot = SLOT.unpack_from(self._memory, first)
        if slot[0] == digest and slot[1] > now_s:
            return (first, slot), None  # of most subjects
        if slot[0] == 0 and slot[1] == 0.0:
            return None, first  # of most of the others
        for at in self._of(digest):
            slot = SLOT.unpack_from(self._memory, at)
            if slot[1] <= now_s:
                free = at if free is None else free
                if slot[1] == 0.0 and slot[0] == 0:
                    break  # it was never used: nothing is after it
            elif slot[0] == digest:
                return (at, slot), free
        return None, free

    def _smallest(self, digest: int) -> int:
        return min(self._of(digest), key=lambda at: int(SLOT.unpack_from(self._memory, at)[2]))
