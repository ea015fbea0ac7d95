"""The receiver of packets alone: a kernel socket of this host, the shim, and a ring that the test
reads."""

import socket
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import Sessions
from openoutcry.dpdk_shim.packets import Key
from openoutcry.dpdk_shim.ports import open_port, prepare
from openoutcry.dpdk_shim.shim import Shim, make_state, sender_key
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.dpdk_shim.udp import system_drops
from openoutcry.wire.receive_queue import widen_receive_queue
from tests.support.dpdk_shim.shim_wire import drain, make_ring, needs_shim

CAPACITY = 1 << 12
HOUR_NS = 3_600_000_000_000


class PacketDoor:
    """Listens at :attr:`at`; skips the test where the shim is not built."""

    def __init__(self, sessions: Sessions | None = None, buffer_bytes: int | None = None) -> None:
        needs_shim()
        self.sessions = sessions
        self._spec = parse_port("udp:127.0.0.1:0")
        self._stack = ExitStack()
        bound = prepare(self._spec)
        assert bound is not None
        self.socket: socket.socket = self._stack.enter_context(bound)
        if buffer_bytes is not None:
            widen_receive_queue(bound, buffer_bytes)
        self.at: tuple[str, int] = bound.getsockname()
        self.state = make_state()
        self.ring = self._stack.enter_context(make_ring(CAPACITY))
        self._stamps = np.zeros((5, CAPACITY), np.int64)
        self.begin()

    def begin(self) -> None:
        """Receive in this process, from where the one before has stopped."""
        intended, received, senders, seqs, epochs = (words.ctypes.data for words in self._stamps)
        mask = CAPACITY - 1
        self.port = self._stack.enter_context(open_port(self._spec, self.socket))
        self.shim = Shim(
            [self.port],
            self.ring,
            state=self.state,
            stamps=(intended, received, mask),
            origins=(senders, seqs, mask),
            epochs=epochs,
        )
        if self.sessions is not None:
            self.shim.authenticate(self.sessions)

    def allow(self, orders: int) -> None:
        """So many orders of each participant, and no more for an hour."""
        self.shim.context.token_interval_ns = HOUR_NS
        self.shim.context.token_burst_ns = (orders - 1) * HOUR_NS

    def take(self) -> npt.NDArray[Any]:
        """What one poll gives, with the receiver's own fields (times and numbers) left at 0."""
        self.shim.poll()
        return self.drained()

    def drained(self) -> npt.NDArray[Any]:
        """What lies in the ring, likewise."""
        records = drain(self.ring)
        self.last = records["seq"] & (CAPACITY - 1)
        records["rx_ts_ns"] = records["seq"] = 0
        return records

    def take_all(self) -> npt.NDArray[Any]:
        """All that waits in the socket."""
        parts = []
        before = -1
        while before != self.counters()["packets"]:
            before = self.counters()["packets"]
            parts.append(self.take())
        return np.concatenate(parts)

    @property
    def origins(self) -> list[tuple[Key, int]]:
        """Return for each order of the last poll its sender and its number in the
        sender's count."""
        _, _, senders, seqs, epochs = (words[self.last].tolist() for words in self._stamps)
        keys = [sender_key(self.state, index - 1) for index in senders]
        if self.sessions is not None:
            keys = [(key[0], epoch, 0, 0) for key, epoch in zip(keys, epochs, strict=True)]
        return list(zip(keys, seqs, strict=True))

    def counters(self) -> dict[str, int]:
        return self.shim.counters()

    def reply(self, events: npt.NDArray[Any]) -> int:
        return self.shim.reply(events)

    def system_drops(self) -> int:
        return system_drops(self.socket)

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> "PacketDoor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
