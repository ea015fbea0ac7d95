"""One measurement of ``outcry bench wire``: an order's datagram leaves one network namespace, and
the venue's answer comes back into it.

``python -m openoutcry.bench.wire_live DEVICE ORDERS`` prints percentiles of the round trips, in ns,
as JSON.  DEVICE is the venue's port: ``udp``, ``packet`` or ``xdp``.  Or it is ``echo``, a loop on
the venue's core that answers as many bytes over a kernel socket.

This process leaves the machine's network for an empty namespace, where the venue is.  The sender is
in another one, whose only link is a veth pair.  Both namespaces end with their processes.
"""

import contextlib
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.gateway import running_apart
from openoutcry.bench.namespaces import (
    called,
    enter_network,
    hold_network,
    leave_network,
    namespace_of,
)
from openoutcry.bench.paced import flow
from openoutcry.bench.risk_pipeline import hooks
from openoutcry.bench.sessions_live import round_trips
from openoutcry.dpdk_shim.authentication import TRAILER_BYTES, PacketSession, seal
from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.host.processes import STOP_SIGNALS, die_with_parent, fork
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import Options
from openoutcry.wire import sockets
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.records import ORDER_DTYPE, PACKET_HEADER_DTYPE, RECORD_BYTES

Array = npt.NDArray[Any]
SO_NO_CHECK = 11
"""Datagrams without a checksum (RFC 768): a veth pair leaves one unfinished that hardware would
finish, and a port that reads frames would refuse it."""
VENUE, SENDER, PORT, MASK = "10.199.78.1", "10.199.78.2", 9_000, 24
OUR_LINK, THEIR_LINK = "vb", "va"
KEY, PARTICIPANT = bytes(range(32)), 1
ANSWER_BYTES = PACKET_HEADER_DTYPE.itemsize + RECORD_BYTES + TRAILER_BYTES
"""Size of a packet of replies with one event, the answer to an order that rests."""
WARM = 2_000
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
PORTS = {
    "udp": f"udp:{VENUE}:{PORT}",
    "packet": f"packet:{OUR_LINK},udp_port={PORT}",
    "xdp": f"xdp:{OUR_LINK},udp_port={PORT}",
}
ECHO = "echo"


@kernel
def echo(fd: int, buffer: int, room: int, answered: int) -> int:
    """Answer each datagram with ``answered`` bytes, until there is an error."""
    while True:
        size = sockets.recv(fd, buffer, room)
        if size == 0:
            return 0
        if size > 0:
            sockets.send(fd, buffer, answered)


def packets(count: int) -> Array:
    """``count`` authenticated packets with an order each that rests: (count, bytes)."""
    orders = np.zeros(count, ORDER_DTYPE)
    orders["kind"], orders["side"] = CommandKind.NEW, Side.BUY
    orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    orders["order_id"] = np.arange(1, count + 1)
    orders["participant"], orders["qty_lots"], orders["price_ticks"] = PARTICIPANT, 1, 1_000
    return sealed_packets(KEY, PARTICIPANT, orders)


def sealed_packets(key: bytes, sender: int, orders: Array) -> Array:
    """An authenticated packet for each order, in a new epoch: (orders, bytes)."""
    epoch = time.time_ns()
    sealed = [seal(key, packet, epoch) for packet in build_packets(orders, sender, 1, 0, 1)]
    return np.frombuffer(b"".join(sealed), np.uint8).reshape(len(orders), -1)


@contextlib.contextmanager
def cable(device: str) -> Iterator[str]:
    """This process is in an empty network with one end of a veth pair; gives the file of the
    network with the other.  Raises :class:`OutcryError` where that is not permitted."""
    leave_network()
    holder = hold_network("the sender")
    try:
        theirs = namespace_of(holder)
        inside = f"nsenter --net={theirs} ip"
        for link in (
            f"ip link add {OUR_LINK} type veth peer name {THEIR_LINK} netns {holder.pid}",
            f"ip link set {OUR_LINK} up",
            f"{inside} link set {THEIR_LINK} up",
            f"{inside} addr add {SENDER}/{MASK} dev {THEIR_LINK}",
        ):
            called(*link.split())
        if device in ("udp", ECHO):
            # Elsewhere the port reads frames, and the system must not answer them, too.
            called(*f"ip addr add {VENUE}/{MASK} dev {OUR_LINK}".split())
        (ours,) = json.loads(called(*f"ip -json link show {OUR_LINK}".split()))
        neighbour = f"{VENUE} lladdr {ours['address']} dev {THEIR_LINK} nud permanent"
        called(*f"{inside} neigh replace {neighbour}".split())
        yield theirs
    finally:
        holder.kill()
        holder.wait()


@contextlib.contextmanager
def venue(device: str) -> Iterator[None]:
    """A pipeline with risk that takes the participant's packets from the device."""
    instruments = flow("normal", 1).instruments
    compile_kernels(lambda *_: None, generates=False, hooked=True)

    options = Options(
        ports=[parse_port(PORTS[device])],
        source_kind=device,
        durability="none",
        instruments=instruments,
        hooks=hooks(instruments),
        packet_sessions=(PacketSession(PARTICIPANT, KEY),),
        verify=False,
    )
    with running_apart(options):
        yield


@contextlib.contextmanager
def bare_echo(core: int | None) -> Iterator[None]:
    """The same way without a venue."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((VENUE, PORT))
        compile_kernel(echo, 4)

        def serve() -> None:
            if core is not None:
                os.sched_setaffinity(0, {core})
            _, sender = bound.recvfrom(2_048)
            bound.connect(sender)
            bound.send(bytes(ANSWER_BYTES))
            bound.setblocking(False)
            buffer = np.zeros(2_048, np.uint8)
            echo(bound.fileno(), buffer.ctypes.data, len(buffer), ANSWER_BYTES)

        pid = fork(serve, STOP_SIGNALS)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def trips(namespace: str, core: int | None, asked: Array) -> Array:
    """ns of each round trip of a sender in that network."""
    shared = mmap.mmap(-1, 8 * len(asked))

    def send() -> None:
        enter_network(namespace)
        if core is not None:
            os.sched_setaffinity(0, {core})
        times = np.frombuffer(shared, np.int64)
        buffer = np.zeros(1 << 16, np.uint8)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
            line.connect((VENUE, PORT))
            line.setblocking(False)
            code = round_trips(
                line.fileno(),
                asked.ctypes.data,
                asked.shape[1],
                ANSWER_BYTES,
                len(asked),
                buffer.ctypes.data,
                times.ctypes.data,
            )
        if code:
            raise OutcryError("bench wire: an order was not answered")

    _, status = os.waitpid(fork(send), 0)
    if status:
        raise OutcryError("bench wire: the sender failed")
    return np.frombuffer(shared, np.int64).copy()


def measure(device: str, orders: int) -> dict[str, float]:
    """Percentiles of the round trips, ns."""
    cores = sorted(os.sched_getaffinity(0))
    sender_core, venue_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    compile_kernel(round_trips, 7)
    asked = packets(WARM + orders)
    serving: Callable[[], Any] = (
        partial(bare_echo, venue_core) if device == ECHO else partial(venue, device)
    )
    with cable(device) as namespace, serving():
        times = trips(namespace, sender_core, asked)[WARM:]
    return {name: float(np.percentile(times, rank)) for name, rank in PERCENTILES.items()}


def main() -> None:
    """Measure the device of the arguments and print the percentiles as JSON."""
    die_with_parent()
    try:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    except OutcryError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
