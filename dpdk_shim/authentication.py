"""Authenticated order packets: a session's key, a tag over each packet, no packet taken twice.

Behind its records an authenticated packet has a trailer of 24 bytes:

    epoch  8    chosen by the client when it starts, greater than any before (its clock will do)
    tag   16    keyed BLAKE3 over header, records and epoch, its first 16 bytes

``sender`` of the header names the session: the participant's number.  A participant has one
session, whose key only he and the venue know, so whoever has the key *is* that participant: the
number in the records counts for nothing and is overwritten.  Within an epoch each order is taken
once (``receive_window.py``); an epoch older than the newest is refused, so nothing that was held
back before a restart of the client is taken after it.  Replies carry the same trailer, with the
session's epoch and key; their kind is another, so a packet sent back to its sender proves nothing.

    sessions  +---------------------+---------------------------+
              | index 65,536 × 2 B  | rows, 128 B each, from 1  |
              +---------------------+---------------------------+
"""

import hmac
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

import blake3
import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.packets import HEADER_BYTES, MAX_PACKET_BYTES, SENDER_AT, Windows
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    load_u16,
    load_u32,
    store_i64,
    store_u16,
    store_u32,
)
from openoutcry.wire.records import ORDER, RECORD_BYTES

KEY_BYTES, TAG_BYTES, EPOCH_BYTES = 32, 16, 8
TRAILER_BYTES = EPOCH_BYTES + TAG_BYTES
NETWORKS_MAX = 4
PARTICIPANTS = 65_536
PARTICIPANT_AT = ORDER.offsets["participant"]

ROWS_AT = 2 * PARTICIPANTS
ROW_BYTES = 128
ROW_EPOCH, ROW_KEY, ROW_NETWORKS, ROW_NETWORK_COUNT = 0, 8, 40, 72
NETWORK_BYTES = 8
ADDRESS_SHIFT = 32
"""The IPv4 address in the first word of a sockaddr_in, in network order."""

UNKNOWN, FORGED, OLD, ELSEWHERE = -1, -2, -3, -4
"""Why a packet is refused: no such session or no trailer, a wrong tag, an old epoch, an address
that is not the session's."""

# BLAKE3's specification, section 2.
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A)
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED_HASH = 1, 2, 4, 8, 16
BLOCK_BYTES, CHUNK_BYTES = 64, 1024
assert MAX_PACKET_BYTES + EPOCH_BYTES <= 2 * CHUNK_BYTES
MASK = 0xFFFFFFFF
SCRATCH_WORDS = 24
"""int64 words that :func:`keyed_hash` works in: chaining values, and the block that is not full."""
PAIR, BLOCK = 0, 64


@kernel
def rotate(word: int, count: int) -> int:
    return (word >> count | word << (32 - count)) & MASK


@kernel
def mix(a: int, b: int, c: int, d: int, x: int, y: int) -> tuple[int, int, int, int]:
    a = (a + b + x) & MASK
    d = rotate(d ^ a, 16)
    c = (c + d) & MASK
    b = rotate(b ^ c, 12)
    a = (a + b + y) & MASK
    d = rotate(d ^ a, 8)
    c = (c + d) & MASK
    return a, rotate(b ^ c, 7), c, d


@kernel
def compress(value: int, block: int, counter: int, size_bytes: int, flags: int) -> None:
    """BLAKE3's compression of the 64-byte block into the chaining value (32 bytes) at ``value``."""
    v0, v1, v2, v3 = load_u32(value), load_u32(value + 4), load_u32(value + 8), load_u32(value + 12)
    v4, v5 = load_u32(value + 16), load_u32(value + 20)
    v6, v7 = load_u32(value + 24), load_u32(value + 28)
    v8, v9, va, vb = IV
    vc, vd, ve, vf = counter, 0, size_bytes, flags
    m0, m1, m2, m3 = load_u32(block), load_u32(block + 4), load_u32(block + 8), load_u32(block + 12)
    m4, m5 = load_u32(block + 16), load_u32(block + 20)
    m6, m7 = load_u32(block + 24), load_u32(block + 28)
    m8, m9 = load_u32(block + 32), load_u32(block + 36)
    ma, mb = load_u32(block + 40), load_u32(block + 44)
    mc, md = load_u32(block + 48), load_u32(block + 52)
    me, mf = load_u32(block + 56), load_u32(block + 60)
    for _ in range(7):
        v0, v4, v8, vc = mix(v0, v4, v8, vc, m0, m1)
        v1, v5, v9, vd = mix(v1, v5, v9, vd, m2, m3)
        v2, v6, va, ve = mix(v2, v6, va, ve, m4, m5)
        v3, v7, vb, vf = mix(v3, v7, vb, vf, m6, m7)
        v0, v5, va, vf = mix(v0, v5, va, vf, m8, m9)
        v1, v6, vb, vc = mix(v1, v6, vb, vc, ma, mb)
        v2, v7, v8, vd = mix(v2, v7, v8, vd, mc, md)
        v3, v4, v9, ve = mix(v3, v4, v9, ve, me, mf)
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, ma, mb, mc, md, me, mf = (
            m2, m6, m3, ma, m7, m0, m4, md, m1, mb, mc, m5, m9, me, mf, m8,
        )  # fmt: skip
    store_u32(value, v0 ^ v8)
    store_u32(value + 4, v1 ^ v9)
    store_u32(value + 8, v2 ^ va)
    store_u32(value + 12, v3 ^ vb)
    store_u32(value + 16, v4 ^ vc)
    store_u32(value + 20, v5 ^ vd)
    store_u32(value + 24, v6 ^ ve)
    store_u32(value + 28, v7 ^ vf)


@kernel
def copy_key(target: int, key: int) -> None:
    for at in range(0, KEY_BYTES, 8):
        store_i64(target + at, load_i64(key + at))


@kernel
def hash_chunk(value: int, key: int, data: int, size_bytes: int, chunk: int, scratch: int) -> None:
    """The chaining value of one chunk (``chunk`` its number), or with ``chunk`` -1 of the only one,
    which is the hash."""
    copy_key(value, key)
    done = 0
    while True:
        count = min(size_bytes - done, BLOCK_BYTES)
        flags = KEYED_HASH
        if done == 0:
            flags |= CHUNK_START
        if done + count == size_bytes:
            flags |= CHUNK_END
            if chunk < 0:
                flags |= ROOT
        block = data + done
        if count < BLOCK_BYTES:
            for at in range(0, BLOCK_BYTES, 8):
                store_i64(scratch + BLOCK + at, load_i64(block + at) if at < count else 0)
            block = scratch + BLOCK
        compress(value, block, max(chunk, 0), count, flags)
        done += count
        if done == size_bytes:
            return


@kernel
def keyed_hash(key: int, data: int, size_bytes: int, scratch: int) -> int:
    """Address (in ``scratch``) of the 32-byte keyed BLAKE3 hash of the data: a multiple of 8 bytes,
    from 8 to 2,048 of them."""
    if size_bytes <= CHUNK_BYTES:
        hash_chunk(scratch + PAIR, key, data, size_bytes, -1, scratch)
        return scratch + PAIR
    hash_chunk(scratch + PAIR, key, data, CHUNK_BYTES, 0, scratch)
    rest = size_bytes - CHUNK_BYTES
    hash_chunk(scratch + PAIR + 32, key, data + CHUNK_BYTES, rest, 1, scratch)
    copy64(scratch + BLOCK, scratch + PAIR)
    copy_key(scratch + PAIR, key)
    compress(scratch + PAIR, scratch + BLOCK, 0, BLOCK_BYTES, KEYED_HASH | PARENT | ROOT)
    return scratch + PAIR


@kernel
def find_session(sessions: int, number: int) -> int:
    """Address of the row of the session with this number; 0: there is none."""
    if number < 1 or number >= PARTICIPANTS:
        return 0
    index = load_u16(sessions + 2 * number)
    return sessions + ROWS_AT + ROW_BYTES * index if index != 0 else 0


@kernel
def is_allowed(row: int, peer: int) -> bool:
    """Whether the session may be used from the address in the first word of this sockaddr_in."""
    count = load_i64(row + ROW_NETWORK_COUNT)
    address = (peer >> ADDRESS_SHIFT) & MASK
    for index in range(count):
        at = row + ROW_NETWORKS + NETWORK_BYTES * index
        if address & load_u32(at + 4) == load_u32(at):
            return True
    return count == 0


@kernel
def open_packet(sessions: int, scratch: int, data: int, size_bytes: int, peer: int) -> int:
    """How many bytes of an authenticated packet are packet, or why it is refused (negative).

    ``data`` is 8-byte aligned.  Its records are the session's from here on, whomever they named;
    nothing is changed before the tag is right.  The epoch stands behind the bytes returned.
    """
    packet_bytes = size_bytes - TRAILER_BYTES
    if packet_bytes < HEADER_BYTES or packet_bytes & 7 or packet_bytes > MAX_PACKET_BYTES:
        return UNKNOWN
    number = load_u32(data + SENDER_AT)
    row = find_session(sessions, number)
    if row == 0:
        return UNKNOWN
    signed = packet_bytes + EPOCH_BYTES
    own_tag = keyed_hash(row + ROW_KEY, data, signed, scratch)
    # Both halves are always compared: how long it takes says nothing about where they differ.
    tag = data + signed
    first = load_i64(own_tag) ^ load_i64(tag)
    if first | (load_i64(own_tag + 8) ^ load_i64(tag + 8)) != 0:
        return FORGED
    if not is_allowed(row, peer):
        return ELSEWHERE
    epoch = load_i64(data + packet_bytes)
    if epoch < load_i64(row + ROW_EPOCH):
        return OLD
    if VERIFY:
        assert epoch >= load_i64(row + ROW_EPOCH), "a session's epochs only grow"
        assert (packet_bytes - HEADER_BYTES) % RECORD_BYTES == 0, "a signed packet is of records"
    store_i64(row + ROW_EPOCH, epoch)
    for at in range(HEADER_BYTES, packet_bytes - RECORD_BYTES + 1, RECORD_BYTES):
        store_u16(data + at + PARTICIPANT_AT, number)
    return packet_bytes


@kernel
def seal_packet(sessions: int, scratch: int, data: int, packet_bytes: int, number: int) -> int:
    """Put the trailer behind a packet for a session; returns the bytes to send, 0 if there is no
    such session."""
    row = find_session(sessions, number)
    if row == 0:
        return 0
    store_i64(data + packet_bytes, load_i64(row + ROW_EPOCH))
    signed = packet_bytes + EPOCH_BYTES
    own_tag = keyed_hash(row + ROW_KEY, data, signed, scratch)
    store_i64(data + signed, load_i64(own_tag))
    store_i64(data + signed + 8, load_i64(own_tag + 8))
    return signed + TAG_BYTES


@dataclass(frozen=True)
class PacketSession:
    """Who may send order packets, and from where (no networks: from anywhere)."""

    participant: int
    key: bytes
    networks: tuple[IPv4Network, ...] = ()


class Sessions:
    """The table of sessions, in memory that outlives a stage."""

    def __init__(self, sessions: Iterable[PacketSession]) -> None:
        """Raises :class:`OutcryError` for a participant who is there twice, a key that is not 32
        bytes, and more networks than a row has room for."""
        rows = list(sessions)
        size_bytes = ROWS_AT + ROW_BYTES * (len(rows) + 1)
        self.bytes = np.frombuffer(mmap.mmap(-1, size_bytes), np.uint8)
        self.address = self.bytes.ctypes.data
        index = self.bytes[:ROWS_AT].view(np.uint16)
        for at, row in enumerate(rows, start=1):
            if index[row.participant]:
                raise OutcryError(f"participant {row.participant} has two sessions for packets")
            if len(row.key) != KEY_BYTES or len(row.networks) > NETWORKS_MAX:
                raise OutcryError(
                    f"participant {row.participant}: a key has {KEY_BYTES} bytes, and there are at "
                    f"most {NETWORKS_MAX} networks"
                )
            index[row.participant] = at
            self._fill(at, row)

    def _row(self, index: int) -> npt.NDArray[np.uint8]:
        at = ROWS_AT + ROW_BYTES * index
        return self.bytes[at : at + ROW_BYTES]

    def _fill(self, index: int, session: PacketSession) -> None:
        row = self._row(index)
        row[ROW_KEY : ROW_KEY + KEY_BYTES] = np.frombuffer(session.key, np.uint8)
        for at, network in enumerate(session.networks):
            both = network.network_address.packed + network.netmask.packed
            begin = ROW_NETWORKS + NETWORK_BYTES * at
            row[begin : begin + NETWORK_BYTES] = np.frombuffer(both, np.uint8)
        row.view(np.int64)[ROW_NETWORK_COUNT // 8] = len(session.networks)

    def restore(self, windows: Windows) -> Windows:
        """Know the newest epoch of each session that the journal knows; returns the windows that
        still count, which are those epochs'."""
        index = self.bytes[:ROWS_AT].view(np.uint16)
        for name, epoch, _, _ in windows:
            number = name & MASK
            if 0 < number < PARTICIPANTS and index[number]:
                words = self._row(int(index[number])).view(np.int64)
                words[ROW_EPOCH // 8] = max(int(words[ROW_EPOCH // 8]), epoch)
        return {key: window for key, window in windows.items() if self._epoch(key[0]) == key[1]}

    def _epoch(self, name: int) -> int:
        """The newest epoch of the session whose sender has this name; -1: no session's."""
        number = name & MASK
        at = int(self.bytes[:ROWS_AT].view(np.uint16)[number]) if number < PARTICIPANTS else 0
        return int(self._row(at).view(np.int64)[ROW_EPOCH // 8]) if at else -1


def seal(key: bytes, packet: bytes, epoch: int) -> bytes:
    """An authenticated packet, as a client makes it."""
    signed = packet + epoch.to_bytes(EPOCH_BYTES, "little")
    return signed + blake3.blake3(signed, key=key).digest(TAG_BYTES)


def is_sealed(key: bytes, packet: bytes) -> bool:
    """Whether a reply is the venue's, as a client checks it."""
    signed, tag = packet[:-TAG_BYTES], packet[-TAG_BYTES:]
    return hmac.compare_digest(blake3.blake3(signed, key=key).digest(TAG_BYTES), tag)
