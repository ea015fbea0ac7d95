"""Makes old segments small, or lets them go, once a checkpoint stands for them."""

from pathlib import Path

from openoutcry.journal.block import HEADER_BYTES, unpack_header
from openoutcry.journal.checkpoints import newest_checkpoint
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.errors import JournalError
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import (
    RETIRED_NAME,
    SegmentFile,
    packed_path,
    segment_numbers,
    segment_path,
    space_error,
    unpack_segment,
    write_whole,
)

LEVEL = 3


def closed_segments(directory: Path, disk: Disk = REAL) -> list[int]:
    """Numbers of the segments that are finished: all but the last that holds a block.

    The whole journal is checked first: what is damaged is not archived.
    """
    scan = Scan(directory, disk)
    for _ in scan.blocks():
        pass
    return [number for number in segment_numbers(directory) if number < scan.end_segment]


def archive(directory: Path, disk: Disk = REAL) -> list[str]:
    """Compress the finished segments in place; returns a line for each.

    The bytes inside stay the same, so chain and checksums hold as before, and every reader reads
    on.  A segment's plain file goes only after the compressed one was read back and compared.
    """
    try:
        import zstandard
    except ImportError:
        raise JournalError("archiving needs zstandard: pip install 'openoutcry[journal]'") from None
    done = []
    for number in closed_segments(directory, disk):
        plain, packed = segment_path(directory, number), packed_path(directory, number)
        if not plain.exists():
            continue
        try:
            data = plain.read_bytes()
            small = zstandard.ZstdCompressor(LEVEL, write_checksum=True).compress(data)
            write_whole(packed, small, disk)
            if unpack_segment(packed) != data:
                raise JournalError(f"{packed} does not give back what was compressed")
            disk.unlink(plain)
            disk.sync_directory(directory)
        except OSError as error:
            raise space_error(packed, error, 0) from None
        done.append(f"{packed}: {len(data):,} bytes in {len(small):,}")
    return done


def retire(directory: Path, disk: Disk = REAL) -> list[str]:
    """Remove the finished segments that the newest good checkpoint makes dispensable.

    What remains begins with a segment that the checkpoint reaches into, so state and history from
    there on are whole.  Returns a line for each; raises :class:`JournalError` without a checkpoint.
    """
    scan = Scan(directory, disk)
    for _ in scan.blocks():
        pass
    found = newest_checkpoint(directory, scan.journal_id, scan.next_seq - 1)
    if found is None:
        raise JournalError(f"{directory} has no good checkpoint: nothing can be retired")
    numbers = [n for n in segment_numbers(directory) if n <= scan.end_segment]
    keep_from = numbers[0]
    for number in numbers:
        if _first_seq(directory, number, disk) <= found.seq + 1:
            keep_from = number
    if keep_from == numbers[0]:
        return []
    # First the word that they may be missing, then the files: a crash between leaves both true.
    write_whole(directory / RETIRED_NAME, f"{keep_from}\n".encode(), disk)
    gone = [number for number in numbers if number < keep_from]
    for number in gone:
        disk.unlink(segment_path(directory, number))
        disk.unlink(packed_path(directory, number))
    disk.sync_directory(directory)
    return [f"{segment_path(directory, n)}: retired, checkpoint {found.seq:,}" for n in gone]


def _first_seq(directory: Path, number: int, disk: Disk) -> int:
    segment = SegmentFile.open(directory, number, disk)
    assert segment is not None
    with segment:
        return unpack_header(segment.read(0, HEADER_BYTES)).first_seq
