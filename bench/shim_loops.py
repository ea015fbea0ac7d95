"""The measured programs of ``outcry bench shim``: one figure a process, printed as JSON.

``python -m openoutcry.bench.shim_loops NAME COUNT FOLDER``; each says what it measured, and how
many packets are unaccounted for. DPDK can be started once a process, network namespaces and pinning
end with it.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.namespaces import called, leave_network
from openoutcry.dpdk_shim import build_packets, eal
from openoutcry.dpdk_shim.packets import FIRST_SEQ_AT, SENT_TS_AT
from openoutcry.dpdk_shim.ports import hardware_address_of, open_port
from openoutcry.dpdk_shim.sender import PortSender
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.host.processes import Rendezvous, die_with_parent, run_processes
from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.errors import OutcryError

CAPACITY = 4096
PER_ROUND = 256
"""Packets under way at once: fewer than any ring or queue on the way holds."""
BURST = 64
"""Packets under way where one receive call takes them all."""
CAPTURE_PACKETS = 1024
ONE_WAY_GAP_S = 0.0005
WAYS = "to=10.9.0.2:9000,source=10.9.0.1:7"
LoopFigures = dict[str, float]


class LoopError(OutcryError):
    """A measured program could not run; the message says why."""


@contextmanager
def bench_ring(capacity: int = CAPACITY) -> Iterator[RingBuffer]:
    """A ring of orders with one consumer, removed at the end."""
    name = segment_name(ProcessIdentity.mine(), "bench-shim")
    with RingBuffer.create(name, capacity, ORDER_DTYPE, ["bench"]) as ring:
        yield ring


def payload() -> bytes:
    """A packet of one order."""
    order = np.zeros(1, ORDER_DTYPE)
    order["participant"] = 1
    return build_packets(order, 1, 1, 0)[0]


def loop(
    shim: Shim,
    sender: PortSender | None,
    count: int,
    per_round: int = PER_ROUND,
    bare: bool = False,
) -> LoopFigures:
    """Send and take in by turns, in one thread; ten rounds to warm up.  With ``bare`` packets are
    received and given back unread."""
    ffi, lib = shim.native.ffi, shim.native.lib
    data, took = ffi.new("char[]", payload()), ffi.new("int64_t *")
    lib.oc_start(shim.context)
    port, way = (sender.port.pointer, sender.way) if sender else (ffi.NULL, ffi.NULL)
    came = sent = 0
    for rounds in (10, max(1, count // per_round)):
        came += (
            last := int(
                lib.oc_loop(
                    shim.context, port, way, data, len(payload()), per_round, rounds, bare, took
                )
            )
        )
        sent += rounds * per_round
    if last <= 0:
        raise LoopError("nothing came in")
    lost = abs(shim.account()["unaccounted"]) + (sent - came)
    return {"ns": took[0] / last, "lost": lost}


def net_ring(count: int, summed: bool = False, bare: bool = False) -> LoopFigures:
    """DPDK's ring vdev: what is sent comes back on the same port.  Without UDP checksums, which a
    card would have checked."""
    with bench_ring() as ring, Shim([parse_port(f"dpdk:net_ring0,{WAYS}")], ring) as shim:
        sender = PortSender(shim.ports[0])
        sender.way.unsummed = int(not summed)
        return loop(shim, sender, count, BURST, bare)


def net_ring_summed(count: int) -> LoopFigures:
    """The same, with UDP checksums that the shim checks."""
    return net_ring(count, summed=True)


def net_ring_bare(count: int) -> LoopFigures:
    """Measure the same without the shim: DPDK's receive call, buffers given back, the clock."""
    return net_ring(count, bare=True)


def recvmmsg(count: int) -> LoopFigures:
    """A kernel socket on loopback."""
    spec = parse_port("udp:127.0.0.1:0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        with (
            bench_ring() as ring,
            open_port(spec, bound) as port,
            open_port(spec) as out,
            Shim([port], ring) as shim,
        ):
            return loop(shim, PortSender(out, bound.getsockname()), count, BURST)


def af_packet(count: int) -> LoopFigures:
    """TPACKET_V3 on one end of a cable between two interfaces."""
    cable()
    address = hardware_address_of("vb").hex(":")
    out_spec = parse_port(f"packet:va,{WAYS},to_mac={address}")
    with (
        bench_ring() as ring,
        open_port(out_spec) as out,
        Shim([parse_port("packet:vb")], ring) as shim,
    ):
        return loop(shim, PortSender(out), count)


def pcap(count: int, folder: Path) -> LoopFigures:
    """DPDK's capture driver, which gives the same frames again and again (infinite_rx)."""
    path = folder / "bench.pcap"
    write_capture(path)
    device = f"dpdk:net_pcap0,rx_pcap={path},infinite_rx=1"
    with bench_ring() as ring, Shim([parse_port(device)], ring) as shim:
        return loop(shim, None, count, CAPTURE_PACKETS)


def pcap_no_huge_pages(count: int, folder: Path) -> LoopFigures:
    """The same in ordinary memory."""
    eal.huge_pages = lambda: 0
    return pcap(count, folder)


def memif(count: int, folder: Path) -> LoopFigures:
    """Shared-memory packets between two pinned processes."""
    device = f"dpdk:net_memif,socket={folder}/memif.sock,socket-abstract=no,id=0,rsize=11"
    cores = sorted(os.sched_getaffinity(0))

    def receive() -> LoopFigures:
        with bench_ring() as ring, Shim([parse_port(f"{device},role=server")], ring) as shim:
            (folder / "listening").touch()
            ns = int(shim.native.lib.oc_sink(shim.context, count))
            account = shim.account()
            (folder / "done").write_text(str(account["packets"]))
            return {"ns": ns, "came": account["packets"], "lost": abs(account["unaccounted"])}

    def send() -> LoopFigures:
        wait_for(folder / "listening")
        with open_port(parse_port(f"{device},role=client,{WAYS}")) as port:
            sender = PortSender(port)
            sender.way.unsummed = 1
            data = port.shim.ffi.new("char[]", payload())
            lib, done = port.shim.lib, folder / "done"
            while not done.exists():
                lib.oc_blast(port.pointer, sender.way, data, len(payload()), 1 << 16)
            return {"taken": float(sender.counts[24])}

    placed: list[tuple[int | None, Callable[[], Any]]] = [(cores[0], receive), (cores[-1], send)]
    outcome, _ = run_processes("memif", placed)
    return {"per_s": (outcome["came"] - 1) / outcome["ns"] * 1e9, "lost": outcome["lost"]}


def one_way(count: int, receive: Callable[[Rendezvous], list[int]]) -> LoopFigures:
    """Half a thousandth of a second between frames, from one core to the other."""
    cable()
    subprocess.run(["ip", "addr", "add", "10.9.0.2/24", "dev", "vb"], check=True)
    cores = sorted(os.sched_getaffinity(0))
    meeting = Rendezvous()

    def send() -> int:
        text = f"packet:va,{WAYS},to_mac={hardware_address_of('vb').hex(':')}"
        meeting.meet(0, 1)
        with open_port(parse_port(text)) as port:
            sender, lib = PortSender(port), port.shim.lib
            data = bytearray(payload())
            held = port.shim.ffi.from_buffer(data)
            for number in range(1, count + 1):
                time.sleep(ONE_WAY_GAP_S)
                # Nothing but the sending itself comes after the time in the packet.
                struct.pack_into("<qq", data, FIRST_SEQ_AT, number, time.time_ns())
                lib.oc_transmit(port.pointer, sender.way, held, len(data))
                lib.oc_flush(port.pointer)
        return count

    placed: list[tuple[int | None, Callable[[], Any]]]
    placed = [(cores[0], send), (cores[-1], partial(receive, meeting))]
    _, latencies = run_processes("one way", placed)
    return {"ns": float(np.median(latencies)), "lost": count - len(latencies)}


def one_way_af_xdp(count: int) -> LoopFigures:
    """Taken by AF_XDP, polling."""

    def receive(meeting: Rendezvous) -> list[int]:
        intended, received = np.zeros(CAPACITY, np.int64), np.zeros(CAPACITY, np.int64)
        stamps = (intended.ctypes.data, received.ctypes.data, CAPACITY - 1)
        latencies: list[int] = []
        with (
            bench_ring() as ring,
            Shim([parse_port("xdp:vb:0,udp_port=9000")], ring, stamps=stamps) as shim,
        ):
            meeting.meet(1, 1)
            while len(latencies) < count:
                first = ring.published + 1
                came = shim.run(1, timeout_s=3)
                if came == 0:
                    break
                at = np.arange(first, first + came) & (CAPACITY - 1)
                latencies += (received[at] - intended[at]).tolist()
                ring.cursors["bench"][0] = ring.published
        return latencies

    return one_way(count, receive)


def one_way_recv(count: int) -> LoopFigures:
    """Taken by the recv of a blocking socket."""

    def receive(meeting: Rendezvous) -> list[int]:
        latencies = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind(("10.9.0.2", 9000))
            bound.settimeout(3)
            meeting.meet(1, 1)
            for _ in range(count):
                try:
                    data = bound.recv(2048)
                except TimeoutError:
                    break
                latencies.append(time.time_ns() - struct.unpack_from("<q", data, SENT_TS_AT)[0])
        return latencies

    return one_way(count, receive)


def cable() -> None:
    """A network namespace of this process's own with two joined interfaces."""
    leave_network()
    for command in (
        "link set lo up",
        "link add va type veth peer name vb",
        "link set va up",
        "link set vb up",
    ):
        called("ip", *command.split())


def write_capture(path: Path) -> None:
    """Packets of one order each, numbered on, as a pcap of Ethernet frames."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    orders = np.zeros(CAPTURE_PACKETS, ORDER_DTYPE)
    orders["participant"] = 1
    data = build_packets(orders, 1, 1, 0, 1)
    for number, packet in enumerate(data):
        # No UDP checksum (RFC 768): net_ring shows what it costs.
        udp = struct.pack(">HHHH", 7, 9000, len(packet) + 8, 0) + packet
        ip = struct.pack(">BBHHHBBH", 0x45, 0, len(udp) + 20, 0, 0x4000, 64, 17, 0)
        ip += socket.inet_aton("10.9.0.1") + socket.inet_aton("10.9.0.2")
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", ~total & 0xFFFF) + ip[12:]
        frame = bytes(12) + b"\x08\0" + ip + udp
        parts.append(struct.pack("<IIII", 1, number, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(parts))


def wait_for(path: Path) -> None:
    """Wait until the file is there.  Raises :class:`LoopError` after 30 seconds."""
    deadline = time.monotonic() + 30
    while not path.exists():
        if time.monotonic() > deadline:
            raise LoopError(f"{path.name} did not come")
        time.sleep(0.001)


LOOPS: dict[str, Callable[..., LoopFigures]] = {
    function.__name__: function
    for function in (
        net_ring,
        net_ring_summed,
        net_ring_bare,
        recvmmsg,
        af_packet,
        pcap,
        pcap_no_huge_pages,
        memif,
        one_way_af_xdp,
        one_way_recv,
    )
}
PAIRS = {"memif", "one_way_af_xdp", "one_way_recv"}
WITH_FOLDER = {"pcap", "pcap_no_huge_pages", "memif"}


def main() -> None:
    """Run the loop that the arguments name and print its figures as JSON."""
    name, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    die_with_parent()
    arguments: list[Any] = [count, folder] if name in WITH_FOLDER else [count]
    if name not in PAIRS:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        print(json.dumps(LOOPS[name](*arguments)))
    except OutcryError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
