"""What the tests of itch in several tiers share."""

import struct
from pathlib import Path

import pytest

from openoutcry.flow.itch import MESSAGE_TYPES


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message with header and framing; a body that is too short is filled up with zeros."""
    size = MESSAGE_TYPES[kind].size_bytes
    return struct.pack(">H", size) + (kind + bytes(10) + body).ljust(size, b"\0")


def add(
    reference: int, side: bytes, shares: int, symbol: bytes, price: int, kind: bytes = b"A"
) -> bytes:
    return message(kind, struct.pack(">QcI8sI", reference, side, shares, symbol.ljust(8), price))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.itch"
