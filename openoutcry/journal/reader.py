"""Read a journal, checked."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.block import Block, BlockId
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.lock import held
from openoutcry.journal.recent import RecentBlocks
from openoutcry.journal.scan import Scan
from openoutcry.journal.segment import segment_numbers
from openoutcry.journal.tail import CARRIED, segment_holding
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError
from openoutcry.wire.records import ORDER_DTYPE

TEST = "test "
"""The source in the configuration of a test venue's journal begins with this."""


class JournalReader:
    """Reads a journal, finished or while its writer runs.

    Opening reads the configuration: ``config`` is what was given to ``Journal.create``, and
    ``first_seq`` is where the journal begins (1, unless its beginning was retired).
    The orders come from :meth:`chunks`.  After it is exhausted, ``blocks``, ``bytes``, ``segments``
    and ``last_seq`` count what was read, and ``torn`` describes a torn tail, if any.

    The text ``unwatermarked`` says why no watermark shows how far the journal was acknowledged (it
    is empty with one).  In ``resumed`` is a document for each later run: ``seq``, after which it
    continued, ``ts_ns``, and ``config``, its own settings.

    While a writer runs, the end is where the journal ended when the iteration began, and the block
    that is being written is not called torn.  Raises :class:`JournalError` (or ``LayoutMismatch``)
    for anything that is not a journal of this layout, and for damage.
    """

    def __init__(self, directory: str | os.PathLike[str], *, disk: Disk = REAL) -> None:
        self.directory = Path(directory)
        self._disk = disk
        scan = Scan(self.directory, disk)
        next(scan.blocks(), None)
        self.config: dict[str, Any] = scan.config
        self.document = scan.document
        self.journal_id = scan.journal_id
        self.first_seq = scan.first_seq
        self._follow(scan)
        self.resumed: list[dict[str, Any]] = []
        self._evidence: dict[str, Any] | None = None
        self._read_to_end = False
        self._followed: Scan | None = None
        self.recent: RecentBlocks | None = None
        """Where :meth:`follow` looks before it asks the disk."""

    @property
    def is_test(self) -> bool:
        """Return whether the journal is that of a venue with faults on purpose."""
        return str(self.config.get("source")).startswith(TEST)

    def _follow(self, scan: Scan) -> None:
        self.blocks = scan.next_index
        self.bytes = scan.bytes
        self.segments = scan.segments
        self.last_seq = scan.next_seq - 1
        self.torn = torn_tail(scan)
        self._scan = scan
        self.last_block = BlockId(scan.next_index - 1, scan.previous_hash)
        """The block that was given last."""

    @property
    def unwatermarked(self) -> str:
        """Return why no watermark shows how far the journal was acknowledged; empty with one."""
        return self._scan.unwatermarked

    @property
    def evidence(self) -> dict[str, Any] | None:
        """The last evidence block's document; None without one, or if another run has continued
        after it.  Reads to the end if need be."""
        if not self._read_to_end:
            for _ in self.all_blocks():
                pass
        return self._evidence

    def all_blocks(self, from_seq: int = 0, until_block: int | None = None) -> Iterator[Block]:
        """Yield every block of every kind, checked, to the end.

        With ``from_seq``, reading begins with the segment that holds it, and the chain is checked
        from there.  With ``until_block``, only the blocks before it are read.  A second reading of
        a journal that is being written can so end where a first one did (``blocks``).
        """
        scan = Scan(self.directory, self._disk)
        number = (
            segment_holding(self.directory, from_seq, self._disk)
            if from_seq > self.first_seq
            else None
        )
        for block in scan.blocks(number):
            if until_block is not None and block.header.block_index >= until_block:
                return
            self._follow(scan)
            yield block
        self._follow(scan)
        self._evidence = scan.evidence
        self.resumed = scan.resumed
        self._read_to_end = True

    def follow(self, from_seq: int) -> Generator[Block, None, None]:
        """Yield whole blocks as :meth:`all_blocks` does, from the segment on that holds
        ``from_seq``; a further call yields only those that the writer has added since.

        Costs what is new, however long the journal is: bytes after the last whole block are not
        judged.
        """
        if self._followed is None:
            self._followed = Scan(self.directory, self._disk)
            number = segment_holding(self.directory, from_seq, self._disk)
            self._followed.end_segment = number
        self._followed.recent = self.recent
        for block in self._followed.new_blocks():
            self._follow(self._followed)
            yield block

    def chunks(
        self, until_seq: int | None = None, from_seq: int = 0
    ) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Yield (first_seq, orders) in sequence from ``self.first_seq`` (or the begin of the
        segment that holds ``from_seq``), up to ``until_seq`` or the end.

        ``orders`` is a read-only array of ``ORDER_DTYPE``, one block of the journal at a time.
        Every byte was checked before it is served: checksum, layout, chain, and that blocks and
        records follow each other without gap.  Raises :class:`JournalError` naming file and
        byte where that fails before the end.
        """
        if until_seq is not None and until_seq < 1:
            return
        for block in self.all_blocks(from_seq):
            if block.header.kind != BlockKind.COMMANDS:
                continue
            orders = np.frombuffer(block.payload, ORDER_DTYPE)
            first_seq = block.header.first_seq
            if until_seq is not None and self.last_seq > until_seq:
                if first_seq <= until_seq:
                    yield first_seq, orders[: until_seq - first_seq + 1]
                return
            yield first_seq, orders


def note_at(directory: str | os.PathLike[str], seq: int) -> dict[str, Any]:
    """Return the writer's note on the block that has command ``seq`` (``JournalWriter.append``).

    Of the last command before a journal that continues another one, what the first block says.
    Raises :class:`JournalError` if the journal does not hold it."""
    reader = JournalReader(directory)
    if seq == reader.first_seq - 1 and CARRIED in reader.config:
        return dict(reader.config[CARRIED]["note"])
    for block in reader.all_blocks(seq):
        header = block.header
        if header.kind == BlockKind.COMMANDS and header.first_seq + header.record_count > seq:
            if header.first_seq <= seq:
                return block.note
            break
    raise JournalError(f"{directory}: the journal does not hold sequence {seq}")


def following_of(journal: Path) -> Path:
    """Return the folder in which the journal is made that continues another one.  The old one has
    this name for a moment, and longer if the process is killed there."""
    return journal.with_name(f"{journal.name}.next")


def parts_before(directory: str | os.PathLike[str]) -> list[tuple[Path, int]]:
    """Return the journals that this one continues and that are beside it, the oldest first, each
    with its last command."""
    parts: list[tuple[Path, int]] = []
    path = Path(directory).resolve()
    while (before := JournalReader(path).config.get(CARRIED)) is not None:
        names = before["journal"], following_of(path).name  # whose renaming was cut short
        found = [one for one in map(path.with_name, names) if one.is_dir() and segment_numbers(one)]
        if not found:
            break
        path = found[0]
        parts.append((path, int(before["seq"])))
    return parts[::-1]


def torn_tail(scan: Scan) -> str | None:
    """Return the torn part that a finished pass found at the end; None while a pipeline holds the
    journal: then it is the block that is just being written."""
    return None if scan.torn and held(scan.directory) else scan.torn


def read_commands(
    directory: str | os.PathLike[str], from_seq: int, until_seq: int
) -> Iterator[npt.NDArray[Any]]:
    """Yield the orders ``from_seq`` to ``until_seq``, both included, for a matcher's rebuild.

    Arrays of ``ORDER_DTYPE``, read-only, in sequence; nothing if ``until_seq`` is below
    ``from_seq``.  While a writer runs, it gives all that was written when this was called.
    Raises :class:`JournalError` if the journal begins after ``from_seq`` or ends before
    ``until_seq``.
    """
    if from_seq < 1:
        raise JournalError(f"sequence {from_seq} was requested; sequences begin at 1")
    if until_seq < from_seq:
        return
    reader = JournalReader(directory)
    if from_seq < reader.first_seq:
        raise JournalError(
            f"{directory}: the journal begins at sequence {reader.first_seq}, {from_seq} was "
            "requested: earlier commands are retired"
        )
    last_seq = 0
    for first_seq, orders in reader.chunks(until_seq, from_seq):
        last_seq = first_seq + len(orders) - 1
        if last_seq >= from_seq:
            yield orders[max(0, from_seq - first_seq) :]
    if last_seq < until_seq:
        raise JournalError(
            f"{directory}: the journal ends at sequence {last_seq}, {until_seq} was requested"
        )
