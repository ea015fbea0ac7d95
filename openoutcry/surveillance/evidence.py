"""What the detectors found, on disk: each hit with a hash over it and all before it, append-only.

The first hash is over the journal and the settings.  A hit is never changed or taken away.  A
process that continues after a kill makes the last ones again, and they must equal those in the
file."""

import hashlib
import os
from pathlib import Path

import numpy as np

from openoutcry.journal.events import Records
from openoutcry.surveillance.detect.layout import HIT_DTYPE
from openoutcry.wire.errors import SurveillanceError

HASH_BYTES = 32
ROW_BYTES = HIT_DTYPE.itemsize + HASH_BYTES
NAME = "hits.bin"


def beginning(journal_id: int, settings_digest: str) -> bytes:
    """The hash before the first hit."""
    text = f"openoutcry surveillance 1 {journal_id:016x} {settings_digest}"
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def chained(head: bytes, hit: bytes) -> bytes:
    """Return the hash that a hit has after the head before it."""
    return hashlib.blake2b(head + hit, digest_size=HASH_BYTES).digest()


class EvidenceFile:
    """The file of a journal's hits, from ``head`` (:func:`beginning`) on.

    ``count`` hits were made so far; what the file has beyond is compared with what is made again.
    """

    def __init__(self, folder: Path, head: bytes) -> None:
        self.path = folder / NAME
        self.head, self.count = head, 0
        self._known = self.path.read_bytes() if self.path.exists() else b""
        whole_bytes = len(self._known) // ROW_BYTES * ROW_BYTES
        if whole_bytes < len(self._known):
            # The last one was cut off by a kill; it will be made again.
            os.truncate(self.path, whole_bytes)
            self._known = self._known[:whole_bytes]
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115

    @property
    def known(self) -> int:
        """Whole hits that the file had when it was opened."""
        return len(self._known) // ROW_BYTES

    def go_on(self, count: int, head: bytes) -> None:
        """Continue after ``count`` hits, at most :attr:`known`, the last with the hash ``head``.
        Raises :class:`SurveillanceError` if the last is another.

        Raises :class:`SurveillanceError` if the last is another."""
        end = count * ROW_BYTES
        if count and self._known[end - HASH_BYTES : end] != head:
            raise SurveillanceError(f"{self.path}: hit {count} was changed after it was written")
        self.head, self.count = head, count

    def add(self, hits: Records) -> None:
        """Append hits (HIT_DTYPE), or find them in the file.

        Raises :class:`SurveillanceError` naming the first that differs.
        """
        rows = []
        for hit in hits:
            data = hit.tobytes()
            self.head = chained(self.head, data)
            row, at = data + self.head, self.count * ROW_BYTES
            self.count += 1
            if at < len(self._known):
                if self._known[at : at + ROW_BYTES] != row:
                    raise SurveillanceError(
                        f"{self.path}: hit {self.count} differs from the journal"
                    )
            else:
                rows.append(row)
        if not rows:
            return
        data = b"".join(rows)
        try:
            written = self._file.write(data)
        except OSError as error:
            raise SurveillanceError(f"{self.path}: {error.strerror}") from None
        if written != len(data):
            raise SurveillanceError(f"{self.path}: the disk is full")

    def sync(self) -> None:
        """All that was written is on the disk on return."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_hits(folder: Path, head: bytes, known: int = 0) -> tuple[Records, list[str]]:
    """All whole hits (HIT_DTYPE) and the hash after each; without the first ``known``, the last
    of which has the hash ``head``.

    Raises :class:`SurveillanceError` naming the first whose hash does not follow from the one
    before.
    """
    path = folder / NAME
    data = b""
    if path.exists():
        with path.open("rb") as file:
            file.seek(known * ROW_BYTES)
            data = file.read()
    count = len(data) // ROW_BYTES
    hits, heads = np.zeros(count, HIT_DTYPE), []
    for number in range(count):
        row = data[number * ROW_BYTES : (number + 1) * ROW_BYTES]
        hit, stored_head = row[: HIT_DTYPE.itemsize], row[HIT_DTYPE.itemsize :]
        head = chained(head, hit)
        if stored_head != head:
            raise SurveillanceError(
                f"{path}: hit {known + number + 1} was changed: its hash does not hold"
            )
        hits[number] = np.frombuffer(hit, HIT_DTYPE)[0]
        heads.append(head.hex())
    return hits, heads
