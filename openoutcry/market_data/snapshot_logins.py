"""Connections to the snapshot port, until the login of each has come whole.

A connection that sends nothing, or a login in drips, costs a place here and no process.
"""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from openoutcry.market_data import glimpse
from openoutcry.wire.errors import FeedError
from openoutcry.wire.load_limits import Budget, Logins, Rate
from openoutcry.wire.peers import address_of

WAITING_AT_ONCE, WAITING_EACH = 256, 4
"""Connections without a whole login, and as many with one that wait for their snapshot: in all, and
of one address.  For one more, the oldest of that address or of the one that has most gives way."""
ACCEPTS = Rate(per_s=500, at_once=64)
"""Connections that are accepted."""
MOST_READS = 4
"""Parts in which a login may come: each wakes the feed's process."""


@dataclass(eq=False)
class Login:
    """A connection, and what it has sent."""

    connection: socket.socket
    address: str
    until_s: float
    """A login that is not whole by then (``time.monotonic``) ends the connection."""
    received: bytearray = field(default_factory=bytearray)
    reads: int = 0


class SnapshotLogins:
    """The clients of one listener.  ``epoll`` is readable when :meth:`poll` has something to do."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.epoll = listener, select.epoll()
        self.logins: Logins[Login] = Logins(WAITING_AT_ONCE, WAITING_EACH)
        """Without a whole login, the oldest first, and with one."""
        self._of: dict[int, Login] = {}
        """The silent ones by their descriptors."""
        self._accepts, self._listening = Budget(ACCEPTS), False
        self._listen(True)

    def poll(self, session: str) -> None:
        """Accept connections and read what has come; ``session``: the one that is published."""
        now_s = time.monotonic()
        for login in list(self.logins.silent):
            if login.until_s > now_s:
                break
            self._close(login)
        self._listen(self._accepts.wait_s(now_s) == 0.0)
        for number, _ in self.epoll.poll(0):
            if number == self.listener.fileno():
                self._accept(now_s)
            elif number in self._of:
                self._read(self._of[number], session)

    def take(self, held: Callable[[str], int]) -> Login | None:
        """Return the next client whose login is whole, None: there is none.  The first is of the
        address that has fewest snapshots under way, which ``held`` says."""
        asking = self.logins.checked
        if not len(asking):
            return None
        login = min(asking, key=lambda one: held(one.address))
        asking.leave(login)
        return login

    def close_all(self) -> None:
        """Close the connections, in a process that has a copy of them."""
        for login in (*self.logins.silent, *self.logins.checked):
            login.connection.close()

    def _listen(self, wanted: bool) -> None:
        if wanted != self._listening:
            change = self.epoll.register if wanted else self.epoll.unregister
            change(self.listener.fileno())
            self._listening = wanted

    def _accept(self, now_s: float) -> None:
        while self._accepts.take(now_s):
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            address = address_of(peer)
            connection.setblocking(False)
            login = Login(connection, address, now_s + glimpse.TIMEOUT_S)
            if (oldest := self.logins.came(address, login)) is not None:
                self._close(oldest)
            self._of[connection.fileno()] = login
            self.epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, login: Login, session: str) -> None:
        try:
            data = login.connection.recv(glimpse.MAX_LOGIN)
            login.received += data
            login.reads += 1
            packet = glimpse.packet_in(login.received, glimpse.MAX_LOGIN)
        except BlockingIOError:
            return
        except (OSError, FeedError):
            self._close(login)
            return
        if packet is None:
            if not data or login.reads == MOST_READS:
                self._close(login)
            return
        refusal = glimpse.refusal_of(packet, session)
        if refusal:
            with suppress(OSError):
                login.connection.send(refusal)
            self._close(login)
            return
        self._unwatch(login)
        if (oldest := self.logins.begun(login)) is not None:
            oldest.connection.close()

    def _unwatch(self, login: Login) -> None:
        # A process that was forked may have a copy of the descriptor: closing does not unregister.
        self.epoll.unregister(login.connection.fileno())
        del self._of[login.connection.fileno()]

    def _close(self, login: Login) -> None:
        self._unwatch(login)
        self.logins.leave(login)
        login.connection.close()
