"""Keep records on disk and give them back."""

from openoutcry.journal.disk import Disk
from openoutcry.journal.errors import JournalError
from openoutcry.journal.journal import Journal
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.reader import JournalReader, note_at, read_commands
from openoutcry.journal.writer import JournalWriter, Proof

__all__ = [
    "Disk",
    "Journal",
    "JournalError",
    "JournalLock",
    "JournalReader",
    "JournalWriter",
    "Proof",
    "note_at",
    "read_commands",
]
