"""FIX in the sessions subject: NewOrderSingle to ExecutionReport, of a venue and of a QuickFIX
acceptor, by the same client and with the same bytes."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openoutcry.bench import sessions_live as live
from openoutcry.bench.peers.programs import PeerMissing, need_module
from openoutcry.client.fix import write_message
from openoutcry.host.processes import die_with_parent
from openoutcry.order_entry.fix.text import SOH
from openoutcry.wire import OutcryError, sockets
from openoutcry.wire.big_endian import load_any32
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_u8, monotonic_ns

VENUE, TRAILER_BYTES = "OUTCRY", 7
SEQ_DIGITS, NAME_DIGITS = 7, 11
HEARTBEAT_S = 3600
"""This long that neither side sends a heartbeat."""
TAIL = int.from_bytes(b"\x0110=", "little")

SPILL, SPILL_EVERY = bytes.fromhex("48897df8"), 1 << 17
"""``mov %rdi, -8(%rbp)``: how nearly every method begins without optimisation (150 in a MB), and
none with it; bytes of code that have one at most."""

Fields = list[tuple[int, str]]
Array = npt.NDArray[np.uint8]


@kernel
def round_trips(
    fd: int, packets: int, packet_bytes: int, count: int, buffer: int, times: int
) -> int:
    """Send ``count`` orders, each when the one before is answered by one whole message; ns of each
    to ``times``.  Returns the last answer's bytes, or -1 when the peer has gone or says nothing any
    more."""
    got = 0
    for index in range(count):
        start = monotonic_ns()
        if sockets.send(fd, packets + packet_bytes * index, packet_bytes) != packet_bytes:
            return -1
        got, turns, whole = 0, 0, False
        while not whole:
            more = sockets.recv(fd, buffer + got, live.ANSWER_ROOM - got)
            if more == 0:
                return -1
            if more > 0:
                got += more
                end = buffer + got
                whole = got > 24 and load_u8(end - 1) == SOH and load_any32(end - 8) == TAIL
            turns += 1
            if turns & 0xFFFF == 0 and monotonic_ns() - start > live.SILENCE_NS:
                return -1
        Words(times)[index] = monotonic_ns() - start
    return got


def now() -> str:
    """The time as FIX's UTCTimestamp, to the millisecond."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def order_packets(first: int, count: int) -> Array:
    """This many orders that rest, alike but for their numbers: (count, bytes). MsgSeqNum is
    ``first`` on, so that all have one size with zeros before it."""
    time = now()
    one = write_message(
        [
            (35, "D"),
            (34, "0" * SEQ_DIGITS),
            (49, "S1"),
            (52, time),
            (56, VENUE),
            (11, "O" + "0" * NAME_DIGITS),
            (55, live.SYMBOLS[0]),
            (54, "1"),
            (38, "100"),
            (40, "2"),
            (44, "1.0000"),
            (59, "0"),
            (60, time),
        ]
    )
    packets = np.tile(np.frombuffer(one, np.uint8), (count, 1))
    for begin, digits in ((b"\x0134=", SEQ_DIGITS), (b"\x0111=O", NAME_DIGITS)):
        at, numbers = one.index(begin) + len(begin), np.arange(first, first + count)
        for place in range(digits - 1, -1, -1):
            packets[:, at + place] = 48 + numbers % 10
            numbers //= 10
    sums = packets[:, :-TRAILER_BYTES].sum(axis=1) % 256
    for place, digit in ((-4, sums // 100), (-3, sums // 10 % 10), (-2, sums % 10)):
        packets[:, place] = 48 + digit
    return packets


def log_on(port: int) -> socket.socket:
    """A connection whose Logon is answered; both sides count from 1."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    fields: Fields = [
        (35, "A"),
        (34, "1"),
        (49, "S1"),
        (52, now()),
        (56, VENUE),
        (98, "0"),
        (108, str(HEARTBEAT_S)),
        (141, "Y"),
        (554, live.PASSWORD),
    ]
    client.sendall(write_message(fields))
    answer = client.recv(4096)
    if b"\x0135=A\x01" not in answer:
        raise OutcryError(f"bench sessions: the Logon was answered {answer!r}")
    client.setblocking(False)
    return client


def need_optimised_quickfix() -> None:
    """Raise :class:`PeerMissing` without QuickFIX, and for one that is compiled without
    optimisation, as tests have it: that is not a peer."""
    need_module("quickfix", "pip install 'openoutcry[peers]'")
    spec = find_spec("_quickfix")
    code = Path(spec.origin).read_bytes() if spec and spec.origin else b""
    if code.count(SPILL) * SPILL_EVERY > len(code):
        raise PeerMissing(
            "this QuickFIX is compiled without optimisation (-O0): "
            "pip install --force-reinstall --no-deps quickfix"
        )


@contextlib.contextmanager
def quickfix() -> Iterator[socket.socket]:
    """A connection, logged on, to a QuickFIX acceptor.

    Raises :class:`PeerMissing` without an acceptor to compare with."""
    need_optimised_quickfix()
    command = [sys.executable, "-m", "openoutcry.bench.peers.quickfix_acceptor", VENUE, "S1"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise OutcryError(f"bench sessions: the QuickFIX acceptor ended with {process.wait()}")
        with log_on(int(line)) as client:
            yield client


def latencies(client: socket.socket, packets: Array) -> tuple[npt.NDArray[np.int64], int]:
    """ns from each order's sending to the last byte of its answer; the bytes of the last one."""
    times = np.zeros(len(packets), np.int64)
    buffer = np.zeros(live.ANSWER_ROOM, np.uint8)
    size = round_trips(
        client.fileno(),
        packets.ctypes.data,
        packets.shape[1],
        len(packets),
        buffer.ctypes.data,
        times.ctypes.data,
    )
    if size < 0:
        raise OutcryError("bench sessions: a FIX order was not answered")
    return times, int(size)
