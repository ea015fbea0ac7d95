"""Connections to a page: each owner has a share, so that no client can keep operators out.

They are counted from the accept on, before any byte of TLS: a connection that never begins its
handshake is one of them.  Without a login there are MAX_STRANGERS at most, and with one MAX_MEMBER
of each name.  For one more, the page closes the oldest: of the address that has most of those
without a login, as the acceptor of sessions does, or of the same name.  It closes each that has no
login after STRANGER_S.

The portal's API has clients without a login. There an address takes the place of the name, from its
first request on.  All names together have a bound as well: the name with most loses its oldest.

Another host opens A_SECOND connections a second, and AT_ONCE after a pause.  More of them, and all
but one a second of an address that is banned, are closed as they are accepted.
"""

import asyncio
import resource
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from openoutcry.wire.peers import HERE, owner_of
from openoutcry.wire.shares import oldest_of_most

MAX_STRANGERS, MAX_MEMBER = 256, 64
STRANGER_S = 120.0
A_TURN = 16
"""Connections that are accepted in one turn of the event loop."""
A_SECOND, AT_ONCE = 100.0, 600.0
FRAMES_A_SECOND, FRAMES_AT_ONCE, MANY = 20.0, 200.0, 10
"""Frames of a WebSocket that make no message: of a connection in a second, and at once; and how
many times that of all connections of an owner."""
MAX_FILES = 1 << 16
Peer = tuple[str, int]


class Strangers:
    """The connections of one page, the oldest first."""

    def __init__(
        self,
        most: int = MAX_STRANGERS,
        most_of_a_member: int = MAX_MEMBER,
        most_of_members: int = MAX_FILES,
    ) -> None:
        self.most, self.most_of_a_member = most, most_of_a_member
        self.most_of_members = most_of_members
        self._sockets: dict[Peer, socket.socket] = {}
        """Without a login."""
        self._members: dict[str, dict[Peer, socket.socket]] = {}
        """By the name that is logged in."""
        self._name_of: dict[Peer, str] = {}
        """Of those with a login."""
        self.refusal: Callable[[str], bytes] = lambda host: b""
        """What an address that is banned is sent, whatever it asks; nothing: it is not banned."""
        self.is_plain = False
        """Whether that may be sent before anything has come: there is no TLS."""
        self._paces: dict[Any, tuple[float, float]] = {}
        """What each owner may open and each owner and connection may send at once, and as of when.
        """

    def turns_away(self, host: str, now_s: float) -> bool:
        """Whether a connection that this host opens is one too many."""
        if host in HERE:  # a proxy on this host speaks for all its clients
            return False
        owner, (a_second, most) = owner_of(host), (A_SECOND, AT_ONCE)
        if self.refusal(host):
            a_second, most = 1.0, 1.0
        return self._spend(owner, 1, (a_second, most), now_s, 0.0) < 0.0

    def _spend(
        self, key: Any, count: int, pace: tuple[float, float], now_s: float, least: float
    ) -> float:
        """Take from a budget of ``pace``: so many in a second and so many at once; returns what is
        left, a debt if negative.  At most ``-least`` of a debt is kept."""
        if len(self._paces) >= MAX_FILES:
            self._paces.clear()
        a_second, most = pace
        left, at_s = self._paces.get(key, (most, now_s))
        left = min(left + (now_s - at_s) * a_second, most) - count
        self._paces[key] = max(left, least), now_s
        return left

    def idle_frames_wait_s(self, peer: tuple[str, int | None], count: int, now_s: float) -> float:
        """Seconds that a connection must wait after frames that make no message."""
        if not count:
            return 0.0
        debt = -self._spend(peer, count, (FRAMES_A_SECOND, FRAMES_AT_ONCE), now_s, -1e9)
        wait_s = debt / FRAMES_A_SECOND
        if peer[0] not in HERE:  # a proxy on this host speaks for all its clients
            pace = FRAMES_A_SECOND * MANY, FRAMES_AT_ONCE * MANY
            owner = "frames", owner_of(peer[0])
            wait_s = max(wait_s, -self._spend(owner, count, pace, now_s, -1e9) / pace[0])
        return max(wait_s, 0.0)

    def came(self, peer: Peer, connection: socket.socket) -> None:
        """A connection was accepted."""
        if len(self._sockets) >= self.most:
            self._sockets = _open(self._sockets)
        if len(self._sockets) >= self.most:
            self.drop(oldest_of_most({peer: owner_of(peer[0]) for peer in self._sockets}))
        self._sockets[peer] = connection

    def known(self, peer: Peer, name: str) -> None:
        """A request with a login came on a connection."""
        connection = self._sockets.pop(peer, None)
        if connection is None:
            return
        self.left(peer)  # an earlier connection from there, which has reported no end
        own = self._members.get(name, {})
        if len(own) >= self.most_of_a_member:
            for closed in own.keys() - _open(own).keys():
                self.left(closed)
        if len(own) >= self.most_of_a_member:
            self._end_oldest(own)
        self._members.setdefault(name, own)[peer] = connection
        self._name_of[peer] = name
        if len(self._name_of) > self.most_of_members:
            self._end_oldest(max(self._members.values(), key=len))

    def _end_oldest(self, own: dict[Peer, socket.socket]) -> None:
        peer, connection = next(iter(own.items()))
        self.left(peer)
        _end(connection)

    def left(self, peer: Peer) -> None:
        """A connection has ended.  Thousands may at once: the others are not looked through."""
        self._sockets.pop(peer, None)
        self._paces.pop(peer, None)
        name = self._name_of.pop(peer, None)
        if name is None:
            return
        own = self._members[name]
        del own[peer]
        if not own:
            del self._members[name]

    def drop(self, peer: Peer) -> None:
        """Close a connection if it has no login yet."""
        connection = self._sockets.pop(peer, None)
        if connection is not None:
            _end(connection)

    def counts(self) -> tuple[int, dict[str, int]]:
        """Connections without a login, and those of each name."""
        return len(self._sockets), {name: len(own) for name, own in self._members.items()}

    def listener(self, own: socket.socket) -> "Listener":
        """The listening socket, which becomes this one's."""
        return Listener(self, own)


class Listener(socket.socket):
    """A listening socket whose connections are counted as they are accepted."""

    def __init__(self, strangers: Strangers, own: socket.socket) -> None:
        super().__init__(own.family, own.type, own.proto, fileno=own.detach())
        self.strangers, self.taken = strangers, 0

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
            if not self.strangers.turns_away(address[0], time.monotonic()):
                break
            with connection, suppress(OSError):
                if self.strangers.is_plain:
                    connection.send(self.strangers.refusal(address[0]))
        peer = tuple(address[:2])
        self.strangers.came(peer, connection)
        loop.call_later(STRANGER_S, self._look, peer, connection)
        return connection, address

    def _turn(self) -> None:
        self.taken = 0

    def _look(self, peer: Peer, connection: socket.socket) -> None:
        if self.strangers._sockets.get(peer) is connection:
            self.strangers.drop(peer)


def _open(connections: dict[Peer, socket.socket]) -> dict[Peer, socket.socket]:
    """Return the connections that are still open: a handshake that failed, or a WebSocket, reports
    no end."""
    return {peer: one for peer, one in connections.items() if one.fileno() >= 0}


def _end(connection: socket.socket) -> None:
    """End a connection: its transport reads the end, and closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def allow_files() -> int:
    """Let this process open as many files as the system lets it, MAX_FILES at most; how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(MAX_FILES, MAX_FILES if hard == resource.RLIM_INFINITY else hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else MAX_FILES
