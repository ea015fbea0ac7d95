"""A participant on a cable: authenticated packets as raw frames, and replies likewise."""

import socket
import struct
import time

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import is_sealed, seal
from openoutcry.dpdk_shim.packets import build_packets, read_packet
from openoutcry.dpdk_shim.ports import hardware_address_of
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.dpdk_shim.shim_wire import UDP_PORT, frame, raw_socket
from tests.support.waiting import BOUND_S

UDP_AT = 34
AGAIN_S = 0.25


class FrameClient:
    """One life of a session's client; ``epoch`` is greater than those of its lives before."""

    def __init__(self, key: bytes, epoch: int, number: int = 1, port: int = 5_000) -> None:
        self.key, self.epoch, self.number, self.port = key, epoch, number, port
        self.macs = hardware_address_of("va"), hardware_address_of("vb")
        self.cable = raw_socket("va")
        self.next = 1
        self.sent: list[bytes] = []

    def close(self) -> None:
        self.cable.close()

    def put(self, payload: bytes) -> None:
        """Send anything."""
        self.put_raw(self.frame(payload))

    def put_raw(self, data: bytes) -> None:
        """Send any frame, or what is none."""
        self.cable.send(data)

    def frame(self, payload: bytes) -> bytes:
        """A right one around anything."""
        return frame(payload, macs=self.macs, ports=(self.port, UDP_PORT))

    def packet(self, orders: npt.NDArray[np.void]) -> bytes:
        """The session's next packet, sealed."""
        (plain,) = build_packets(orders, self.number, self.next, 0)
        self.next += len(orders)
        return seal(self.key, plain, self.epoch)

    def trade(self, orders: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Send orders in one packet, again and again until each has been answered; the first event
        that names each."""
        data = self.packet(orders)
        self.sent.append(data)
        wanted = orders["order_id"].tolist()
        heard: dict[int, npt.NDArray[np.void]] = {}
        until, again = time.monotonic() + BOUND_S, 0.0
        while len(heard) < len(wanted):
            now = time.monotonic()
            assert now < until, f"unanswered: {set(wanted) - set(heard)}"
            if now >= again:
                self.put(data)
                again = now + AGAIN_S
            for event in self._take(AGAIN_S):
                if event["order_id"] in wanted:
                    heard.setdefault(int(event["order_id"]), event)
        return np.array([heard[number] for number in wanted])

    def _take(self, seconds: float) -> npt.NDArray[np.void]:
        """The events of the next reply; none within that time."""
        self.cable.settimeout(seconds)
        try:
            data = self.cable.recv(2_048)
        except TimeoutError:
            return np.zeros(0, EVENT_DTYPE)
        if data[12:14] != b"\x08\x00" or data[23] != socket.IPPROTO_UDP:
            return np.zeros(0, EVENT_DTYPE)
        source, to, length = struct.unpack_from(">HHH", data, UDP_AT)
        if (source, to) != (UDP_PORT, self.port):
            return np.zeros(0, EVENT_DTYPE)
        payload = data[UDP_AT + 8 : UDP_AT + length]
        assert is_sealed(self.key, payload)
        return read_packet(payload[:-24], PacketKind.EVENTS)[1]
