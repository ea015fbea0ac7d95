"""Kernel UDP in and out, in bursts, without a C compiler: recvmmsg and sendmmsg called by kernels.

What must outlive a stage stands in one block of shared memory, the *state*: counters, what is
known of each sender's sequence, and the peer table (where each participant's events go).  The
socket is made before the stages are forked and inherited by them, so that the queue the operating
system keeps for it outlives them too.

    state   +----------+-------------------+-----------------------------------+----------------+
            | counters | senders           | peers 65,536 × 16 B (sockaddr_in) | token buckets  |
            |          | 4,096 × 256 B     |                                   | 65,536 × 8 B   |
            +----------+-------------------+-----------------------------------+----------------+
             receiver: words 0–31; replies: 32–61; key of the hash of senders: 62, 63

One process at a time receives and one sends: each counter has one writer.  IPv4 only.
"""

import errno
import mmap
import os
import socket
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim import outbound
from openoutcry.dpdk_shim import receive_window as window
from openoutcry.dpdk_shim.authentication import (
    SCRATCH_WORDS,
    Sessions,
    open_packet,
)
from openoutcry.dpdk_shim.outbound import (
    MESSAGE_BYTES,
    MESSAGE_LENGTH_AT,
    MESSAGE_NAME_LENGTH_AT,
    MESSAGE_VECTOR_AT,
    MSG_DONTWAIT,
    PARTICIPANTS,
    PEER_BYTES,
    Outbound,
)
from openoutcry.dpdk_shim.packets import (
    FIRST_SEQ_AT,
    SENDER_AT,
    SENT_TS_AT,
    Key,
    Windows,
    parse_packet,
)
from openoutcry.dpdk_shim.refusal import GATEWAY, NOT_OWNER, REFUSALS_MAX, write_refusal
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    load_u16,
    load_u32,
    monotonic_ns,
    recvmmsg,
    store_i64,
    store_u16,
    store_u32,
)
from openoutcry.wire.order_ids import is_reserved_order_id
from openoutcry.wire.records import (
    MAX_PACKET_RECORDS,
    ORDER,
    RECORD_BYTES,
)
from openoutcry.wire.token_bucket import bucket_times, take_token


class NetworkError(OutcryError):
    """An address cannot be resolved, bound or used; the message names it."""


PEERS_AT = window.SENDERS_AT + window.SENDER_SLOTS * window.SENDER_BYTES
BUCKETS_AT = PEERS_AT + PARTICIPANTS * PEER_BYTES
STATE_WORDS = (BUCKETS_AT + PARTICIPANTS * 8) // 8
"""int64 words of the state block: about 2.5 MiB."""


PACKET_BUFFER_BYTES = 1536
MSG_TRUNC = 0x20
RECEIVE_FLAGS = MSG_DONTWAIT | MSG_TRUNC
"""MSG_TRUNC reports a datagram's true size: one that is too large cannot pass for a short one."""

# The receiver's context block, in bytes; private to the process (a fork inherits it).
(
    RX_FD, RX_BURST, RX_MESSAGES, RX_BUFFERS, RX_NAMES, RX_SENT_TS, RX_STATE, RX_SENDERS, RX_SEQS,
    RX_INTERVAL_NS, RX_BURST_NS, RX_REFUSED, RX_REFUSED_COUNT, RX_TX, RX_SESSIONS, RX_SCRATCH,
) = range(0, 128, 8)  # fmt: skip
"""RX_INTERVAL_NS 0: no participant has a rate.  RX_REFUSED: room for one burst's refusals, which
leave by the context block RX_TX.  RX_SESSIONS 0: packets are taken from anybody."""
ORDER_PARTICIPANT_AT = ORDER.offsets["participant"]
ORDER_ID_AT = ORDER.offsets["order_id"]
ORDER_ERROR_CODE_AT = ORDER.offsets["error_code"]

OPERATOR = 0
"""The participant that is the exchange operator, who speaks by no network."""

KIND_ORDERS = int(PacketKind.ORDERS)
KIND_EVENTS = int(PacketKind.EVENTS)


@kernel
def receive_burst(rx_addr: int, out_addr: int, out_capacity: int) -> int:
    """Take what packets there are, without waiting; returns how many order records were written.

    ``rx_addr`` is :attr:`UdpReceiver.rx_addr`; ``out_addr`` has room for ``out_capacity`` records
    of 64 bytes, and only as many packets are taken as fit whatever they hold, at most ``burst``:
    with less than 22 records of room none is.  The records are contiguous, in order of arrival,
    with ``error_code`` 0; the n-th one's ``sent_ts_ns`` is the n-th int64 at
    :attr:`UdpReceiver.sent_ts_ns`, 1 + index of its sender and its number in that one's sequence
    likewise at ``senders`` and ``seqs``.  The caller overwrites ``rx_ts_ns`` and ``seq``.

    With a rate (:meth:`UdpReceiver.limit`) what is beyond a participant's is left out and answered
    here: REJECTED, GATEWAY, RATE, with no sequence number, for it never became a command.  So is
    an order id that packets may not name (wire/order_ids.py): REJECTED, NOT_OWNER.  Of a
    burst at most ``REFUSALS_MAX`` are told so, for that costs more than taking them.
    """
    state = load_i64(rx_addr + RX_STATE)
    messages = load_i64(rx_addr + RX_MESSAGES)
    packets = min(load_i64(rx_addr + RX_BURST), out_capacity // MAX_PACKET_RECORDS)
    if packets <= 0:
        return 0
    received = recvmmsg(load_i64(rx_addr + RX_FD), messages, packets, RECEIVE_FLAGS)
    if received <= 0:
        window.add(state + window.AT_EMPTY_POLLS, 1)
        return 0
    window.add(state + window.AT_PACKETS, received)
    written, now_ns = 0, monotonic_ns()
    for index in range(received):
        message = messages + index * MESSAGE_BYTES
        size_bytes = load_u32(message + MESSAGE_LENGTH_AT)
        store_u32(message + MESSAGE_NAME_LENGTH_AT, PEER_BYTES)
        data = load_i64(rx_addr + RX_BUFFERS) + index * PACKET_BUFFER_BYTES
        peer = load_i64(load_i64(rx_addr + RX_NAMES) + index * PEER_BYTES)
        origin = peer
        sessions = load_i64(rx_addr + RX_SESSIONS)
        if sessions != 0:
            scratch = load_i64(rx_addr + RX_SCRATCH)
            opened = open_packet(sessions, scratch, data, size_bytes, peer)
            if opened < 0:
                window.add(state + window.AT_BYTES, size_bytes)
                window.add(state + window.AT_ERROR_UNAUTHENTICATED, 1)
                continue
            # Whose numbers these are: wherever he sends from, his epoch's.
            size_bytes, origin = opened, load_i64(data + opened)
        out = out_addr + written * RECORD_BYTES
        written += _take_packet(rx_addr, data, size_bytes, origin, peer, out, written, now_ns)
    if load_i64(rx_addr + RX_REFUSED_COUNT) > 0:
        _tell_refused(rx_addr)
    return written


@kernel
def _take_packet(
    rx_addr: int, data: int, size_bytes: int, whence: int, peer: int, out: int, written: int,
    now_ns: int,
) -> int:  # fmt: skip
    """Account for one datagram that came by ``now_ns``; returns how many records it left at
    ``out``, ``written`` being there before them.

    ``peer`` is the first word of its sockaddr_in: family, port and address, all that matters;
    ``whence`` tells senders of one number apart: that word again, or a session's epoch.
    """
    state = load_i64(rx_addr + RX_STATE)
    window.add(state + window.AT_BYTES, size_bytes)
    count = parse_packet(data, size_bytes, KIND_ORDERS, out)
    if count < 0:
        window.add(state + window.AT_ERRORS - 8 * count, 1)
        return 0
    window.add(state + window.AT_PARSED, 1)
    sender = window.find_sender(state, load_u32(data + SENDER_AT) | window.SENDER_USED, whence)
    if sender == 0:
        window.add(state + window.AT_SENDER_REFUSED_PACKETS, 1)
        return 0
    first_seq = load_i64(data + FIRST_SEQ_AT)
    if not window.is_new(state, sender, first_seq, count):
        return 0
    sent_ts_ns = load_i64(data + SENT_TS_AT)
    origin = (sender - state - window.SENDERS_AT) // window.SENDER_BYTES + 1
    interval_ns, burst_ns = load_i64(rx_addr + RX_INTERVAL_NS), load_i64(rx_addr + RX_BURST_NS)
    kept = operators = reserved = 0
    for index in range(count):
        order = out + index * RECORD_BYTES
        participant = load_u16(order + ORDER_PARTICIPANT_AT)
        if participant == OPERATOR:
            operators += 1
            continue
        # One aligned store: a reply in the making sees the old address or the new, never a mix.
        store_i64(state + PEERS_AT + participant * PEER_BYTES, peer)
        bucket = state + BUCKETS_AT + participant * 8
        if interval_ns > 0 and not take_token(bucket, now_ns, interval_ns, burst_ns):
            _note_refusal(rx_addr, order, GATEWAY)
            continue
        if is_reserved_order_id(load_i64(order + ORDER_ID_AT)):
            reserved += 1
            _note_refusal(rx_addr, order, NOT_OWNER)
            continue
        if kept < index:
            copy64(out + kept * RECORD_BYTES, order)
        store_u16(out + kept * RECORD_BYTES + ORDER_ERROR_CODE_AT, 0)
        at = 8 * (written + kept)
        store_i64(load_i64(rx_addr + RX_SENT_TS) + at, sent_ts_ns)
        store_i64(load_i64(rx_addr + RX_SENDERS) + at, origin)
        store_i64(load_i64(rx_addr + RX_SEQS) + at, first_seq + index)
        kept += 1
    if VERIFY:
        assert kept + operators + reserved <= count, "no record is counted twice"
        assert origin <= window.SENDER_SLOTS, "a sender's slot lies in the table"
        assert load_i64(rx_addr + RX_REFUSED_COUNT) <= REFUSALS_MAX, "as many as have room"
    window.add(state + window.AT_RECORDS, kept)
    window.add(state + window.AT_OPERATOR_RECORDS, operators)
    window.add(state + window.AT_RESERVED_ID_RECORDS, reserved)
    window.add(state + window.AT_RATE_REFUSED_RECORDS, count - kept - operators - reserved)
    return kept


@kernel
def _note_refusal(rx_addr: int, order: int, reason: int) -> None:
    """Keep the reject of the record at ``order`` for the burst's answers, if there is room."""
    refused = load_i64(rx_addr + RX_REFUSED_COUNT)
    if refused < REFUSALS_MAX:
        write_refusal(load_i64(rx_addr + RX_REFUSED) + refused * RECORD_BYTES, order, reason)
        store_i64(rx_addr + RX_REFUSED_COUNT, refused + 1)
    else:
        window.add(load_i64(rx_addr + RX_STATE) + window.AT_REFUSAL_UNTOLD_EVENTS, 1)


@kernel
def _tell_refused(rx_addr: int) -> None:
    """Send the burst's refusals, those for one participant in one packet."""
    state, tx = load_i64(rx_addr + RX_STATE), load_i64(rx_addr + RX_TX)
    count = load_i64(rx_addr + RX_REFUSED_COUNT)
    outbound.put(tx, state + PEERS_AT, load_i64(rx_addr + RX_REFUSED), count)
    window.add(state + window.AT_REFUSAL_PACKETS, load_i64(tx + outbound.SENT_PACKETS))
    window.add(state + window.AT_REFUSAL_UNTOLD_EVENTS, load_i64(tx + outbound.FAILED_EVENTS))
    store_i64(rx_addr + RX_REFUSED_COUNT, 0)


@kernel
def send_events(tx_addr: int, events_addr: int, count: int) -> int:
    """Send ``count`` event records to whom they are addressed; returns how many packets left.

    ``tx_addr`` is :attr:`UdpReceiver.tx_addr`, ``events_addr`` the first of contiguous records.
    Events for one participant share packets of up to 22, in order; a packet's ``first_seq`` is its
    first event's ``seq``.  Never waits: what the operating system does not take is counted, and
    lost.
    """
    state = load_i64(tx_addr + outbound.STATE)
    outbound.put(tx_addr, state + PEERS_AT, events_addr, count)
    packets = load_i64(tx_addr + outbound.SENT_PACKETS)
    window.add(state + window.AT_NO_PEER_EVENTS, load_i64(tx_addr + outbound.NO_PEER_EVENTS))
    window.add(state + window.AT_REPLY_PACKETS, packets)
    window.add(state + window.AT_REPLY_EVENTS, load_i64(tx_addr + outbound.SENT_EVENTS))
    window.add(state + window.AT_SEND_FAILED_PACKETS, load_i64(tx_addr + outbound.FAILED_PACKETS))
    window.add(state + window.AT_SEND_FAILED_EVENTS, load_i64(tx_addr + outbound.FAILED_EVENTS))
    return packets


@kernel
def receive_replies(fd: int, messages_addr: int, burst: int, out_addr: int, tally_addr: int) -> int:
    """The client's side: take what packets of events there are, without waiting.

    ``messages_addr`` is :attr:`Datagrams.addr` of at least ``burst`` datagrams, ``out_addr`` has
    room for 22 records each, and three int64 at ``tally_addr`` are added to: datagrams, packets
    among them, bytes.  Returns how many event records were written.
    """
    received = recvmmsg(fd, messages_addr, burst, RECEIVE_FLAGS)
    written = 0
    for index in range(max(received, 0)):
        message = messages_addr + index * MESSAGE_BYTES
        size_bytes = load_u32(message + MESSAGE_LENGTH_AT)
        store_u32(message + MESSAGE_NAME_LENGTH_AT, PEER_BYTES)
        data = load_i64(load_i64(message + MESSAGE_VECTOR_AT))
        out = out_addr + written * RECORD_BYTES
        count = parse_packet(data, size_bytes, KIND_EVENTS, out)
        window.add(tally_addr, 1)
        window.add(tally_addr + 16, size_bytes)
        if count > 0:
            window.add(tally_addr + 8, 1)
            written += count
    return written


class Datagrams:
    """Memory for recvmmsg to put a burst of datagrams and their senders' addresses into."""

    def __init__(self, burst: int) -> None:
        self.buffers = np.zeros((burst, PACKET_BUFFER_BYTES // 8), np.int64)
        self.names = np.zeros((burst, PEER_BYTES // 8), np.int64)
        self._vectors = np.zeros((burst, 2), np.int64)
        self._messages = np.zeros((burst, MESSAGE_BYTES // 8), np.int64)
        each = np.arange(burst, dtype=np.int64)
        self._vectors[:, 0] = self.buffers.ctypes.data + each * PACKET_BUFFER_BYTES
        self._vectors[:, 1] = PACKET_BUFFER_BYTES
        self._messages[:, 0] = self.names.ctypes.data + each * PEER_BYTES
        self._messages[:, MESSAGE_NAME_LENGTH_AT // 8] = PEER_BYTES
        self._messages[:, MESSAGE_VECTOR_AT // 8] = self._vectors.ctypes.data + each * 16
        self._messages[:, MESSAGE_VECTOR_AT // 8 + 1] = 1

    @property
    def addr(self) -> int:
        """Address of the first ``struct mmsghdr``."""
        return int(self._messages.ctypes.data)


class UdpReceiver:
    """A bound UDP socket with the memory that :func:`receive_burst` and :func:`send_events` need.

    Make it before the stages are forked: they inherit socket and contexts.  ``state`` is a zeroed,
    8-byte aligned int64 array of :data:`STATE_WORDS` words in shared memory; without one, anonymous
    shared memory is used, which forked stages share and which vanishes with the last of them.

    ``host`` is an IPv4 address or a name that has one; port 0 takes a free one (see ``.port``).
    ``burst`` is the largest number of packets taken at once (1 to 1,024), ``buffer_bytes`` the
    queue asked of the operating system (it may grant less: see ``.granted_bytes``).  Raises
    :class:`NetworkError` naming host and port.
    """

    def __init__(
        self,
        host: str,
        port: int,
        burst: int = 64,
        state: npt.NDArray[np.int64] | None = None,
        sender: int = 0,
        buffer_bytes: int = 8 << 20,
        *,
        bound: bool = True,
    ) -> None:
        """``bound``: False where :meth:`bind` is called later."""
        if not 1 <= burst <= 1024:
            raise ValueError(f"burst must be 1 to 1024 packets, not {burst}")
        self.state = _shared_words(STATE_WORDS) if state is None else state
        if self.state.dtype != np.int64 or self.state.shape != (STATE_WORDS,):
            raise ValueError(f"state must be {STATE_WORDS} int64 words")
        self.burst = burst
        self.sessions: Sessions | None = None
        self.host, self.port = host, port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if bound:
            self.bind()
        self.granted_bytes = widen_receive_queue(self.socket, buffer_bytes)
        self.sent_ts_ns, self.senders, self.seqs = np.zeros(
            (3, burst * MAX_PACKET_RECORDS), np.int64
        )
        key = np.frombuffer(os.urandom(16), np.int64)
        self.state[window.AT_HASH_KEY // 8 : window.AT_HASH_KEY // 8 + 2] = key
        self._outbound = [Outbound(self.socket.fileno(), self.state, sender) for _ in range(2)]
        self._tx, self._refusals = (each.context for each in self._outbound)
        self._rx = self._receive_context()

    def bind(self) -> None:
        """Let datagrams come."""
        _bind(self.socket, self.host, self.port)
        self.host, self.port = self.socket.getsockname()

    def set_clock(self, epoch_offset_ns: int) -> None:
        """From the monotonic clock to the epoch: what replies are stamped by in this process."""
        for context in (self._tx, self._refusals):
            context[outbound.EPOCH_OFFSET // 8] = epoch_offset_ns

    @property
    def rx_addr(self) -> int:
        """Address of the context block of :func:`receive_burst`."""
        return int(self._rx.ctypes.data)

    @property
    def tx_addr(self) -> int:
        """Address of the context block of :func:`send_events`."""
        return int(self._tx.ctypes.data)

    def limit(self, rate: int, burst: int) -> None:
        """Take at most ``rate`` orders a second of each participant, ``burst`` at once; before the
        stages are forked."""
        self._rx[RX_INTERVAL_NS // 8], self._rx[RX_BURST_NS // 8] = bucket_times(rate, burst)

    def authenticate(self, sessions: Sessions) -> None:
        """Take packets of these sessions only; before the stages are forked."""
        self.sessions = sessions
        self._scratch = np.zeros((3, SCRATCH_WORDS), np.int64)
        self._rx[RX_SESSIONS // 8] = sessions.address
        self._rx[RX_SCRATCH // 8] = self._scratch[0].ctypes.data
        for context, scratch in zip((self._tx, self._refusals), self._scratch[1:], strict=True):
            context[outbound.SESSIONS // 8] = sessions.address
            context[outbound.SCRATCH // 8] = scratch.ctypes.data

    @property
    def refused(self) -> int:
        """Orders beyond their participants' rates so far."""
        return int(self.state[window.Counter.RATE_REFUSED_RECORDS])

    def counters(self) -> dict[str, int]:
        """Every counter by name, in lower case."""
        return {counter.name.lower(): int(self.state[counter]) for counter in window.Counter}

    def sender_key(self, index: int) -> Key:
        """Who the sender with this index is."""
        slot = (window.SENDERS_AT + index * window.SENDER_BYTES) // 8
        name, address = self.state[slot : slot + 2].view(np.uint64).tolist()
        return name, address, 0, 0

    def restore(self, windows: Windows) -> None:
        """Know what an earlier run has taken of each sender; before the first datagram."""
        if self.sessions is not None:
            windows = self.sessions.restore(windows)
        for (name, address, _, _), (next_seq, floor, missing) in windows.items():
            peer = int(np.uint64(address).view(np.int64))
            slot = int(window.find_sender(self.state.ctypes.data, name, peer))
            if not slot:
                raise NetworkError(f"no room for the {len(windows):,} senders of the journal")
            ends = [end for pair in missing for end in pair]
            at = (slot - self.state.ctypes.data) // 8
            self.state[at + window.SENDER_NEXT_AT // 8] = next_seq
            self.state[at + window.SENDER_FLOOR_AT // 8] = floor
            self.state[at + window.SENDER_RANGE_COUNT_AT // 8] = len(missing)
            ranges = at + window.SENDER_RANGES_AT // 8
            self.state[ranges : ranges + len(ends)] = ends

    def system_drops(self) -> int:
        """Datagrams that the operating system dropped because the socket's queue was full."""
        return system_drops(self.socket)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "UdpReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive_context(self) -> npt.NDArray[np.int64]:
        self._datagrams = Datagrams(self.burst)
        context = np.zeros(16, np.int64)
        context[RX_SENDERS // 8] = self.senders.ctypes.data
        context[RX_SEQS // 8] = self.seqs.ctypes.data
        context[RX_FD // 8] = self.socket.fileno()
        context[RX_BURST // 8] = self.burst
        context[RX_MESSAGES // 8] = self._datagrams.addr
        context[RX_BUFFERS // 8] = self._datagrams.buffers.ctypes.data
        context[RX_NAMES // 8] = self._datagrams.names.ctypes.data
        context[RX_SENT_TS // 8] = self.sent_ts_ns.ctypes.data
        context[RX_STATE // 8] = self.state.ctypes.data
        self._refused_events = np.zeros((REFUSALS_MAX, RECORD_BYTES // 8), np.int64)
        context[RX_REFUSED // 8] = self._refused_events.ctypes.data
        context[RX_TX // 8] = self._refusals.ctypes.data
        return context


def parse_endpoint(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as host and port; raises :class:`NetworkError` saying what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise NetworkError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:9000")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise NetworkError(f"{text!r}: the port must be a number from 0 to 65535")
    return host, int(port)


def resolve(host: str, port: int) -> tuple[str, int]:
    """The first IPv4 address of ``host``, with the port; raises :class:`NetworkError`."""
    if not 0 <= port <= 65_535:
        raise NetworkError(f"{host}:{port}: the port must be a number from 0 to 65535")
    try:
        addresses = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else "no valid name"
        raise NetworkError(f"{host}:{port}: no IPv4 address for this host ({why})") from None
    address, found_port = addresses[0][4][:2]
    return str(address), int(found_port)


def _bind(udp: socket.socket, host: str, port: int) -> None:
    """Without SO_REUSEADDR: two receivers must not share a port unawares."""
    try:
        udp.bind(resolve(host, port))
    except OSError as error:
        udp.close()
        reasons = {
            errno.EADDRINUSE: "the port is in use by another program",
            errno.EACCES: "no permission to listen there (ports below 1024 need a privilege)",
            errno.EADDRNOTAVAIL: "this host has no such address",
        }
        why = reasons.get(error.errno or 0, error.strerror)
        raise NetworkError(f"cannot listen at {host}:{port}: {why}") from None


def widen_receive_queue(udp: socket.socket, size_bytes: int) -> int:
    """Ask for a receive queue of ``size_bytes``; returns what the operating system granted."""
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # passes the system's limit; a privilege
    try:
        udp.setsockopt(socket.SOL_SOCKET, force, size_bytes)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    return udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def system_drops(udp: socket.socket) -> int:
    """Datagrams dropped by the operating system because the queue of this socket was full."""
    inode = str(os.fstat(udp.fileno()).st_ino)
    with open("/proc/net/udp") as table:
        for line in table:
            columns = line.split()
            if columns[9] == inode:
                return int(columns[-1])
    return 0


def _shared_words(count: int) -> npt.NDArray[Any]:
    """Zeroed int64 words in anonymous shared memory; the array keeps the mapping alive."""
    return np.frombuffer(mmap.mmap(-1, 8 * count), np.int64)
