"""What the tests of journal refusals in several tiers share."""

from pathlib import Path

from openoutcry.journal import (
    JournalReader,
)


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())
