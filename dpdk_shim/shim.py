"""Ports into a ring: the C loop's Python face.

::

    with Shim([parse_port("udp:0.0.0.0:9000")], ring) as shim:
        shim.run(timeout_s=60)          # in a thread of yours; shim.stop() from another
        print(shim.account())

One shim is the one producer of its ring.  What must outlive the process (counters, senders'
sequences, the way back to participants) is stored in ``state``, shared memory made by
:func:`make_state`.  The ring itself says where a new shim continues after a death.
"""

import mmap
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.authentication import Sessions
from openoutcry.dpdk_shim.names import COUNTER_WORDS, LEFT_OUT, Count, Reject
from openoutcry.dpdk_shim.packets import Key, Windows
from openoutcry.dpdk_shim.ports import LOOK_S, Port, open_port
from openoutcry.dpdk_shim.spec import PortError, PortSpec
from openoutcry.ring import RingBuffer
from openoutcry.wire import enum_numbers, memory
from openoutcry.wire.closing import Closing
from openoutcry.wire.records import EVENT_DTYPE, MAX_PACKET_RECORDS, ORDER_DTYPE
from openoutcry.wire.token_bucket import bucket_times

PORTS_MAX = 4
BURST = 64
MIN_CAPACITY = 64
"""A smaller ring could never hold a burst of full packets."""
FOREVER_NS = 2**62
NO_LIMIT = 2**62


def make_state(shim: Any = None) -> npt.NDArray[np.int64]:
    """Zeroed words for counters, senders and peers in anonymous shared memory: forked processes
    share them, and they vanish with the last."""
    shim = shim or native.load()
    state = np.frombuffer(mmap.mmap(-1, int(shim.lib.oc_state_bytes())), np.int64)
    pointer = shim.ffi.cast("struct oc_state *", state.ctypes.data)
    shim.lib.oc_set_hash_key(pointer, secrets.randbits(64), secrets.randbits(64))
    return state


def sender_key(state: npt.NDArray[np.int64], index: int, shim: Any = None) -> Key:
    """Return the key of the sender with this index in a state block."""
    shim = shim or native.load()
    key = shim.ffi.new("uint64_t[4]")
    pointer = shim.ffi.cast("struct oc_state *", state.ctypes.data)
    if shim.lib.oc_sender_key(pointer, index, key):
        raise ValueError(f"no sender {index}")
    return key[0], key[1], key[2], key[3]


def restore_senders(state: npt.NDArray[np.int64], windows: Windows, shim: Any = None) -> None:
    """Make a fresh state block know what an earlier run has taken of each sender."""
    shim = shim or native.load()
    pointer = shim.ffi.cast("struct oc_state *", state.ctypes.data)
    for key, (next_seq, floor, missing) in windows.items():
        ranges = shim.ffi.new("int64_t[]", [end for pair in missing for end in pair])
        count = len(missing)
        if shim.lib.oc_restore_sender(pointer, key, next_seq, floor, ranges, count):
            raise PortError(f"no room for the {len(windows):,} senders of the journal")


class Shim(Closing):
    """Up to four ports into one ring.

    Give ``ports`` as specs, which are opened here and closed by :meth:`close`, or as open ports,
    which the caller closes.  Either all or none are DPDK's, whose shim is another build.  With
    ``rules``, a block of ``gateway_fpga.make_rules``, each record gets its verdict; without,
    ``error_code`` is 0.  With ``arbitrate``, the ports are lines A and B of one feed, and a
    packet's first copy wins.

    The arrays ``stamps`` (address of intended, of received, mask) are int64 by sequence and receive
    CLOCK_MONOTONIC ns.  Likewise ``origins`` (address of senders, of the senders' numbers, mask),
    which need ``stamps``.  The epochs in which sessions sent the orders, if any, are at ``epochs``.

    The line of a clock page (``ptp.page``) is at ``clock_page``; unstamped packets are stamped by
    it.  Without one, or while it has no answer, the host's clock is used.

    Raises :class:`PortError` or ``NotBuilt``; ``ValueError`` for a ring that has several producers
    or fewer than 64 slots.
    """

    def __init__(
        self,
        ports: Sequence[PortSpec | Port],
        ring: RingBuffer,
        *,
        rules: npt.NDArray[np.int64] | None = None,
        state: npt.NDArray[np.int64] | None = None,
        arbitrate: bool = False,
        stamps: tuple[int, int, int] | None = None,
        origins: tuple[int, int, int] | None = None,
        epochs: int = 0,
        epoch_offset_ns: int | None = None,
        clock_page: int = 0,
    ) -> None:
        if ring.multi_producer or ring.capacity < MIN_CAPACITY or ring.dtype != ORDER_DTYPE:
            raise ValueError(
                f"ring {ring.name}: the shim writes order rings of one producer and at least "
                f"{MIN_CAPACITY} slots"
            )
        self.ring = ring
        self._keep: list[Any] = [rules]
        self.ports, self._opened = opened(ports)
        self.native = self.ports[0].shim
        self.state = make_state(self.native) if state is None else state
        context = self._context(epoch_offset_ns)
        context.next_seq = ring.published + 1
        context.ring = self._pointer("char *", ring.address)
        context.mask = ring.mask
        context.arbitrate = int(arbitrate)
        context.kind = enum_numbers.PACKET_KIND_ORDERS
        if rules is not None:
            context.rules = self._pointer("void *", rules.ctypes.data)
        if clock_page:
            context.clock = self._pointer("void *", clock_page)
        if stamps is not None:
            context.stamps_intended = self._pointer("int64_t *", stamps[0])
            context.stamps_received = self._pointer("int64_t *", stamps[1])
            context.stamp_mask = stamps[2]
        if origins is not None:
            assert stamps is not None
            if epochs:
                context.origin_epochs = self._pointer("int64_t *", epochs)
            context.origin_senders = self._pointer("int64_t *", origins[0])
            context.origin_seqs = self._pointer("int64_t *", origins[1])
            context.origin_mask = origins[2]

    def _context(self, epoch_offset_ns: int | None) -> Any:
        self.context = self.native.ffi.new("struct oc_shim *")
        context = self.context
        context.port_count = len(self.ports)
        for index, port in enumerate(self.ports):
            context.ports[index] = port.pointer
        context.state = self._pointer("struct oc_state *", self.state.ctypes.data)
        context.framing = self.ports[0].spec.framing
        context.udp_port = self.ports[0].spec.udp_port
        if epoch_offset_ns is None:
            epoch_offset_ns = memory.epoch_offset_ns()
        context.epoch_offset_ns = epoch_offset_ns
        self._outbound = np.zeros(int(self.native.lib.oc_outbound_bytes()), np.uint8)
        context.outbound = self._pointer("struct oc_outbound *", self._outbound.ctypes.data)
        self.native.lib.oc_start(context)
        return context

    def limit(self, rate: int, burst: int) -> None:
        """Take at most ``rate`` orders a second of each participant, and ``burst`` at once.  Orders
        beyond are answered REJECTED, GATEWAY, RATE, without a sequence number; at most
        ``REFUSALS_MAX`` of a burst are answered."""
        self.context.token_interval_ns, self.context.token_burst_ns = bucket_times(rate, burst)

    def authenticate(self, sessions: Sessions) -> None:
        """Take packets of these sessions only.  ``ValueError`` for MoldUDP64, which has no tag."""
        if self.context.framing:
            raise ValueError("packets of MoldUDP64 cannot be authenticated")
        self._keep.append(sessions)
        self.context.sessions = self._pointer("char *", sessions.address)

    def _pointer(self, kind: str, address: int) -> Any:
        return self.native.ffi.cast(kind, address)

    @property
    def address(self) -> int:
        """The address that a compiled stage passes to :attr:`poll_function` and
        :attr:`reply_function`."""
        return int(self.native.ffi.cast("intptr_t", self.context))

    @property
    def poll_function(self) -> int:
        """Address of ``int64_t oc_poll(struct oc_shim *, int64_t most)``."""
        return self._function("oc_poll")

    @property
    def reply_function(self) -> int:
        """Address of ``int64_t oc_reply(struct oc_shim *, const char *events, int64_t count)``."""
        return self._function("oc_reply")

    def _function(self, name: str) -> int:
        ffi = self.native.ffi
        return int(ffi.cast("intptr_t", ffi.addressof(self.native.lib, name)))

    def poll(self, most: int = NO_LIMIT) -> int:
        """One burst from each port; returns how many records were published, at most ``most``: what
        the last packet holds beyond is left out, and counted.

        At the end of all captures, and when a device has gone, it returns 0: see :attr:`ended`,
        :meth:`check`.
        """
        return max(0, int(self.native.lib.oc_poll(self.context, most)))

    def run(self, most: int = NO_LIMIT, timeout_s: float | None = None) -> int:
        """Take packets until ``most`` records or more have come, ``timeout_s`` have passed, all
        captures are read or :meth:`stop` is called; returns how many records came.

        Runs in C without the GIL, a quarter of a second at a time.  Python's signal handlers wait
        as long.  A link that is down is waited for; raises :class:`PortError` when a device goes
        away.
        """
        left_ns, count = FOREVER_NS if timeout_s is None else int(timeout_s * 1e9), 0
        until_ns = time.monotonic_ns() + left_ns
        while True:
            slice_ns = min(left_ns, int(LOOK_S * 1e9))
            count += int(self.native.lib.oc_run(self.context, most - count, slice_ns))
            self.check()
            left_ns = until_ns - time.monotonic_ns()
            if count >= most or left_ns <= 0 or self.context.stop or self.ended:
                return count

    def stop(self) -> None:
        """End :meth:`run`, from any thread, within a burst."""
        self.context.stop = 1

    @property
    def ended(self) -> bool:
        """Every port is a capture that was read to its end."""
        return all(p.spec.kind == "pcap" and p.packets_left == 0 for p in self.ports)

    def check(self, is_patient: bool = False) -> list[int]:
        """Return for each port 0, or the errno of what keeps packets away; note what the devices
        lost so far where other processes see it.

        Raises :class:`PortError` if a device is gone, unless ``is_patient``.
        """
        found = [port.check(is_patient) for port in self.ports]
        self._add_losses()
        return found

    def _add_losses(self) -> None:
        """Add what the devices have lost since the last look to the counters that outlive them."""
        for index, port in enumerate(self.ports):
            words = self.state[COUNTER_WORDS * index : COUNTER_WORDS * (index + 1)]
            lost = port.new_losses(words[Count.DEVICE_DROPPED : Count.DEVICE_ERRORS + 1].tolist())
            words[Count.DEVICE_DROPPED : Count.DEVICE_ERRORS + 1] += lost
            words[Count.DEVICE_LOST] += sum(lost)

    def reply(self, events: npt.NDArray[Any]) -> int:
        """Send contiguous events to their participants, the way their orders came; return how many
        packets were handed to a device.  Never waits."""
        if events.dtype != EVENT_DTYPE or not events.flags.c_contiguous:
            raise ValueError("events are a contiguous array of EVENT_DTYPE")
        data = self._pointer("char *", events.ctypes.data)
        return int(self.native.lib.oc_reply(self.context, data, len(events)))

    def counters(self, port: int = 0) -> dict[str, int]:
        """Every counter of one port by name, refusals among them as ``rejected_…``."""
        return read_counters(self.state, port)

    def account(self) -> dict[str, Any]:
        """All ports together, with what their devices lost and how the packets add up."""
        self._add_losses()
        total = total_counters(self.state, len(self.ports))
        return total | {"unaccounted": unaccounted(total)}

    def close(self) -> None:
        """Stop the receiving threads, and close all ports."""
        self.stop()
        if self._opened:
            for port in self.ports:
                port.close()


class EventReceiver:
    """The participant's side: packets of events from one open port, as they come.

    :meth:`take` returns the events of one burst (a view, good until the next call).
    """

    def __init__(self, port: Port) -> None:
        self.port = port
        self.state = make_state(port.shim)
        self._events = np.zeros(BURST * MAX_PACKET_RECORDS, EVENT_DTYPE)
        ffi = port.shim.ffi
        self._out = ffi.cast("char *", self._events.ctypes.data)
        self._context = ffi.new("struct oc_shim *")
        self._context.port_count = 1
        self._context.ports[0] = port.pointer
        self._context.state = ffi.cast("struct oc_state *", self.state.ctypes.data)
        self._context.kind = enum_numbers.PACKET_KIND_EVENTS
        port.shim.lib.oc_start(self._context)

    def take(self) -> npt.NDArray[Any]:
        """Return the events that have arrived, EVENT_DTYPE of (n,), valid until the next call.
        Raises if the device is gone."""
        self._context.out = self._out
        count = int(self.port.shim.lib.oc_poll(self._context, NO_LIMIT))
        self.port.check()
        return self._events[: max(0, count)]

    def counters(self) -> dict[str, int]:
        """Return the receiver's counters, by their names."""
        return read_counters(self.state, 0)


def opened(ports: Sequence[PortSpec | Port]) -> tuple[list[Port], bool]:
    """The ports, open, and whether they were opened here; none stays open when one fails."""
    specs = [port if isinstance(port, PortSpec) else port.spec for port in ports]
    if not 1 <= len(specs) <= PORTS_MAX:
        raise PortError(f"a shim has 1 to {PORTS_MAX} ports, not {len(specs)}")
    for name in ("framing", "udp_port"):
        if len({getattr(spec, name) for spec in specs}) > 1:
            raise PortError(
                f"ports of one shim have one {name}: " + ", ".join(s.text for s in specs)
            )
    if len({spec.kind == "dpdk" for spec in specs}) > 1:
        raise PortError("DPDK's ports and others do not go together: use one shim for each")
    opened_ports: list[Port] = []
    try:
        for port in ports:
            opened_ports.append(port if isinstance(port, Port) else open_port(port))
    except BaseException:
        for index, port in enumerate(opened_ports):
            if isinstance(ports[index], PortSpec):
                port.close()
        raise
    return opened_ports, all(isinstance(port, PortSpec) for port in ports)


def read_counters(state: npt.NDArray[np.int64], port: int) -> dict[str, int]:
    """One port's counters in a state block."""
    words = state[COUNTER_WORDS * port : COUNTER_WORDS * (port + 1)]
    named = {c.name.lower(): int(words[c]) for c in Count if c is not Count.REJECTED}
    rejected = {f"rejected_{r.name.lower()}": int(words[Count.REJECTED + r]) for r in Reject}
    return named | rejected


def total_counters(state: npt.NDArray[np.int64], ports: int = PORTS_MAX) -> dict[str, int]:
    """The counters of several ports, added up."""
    each = [read_counters(state, index) for index in range(ports)]
    return {name: sum(counters[name] for counters in each) for name in each[0]}


def unaccounted(counters: dict[str, int]) -> int:
    """Packets taken from a device whose end is unknown: always 0."""
    known = counters["published"] + sum(counters[c.name.lower()] for c in LEFT_OUT)
    refused = sum(value for name, value in counters.items() if name.startswith("rejected_"))
    return counters["packets"] - known - refused


__all__ = ["BURST", "MAX_PACKET_RECORDS", "Shim", "make_state", "total_counters", "unaccounted"]
