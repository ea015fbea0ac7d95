"""Keep records on disk and give them back."""

from openoutcry.journal.errors import JournalError
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.reader import JournalReader, read_commands
from openoutcry.journal.writer import Journal, JournalWriter

__all__ = [
    "Journal",
    "JournalError",
    "JournalLock",
    "JournalReader",
    "JournalWriter",
    "read_commands",
]
