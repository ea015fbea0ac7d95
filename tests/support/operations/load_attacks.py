"""Attackers of a listener, one of each kind, and the door that they attack.

``ATTACKS`` has the kinds.  Each is called with a door and a list to which it adds its connections;
the connections come from the door's addresses in turn.
"""

import contextlib
import functools
import gzip
import os
import select
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from websockets.frames import Frame, Opcode

from openoutcry.wire.unix_socket import connect
from tests.support.waiting import BOUND_S

LOOK_MS, LOOKS = 10, 3
"""An attacker stops sending after it has looked so often in vain for room."""
OPENING_S = 0.05
"""An attacker waits no longer for the answer to an opening: its own share may be used up."""
PIECE_BYTES = 1 << 16
CONNECTIONS = 120
IS_COMPRESSED = 0x40
BOMB_BYTES = 64 << 20
MOST_MORE_BYTES = 256 << 20
"""Memory that an attack may take from a process."""
Held = list[socket.socket]


@dataclass
class Door:
    """A listener under attack."""

    address: tuple[str, int] | str
    """A host and port, or the path of a Unix socket."""
    request: bytes
    """A request of a client without a login."""
    ask: Callable[[], object]
    """An honest client's request; raises if it has no answer."""
    opening: bytes = b""
    """Sent first on each connection, and answered by a head of HTTP."""
    compressed: bytes = b""
    """A request that is compressed, where the protocol could offer that."""
    pids: Callable[[], list[int]] = lambda: [os.getpid()]
    """Processes that serve it."""
    kind: int = socket.SOCK_STREAM
    """Of a Unix socket."""
    most_left: int = 2
    """Sockets that may be open after the attack in addition."""
    addresses: int = 50
    network: int = 7
    """The attackers' addresses are 127.<network>.<0 to 255>.7."""

    def dial(self, number: int) -> socket.socket:
        """Return a connection of an attacker.  Raises ``OSError`` if it is refused."""
        if isinstance(self.address, str):
            one = socket.socket(socket.AF_UNIX, self.kind)
            connect(one, Path(self.address), BOUND_S)
            return one
        one = socket.socket()
        one.settimeout(BOUND_S)
        one.bind((f"127.{self.network}.{number % self.addresses}.7", 0))
        one.connect(self.address)
        if self.opening:
            with contextlib.suppress(ConnectionError, TimeoutError):
                one.sendall(self.opening)
                one.settimeout(OPENING_S)
                assert b"permessage-deflate" not in one.recv(1 << 12).lower()
        return one

    def memories(self) -> dict[int, int]:
        """Return the bytes that each process holds and no file has, by pid."""
        return {pid: memory_bytes(pid) for pid in self.pids()}

    def descriptors(self) -> dict[int, int]:
        """Return how many sockets each process has open, by pid."""
        return {pid: sockets_of(pid) for pid in self.pids()}


def memory_bytes(pid: int) -> int:
    """Return heap and stacks of a process and what it has touched of shared memory; 0: it has
    ended."""
    with contextlib.suppress(OSError):
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes = [row.split()[1] for row in rows if row.startswith(("RssAnon", "RssShmem"))]
        return sum(map(int, sizes)) * 1_024
    return 0


def sockets_of(pid: int) -> int:
    """Return how many sockets a process has open; 0: it has ended."""
    count = 0
    with contextlib.suppress(OSError):
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(one).startswith("socket:")
    return count


def push(one: socket.socket, data: bytes) -> None:
    """Send what the other side takes."""
    one.setblocking(False)
    poll, view, looks = select.poll(), memoryview(data), 0
    poll.register(one, select.POLLOUT)
    with contextlib.suppress(ConnectionError):
        while view and looks < LOOKS:
            try:
                view, looks = view[one.send(view[:PIECE_BYTES]) :], 0
            except BlockingIOError:
                looks += 1
                poll.poll(LOOK_MS)


def opened(door: Door, held: Held, count: int) -> Held:
    """Open connections; those that are refused are none."""
    new = []
    for number in range(count):
        with contextlib.suppress(ConnectionError):
            new.append(door.dial(number))
    held += new
    return new


def empty(door: Door, held: Held) -> None:
    """Connections that say nothing."""
    opened(door, held, CONNECTIONS)


def slow(door: Door, held: Held) -> None:
    """Connections whose requests do not come whole."""
    for number, one in enumerate(opened(door, held, CONNECTIONS)):
        push(one, door.request[: 1 + number % (len(door.request) - 2)])


def fast(door: Door, held: Held) -> None:
    """Bytes without an end that make no request."""
    for one in opened(door, held, 4):
        push(one, b"x" * (1 << 24))


def fragmented(door: Door, held: Held) -> None:
    """Requests of single bytes."""
    for one in opened(door, held, 8):
        for byte in door.request:
            push(one, bytes((byte,)))


def pipelined(door: Door, held: Held) -> None:
    """Many requests at once, whose answers are read."""
    for one in opened(door, held, 8):
        for _ in range(10):
            push(one, door.request * 50)
            with contextlib.suppress(OSError):
                while one.recv(1 << 16):
                    pass


def unread(door: Door, held: Held) -> None:
    """Answers that are not read."""
    for one in opened(door, held, CONNECTIONS // 4):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        push(one, door.request * 100)


def compressed(door: Door, held: Held) -> None:
    """Few bytes that would become very many."""
    for one in opened(door, held, 8):
        push(one, door.compressed)


COMPRESSED = {
    "portal_requests", "portal_ws_api", "portal_streams", "portal_own_stream", "console",
    "console_socket", "screen", "screen_socket", "market_pages",
}  # fmt: skip
"""Listeners of HTTP and WebSocket, whose clients may offer compression."""
ATTACKS: dict[str, Callable[[Door, Held], None]] = {
    one.__name__: one for one in (empty, slow, fast, fragmented, pipelined, unread, compressed)
}


@contextlib.contextmanager
def under_attack(door: Door, attack: str, rounds: int) -> Iterator[threading.Thread]:
    """The thread of an attack, which comes ``rounds`` times; its connections end with the block.
    Raises what the attacker raised."""
    held, errors = Held(), list[BaseException]()

    def attacks() -> None:
        try:
            for _ in range(rounds):
                ATTACKS[attack](door, held)
        except BaseException as error:
            errors.append(error)

    attacking = threading.Thread(target=attacks)
    attacking.start()
    try:
        yield attacking
        attacking.join()
    finally:
        attacking.join()
        for one in held:
            one.close()
    assert errors == []


@dataclass
class Memory:
    """What an attack takes from a door's processes."""

    door: Door
    before: dict[int, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)
    """Most bytes more than before, by process."""

    def __post_init__(self) -> None:
        self.before = self.door.memories()

    def look(self) -> None:
        """See what the processes have now."""
        for pid, size in self.door.memories().items():
            self.most[pid] = max(self.most.get(pid, 0), size - self.before.get(pid, 0))


def left(door: Door, sockets: dict[int, int]) -> bool:
    """Return whether no process has more sockets than before (``sockets``), but few."""
    counts = door.descriptors().items()
    return all(count <= sockets.get(pid, 0) + door.most_left for pid, count in counts)


def attacks_of(door: str) -> list[str]:
    """Return the attacks on a listener, by its name."""
    return [one for one in ATTACKS if one != "compressed" or door in COMPRESSED]


def frame(text: bytes) -> bytes:
    """Return a client's frame of a WebSocket with a text."""
    return Frame(Opcode.TEXT, text).serialize(mask=True)


@functools.cache
def compressed_frame() -> bytes:
    """Return a frame with a compressed text of BOMB_BYTES."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = squeezer.compress(b"a" * BOMB_BYTES) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    plain = Frame(Opcode.TEXT, data[:-4]).serialize(mask=True)
    return bytes((plain[0] | IS_COMPRESSED,)) + plain[1:]


@functools.cache
def compressed_post(path: str) -> bytes:
    """Return a request whose body is a compressed document of BOMB_BYTES."""
    body = gzip.compress(b"[" * BOMB_BYTES)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def upgrade(path: str, headers: str = "") -> bytes:
    """Return a request for a WebSocket that offers compression."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    head += "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    head += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    head += f"Sec-WebSocket-Extensions: permessage-deflate\r\n{headers}\r\n"
    return head.encode()
