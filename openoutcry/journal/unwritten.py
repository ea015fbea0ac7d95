"""Journals whose making was cut short: only the configuration was written."""

from pathlib import Path

from openoutcry.journal.block import Block, examine
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.segment import (
    NEW_SUFFIX,
    SegmentFile,
    retired_before,
    segment_numbers,
    segment_path,
)
from openoutcry.journal.tail import has_data
from openoutcry.journal.watermark import WATERMARK_NAME, read_watermark
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError


def is_unwritten(directory: Path, disk: Disk = REAL) -> bool:
    """Return whether the directory holds a journal with nothing in it but its configuration,
    whole, and nothing was ever acknowledged."""
    numbers = segment_numbers(directory)
    watermark, flaw = read_watermark(directory)
    if not numbers or numbers[0] or retired_before(directory) or flaw:
        return False
    if watermark is not None and watermark.block_index > 0:
        return False
    segment = SegmentFile.open(directory, 0, disk)
    if segment is None:
        return False
    with segment:
        first = examine(segment, 0)
        if not isinstance(first, Block) or first.header.kind != BlockKind.CONFIG:
            return False
        if any(data.count(0) < len(data) for _, data in segment.windows(first.end)):
            return False
    return not any(has_data(directory, number, disk) for number in numbers[1:])


def discard_unwritten(directory: Path, disk: Disk = REAL) -> bool:
    """Remove such a journal, so that another can be made in its place; true if there was one.

    The caller holds the directory's lock.  Raises :class:`JournalError` if the disk refuses.
    """
    try:
        for path in directory.glob("segment-*" + NEW_SUFFIX):
            disk.unlink(path)
        if not is_unwritten(directory, disk):
            return False
        disk.unlink(directory / WATERMARK_NAME)
        for number in reversed(segment_numbers(directory)):
            disk.unlink(segment_path(directory, number))
        disk.sync_directory(directory)
    except OSError as error:
        raise JournalError(f"{directory}: cannot remove a segment: {error.strerror}") from None
    return True
