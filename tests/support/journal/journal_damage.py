"""What the tests of journal damage in several tiers share."""

from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Journal, JournalReader, JournalWriter

SEGMENT = "segment-000000.ocj"
BATCHES = [8, 20, 3, 5]
SECTOR = 4096
STARTS = [SECTOR * (n + 1) for n in range(len(BATCHES) + 1)]
"""Where each block of orders begins, and where the next would."""
SEGMENT_BYTES = STARTS[-1] + SECTOR


@pytest.fixture
def running(tmp_path: Path, orders: Any) -> Path:
    """A journal of four blocks in one prewritten segment of 24 KiB, its writer gone; nobody has
    been told of the last block."""
    writer = Journal.create(tmp_path / "j", {"seed": 1}, segment_bytes=SEGMENT_BYTES)
    fill(writer, orders, BATCHES[:-1])
    writer.sync()
    fill(writer, orders, BATCHES[-1:])
    writer.abandon()
    assert writer.bytes == STARTS[-1]
    return tmp_path / "j"


def fill(writer: JournalWriter, orders: Any, batches: list[int]) -> None:
    for count in batches:
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1)


def read_all(directory: Path) -> tuple[JournalReader, bytes]:
    reader = JournalReader(directory)
    return reader, b"".join(chunk.tobytes() for _, chunk in reader.chunks())


def poke(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
