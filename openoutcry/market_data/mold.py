"""MoldUDP64: messages become packets, each with the number of its first one.

A packet is a session's name (10 bytes), a sequence number (u64) and a count (u16), all big-endian,
then that many messages, each after its length.  When there is nothing new, a heartbeat has the next
number; after the last message the end of the session has it.  Source: Nasdaq, MoldUDP64 1.00.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openoutcry.wire.big_endian import load_be16
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import (
    FRAME_BYTES,
    MOLD_COUNT_AT,
    MOLD_END,
    MOLD_HEADER_BYTES,
    MOLD_HEARTBEAT,
    MOLD_SESSION_BYTES,
)
from openoutcry.wire.kernel import kernel

MTU = 1500
IPV4_BYTES, IPV6_BYTES = 20 + 8, 40 + 8
"""Bytes of it that IP and UDP need."""
MAX_COUNT = 0xFFFE
COUNT_SHIFT = 32


def payload_bytes(mtu: int = MTU, ipv6: bool = False) -> int:
    """Room for a packet in a frame of that size.

    Raises :class:`FeedError` if not every message fits.
    """
    room = mtu - (IPV6_BYTES if ipv6 else IPV4_BYTES)
    if not 128 <= room <= 65_507:
        raise FeedError(f"an MTU of {mtu} bytes leaves {room} for a packet: not 128 to 65,507")
    return room


def session_name(journal_id: int, number: int, is_test: bool = False) -> str:
    """The name of a journal's session of that number (from 1): ten characters, the same after any
    restart.  That of a test venue says so."""
    if is_test:
        return f"TEST{journal_id & 0xFF:02X}{number & 0xFFFF:04X}"
    return f"{journal_id & 0xFFFFFF:06X}{number & 0xFFFF:04X}"


@kernel
def fitting(data: int, length: int, room: int) -> int:
    """Return how many whole messages at ``data`` fit in ``room`` bytes: their count, shifted by
    COUNT_SHIFT, and their bytes."""
    at = count = 0
    while at + FRAME_BYTES <= length and count < MAX_COUNT:
        behind = at + FRAME_BYTES + load_be16(data + at)
        if behind > room or behind > length:
            break
        at = behind
        count += 1
    return count << COUNT_SHIFT | at


@dataclass(frozen=True)
class Packet:
    """A packet that was received, or asked for."""

    session: bytes
    sequence: int
    """Sequence of its first message; in a heartbeat or an end of session that of the next message.
    """
    count: int
    """0: heartbeat (of a request: nothing asked for), 0xFFFF: end of the session."""
    messages: bytes
    """Each after its length."""

    @property
    def is_end(self) -> bool:
        """Return whether the packet ends the session."""
        return self.count == MOLD_END


def header(session: str, sequence: int, count: int) -> bytes:
    """A packet's first 20 bytes; by themselves a heartbeat, an end or a request."""
    name = session.encode("ascii")
    assert len(name) == MOLD_SESSION_BYTES, session
    return name + sequence.to_bytes(8, "big") + count.to_bytes(2, "big")


def heartbeat(session: str, next_sequence: int) -> bytes:
    """Return a packet without messages that says which number is next."""
    return header(session, next_sequence, MOLD_HEARTBEAT)


def end_of_session(session: str, next_sequence: int) -> bytes:
    """Return the packet that ends a session."""
    return header(session, next_sequence, MOLD_END)


def packets(session: str, sequence: int, messages: bytes, room: int) -> Iterator[bytes]:
    """The packets of messages of which the first has that number, each as full as it gets.

    ``room``: bytes of a packet (:func:`payload_bytes`).
    """
    data = np.frombuffer(messages, np.uint8)
    at, length = 0, len(messages)
    while at < length:
        fit = fitting(data.ctypes.data + at, length - at, room - MOLD_HEADER_BYTES)
        count, size = fit >> COUNT_SHIFT, fit & (1 << COUNT_SHIFT) - 1
        assert count, "a message that is longer than a packet, or not whole"
        yield header(session, sequence, count) + messages[at : at + size]
        at, sequence = at + size, sequence + count


def parse(data: bytes) -> Packet | None:
    """Parse a packet; None if it is not one, or not whole."""
    if len(data) < MOLD_HEADER_BYTES:
        return None
    count = int.from_bytes(data[MOLD_COUNT_AT:MOLD_HEADER_BYTES], "big")
    sequence = int.from_bytes(data[MOLD_SESSION_BYTES:MOLD_COUNT_AT], "big")
    messages = data[MOLD_HEADER_BYTES:]
    wanted = 0 if count == MOLD_END else count
    view = np.frombuffer(messages, np.uint8)
    fit = fitting(view.ctypes.data, len(messages), len(messages)) if wanted else 0
    if fit >> COUNT_SHIFT != wanted or fit & (1 << COUNT_SHIFT) - 1 != len(messages):
        return None
    return Packet(data[:MOLD_SESSION_BYTES], sequence, count, messages)


def parse_request(data: bytes) -> Packet | None:
    """A request for messages: 20 bytes, of which the count says how many are wanted."""
    if len(data) != MOLD_HEADER_BYTES:
        return None
    count = int.from_bytes(data[MOLD_COUNT_AT:MOLD_HEADER_BYTES], "big")
    sequence = int.from_bytes(data[MOLD_SESSION_BYTES:MOLD_COUNT_AT], "big")
    return Packet(data[:MOLD_SESSION_BYTES], sequence, count, b"")
