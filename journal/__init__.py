"""Keep records on disk and give them back.

:class:`Journal` makes a journal, :class:`JournalWriter` appends to it, :class:`JournalReader`
reads it; :class:`JournalLock` keeps a second pipeline out of its directory.  The file format and
what is promised about it: docs/journal.md.
"""

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
