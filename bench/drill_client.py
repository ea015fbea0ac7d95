"""The client of a drill: sends orders over UDP at a steady rate, and notes every answer."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from openoutcry.dpdk_shim.packets import LAYOUT_TAG
from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.send import HEADER, UdpLine
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, EventFlag, OrderType, PacketKind, Side, TimeInForce
from openoutcry.wire.records import PACKET_MAGIC

PRICE_TICKS = 10_000
TICK_S = 0.001


@dataclass
class Acknowledged:
    """An order's first answer: the command that it became, and when it was told."""

    seq: int
    at_s: float


@dataclass
class DrillClient:
    """One sender.  Orders are numbered from 1 and never sent again: of those without an answer
    nothing is known, of the others everything is promised."""

    to: tuple[str, int]
    rate: int
    sender: int = 1
    acknowledged: dict[int, Acknowledged] = field(default_factory=dict)
    doubled: list[int] = field(default_factory=list)
    """Orders that were answered as two commands."""
    at_s: list[float] = field(default_factory=list)
    """When answers came, in their order."""
    sent: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drill-client", daemon=True)
        self._symbol = GeneratedFlow("normal", 1, 1).instruments["symbol"][0]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and take what still comes for a second."""
        self._stopping.set()
        self._thread.join()

    def answered_since(self, since_s: float) -> int:
        """How many orders that were sent after ``since_s`` have been answered."""
        return sum(1 for at_s in reversed(self.at_s[-1000:]) if at_s > since_s)

    def longest_gap_s(self, from_s: float, until_s: float) -> float:
        """The longest time without an answer that overlaps a window."""
        times = np.array(self.at_s)
        inside = times[(times >= from_s) & (times <= until_s)]
        before = times[times < from_s]
        edges = [before[-1] if len(before) else from_s, *inside.tolist(), until_s]
        return float(np.diff(edges).max())

    def _run(self) -> None:
        with UdpLine(self.to) as line:
            begin_s = time.monotonic()
            ended_s = 0.0
            while not ended_s or time.monotonic() < ended_s + 1.0:
                try:
                    line.connect()
                    if not self._stopping.is_set():
                        due = int((time.monotonic() - begin_s) * self.rate)
                        while self.sent < due:
                            self._send(line)
                    elif not ended_s:
                        ended_s = time.monotonic()
                    while True:
                        self._take(line.take())
                except BlockingIOError:
                    line.wait(TICK_S)
                except OSError:
                    time.sleep(TICK_S)  # nobody is there now

    def _send(self, line: UdpLine) -> None:
        self.sent += 1
        order = np.zeros(1, ORDER_DTYPE)
        order["order_id"], order["symbol"], order["participant"] = self.sent, self._symbol, 1
        order["kind"], order["order_type"] = CommandKind.NEW, OrderType.LIMIT
        order["side"] = Side.BUY if self.sent % 2 else Side.SELL
        order["time_in_force"] = TimeInForce.DAY
        order["price_ticks"], order["qty_lots"] = PRICE_TICKS, 1
        header = HEADER.pack(
            PACKET_MAGIC, LAYOUT_TAG, self.sent, time.time_ns(), self.sender, 1,
            PacketKind.ORDERS, 0,
        )  # fmt: skip
        line.send(header, order.view(np.uint8).data)

    def _take(self, events: np.ndarray) -> None:
        now_s = time.monotonic()
        own = events[(events["flags"] & EventFlag.MAKER) == 0]
        rows = zip(own["order_id"].tolist(), own["cause_seq"].tolist(), strict=True)
        for order_id, seq in rows:
            known = self.acknowledged.get(order_id)
            if known is None:
                self.acknowledged[order_id] = Acknowledged(seq, now_s)
                self.at_s.append(now_s)
            elif known.seq != seq:
                self.doubled.append(order_id)
