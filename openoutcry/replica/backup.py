"""The backup for the loss of the whole cluster: messages of the stream in files.

Each file holds whole messages in their order, each after its length (u64); its name is the number
of its first message.  A message carries all that proves it, so a file may travel by any means, and
a copy that is cut anywhere vouches for what is whole before the cut.
"""

import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.replica.access import Access
from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.jetstream import JetStream, Tail, messages
from openoutcry.replica.link import connect
from openoutcry.replica.message import Message, split, unpack
from openoutcry.replica.segments import SegmentWriter
from openoutcry.wire.errors import ReplicaError, Unreachable
from openoutcry.wire.private_folder import private_folder

FILE_BYTES = 64 << 20
LENGTH = struct.Struct("<Q")
MAX_MESSAGE_BYTES = 64 << 20
SUFFIX = ".messages"
LOOK_S = 0.5
AGAIN_S = 1.0
BATCH = 256
"""Messages between two syncs while there are more."""


@dataclass
class Copied:
    """How far a copy is; ``flaw`` describes what follows its last whole message, if anything."""

    tip: Tip
    end_file: Path | None = None
    end_offset: int = 0
    flaw: str = ""


def files_of(folder: Path) -> list[Path]:
    """The files of a copy, in their order.  Raises :class:`ReplicaError` if there is no folder."""
    try:
        paths = [path for path in folder.iterdir() if path.name.endswith(SUFFIX)]
        return sorted(paths, key=_number_of)
    except OSError as error:
        raise ReplicaError(f"{folder}: {error.strerror}") from None
    except ValueError:
        raise ReplicaError(f"{folder}: holds files that do not belong to a copy") from None


def _number_of(path: Path) -> int:
    """Return the number of the first message in a file."""
    return int(path.name.removesuffix(SUFFIX))


def read_copy(folder: Path, take: Callable[[Message], None] = lambda message: None) -> Copied:
    """Prove a copy from its first message on, as far as it is whole; each message that counts is
    handed to ``take``."""
    copied = Copied(Tip())
    files = files_of(folder)
    for path in files:
        for at, end, data in _records(path):
            position = copied.tip.position + 1
            try:
                if data is None:
                    raise ReplicaError("the file ends inside a message")
                message = unpack(data, position)
            except ReplicaError as error:
                copied.flaw = f"{path}: byte {at}: {error}"
                return copied
            verdict = judge(copied.tip, message)
            if verdict == Verdict.LIVE:
                take(message)
                copied.tip = extended(copied.tip, message)
            elif verdict == Verdict.DEAD:
                copied.tip = passed(copied.tip, position)
            else:
                copied.flaw = f"{path}: byte {at}: message {position} does not belong there"
                return copied
            copied.end_file, copied.end_offset = path, end
    return copied


def _records(path: Path) -> Iterator[tuple[int, int, bytes | None]]:
    with open(path, "rb", buffering=1 << 20) as file:
        at = 0
        while head := file.read(LENGTH.size):
            size = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
            data = file.read(size) if 0 < size <= MAX_MESSAGE_BYTES else b""
            end = at + LENGTH.size + size
            yield at, end, data if data and len(data) == size else None
            at = end


class Copier:
    """Continues the copy in ``folder`` of one venue's stream."""

    def __init__(self, access: Access, venue: str, folder: Path) -> None:
        self.access, self.venue = access, venue
        try:
            self.folder = private_folder(folder)
        except OSError as error:
            raise ReplicaError(f"{folder}: {error.strerror}") from None
        self.copied = read_copy(self.folder)
        self._file: Any = None

    def _cut(self, tail: Tail) -> None:
        """Remove the bytes after the last whole message: they were being written, or were damaged
        on their way here, and are fetched again.

        Raises :class:`ReplicaError`, and removes nothing, if the stream no longer has all of them:
        what follows the damage may be the only copy."""
        if not self.copied.flaw:
            return
        end, files = self.copied.end_file, files_of(self.folder)
        if tail.last < _number_of(files[-1]) or tail.first > self.copied.tip.position + 1:
            raise ReplicaError(
                f"{self.copied.flaw}; the cluster does not have what follows: move {self.folder} "
                "away, and copy to another folder"
            )
        for path in files:
            if end is None or _number_of(path) > _number_of(end):
                path.unlink()
        if end is not None:
            os.truncate(end, self.copied.end_offset)
        self.copied.flaw = ""

    def copy(self) -> int:
        """Copy all that the stream has now; returns how many messages that were.

        Raises :class:`ReplicaError` if the stream is not the one that the copy is of.
        """
        jetstream = JetStream(connect(self.access), self.venue)
        try:
            first = self.copied.tip.position + 1
            tail = jetstream.tail_reaching(first - 1)
            last = tail.last
            if last < first - 1:
                raise ReplicaError(
                    f"{jetstream.stream} ends at message {last}, and {self.folder} has {first - 1}:"
                    " the stream was wiped, or is another's"
                )
            self._cut(tail)
            for position, data in messages(jetstream, first, last):
                self._take(position, data)
                if position % BATCH == 0:
                    self._sync()
        finally:
            jetstream.link.close()
            self._sync()
        return last - first + 1

    def follow(self, stop: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Copy all that there is and that comes, until ``stop``; a cluster that does not answer is
        asked again."""
        silent = False
        while not stop():
            try:
                self.copy()
                if silent:
                    say("the cluster answers again")
                silent = False
                time.sleep(LOOK_S)
            except Unreachable as error:
                if not silent:
                    say(str(error))
                silent = True
                time.sleep(AGAIN_S)

    def close(self) -> None:
        """Bring what was copied to the disk and close the file."""
        if self._file is not None:
            self._sync()
            self._file.close()
            self._file = None

    def _take(self, position: int, data: bytes) -> None:
        message = unpack(data, position)
        tip = self.copied.tip
        verdict = judge(tip, message)
        if verdict == Verdict.LIVE:
            self.copied.tip = extended(tip, message)
        elif verdict == Verdict.DEAD:
            self.copied.tip = passed(tip, position)
        else:
            raise ReplicaError(
                f"{self.venue}: message {position} does not follow what {self.folder} has: the "
                "stream was rewritten, or is another's"
            )
        if self._file is None or self._file.tell() >= FILE_BYTES:
            self._open(position)
        self._file.write(LENGTH.pack(len(data)))
        self._file.write(data)

    def _open(self, position: int) -> None:
        first = self._file is None
        self.close()
        last = self.copied.end_file if first else None
        if last is not None and last.stat().st_size < FILE_BYTES:
            path = last
        else:
            path = self.folder / f"{position:012d}{SUFFIX}"
        self._file = open(path, "ab", buffering=1 << 20)  # noqa: SIM115

    def _sync(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fdatasync(self._file.fileno())


def restore(folder: Path, journal: Path) -> Copied:
    """Make a journal of a copy alone.  Raises :class:`ReplicaError` for a copy without a block, and
    where a journal is already; then nothing is left in ``journal``."""
    existed = journal.exists()
    writer = SegmentWriter(journal)
    try:
        copied = read_copy(folder, lambda message: _append(writer, message))
        if copied.tip.next_block == 0:
            raise ReplicaError(f"{folder}: holds no block: {copied.flaw or 'it is empty'}")
    except BaseException:
        writer.close()
        _remove(journal, existed)
        raise
    writer.close()
    return copied


def _append(writer: SegmentWriter, message: Message) -> None:
    for block in split(message.blocks):
        writer.append(block)


def _remove(journal: Path, existed: bool) -> None:
    for path in [*journal.glob("segment-*"), journal / "lock"]:
        path.unlink(missing_ok=True)
    if not existed:
        journal.rmdir()
