"""Checkpoints of the matcher: made by following the journal, so that the matcher never waits.

A separate process makes one by replaying the journal from the checkpoint before.  A restart needs
the newest good one and the tail after it.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from openoutcry.host.processes import KeptProcess
from openoutcry.journal import JournalReader
from openoutcry.journal.archive import retire
from openoutcry.journal.block import BlockId
from openoutcry.journal.checkpoints import (
    Checkpoint,
    remove_old_checkpoints,
    write_checkpoint,
)
from openoutcry.journal.events import NO_LIMIT, Batch, Point, events_of, starting_point
from openoutcry.journal.tail import sync_until
from openoutcry.wire.errors import JournalError, OutcryError

EVERY = 1_000_000
KEEP = 2
"""The newest may turn out damaged: the good one before it stays until the next is made."""
PAUSE_S = 1.0


def recover(directory: str | os.PathLike[str], until_seq: int | None = None) -> Point:
    """The matcher after ``until_seq`` (default: the journal's last command), from the newest good
    checkpoint and the tail after it."""
    reader = JournalReader(directory)
    limit = NO_LIMIT if until_seq is None else until_seq
    point = starting_point(reader, limit)
    for _ in events_of(reader, point, from_seq=point.seq + 1, until_seq=limit):
        if point.seq >= limit:
            break
    if until_seq is not None and point.seq < until_seq:
        raise JournalError(
            f"{directory}: the journal ends at sequence {point.seq}, {until_seq} was requested"
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


def save(directory: Path, journal_id: int, point: Point) -> Path:
    """Write the point as a checkpoint and remove those that are no longer needed."""
    path = _write(directory, journal_id, point)
    remove_old_checkpoints(directory, journal_id, KEEP)
    return path


def _write(directory: Path, journal_id: int, point: Point) -> Path:
    """Write the point as a checkpoint.  Its commands are made durable before: a power cut leaves no
    checkpoint of commands that it took, so one after the journal's end proves that some are gone.
    """
    assert point.block is not None, "a checkpoint names the block that it was made from"
    sync_until(directory, point.seq)
    return write_checkpoint(directory, checkpoint_of(point, journal_id, point.block))


def checkpoint_of(point: Point, journal_id: int, block: BlockId) -> Checkpoint:
    """Return the point as a checkpoint that names ``block``."""
    facts = {
        "chain": point.chain,
        "trades": point.trades,
        "events": point.engine.event_count,
        "state_hash": point.engine.state_hash(),
        "senders": point.senders.as_json(),
        "written_ts_ns": time.time_ns(),
    }
    return Checkpoint(journal_id, point.seq, block, facts, point.engine.snapshot())


class Follower:
    """A matcher that follows the journal and writes checkpoints."""

    def __init__(self, directory: Path, every: int | None) -> None:
        self.reader = JournalReader(directory)
        self.every = every
        self.point = self.first_point()

    def first_point(self) -> Point:
        """The starting point."""
        return starting_point(self.reader, NO_LIMIT)

    def take(self, batch: Batch) -> None:
        """Hook for a subclass: each batch."""

    def save(self) -> list[Path]:
        """Write a checkpoint of the current state; the new files."""
        return [save(self.reader.directory, self.reader.journal_id, self.point)]

    def end_reached(self) -> None:
        """Called once, at the journal's end for the first time."""

    def advance(self, follow: bool = False) -> list[Path]:
        """Read to the journal's end; returns the checkpoints that came due.  ``follow``: while a
        writer runs, only the blocks that it has added since the last call."""
        point, paths = self.point, []
        start, every = point.seq + 1, self.every or 0
        for batch in events_of(self.reader, point, from_seq=start, every=every, follow=follow):
            self.take(batch)
            if follow:
                # Or a kernel thread that wakes on this core with a commit's flush waits for the
                # rest of our slice, whatever our priority (measured: 3 ms).
                os.sched_yield()
            if every and len(batch.commands) and point.seq % every == 0:
                paths += self.save()
        return paths


def make_checkpoints(directory: Path, every: int | None = None) -> list[Path]:
    """Bring the checkpoints up to date: one at the journal's end, or one each ``every`` commands
    since the last there is.  Returns the new files."""
    follower = Follower(directory, every)
    before = follower.point.seq
    paths = follower.advance()
    if every is None and follower.point.seq > before:
        paths += follower.save()
    return paths


def make_checkpoint_at(directory: Path, seq: int) -> list[Path]:
    """Write the state after ``seq``, unless a checkpoint has it.  When all before it is retired,
    all that follows can still be computed.  Returns the new file."""
    reader = JournalReader(directory)
    if starting_point(reader, seq).seq == seq:
        return []
    return [_write(directory, reader.journal_id, recover(directory, seq))]


def retire_before(directory: Path, seq: int) -> list[str]:
    """Retire the segments that are not needed for commands after ``seq``, and keep the state there,
    so that all of those can be computed.  Returns a line for each change."""
    try:
        done = [path.name for path in make_checkpoint_at(directory, seq)]
    except JournalError as error:
        # No checkpoint is left before it: from the next one on.
        done = [str(error)]
    done += retire(directory, until_seq=seq)
    remove_old_checkpoints(directory, JournalReader(directory).journal_id, KEEP)
    return done


def following(
    directory: Path, every: int, make: Callable[[Path, int], Follower] = Follower
) -> KeptProcess:
    """Start a process that writes a checkpoint each ``every`` commands while a pipeline runs, at
    the lowest priority.  ``make`` is called in that process.

    It may be killed at any moment: a checkpoint is whole or not there."""
    return KeptProcess("checkpt", partial(_follow, directory, every, make))


def _follow(directory: Path, every: int, make: Callable[[Path, int], Follower]) -> int:
    os.nice(19)
    try:
        follower = make(directory, every)
        follower.advance(follow=True)
        follower.end_reached()
        while True:
            follower.advance(follow=True)
            time.sleep(PAUSE_S)
    except OutcryError as error:
        # Without checkpoints a restart takes longer; nothing else depends on them.
        print(f"outcry: no checkpoint: {error}", file=sys.stderr, flush=True)
        return 1
