"""What the tests of journal refusals in several tiers share."""

from pathlib import Path
from typing import Any

from openoutcry.journal import (
    JournalReader,
    JournalWriter,
)


def fill(writer: JournalWriter, orders: Any, batches: list[int]) -> None:
    for count in batches:
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1)


def read_all(directory: Path) -> bytes:
    return b"".join(chunk.tobytes() for _, chunk in JournalReader(directory).chunks())
