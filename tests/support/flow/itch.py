"""What the tests of itch in several tiers share."""

import struct
from pathlib import Path

import pytest

from openoutcry.tape.itch import MESSAGE_TYPES


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message with header and framing; a body that is too short is filled up with zeros."""
    size = MESSAGE_TYPES[kind].size_bytes
    return struct.pack(">H", size) + (kind + bytes(10) + body).ljust(size, b"\0")


def add(
    reference: int, side: bytes, shares: int, symbol: bytes, price: int, kind: bytes = b"A"
) -> bytes:
    return message(kind, struct.pack(">QcI8sI", reference, side, shares, symbol.ljust(8), price))


def about(kind: bytes, *numbers: int) -> bytes:
    """A message about an order: reference, then 32-bit numbers."""
    return message(kind, struct.pack(">Q" + "I" * (len(numbers) - 1), *numbers))


def replace(old: int, new: int, shares: int, price: int) -> bytes:
    return message(b"U", struct.pack(">QQII", old, new, shares, price))


def stamped(body: bytes, ts_ns: int) -> bytes:
    """A framed message, sent at that time after midnight."""
    return body[:7] + ts_ns.to_bytes(6, "big") + body[13:]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.itch"
