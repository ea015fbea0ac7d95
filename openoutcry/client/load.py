"""A load of orders over OUCH or FIX: each has an intended send time, and latency counts from then.

Order i is due at start + i / rate whether or not the venue (or this client) keeps up: one that
falls behind shows it (no coordinated omission).  One thread, non-blocking sockets.
"""

import selectors
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openoutcry.client.fix import FixClient
from openoutcry.client.fix_load import FixLoadSession
from openoutcry.client.load_line import LoadLine
from openoutcry.client.ouch import DAY42, DAY50, OuchClient, price4
from openoutcry.client.reasons import reason_words
from openoutcry.order_entry import soupbin
from openoutcry.wire.messages import OUCH42, OUCH50
from openoutcry.wire.symbols import code_of

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
NO_ANSWER_S = 10.0
"""How long an answer is waited for after the last order was sent."""
MAX_ORDERS = 9_999_999
"""Orders of one load: what a token has digits for."""
SEND_BURST = 64
"""Orders between two checks of the answers."""


@dataclass(frozen=True)
class LoadResult:
    """Result of a load. ``latency_ns``: of each answered order, from its intended send time."""

    sent: int
    accepted: int
    rejected: int
    took_s: float
    latency_ns: npt.NDArray[np.int64]
    reasons: dict[str, int]
    """Rejected orders by why, the most frequent first."""

    @property
    def unanswered(self) -> int:
        """Orders without an answer yet."""
        return self.sent - self.accepted - self.rejected

    def percentiles(self) -> dict[str, float]:
        """Latencies in microseconds, by name."""
        if not len(self.latency_ns):
            return {}
        values = np.percentile(self.latency_ns, [*PERCENTILES, 100.0]) / 1000
        names = [*(f"p{p:g}" for p in PERCENTILES), "max"]
        return dict(zip(names, (float(v) for v in values), strict=True))


class _Session(LoadLine):
    """One session's orders: packets made beforehand but for the token, answers matched by it."""

    def __init__(self, client: OuchClient, symbol: str, price: str, run: int) -> None:
        super().__init__(client.connection.socket)
        self.protocol = OUCH50 if client.is_50 else OUCH42
        self.is_50 = client.is_50
        enter = self.protocol.from_client("O")
        name = "user_ref" if self.is_50 else "token"
        self.name_at, self.name_bytes = enter.offsets[name], 4 if self.is_50 else 14
        quantity = "quantity" if self.is_50 else "shares"
        common = {
            quantity: 1,
            "symbol": code_of(symbol),
            "price": price4(price),
            "display": "Y",
            "capacity": "P",
            "iso": "N",
            "cross": "N",
            "time_in_force": DAY50 if self.is_50 else DAY42,
        }
        self.templates = [enter.pack(side=side, **common) for side in "BS"]
        self.answer_at = self.protocol.from_server("A").offsets[name]
        # Names that no load before had: of 4.2 by the time of day, of 5.0 the venue says.
        self.first = client.next_user_ref() if self.is_50 else 0
        self.prefix = b"L%06X" % run

    def add(self, order: int, number: int) -> None:
        """Queue order ``order`` (of the load) as the session's ``number``-th."""
        template = self.templates[number & 1]
        name = b"%s%07d" % (self.prefix, order)
        if self.is_50:
            name = (self.first + order).to_bytes(4, "big")
        at = self.name_at
        message = template[:at] + name + template[at + self.name_bytes :]
        self.out += soupbin.packet("U", message)

    def beat(self) -> None:
        """Say that we live."""
        self.out += soupbin.CLIENT_HEARTBEAT

    def answers(self) -> list[tuple[int, str]]:
        """Orders that were answered by what has arrived, and why they were rejected; "" if they
        were accepted."""
        if not self.arrived():
            return []
        answers = []
        at = 0
        while len(self.data) - at >= 3:
            size = int.from_bytes(self.data[at : at + 2], "big")
            if len(self.data) - at < 2 + size:
                break
            if self.data[at + 2] == ord("S") and self.data[at + 3] in b"AJ":
                start = at + 3 + self.answer_at
                name = bytes(self.data[start : start + self.name_bytes])
                order = int.from_bytes(name, "big") - self.first if self.is_50 else int(name[7:])
                answers.append((order, self._why(bytes(self.data[at + 3 : at + 2 + size]))))
            at += 2 + size
        del self.data[:at]
        return answers

    def _why(self, message: bytes) -> str:
        if message[:1] == b"A":
            return ""
        reason = self.protocol.from_server("J").unpack(message)["reason"]
        return f"{reason} ({reason_words('J', reason)})"


def _session(
    client: OuchClient | FixClient, symbol: str, price: str, run: int
) -> "_Session | FixLoadSession":
    if isinstance(client, FixClient):
        return FixLoadSession(client, symbol, price, run)
    return _Session(client, symbol, price, run)


def run_load(
    clients: Sequence[OuchClient | FixClient], orders: int, rate: float, symbol: str, price: str
) -> LoadResult:
    """Send ``orders`` orders of one lot, buys and sells by turns, over the sessions by turns.

    ``rate``: orders a second in all; 0: as fast as they go, each due when it is sent."""
    if orders > MAX_ORDERS:
        raise ValueError(f"{orders:,} orders are more than {MAX_ORDERS:,}")
    run = time.time_ns() // 8_000_000 & 0xFFFFFF
    sessions = [_session(client, symbol, price, run) for client in clients]
    selector = selectors.DefaultSelector()
    for session in sessions:
        session.socket.setblocking(False)
        selector.register(session.socket, selectors.EVENT_READ, session)
    intended = np.zeros(orders, np.int64)
    answered = np.zeros(orders, np.int64)
    reasons: Counter[str] = Counter()
    start = time.monotonic_ns() + 1_000_000
    if rate:
        intended[:] = start + (np.arange(orders) * (1e9 / rate)).astype(np.int64)
    sent, done, accepted = 0, 0, 0
    quiet_since = beat = time.monotonic()
    while done < orders:
        now = time.monotonic_ns()
        due = min(orders, sent + SEND_BURST)
        if rate:
            due = min(due, int(np.searchsorted(intended, now, "right")))
        else:
            intended[sent:due] = now
        for order in range(sent, due):
            sessions[order % len(sessions)].add(order, order // len(sessions))
        sent = max(sent, due)
        for session in sessions:
            session.flush()
        wait = 0.0 if sent < orders else 0.05
        for key, _ in selector.select(wait):
            for order, why in key.data.answers():
                answered[order] = time.monotonic_ns()
                done, accepted = done + 1, accepted + (not why)
                if why:
                    reasons[why] += 1
                quiet_since = time.monotonic()
        second = time.monotonic()
        if sent < orders:
            quiet_since = second
        if second - quiet_since > NO_ANSWER_S:
            break
        if second - beat > 1:
            beat = second
            for session in sessions:
                session.beat()
    took = (time.monotonic_ns() - start) / 1e9
    for session in sessions:
        session.socket.setblocking(True)
    selector.close()
    heard = answered > 0
    latency = answered[heard] - intended[heard]
    by_count = dict(reasons.most_common())
    return LoadResult(orders, accepted, done - accepted, took, latency, by_count)
