"""A checkpoint that belongs to a journal's own history, without a matcher behind it."""

from pathlib import Path
from typing import Any

from openoutcry.journal import JournalReader
from openoutcry.journal.block import BlockId, digest
from openoutcry.journal.checkpoints import Checkpoint
from openoutcry.journal.tail import block_holding


def own_checkpoint(
    directory: Path, seq: int, state: bytes = b"state" * 100, facts: dict[str, Any] | None = None
) -> Checkpoint:
    """Return a checkpoint of the journal in ``directory`` after command ``seq``."""
    block = block_holding(directory, seq)
    assert block is not None
    made_from = BlockId(block.header.block_index, digest(block.whole))
    journal_id = JournalReader(directory).journal_id
    return Checkpoint(journal_id, seq, made_from, facts or {}, state)
