"""Send orders over UDP at a pace, listen for the replies, and say how long each took.

Open loop: with a rate, order i is meant to leave at t0 + i / rate.  Its latency counts from then,
whether or not the sender was on time, so there is no coordinated omission.  Without a rate it is a
closed loop: a window of unanswered orders, each counted from when it really left.
"""

import math
import os
import select
import socket
import struct
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.packets import LAYOUT_TAG
from openoutcry.dpdk_shim.udp import (
    Datagrams,
    receive_replies,
    resolve,
    system_drops,
)
from openoutcry.wire.enums import EventFlag, EventKind, PacketKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.memory import epoch_offset_ns
from openoutcry.wire.receive_queue import widen_receive_queue
from openoutcry.wire.records import (
    EVENT_DTYPE,
    MAX_PACKET_RECORDS,
    ORDER_DTYPE,
    PACKET_MAGIC,
    RECORD_BYTES,
)

TIMEOUT_S = 5.0
"""Without a reply for this long, unanswered orders are given up."""
MAX_WINDOW = 4096
MIN_WINDOW = 64
QUEUE_BYTES = 8 << 20
QUEUE_BYTES_PER_ORDER = 1024
"""Charge of the operating system's queue for a small datagram, more or less."""
RECEIVE_BURST = 64
REMEMBERED_CAUSES = 4 * MAX_WINDOW
"""How many acknowledging commands are remembered; an older one has no further events."""
SPIN_NS = 150_000
"""Nearer than this to the next order we poll: a sleep may end so much too late."""
PROGRESS_NS = 100_000_000
POLL_EVERY_PACKETS = 16
HEADER = struct.Struct("<IIqqIHBB")
SPAN = "intended send to first reply"
SPAN_UNPACED = "send to first reply"

Progress = Callable[[int, int], None]


class SendError(OutcryError):
    """The orders could not be sent; the message names the host and port."""


def send(
    source_chunks: Iterable[npt.NDArray[Any]],
    to: tuple[str, int],
    rate: int | None = None,
    sender_id: int | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
    window: int | None = None,
) -> dict[str, Any]:
    """Send every order of ``source_chunks`` (arrays of ``ORDER_DTYPE``) to host and port ``to``.

    The ``rate`` is in orders a second, with one order a packet, and up to 22 when late.  A rate of
    ``None`` sends full packets as fast as possible.  At most ``window`` orders are then unanswered,
    so that neither side's socket queue overflows: 4,096, or fewer if the operating system grants a
    small queue.  The sequence numbers, from 1, belong to ``sender_id`` (32 bits; by default the
    process id).  Calls ``progress`` with orders sent and acknowledged, at most ten times a second.

    The first event that has an order's ``order_id`` *acknowledges* the order (a command of any
    kind).  The event must not be a maker's fill, and its ``cause_seq`` must not have acknowledged
    another order.  If several commands name one order, they are acknowledged in the order sent.
    For a command that waits at a speed bump, DELAYED is that event.  The later ENTERED and the
    events after it acknowledge nothing, as their cause is another command.  If nothing arrives for
    ``timeout_s`` seconds, the unanswered orders are written off; at the end that stops the sending.

    Returns a dictionary:

    ``sent_packets``, ``sent_orders``
        what was sent
    ``acknowledged``, ``unanswered``
        of these; unanswered: sent and never acknowledged
    ``reply_packets``, ``reply_events``
        what was received
    ``bad_replies``
        datagrams that are not a packet of ours
    ``dropped_replies``
        dropped by the operating system because our socket's queue was full
    ``seconds``, ``orders_per_s``
        from the first send to the last send or reply
    ``rate``, ``window``, ``sender``
        the settings
    ``stopped``
        why not everything was sent, or ``None``
    ``latency``
        ``span``, ``count`` and ``p50``, ``p90``, ``p99``, ``p999``, ``max`` in ns

    Raises ``NetworkError`` for a host without an IPv4 address, and :class:`SendError` if no process
    listens or the network refuses.
    """
    if rate is not None and rate < 1:
        raise SendError(f"the rate must be at least 1 order a second, not {rate}")
    if window is not None and window < 1:
        raise SendError(f"the window must be at least 1 order, not {window}")
    with UdpLine(to) as line:
        return send_by_line(source_chunks, line, rate, sender_id, timeout_s, progress, window)


def send_by_line(
    source_chunks: Iterable[npt.NDArray[Any]],
    line: "Line",
    rate: int | None = None,
    sender_id: int | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
    window: int | None = None,
) -> dict[str, Any]:
    """:func:`send` by any line: a kernel socket, or a port of the packet shim."""
    sender = os.getpid() if sender_id is None else sender_id & 0xFFFFFFFF
    run = _Run(line, rate, window or line.window, sender, timeout_s, progress)
    try:
        line.connect()
        for chunk in source_chunks:
            run.send_chunk(chunk)
        run.drain()
    except ConnectionRefusedError:
        if run.acknowledged == 0:
            raise SendError(f"{line.name}: no process listens there (connection refused)") from None
        run.stopped = "the receiver no longer listens (connection refused)"
    except _NoAnswer:
        run.stopped = f"no reply for {timeout_s:g} s"
    except OSError as error:
        raise SendError(f"{line.name}: cannot send: {error.strerror or error}") from None
    run.report_progress(last=True)
    return run.result()


class Line(Protocol):
    """A way to a receiver and back.  Each array that :meth:`take` gives is good until the next."""

    name: str
    window: int
    """Unanswered orders that overflow no queue on the way."""

    @property
    def datagrams(self) -> int:
        """Return the datagrams that came back."""
        ...

    @property
    def packets(self) -> int:
        """Return how many of these are our packets."""
        ...

    def connect(self) -> None:
        """Connect to the receiver.  Raises :class:`OSError`."""

    def send(self, header: bytes, records: memoryview) -> None:
        """Send one packet: a header and whole order records."""

    def take(self) -> npt.NDArray[Any]:
        """The events of a burst of replies, without waiting; raises ``BlockingIOError`` when there
        is nothing."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait until something came back, at most this long."""
        ...

    def dropped(self) -> int:
        """Packets that the system has dropped on the way back."""


class UdpLine:
    """A connected kernel socket."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.name = f"{to[0]}:{to[1]}"
        self._address = resolve(*to)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        granted_bytes = widen_receive_queue(self.udp, QUEUE_BYTES)
        self.window = max(MIN_WINDOW, min(MAX_WINDOW, granted_bytes // QUEUE_BYTES_PER_ORDER))
        self._burst = Datagrams(RECEIVE_BURST)
        self._events = np.zeros(RECEIVE_BURST * MAX_PACKET_RECORDS, EVENT_DTYPE)
        self._tally = np.zeros(3, np.int64)
        self._look = bytearray(1)
        self._arguments = (
            self.udp.fileno(),
            self._burst.addr,
            RECEIVE_BURST,
            self._events.ctypes.data,
            self._tally.ctypes.data,
        )

    @property
    def datagrams(self) -> int:
        """Datagrams received so far."""
        return int(self._tally[0])

    @property
    def packets(self) -> int:
        """Packets of events accepted so far."""
        return int(self._tally[1])

    def connect(self) -> None:
        """Connect the socket to the pipeline's port."""
        self.udp.connect(self._address)

    def send(self, header: bytes, records: memoryview) -> None:
        """Send a packet of a header and records."""
        self.udp.sendmsg((header, records))

    def take(self) -> npt.NDArray[Any]:
        """Return the events that have arrived, EVENT_DTYPE of (n,), valid until the next call.
        Raises ``OSError`` if a sent packet was refused."""
        # A look raises the error of a refused packet; the kernel would take it for an empty queue.
        self.udp.recv_into(self._look, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return self._events[: int(receive_replies(*self._arguments))]

    def wait(self, seconds: float) -> None:
        """Wait for a datagram, at most this many seconds."""
        select.select([self.udp], [], [], seconds)

    def dropped(self) -> int:
        """Datagrams for its socket that the system dropped."""
        return system_drops(self.udp)

    def __enter__(self) -> "UdpLine":
        return self

    def __exit__(self, *_: object) -> None:
        self.udp.close()


class _NoAnswer(Exception):
    """A whole window went unanswered."""


class _Run:
    """One run of the sender: its clock, its window and what came back."""

    def __init__(
        self,
        line: Line,
        rate: int | None,
        window: int,
        sender: int,
        timeout_s: float,
        progress: Progress | None,
    ) -> None:
        self.line = line
        self.rate = rate
        self.window = window
        self.sender = sender
        self.timeout_ns = int(timeout_s * 1e9)
        self.progress = progress
        self.stopped: str | None = None
        self.sent_packets = self.sent_orders = 0
        self.acknowledged = self.refused = self.written_off = 0
        self.reply_events = 0
        self.latencies_ns = array("q")
        self.waiting: dict[int, list[int]] = {}
        self.causes: set[int] = set()
        self.causes_in_order: deque[int] = deque()
        self.entered = 0, 0
        self.start_ns = 0
        self.quiet_since_ns = self.last_ns = self.last_progress_ns = self.answered_until = 0
        self.epoch_offset_ns = epoch_offset_ns()

    @property
    def outstanding(self) -> int:
        return self.sent_orders - self.acknowledged - self.written_off

    def send_chunk(self, chunk: npt.NDArray[Any]) -> None:
        """Send one array of orders, each in its time."""
        if chunk.dtype != ORDER_DTYPE:
            raise ValueError("orders to send are arrays of ORDER_DTYPE")
        data = np.ascontiguousarray(chunk).view(np.uint8).data
        order_ids = chunk["order_id"].tolist()
        if self.start_ns == 0 and order_ids:
            self.start_ns = self.quiet_since_ns = time.monotonic_ns()
        at = 0
        while at < len(order_ids):
            most = min(len(order_ids) - at, MAX_PACKET_RECORDS)
            count = self._when_room(most) if self.rate is None else self._when_due(most)
            self._send(data[at * RECORD_BYTES : (at + count) * RECORD_BYTES], order_ids, at, count)
            at += count

    def _intended_ns(self, index: int) -> int:
        """Return when order number ``index`` of the run is meant to leave."""
        assert self.rate is not None
        return self.start_ns + index * 1_000_000_000 // self.rate

    def _when_due(self, most: int) -> int:
        """Wait until the next order is due; returns how many are, at most ``most``."""
        assert self.rate is not None
        next_ns = self._intended_ns(self.sent_orders)
        while (now := time.monotonic_ns()) < next_ns:
            sleep_ns = next_ns - now - SPIN_NS
            if sleep_ns > 0:
                self.line.wait(sleep_ns / 1e9)
            self.take_replies()
        if self.sent_packets % POLL_EVERY_PACKETS == 0:
            self.take_replies()
        due = (now - self.start_ns) * self.rate // 1_000_000_000 + 1 - self.sent_orders
        return max(1, min(most, due))

    def _when_room(self, most: int) -> int:
        """Wait until the window has room; returns for how many orders, at most ``most``."""
        self.take_replies()
        wanted = min(most, self.window)
        while self.window - self.outstanding < wanted:
            self._wait_for_replies()
        return wanted

    def _send(self, data: memoryview, order_ids: list[int], at: int, count: int) -> None:
        first = self.sent_orders
        now = time.monotonic_ns()
        sent_ns = now if self.rate is None else self._intended_ns(first)
        header = HEADER.pack(
            PACKET_MAGIC,
            LAYOUT_TAG,
            first + 1,
            sent_ns + self.epoch_offset_ns,
            self.sender,
            count,
            PacketKind.ORDERS,
            0,
        )
        self.line.send(header, data)
        for index in range(count):
            meant_ns = now if self.rate is None else self._intended_ns(first + index)
            self.waiting.setdefault(order_ids[at + index], []).append(meant_ns)
        self.sent_orders += count
        self.sent_packets += 1
        self.last_ns = now
        self.report_progress(now_ns=now)

    def take_replies(self) -> int:
        """Take all replies there are, without waiting; returns how many datagrams came.

        One reading of the clock serves a burst of up to 64, taken right after it.
        """
        before = self.line.datagrams
        burst = RECEIVE_BURST
        while burst == RECEIVE_BURST:
            arrived = self.line.datagrams
            try:
                events = self.line.take()
            except BlockingIOError:
                break
            self._read_events(events, time.monotonic_ns())
            burst = self.line.datagrams - arrived
        return self.line.datagrams - before

    def _read_events(self, events: npt.NDArray[Any], received_ns: int) -> None:
        """Match events with the orders that wait."""
        self.reply_events += len(events)
        own = ((events["flags"] & EventFlag.MAKER) == 0) & ~self._entered(events)
        order_ids, causes = events["order_id"][own].tolist(), events["cause_seq"][own].tolist()
        for order_id, cause_seq in zip(order_ids, causes, strict=True):
            self._acknowledge(order_id, cause_seq, received_ns)
        if len(events):
            self.quiet_since_ns = self.last_ns = received_ns

    def _entered(self, events: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which events are about a command that waited: ENTERED, and the events after it, as
        many as it says. They are counted in the sequence of all events, some of which other clients
        have."""
        is_head = events["kind"] == EventKind.ENTERED
        first = np.where(is_head, events["seq"], 0)
        last = np.where(is_head, events["seq"] + events["qty_lots"], 0)
        both = np.array([first, last])
        if len(events):
            both[:, 0] = np.maximum(both[:, 0], self.entered)
            first, last = np.maximum.accumulate(both, axis=1)
            self.entered = int(first[-1]), int(last[-1])
        return (events["seq"] >= first) & (events["seq"] <= last) & (last > 0)

    def _acknowledge(self, order_id: int, cause_seq: int, received_ns: int) -> None:
        waiting = self.waiting.get(order_id)
        if waiting is None or cause_seq in self.causes:
            return
        if cause_seq == 0:
            # Beyond the participant's rate: it never became a command, and has no number.
            self.refused += 1
            self.acknowledged += 1
            waiting.pop(0)
            if not waiting:
                del self.waiting[order_id]
            return
        self.latencies_ns.append(received_ns - waiting.pop(0))
        if not waiting:
            del self.waiting[order_id]
        self.acknowledged += 1
        self.causes.add(cause_seq)
        self.causes_in_order.append(cause_seq)
        if len(self.causes) > REMEMBERED_CAUSES:
            self.causes.remove(self.causes_in_order.popleft())

    def _wait_for_replies(self) -> None:
        """Wait a little for replies; write the outstanding orders off when the time is up."""
        if self.take_replies() == 0:
            self.line.wait(0.05)
            self.report_progress()
            now = time.monotonic_ns()
            if self.take_replies() == 0 and now - self.quiet_since_ns > self.timeout_ns:
                self._write_off(now)

    def _write_off(self, now: int) -> None:
        self.written_off += self.outstanding
        self.waiting.clear()
        if self.acknowledged == self.answered_until:
            raise _NoAnswer
        self.answered_until = self.acknowledged
        self.quiet_since_ns = now

    def drain(self) -> None:
        """Wait for the orders that are still unanswered, as long as replies keep coming."""
        self.quiet_since_ns = time.monotonic_ns()
        while self.outstanding > 0:
            if self.take_replies() > 0:
                continue
            self.line.wait(0.05)
            self.report_progress()
            # A sender that had no core for that long has replies that it has not read.
            is_late = time.monotonic_ns() - self.quiet_since_ns > self.timeout_ns
            if is_late and self.take_replies() == 0:
                break

    def report_progress(self, now_ns: int = 0, last: bool = False) -> None:
        if self.progress is None:
            return
        now_ns = now_ns or time.monotonic_ns()
        if last or now_ns - self.last_progress_ns >= PROGRESS_NS:
            self.last_progress_ns = now_ns
            self.progress(self.sent_orders, self.acknowledged)

    def result(self) -> dict[str, Any]:
        """Return the result of :func:`send`:func:`send` returns."""
        seconds = max(self.last_ns - self.start_ns, 1) / 1e9
        return {
            "sent_packets": self.sent_packets,
            "sent_orders": self.sent_orders,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "unanswered": self.sent_orders - self.acknowledged,
            "reply_packets": self.line.packets,
            "reply_events": self.reply_events,
            "bad_replies": self.line.datagrams - self.line.packets,
            "dropped_replies": self.line.dropped(),
            "seconds": seconds,
            "orders_per_s": self.sent_orders / seconds,
            "rate": self.rate,
            "window": self.window if self.rate is None else None,
            "sender": self.sender,
            "stopped": self.stopped,
            "latency": _latency(self.latencies_ns, SPAN_UNPACED if self.rate is None else SPAN),
        }


def _latency(latencies_ns: "array[int]", span: str) -> dict[str, Any]:
    """Exact percentiles in ns: for each, the smallest value that at least that share does not
    exceed."""
    values = np.sort(np.array(latencies_ns, np.int64))
    result: dict[str, Any] = {"span": span, "count": len(values)}
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)):
        result[name] = int(values[math.ceil(share * len(values)) - 1]) if len(values) else 0
    return result
