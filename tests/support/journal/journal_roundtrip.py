"""What the tests of journal roundtrip in several tiers share."""

from pathlib import Path

from openoutcry.journal import (
    JournalReader,
)


def read_all(directory: Path) -> tuple[JournalReader, bytes]:
    reader = JournalReader(directory)
    return reader, b"".join(chunk.tobytes() for _, chunk in reader.chunks())
