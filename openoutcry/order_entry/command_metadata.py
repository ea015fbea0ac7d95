"""The metadata of a command: what its session must remember of it, durable with it.

One for each command of the sessions' lane, by lane sequence, written before the command is
published.  The journal keeps the metadata of a block with its commands, so that every outbound
stream can be rebuilt from the journal alone (docs/decisions/016-sessions.md).

In packed form, a bit for each command of the block says whether it has metadata.  Metadata are
stored as the difference to the previous ones of the same session in the block.  A mask of the 16
words that differ comes first; for each such word a mask of its differing bytes and these bytes
follow.  A client that counts its tokens up costs 8 bytes an order, not 128.
"""

import struct
from base64 import b64encode
from binascii import a2b_base64
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Bytes, Layout, U16s, Words, area, i64, u8, u16
from openoutcry.wire.memory import (
    copy64,
    load_u16,
    store_i64,
    store_u16,
)

METADATA_BYTES = 128
WORDS = METADATA_BYTES // 8


class CommandMetadata(Layout, size_bytes=128):
    """Data of a command that a session must remember."""

    session: int = u16("index of the session")
    protocol: int = u8("a ``Protocol``")
    message: int = u8("the inbound message's type byte, 0: a command of the session layer's own")
    refused: int = u8("why the session layer refused it, by the protocol's module, 0: it did not")
    token_bytes: int = u8("length of the token")
    orig_bytes: int = u8("length of the original token")
    flags: int = u8("FLAG_INTERNAL, FLAG_NEW_ROW, FLAG_TOKEN and the protocol's own")
    client_seq: int = i64("the client's own number (OUCH 5.0 UserRefNum, FIX MsgSeqNum)")
    row: int = i64("number of the order that it is about, 0: none")
    token: int = area(40, "the client's name of the order")
    orig: int = area(40, "the name of the order that it is about, where that is not known")
    own: int = area(
        24, "the protocol's own; of LOGGED_IN the peer's IPv6 address and, as a word, its port"
    )


METADATA_DTYPE = CommandMetadata.dtype()
HEAD = struct.Struct("<HH")
"""Session and mask of words of packed metadata."""
BYTES_OF = [[byte for byte in range(8) if mask >> byte & 1] for mask in range(256)]
"""The bytes of a word that a mask names."""


MESSAGE = CommandMetadata.offset("message")
TOKEN_BYTES = CommandMetadata.offset("token_bytes")
FLAGS = CommandMetadata.offset("flags")
ORIG_BYTES = CommandMetadata.offset("orig_bytes")
TOKEN = CommandMetadata.offset("token")
ORIG = CommandMetadata.offset("orig")
OWN = CommandMetadata.offset("own")


FLAG_INTERNAL, FLAG_NEW_ROW, FLAG_TOKEN = 128, 64, 32
FLAGS_OF_PROTOCOL = 31
"""INTERNAL: the session layer made it, for a connection that came or was lost, and for what follows
from that.  NEW_ROW: the number is a new one.  TOKEN: from now on the token names the order ``row``.
"""
LOGGED_IN, LOGGED_OUT, LOST = ord("L"), ord("Z"), ord("D")
KILLED, ENABLED = ord("K"), ord("E")
"""``message`` of an internal command without effect: what became of the connection, and what the
operator did to the session."""
UNFINISHED = ord("U")
"""``message`` of an internal command: the machine died within a list, whose first legs go."""
QUOTE, QUOTE_CANCEL = ord("i"), ord("Z")
"""``message`` of a quote's NEW, and of all commands of a cancel of quotes, in every protocol."""
BLOCK_KEY = "notes"
"""The key of the metadata in a block's note."""
MAX_PACKED = 2 + 2 + WORDS * 9
"""Bytes that the metadata of a command takes at most: session, mask of words, masks of bytes with
bytes."""
FEW = 16
"""Commands of a block for which no arrays are made: they would take longer than all else."""


@kernel
def metadata_at(metadata_area: int, mask: int, lane_seq: int) -> CommandMetadata:
    """Address of the metadata of a command, by its lane sequence. ``metadata_area``: address of the
    metadata of lane sequence 0."""
    return CommandMetadata(metadata_area + METADATA_BYTES * (lane_seq & mask))


@kernel
def is_quote(metadata: CommandMetadata) -> bool:
    """Return whether the command of these metadata (0: none) is a quote's NEW."""
    return metadata != 0 and metadata.message == QUOTE and metadata.flags & FLAG_INTERNAL == 0


@kernel
def is_pull(metadata: CommandMetadata) -> bool:
    """Return whether the command is one of those that a cancel of quotes is made of, and not the
    last one, which answers it."""
    return metadata.message == QUOTE_CANCEL and metadata.refused == 0


@kernel
def taken_seq(metadata: CommandMetadata) -> int:
    """Return the number of the client's last message that is wholly taken with this command."""
    return metadata.client_seq - is_pull(metadata)


@kernel
def clear_metadata(metadata: int) -> None:
    """Set all bytes of the metadata at ``metadata`` to 0."""
    for offset in range(0, METADATA_BYTES, 8):
        store_i64(metadata + offset, 0)


@kernel
def pack_metadata(
    metadata_area: int,
    mask: int,
    lane_seqs: int,
    count: int,
    previous: int,
    sessions: int,
    out: int,
) -> int:
    """Pack the metadata of ``count`` commands, whose lane sequences are at ``lane_seqs`` (0: of
    another lane, no metadata); returns the bytes written to ``out``.

    ``previous``: room for the metadata of ``sessions`` + 1 commands, one a session, zeroed.
    """
    at = out
    for index in range(count):
        lane_seq = Words(lane_seqs)[index]
        if lane_seq == 0:
            continue
        metadata = metadata_at(metadata_area, mask, lane_seq)
        session = metadata.session
        before = previous + METADATA_BYTES * min(session, sessions)
        store_u16(at, session)
        head = at + 2
        at += 4
        changed = 0
        for word in range(WORDS):
            new, old = Words(metadata)[word], Words(before)[word]
            if new == old:
                continue
            changed |= 1 << word
            bytes_mask, body = 0, at + 1
            for byte in range(8):
                mine = Bytes(metadata + 8 * word)[byte]
                if mine != Bytes(before + 8 * word)[byte]:
                    bytes_mask |= 1 << byte
                    Bytes(body)[0] = mine
                    body += 1
            Bytes(at)[0] = bytes_mask
            at = body
        store_u16(head, changed)
        if VERIFY:
            assert session <= sessions, "metadata is a session's"
            assert changed >> WORDS == 0, "a bit of the mask for each word"
            assert at - head <= MAX_PACKED - 2, "metadata takes no more than was said"
        copy64(before, metadata)
        copy64(before + 64, metadata + 64)
    return at - out


@kernel
def unpack_metadata(
    packed: int, size: int, count: int, previous: int, sessions: int, out: int
) -> int:
    """Unpack ``count`` metadata to ``out``, in turn; returns 0, or -1 if the bytes are not
    metadata."""
    at, end = packed, packed + size
    for index in range(count):
        if at + 4 > end:
            return -1
        session, changed = load_u16(at), U16s(at)[1]
        at += 4
        if session > sessions:
            return -1
        before, metadata = previous + METADATA_BYTES * session, out + METADATA_BYTES * index
        copy64(metadata, before)
        copy64(metadata + 64, before + 64)
        for word in range(WORDS):
            if changed >> word & 1 == 0:
                continue
            if at >= end:
                return -1
            bytes_mask = Bytes(at)[0]
            at += 1
            for byte in range(8):
                if bytes_mask >> byte & 1:
                    if at >= end:
                        return -1
                    Bytes(metadata + 8 * word)[byte] = Bytes(at)[0]
                    at += 1
        if VERIFY:
            assert at <= end, "nothing is read beyond the end"
        copy64(before, metadata)
        copy64(before + 64, metadata + 64)
    return 0 if at == end else -1


class MetadataPacker:
    """Packs the metadata of one journal block after the other."""

    def __init__(self, metadata_address: int, mask: int, sessions: int, most: int) -> None:
        """``most``: commands that a block has at most."""
        self._metadata, self._mask = metadata_address, mask
        previous, self._few = np.zeros(sessions + 1, METADATA_DTYPE), np.zeros(FEW, np.int64)
        self._previous, self._out = previous.view(np.uint8), np.zeros(most * MAX_PACKED, np.uint8)
        self._at = previous.ctypes.data, sessions, self._out.ctypes.data
        self._few_at = self._few.ctypes.data

    def pack(self, lane_seqs: npt.NDArray[np.int64]) -> str:
        """The metadata of these commands (0: none) as text for the block's metadata."""
        count = len(lane_seqs)
        self._previous[:] = 0
        if count <= FEW:
            self._few[:count] = lane_seqs
            at = self._few_at
            there = sum(1 << n for n, seq in enumerate(lane_seqs.tolist()) if seq)
            bits = there.to_bytes(-(-count // 8), "little")
        else:
            lane_seqs = np.ascontiguousarray(lane_seqs, np.int64)
            at = lane_seqs.ctypes.data
            bits = np.packbits(lane_seqs != 0, bitorder="little").tobytes()
        size = pack_metadata(self._metadata, self._mask, at, count, *self._at)
        return b64encode(bits + self._out[:size].tobytes()).decode()


def unpack_few(text: str, count: int, sessions: int) -> list[tuple[int, bytes]]:
    """Return what :func:`unpack` does, of a few commands in a fraction of its time: the places of
    those that have metadata, and their METADATA_BYTES.

    Raises ``ValueError`` if the text is something else."""
    data = a2b_base64(text, strict_mode=True)
    at, is_whole = min(-(-count // 8), len(data)), True
    there = int.from_bytes(data[:at], "little")
    of_session: dict[int, bytearray] = {}
    found: list[tuple[int, bytes]] = []
    try:
        for place in range(count):
            if not there >> place & 1:
                continue
            session, changed = HEAD.unpack_from(data, at)
            at += HEAD.size
            is_whole = is_whole and session <= sessions
            metadata = of_session.setdefault(session, bytearray(METADATA_BYTES))
            for word in range(WORDS):
                if changed >> word & 1:
                    mask = data[at]
                    at += 1
                    for byte in BYTES_OF[mask]:
                        metadata[8 * word + byte] = data[at]
                        at += 1
            found.append((place, bytes(metadata)))
    except (IndexError, struct.error):
        is_whole = False
    if not is_whole or at != len(data):
        raise ValueError(f"{len(data)} bytes are not the metadata of {count} commands")
    return found


def unpack(text: str, count: int, sessions: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return the metadata of a block of ``count`` commands: the indices of the commands that have
    any, and their metadata (METADATA_DTYPE).

    Raises ``ValueError`` if the text is something else."""
    data = np.frombuffer(a2b_base64(text, strict_mode=True), np.uint8)
    bits = -(-count // 8)
    indices = np.flatnonzero(np.unpackbits(data[:bits], bitorder="little")[:count])
    previous = np.zeros(METADATA_BYTES * (sessions + 1), np.uint8)
    metadata = np.zeros(METADATA_BYTES * len(indices), np.uint8)
    packed, size = data.ctypes.data + bits, max(0, len(data) - bits)
    at = packed, size, len(indices), previous.ctypes.data, sessions
    if unpack_metadata(*at, metadata.ctypes.data) != 0:
        raise ValueError(f"{len(data)} bytes are not the metadata of {count} commands")
    return indices, metadata.view(METADATA_DTYPE)
