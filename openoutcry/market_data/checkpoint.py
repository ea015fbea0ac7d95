"""Where a feed can continue without its past: its state, and the store's, at a command of the
journal.

A checkpoint file of the same kind as the journal's (``journal/checkpoints.py``) in the feed's
folder.  It is bound to the block that holds the command; the block's hash covers all that precedes
it.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import openoutcry.market_data.book_state as book_state
import openoutcry.market_data.state as feed_state
from openoutcry.journal import checkpoints
from openoutcry.journal.tail import name_of_block
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.store import Store
from openoutcry.wire.errors import FeedError, JournalError

KEEP = 2
LAYOUT = [
    feed_state.HEADER_BYTES,
    feed_state.ROW_BYTES,
    feed_state.INSTRUMENT_BYTES,
    book_state.HEADER_BYTES,
    book_state.ORDER_BYTES,
    book_state.LEVEL_BYTES,
    book_state.INSTRUMENT_BYTES,
    7,
]
"""Layout of the arrays; the last number changes with their meaning."""


@dataclass(frozen=True)
class FeedCheckpoint:
    """A checkpoint that may be gone on from."""

    event_seq: int
    cause_seq: int
    session: int
    messages: int
    size_bytes: int
    state: bytes


def save(
    folder: Path,
    journal: Path,
    journal_id: int,
    cause_seq: int,
    feed: Feed,
    book: Book,
    store: Store,
) -> Path | None:
    """Write one, durable; None if the journal does not hold the command yet, or if more of the
    command is to be published."""
    named = name_of_block(journal, cause_seq) if feed.is_between_commands else None
    if named is None:
        return None
    assert feed.messages == store.count
    facts = {
        "layout": LAYOUT,
        "event_seq": feed.event_seq,
        "session": feed.session,
        "messages": store.count,
        "size_bytes": store.size_bytes,
    }
    state = io.BytesIO()
    np.savez(state, **feed.saved(), **book.saved())  # type: ignore[arg-type]
    store.sync()
    checkpoint = checkpoints.Checkpoint(journal_id, cause_seq, named[1], facts, state.getvalue())
    path = checkpoints.write_checkpoint(folder, checkpoint)
    for seq in checkpoints.checkpoint_seqs(folder)[:-KEEP]:
        checkpoints.checkpoint_path(folder, seq).unlink(missing_ok=True)
    return path


def newest(folder: Path, journal: Path, journal_id: int) -> FeedCheckpoint | None:
    """The newest good one that was made of this very journal, or None."""
    if not folder.is_dir():
        return None
    for seq in reversed(checkpoints.checkpoint_seqs(folder)):
        try:
            checkpoint = checkpoints.read_checkpoint(checkpoints.checkpoint_path(folder, seq))
            named = name_of_block(journal, seq)
        except JournalError:
            continue
        if checkpoint.journal_id != journal_id or checkpoint.facts.get("layout") != LAYOUT:
            continue
        if named is not None and checkpoint.block == named[1]:
            facts = checkpoint.facts
            return FeedCheckpoint(
                facts["event_seq"],
                seq,
                facts["session"],
                facts["messages"],
                facts["size_bytes"],
                checkpoint.state,
            )
    return None


def resume(saved: FeedCheckpoint, path: Path, feed: Feed, book: Book) -> Store:
    """Restore feed and book to their saved state; returns the store in that state.  Raises
    :class:`FeedError`, and then neither is of use any more."""
    store = Store(path, saved.messages, saved.size_bytes)
    try:
        with np.load(io.BytesIO(saved.state), allow_pickle=False) as arrays:
            feed.restore(arrays)
            book.restore(arrays)
    except (FeedError, ValueError, KeyError):
        store.close()
        raise
    return store
