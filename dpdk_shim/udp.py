"""Kernel UDP sockets: their addresses and queues, and replies received in bursts.

Replies are taken by kernels that call libc's recvmmsg, so that a client needs no C compiler; orders
are received by the packet shim (``shim.py``).
"""

import os
import socket

import numpy as np

from openoutcry.dpdk_shim.packets import parse_packet
from openoutcry.wire import enum_numbers
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u32, recvmmsg, store_i64, store_u32
from openoutcry.wire.records import RECORD_BYTES

PEER_BYTES = 16
# struct mmsghdr of 64-bit Linux.
MESSAGE_BYTES = 64
MESSAGE_NAME_LENGTH_AT = 8
MESSAGE_VECTOR_AT = 16
MESSAGE_LENGTH_AT = 56
MSG_DONTWAIT = 0x40
MSG_TRUNC = 0x20
RECEIVE_FLAGS = MSG_DONTWAIT | MSG_TRUNC
"""MSG_TRUNC reports a datagram's true size: one that is too large cannot pass for a short one."""
PACKET_BUFFER_BYTES = 1536
KIND_EVENTS = enum_numbers.PACKET_KIND_EVENTS


class NetworkError(OutcryError):
    """An address cannot be resolved, bound or used; the message names it."""


@kernel
def add(addr: int, amount: int) -> None:
    """Add to the int64 at an address."""
    store_i64(addr, load_i64(addr) + amount)


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
        add(tally_addr, 1)
        add(tally_addr + 16, size_bytes)
        if count > 0:
            add(tally_addr + 8, 1)
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
        why = error.strerror if isinstance(error, socket.gaierror) else "not a valid name"
        raise NetworkError(f"{host}:{port}: no IPv4 address for this host ({why})") from None
    address, found_port = addresses[0][4][:2]
    return str(address), int(found_port)


def system_drops(udp: socket.socket) -> int:
    """Datagrams dropped by the operating system because the queue of this socket was full."""
    inode = str(os.fstat(udp.fileno()).st_ino)
    with open("/proc/net/udp") as table:
        for line in table:
            columns = line.split()
            if columns[9] == inode:
                return int(columns[-1])
    return 0
