"""Compress or retire old segments that two checkpoints cover."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path

from openoutcry.journal.block import HEADER_BYTES, unpack_header
from openoutcry.journal.checkpoints import good_checkpoints
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.lock import InUse, JournalLock
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import (
    RETIRED_NAME,
    SegmentFile,
    packed_path,
    retired_before,
    segment_numbers,
    segment_path,
    space_error,
    sync_file,
    unpack_segment,
    write_whole,
)
from openoutcry.wire.errors import JournalError
from openoutcry.wire.extras import need

LEVEL = 3
MAINTENANCE_LOCK_NAME = "upkeep"
MIN_CHECKPOINTS = 2
"""Checkpoints that must bridge what is retired: one damaged file loses nothing."""


@contextmanager
def maintenance_lock(directory: Path) -> Iterator[None]:
    """One process at a time that changes finished segments; raises :class:`InUse` for a second."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(directory / MAINTENANCE_LOCK_NAME, flags, 0o600)
    except OSError as error:
        raise JournalError(
            f"{directory / MAINTENANCE_LOCK_NAME}: cannot open: {error.strerror}"
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InUse(f"{directory} is already being archived, retired or repaired") from None
    finally:
        os.close(fd)


@contextmanager
def _finished_scan(directory: Path, disk: Disk) -> Iterator[Scan]:
    """A finished pass over the journal: what is damaged is not touched.  A pipeline may be at work:
    it writes to no segment before the one where the pass ended."""
    # Before the locks, which would make the directory of a mistyped name.
    next(Scan(directory, disk).blocks(), None)
    with ExitStack() as stack:
        with suppress(InUse):
            stack.enter_context(JournalLock(directory))
        stack.enter_context(maintenance_lock(directory))
        yield Scan(directory, disk).to_end()


def archive(directory: Path, disk: Disk = REAL) -> list[str]:
    """Compress the finished segments (all but the last) in place; returns a line for each.

    The bytes inside stay the same, so chain and checksums hold as before, and every reader reads
    on.  A segment's plain file goes only after the compressed one was read back and compared.
    Works while a pipeline runs.  Raises :class:`JournalError` for a damaged journal.
    """
    zstandard = need("zstandard", "archiving needs zstandard", "journal", JournalError)
    compressor = zstandard.ZstdCompressor(LEVEL, write_checksum=True)
    with _finished_scan(directory, disk) as scan:
        numbers = [n for n in segment_numbers(directory) if n < scan.end_segment]
        done = (_archive_one(directory, n, compressor.compress, disk) for n in numbers)
        return [line for line in done if line]


def _archive_one(
    directory: Path, number: int, compress: Callable[[bytes], bytes], disk: Disk
) -> str:
    """Compress one segment; what was done, empty if it is archived already."""
    plain, packed = segment_path(directory, number), packed_path(directory, number)
    if not plain.exists():
        return ""
    with SegmentFile.require(directory, number, disk) as segment:
        data = b"".join(part for _, part in segment.windows(0))
    small = compress(data)
    try:
        write_whole(packed, small, disk)
        if unpack_segment(packed) != data:
            raise JournalError(f"{packed} does not decompress to the original")
        disk.unlink(plain)
        disk.sync_directory(directory)
    except OSError as error:
        raise space_error(packed, error, len(small)) from None
    return f"{packed}: {len(data):,} bytes in {len(small):,}"


def retire(directory: Path, disk: Disk = REAL, until_seq: int | None = None) -> list[str]:
    """Remove the finished segments that the older of two good checkpoints makes dispensable; with
    ``until_seq`` none that holds a later command.

    What remains begins with the segment that holds the older one's last command, so if the newer
    turns out damaged, state and history from there on are still whole.  Returns a line for each
    segment.  Works while a pipeline runs.  Raises :class:`JournalError` with fewer than two
    good checkpoints, and for a damaged journal.
    """
    with _finished_scan(directory, disk) as scan:
        good = good_checkpoints(directory, scan.journal_id, scan.next_seq - 1)
        seqs = [checkpoint.seq for checkpoint in islice(good, MIN_CHECKPOINTS)]
        if len(seqs) < MIN_CHECKPOINTS:
            raise JournalError(
                f"{directory} has {len(seqs)} good checkpoint{'s'[len(seqs) == 1 :]}, and "
                f"retiring needs {MIN_CHECKPOINTS}, so that the loss of one loses nothing: `outcry "
                "journal checkpoint` makes one at the journal's end"
            )
        seq = seqs[-1] if until_seq is None else min(seqs[-1], until_seq)
        return _retire_before(directory, seq, scan.end_segment, disk)


def _retire_before(directory: Path, seq: int, end_segment: int, disk: Disk) -> list[str]:
    keep_from = retired_before(directory)
    numbers = [n for n in segment_numbers(directory) if n <= end_segment]
    for number in numbers:
        if number > keep_from and _first_seq(directory, number, disk) <= seq:
            keep_from = number
    gone = [number for number in numbers if number < keep_from]
    if not gone:
        return []
    try:
        # A power cut must not take the end that the checkpoints need.
        sync_file(segment_path(directory, end_segment), disk)
        # First the word that they may be missing, then the files: a crash between leaves both
        # true, and the next retirement removes what is left.
        write_whole(directory / RETIRED_NAME, f"{keep_from}\n".encode(), disk)
        for number in gone:
            disk.unlink(segment_path(directory, number))
            disk.unlink(packed_path(directory, number))
        disk.sync_directory(directory)
    except OSError as error:
        raise space_error(directory / RETIRED_NAME, error, 0) from None
    return [f"{segment_path(directory, n)}: retired, checkpoint {seq:,}" for n in gone]


def _first_seq(directory: Path, number: int, disk: Disk) -> int:
    with SegmentFile.require(directory, number, disk) as segment:
        return unpack_header(segment.read(0, HEADER_BYTES)).first_seq
