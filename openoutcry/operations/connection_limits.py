"""Connections to a page: each owner has a share, so that no client can keep operators out.

They are counted from the accept on, before any byte of TLS: a connection that never begins its
handshake is one of them.  Without a login there are MAX_WITHOUT_LOGIN at most, and with one
MAX_MEMBER of each name, and as many of each whose request is being answered, a WebSocket among
them.  For one more, the page closes the oldest: of the address that has most of those without a
login, as the acceptor of sessions does, or of the same name.  So no connection that says nothing
ends one that is answered.  The page closes each that has no login after LOGIN_S.

The portal's API has clients without a login. There an address takes the place of the name, from its
first request on.  All names together have a bound as well: the name with most loses its oldest.

What another host opens beyond OPENED, and all but one a second of an address that is banned, is
closed as it is accepted.
"""

import asyncio
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from openoutcry.wire.load_limits import Budgets, Logins, Rate
from openoutcry.wire.peers import HERE, owner_of

MAX_WITHOUT_LOGIN, MAX_MEMBER = 256, 64
LOGIN_S = 120.0
A_TURN = 16
"""Connections that are accepted in one turn of the event loop."""
OPENED, OPENED_BY_BANNED = Rate(per_s=100, at_once=600), Rate(per_s=1, at_once=1)
"""Connections that another host opens."""
FRAMES, FRAMES_OF_ALL = Rate(per_s=20, at_once=200), Rate(per_s=200, at_once=2_000)
"""Frames of a WebSocket that make no message: of a connection, and of all connections of an owner.
"""
LOGINS = 4, 2, 16
"""Logins whose passwords are checked at once, in all and of one address, and of this address that
wait; further ones are refused."""
MAX_FILES = 1 << 16
Peer = tuple[str, int]


class ConnectionLimits:
    """The connections of one page, the oldest first."""

    def __init__(
        self,
        most: int = MAX_WITHOUT_LOGIN,
        most_of_a_member: int = MAX_MEMBER,
        most_of_members: int = MAX_FILES,
    ) -> None:
        self._waiting: Logins[Peer] = Logins(most)
        """Without a login, by address."""
        self._members: Logins[Peer] = Logins(most_of_members, most_of_a_member)
        """By the name that is logged in."""
        self._sockets: dict[Peer, socket.socket] = {}
        self.refusal: Callable[[str], bytes] = lambda host: b""
        """What an address that is banned is sent, whatever it asks; nothing: it is not banned."""
        self.is_plain = False
        """Whether that may be sent before anything has come: there is no TLS."""
        self._opened, self._opened_by_banned = Budgets(OPENED), Budgets(OPENED_BY_BANNED)
        self._frames, self._frames_of_all = Budgets(FRAMES), Budgets(FRAMES_OF_ALL)

    def turns_away(self, host: str, now_s: float) -> bool:
        """Return whether a connection that this host opens is one too many."""
        if host in HERE:  # a proxy on this host speaks for all its clients
            return False
        budgets = self._opened_by_banned if self.refusal(host) else self._opened
        return not budgets.of(owner_of(host)).take(now_s)

    def idle_frames_wait_s(self, peer: tuple[str, int | None], count: int, now_s: float) -> float:
        """Return the seconds that a connection must wait after frames that make no message."""
        if not count:
            return 0.0
        wait_s = self._frames.of(peer).spend(now_s, count)
        if peer[0] not in HERE:  # a proxy on this host speaks for all its clients
            of_all = self._frames_of_all.of(owner_of(peer[0]))
            wait_s = max(wait_s, of_all.spend(now_s, count))
        return wait_s

    def came(self, peer: Peer, connection: socket.socket) -> None:
        """Count a connection that was accepted."""
        self._forget(peer)  # an earlier connection from there, which has reported no end
        if self._waiting.silent.is_full():
            self._leave_closed()
        self._sockets[peer] = connection
        self._end(self._waiting.came(owner_of(peer[0]), peer))

    def begun(self, peer: Peer) -> None:
        """Count a connection on which a request has come that is being answered."""
        for kind in (self._waiting, self._members):
            self._end(kind.begun(peer))

    def rests(self, peer: Peer) -> None:
        """Count a connection whose request is answered."""
        for kind in (self._waiting, self._members):
            self._end(kind.rests(peer))

    def known(self, peer: Peer, name: str) -> None:
        """Count a connection for a name: a request with a login came on it."""
        is_begun = peer in self._waiting.checked
        if not self._waiting.leave(peer):
            return
        self._end(self._members.came(name, peer))
        if is_begun:
            self._end(self._members.begun(peer))

    def left(self, peer: Peer, number: int) -> None:
        """Forget a connection that has ended; ``number``: its descriptor.  Another one may have
        come from there meanwhile."""
        connection = self._sockets.get(peer)
        if connection is not None and connection.fileno() in (number, -1):
            self._forget(peer)

    def drop(self, peer: Peer) -> None:
        """Close a connection if it has no login yet."""
        if peer in self._waiting:
            self._end(peer)

    def _forget(self, peer: Peer) -> None:
        self._waiting.leave(peer)
        self._members.leave(peer)
        self._sockets.pop(peer, None)
        self._frames.forget(peer)

    def _leave_closed(self) -> None:
        """Forget those that say nothing and are closed: a handshake that failed reports no end."""
        for peer in list(self._waiting.silent):
            if self._sockets[peer].fileno() < 0:
                self._forget(peer)

    def _end(self, peer: Peer | None) -> None:
        """End a connection, if there is one: its transport reads the end, and closes it."""
        if peer is None:
            return
        connection = self._sockets[peer]
        self._forget(peer)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def counts(self) -> tuple[int, dict[str, int]]:
        """Return the connections without a login, and those of each name."""
        counts = Counter(self._members.silent.counts()) + Counter(self._members.checked.counts())
        return len(self._waiting), dict(counts)

    def is_without_login(self, peer: Peer, connection: socket.socket) -> bool:
        """Return whether this connection has no login yet."""
        return peer in self._waiting and self._sockets[peer] is connection

    def listener(self, own: socket.socket) -> "Listener":
        """The listening socket, which becomes this one's."""
        return Listener(self, own)


class Listener(socket.socket):
    """A listening socket whose connections are counted as they are accepted."""

    def __init__(self, connections: ConnectionLimits, own: socket.socket) -> None:
        super().__init__(own.family, own.type, own.proto, fileno=own.detach())
        self.connections, self.taken = connections, 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept and count a connection; at most ``A_TURN`` in a turn of the event loop."""
        # The event loop takes all that wait at once, and closes what gives way only after that.
        loop = asyncio.get_running_loop()
        while True:
            if self.taken == A_TURN:
                raise BlockingIOError
            connection, address = super().accept()
            if self.taken == 0:
                loop.call_soon(self._turn)
            self.taken += 1
            if not self.connections.turns_away(address[0], time.monotonic()):
                break
            with connection, suppress(OSError):
                if self.connections.is_plain:
                    connection.send(self.connections.refusal(address[0]))
        peer = tuple(address[:2])
        self.connections.came(peer, connection)
        loop.call_later(LOGIN_S, self._look, peer, connection)
        return connection, address

    def _turn(self) -> None:
        self.taken = 0

    def _look(self, peer: Peer, connection: socket.socket) -> None:
        if self.connections.is_without_login(peer, connection):
            self.connections.drop(peer)


def allow_files() -> int:
    """Let this process open as many files as the system lets it, MAX_FILES at most; how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(MAX_FILES, MAX_FILES if hard == resource.RLIM_INFINITY else hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else MAX_FILES
