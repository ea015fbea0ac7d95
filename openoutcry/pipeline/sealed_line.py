"""A line of authenticated packets to a venue (``dpdk_shim/authentication.py``)."""

import socket
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import KEY_BYTES, TRAILER_BYTES, is_sealed, seal
from openoutcry.dpdk_shim.packets import HEADER_BYTES, MAX_PACKET_BYTES, check_packet
from openoutcry.pipeline.send import RECEIVE_BURST, UdpLine
from openoutcry.wire import enum_numbers
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import EVENT_DTYPE


def read_key(text: str, where: str) -> bytes:
    """The 32 bytes of a key's 64 hexadecimal digits; ``where`` names its place in errors."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise OutcryError(f"{where}: not a key of {2 * KEY_BYTES} hexadecimal digits")
    return key


class SealedLine(UdpLine):
    """A connected kernel socket whose packets have a tag, and which believes no reply without one.

    ``epoch``: greater than that of any line of this session before; by default the clock's ns.
    """

    def __init__(self, to: tuple[str, int], key: bytes, epoch: int | None = None) -> None:
        super().__init__(to)
        self.key = key
        self.epoch = time.time_ns() if epoch is None else epoch
        self._data = np.zeros((MAX_PACKET_BYTES + TRAILER_BYTES) // 8 + 8, np.int64)
        self._buffer = self._data.view(np.uint8).data

    def send(self, header: bytes, records: memoryview) -> None:
        """Send a packet with the session's tag."""
        self.udp.send(seal(self.key, header + bytes(records), self.epoch))

    def take(self) -> npt.NDArray[Any]:
        """Return the events of authentic replies, EVENT_DTYPE of (n,). Raises ``BlockingIOError``
        if no datagram has arrived."""
        records: list[npt.NDArray[Any]] = []
        for _ in range(RECEIVE_BURST):
            try:
                size = self.udp.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if records:
                    break
                raise
            self._tally[0] += 1
            records.append(self._opened(size))
        return np.concatenate(records)

    def _opened(self, size_bytes: int) -> npt.NDArray[Any]:
        """The events of one datagram; none if it is not the venue's."""
        data = self._data.view(np.uint8)[:size_bytes].tobytes()
        packet_bytes = size_bytes - TRAILER_BYTES
        if packet_bytes < HEADER_BYTES or not is_sealed(self.key, data):
            return np.zeros(0, EVENT_DTYPE)
        if check_packet(self._data.ctypes.data, packet_bytes, enum_numbers.PACKET_KIND_EVENTS) < 0:
            return np.zeros(0, EVENT_DTYPE)
        self._tally[1] += 1
        return np.frombuffer(data[HEADER_BYTES:packet_bytes], EVENT_DTYPE)
