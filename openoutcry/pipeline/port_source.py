"""Orders from the packet shim's ports: what the processes of a run share about them."""

import mmap
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import PacketSession, Sessions
from openoutcry.dpdk_shim.names import COUNTER_WORDS, Count
from openoutcry.dpdk_shim.packets import Key, Windows
from openoutcry.dpdk_shim.ports import Port, bind, open_port, prepare, reopen, shut
from openoutcry.dpdk_shim.shim import Shim, make_state, restore_senders, sender_key, total_counters
from openoutcry.dpdk_shim.spec import PortSpec, endpoint
from openoutcry.dpdk_shim.udp import system_drops
from openoutcry.ptp.page import ClockError, ClockPage
from openoutcry.ring import SegmentError
from openoutcry.runtime.shared import Shared
from openoutcry.wire import LayoutMismatch


class PortSource:
    """The ports of a run.  Made before processes are forked: sockets with their queues, counters,
    senders' sequences and the way back to participants outlive a stage that is killed.

    Nothing is taken before :meth:`let_in`.  Until then the system refuses packets for a kernel
    socket.  A device is opened by the process that receives, once it sees that it may.

    Raises ``PortError`` or ``NotBuilt`` for what can be seen before anything is opened.
    """

    def __init__(
        self,
        specs: Sequence[PortSpec],
        arbitrate: bool = False,
        rate: tuple[int, int] | None = None,
        sessions: Sequence[PacketSession] = (),
        *,
        bound: bool = True,
        is_patient: bool = False,
    ) -> None:
        """``rate``: orders a second of one participant, and how many at once.  ``sessions``: those
        that may send; none: every sender.  ``bound``: False where :meth:`bind` is called later.
        ``is_patient``: a port whose device is gone waits until it is back, as in a venue."""
        self.specs, self.arbitrate, self.rate = list(specs), arbitrate, rate
        self.is_patient = is_patient
        self.sessions = Sessions(sessions) if sessions else None
        self.bound: list[socket.socket | None] = []
        self._ports: list[Port] = []
        self._clock: ClockPage | None = None
        self._words = np.frombuffer(mmap.mmap(-1, 16), np.int64)
        try:
            for spec in self.specs:
                self.bound.append(prepare(spec, bound=bound))
        except BaseException:
            self.close()
            raise
        if bound:
            self._shut()
        self.state: npt.NDArray[Any] = make_state()

    @property
    def _sockets(self) -> list[socket.socket]:
        return [udp for udp in self.bound if udp is not None]

    @property
    def name(self) -> str:
        """The ports' texts, as options spell them."""
        return " ".join(spec.text for spec in self.specs)

    def bind(self) -> None:
        """Take the addresses, still without letting anything in."""
        for spec, udp in zip(self.specs, self.bound, strict=True):
            if udp is not None:
                bind(spec, udp)
        self._shut()

    def _shut(self) -> None:
        """But for sockets whose number the system chose, which would lose it."""
        for spec, udp in zip(self.specs, self.bound, strict=True):
            if udp is not None and endpoint(spec.text, spec.target)[1]:
                shut(udp)

    @property
    def is_open(self) -> bool:
        """Return whether the ports still take orders."""
        return bool(self._words[0])

    @property
    def takes(self) -> bool:
        """The process that receives has opened every device."""
        return bool(self._words[1])

    def let_in(self) -> None:
        """Let the process that receives take packets from now on."""
        for udp in self._sockets:
            reopen(udp)
        self._words[0] = 1

    def open(self, shared: Shared, lane: str) -> Shim:
        """Open the ports in this process, and continue where the previous one stopped."""
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
            epochs=shared.epochs if self.sessions is not None else 0,
            epoch_offset_ns=shared.control.block.epoch_offset,
            clock_page=self._clock.address if self._clock else 0,
        )
        if self.rate:
            shim.limit(*self.rate)
        if self.sessions is not None:
            shim.authenticate(self.sessions)
        self._words[1] = 1
        return shim

    def sender_key(self, index: int, epoch: int) -> Key:
        """Return the key of the sender with this index; that of a session as it was in
        that epoch."""
        key = sender_key(self.state, index)
        return key if self.sessions is None else (key[0], epoch % 2**64, 0, 0)

    def restore(self, windows: Windows) -> None:
        """Know what an earlier run has taken of each sender; before the first packet."""
        if self.sessions is not None:
            windows = self.sessions.restore(windows)
        else:
            windows = {key_of(key): window for key, window in windows.items()}
        restore_senders(self.state, windows)

    def system_drops(self) -> int:
        """Datagrams that the system or a device dropped because a queue was full.  A kernel
        socket's count is current; another port's is from the last look of the process that has it
        open."""
        dropped = 0
        for index, bound in enumerate(self.bound):
            if bound is not None and bound.family == socket.AF_INET:
                dropped += system_drops(bound)
            else:
                dropped += int(self.state[COUNTER_WORDS * index + Count.DEVICE_LOST])
        return dropped

    @property
    def refused(self) -> int:
        """Orders beyond their participants' rates so far."""
        return total_counters(self.state, len(self.specs))["rate_refused_records"]

    def account(self) -> dict[str, int]:
        """Return how much the sockets' queues hold at most, and how much was dropped because they
        were full."""
        queues = [udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for udp in self._sockets]
        return {"system_drops": self.system_drops(), "receive_queue_bytes": sum(queues)}

    def close(self) -> None:
        """Close the ports and their sockets."""
        for port in self._ports:
            port.close()
        for udp in self._sockets:
            udp.close()


def key_of(written: Key) -> Key:
    """A sender's key as a journal has it.  Until November 2026 a run with --udp wrote the sender's
    number and the first word of a sockaddr_in."""
    name, word = written[:2]
    if name >> 48 or word & 0xFFFF != socket.AF_INET:
        return written
    return name & 0xFFFFFFFF | (word >> 16 & 0xFFFF) << 32 | 4 << 48, word >> 32, 0, 0
