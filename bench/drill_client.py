"""The client of a drill: sends orders over UDP at a steady rate, and notes every answer.

A separate process, so that nothing the drill does makes it wait; what it notes is in memory that
both have.
"""

import mmap
import os
import select
import struct
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from openoutcry.dpdk_shim.packets import LAYOUT_TAG
from openoutcry.host.processes import STOP_SIGNALS, fork
from openoutcry.pipeline.send import HEADER, UdpLine
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import (
    CommandKind,
    EventFlag,
    OrderType,
    PacketKind,
    Side,
    TimeInForce,
)
from openoutcry.wire.records import PACKET_MAGIC

SYMBOL = b"GOLD"
PRICE_TICKS = 10_000
TICK_S = 0.001
DRAIN_S = 1.0
ANSWER = struct.Struct("<QQd")
STOP, SENT, EVENTS = 0, 1, 2


@dataclass
class DrillClient:
    """One sender.  Orders are numbered from 1 and never sent again: of those without an answer
    nothing is known, of the others everything is promised."""

    to: tuple[tuple[str, int], ...]
    """Where a venue may be: each order is sent to all, and one of them answers."""
    rate: int
    sender: int = 1
    acknowledged: dict[int, int] = field(default_factory=dict)
    """The command that an answered order became."""
    doubled: list[int] = field(default_factory=list)
    """Orders that were answered as two commands."""
    at_s: list[float] = field(default_factory=list)
    """When orders were answered, in the order of the answers."""

    def __post_init__(self) -> None:
        self._words = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.int64)
        self._answers = tempfile.TemporaryFile()  # noqa: SIM115
        self._read_bytes = 0
        self._pid = 0

    @property
    def sent(self) -> int:
        """Orders sent so far, which is the number of the last one."""
        return int(self._words[SENT])

    def events_from(self, place: int) -> int:
        """Events that came from the ``place``-th of ``to``, of any kind and however often."""
        return int(self._words[EVENTS + place])

    def start(self) -> None:
        """Fork the process that sends orders until :meth:`stop`."""
        self._pid = fork(self._run, STOP_SIGNALS)

    def stop(self) -> None:
        """Send no more, and take what still comes for a second."""
        self._words[STOP] = 1
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0
            self.read_answers()

    def read_answers(self) -> None:
        """Read what was answered since."""
        fd = self._answers.fileno()
        while data := os.pread(fd, 1 << 20, self._read_bytes):
            whole_bytes = len(data) - len(data) % ANSWER.size
            if not whole_bytes:
                return
            self._read_bytes += whole_bytes
            for order_id, seq, at_s in ANSWER.iter_unpack(data[:whole_bytes]):
                known = self.acknowledged.setdefault(order_id, seq)
                if known != seq:
                    self.doubled.append(order_id)
                self.at_s.append(at_s)

    def answered_since(self, since_s: float) -> int:
        """Return how many answers have come since (a thousand are enough to know)."""
        self.read_answers()
        return sum(1 for at_s in self.at_s[-1000:] if at_s > since_s)

    def longest_gap_s(self, from_s: float, until_s: float) -> float:
        """The longest time without an answer that overlaps a window."""
        self.read_answers()
        times = np.array(self.at_s)
        inside = times[(times >= from_s) & (times <= until_s)]
        before = times[times < from_s]
        edges = [before[-1] if len(before) else from_s, *inside.tolist(), until_s]
        return float(np.diff(edges).max())

    # In the separate process

    def _run(self) -> None:
        known: dict[int, int] = {}
        lines = [UdpLine(to) for to in self.to]
        for line in lines:
            line.connect()
        begin_s, ended_s = time.monotonic(), 0.0
        while not ended_s or time.monotonic() < ended_s + DRAIN_S:
            if not self._words[STOP]:
                due = int((time.monotonic() - begin_s) * self.rate)
                while self._words[SENT] < due:
                    self._send(lines)
            elif not ended_s:
                ended_s = time.monotonic()
            for place, line in enumerate(lines):
                self._take(line, place, known)
            select.select([line.udp for line in lines], [], [], TICK_S)

    def _take(self, line: UdpLine, place: int, known: dict[int, int]) -> None:
        with suppress(OSError):  # nothing more, or no process there now
            while True:
                events = line.take()
                self._words[EVENTS + place] += len(events)
                self._note(events, known)

    def _send(self, lines: list[UdpLine]) -> None:
        self._words[SENT] += 1
        number = self.sent
        order = np.zeros(1, ORDER_DTYPE)
        order["order_id"], order["symbol"], order["participant"] = number, SYMBOL, 1
        order["kind"], order["order_type"] = CommandKind.NEW, OrderType.LIMIT
        order["side"] = Side.BUY if number % 2 else Side.SELL
        order["time_in_force"] = TimeInForce.DAY
        order["price_ticks"], order["qty_lots"] = PRICE_TICKS, 1
        header = HEADER.pack(
            PACKET_MAGIC,
            LAYOUT_TAG,
            number,
            time.time_ns(),
            self.sender,
            1,
            PacketKind.ORDERS,
            0,
        )
        for line in lines:
            with suppress(OSError):  # no process there now
                line.send(header, order.view(np.uint8).data)

    def _note(self, events: np.ndarray, known: dict[int, int]) -> None:
        """An order's first answer, and any that names another command."""
        now_s = time.monotonic()
        own = events[(events["flags"] & EventFlag.MAKER) == 0]
        rows = zip(own["order_id"].tolist(), own["cause_seq"].tolist(), strict=True)
        new = []
        for order_id, seq in rows:
            if known.get(order_id) != seq:
                known[order_id] = seq
                new.append(ANSWER.pack(order_id, seq, now_s))
        if new:
            os.write(self._answers.fileno(), b"".join(new))
