"""A feed handler: the sockets of both lines and of requests, and the book that comes of them."""

import contextlib
import math
import select
import socket
import time
from collections.abc import Callable

from openoutcry.market_data.book import Book
from openoutcry.market_data.glimpse import fetch
from openoutcry.market_data.lines import Lines
from openoutcry.market_data.publisher import join
from openoutcry.market_data.spec import Address
from openoutcry.wire.errors import FeedError

TAKEN_A_TURN = 1024
SNAPSHOT_GAP = 50_000
"""Messages that are missing at once from which on a snapshot takes less than asking for them."""
PACKET_BYTES = 1 << 16
NAP_S = 0.001
"""Seconds between two looks at sources without a socket."""
Moment = tuple[str, Book, int]
"""A session, the book of a moment of it, and the number of the first message that is not in it."""


def moment_of(snapshots: Address) -> Moment:
    """Return the book of a server of snapshots: orders and states, no trades. Raises
    :class:`FeedError`."""
    session, messages, following = fetch(snapshots)
    book = Book()
    book.apply(messages)
    return session, book, following


class Receiver:
    """Listens to lines of one venue.

    Missing messages are requested from ``server``; without one a gap stays.  The callback
    ``deliver`` receives all messages, each after its length, and the number of the first.  With
    ``snapshots`` it begins with a snapshot, and uses another when more than ``gap`` messages are
    missing; those are then not delivered.  Give a server's address or a function that returns a
    moment.  Without it, the stream is requested from its first message.  ``packets`` returns what
    has come by shared memory and no socket.  Raises :class:`FeedError` if a snapshot is not
    available, or a line cannot be listened to.
    """

    def __init__(
        self,
        lines: list[Address],
        server: Address | None = None,
        interface: str = "",
        deliver: Callable[[bytes, int], None] = lambda messages, first: None,
        snapshots: Address | Callable[[], Moment] | None = None,
        gap: int = SNAPSHOT_GAP,
        packets: Callable[[], list[bytes]] | None = None,
    ) -> None:
        self.book = Book()
        self._packets = packets
        self.server, self._deliver = server, deliver
        self.snapshots, self._gap, self.joins = snapshots, gap, 0
        self.lines = Lines(self._take)
        self._sockets: list[socket.socket] = []
        try:
            self._listen(lines, interface)
        except FeedError:
            self.close()
            raise
        self._poll = select.poll()
        self._by_number = {one.fileno(): one for one in self._sockets}
        for number in self._by_number:
            self._poll.register(number, select.POLLIN)
        if snapshots is not None:
            # The lines are joined: what comes meanwhile waits in their sockets.
            self._begin_with(snapshots)

    def _listen(self, lines: list[Address], interface: str) -> None:
        for line in lines:
            self._sockets.append(join(line, interface))
        if self.server is not None:
            is_ipv4 = ":" not in self.server[0]
            self._requests = join((interface or "0.0.0.0" if is_ipv4 else "::", 0))
            self._sockets.append(self._requests)

    def _begin_with(self, source: Address | Callable[[], Moment]) -> None:
        """The book of a moment, and the lines from there on."""
        session, self.book, following = source() if callable(source) else moment_of(source)
        if self.lines.session not in (b"", session.encode()):
            self.lines.follow(session.encode())
        self.lines.session = session.encode()
        self.lines.jump(following)
        self.joins += 1

    def _take(self, messages: bytes, first: int) -> None:
        self.book.apply(messages)
        self._deliver(messages, first)

    def poll(self, timeout_s: float) -> int:
        """Take in what has come, waiting for it this long, or until there is something to ask for;
        ask for what is missing.  Returns how many packets came."""
        count = 0
        if self._packets is not None:
            for data in self._packets():
                self.lines.take(data, time.monotonic_ns())
                count += 1
            timeout_s = 0.0 if count else min(timeout_s, NAP_S)
        for number, _ in self._ready(timeout_s):
            sock = self._by_number[number]
            for _ in range(TAKEN_A_TURN):
                try:
                    data = sock.recv(PACKET_BYTES)
                except OSError:
                    break
                self.lines.take(data, time.monotonic_ns())
                count += 1
        if self.snapshots is not None and self.lines.missing[1] > self._gap:
            with contextlib.suppress(FeedError):  # none available now: requested as any gap is
                self._begin_with(self.snapshots)
        if self.server is not None:
            request = self.lines.request(time.monotonic_ns())
            if request:
                self._requests.sendto(request, self.server)
        return count

    def wait(self, timeout_s: float) -> None:
        """Until something has come by the lines or is to be asked for, so long at most."""
        self._ready(timeout_s)

    def _ready(self, timeout_s: float) -> list[tuple[int, int]]:
        due_ns = self.lines.due_ns
        if self.server is not None and due_ns:
            timeout_s = min(timeout_s, max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        return self._poll.poll(math.ceil(1_000 * timeout_s))

    def close(self) -> None:
        """Close the lines' sockets."""
        for sock in self._sockets:
            sock.close()
