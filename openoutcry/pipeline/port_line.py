"""A port of the packet shim as the line of `outcry send`: frames out, frames with events back."""

import time
from typing import Any

import numpy.typing as npt

from openoutcry.dpdk_shim.ports import open_port
from openoutcry.dpdk_shim.sender import PortSender
from openoutcry.dpdk_shim.shim import EventReceiver
from openoutcry.dpdk_shim.spec import PortError, PortSpec

WINDOW = 512
"""Unanswered orders: what the smallest ring on the way (1,024 descriptors) holds with a margin."""
NAP_S = 20e-6
SEND_TRIES = 1_000


class PortLine:
    """One port to send from and to receive by."""

    def __init__(self, spec: PortSpec) -> None:
        self.name, self.window = spec.text, WINDOW
        self._port = open_port(spec)
        try:
            self._receiver = EventReceiver(self._port)
            self._sender = PortSender(self._port)
        except BaseException:
            self._port.close()
            raise

    @property
    def datagrams(self) -> int:
        """Datagrams received so far."""
        return self._receiver.counters()["packets"]

    @property
    def packets(self) -> int:
        """Packets of events accepted so far."""
        return self._receiver.counters()["published"]

    def connect(self) -> None:
        """A port has no peer that it could ask."""

    def send(self, header: bytes, records: memoryview) -> None:
        """Hand one packet to the device; waits a bounded time for room."""
        payload = header + records
        for _ in range(SEND_TRIES):
            before = self._sender.not_sent
            self._sender.send(payload)
            self._sender.flush()
            if self._sender.not_sent == before:
                return
            time.sleep(NAP_S)
        raise PortError(f"port {self.name}: the device takes no more packets")

    def take(self) -> npt.NDArray[Any]:
        """Return the events that have arrived, EVENT_DTYPE of (n,). Raises ``BlockingIOError`` if
        no datagram has."""
        before = self.datagrams
        events = self._receiver.take()
        if self.datagrams == before:
            raise BlockingIOError
        return events

    def wait(self, seconds: float) -> None:
        """Short naps: a port cannot be waited for by select."""
        self._port.check()
        time.sleep(min(seconds, NAP_S))

    def dropped(self) -> int:
        """Return how many datagrams the device has dropped."""
        return sum(self._port.device_counters().values())

    def __enter__(self) -> "PortLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()
