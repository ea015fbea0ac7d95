"""Keep records on disk and give them back."""

from openoutcry.journal.disk import Disk
from openoutcry.journal.journal import Journal
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.reader import JournalReader, note_at, read_commands
from openoutcry.journal.writer import EventDigest, JournalWriter
from openoutcry.wire.errors import JournalError

__all__ = [
    "Disk",
    "EventDigest",
    "Journal",
    "JournalError",
    "JournalLock",
    "JournalReader",
    "JournalWriter",
    "note_at",
    "read_commands",
]
