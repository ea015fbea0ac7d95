"""Two lines that say the same become one stream: each message once, in order, none missing.

Packets come from line A, from line B and in answer to requests, lost, doubled and out of order as a
network has it.  The first that has the next message is taken, what came too early is kept, and for
what is missing there is a request to be sent.  Knows neither sockets nor clocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from openoutcry.market_data import mold
from openoutcry.wire.big_endian import load_be16
from openoutcry.wire.feed_messages import FRAME_BYTES
from openoutcry.wire.kernel import kernel

REQUEST_AFTER_NS = 1_000_000
"""How long a gap may be filled by the other line before its messages are asked for."""
RETRY_NS = 50_000_000
"""Time after which a request is repeated."""
MAX_EARLY = 4096
"""Packets that came too early and are kept; of more the latest go, and come again when asked."""
MAX_REQUESTED = 1024
"""Messages of one request."""
SILENCE_NS = 3_000_000_000
"""When nothing of a session came for this long, and another one speaks, that one is followed."""
FASTEST_NS, AT_ONCE, DAY_NS = 10, 1 << 24, 86_400_000_000_000
"""A session sends at most a message each 10 ns and lasts a day; a receiver hears at most this many
messages at once, whatever its clock says.  A number beyond that was never sent."""
MAX_PAST = 64
"""Sessions that were left and are not followed again."""


@kernel
def skip(data: int, length: int, count: int) -> int:
    """Return where the message after the first ``count`` begins. ``data``: address of ``length``
    bytes of messages, each after its length."""
    at = 0
    for _ in range(count):
        if at + FRAME_BYTES > length:
            return length
        at += FRAME_BYTES + load_be16(data + at)
    return min(at, length)


@dataclass
class Lines:
    """The lines of one venue.

    The callback ``deliver`` receives messages, each after its length, and the number of the first.
    A packet of another session is counted as foreign and dropped, until the present session is
    complete (or has been silent for SILENCE_NS).  Then the other one is followed from number 1.
    """

    deliver: Callable[[bytes, int], None]
    next_sequence: int = 1
    """The first message that has not come."""
    session: bytes = b""
    """Session of the feed; that of the first packet if none is given."""
    highest: int = 0
    """The last message that is known to have been sent."""
    ended: bool = False
    taken: int = 0
    duplicates: int = 0
    """Messages that had come already."""
    foreign: int = 0
    """Packets that are damaged, of another session, or numbered beyond what it can have sent."""
    sessions: int = 0
    """Sessions that were followed to their ends."""
    unfinished: int = 0
    """Sessions that were left before their ends, because another one had begun."""
    gaps: int = 0
    requests: int = 0
    _early: dict[int, mold.Packet] = field(default_factory=dict)
    _gap_ns: int = 0
    """When the gap at ``next_sequence`` was seen; 0 without a gap."""
    _asked_ns: int = 0
    _heard_ns: int = 0
    """When the last packet of the session came."""
    _past: dict[bytes, None] = field(default_factory=dict)

    def take(self, data: bytes, now_ns: int) -> None:
        """A packet as it came, at a time that never goes back (ns)."""
        packet = mold.parse(data)
        self._heard_ns = self._heard_ns or now_ns
        if packet is None or not self._is_ours(packet, now_ns):
            self.foreign += 1
            return
        if not self._is_sent(packet, now_ns):
            self.foreign += 1
            return
        self.session, self._heard_ns = packet.session, now_ns
        if packet.is_end or packet.count == 0:
            self.highest = max(self.highest, packet.sequence - 1)
            self.ended |= packet.is_end
        else:
            self.highest = max(self.highest, packet.sequence + packet.count - 1)
            if packet.sequence <= self.next_sequence:
                self._take(packet)
            else:
                self._keep(packet)
        self._watch(now_ns)

    def _is_ours(self, packet: mold.Packet, now_ns: int) -> bool:
        if packet.session == (self.session or packet.session):
            return True
        silent = now_ns - self._heard_ns > SILENCE_NS
        # An end does not begin a session: it is repeated until another session begins.
        if packet.is_end or packet.session in self._past or not (self.complete or silent):
            return False
        self.follow(packet.session)
        return True

    def _is_sent(self, packet: mold.Packet, now_ns: int) -> bool:
        """Return whether the session can have sent what the packet says: a forged number would
        be asked for until the session ends."""
        last = packet.sequence - 1 + (0 if packet.is_end else packet.count)
        known = max(self.highest, self.next_sequence - 1)
        span_ns = now_ns - self._heard_ns if known else DAY_NS
        return last <= known + AT_ONCE + span_ns // FASTEST_NS

    def follow(self, session: bytes) -> None:
        """Go over to another session, from its first message on."""
        self.sessions += self.complete
        self.unfinished += not self.complete
        self._past[self.session] = None
        if len(self._past) > MAX_PAST:
            del self._past[next(iter(self._past))]
        self.session, self.next_sequence, self.highest, self.ended = session, 1, 0, False
        self._early.clear()
        self._gap_ns = self._asked_ns = 0

    def _take(self, packet: mold.Packet) -> None:
        """A packet that has the next message, or nothing new; then what had come too early."""
        current: mold.Packet | None = packet
        while current is not None:
            old = self.next_sequence - current.sequence
            self.duplicates += min(old, current.count)
            if old < current.count:
                messages = current.messages
                if old:
                    view = np.frombuffer(messages, np.uint8)
                    messages = messages[skip(view.ctypes.data, len(messages), old) :]
                self.deliver(messages, self.next_sequence)
                self.taken += current.count - old
                self.next_sequence += current.count - old
                self._asked_ns = 0  # what is left of the gap is asked for at once
            current = self._ripe()
            if current is not None:
                self._gap_ns = 0  # what is missing behind it is another gap

    def jump(self, sequence: int) -> None:
        """Continue with that message: those before it are in a snapshot."""
        if sequence <= self.next_sequence:
            return
        self.next_sequence = sequence
        self._gap_ns = self._asked_ns = 0
        for first in [k for k, packet in self._early.items() if k + packet.count <= sequence]:
            del self._early[first]
        next_packet = self._ripe()
        if next_packet is not None:
            self._take(next_packet)

    def _ripe(self) -> mold.Packet | None:
        """A packet that came too early and no longer is."""
        if not self._early:
            return None
        first = min(self._early)
        return self._early.pop(first) if first <= self.next_sequence else None

    def _keep(self, packet: mold.Packet) -> None:
        known = self._early.get(packet.sequence)
        if known is not None and known.count >= packet.count:
            self.duplicates += packet.count
            return
        self._early[packet.sequence] = packet
        if len(self._early) > MAX_EARLY:
            del self._early[max(self._early)]

    def _watch(self, now_ns: int) -> None:
        if self.next_sequence > self.highest:
            self._gap_ns = 0
        elif not self._gap_ns:
            self._gap_ns = max(now_ns, 1)
            self.gaps += 1

    @property
    def complete(self) -> bool:
        """The session has ended, and every message of it has come."""
        return self.ended and self.next_sequence > self.highest

    @property
    def missing(self) -> tuple[int, int]:
        """The first message that is missing, and how many are from there to the next one that came;
        (0, 0): none."""
        if self.next_sequence > self.highest:
            return 0, 0
        until = min(self._early, default=self.highest + 1)
        return self.next_sequence, until - self.next_sequence

    @property
    def due_ns(self) -> int:
        """Return when the next request is to be sent; 0: nothing is missing."""
        if self.next_sequence > self.highest:
            return 0
        again_ns = self._asked_ns + RETRY_NS if self._asked_ns else 0
        return max(self._gap_ns + REQUEST_AFTER_NS, again_ns)

    def request(self, now_ns: int) -> bytes:
        """The request to be sent now; empty if nothing is missing."""
        due_ns = self.due_ns
        if not due_ns or now_ns < due_ns:
            return b""
        first, count = self.missing
        self._asked_ns = max(now_ns, 1)
        self.requests += 1
        return mold.header(self.session.decode("latin-1"), first, min(count, MAX_REQUESTED))
