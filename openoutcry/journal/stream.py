"""One directory's segments under a writer: blocks go to a given place, past the page cache where
the file system allows it."""

import os
import secrets
import threading
from pathlib import Path
from typing import Any, NoReturn

from openoutcry.journal.disk import Disk
from openoutcry.journal.segment import (
    MAX_SEGMENTS,
    make_segment,
    remove_half_made,
    segment_path,
    space_error,
    write_whole,
    write_zeros,
)
from openoutcry.journal.watermark import (
    WATERMARK_BYTES,
    WATERMARK_NAME,
    Reached,
    Watermark,
    pack_watermark,
    read_watermark,
    unpack_watermark,
)
from openoutcry.wire.errors import JournalError

AHEAD_FROM_BYTES = 1 << 20
"""Segments from this size on are prewritten in the background before they are needed."""
PIECE_BYTES, MAX_PIECE_BYTES = 128 << 10, 8 << 20
AHEAD_OF = 2.5
"""Prewriting goes by what is written: each byte of a segment's second half brings its share of the
next segment's zeros, in pieces.  A whole segment at once would fill the disk's queue, and the next
commit would wait for it (measured: 26 to 47 ms)."""

FLUSH_BYTES = 8 << 20
"""After this many bytes in the page cache they are brought to the disk in the background.  The end
of a segment waits for the rest (measured: 25 ms for 64 MiB without this, 1 ms with it)."""


def identity_of(fd: int) -> tuple[int, int]:
    """Device and inode of an open file."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


class Stream:
    """Writes, in order, one copy of a journal, from segment ``number`` on, of which there are
    ``segment_count``.

    Raises :class:`JournalError` naming file and byte for whatever the system refuses.  After that
    the stream refuses everything.  The argument ``direct`` asks for blocks past the page cache, and
    the attribute says whether that is so: right where each is waited for, wrong where none is.
    """

    def __init__(
        self,
        directory: Path,
        journal_id: int,
        number: int,
        segment_bytes: int,
        segment_count: int,
        disk: Disk,
        direct: bool = True,
    ) -> None:
        self._wants_direct = direct
        self.directory = directory
        self.journal_id = journal_id
        self.segment_bytes = segment_bytes
        self.disk = disk
        self.number = number
        self.path = segment_path(directory, number)
        self._name = os.fsencode(self.path)
        self.segment_count = segment_count
        self._fd = -1
        self._watermark_fd = -1
        self._broken = ""
        self.warning = ""
        """Condition that will stop the stream before long unless room is made."""
        self._ahead: threading.Thread | None = None
        self._end_offset = 0
        self._hurry = self._unwanted = False
        self._piece_due = threading.Event()
        self._piece_due_offset = 0
        self._flush: threading.Thread | None = None
        self._flushed_offset = 0
        self._flush_failure = ""
        self._writer_id = secrets.randbits(63) | 1
        self._watermark = b""
        try:
            self._fd, self.direct = self._open(self.path)
            self._file = identity_of(self._fd)
            self._ensure_watermark()
            self._watermark_fd = disk.open(directory / WATERMARK_NAME, os.O_RDWR)
        except OSError as error:
            self.abandon()
            raise JournalError(f"{self.path}: cannot open: {error.strerror}") from None

    def _open(self, path: Path) -> tuple[int, bool]:
        if self._wants_direct:
            return self.disk.open_direct(path)
        return self.disk.open(path, os.O_RDWR), False

    def write(self, offset: int, block: Any, durable: bool) -> None:
        """Put ``block`` at ``offset``; with ``durable`` it is on the medium on return."""
        self._require_whole()
        try:
            written = self.disk.write(self._fd, block, offset, durable)
        except OSError as error:
            self._fail(f"{self.path}: byte {offset}: cannot write: {error.strerror}")
        if written != len(block):
            self._fail(
                f"{self.path}: byte {offset}: only {written:,} of {len(block):,} bytes were written"
            )
        self._end_offset = offset + len(block)
        if self._ahead is not None and self._end_offset >= self._piece_due_offset:
            self._piece_due.set()
        if durable:
            self._require_in_place()
        elif not self.direct and offset - self._flushed_offset >= FLUSH_BYTES:
            self._flush_behind(offset)
        if 2 * offset > self.segment_bytes >= AHEAD_FROM_BYTES:
            self._prewrite_next()

    def sync(self) -> None:
        """Make all that was written durable.

        An error is never retried: the kernel may have dropped the pages and would answer the next
        attempt with success.
        """
        self._wait_for_flush()
        self._require_whole()
        try:
            self.disk.datasync(self._fd)
        except OSError as error:
            self._fail(f"{self.path}: cannot sync: {error.strerror}")
        self._require_in_place()

    def _require_in_place(self) -> None:
        """The file that is written is still the one under its name, and whole.

        If the directory was removed or replaced, what is durable is in no journal and must not be
        acknowledged."""
        try:
            named = self.disk.status(self._name)
        except OSError as error:
            self._fail(f"{self.path}: gone while the journal was written: {error.strerror}")
        if named[:2] != self._file:
            self._fail(f"{self.path}: replaced while the journal was written")
        size_bytes = named.size_bytes
        if size_bytes < self.segment_bytes:
            self._fail(f"{self.path}: cut to {size_bytes:,} bytes while the journal was written")

    def _ensure_watermark(self) -> None:
        """A watermark that says nothing yet, durable, so that later ones only ever replace it."""
        watermark, _ = read_watermark(self.directory)
        if watermark is None or watermark.journal_id != self.journal_id:
            nothing = Watermark(self.journal_id, -1, 0, writer_id=self._writer_id)
            self._watermark = pack_watermark(nothing)
            write_whole(self.directory / WATERMARK_NAME, self._watermark, self.disk)

    def claim(self, reached: Reached) -> None:
        """Say that this writer continues from here: another that still lives acknowledges no
        more."""
        watermark = Watermark(self.journal_id, *reached, self._writer_id)
        self._watermark = pack_watermark(watermark)
        try:
            self.disk.write(self._watermark_fd, self._watermark, 0)
        except OSError as error:
            self._fail(f"{self.directory / WATERMARK_NAME}: cannot write: {error.strerror}")

    def acknowledge(self, reached: Reached) -> None:
        """Note how far all is durable; not waited for (``watermark.py``)."""
        self._require_own()
        assert reached.block_index >= 0, "nothing is acknowledged before a block is durable"
        self.claim(reached)

    def _require_own(self) -> None:
        """Require that no other writer has claimed the journal since this one last acknowledged."""
        try:
            data = self.disk.read(self._watermark_fd, WATERMARK_BYTES, 0)
        except OSError as error:
            self._fail(f"{self.directory / WATERMARK_NAME}: cannot read: {error.strerror}")
        if data == self._watermark:
            return
        other = unpack_watermark(data)
        if other is not None and other.writer_id != self._writer_id:
            self._fail(
                f"{self.directory}: another process has resumed this journal while it was written "
                "here: nothing more is acknowledged"
            )

    def finish(self, end_offset: int) -> None:
        """Finish the segment for good after ``end_offset``: cut the prewritten rest off and make
        data and length durable.

        Before :meth:`advance`: once a segment holds data, all before it is durable, so only the
        last one can ever end in a torn tail.
        """
        self._wait_for_flush()
        self._require_whole()
        self._require_in_place()
        try:
            self.disk.truncate(self._fd, end_offset)
            self.disk.sync(self._fd)
        except OSError as error:
            self._fail(f"{self.path}: cannot finish: {error.strerror}")

    def advance(self) -> None:
        """Go to the next segment, making it if it is missing."""
        number = self.number + 1
        if number >= MAX_SEGMENTS:
            self._fail(f"{self.directory}: the journal has {number:,} segments, the most there are")
        self._wait_for_next()
        try:
            if number >= self.segment_count:
                make_segment(self.directory, number, self.segment_bytes, disk=self.disk)
            fd, self.direct = self._open(segment_path(self.directory, number))
        except JournalError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{segment_path(self.directory, number)}: cannot open: {error.strerror}")
        self.disk.close(self._fd)
        self._fd, self.number, self._file = fd, number, identity_of(fd)
        self._flushed_offset = 0
        self.path = segment_path(self.directory, number)
        self._name = os.fsencode(self.path)
        self.segment_count = max(self.segment_count, number + 1)
        assert self._ahead is None, "no thread makes the segment that is written"
        assert self._flush is None, "no thread brings to the disk what is finished"

    def close(self, end_offset: int, reached: Reached) -> None:
        """Make all durable up to ``reached``, acknowledge it, and give back the prewritten space; a
        broken stream only lets go."""
        try:
            self._unwanted = True
            self._wait_for_next()
            if not self._broken:
                self.finish(end_offset)
                self.acknowledge(reached)
                self.disk.sync(self._watermark_fd)
                for number in reversed(range(self.number + 1, self.segment_count)):
                    self.disk.unlink(segment_path(self.directory, number))
                remove_half_made(self.directory, self.disk)
                self.disk.sync_directory(self.directory)
        except OSError as error:
            self._fail(f"{self.path}: cannot close: {error.strerror}")
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are; harmless when repeated."""
        self._wait_for_flush()
        self._broken = self._broken or f"{self.directory}: the journal is closed"
        self._unwanted = True
        self._piece_due.set()
        for fd in (self._fd, self._watermark_fd):
            if fd >= 0:
                self.disk.close(fd)
        self._fd = self._watermark_fd = -1

    def _prewrite_next(self) -> None:
        """Make the next segment while this one fills, so that no commit waits for it."""
        if self._ahead is not None or self.number + 1 < self.segment_count:
            return

        def make() -> None:
            try:
                make_segment(
                    self.directory,
                    self.number + 1,
                    self.segment_bytes,
                    disk=self.disk,
                    pace=self._pace,
                )
                self.segment_count += 1
                self.warning = ""
            except JournalError as error:
                # advance tries again, and stops if it cannot either.
                self.warning = (
                    f"{error}: the next segment cannot be made, and the journal stops when "
                    f"{self.path.name} is full"
                )

        self._hurry = False
        ahead = threading.Thread(target=make, name="journal-prewrite", daemon=True)
        try:
            ahead.start()
        except RuntimeError:
            return  # no thread available: roll makes it
        self._ahead = ahead

    def _pace(self, made_bytes: int) -> int:
        """Up to where to prewrite now, once there is a piece to be written; a closing stream needs
        no more."""
        half = self.segment_bytes // 2
        self._piece_due_offset = half + int((made_bytes + PIECE_BYTES) / AHEAD_OF) + 1
        while True:
            self._piece_due.clear()
            # What was said before the clearing is seen here, what is said after it wakes the wait.
            if self._unwanted:
                raise JournalError(f"{self.directory}: the journal is closed")
            if self._hurry:
                return self.segment_bytes
            if self._end_offset >= self._piece_due_offset:
                due = int(AHEAD_OF * (self._end_offset - half))
                return min(due, made_bytes + MAX_PIECE_BYTES)
            self._piece_due.wait()

    def _flush_behind(self, offset: int) -> None:
        """Bring what was written to the disk while more is: nothing counts as durable by it.  An
        error breaks the stream: the next sync would not report it again."""
        if self._flush is not None and self._flush.is_alive():
            return

        def flush() -> None:
            try:
                self.disk.datasync(self._fd)
            except OSError as error:
                self._flush_failure = f"{self.path}: cannot sync: {error.strerror}"

        behind = threading.Thread(target=flush, name="journal-flush", daemon=True)
        try:
            behind.start()
        except RuntimeError:
            return  # no thread available: the end of the segment waits for all of it
        self._flush, self._flushed_offset = behind, offset

    def rest(self) -> None:
        """Wait until no thread of this stream's is at work."""
        self._wait_for_flush()
        self._wait_for_next()

    def _wait_for_next(self) -> None:
        if self._ahead is not None:
            self._hurry = True
            self._piece_due.set()
            self._ahead.join()
            self._ahead = None

    def _wait_for_flush(self) -> None:
        if self._flush is not None:
            self._flush.join()
            self._flush = None

    def _require_whole(self) -> None:
        if self._flush_failure and not self._broken:
            self._fail(self._flush_failure)
        if self._broken:
            raise JournalError(f"the journal writer has stopped: {self._broken}")

    def _fail(self, message: str) -> NoReturn:
        self._broken = message
        raise JournalError(message) from None


def make_whole(
    directory: Path, number: int, segment_bytes: int, end_offset: int, dirty_end: int, disk: Disk
) -> None:
    """Make segment ``number`` whole again after ``end_offset``: zeros where a torn tail was, and
    prewritten up to ``segment_bytes``; durable on return."""
    path = segment_path(directory, number)
    try:
        fd = disk.open(path, os.O_RDWR)
    except OSError as error:
        raise JournalError(f"{path}: cannot resume: {error.strerror}") from None
    try:
        size_bytes = os.fstat(fd).st_size
        write_zeros(fd, path, end_offset, min(dirty_end, size_bytes), disk)
        write_zeros(fd, path, size_bytes, segment_bytes, disk)
        disk.sync(fd)
    except OSError as error:
        raise space_error(path, error, segment_bytes - end_offset) from None
    finally:
        disk.close(fd)
