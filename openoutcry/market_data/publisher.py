"""Sends packets on two lines, and again on request, through sockets that never wait.

What a socket does not take is lost on that line, as on any network: the other line and the
retransmission server have it.
"""

import contextlib
import socket
import struct

from openoutcry.market_data import mold
from openoutcry.market_data.spec import Address, FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import MOLD_HEADER_BYTES
from openoutcry.wire.load_limits import Budgets, Rate
from openoutcry.wire.peers import HERE, address_of
from openoutcry.wire.receive_queue import widen_receive_queue

REQUESTS_A_TURN = 32
"""Requests that are looked at between two turns of the feed, which waits for them meanwhile."""
MAX_CLIENTS = 4096
"""Clients whose requests are counted; of more, the one that asked longest ago is forgotten."""
CLIENTS_OF_A_HOST = 4
"""An address has the allowance of this many clients, whatever its ports."""
SEND_BUFFER_BYTES = 1 << 22


def line_socket(spec: FeedSpec) -> socket.socket:
    """A socket that multicast leaves by."""
    family = socket.AF_INET6 if spec.ipv6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if spec.ipv6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, spec.ttl)
        if spec.interface:
            index = socket.if_nametoindex(spec.interface)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, spec.ttl)
        if spec.interface:
            address = socket.inet_aton(spec.interface)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
    return sock


def join(group: Address, interface: str = "") -> socket.socket:
    """A socket that receives what is sent to a group (or, of no multicast group, to an address).

    Raises :class:`FeedError` for an address or an interface that this host does not have."""
    family = socket.AF_INET6 if ":" in group[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    widen_receive_queue(sock, SEND_BUFFER_BYTES)
    sock.setblocking(False)
    try:
        sock.bind(group)
        packed = socket.inet_pton(family, group[0])
        if family == socket.AF_INET6 and packed[0] == 0xFF:
            index = socket.if_nametoindex(interface) if interface else 0
            sock.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("@I", index)
            )
        elif family == socket.AF_INET and 224 <= packed[0] < 240:
            mine = socket.inet_aton(interface or "0.0.0.0")
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed + mine)
    except OSError as error:
        sock.close()
        host = f"[{group[0]}]" if family == socket.AF_INET6 else group[0]
        by = f" by the interface {interface}" if interface else ""
        raise FeedError(
            f"cannot listen to {host}:{group[1]}{by}: {error.strerror or error}"
        ) from None
    return sock


def send_once(spec: FeedSpec, packet: bytes) -> None:
    """Send once on both lines, before there is a publisher."""
    for group in (spec.a, spec.b):
        if group is not None:
            with line_socket(spec) as line, contextlib.suppress(OSError):
                line.sendto(packet, group)


class Publisher:
    """The lines of one stream and its retransmission server.

    ``requests``: the bound socket of the server, if there is one.
    """

    def __init__(
        self, spec: FeedSpec, session: str, store: Store, requests: socket.socket | None
    ) -> None:
        self.spec, self.session, self.store, self.requests = spec, session, store, requests
        self.sockets = []
        for group in (spec.a, spec.b):
            if group is not None:
                self.sockets.append(line_socket(spec))
                self.sockets[-1].connect(group)  # a route is sought once, not for each packet
        self.before: tuple[str, Store] | None = None
        """The session before and its messages: they are given again until this one ends."""
        most = spec.requests_per_s
        self.clients = Budgets(Rate(most, most), MAX_CLIENTS)
        of_host = most * CLIENTS_OF_A_HOST
        self._hosts = Budgets(Rate(of_host, of_host), MAX_CLIENTS)
        self.beat_ns = 0
        """When something was sent last."""
        self.packets = self.not_taken = self.answered = self.refused = 0

    def send(self, first_sequence: int, messages: bytes, now_ns: int) -> None:
        """Messages of which the first has that number, on both lines."""
        for packet in mold.packets(self.session, first_sequence, messages, self.spec.room):
            self._send(packet, now_ns)

    def beat(self, now_ns: int, sent: int = 0) -> None:
        """Send a heartbeat if nothing was sent for that long; before a session begins, send the end
        of the previous one.  An earlier process may have sent ``sent`` messages of the session,
        which the store may not have yet."""
        if now_ns - self.beat_ns < self.spec.heartbeat_ms * 1_000_000:
            return
        count = max(self.store.count, sent)
        if count == 0 and self.before is not None:
            self.say_end(now_ns)
        else:
            self._send(mold.heartbeat(self.session, count + 1), now_ns)

    def say_end(self, now_ns: int) -> None:
        """Send that the session before has ended."""
        assert self.before is not None
        session, store = self.before
        self._send(mold.end_of_session(session, store.count + 1), now_ns)

    def went_over(self, session: str, store: Store) -> None:
        """The session has ended; what is sent from now on is of another."""
        if self.before is not None:
            self.before[1].close()
        self.before = self.session, self.store
        self.session, self.store = session, store

    def _send(self, packet: bytes, now_ns: int) -> None:
        self.beat_ns = now_ns
        self.packets += 1
        for line in self.sockets:
            try:
                line.send(packet)
            except ConnectionRefusedError:  # what came back of an earlier one
                with contextlib.suppress(OSError):
                    line.send(packet)
            except OSError:
                self.not_taken += 1

    def answer(self, now_ns: int) -> int:
        """Answer requests that have come, some at a time; returns how many came."""
        if self.requests is None:
            return 0
        for number in range(REQUESTS_A_TURN):
            try:
                data, client = self.requests.recvfrom(MOLD_HEADER_BYTES + 1)
            except OSError:
                return number
            self._answer(data, client, now_ns)
        return REQUESTS_A_TURN

    def _answer(self, data: bytes, client: Address, now_ns: int) -> None:
        """One packet with what fits of what was asked for, if the client may have one more."""
        request = mold.parse_request(data)
        session, store = self.session, self.store
        if request is not None and self.before and request.session == self.before[0].encode():
            session, store = self.before
        if request is None or request.session != session.encode() or not self._may(client, now_ns):
            self.refused += 1
            return
        room = self.spec.room - MOLD_HEADER_BYTES
        count, messages = store.read(request.sequence, request.count, room)
        if not count:
            self.refused += 1
            return
        packet = mold.header(session, request.sequence, count) + messages
        assert self.requests is not None
        with contextlib.suppress(OSError):
            self.requests.sendto(packet, client)
        self.answered += 1

    def _may(self, client: Address, now_ns: int) -> bool:
        """Return whether the client has a request left, and its host: a sender can have any
        number of ports, and name another's address."""
        host, now_s = address_of(client), now_ns / 1e9
        theirs = [self.clients.of(client)]
        if host not in HERE:
            theirs.append(self._hosts.of(host))
        if any(budget.wait_s(now_s) > 0.0 for budget in theirs):
            return False
        for budget in theirs:
            budget.spend(now_s)
        return True

    def close(self) -> None:
        """Close the lines' sockets, and the store of the session before."""
        for line in self.sockets:
            line.close()
        if self.before is not None:
            self.before[1].close()
