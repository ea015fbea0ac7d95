"""The one way along a journal: its commands, and the events that they cause, a batch at a time.

Events are not in a journal: they are what a matcher makes of the commands.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block, BlockHeader, BlockId
from openoutcry.journal.checkpoints import Checkpoint, newest_checkpoint, oldest_checkpoint
from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import START, hash_array
from openoutcry.journal.origins import ORIGINS, Senders
from openoutcry.matcher import Engine
from openoutcry.matcher.book.empty_arena import Zeros
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE

STEP = 4096
"""Commands a batch with events has at most: their events stay in the cache."""
NO_LIMIT = 2**62
# Plain numbers: numpy asks an enum's class for its own operators, which took most of the time of
# a block with one command.
FILLED, BUY = enum_numbers.EVENT_KIND_FILLED, enum_numbers.SIDE_BUY
AUCTION, MAKER = enum_numbers.EVENT_FLAG_AUCTION, enum_numbers.EVENT_FLAG_MAKER
Records = npt.NDArray[Any]
NO_NOTES = np.zeros(0, np.int64)


@dataclass
class Point:
    """A matcher somewhere in the journal, and what has been counted up to there."""

    engine: Engine
    chain: int
    trades: int = 0
    seq: int = 0
    block: BlockId | None = None
    """The block that holds ``seq``."""
    senders: Senders = field(default_factory=Senders)
    """Last number of each sender on a network."""

    def feed(self, commands: Records, block: Block, name: BlockId) -> Records:
        """Process at most STEP commands of a block, which has that ``name``; hash, count and return
        their events."""
        self.sent(commands, block)
        return self.process(commands, name)

    def sent(self, commands: Records, block: Block) -> None:
        """Note who sent these commands of a block."""
        first = int(commands["seq"][0]) - block.header.first_seq
        self.senders.take(block.note.get(ORIGINS, ""), first, len(commands))

    def process(self, commands: Records, name: BlockId) -> Records:
        """Their events; ``name`` is the block that holds the last of them."""
        events = self.uncounted(commands, name)
        self.chain = hash_array(self.chain, events)
        self.trades += count_trades(events)
        return events

    def uncounted(self, commands: Records, name: BlockId) -> Records:
        """Their events, for a point that is never saved: nothing is hashed or counted."""
        events = self.engine.process(commands)
        self.seq, self.block = self.engine.last_seq, name
        return events


class Batch(NamedTuple):
    """Commands of one block (ORDER_DTYPE) and all events that they caused (EVENT_DTYPE)."""

    header: BlockHeader
    after_seq: int
    """The command before the first of these."""
    commands: Records
    events: Records
    ends_block: bool
    block: Block
    notes: npt.NDArray[np.int64] = NO_NOTES
    """What the core's hooks have noted at each event: of a fill what it cost
    (``wire/notes.py``).  Empty where they note nothing."""


def events_of(
    reader: JournalReader,
    point: Point | None = None,
    *,
    from_seq: int = 0,
    until_seq: int = NO_LIMIT,
    until_block: int | None = None,
    every: int = 0,
    follow: bool = False,
    match_until: int = NO_LIMIT,
) -> Iterator[Batch]:
    """Yield the commands after ``point`` up to ``until_seq``, with their events; ``point`` follows
    them up to ``match_until``, and the commands after that have no events.  No batch goes across a
    multiple of ``every``.  ``from_seq`` and ``until_block`` say which blocks are read
    (:meth:`JournalReader.all_blocks`); ``follow``: only those that are new to the reader
    (:meth:`JournalReader.follow`).

    Each block gives at least one batch, one without commands if need be (clock records, what lies
    before the point or after ``until_seq``), so that every header is seen.  Without ``point`` the
    commands of whole blocks from ``from_seq`` on, and nothing is matched.
    """
    seq = point.seq if point else max(0, from_seq - 1)
    blocks = reader.follow(from_seq) if follow else reader.all_blocks(from_seq, until_block)
    for block in blocks:
        records = commands_of(block)
        if len(records):
            first = block.header.first_seq
            # What was before a journal whose begin is retired is passed over.
            seq = max(seq, min(first - 1, until_seq))
            records = records[max(0, seq + 1 - first) : max(0, until_seq + 1 - first)]
        at = 0
        while True:
            size = len(records) - at
            if point:
                size = min(size, STEP, every - seq % every if every else size)
            is_matched = seq < match_until
            if is_matched:
                size = min(size, match_until - seq)
            part, after_seq = records[at : at + size], seq
            at, seq = at + size, seq + size
            events, notes = np.zeros(0, EVENT_DTYPE), NO_NOTES
            if point and size and is_matched:
                events = point.feed(part, block, reader.last_block)
                notes = point.engine.notes
            yield Batch(block.header, after_seq, part, events, at == len(records), block, notes)
            if at == len(records):
                break


def gathered_events_of(
    reader: JournalReader,
    point: Point,
    *,
    until_seq: int = NO_LIMIT,
    every: int = 0,
    follow: bool = False,
) -> Iterator[tuple[Records, Records]]:
    """Like :func:`events_of` after ``point``, for callers that need no single blocks and take as
    much as is cheap: (commands, events), up to STEP commands of however many blocks together.

    A venue that is in no hurry writes blocks of a few commands; measured with 33 a block, a block
    by itself cost more than all that was in it.  Of what was read with ``follow`` by one who went
    away in the middle nothing is read again: raises :class:`JournalError` for commands that are
    missing."""
    seq, room = point.seq, np.empty(STEP, ORDER_DTYPE)
    count, name = 0, point.block
    blocks = reader.follow(seq + 1) if follow else reader.all_blocks(seq + 1)
    damage: JournalError | None = None
    try:
        for block in blocks:
            records = commands_of(block)
            first = block.header.first_seq
            if len(records) and first > seq + 1:
                raise JournalError(
                    f"{reader.directory}: commands {seq + 1} to {first - 1} are missing"
                )
            records = records[max(0, seq + 1 - first) : max(0, until_seq + 1 - first)]
            while len(records):
                size = min(len(records), STEP - count, every - seq % every if every else STEP)
                part, records = records[:size], records[size:]
                point.sent(part, block)
                room[count : count + size] = part
                seq, count, name = seq + size, count + size, reader.last_block
                if count == STEP or seq == until_seq or (every and seq % every == 0):
                    yield room[:count], point.process(room[:count], name)
                    room, count = np.empty(STEP, ORDER_DTYPE), 0
            if seq >= until_seq:
                return
    except JournalError as error:  # what precedes it counts
        damage = error
    if count and name is not None:
        yield room[:count], point.process(room[:count], name)
    if damage is not None:
        raise damage


def commands_of(block: Block) -> Records:
    """The orders of a block; none if it is a block of something else."""
    if block.header.kind != BlockKind.COMMANDS:
        return np.zeros(0, ORDER_DTYPE)
    return np.frombuffer(block.payload, ORDER_DTYPE)


def count_trades(events: Records) -> int:
    """Trades among the events: of a trade's two fills the maker's, in an auction the buyer's."""
    fills = events[events["kind"] == FILLED]
    if not len(fills):
        return 0
    auction = (fills["flags"] & AUCTION).astype(bool)
    maker = (fills["flags"] & MAKER).astype(bool)
    return int(np.count_nonzero(maker | (auction & (fills["side"] == BUY))))


def starting_point(
    reader: JournalReader, until_seq: int | None = None, zeros: Zeros | None = None
) -> Point:
    """Return where a replay begins: a fresh matcher, or, if the journal's begin was retired or
    ``until_seq`` is given, the newest good checkpoint (at or before ``until_seq``).  ``zeros``
    gives the matcher's memory, as for :class:`Engine`.

    Raises :class:`JournalError` if the begin was retired and no checkpoint bridges the gap.
    """
    before = reader.first_seq - 1
    if until_seq is not None or before:
        limit = NO_LIMIT if until_seq is None else until_seq
        checkpoint = newest_checkpoint(reader.directory, reader.journal_id, limit)
        if checkpoint is not None and checkpoint.seq >= before:
            return _restored(reader, checkpoint, zeros)
    if before:
        raise _no_begin(reader, until_seq)
    return Point(Core.of(reader.config).fresh(zeros), START)


def oldest_point(reader: JournalReader) -> Point:
    """Return where a reader of all that a journal holds begins.

    It is a fresh matcher or, if the journal's begin was retired, the oldest good checkpoint;
    standard error then says what is missing.

    Raises :class:`JournalError` if the begin was retired and no checkpoint bridges the gap.
    """
    if reader.first_seq <= 1:
        return starting_point(reader)
    checkpoint = oldest_checkpoint(reader.directory, reader.journal_id, reader.first_seq - 1)
    if checkpoint is None:
        raise _no_begin(reader)
    if checkpoint.seq >= reader.first_seq:
        print(
            f"outcry: {reader.directory}: what was before is retired, and commands "
            f"{reader.first_seq:,} to {checkpoint.seq:,} have no checkpoint before them: what came "
            "of them is not in it",
            file=sys.stderr,
            flush=True,
        )
    return _restored(reader, checkpoint)


def _restored(reader: JournalReader, checkpoint: Checkpoint, zeros: Zeros | None = None) -> Point:
    engine = Core.of(reader.config).restored(checkpoint.state, zeros)
    chain, trades = checkpoint.facts["chain"], checkpoint.facts["trades"]
    senders = Senders.from_json(checkpoint.facts.get("senders", []))
    return Point(engine, chain, trades, checkpoint.seq, checkpoint.block, senders)


def _no_begin(reader: JournalReader, until_seq: int | None = None) -> JournalError:
    limit = "" if until_seq in (None, NO_LIMIT) else f" at or before {until_seq}"
    return JournalError(
        f"{reader.directory} begins at sequence {reader.first_seq}, and no good checkpoint{limit} "
        f"covers the commands before"
    )
