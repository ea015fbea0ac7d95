"""Connections to a page: each owner has a share, so that no client can keep operators out.

They are counted from the accept on, before any byte of TLS: a connection that never begins its
handshake is one of them.  Without a login there are MAX_WITHOUT_LOGIN at most, and with one
MAX_MEMBER of each name.  For one more, the page closes the oldest: of the address that has most of
those without a login, as the acceptor of sessions does, or of the same name.  It closes each that
has no login after LOGIN_S.

The portal's API has clients without a login. There an address takes the place of the name, from its
first request on.  All names together have a bound as well: the name with most loses its oldest.

What another host opens beyond OPENED, and all but one a second of an address that is banned, is
closed as it is accepted.
"""

import asyncio
import resource
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from openoutcry.wire.load_limits import Budgets, Places, Rate
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
        self._places: Places[Peer] = Places(most)
        """Without a login, by address."""
        self._members: Places[Peer] = Places(most_of_members, most_of_a_member)
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
        self.left(peer)  # an earlier connection from there, which has reported no end
        if self._places.is_full():
            self._leave_closed(self._places)
        if self._places.is_full():
            self.drop(self._places.oldest_of_most())
        self._places.take(owner_of(peer[0]), peer)
        self._sockets[peer] = connection

    def known(self, peer: Peer, name: str) -> None:
        """Count a connection for a name: a request with a login came on it."""
        if not self._places.leave(peer):
            return
        if self._members.is_full_of(name):
            self._leave_closed(self._members.of(name))
        if self._members.is_full_of(name):
            self._end(self._members.of(name)[0])
        self._members.take(name, peer)
        if len(self._members) > self._members.most:
            self._end(self._members.oldest_of_most())

    def left(self, peer: Peer) -> None:
        """Forget a connection that has ended."""
        self._places.leave(peer)
        self._members.leave(peer)
        self._sockets.pop(peer, None)
        self._frames.forget(peer)

    def drop(self, peer: Peer) -> None:
        """Close a connection if it has no login yet."""
        if peer in self._places:
            self._end(peer)

    def _leave_closed(self, peers: Iterable[Peer]) -> None:
        """Forget those of the connections that are closed: a handshake that failed, or a WebSocket,
        reports no end."""
        for peer in list(peers):
            if self._sockets[peer].fileno() < 0:
                self.left(peer)

    def _end(self, peer: Peer) -> None:
        """End a connection: its transport reads the end, and closes it."""
        connection = self._sockets[peer]
        self.left(peer)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def counts(self) -> tuple[int, dict[str, int]]:
        """Return the connections without a login, and those of each name."""
        return len(self._places), self._members.counts()

    def is_without_login(self, peer: Peer, connection: socket.socket) -> bool:
        """Return whether this connection has no login yet."""
        return peer in self._places and self._sockets[peer] is connection

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
