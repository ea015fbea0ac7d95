"""Appends blocks to a journal and says up to which sequence they are durable."""

import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy.typing as npt

from openoutcry.journal.block import HEADER_BYTES, pack_header, pack_json
from openoutcry.journal.errors import JournalError
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import (
    MAX_SEGMENTS,
    Sync,
    make_segment,
    remove_half_made,
    segment_numbers,
    segment_path,
    space_error,
    sync_directory,
    write_zeros,
)
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.records import ORDER, RECORD_BYTES

Part = bytes | bytearray | memoryview | npt.NDArray[Any]
"""C-contiguous bytes of whole records: a slice of a ring, or an array."""

SEGMENT_BYTES = 64 << 20
MIN_SEGMENT_BYTES = 1024
MAX_PREWRITTEN_BYTES = 1 << 30
EXPECTED_RECORDS_A_BLOCK = 64
"""How far prewriting allows for headers; smaller blocks only mean a segment made on demand."""

_SEQ = struct.Struct("<q")
_SEQ_OFFSET = ORDER.offsets["seq"]


class Journal:
    """Where journals come from."""

    @staticmethod
    def exists(directory: str | os.PathLike[str]) -> bool:
        """True if ``directory`` holds any segment of a journal."""
        return Path(directory).is_dir() and bool(segment_numbers(Path(directory)))

    @staticmethod
    def create(
        directory: str | os.PathLike[str],
        config: dict[str, Any],
        expected_records: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        fdatasync: Sync = os.fdatasync,
    ) -> "JournalWriter":
        """Make a durable journal whose first block is ``config``; returns its writer.

        Segments for ``expected_records`` (at most 1 GiB of them) are prewritten with zeros;
        further ones are made on demand.  ``segment_bytes`` is a multiple of 64 from 1,024 on.
        ``fdatasync`` is the call that makes a file's data durable.  Raises
        :class:`JournalError` if the directory already holds a journal or there is no space;
        then nothing is left behind.
        """
        path = Path(directory)
        if segment_bytes < MIN_SEGMENT_BYTES or segment_bytes % RECORD_BYTES:
            raise JournalError(
                f"segment_bytes is {segment_bytes}: not a multiple of {RECORD_BYTES} from "
                f"{MIN_SEGMENT_BYTES} on"
            )
        head = _config_block(config, segment_bytes)
        if len(head) > segment_bytes:
            raise JournalError(f"a configuration of {len(head):,} bytes does not fit a segment")
        if Journal.exists(path):
            raise JournalError(f"{path} already holds a journal")
        made_directory = _make_directory(path)
        made = 0
        fd = -1
        try:
            fd = make_segment(path, 0, segment_bytes, head)
            made = 1
            wanted = _segments_for(len(head), expected_records, segment_bytes)
            while made < wanted:
                os.close(make_segment(path, made, segment_bytes))
                made += 1
        except BaseException:
            if fd >= 0:
                os.close(fd)
            for number in reversed(range(made)):
                segment_path(path, number).unlink(missing_ok=True)
            if made_directory:
                path.rmdir()
            raise
        return JournalWriter(
            path, fd, 0, len(head), segment_bytes, made, blocks=1, size_bytes=len(head),
            fdatasync=fdatasync,
        )  # fmt: skip


class JournalWriter:
    """The one writer of a journal: made by :meth:`Journal.create` or :meth:`resume`.

    ``written_seq`` is the last sequence handed to the kernel, ``durable_seq`` the last that
    survives a power cut; ``blocks`` and ``bytes`` count the whole journal (headers and
    payloads).  After any error the writer refuses every further append and sync: what the disk
    holds then is only known by reading it again, which is what :meth:`resume` does.
    """

    def __init__(
        self,
        directory: Path,
        fd: int,
        number: int,
        offset: int,
        segment_bytes: int,
        segment_count: int,
        *,
        blocks: int,
        size_bytes: int,
        written_seq: int = 0,
        fdatasync: Sync,
    ) -> None:
        self.directory = directory
        self.segment_bytes = segment_bytes
        self.written_seq = written_seq
        self.durable_seq = written_seq
        self.blocks = blocks
        self.bytes = size_bytes
        self._fd = fd
        self._number = number
        self._offset = offset
        self._segment_count = segment_count
        self._fdatasync = fdatasync
        self._unsynced = False
        self._broken = ""
        self._header = bytearray(HEADER_BYTES)

    @classmethod
    def resume(
        cls, directory: str | os.PathLike[str], *, fdatasync: Sync = os.fdatasync
    ) -> "JournalWriter":
        """Take up a journal whose writer was killed, behind its last whole block.

        Checks every block, zeroes a torn tail (so that none of its bytes can ever be taken for
        a later block's) and makes the rest durable.  The caller holds the directory's
        :class:`JournalLock` and has seen the old writer die.  Raises :class:`JournalError` for
        damage, or for what is no journal.
        """
        path = Path(directory)
        scan = Scan(path)
        for _ in scan.blocks():
            pass
        if scan.live:
            raise JournalError(f"{path} is being written by another process")
        segment_bytes = scan.segment_bytes
        number, offset = scan.end_segment, scan.end_offset
        segment = segment_path(path, number)
        try:
            count = _drop_misfits(path, number, segment_bytes)
            fd = os.open(segment, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise JournalError(f"{segment}: cannot resume: {error.strerror}") from None
        try:
            if number:
                _sync_file(segment_path(path, number - 1))  # killed while it finished that one
            size_bytes = os.fstat(fd).st_size
            write_zeros(fd, segment, offset, min(scan.dirty_end, size_bytes))
            write_zeros(fd, segment, size_bytes, segment_bytes)
            fdatasync(fd)
        except BaseException as error:
            os.close(fd)
            if isinstance(error, OSError):
                raise JournalError(f"{segment}: cannot resume: {error.strerror}") from None
            raise
        return cls(
            path, fd, number, offset, segment_bytes, count, blocks=scan.next_index,
            size_bytes=scan.bytes, written_seq=scan.next_seq - 1, fdatasync=fdatasync,
        )  # fmt: skip

    def append(
        self, first_seq: int, parts: Sequence[Part], record_count: int, written_ts_ns: int
    ) -> None:
        """Write one block of ``record_count`` orders whose bytes are ``parts`` in a row.

        ``parts`` are one or two C-contiguous buffers of whole ``ORDER_DTYPE`` records (a ring
        slice that wraps has two); they are not copied.  ``first_seq`` is ``written_seq + 1``.
        The block is durable after the next :meth:`sync`.  Raises :class:`JournalError` naming
        file and byte if the write fails; ``written_seq`` then stays.
        """
        if self._broken:
            self._refuse()
        if first_seq != self.written_seq + 1:
            raise JournalError(f"append of sequence {first_seq} after {self.written_seq}")
        parts = [part for part in parts if len(part)]
        if not parts:
            raise JournalError(f"append of nothing at sequence {first_seq}")
        self._check_parts(first_seq, parts, record_count)
        self._write_block(
            BlockKind.COMMANDS,
            parts,
            record_count * RECORD_BYTES,
            written_ts_ns,
            first_seq=first_seq,
            record_count=record_count,
        )
        self.written_seq += record_count

    def sync(self) -> None:
        """Make all that was appended durable; then ``durable_seq == written_seq``.

        An error is never retried: the kernel may have dropped the pages and would answer the
        next attempt with success.
        """
        if self._broken:
            self._refuse()
        if not self._unsynced:
            return
        try:
            self._fdatasync(self._fd)
        except OSError as error:
            self._fail(f"{self._path}: cannot sync: {error.strerror}")
        self._unsynced = False
        self.durable_seq = self.written_seq

    def evidence(self, document: dict[str, Any]) -> None:
        """Append a block of JSON that says what the state was here, and make all durable."""
        if self._broken:
            self._refuse()
        payload, text_bytes = pack_json(document)
        self._write_block(
            BlockKind.EVIDENCE, [payload], len(payload), time.time_ns(), text_bytes=text_bytes
        )
        self.sync()

    def close(self) -> None:
        """Make all durable, give back the prewritten space, close; harmless when repeated.

        A writer that has failed only closes its file: :meth:`resume` sorts out the rest.
        """
        if self._fd < 0:
            return
        try:
            if not self._broken:
                self._finish_segment()
                for number in reversed(range(self._number + 1, self._segment_count)):
                    segment_path(self.directory, number).unlink(missing_ok=True)
                remove_half_made(self.directory)
                sync_directory(self.directory)
        except OSError as error:
            self._fail(f"{self._path}: cannot close: {error.strerror}")
        finally:
            os.close(self._fd)
            self._fd = -1
            self._broken = self._broken or f"{self.directory}: the journal is closed"

    def abandon(self) -> None:
        """Close the file and leave everything on the disk as it is: another writer goes on.

        For the process that made a journal and gave it to a child; harmless when repeated.
        """
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._broken = self._broken or f"{self.directory}: the journal is written elsewhere"

    def __enter__(self) -> "JournalWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _path(self) -> Path:
        return segment_path(self.directory, self._number)

    def _check_parts(self, first_seq: int, parts: Sequence[Any], record_count: int) -> None:
        """A slice of the wrong place of a ring shows at its first or last sequence number."""
        sizes = [memoryview(part).nbytes for part in parts]
        if sum(sizes) != record_count * RECORD_BYTES or any(n % RECORD_BYTES for n in sizes):
            raise JournalError(f"append of {record_count} records as buffers of {sizes} bytes")
        last_seq = first_seq + record_count - 1
        found_first = _SEQ.unpack_from(parts[0], _SEQ_OFFSET)[0]
        found_last = _SEQ.unpack_from(parts[-1], sizes[-1] - RECORD_BYTES + _SEQ_OFFSET)[0]
        if (found_first, found_last) != (first_seq, last_seq):
            raise JournalError(
                f"append of sequence {first_seq} to {last_seq}: the records are {found_first} to "
                f"{found_last}"
            )

    def _write_block(
        self,
        kind: BlockKind,
        parts: Sequence[Any],
        payload_bytes: int,
        written_ts_ns: int,
        *,
        first_seq: int = 0,
        record_count: int = 0,
        text_bytes: int = 0,
    ) -> None:
        size_bytes = HEADER_BYTES + payload_bytes
        if self._offset + size_bytes > self.segment_bytes:
            if size_bytes > self.segment_bytes:
                raise JournalError(
                    f"a block of {size_bytes:,} bytes does not fit a segment of "
                    f"{self.segment_bytes:,}"
                )
            self._next_segment()
        pack_header(
            self._header,
            kind,
            self.blocks,
            written_ts_ns,
            parts,
            payload_bytes,
            first_seq=first_seq,
            record_count=record_count,
            text_bytes=text_bytes,
        )
        try:
            written = os.pwritev(self._fd, [self._header, *parts], self._offset)
        except OSError as error:
            self._fail(f"{self._path}: byte {self._offset}: cannot write: {error.strerror}")
        if written != size_bytes:
            self._fail(
                f"{self._path}: byte {self._offset}: only {written:,} of {size_bytes:,} bytes "
                "were written"
            )
        self._offset += size_bytes
        self.blocks += 1
        self.bytes += size_bytes
        self._unsynced = True

    def _next_segment(self) -> None:
        """Finish the current segment for good, then go to the next, making it if need be.

        In that order: once a segment holds data, all before it is durable, so only the last one
        can ever end in a torn tail.
        """
        try:
            self._finish_segment()
        except OSError as error:
            self._fail(f"{self._path}: cannot finish: {error.strerror}")
        number = self._number + 1
        if number >= MAX_SEGMENTS:
            self._fail(f"{self.directory}: the journal has {number:,} segments, the most there are")
        try:
            if number < self._segment_count:
                fd = os.open(segment_path(self.directory, number), os.O_RDWR | os.O_CLOEXEC)
            else:
                fd = make_segment(self.directory, number, self.segment_bytes)
        except JournalError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{segment_path(self.directory, number)}: cannot open: {error.strerror}")
        os.close(self._fd)
        self._fd, self._number, self._offset = fd, number, 0
        self._segment_count = max(self._segment_count, number + 1)

    def _finish_segment(self) -> None:
        """Cut the prewritten rest off and make data and length durable."""
        os.ftruncate(self._fd, self._offset)
        self.sync()
        os.fsync(self._fd)

    def _fail(self, message: str) -> NoReturn:
        self._broken = message
        raise JournalError(message) from None

    def _refuse(self) -> NoReturn:
        raise JournalError(f"the journal writer has stopped: {self._broken}")


def _config_block(config: dict[str, Any], segment_bytes: int) -> bytes:
    """Block 0: the configuration, and what a later writer must know to go on."""
    payload, text_bytes = pack_json({"config": config, "segment_bytes": segment_bytes})
    header = bytearray(HEADER_BYTES)
    pack_header(
        header, BlockKind.CONFIG, 0, time.time_ns(), [payload], len(payload), text_bytes=text_bytes
    )
    return bytes(header) + payload


def _segments_for(config_bytes: int, expected_records: int, segment_bytes: int) -> int:
    """How many segments to prewrite: at least one."""
    headers = -(-expected_records // EXPECTED_RECORDS_A_BLOCK)
    total_bytes = config_bytes + (expected_records + headers) * RECORD_BYTES
    return max(1, -(-min(total_bytes, MAX_PREWRITTEN_BYTES) // segment_bytes))


def _make_directory(path: Path) -> bool:
    """Make the journal's directory if it is not there; true if it was made."""
    try:
        path.mkdir(mode=0o700, parents=True)
        sync_directory(path.parent)
    except FileExistsError:
        if not path.is_dir():
            raise JournalError(f"{path} is not a directory") from None
        return False
    except OSError as error:
        raise space_error(path, error, 0) from None
    return True


def _drop_misfits(directory: Path, number: int, segment_bytes: int) -> int:
    """Keep the whole unused segments behind ``number``; returns how many segments there are."""
    remove_half_made(directory)
    count = number + 1
    while True:
        path = segment_path(directory, count)
        if not path.exists() or path.stat().st_size != segment_bytes:
            break
        count += 1
    for other in reversed([n for n in segment_numbers(directory) if n >= count]):
        segment_path(directory, other).unlink()
    return count


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
