"""Orders from the packet shim's ports: what the processes of a run share about them."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy.typing as npt

from openoutcry.dpdk_shim.names import COUNTER_WORDS, Count
from openoutcry.dpdk_shim.packets import Key, Windows
from openoutcry.dpdk_shim.ports import Port, open_port, prepare
from openoutcry.dpdk_shim.shim import Shim, make_state, restore_senders, sender_key, total_counters
from openoutcry.dpdk_shim.spec import PortSpec
from openoutcry.dpdk_shim.udp import system_drops
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract.shared import Shared
from openoutcry.ptp.page import ClockError, ClockPage
from openoutcry.ring import SegmentError
from openoutcry.wire import LayoutMismatch


class PortSource:
    """The ports of a run.  Made before processes are forked: sockets with their queues, counters,
    senders' sequences and the way back to participants outlive a stage that is killed.

    Raises ``PortError`` or ``NotBuilt`` for what can be seen before anything is opened.
    """

    def __init__(
        self,
        specs: Sequence[PortSpec],
        arbitrate: bool = False,
        rate: tuple[int, int] | None = None,
    ) -> None:
        """``rate``: orders a second of one participant, and how many at once."""
        self.specs, self.arbitrate, self.rate = list(specs), arbitrate, rate
        self.bound: list[socket.socket | None] = []
        self._ports: list[Port] = []
        self._clock: ClockPage | None = None
        try:
            for spec in self.specs:
                self.bound.append(prepare(spec))
        except BaseException:
            self.close()
            raise
        self.state: npt.NDArray[Any] = make_state()

    @property
    def name(self) -> str:
        return " ".join(spec.text for spec in self.specs)

    def open(self, shared: Shared, lane: str) -> Shim:
        """Open the ports in this process, and go on where the one before has stopped."""
        for spec, bound in zip(self.specs, self.bound, strict=True):
            self._ports.append(open_port(spec, bound))
        # The newest living clock daemon's, if there is one.
        with suppress(ClockError, SegmentError, LayoutMismatch):
            self._clock = ClockPage.open()
        shim = Shim(
            self._ports,
            shared.rings[lane],
            state=self.state,
            arbitrate=self.arbitrate,
            stamps=shared.source_stamps(lane),
            origins=shared.origins,
            epoch_offset_ns=shared.control[ct.EPOCH_OFFSET],
            clock_page=self._clock.address if self._clock else 0,
        )
        if self.rate:
            shim.limit(*self.rate)
        return shim

    def sender_key(self, index: int) -> Key:
        """Who the sender with this index is."""
        return sender_key(self.state, index)

    def restore(self, windows: Windows) -> None:
        """Know what an earlier run has taken of each sender; before the first packet."""
        restore_senders(self.state, windows)

    def system_drops(self) -> int:
        """Datagrams that the system or a device dropped because a queue was full: of a kernel
        socket now, of another port at the last look of the process that has it open."""
        dropped = 0
        for index, bound in enumerate(self.bound):
            if bound is not None and _is_udp(bound):
                dropped += system_drops(bound)
            else:
                dropped += int(self.state[COUNTER_WORDS * index + Count.DEVICE_LOST])
        return dropped

    @property
    def refused(self) -> int:
        """Orders beyond their participants' rates so far."""
        return total_counters(self.state, len(self.specs))["rate_refused_records"]

    def close(self) -> None:
        for port in self._ports:
            port.close()
        for bound in self.bound:
            if bound is not None:
                bound.close()


def _is_udp(bound: socket.socket) -> bool:
    return bound.family == socket.AF_INET and bound.type == socket.SOCK_DGRAM
