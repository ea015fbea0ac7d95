"""Operators' questions over many days, asked of the ledger's Parquet files.

The portal has files of its journal in its folder, which a question brings up to where the history
ends.  A large journal's first question takes more than one attempt: what was written stays.
"""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openoutcry.journal.reader import JournalReader
from openoutcry.ledger.analytics import rows_of
from openoutcry.ledger.books import Books
from openoutcry.ledger.follow import Follower
from openoutcry.ledger.ledger_state import checkpoints_in
from openoutcry.ledger.parquet_store import ParquetStore, read_manifest
from openoutcry.portal.folder import folder_of
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import LedgerError

LOCK = "lock"
PATIENCE_S = 60.0
"""A question waits no longer until the files are written."""


class Analyst:
    """The files of one venue, and questions to them; one at a time in a process."""

    def __init__(self, file: VenueFile) -> None:
        self.journal, self.folder = file.journal, folder_of(file) / "analytics"
        self._follower: Follower | None = None
        self._written: dict[str, Any] | None = None

    def rows(self, view: str, first: int, last: int, until_seq: int) -> list[dict[str, Any]]:
        """A view's rows of the days ``first`` to ``last``, with the journal up to a command.

        Raises :class:`LedgerError` for a journal that cannot be read, and while files are written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            books = self._followed(until_seq)
        if self._written is None:
            return []  # nothing was ever posted
        return [
            {name: _shown(value) for name, value in row.items()}
            for row in rows_of(self.folder, books, view, first, last)
        ]

    def _followed(self, until_seq: int) -> Books:
        """Books and files up to a command.  Another process may have written since the last time:
        what it wrote is taken up."""
        follower, self._follower = self._follower, None  # what fails leaves one not to be used
        manifest = read_manifest(self.folder)
        if manifest and manifest["journal_id"] != JournalReader(self.journal).journal_id:
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != LOCK:
                    path.unlink()
        if follower is None or manifest != self._written:
            follower = Follower(self.journal, ParquetStore(self.folder))
        limit = time.monotonic() + PATIENCE_S
        follower.advance(stop=lambda: time.monotonic() > limit, until_seq=until_seq)
        state = follower.ledger_state
        if state.seq < until_seq:
            raise LedgerError(
                f"the ledger's files are at command {state.seq:,} of {until_seq:,}; ask again"
            )
        follower.flush()
        for _, path in checkpoints_in(self.folder)[:-2]:
            path.unlink(missing_ok=True)
        self._follower, self._written = follower, read_manifest(self.folder)
        return state.books


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes there."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shown(value: Any) -> int | float | str | None:
    """Numbers that JSON has no exact form for, and dates, as text."""
    return value if isinstance(value, int | float | type(None)) else str(value)
