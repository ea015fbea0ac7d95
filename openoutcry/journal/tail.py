"""Where a pass over only a part of a journal may begin, however long the journal is.

Each segment's first block holds the hash of the block before it.  So the last segment that begins
with a whole block proves all before it, if the block that it names ends the segment before.  This
much is read, and no more.
"""

import json
from pathlib import Path

from openoutcry.journal.block import (
    ALIGN,
    HEADER_BYTES,
    Block,
    BlockId,
    digest,
    examine,
    header_flaw,
    unpack_header,
)
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.segment import (
    WINDOW_BYTES,
    SegmentFile,
    packed_path,
    retired_before,
    segment_numbers,
    segment_path,
    sync_file,
)
from openoutcry.wire.errors import JournalError
from openoutcry.wire.records import BLOCK_MAGIC

CARRIED = "carried"
"""Key of a configuration: where the journal that this one continues has ended (``carry.py``)."""
_MAGIC = BLOCK_MAGIC.to_bytes(8, "little")


def anchor_segment(directory: Path, disk: Disk = REAL) -> int | None:
    """The last segment whose first block is whole and follows the end of the segment before.

    None if that is the journal's first one, or no segment has a whole block.

    Raises :class:`JournalError` for a missing segment, and where two segments do not join.
    """
    numbers = segment_numbers(directory)
    first = retired_before(directory)
    if first not in numbers:
        return None
    last = _last_with_data(directory, [n for n in numbers if n >= first], disk)
    for number, following in zip(range(first, last), numbers[numbers.index(first) :], strict=False):
        assert number <= following, "segments are numbered upwards"
        if number != following:
            raise JournalError(
                f"{segment_path(directory, number)} is missing, but {following:06d} is there"
            )
    # A block that only this last segment holds may be torn: then the one before is finished.
    for number in (last, last - 1):
        if number <= first:
            return None
        with SegmentFile.require(directory, number, disk) as segment:
            block = examine(segment, 0)
        if isinstance(block, Block):
            _require_joined(directory, block, number, disk)
            return number
    return last - 1


def segment_holding(directory: Path, seq: int, disk: Disk = REAL) -> int:
    """The last segment that begins at or before ``seq``, looked for from the end; else the first
    one."""
    numbers = segment_numbers(directory)
    for number in reversed(numbers):
        segment = SegmentFile.open(directory, number, disk)
        if segment is None:
            continue
        with segment:
            head = segment.head()
        if len(head) < HEADER_BYTES:
            continue
        header = unpack_header(head)
        if header.magic == BLOCK_MAGIC and header.first_seq <= seq:
            return number
    return numbers[0]


def sync_until(directory: Path, seq: int, disk: Disk = REAL) -> None:
    """Make the commands up to ``seq`` durable, also while another process writes the journal: only
    its last segment that holds data may be unsynced.  Raises :class:`JournalError` if the disk
    refuses."""
    path = segment_path(directory, segment_holding(directory, seq, disk))
    if not path.exists():
        return  # archived: finished, and synced
    try:
        sync_file(path, disk)
    except OSError as error:
        raise JournalError(f"{path}: cannot sync: {error.strerror}") from None


def block_holding(directory: Path, seq: int, disk: Disk = REAL) -> Block | None:
    """The whole block that holds command ``seq``, by the headers of its segment, or None."""
    if not segment_numbers(directory):
        return None
    segment = SegmentFile.open(directory, segment_holding(directory, seq, disk), disk)
    if segment is None:
        return None
    offset = 0
    with segment:
        while len(head := segment.read(offset, HEADER_BYTES)) == HEADER_BYTES:
            header = unpack_header(head)
            if header.magic != BLOCK_MAGIC or header_flaw(header) or header.first_seq > seq:
                return None
            if seq < header.first_seq + header.commands:
                block = examine(segment, offset)
                return block if isinstance(block, Block) else None
            offset += header.block_bytes
    return None


def name_of_block(directory: Path, seq: int, disk: Disk = REAL) -> tuple[int, BlockId] | None:
    """Return the journal's id and the block that holds command ``seq``, or None.

    A journal that continues another one knows the block of the last command before its first."""
    block = block_holding(directory, seq, disk)
    if block is not None:
        return block.header.journal_id, BlockId(block.header.block_index, digest(block.whole))
    segment = SegmentFile.open(directory, retired_before(directory), disk)
    if segment is None:
        return None
    with segment:
        first = examine(segment, 0)
    if not isinstance(first, Block) or first.header.first_seq != seq + 1:
        return None
    before = json.loads(bytes(first.payload))["config"].get(CARRIED)
    if before is None:
        return None
    name = BlockId(int(before["block_index"]), bytes.fromhex(before["block_hash"]))
    return first.header.journal_id, name


def bytes_before(directory: Path, number: int) -> int:
    """Bytes of the segments before ``number``; of archived ones as they are, compressed."""
    total = 0
    for other in segment_numbers(directory):
        if other < number:
            plain = segment_path(directory, other)
            path = plain if plain.exists() else packed_path(directory, other)
            total += path.stat().st_size
    return total


def last_block(segment: SegmentFile) -> Block | None:
    """The block that ends a finished segment, found from its end backwards; None if none does."""
    size_bytes = segment.size_bytes
    reach_bytes = WINDOW_BYTES
    while size_bytes and size_bytes % ALIGN == 0:
        base = max(0, size_bytes - reach_bytes)
        rest = segment.read(base, size_bytes - base)
        for at in range(len(rest) - ALIGN, -1, -ALIGN):
            if rest[at : at + 8] != _MAGIC:
                continue
            if unpack_header(rest[at : at + HEADER_BYTES]).block_bytes != len(rest) - at:
                continue
            block = examine(segment, base + at)
            if isinstance(block, Block):
                return block
        if base == 0:
            break
        reach_bytes *= 4
    return None


def _last_with_data(directory: Path, numbers: list[int], disk: Disk) -> int:
    """The last segment that holds anything at its begin; the first one if none does."""
    for number in reversed(numbers):
        if has_data(directory, number, disk):
            return number
    return numbers[0]


def has_data(directory: Path, number: int, disk: Disk = REAL) -> bool:
    """Return whether a segment that is there holds anything at its begin; an archived one does."""
    segment = SegmentFile.open(directory, number, disk)
    if segment is None:
        return False
    with segment:
        return any(segment.head())


def _require_joined(directory: Path, first: Block, number: int, disk: Disk) -> None:
    """The segment before ``number`` ends with the very block that ``first`` follows."""
    with SegmentFile.require(directory, number - 1, disk) as segment:
        last = last_block(segment)
        path = segment.path
    if last is None:
        raise JournalError(f"{path}: no whole block ends it: the journal is damaged there")
    if digest(last.whole) != first.header.previous_hash:
        raise JournalError(
            f"{segment_path(directory, number)}: byte 0: the chain is broken: the block before, "
            f"block {last.header.block_index} of {path.name}, is different"
        )
