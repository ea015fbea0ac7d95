"""Follow a journal into a store: what was posted is there within a second, once, whatever dies."""

import time
from collections.abc import Callable
from pathlib import Path

from openoutcry.journal.events import NO_LIMIT
from openoutcry.ledger.ledger_state import (
    EVERY,
    LedgerState,
    checkpoints_in,
    folder_of,
    opened,
    save,
)
from openoutcry.ledger.parquet_store import ParquetStore, read_manifest
from openoutcry.ledger.postgresql import PostgresStore, StoreGone
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.urls import without_password

FLUSH_S, PAUSE_S, RETRY_S = 0.3, 0.1, 1.0
"""Seconds from one file to the next, from one look to the next, and between retries. Each file
costs two waits for the disk."""
Store = ParquetStore | PostgresStore


def store_of(directory: Path, url: str | None) -> Store:
    """The files in the journal's folder; with ``postgresql://…`` that database.

    Raises :class:`LedgerError` for anything else.
    """
    if url is None:
        return ParquetStore(folder_of(directory))
    if not url.startswith(("postgresql://", "postgres://")):
        raise LedgerError(
            f"{without_password(url)!r} is not a store: write postgresql://USER@HOST/DATABASE"
        )
    return PostgresStore(url)


class Follower:
    """A ledger that follows a journal and writes a store.  Its checkpoints are next to the files of
    the store, or, of a database, in the journal's folder of the ledger.

    ``note`` receives what it waits for.
    """

    def __init__(
        self,
        directory: Path,
        store: Store,
        every: int = EVERY,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.store, self.every, self.note = store, every, note
        self.folder = store.folder if isinstance(store, ParquetStore) else folder_of(directory)
        self.ledger_state = _beginning(directory, store, every)
        self._known_seq = _known_seq(store, self.ledger_state.reader.journal_id)
        store.begin(self.ledger_state)
        if not self.ledger_state.seq:
            store.add(self.ledger_state.books.opening)
        self._flushed_s = time.monotonic()

    def advance(
        self,
        follow: bool = False,
        stop: Callable[[], bool] = lambda: False,
        until_seq: int = NO_LIMIT,
    ) -> int:
        """Post what the journal has by now, up to command ``until_seq``; how many transactions that
        was.  ``stop`` is asked after each batch; when it says so, this follower cannot continue."""
        count = 0
        for rows, _ in self.ledger_state.advance(until_seq, self.every, follow):
            count += len(rows)
            self.store.add(rows)
            if self.ledger_state.seq % self.every == 0:
                self._insist(lambda: self.store.flush(stretch_is_full=True))
                if self.ledger_state.seq not in dict(checkpoints_in(self.folder)):
                    self._insist(self._save)
                self._flushed_s = time.monotonic()
            elif self.store.is_full:
                self.flush()
            else:
                self.flush_in_time()
            if stop():
                return count
        known, seq = self._known_seq, self.ledger_state.seq
        if seq < known and until_seq == NO_LIMIT:
            raise LedgerError(
                f"the ledger has posted up to command {known:,}, and the journal ends with command "
                f"{seq:,}: {known - seq:,} commands are missing; put back what was removed from "
                "the journal, or begin another ledger"
            )
        self._known_seq = 0
        return count

    def flush_in_time(self) -> None:
        """Flush, if that is due."""
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self.flush()

    def _save(self) -> None:
        save(self.ledger_state, self.folder)

    def flush(self) -> None:
        """Write what was gathered to the store, as often as it takes."""
        self._insist(self.store.flush)
        self._flushed_s = time.monotonic()

    def _insist(self, work: Callable[[], None]) -> None:
        """Retry until it is done: a lost database may come back, a full disk may be emptied."""
        last_error = ""
        while True:
            try:
                work()
                break
            except LedgerError as error:
                if not self.waits or not _passes(error):
                    raise
                if str(error) != last_error:
                    last_error = str(error)
                    self.note(f"{last_error}; waiting for it")
                time.sleep(RETRY_S)
        if last_error:
            self.note("the store is back")

    waits = False
    """Whether it waits for a store that is gone; else that is an error."""


def _passes(error: LedgerError) -> bool:
    return isinstance(error, StoreGone) or "nothing was written" in str(error)


def _known_seq(store: Store, journal_id: int) -> int:
    """Return the last command that the store says was posted; 0: it says nothing."""
    if isinstance(store, PostgresStore):
        return store.written_seq(journal_id)
    manifest = read_manifest(store.folder)
    own = manifest is not None and manifest["journal_id"] == journal_id
    return int(manifest["seq"]) if manifest is not None and own else 0


def _beginning(directory: Path, store: Store, every: int) -> LedgerState:
    """Return where to continue: the newest checkpoint that the store has everything before."""
    if isinstance(store, PostgresStore):
        fresh = opened(directory, 0)
        return opened(directory, store.written_seq(fresh.reader.journal_id))
    manifest = read_manifest(store.folder)
    limit = manifest["seq"] // every * every if manifest else 0
    ledger_state = opened(directory, limit, more=store.folder)
    if ledger_state.seq % every:
        ledger_state = opened(directory, 0)
    return ledger_state


def follow(
    directory: Path,
    url: str | None,
    once: bool,
    stop: Callable[[], bool],
    note: Callable[[str], None],
    every: int = EVERY,
) -> Follower:
    """Bring a store up to the journal's end; unless ``once``, until ``stop`` says so."""
    store = store_of(directory, url)
    Follower.waits = not once
    follower = Follower(directory, store, every, note)
    try:
        if once:
            follower.advance()
        while not once and not stop():
            follower.advance(follow=True, stop=stop)
            follower.flush_in_time()
            time.sleep(PAUSE_S)
        store.finish()
    finally:
        store.close()
    return follower
