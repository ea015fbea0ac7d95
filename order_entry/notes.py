"""The note of a command: what its session must remember of it, durable with it.

One for each command of the sessions' lane, by lane sequence, written before the command is
published.  The journal keeps the notes of a block beside its commands, so that every outbound
stream can be made again from the journal alone (docs/decisions/016-sessions.md).

Packed, a bit for each command of the block says whether it has a note; then, of each note, the
difference to the previous one of the same session in the block: a mask of the 16 words that differ,
then each of these as a mask of its bytes that differ and these bytes.  A client that counts its
tokens up costs 8 bytes an order, not 128.
"""

from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, area, i64, u8, u16
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    load_u8,
    load_u16,
    store_i64,
    store_u8,
    store_u16,
)

NOTE_BYTES = 128
WORDS = NOTE_BYTES // 8
NOTE_DTYPE = np.dtype(
    [
        ("session", "<u2"),
        ("protocol", "u1"),
        ("message", "u1"),
        ("refused", "u1"),
        ("token_bytes", "u1"),
        ("orig_bytes", "u1"),
        ("flags", "u1"),
        ("client_seq", "<i8"),
        ("row", "<i8"),
        ("token", "V40"),
        ("orig", "V40"),
        ("own", "V24"),
    ]
)
"""session: index of the session, from 1 · message: the inbound message's type byte, 0 for a command
of the session layer's own · refused: why the session layer refused it, by the protocol's module, 0
for what it did not refuse · client_seq: the client's own number (OUCH 5.0 UserRefNum, FIX
MsgSeqNum) · row: number of the order it is about, 0 none · token: the client's own name of it ·
orig: the name of what it is about, where that is not known · own: the protocol's own; of LOGGED_IN
whence the connection comes, an IPv6 address (IPv4: mapped) and, as a word, its port."""
assert NOTE_DTYPE.itemsize == NOTE_BYTES

_OFFSETS = {name: int(field[1]) for name, field in (NOTE_DTYPE.fields or {}).items()}


class Note(Layout, size_bytes=128):
    """What a session must remember of a command."""

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


PROTOCOL = Note.offset("protocol")
MESSAGE = Note.offset("message")
TOKEN_BYTES = Note.offset("token_bytes")
ORIG_BYTES = Note.offset("orig_bytes")
FLAGS = Note.offset("flags")
TOKEN = Note.offset("token")
ORIG = Note.offset("orig")
OWN = Note.offset("own")


FLAG_INTERNAL, FLAG_NEW_ROW, FLAG_TOKEN = 128, 64, 32
FLAGS_OF_PROTOCOL = 31
"""INTERNAL: the session layer's own: a connection that came or was lost, and what follows from it ·
NEW_ROW: the number is a new one · TOKEN: from here on the token names the order ``row``."""
LOGGED_IN, LOGGED_OUT, LOST = ord("L"), ord("Z"), ord("D")
KILLED, ENABLED = ord("K"), ord("E")
"""``message`` of an internal note without effect: what became of the connection, and what the
operator did to the session."""
NOTES = "notes"
"""What they are called in a block's note."""
MAX_PACKED = 2 + 2 + WORDS * 9
"""Bytes that one packed note takes at most: session, mask of words, masks of bytes with bytes."""


@kernel
def note_at(notes: int, mask: int, lane_seq: int) -> Note:
    """Address of the note of a command, by its lane sequence."""
    return Note(notes + NOTE_BYTES * (lane_seq & mask))


@kernel
def clear_note(note: int) -> None:
    for offset in range(0, NOTE_BYTES, 8):
        store_i64(note + offset, 0)


@kernel
def pack_notes(
    notes: int, mask: int, lane_seqs: int, count: int, previous: int, sessions: int, out: int
) -> int:
    """Pack the notes of ``count`` commands, whose lane sequences stand at ``lane_seqs`` (0: of
    another lane, no note); returns the bytes written to ``out``.

    ``previous``: room for one note a session, ``sessions`` + 1 of them, zeroed.
    """
    at = out
    for index in range(count):
        lane_seq = load_i64(lane_seqs + 8 * index)
        if lane_seq == 0:
            continue
        note = note_at(notes, mask, lane_seq)
        session = note.session
        before = previous + NOTE_BYTES * min(session, sessions)
        store_u16(at, session)
        head = at + 2
        at += 4
        changed = 0
        for word in range(WORDS):
            new, old = load_i64(note + 8 * word), load_i64(before + 8 * word)
            if new == old:
                continue
            changed |= 1 << word
            bytes_mask, body = 0, at + 1
            for byte in range(8):
                mine = load_u8(note + 8 * word + byte)
                if mine != load_u8(before + 8 * word + byte):
                    bytes_mask |= 1 << byte
                    store_u8(body, mine)
                    body += 1
            store_u8(at, bytes_mask)
            at = body
        store_u16(head, changed)
        if VERIFY:
            assert session <= sessions, "a note is a session's"
            assert changed >> WORDS == 0, "a bit of the mask for each word"
            assert at - head <= MAX_PACKED - 2, "a note takes no more than was said"
        copy64(before, note)
        copy64(before + 64, note + 64)
    return at - out


@kernel
def unpack_notes(packed: int, size: int, count: int, previous: int, sessions: int, out: int) -> int:
    """Unpack ``count`` notes to ``out``, one behind the other; 0, or -1 if they are no notes."""
    at, end = packed, packed + size
    for index in range(count):
        if at + 4 > end:
            return -1
        session, changed = load_u16(at), load_u16(at + 2)
        at += 4
        if session > sessions:
            return -1
        before, note = previous + NOTE_BYTES * session, out + NOTE_BYTES * index
        copy64(note, before)
        copy64(note + 64, before + 64)
        for word in range(WORDS):
            if changed >> word & 1 == 0:
                continue
            if at >= end:
                return -1
            bytes_mask = load_u8(at)
            at += 1
            for byte in range(8):
                if bytes_mask >> byte & 1:
                    if at >= end:
                        return -1
                    store_u8(note + 8 * word + byte, load_u8(at))
                    at += 1
        if VERIFY:
            assert at <= end, "nothing is read beyond the end"
        copy64(before, note)
        copy64(before + 64, note + 64)
    return 0 if at == end else -1


class NotePacker:
    """Packs the notes of one journal block after the other."""

    def __init__(self, notes_address: int, mask: int, sessions: int, most: int) -> None:
        """``most``: commands that a block has at most."""
        self._notes, self._mask, self._sessions = notes_address, mask, sessions
        self._previous = np.zeros(sessions + 1, NOTE_DTYPE)
        self._out = np.zeros(most * MAX_PACKED, np.uint8)

    def pack(self, lane_seqs: npt.NDArray[np.int64]) -> str:
        """The notes of these commands (0: none) as text for the block's note."""
        lane_seqs = np.ascontiguousarray(lane_seqs, np.int64)
        self._previous.view(np.uint8)[:] = 0
        size = pack_notes(
            self._notes,
            self._mask,
            lane_seqs.ctypes.data,
            len(lane_seqs),
            self._previous.ctypes.data,
            self._sessions,
            self._out.ctypes.data,
        )
        bits = np.packbits(lane_seqs != 0, bitorder="little").tobytes()
        return b64encode(bits + self._out[:size].tobytes()).decode()


def unpack(text: str, count: int, sessions: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Of a block of ``count`` commands: indices of those that have a note, and the notes
    (NOTE_DTYPE).

    Raises ``ValueError`` if the text is something else.
    """
    data = np.frombuffer(b64decode(text, validate=True), np.uint8)
    bits = -(-count // 8)
    indices = np.flatnonzero(np.unpackbits(data[:bits], bitorder="little")[:count])
    packed = data[bits:]
    previous = np.zeros(sessions + 1, NOTE_DTYPE)
    notes = np.zeros(len(indices), NOTE_DTYPE)
    at = packed.ctypes.data, len(packed), len(indices), previous.ctypes.data, sessions
    if unpack_notes(*at, notes.ctypes.data) != 0:
        raise ValueError(f"{len(data)} bytes are not the notes of {count} commands")
    return indices, notes
