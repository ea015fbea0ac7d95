"""A venue with sessions in a separate process, and clients that are kernels: what a participant
sees of an order, and how many orders a venue takes."""

import contextlib
import json
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.gateway import listening, sent
from openoutcry.bench.peers.programs import binary
from openoutcry.bench.scratch import scratch_folder
from openoutcry.host.processes import fork
from openoutcry.journal import JournalReader
from openoutcry.order_entry import soupbin
from openoutcry.wire import OutcryError, make_instruments, sockets
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import load_i64, monotonic_ns, store_i64, yield_cpu
from openoutcry.wire.messages import OUCH42

SYMBOLS = [f"SYM{k}" for k in range(8)]
ORDER_BYTES = soupbin.HEADER_BYTES + OUCH42.from_client("O").size_bytes
ACCEPTED_BYTES = soupbin.HEADER_BYTES + OUCH42.from_server("A").size_bytes
CANCELED_BYTES = soupbin.HEADER_BYTES + OUCH42.from_server("C").size_bytes
PASSWORD = "bench"
KEY = bytes(range(32))
"""The secret of every session over shared memory."""
SILENCE_NS = 60_000_000_000
"""A client waits for an answer as long as this."""
IN_FLIGHT = 256
"""Orders that a session has sent and not been answered, at most."""
ANSWER_ROOM = 1 << 16
AT_ONCE = 128
"""Orders that it sends in one call, at most."""
CORES = 4
"""With fewer, a client shares its core with the venue's journal and feed, and gives it to them when
it finds nothing.  It yields: a nap of 5 us does not give the core away on a virtual machine.  Its
timer has ended before the kernel can switch, so the client keeps the core for 22 us each time."""
PLACE_BYTES = 24
"""A connection of the loop that answers: its socket; bytes of an order that is not whole; bytes
that are owed."""
FD, BEGIN, SENT, SENT_END, GOT, GOT_END = range(0, 48, 8)
CLIENT_BYTES = 64
"""A client of :func:`pump`: its socket; addresses of its packets: the first, the next to send, the
end of the last; bytes of answers received and expected."""

Array = npt.NDArray[Any]
OnEnd = Callable[[Path], None] | None


@kernel
def answered_in_time(fd: int, answered: int, start_ns: int, buffer: int) -> bool:
    """Take ``answered`` bytes; false when the peer has gone, or has said nothing to the end since
    ``start_ns``."""
    got, turns = 0, 0
    while got < answered:
        more = sockets.recv(fd, buffer, answered - got)
        if more == 0:
            return False
        if more > 0:
            got += more
        turns += 1
        if turns & 0xFFFF == 0 and monotonic_ns() - start_ns > SILENCE_NS:
            return False
    return True


@kernel
def round_trips(
    fd: int, packets: int, packet_bytes: int, answered: int, count: int, buffer: int, times: int
) -> int:
    """Send ``count`` packets, each when the one before is answered; ns of each to ``times``.
    Returns 0, or -1 when the peer has gone or says nothing any more."""
    for index in range(count):
        start = monotonic_ns()
        if sockets.send(fd, packets + packet_bytes * index, packet_bytes) != packet_bytes:
            return -1
        if not answered_in_time(fd, answered, start, buffer):
            return -1
        Words(times)[index] = monotonic_ns() - start
    return 0


@kernel
def pump(clients: int, count: int, answer: int, buffer: int, buffer_bytes: int, yields: int) -> int:
    """Let ``count`` clients (rows of CLIENT_BYTES) send what they have, IN_FLIGHT orders each ahead
    of their answers, until all is answered.  With ``yields`` 1 a look that found nothing gives the
    core away.  Returns the ns that it took, or -1."""
    start = monotonic_ns()
    last = start
    left = count
    while left > 0:
        left, moved = 0, 0
        for index in range(count):
            client = clients + CLIENT_BYTES * index
            got, end = load_i64(client + GOT), load_i64(client + GOT_END)
            if got >= end:
                continue
            left += 1
            fd, at = load_i64(client + FD), load_i64(client + SENT)
            may = load_i64(client + BEGIN) + (got // answer + IN_FLIGHT) * ORDER_BYTES
            size = min(may, load_i64(client + SENT_END)) - at
            size = min(size, AT_ONCE * ORDER_BYTES)
            if size > 0:
                done = sockets.send(fd, at, size)
                if done > 0:
                    store_i64(client + SENT, at + done)
                    moved += 1
            more = sockets.recv(fd, buffer, min(buffer_bytes, end - got))
            if more == 0:
                return -1
            if more > 0:
                store_i64(client + GOT, got + more)
                moved += 1
        if moved > 0:
            last = monotonic_ns()
        elif monotonic_ns() - last > SILENCE_NS:
            return -1
        elif yields != 0:
            yield_cpu()
    return monotonic_ns() - start


@kernel
def answer_sockets(
    places: int, count: int, asked: int, answered: int, buffer: int, buffer_bytes: int, stop: int
) -> int:
    """Answer in place of a venue, until the word ``stop`` is set; returns how often.  For each
    ``asked`` bytes that a socket of the ``places`` (rows of three words) has sent, send
    ``answered`` bytes."""
    total = 0
    while SharedWord(stop).value == 0:
        for index in range(count):
            place = Words(places + PLACE_BYTES * index)
            more = sockets.recv(place[0], buffer, buffer_bytes)
            if more > 0:
                came = place[1] + more
                place[1] = came % asked
                place[2] += came // asked * answered
                total += came // asked
            if place[2] > 0:
                done = sockets.send(place[0], buffer, min(place[2], buffer_bytes))
                if done > 0:
                    place[2] -= done
    return total


def order_packets(first: int, count: int, time_in_force: int, price: int) -> Array:
    """``count`` packets with orders that differ in token and instrument: (count, ORDER_BYTES)."""
    one = OUCH42.from_client("O").pack(
        token="0" * 14,
        side="B",
        symbol=SYMBOLS[0],
        shares=100,
        time_in_force=time_in_force,
        firm="FIRM",
        price=price,
        display="Y",
        capacity="P",
        iso="N",
        cross="N",
        customer=" ",
    )
    packet = np.frombuffer(soupbin.packet("U", one), np.uint8)
    packets = np.tile(packet, (count, 1))
    at = soupbin.HEADER_BYTES + OUCH42.from_client("O").offsets["token"]
    numbers = np.arange(first, first + count)
    for place in range(13, -1, -1):
        packets[:, at + place] = 48 + numbers % 10
        numbers //= 10
    symbols = np.frombuffer("".join(s.ljust(8) for s in SYMBOLS).encode(), np.uint8).reshape(-1, 8)
    at = soupbin.HEADER_BYTES + OUCH42.from_client("O").offsets["symbol"]
    packets[:, at : at + 8] = symbols[np.arange(count) % len(SYMBOLS)]
    return packets


def log_in(port: int, name: str, sequence: int = 1) -> socket.socket:
    """A connection whose login is answered. The venue sends the session's messages from
    ``sequence`` on again (0: only what is new)."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(soupbin.login_packet(soupbin.LoginRequest(name, PASSWORD, sequence=sequence)))
    answer = client.recv(3, socket.MSG_WAITALL)
    body = client.recv(int.from_bytes(answer[:2], "big") - 1, socket.MSG_WAITALL)
    if answer[2:] != b"A":
        raise OutcryError(f"bench sessions: login {name} was answered {answer + body!r}")
    client.setblocking(False)
    return client


@dataclass(frozen=True)
class Served:
    """A venue's process, and where its sessions log in: a port, or the path of a socket."""

    door: str
    process: "subprocess.Popen[str]"

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop its processes while the block runs."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def venue(
    sessions: int,
    durability: str,
    orders: int,
    protocol: str = "OUCH42",
    on_end: OnEnd = None,
    risk: bool = False,
) -> Iterator[int]:
    """A venue of ``sessions`` sessions, named S1, S2 …; gives its port. When the venue has ended,
    ``on_end`` is called with its journal's folder. With ``risk`` every limit is set, none of which
    rejects."""
    with served(sessions, durability, orders, protocol, on_end, risk) as one:
        yield int(one.door)


@contextlib.contextmanager
def served(
    sessions: int,
    durability: str,
    orders: int,
    protocol: str = "OUCH42",
    on_end: OnEnd = None,
    risk: bool = False,
    feed: dict[str, Any] | None = None,
    ouch_too: bool = False,
    packets: str | None = None,
) -> Iterator[Served]:
    """Like :func:`venue`, over any protocol.

    The argument ``feed`` has fields of the public feed's FeedSpec, which needs a journal.  With
    ``ouch_too`` one more session is over OUCH, and ``door`` has its port as a second word.  A port
    of authenticated packets is ``packets``: the participant after the last session's may send
    them, with KEY."""
    with scratch_folder("sessions") as folder:
        journal = Path(folder) / "journal"
        document = {
            "sessions": sessions,
            "durability": durability,
            "orders": orders,
            "journal": str(journal),
            "protocol": protocol,
            "risk": risk,
            "feed": feed,
            "path": str(Path(folder) / "shm.socket"),
            "ouch_too": ouch_too,
            "packets": packets,
        }
        command = [sys.executable, "-m", __name__, json.dumps(document)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        try:
            doors = [process.stdout.readline().strip() for _ in range(1 + ouch_too)]
            if not all(doors):
                raise OutcryError(f"bench sessions: the venue ended with {process.wait()}")
            yield Served(" ".join(doors), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            code = process.wait()
            process.stdout.close()
        if code:
            raise OutcryError(f"bench sessions: the venue ended with {code}")
        if on_end is not None:
            on_end(journal)


@contextlib.contextmanager
def tcp_echo(packet_bytes: int, answered: int) -> Iterator[socket.socket]:
    """A connection to the bare echo."""
    command = [str(binary("tcp_echo")), str(packet_bytes), str(answered)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        client = socket.create_connection(("127.0.0.1", int(process.stdout.readline())))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        with client:
            yield client


def latencies(client: socket.socket, packets: Array, answered: int = ACCEPTED_BYTES) -> Array:
    """ns from each order's sending to the last byte of its acknowledgement."""
    times = np.zeros(len(packets), np.int64)
    buffer = np.zeros(ANSWER_ROOM, np.uint8)
    packet_bytes = packets.shape[1]
    if round_trips(
        client.fileno(),
        packets.ctypes.data,
        packet_bytes,
        answered,
        len(packets),
        buffer.ctypes.data,
        times.ctypes.data,
    ):
        raise OutcryError("bench sessions: an order was not answered")
    return times


def shares_core() -> bool:
    """Return whether a client has its core with the venue's journal and feed."""
    return (os.cpu_count() or 1) < CORES


def orders_per_s(port: int, sessions: int, orders: int) -> float:
    """Orders a second, immediate or cancel, from the first one's sending to the last one's end,
    over ``sessions`` sessions at once."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(log_in(port, f"S{k + 1}")) for k in range(sessions)]
        return pumped(clients, orders)


def pumped(connections: Sequence[socket.socket], orders: int) -> float:
    """Like :func:`orders_per_s`, over these connections."""
    answer = ACCEPTED_BYTES + CANCELED_BYTES
    packets = [order_packets(1, orders, 0, 10_000) for _ in connections]
    clients = np.zeros((len(connections), CLIENT_BYTES // 8), np.int64)
    buffer = np.zeros(1 << 16, np.uint8)
    for row, connection, mine in zip(clients, connections, packets, strict=True):
        at = mine.ctypes.data
        row[:6] = connection.fileno(), at, at, at + mine.size, 0, answer * orders
    took = pump(
        clients.ctypes.data,
        len(clients),
        answer,
        buffer.ctypes.data,
        len(buffer),
        int(shares_core()),
    )
    if took < 0:
        raise OutcryError("bench sessions: an order was not answered")
    return len(connections) * orders * 1e9 / took


@contextlib.contextmanager
def serving(serve: Callable[[int], object], core: int | None) -> Iterator[None]:
    """A process on ``core`` that calls ``serve``, with the address of a word that is 1 as soon as
    the body has ended."""
    stop = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.int64)

    def run() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})
        serve(stop.ctypes.data)

    pid = fork(run)
    try:
        yield
    finally:
        stop[0] = 1
        os.waitpid(pid, 0)


@contextlib.contextmanager
def bare_connections(count: int, core: int | None) -> Iterator[list[socket.socket]]:
    """Connections over the loopback to a process on ``core`` that answers each order by as many
    bytes as a venue, and does nothing else."""
    with contextlib.ExitStack() as stack:
        ours, theirs = [], []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(count):
                ours.append(stack.enter_context(socket.create_connection(listener.getsockname())))
                theirs.append(stack.enter_context(listener.accept()[0]))
        for one in (*ours, *theirs):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
        places = np.zeros((count, PLACE_BYTES // 8), np.int64)
        places[:, 0] = [one.fileno() for one in theirs]
        buffer = np.zeros(1 << 16, np.uint8)

        def serve(stop: int) -> None:
            answer_sockets(
                places.ctypes.data,
                count,
                ORDER_BYTES,
                ACCEPTED_BYTES + CANCELED_BYTES,
                buffer.ctypes.data,
                len(buffer),
                stop,
            )

        with serving(serve, core):
            yield ours


def journal_bytes(journal: Path) -> float:
    """Bytes of a journal a command: records and what is stored with them, without the zeros that
    fill a block."""
    size = commands = 0
    for block in JournalReader(journal).all_blocks():
        if block.header.commands:
            size += block.header.payload_bytes
            commands += block.header.commands
    return size / commands


def packets_journal_bytes(orders: int) -> float:
    """The same of as many orders that one sender sends as packets over UDP."""
    with scratch_folder("sessions") as folder:
        journal = Path(folder) / "journal"
        with listening(journal) as (_, address):
            sent(address, None, orders)
        return journal_bytes(journal)


# The venue's process.


def sessions_of(document: dict[str, Any]) -> Any:
    """The venue's sessions and ports (SessionsSpec)."""
    from argon2 import PasswordHasher

    from openoutcry.order_entry.spec import PortSpec, Protocol, SessionSpec, SessionsSpec

    protocol = Protocol[document["protocol"]]
    secret = PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1).hash(PASSWORD)
    count, tokens = int(document["sessions"]), int(document["orders"])
    kept: dict[str, Any] = {"queue_bytes": 1 << 26, "timeout_ms": 600_000, "key": KEY}
    rows = [SessionSpec(f"S{k + 1}", k + 1, protocol, secret, **kept) for k in range(count)]
    ports = [PortSpec(protocol, "127.0.0.1", 0)]
    if protocol == Protocol.SHM:
        ports = [PortSpec(protocol, "", 0, path=Path(document["path"]))]
    if document["ouch_too"]:
        rows.append(SessionSpec(f"S{count + 1}", count + 1, Protocol.OUCH42, secret, **kept))
        ports.append(PortSpec(Protocol.OUCH42, "127.0.0.1", 0))
    return SessionsSpec(
        tuple(rows),
        tuple(ports),
        day_begin_ns=1,
        token_capacity=1 << max(16, (2 * tokens - 1).bit_length()),
        stream_entries=1 << 22,
        stream_bytes=1 << 29,
    )


def note_door(text: str) -> None:
    """Print the port, or the path, of a note that says where sessions log in."""
    door = re.fullmatch(r"[A-Z0-9]+ (?:on .*:(\d+)|at (.+))", text)
    if door:
        print(door[1] or door[2], flush=True)


def serve(document: dict[str, Any]) -> None:
    """Run until asked to stop; says its doors."""
    from openoutcry.bench.risk_pipeline import hooks
    from openoutcry.dpdk_shim.authentication import PacketSession
    from openoutcry.dpdk_shim.spec import parse_port
    from openoutcry.market_data.public_feed import with_feed
    from openoutcry.market_data.spec import FeedSpec
    from openoutcry.order_entry.sessions import with_sessions
    from openoutcry.pipeline.run import Options, Watcher, run
    from openoutcry.pipeline.topology import TOPOLOGY
    from openoutcry.venue.serve import IdleSource

    feed, wiring = None, with_sessions(TOPOLOGY)
    if document["feed"] is not None:
        tuples: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in document["feed"].items()
        }
        feed, wiring = FeedSpec(**tuples), with_feed(wiring)
    durable = document["durability"] != "none"
    instruments, ports = make_instruments(SYMBOLS), []
    allowed: tuple[PacketSession, ...] = ()
    if document["packets"] is not None:
        sender = document["sessions"] + document["ouch_too"] + 1
        ports, allowed = [parse_port(document["packets"])], (PacketSession(sender, KEY),)
    run(
        Options(
            source=None if ports else IdleSource(instruments),
            ports=ports,
            packet_sessions=allowed,
            instruments=instruments,
            wiring=wiring,
            sessions=sessions_of(document),
            feed=feed,
            journal=Path(document["journal"]) if durable else None,
            durability=document["durability"],
            verify=False,
            volatile_journal=True,
            hooks=hooks(instruments) if document["risk"] else None,
        ),
        Watcher(note=note_door),
    )


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
