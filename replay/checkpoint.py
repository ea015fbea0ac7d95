"""Checkpoints of the matcher: made by following the journal, so that the matcher never waits.

Whoever makes one replays the journal (from the checkpoint before) in a process of its own; a
restart is the newest good one and the tail behind it.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block, BlockId
from openoutcry.journal.checkpoints import (
    Checkpoint,
    newest_checkpoint,
    remove_old_checkpoints,
    write_checkpoint,
)
from openoutcry.journal.errors import JournalError
from openoutcry.journal.origins import ORIGINS, Senders
from openoutcry.matcher import Engine
from openoutcry.replay.event_hash import START, hash_array
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import BlockKind, EventFlag, EventKind, Side
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import ORDER_DTYPE

EVERY = 1_000_000
KEEP = 2
"""The newest may turn out damaged: the good one before it stays until the next is made."""
STEP = 4096
PAUSE_S = 1.0
PR_SET_PDEATHSIG = 1


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
    """What has come of each sender on a network."""

    def feed(self, records: npt.NDArray[Any], block: Block, name: BlockId) -> None:
        """Process commands of a block, which has that ``name``, and go on hashing and counting
        their events."""
        self.senders.take(
            block.note.get(ORIGINS, ""), self.seq + 1 - block.header.first_seq, len(records)
        )
        for at in range(0, len(records), STEP):
            events = self.engine.process(records[at : at + STEP])
            self.chain = hash_array(self.chain, events)
            self.trades += count_trades(events)
        self.seq, self.block = self.engine.last_seq, name


def count_trades(events: npt.NDArray[Any]) -> int:
    """Trades among the events: of a trade's two fills the maker's, in an auction the buyer's."""
    fills = events[events["kind"] == EventKind.FILLED]
    auction = (fills["flags"] & EventFlag.AUCTION).astype(bool)
    maker = (fills["flags"] & EventFlag.MAKER).astype(bool)
    return int(np.count_nonzero(maker | (auction & (fills["side"] == Side.BUY))))


def starting_point(reader: JournalReader, until_seq: int | None = None) -> Point:
    """Where a replay begins: a fresh matcher, or, if the journal's begin was retired or
    ``until_seq`` is given, the newest good checkpoint (at or before ``until_seq``).

    Raises :class:`JournalError` if the begin was retired and no checkpoint bridges the gap.
    """
    config = reader.config
    capacity = int(config["order_capacity"])
    before = reader.first_seq - 1
    if until_seq is not None or before:
        limit = 2**62 if until_seq is None else until_seq
        found = newest_checkpoint(reader.directory, reader.journal_id, limit)
        if found is not None and found.seq >= before:
            engine = Engine.restore(found.state, capacity)
            return Point(
                engine, found.facts["chain"], found.facts["trades"], found.seq, found.block,
                Senders.from_json(found.facts.get("senders", [])),
            )  # fmt: skip
    if before:
        raise JournalError(
            f"{reader.directory} begins at sequence {reader.first_seq}, and no good checkpoint "
            f"stands for what was before"
        )
    return Point(Engine(make_instruments(config["instruments"]), capacity), START)


def recover(directory: str | os.PathLike[str], until_seq: int | None = None) -> Point:
    """The matcher after ``until_seq`` (default: the journal's last command), from the newest good
    checkpoint and the tail behind it."""
    reader = JournalReader(directory)
    point = starting_point(reader, 2**62 if until_seq is None else until_seq)
    for block in reader.all_blocks(point.seq + 1):
        records = commands_after(block, point.seq)
        if until_seq is not None:
            records = records[: max(0, until_seq - point.seq)]
        if len(records):
            point.feed(records, block, reader.last_block)
        elif until_seq is not None and point.seq >= until_seq:
            break
    if until_seq is not None and point.seq < until_seq:
        raise JournalError(
            f"{directory}: the journal ends at sequence {point.seq}, {until_seq} is asked for"
        )
    return point


def recover_from_any(directories: Sequence[Path], until_seq: int) -> Point:
    """:func:`recover` from the first of a journal's directories that has ``until_seq``: under the
    policies ``any`` and ``quorum`` one that counts may lag behind the others, or have failed.

    Raises :class:`JournalError` naming each of them if none has it.
    """
    refusals = []
    for directory in directories:
        try:
            return recover(directory, until_seq)
        except JournalError as error:
            refusals.append(str(error))
    raise JournalError("; ".join(refusals))


def commands_after(block: Block, seq: int) -> npt.NDArray[Any]:
    """The orders of a block behind ``seq``; none if it is a block of something else."""
    if block.header.kind != BlockKind.COMMANDS:
        return np.zeros(0, ORDER_DTYPE)
    return np.frombuffer(block.payload, ORDER_DTYPE)[max(0, seq + 1 - block.header.first_seq) :]


def save(directory: Path, journal_id: int, point: Point) -> Path:
    """Write the point as a checkpoint and remove those that are no longer needed."""
    assert point.block is not None, "a checkpoint names the block that it was made from"
    facts = {
        "chain": point.chain,
        "trades": point.trades,
        "events": point.engine.event_count,
        "state_hash": point.engine.state_hash(),
        "senders": point.senders.as_json(),
        "written_ts_ns": time.time_ns(),
    }
    path = write_checkpoint(
        directory, Checkpoint(journal_id, point.seq, point.block, facts, point.engine.snapshot())
    )
    remove_old_checkpoints(directory, journal_id, KEEP)
    return path


class Follower:
    """A matcher that goes along behind the journal and writes checkpoints."""

    def __init__(self, directory: Path, every: int | None) -> None:
        self.reader = JournalReader(directory)
        self.every = every
        self.point = starting_point(self.reader, 2**62)

    def advance(self) -> list[Path]:
        """Read what the journal has by now; returns the checkpoints that came due."""
        point, made = self.point, []
        for block in self.reader.all_blocks(point.seq + 1):
            records = commands_after(block, point.seq)
            while self.every and point.seq + len(records) >= self._due():
                part = records[: self._due() - point.seq]
                records = records[len(part) :]
                point.feed(part, block, self.reader.last_block)
                made.append(save(self.reader.directory, self.reader.journal_id, point))
            if len(records):
                point.feed(records, block, self.reader.last_block)
        return made

    def _due(self) -> int:
        assert self.every
        return (self.point.seq // self.every + 1) * self.every


def make_checkpoints(directory: Path, every: int | None = None) -> list[Path]:
    """Bring the checkpoints up to date: one at the journal's end, or one each ``every`` commands
    since the last there is.  Returns the new files."""
    follower = Follower(directory, every)
    before = follower.point.seq
    made = follower.advance()
    if every is None and follower.point.seq > before:
        made.append(save(directory, follower.reader.journal_id, follower.point))
    return made


@contextmanager
def following(directory: Path, every: int) -> Iterator[None]:
    """While a pipeline runs, write a checkpoint each ``every`` commands in a process of its own,
    at the lowest priority; ``every`` 0: none.

    It is killed at the end wherever it is: a checkpoint is whole or not there."""
    supervisor = os.getpid()
    pid = os.fork() if every else 0
    if every and pid == 0:
        _follow(directory, every, supervisor)
    try:
        yield
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _follow(directory: Path, every: int, supervisor: int) -> NoReturn:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.nice(19)
        follower = Follower(directory, every)
        while True:
            follower.advance()
            time.sleep(PAUSE_S)
    except OutcryError as error:
        # Without checkpoints a restart takes longer; nothing else depends on them.
        print(f"outcry: no more checkpoints: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(0)
