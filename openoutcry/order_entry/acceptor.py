"""The acceptor: accepts connections, terminates TLS and checks logins.

It is its own process, in plain asyncio, because its work happens once a connection.  It reads the
first message and nothing else.  A connection with a valid login goes to the sessions stage as a
descriptor with one message (SCM_RIGHTS over a SOCK_SEQPACKET pair).  The message holds the answer
to the login, in which the stage fills in the sequence number, and the bytes that the client sent
after its login.  The acceptor answers a refused login itself.

The answer to a refused login gives no reason: neither whether the name exists nor whether the
password was right.

Its process also answers the questions of FIX sessions (order_entry/answer_desk.py), which take
longer than the stage may.

A session over shared memory logs in here as well (order_entry/shm_login.py); its segments are made
for this one connection, and the stage gets their descriptors with the socket's.  Of one that logs
in over TCP this process is the participant (order_entry/shm_frames.py).
"""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from openoutcry.order_entry import session, session_region, shm_layout, shm_login, soupbin
from openoutcry.order_entry.answer_desk import AnswerDesk
from openoutcry.order_entry.documents import Documents
from openoutcry.order_entry.fix import logon as fix_logon
from openoutcry.order_entry.passwords import dummy_hash, password_hasher
from openoutcry.order_entry.session_region import SessionRegion
from openoutcry.order_entry.shm_frames import ShmRelay
from openoutcry.order_entry.shm_segments import Segments
from openoutcry.order_entry.spec import (
    FIX_BEGIN,
    PortSpec,
    Protocol,
    SessionSpec,
    SessionsSpec,
    Takeover,
)
from openoutcry.order_entry.tls import server_context
from openoutcry.ring import ProcessIdentity
from openoutcry.wire.load_limits import Budget, Budgets, Logins, Rate, Turn, Turns
from openoutcry.wire.peers import owner_of
from openoutcry.wire.sealed_memory import give_back, make_sealed, read_only
from openoutcry.wire.shm_feed import FEED_BYTES
from openoutcry.wire.unix_socket import is_unread

HAND_BYTES, HAND_MAX = 512, 4096
REPLY_AT = 64
SOURCE_AT = 32
"""16 bytes of the client's address, IPv6 (IPv4: mapped), and its port as a word."""
LOGIN_S = 10.0
"""A connection that has not logged in by then is closed."""
CLOSE_S = 5.0
"""A peer of TLS may wait this long with its end of a connection that is closed."""
STUCK_S = 60.0
"""And with reading what the stage, which may have given it up since, has sent."""
HANDED_S = 2.0
"""A session that was handed over counts as connected for this long, until the stage says so."""
MAX_WAITING = 256
"""Connections without a login, and as many whose login is checked."""
HANDSHAKES, HANDSHAKES_EACH = Rate(per_s=50, at_once=10), Rate(per_s=10, at_once=10)
"""Handshakes of TLS that begin, in all and of one address.  Each takes milliseconds of the loop
that also relays the orders of those that have logged in over TLS."""
MAX_HASHING, MAX_HASHING_EACH = 3, 2
"""Passwords that are checked at once, in all and of one address: others' are not kept waiting."""
LOGINS = Rate(per_s=100, at_once=500)
"""Logins of a session that are let in: each is two commands or three in the sequence."""
MAX_UNREAD, MAX_UNREAD_EACH, UNREAD_LOOK_S = 128, 16, 0.005
"""Logins over shared memory whose answer the client has not taken yet, in all and of one user.  The
system lets a user have only so many descriptors in messages that nobody has read, and without one
more no session could be handed over."""
KEPT_SEGMENTS, KEPT_S = 2, 10.0
"""Logins of a session whose segments stay whole, for programs that read them to their end, and how
long after the end of the last one.  Of all others nothing is kept, however long a client holds
them."""
PAUSE_TIMES = 9
"""After a wrong password, an address waits this many times as long as the check took before its
next turn.  So guesses from one address take a tenth of a processor's time in each of its turns."""
NICE = 5
"""Priority of the acceptor's process: a login may take longer, an order may not."""
MAX_ATTEMPTS = 4096
UNREAD_BYTES = 1 << 16
"""What the system may hold of a throttled session that is not read (it doubles this): what is
beyond its rate waits there, and its cancels after it."""
MAX_SEQUENCE = (1 << 63) - 1
"""The highest message number that a login may ask for: the largest value of an i64."""
SEQUENCE_AT = soupbin.HEADER_BYTES + 10
"""Where login_accepted has the sequence number."""
REASONS = (
    "connection lost", "malformed login", "wrong name or password", "locked",
    "address not allowed", "already connected", "another session", "another name",
    "another target", "too many connections", "switched off", "number too high",
)  # fmt: skip
"""Why a login is refused, in the order of their words in a session's block."""
SOUPBIN_PROTOCOLS = {Protocol.OUCH42, Protocol.OUCH50, Protocol.DROP_COPY}


class Refused(Exception):
    """Why a login is refused, one of REASONS: for our own counters; the client sees ``letter``.
    ``index``: of the session that it named, 0 if there is no such one."""

    def __init__(self, why: str, letter: str = "A", index: int = 0) -> None:
        super().__init__(why)
        self.letter, self.index = letter, index


@dataclass
class Attempts:
    """Failed logins in a row: of one session from one address, or of no session's name."""

    failures: int = 0
    locked_until_s: float = 0.0


@dataclass
class Acceptor:
    """Lets sessions in; ``listeners`` belong to ``spec.ports``, in their order."""

    spec: SessionsSpec
    region: SessionRegion
    listeners: Sequence[socket.socket]
    sessions: socket.socket
    """Its end of the pair to the stage."""
    day: str
    """The session that SoupBinTCP logins may ask for."""
    feed_fd: int = -1
    """Descriptor of the feed in shared memory, which a session over shared memory may read; -1 if
    the venue has no such feed."""
    desk: AnswerDesk | None = None
    """Answers the questions of FIX sessions, in a thread of this process."""
    attempts: dict[tuple[str, str], Attempts] = field(default_factory=dict)
    handed: dict[int, tuple[int, float]] = field(default_factory=dict)
    waiting: Logins[asyncio.Task[None]] = field(default_factory=lambda: Logins(MAX_WAITING))
    """Connections that have not logged in, by the address that they came from."""

    def __post_init__(self) -> None:
        self.documents = Documents(self.region.documents, self.spec.sessions)
        self._names: dict[str, tuple[int, SessionSpec]] = {}
        self._versions: bytes | None = None
        self.hasher = password_hasher()
        self.dummy_hash = dummy_hash(self.hasher)
        """Checked for a name that does not exist, so that its answer takes as long."""
        self.no_key = secrets.token_bytes(shm_login.KEY_BYTES)
        """The key that is used for a session that does not exist."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self.handshakes, self.handshakes_each = Budget(HANDSHAKES), Budgets(HANDSHAKES_EACH)
        self.unread = Turns(MAX_UNREAD, MAX_UNREAD_EACH, 2 * MAX_WAITING)
        self.came = asyncio.Event()
        """Of a login over shared memory."""
        self.logins = Budgets(LOGINS)
        """Of each session, by its index."""
        self.segments: dict[int, deque[tuple[int, ...]]] = {}
        """Descriptors of a session's last segments, by its index."""
        self.hashing = Turns(MAX_HASHING, MAX_HASHING_EACH, MAX_WAITING)
        """Of each address whose passwords are being checked."""

    @property
    def names(self) -> dict[str, tuple[int, SessionSpec]]:
        """Index and session of each name, as they are now."""
        versions = self.documents.versions.tobytes()
        if versions != self._versions:
            rows = enumerate(self.documents.rows(), 1)
            self._names = {row.name.casefold(): (at, row) for at, row in rows if row.is_there}
            self._versions = versions
        return self._names

    async def _documents_read(self) -> None:
        """Wait until the sessions that the journal knows of are known here."""
        until_s = asyncio.get_running_loop().time() + LOGIN_S
        while self.documents.is_awaited and asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(0.005)

    def run(self) -> None:
        """Run until the process ends."""
        os.nice(NICE)
        if self.desk is not None:
            self.desk.start()
        asyncio.run(self._run())

    async def _run(self) -> None:
        loops = [
            self._listen(listener, port)
            for listener, port in zip(self.listeners, self.spec.ports, strict=True)
        ]
        await asyncio.gather(*loops)

    async def _listen(self, listener: socket.socket, port: PortSpec) -> None:
        listener.setblocking(False)
        context = None
        if port.tls_cert is not None:
            assert port.tls_key is not None
            context = server_context(port.tls_cert, port.tls_key)
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(listener)
            except OSError:
                # No descriptor is left, or the client has gone already.
                await asyncio.sleep(0.05)
                continue
            if port.path is not None:
                self.admit_shm(client)
            else:
                self.admit(client, port, peer, context)

    def admit(
        self,
        client: socket.socket,
        port: PortSpec,
        peer: tuple[Any, ...],
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Serve a new connection to ``port`` in its own task; ``peer``: its address and port."""
        self._start(self._receive(client, port, context, peer), owner_of(peer[0]))

    def admit_shm(self, client: socket.socket) -> None:
        """Serve a new connection to the Unix socket in its own task, if it comes from a process of
        a user that some session names."""
        try:
            peer = shm_login.peer_of(client)
        except OSError:
            client.close()
            return
        sessions = [row for row in self.spec.sessions if row.protocol == Protocol.SHM]
        if not any(may_log_in(peer, row) for row in sessions):
            self._count("address not allowed")
            client.close()
            return
        self._start(self._receive_shm(client, peer), f"user {peer.uid}")

    def _start(self, receiving: Coroutine[Any, Any, None], owner: str) -> None:
        task = asyncio.get_running_loop().create_task(receiving)
        self._turn_away(self.waiting.came(owner, task))
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _turn_away(self, oldest: asyncio.Task[None] | None) -> None:
        """Close a connection that gives way to another one, if there is one."""
        if oldest is not None:
            self._count("too many connections")
            oldest.cancel()

    def _has_begun(self) -> None:
        """The login of this task's connection has come whole."""
        if (task := asyncio.current_task()) is not None:
            self._turn_away(self.waiting.begun(task))

    def _has_logged_in(self) -> None:
        """This task's connection is one with a login."""
        if (task := asyncio.current_task()) is not None:
            self.waiting.leave(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.waiting.leave(task)

    async def _receive(
        self,
        client: socket.socket,
        port: PortSpec,
        context: ssl.SSLContext | None,
        peer: tuple[Any, ...],
    ) -> None:
        address, source = peer[0], packed_source(peer)
        try:
            client.setblocking(False)
            if client.family != socket.AF_UNIX:  # where nothing waits for more
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if port.protocol == Protocol.SHM:
                await self._let_in_frames(client, address, source, context)
            elif context is None:
                await self._let_in_plain(client, port, address, source)
            else:
                await self._let_in_tls(client, port, address, source, context)
        except (OSError, TimeoutError, ssl.SSLError):
            self._count("connection lost")
        except Exception:  # no bytes of a client may end as a traceback: refuse and count it
            self._count("malformed login")
        finally:
            client.close()

    async def _receive_shm(self, client: socket.socket, peer: shm_login.Peer) -> None:
        try:
            client.setblocking(False)
            await self._let_in_shm(client, peer)
        except (OSError, TimeoutError):
            self._count("connection lost")
        except Exception:  # as over TCP
            self._count("malformed login")
        finally:
            client.close()

    async def _let_in_shm(self, client: socket.socket, peer: shm_login.Peer) -> None:
        loop = asyncio.get_running_loop()
        asked = shm_login.challenge(secrets.token_bytes(shm_login.NONCE_BYTES))
        await loop.sock_sendall(client, asked)
        try:
            data = await in_time(loop.sock_recv(client, HAND_BYTES), loop.time() + LOGIN_S)
            request, index, row = self._check_shm(
                data, asked, f"user {peer.uid}", lambda row: may_log_in(peer, row)
            )
        except Refused as refused:
            self._count(str(refused), refused.index)
            if refused.letter:
                with contextlib.suppress(OSError):  # it has gone, and is counted
                    await loop.sock_sendall(client, shm_login.refusal(refused.letter))
            return
        # Who waits for a client to read looks now, and not after the next nap.
        self.came.set()
        self.came.clear()
        async with self.unread.turn(f"user {peer.uid}"):
            with contextlib.ExitStack() as ours:
                # What the journal notes of a login: this host's address, and the process in place
                # of a port.
                source = packed_source(("127.0.0.1", peer.pid))
                pidfd = shm_login.pidfd_of(client, peer)
                segments = await self._hand_shm(index, row, request, source, client, pidfd, ours)
                given, feed_bytes = [segments[0], read_only(segments[1])], 0
                ours.callback(os.close, given[-1])
                if self.feed_fd >= 0:
                    given.append(read_only(self.feed_fd))
                    ours.callback(os.close, given[-1])
                    feed_bytes = FEED_BYTES
                told = shm_login.answer(row.key, request, self.day, feed_bytes)
                socket.send_fds(client, [told], given)
                self._keep_segments(index, *segments)
            self._has_logged_in()
            while is_unread(client):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UNREAD_LOOK_S):
                        await self.came.wait()

    def _keep_segments(self, index: int, *segments: int) -> None:
        """Keep the segments of a session's login until KEPT_SEGMENTS others have come."""
        kept = self.segments.setdefault(index, deque())
        if not kept:
            task = asyncio.get_running_loop().create_task(self._look_at_segments(index))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        kept.append(tuple(map(os.dup, segments)))
        self._give_back(kept, KEPT_SEGMENTS)

    async def _look_at_segments(self, index: int) -> None:
        """Give the segments of a session back when it has ended, and no login is under way."""
        kept, block = self.segments[index], self.region.block(index)
        while kept:
            await asyncio.sleep(KEPT_S)
            _, at_s = self.handed[index]
            is_late = asyncio.get_running_loop().time() - at_s >= KEPT_S
            if is_late and int(block[session.FD // 8]) < 0:
                self._give_back(kept, 0)

    def _give_back(self, kept: deque[tuple[int, ...]], left: int) -> None:
        """Give all but the last segments back."""
        while len(kept) > left:
            for segment in kept.popleft():
                give_back(segment)
                os.close(segment)

    async def _let_in_frames(
        self, client: socket.socket, address: str, source: bytes, context: ssl.SSLContext | None
    ) -> None:
        """The same over TCP: this process has the segments, and relays their records."""
        reader, writer = await self._streams(client, address, context)
        async with _closed(writer):
            nonce = secrets.token_bytes(shm_login.NONCE_BYTES)
            asked = shm_login.challenge(nonce, shm_login.TCP_MAGIC)
            writer.write(asked)
            until_s = asyncio.get_running_loop().time() + LOGIN_S
            try:
                data = await in_time(_exactly(reader, shm_login.LOGIN.size), until_s)
                self._has_begun()
                request, index, row = self._check_shm(
                    data,
                    asked,
                    f"address {owner_of(address)}",
                    lambda row: _is_inside(address, row),
                )
            except Refused as refused:
                self._count(str(refused), refused.index)
                if refused.letter:
                    writer.write(shm_login.refusal(refused.letter))
                return
            ours, theirs = socket.socketpair()
            with ours:
                with theirs, contextlib.ExitStack() as handed:
                    theirs.setblocking(False)
                    pidfd = os.pidfd_open(os.getpid())
                    fds = await self._hand_shm(index, row, request, source, theirs, pidfd, handed)
                    segments = Segments.mapped(*fds)
                told = shm_login.answer(row.key, request, self.day)
                writer.write(told)
                self._has_logged_in()
                queue = min(row.queue_bytes, 1 << 20)  # counts towards how far a reader may lag
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_SNDBUF, queue
                )
                keys = shm_login.frame_keys(row.key, asked, request.data, told)
                await ShmRelay(segments, ours, keys).run(reader, writer)

    async def _hand_shm(
        self,
        index: int,
        row: SessionSpec,
        request: shm_login.LoginRequest,
        source: bytes,
        end: socket.socket,
        pidfd: int,
        ours: contextlib.ExitStack,
    ) -> list[int]:
        """Hand a login over shared memory to the stage: ``end`` of its socket, ``pidfd`` of its
        process, and two new segments.  Returns their descriptors; ``ours`` closes them and the
        pidfd."""
        ours.callback(os.close, pidfd)
        sizes = {"requests": shm_layout.REQUESTS_BYTES, "replies": shm_layout.REPLIES_BYTES}
        segments = []
        for name, size in sizes.items():
            segments.append(make_sealed(f"{row.name}-{name}", size))
            ours.callback(os.close, segments[-1])
        head = struct.pack("<4q", index, request.first_reply, 0, 0)
        message = (head + source).ljust(HAND_BYTES, b"\0")
        await self._hand(message, [end.fileno(), pidfd, *segments])
        return segments

    def _check_shm(
        self, data: bytes, asked: bytes, owner: str, may_log_in: Callable[[SessionSpec], bool]
    ) -> tuple[shm_login.LoginRequest, int, SessionSpec]:
        """Read and check a login with a session's key; ``may_log_in``: whether a session may from
        where the login came.  Raises :class:`Refused`."""
        if not data:
            raise Refused("connection lost", "")
        try:
            request = shm_login.read_login(data)
        except shm_login.ShmLoginError as error:
            raise Refused("malformed login", "") from error
        name = request.name.casefold()
        index, row = self.names.get(name, (0, None))
        now_s = asyncio.get_running_loop().time()
        known = row is not None and row.protocol == Protocol.SHM
        mine = row is not None and known and may_log_in(row)
        self._forget_attempts(now_s)
        tried = self.attempts.setdefault((name if row else "", owner), Attempts())
        # For a name that is unknown, or another user's, the answer takes as long.
        key = row.key if row is not None and mine else self.no_key
        right = shm_login.is_login_of(key, asked, request)
        index = index if known else 0
        if tried.locked_until_s > now_s:
            raise Refused("locked", index=index)
        if row is None or not mine or not right:
            self._failed(tried, index, now_s)
            if known and not mine:
                raise Refused("address not allowed", index=index)
            raise Refused("wrong name or password", index=index)
        block = self.region.block(index)
        if block[session.KILLED // 8] or block[session.SWITCH // 8] == session.SWITCH_OFF:
            raise Refused("switched off", index=index)
        tried.failures = 0
        if request.day not in ("", self.day):
            raise Refused("another session", "S", index)
        if not 0 <= request.first_reply <= MAX_SEQUENCE:
            raise Refused("number too high", "S", index)
        self._require_free(index, row)
        return request, index, row

    def _failed(self, tried: Attempts, index: int, now_s: float) -> None:
        """Count a failed login, and lock its name for its address after too many."""
        tried.failures += 1
        if tried.failures >= self.spec.failures_before_lock:
            tried.failures, tried.locked_until_s = 0, now_s + self.spec.lock_s
            locked_ns = int(tried.locked_until_s * 1e9)
            self.region.block(index)[session.LOCKED_UNTIL_NS // 8] = locked_ns

    async def _let_in_plain(
        self, client: socket.socket, port: PortSpec, address: str, source: bytes
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            index, reply, rest, sequence = await self._login(
                lambda: loop.sock_recv(client, HAND_BYTES), port, address
            )
        except Refused as refusal:
            self._count(str(refusal), refusal.index)
            if port.protocol in SOUPBIN_PROTOCOLS and refusal.letter:
                with contextlib.suppress(OSError):  # it has gone, and is counted
                    await loop.sock_sendall(client, soupbin.login_rejected(refusal.letter))
            return
        await self._hand_over(index, client, reply, rest, sequence, source)

    async def _let_in_tls(
        self,
        client: socket.socket,
        port: PortSpec,
        address: str,
        source: bytes,
        context: ssl.SSLContext,
    ) -> None:
        """The stage gets one end of a pair; this process relays between the other and TLS."""
        reader, writer = await self._streams(client, address, context)
        async with _closed(writer):
            try:
                index, reply, rest, sequence = await self._login(
                    lambda: reader.read(HAND_BYTES), port, address
                )
            except Refused as refusal:
                self._count(str(refusal), refusal.index)
                if port.protocol in SOUPBIN_PROTOCOLS and refusal.letter:
                    writer.write(soupbin.login_rejected(refusal.letter))
                return
            ours, theirs = socket.socketpair()
            mine_reader, mine_writer = await asyncio.open_connection(sock=ours)
            with contextlib.closing(mine_writer):
                with theirs:
                    theirs.setblocking(False)
                    await self._hand_over(index, theirs, reply, rest, sequence, source)
                self._has_logged_in()
                relays = [_relay(reader, mine_writer), _relay(mine_reader, writer)]
                tasks = [asyncio.ensure_future(relay) for relay in relays]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for way in tasks:
                    way.cancel()

    async def _streams(
        self, client: socket.socket, address: str, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the streams of a connection, which has TLS if there is a context for it."""
        if context is not None:
            await self.handshakes_each.of(owner_of(address)).wait()
            await self.handshakes.wait()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        # From here on the transport closes it, when it has said so: closed under the transport, its
        # number would be the next connection's while this one is still checked.
        owned = socket.socket(fileno=client.detach())
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, owned, ssl=context, ssl_handshake_timeout=LOGIN_S if context else None
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _login(
        self, read: Callable[[], Coroutine[Any, Any, bytes]], port: PortSpec, address: str
    ) -> tuple[int, bytes, bytes, int]:
        """Read and check the first message.

        Returns the session's index, the answer to the login, the bytes for the stage to read, and
        the sequence number that the client asks for.

        Raises :class:`Refused`.
        """
        data = b""
        first = _first_message if port.protocol in FIX_BEGIN else _first_packet
        size, until_s = 0, asyncio.get_running_loop().time() + LOGIN_S
        while not size:
            more = await in_time(read(), until_s)
            if not more:
                raise Refused("connection lost", "")
            data += more
            size = first(data)
        self._has_begun()
        if port.protocol in FIX_BEGIN:
            return await self._log_on(data, size, port, address)
        try:
            login = soupbin.read_login(data[:size])
        except soupbin.LoginError as error:
            raise Refused("malformed login", "") from error
        index, row = await self._authenticate(login.username, login.password, port, address)
        if login.session.strip() not in ("", self.day):
            raise Refused("another session", "S", index)
        if login.sequence > MAX_SEQUENCE:  # up to there the stage answers, which knows the stream
            raise Refused("number too high", "S", index)
        self._require_free(index, row)
        reply = soupbin.login_accepted(self.day, 0)
        return index, reply, data[size:], login.sequence

    async def _log_on(
        self, data: bytes, size: int, port: PortSpec, address: str
    ) -> tuple[int, bytes, bytes, int]:
        """Like :meth:`_login` over FIX: the stage reads the Logon again, and answers it."""
        try:
            logon = fix_logon.read_logon(data[:size])
        except fix_logon.LogonError as error:
            raise Refused("malformed login", "") from error
        index, row = await self._authenticate(logon.sender, logon.password, port, address)
        ours = row.target or self.spec.name, FIX_BEGIN[row.protocol]
        # Names are compared exactly here: they are those of every message that follows.
        if row.name != logon.sender or logon.username not in ("", row.name):
            raise Refused("another name", index=index)
        if (logon.target, logon.begin) != ours:
            raise Refused("another target", index=index)
        self._require_free(index, row)
        return index, b"", data, 0

    async def _authenticate(
        self, name: str, password: str, port: PortSpec, address: str
    ) -> tuple[int, SessionSpec]:
        await self._documents_read()
        index, row = self.names.get(name.strip().casefold(), (0, None))
        known = row is not None and row.protocol == port.protocol
        now_s = asyncio.get_running_loop().time()
        # By address too, or a stranger could lock a participant out with failed logins under its
        # name.
        owner = owner_of(address)
        who = name.strip().casefold() if row else "", owner
        self._forget_attempts(now_s)
        tried = self.attempts.setdefault(who, Attempts())
        locked = tried.locked_until_s > now_s
        password_hash = row.password_hash if row is not None and known else self.dummy_hash
        # Whatever it is that will be refused, the answer takes as long.
        async with contextlib.AsyncExitStack() as held:
            turn = await held.enter_async_context(self.hashing.turn(f"address {owner}"))
            # A connection that is turned away now does not end the thread that hashes for it, and
            # no other hashes in its place before that has ended.
            checking = asyncio.get_running_loop().create_task(
                self._verify(password_hash, password, turn, held.pop_all())
            )
            self.tasks.add(checking)
            checking.add_done_callback(self.tasks.discard)
        right = await asyncio.shield(checking)
        if row is not None and self.names.get(name.strip().casefold()) != (index, row):
            right = False  # its password is another one by now, or it was removed
        index = index if known else 0
        # Others that waited for their turn at the same time may have failed since.
        now_s = asyncio.get_running_loop().time()
        if locked or tried.locked_until_s > now_s:
            raise Refused("locked", index=index)
        if row is None or not known or not right:
            self._failed(tried, index, now_s)
            raise Refused("wrong name or password", index=index)
        if row.networks and not _is_inside(address, row):
            raise Refused("address not allowed", index=index)
        block = self.region.block(index)
        if block[session.KILLED // 8] or block[session.SWITCH // 8] == session.SWITCH_OFF:
            raise Refused("switched off", index=index)
        tried.failures = 0
        return index, row

    def _count(self, why: str, index: int = 0) -> None:
        """A refused login, in the block of the session that it named: for the operator."""
        self.region.block(index)[session.LOGINS // 8 + REASONS.index(why)] += 1

    def _forget_attempts(self, now_s: float) -> None:
        """Keep no more than a bounded number of failed logins in mind: what is locked stays."""
        if len(self.attempts) >= MAX_ATTEMPTS:
            self.attempts = {
                who: one for who, one in self.attempts.items() if one.locked_until_s > now_s
            }

    async def _verify(
        self, password_hash: str, password: str, turn: Turn, held: contextlib.AsyncExitStack
    ) -> bool:
        """Check a password in a thread; ``held`` ends with it.  The address has its turn back then,
        or, if the password was wrong, PAUSE_TIMES as long after it as it took."""
        from argon2.exceptions import InvalidHashError, VerificationError

        loop, right = asyncio.get_running_loop(), False
        begun_s = loop.time()
        async with held:
            try:
                right = await asyncio.to_thread(self.hasher.verify, password_hash, password)
            except (VerificationError, InvalidHashError):
                right = False
            finally:
                pause_s = 0.0 if right else PAUSE_TIMES * (loop.time() - begun_s)
                turn.pause_s, turn.has_failed = min(pause_s, LOGIN_S), not right
        return right

    def _require_free(self, index: int, row: SessionSpec) -> None:
        """One connection a session, unless a second one takes over.  Connections end with the
        process that has them; the one in its place takes new logins when it has found its place."""
        block, now_s = self.region.block(index), asyncio.get_running_loop().time()
        stage = ProcessIdentity.of_word(self.region[session_region.STAGE_PROCESS])
        connected = int(block[session.FD // 8]) >= 0 and stage.has_descriptors()
        generation, at_s = self.handed.get(index, (-1, 0.0))
        under_way = generation == block[session.GENERATION // 8] and now_s - at_s < HANDED_S
        if (connected or under_way) and row.takeover == Takeover.REFUSE:
            raise Refused("already connected", "S", index)
        if not self.logins.of(index).take(now_s):
            raise Refused("too many connections", "S", index)
        self.handed[index] = int(block[session.GENERATION // 8]), now_s

    async def _hand_over(
        self,
        index: int,
        client: socket.socket,
        reply: bytes,
        rest: bytes,
        sequence: int,
        source: bytes,
    ) -> None:
        # The kernel's send buffer counts towards how far a reader may lag.
        row = self.documents.row(index)
        queue = row.queue_bytes
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, min(queue, 1 << 20))
        if row.throttle_per_s:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        head = struct.pack("<4q", index, sequence, len(reply), SEQUENCE_AT) + source
        message = (head.ljust(REPLY_AT, b"\0") + reply).ljust(HAND_BYTES, b"\0") + rest
        await self._hand(message, [client.fileno()])

    async def _hand(self, message: bytes, descriptors: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self.sessions, [message], descriptors)
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)


async def in_time(read: Coroutine[Any, Any, bytes], until_s: float) -> bytes:
    """Return what ``read`` gets by then, of the loop's clock; also if it had come by then and this
    process had no core to look. Raises :class:`TimeoutError`."""
    loop = asyncio.get_running_loop()
    reading = loop.create_task(read)
    try:
        await asyncio.wait([reading], timeout=until_s - loop.time())
        if not reading.done():
            raise TimeoutError
        return reading.result()
    finally:
        if not reading.done():
            reading.cancel()
            await asyncio.wait([reading])  # after it no task reads its descriptor


def _first_packet(data: bytes) -> int:
    """Bytes of the first whole packet, 0 if it is not there yet."""
    if len(data) < 2:
        return 0
    size = 2 + int.from_bytes(data[:2], "big")
    if size > soupbin.MAX_CLIENT_PACKET:
        raise Refused("malformed login", "")
    return size if len(data) >= size else 0


def _first_message(data: bytes) -> int:
    """Bytes of the first whole FIX message, 0 if it is not there yet."""
    try:
        return fix_logon.first_message(data)
    except fix_logon.LogonError as error:
        raise Refused("malformed login", "") from error


def packed_source(peer: tuple[Any, ...]) -> bytes:
    """Return where a connection comes from, as a hand-over has it at SOURCE_AT: 24 bytes."""
    ip = ipaddress.ip_address(peer[0].partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        ip = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed)
    return ip.packed + struct.pack("<q", peer[1])


def may_log_in(peer: shm_login.Peer, row: SessionSpec) -> bool:
    """Return whether a process of this host may be the session's participant."""
    return shm_login.may_log_in(peer, row.uid, row.gid)


def _is_inside(address: str, row: SessionSpec) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in row.networks)


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    """Return so many bytes, or nothing if the connection ends before."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return b""


@contextlib.asynccontextmanager
async def _closed(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close after all that was written; a peer that does not read it is aborted after CLOSE_S."""
    try:
        yield
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
    finally:
        writer.transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            async with asyncio.timeout(STUCK_S):
                await writer.drain()
