"""Event packets on their way out of a socket: collected by participant, sent many at a time.

A burst's events for one participant share packets although others' stand between them, and all
packets of a burst leave by one sendmmsg: with 65 who send in turns that is a packet for 16 events
where it was one for each (docs/packets.md).  Each participant's events stay in order.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import TRAILER_BYTES, seal_packet
from openoutcry.dpdk_shim.packets import (
    COUNT_AT,
    FIRST_SEQ_AT,
    HEADER_BYTES,
    LAYOUT_TAG,
    MAX_PACKET_BYTES,
    SENT_TS_AT,
)
from openoutcry.dpdk_shim.receive_window import add
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import (
    copy64,
    epoch_offset_ns,
    load_i64,
    load_u16,
    monotonic_ns,
    sendmmsg,
    store_i64,
    store_u16,
)
from openoutcry.wire.records import (
    EVENT,
    MAX_PACKET_RECORDS,
    PACKET_HEADER_DTYPE,
    PACKET_MAGIC,
    RECORD_BYTES,
)

PEER_BYTES = 16
PARTICIPANTS = 65_536

# struct mmsghdr of 64-bit Linux.
MESSAGE_BYTES = 64
MESSAGE_NAME_LENGTH_AT = 8
MESSAGE_VECTOR_AT = 16
MESSAGE_LENGTH_AT = 56
MSG_DONTWAIT = 0x40

PACKETS_MAX = 256
"""Of one sendmmsg."""
BUFFER_BYTES = (MAX_PACKET_BYTES + TRAILER_BYTES + 63) // 64 * 64

# The context block, in bytes; private to the process (a fork inherits it).
(
    FD, STATE, EPOCH_OFFSET, SESSIONS, SCRATCH,
    PACKETS,  # buffers, one packet each
    MESSAGES,  # struct mmsghdr, one a packet
    VECTORS,  # struct iovec, one a packet
    BEGUN,  # packets begun, ever
    FIRST,  # the number of the first of them that has not left, from 1
    LAST_OF,  # by participant: the number of the last packet begun for him, 0 for none
    SENT_PACKETS,  # these and the following: by the last call of put
    SENT_EVENTS, FAILED_PACKETS, FAILED_EVENTS, NO_PEER_EVENTS,
) = range(0, 128, 8)  # fmt: skip
"""SESSIONS 0: packets have no trailer."""

PARTICIPANT_AT = EVENT.offsets["participant"]
SEQ_AT = EVENT.offsets["seq"]


@kernel
def put(tx: int, peers: int, events: int, count: int) -> None:
    """Send ``count`` contiguous event records to their participants' addresses, those for one
    participant in order in packets of up to 22; counts of what became of them are left in ``tx``.

    ``peers``: by participant, a sockaddr_in, or 0 in its first word for nobody.
    """
    for word in range(SENT_PACKETS, NO_PEER_EVENTS + 8, 8):
        store_i64(tx + word, 0)
    for index in range(count):
        event = events + index * RECORD_BYTES
        participant = load_u16(event + PARTICIPANT_AT)
        peer = peers + participant * PEER_BYTES
        if load_i64(peer) == 0:
            add(tx + NO_PEER_EVENTS, 1)
            continue
        slot = _open_packet(tx, participant, peer)
        packet = load_i64(tx + PACKETS) + slot * BUFFER_BYTES
        held = load_u16(packet + COUNT_AT)
        if held == 0:
            store_i64(packet + FIRST_SEQ_AT, load_i64(event + SEQ_AT))
        copy64(packet + HEADER_BYTES + held * RECORD_BYTES, event)
        store_u16(packet + COUNT_AT, held + 1)
    _send_all(tx)


@kernel
def _open_packet(tx: int, participant: int, peer: int) -> int:
    """Which buffer has room for one more of his events: that of his last packet or a new one's."""
    first = load_i64(tx + FIRST)
    mine = load_i64(tx + LAST_OF) + participant * 8
    slot = load_i64(mine) - first
    if slot >= 0:
        packet = load_i64(tx + PACKETS) + slot * BUFFER_BYTES
        if load_u16(packet + COUNT_AT) < MAX_PACKET_RECORDS:
            return slot
    if load_i64(tx + BEGUN) - first + 1 == PACKETS_MAX:
        _send_all(tx)
        first = load_i64(tx + FIRST)
    number = load_i64(tx + BEGUN) + 1
    store_i64(tx + BEGUN, number)
    store_i64(mine, number)
    slot = number - first
    store_u16(load_i64(tx + PACKETS) + slot * BUFFER_BYTES + COUNT_AT, 0)
    store_i64(load_i64(tx + MESSAGES) + slot * MESSAGE_BYTES, peer)
    if VERIFY:
        assert 0 <= slot < PACKETS_MAX, "a packet has a buffer"
    return slot


@kernel
def _send_all(tx: int) -> None:
    """Send what has been begun; one that the system does not take is counted, and passed over."""
    waiting = load_i64(tx + BEGUN) - load_i64(tx + FIRST) + 1
    now_ns = monotonic_ns() + load_i64(tx + EPOCH_OFFSET)
    sessions = load_i64(tx + SESSIONS)
    for slot in range(waiting):
        packet = load_i64(tx + PACKETS) + slot * BUFFER_BYTES
        size_bytes = HEADER_BYTES + load_u16(packet + COUNT_AT) * RECORD_BYTES
        store_i64(packet + SENT_TS_AT, now_ns)
        if sessions != 0:
            number = load_u16(packet + HEADER_BYTES + PARTICIPANT_AT)
            size_bytes = seal_packet(sessions, load_i64(tx + SCRATCH), packet, size_bytes, number)
        store_i64(load_i64(tx + VECTORS) + slot * 16 + 8, size_bytes)
    left = 0
    while left < waiting:
        message = load_i64(tx + MESSAGES) + left * MESSAGE_BYTES
        sent = sendmmsg(load_i64(tx + FD), message, waiting - left, MSG_DONTWAIT)
        gone = sent > 0
        for slot in range(left, left + (sent if gone else 1)):
            events = load_u16(load_i64(tx + PACKETS) + slot * BUFFER_BYTES + COUNT_AT)
            add(tx + (SENT_PACKETS if gone else FAILED_PACKETS), 1)
            add(tx + (SENT_EVENTS if gone else FAILED_EVENTS), events)
        left += sent if gone else 1
    store_i64(tx + FIRST, load_i64(tx + BEGUN) + 1)


class Outbound:
    """The memory that :func:`put` needs for one socket.  ``state`` is the receiver's."""

    def __init__(self, fd: int, state: npt.NDArray[np.int64], sender: int) -> None:
        self._buffers = np.zeros((PACKETS_MAX, BUFFER_BYTES // 8), np.int64)
        header = self._buffers[:, : HEADER_BYTES // 8].view(PACKET_HEADER_DTYPE)
        header["magic"], header["layout_tag"] = PACKET_MAGIC, LAYOUT_TAG
        header["sender"], header["kind"] = sender, PacketKind.EVENTS
        each = np.arange(PACKETS_MAX, dtype=np.int64)
        self._vectors = np.zeros((PACKETS_MAX, 2), np.int64)
        self._vectors[:, 0] = self._buffers.ctypes.data + each * BUFFER_BYTES
        self._messages = np.zeros((PACKETS_MAX, MESSAGE_BYTES // 8), np.int64)
        self._messages[:, MESSAGE_NAME_LENGTH_AT // 8] = PEER_BYTES
        self._messages[:, MESSAGE_VECTOR_AT // 8] = self._vectors.ctypes.data + each * 16
        self._messages[:, MESSAGE_VECTOR_AT // 8 + 1] = 1
        self._last_of = np.zeros(PARTICIPANTS, np.int64)
        self.context = np.zeros(16, np.int64)
        words = {
            FD: fd, STATE: state.ctypes.data, EPOCH_OFFSET: epoch_offset_ns(), FIRST: 1,
            PACKETS: self._buffers.ctypes.data, MESSAGES: self._messages.ctypes.data,
            VECTORS: self._vectors.ctypes.data, LAST_OF: self._last_of.ctypes.data,
        }  # fmt: skip
        for word, value in words.items():
            self.context[word // 8] = value
