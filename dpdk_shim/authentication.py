"""Authenticated order packets: a session's key, a tag over each packet, no packet taken twice.

After its records an authenticated packet has a trailer of 24 bytes:

    epoch  8    chosen by the client when it starts, greater than any before (its clock will do)
    tag   16    keyed BLAKE3 over header, records and epoch, its first 16 bytes

The header's ``sender`` names the session by its participant's number.  A participant has one
session, whose key only it and the venue know, so the holder of the key *is* that participant.  The
participant number in the records is ignored and overwritten.  Within an epoch each order is taken
once (``c/senders.h``).  An epoch older than the newest is refused, so an order that was held back
before a restart of the client is not taken after it.  A session has one place among the senders,
which its newest epoch occupies; further epochs never take another session's place.  Replies carry
the same trailer, with the session's epoch and key.  They have another kind, so a packet sent back
to its sender proves nothing.

    sessions  +---------------------+---------------------------+
              | index 65,536 × 2 B  | rows, 128 B each, from 1  |
              +---------------------+---------------------------+

The receiver opens and seals packets (``c/authentication.h``); a client seals and checks them here.
"""

import hmac
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

import blake3
import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.packets import Windows
from openoutcry.wire.errors import OutcryError

KEY_BYTES, TAG_BYTES, EPOCH_BYTES = 32, 16, 8
TRAILER_BYTES = EPOCH_BYTES + TAG_BYTES
NETWORKS_MAX = 4
SESSIONS_MAX = 3_072
"""Each has a place among the senders that the receiver remembers."""
PARTICIPANTS = 65_536

ROWS_AT = 2 * PARTICIPANTS
ROW_BYTES = 128
ROW_EPOCH, ROW_KEY, ROW_NETWORKS, ROW_NETWORK_COUNT = 0, 8, 40, 72
NETWORK_BYTES = 8
MASK = 0xFFFFFFFF

UNKNOWN, FORGED, OLD, ELSEWHERE = -1, -2, -3, -4
"""Why a packet is refused: no such session or no trailer, a wrong tag, an old epoch, an address
that is not the session's."""
SENDER_USED = 1
"""The high half of the first word of a session's key in the journal; its second is the epoch."""


@dataclass(frozen=True)
class PacketSession:
    """A session that may send order packets, and its networks (none: any)."""

    participant: int
    key: bytes
    networks: tuple[IPv4Network, ...] = ()


class Sessions:
    """The table of sessions, in memory that outlives a stage."""

    def __init__(self, sessions: Iterable[PacketSession]) -> None:
        """Raises :class:`OutcryError` for a participant who is there twice, a key that is not 32
        bytes, and more networks than a row has room for."""
        rows = list(sessions)
        if len(rows) > SESSIONS_MAX:
            raise OutcryError(f"{len(rows):,} sessions for packets are more than {SESSIONS_MAX:,}")
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
            if name >> 32 == SENDER_USED and 0 < number < PARTICIPANTS and index[number]:
                words = self._row(int(index[number])).view(np.int64)
                words[ROW_EPOCH // 8] = max(int(words[ROW_EPOCH // 8]), epoch)
        return {key: window for key, window in windows.items() if self._epoch(key[0]) == key[1]}

    def _epoch(self, name: int) -> int:
        """The newest epoch of the session whose sender has this name; -1: no session's."""
        number = name & MASK
        if name >> 32 != SENDER_USED:
            return -1
        at = int(self.bytes[:ROWS_AT].view(np.uint16)[number]) if number < PARTICIPANTS else 0
        return int(self._row(at).view(np.int64)[ROW_EPOCH // 8]) if at else -1


def seal(key: bytes, packet: bytes, epoch: int) -> bytes:
    """An authenticated packet, as a client makes it."""
    signed = packet + epoch.to_bytes(EPOCH_BYTES, "little")
    return signed + blake3.blake3(signed, key=key).digest(TAG_BYTES)


def is_sealed(key: bytes, packet: bytes) -> bool:
    """Return whether a reply is the venue's, as a client checks it."""
    signed, tag = packet[:-TAG_BYTES], packet[-TAG_BYTES:]
    return hmac.compare_digest(blake3.blake3(signed, key=key).digest(TAG_BYTES), tag)
