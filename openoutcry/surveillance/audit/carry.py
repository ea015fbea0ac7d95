"""The state of a build of the audit trail: core, open orders, source addresses; kept on the disk.

A state is a checkpoint of the core with what the trail carries after it.  It is bound to the
journal's block, as the matcher's own checkpoints are; the newest and the last closed part's stay.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import START
from openoutcry.journal.events import Point, oldest_point
from openoutcry.journal.projections import (
    BlockId,
    Checkpoint,
    JournalError,
    JournalReader,
    checkpoint_path,
    checkpoint_seqs,
    read_checkpoint,
    require_own,
    write_checkpoint,
)
from openoutcry.surveillance.audit.chain import STATE
from openoutcry.surveillance.audit.rows import OPEN_DTYPE, WAITING_DTYPE, Orders, Sources


@dataclass
class Carry:
    """State after the last command that was fed."""

    point: Point
    orders: Orders = field(default_factory=Orders)
    sources: Sources = field(default_factory=Sources)
    runs: int = 0
    """Runs that resumed the journal up to here."""

    @property
    def seq(self) -> int:
        """The last command that was carried over."""
        return self.point.seq


def beginning(reader: JournalReader) -> Carry:
    """Return the state before the journal's first command (or after its retired part)."""
    return Carry(oldest_point(reader))


def save_state(folder: Path, journal_id: int, carry: Carry, keep: set[int]) -> None:
    """Write the state; remove those of other sequences than ``keep`` and its own."""
    assert carry.point.block is not None
    (folder / STATE).mkdir(exist_ok=True)
    book = carry.point.engine.snapshot()
    parts = [book, carry.orders.open.tobytes(), carry.orders.waiting.tobytes()]
    facts = {
        "chain": carry.point.chain,
        "trades": carry.point.trades,
        "lengths": [len(part) for part in parts],
        "sources": carry.sources.names,
        "current": sorted(carry.sources.current.items()),
        "runs": carry.runs,
    }
    checkpoint = Checkpoint(
        journal_id, carry.seq, BlockId(*carry.point.block), facts, b"".join(parts)
    )
    write_checkpoint(folder / STATE, checkpoint)
    for seq in checkpoint_seqs(folder / STATE):
        if seq not in keep | {carry.seq}:
            checkpoint_path(folder / STATE, seq).unlink()


def load_state(folder: Path, reader: JournalReader, seq: int) -> Carry | None:
    """The state after ``seq``; None: no good state of this journal exists."""
    path = checkpoint_path(folder / STATE, seq)
    try:
        checkpoint = read_checkpoint(path)
        require_own(reader.directory, checkpoint)
    except JournalError:
        return None
    return _restored(reader, checkpoint)


def _restored(reader: JournalReader, checkpoint: Checkpoint) -> Carry:
    facts: dict[str, Any] = checkpoint.facts
    book, opened, _ = facts["lengths"]
    engine = Core.of(reader.config).restored(checkpoint.state[:book])
    point = Point(
        engine, facts.get("chain", START), facts["trades"], checkpoint.seq, checkpoint.block
    )
    orders = Orders()
    orders.open = np.frombuffer(checkpoint.state[book : book + opened], OPEN_DTYPE)
    orders.waiting = np.frombuffer(checkpoint.state[book + opened :], WAITING_DTYPE)
    sources = Sources(list(facts["sources"]), {int(k): int(v) for k, v in facts["current"]})
    return Carry(point, orders, sources, int(facts["runs"]))
