"""What the shim's tests share: packets and frames, a ring to read from, network namespaces."""

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.dpdk_shim import build_packets, native
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.ring import RingBuffer
from openoutcry.wire import ORDER_DTYPE
from tests.support.ring.ring_processes import ring_name
from tests.support.waiting import BOUND_S, wait_until

CLONE_NEWNET = 0x40000000
UDP_PORT = 9000
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def needs_shim(dpdk: bool = False) -> None:
    """Skip where it is not built, with the reason."""
    try:
        native.load(dpdk)
    except native.NotBuilt as error:
        pytest.skip(str(error))


def random_orders(count: int, seed: int = 1) -> npt.NDArray[Any]:
    orders = np.frombuffer(np.random.default_rng(seed).bytes(64 * count), ORDER_DTYPE).copy()
    # Participant 0 is the exchange operator, who speaks by no network.
    orders["participant"] |= 1
    orders["order_id"] >>= 3  # ids that a packet may name
    return orders


def packets_of(orders: npt.NDArray[Any], per_packet: int = 5, sender: int = 3) -> list[bytes]:
    return build_packets(orders, sender, 1, 1_000, per_packet)


def expected_records(orders: npt.NDArray[Any], first_seq: int = 1) -> npt.NDArray[Any]:
    """What stands in the ring: no verdict, the ring's own sequence, and no time (to compare)."""
    records = orders.copy()
    records["error_code"] = 0
    records["rx_ts_ns"] = 0
    records["seq"] = np.arange(first_seq, first_seq + len(records))
    return records


def checksum(data: bytes) -> int:
    """RFC 1071, the slow way."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(
    payload: bytes,
    tags: Sequence[int] = (),
    ip6: bool = False,
    macs: tuple[bytes, bytes] = (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"),
    ports: tuple[int, int] = (5000, UDP_PORT),
) -> bytes:
    """Ethernet, VLAN tags, IP and UDP around a payload: from ``macs[0]`` to ``macs[1]``."""
    length = len(payload) + 8
    if ip6:
        addresses = bytes.fromhex("fe80" + "0" * 27 + "1") + bytes.fromhex("fe80" + "0" * 27 + "2")
        ip = struct.pack(">IHBB", 6 << 28, length, 17, 64) + addresses
    else:
        addresses = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
        ip = struct.pack(">BBHHHBBH", 0x45, 0, length + 20, 7, 0x4000, 64, 17, 0) + addresses
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    udp = struct.pack(">HHHH", *ports, length, 0)
    total = checksum(addresses + struct.pack(">HH", 17, length) + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack(">H", total)
    vlan = b"".join(
        struct.pack(">HH", 0x88A8 if at + 1 < len(tags) else 0x8100, tag)
        for at, tag in enumerate(tags)
    )
    ether_type = struct.pack(">H", 0x86DD if ip6 else 0x0800)
    return macs[1] + macs[0] + vlan + ether_type + ip + udp + payload


def write_pcap(path: Path, frames: Sequence[bytes], first_us: int = 1_700_000_000_000_000) -> Path:
    """A capture of these frames, a microsecond apart."""
    parts = [PCAP_HEADER]
    for index, data in enumerate(frames):
        seconds, us = divmod(first_us + index, 1_000_000)
        parts.append(struct.pack("<IIII", seconds, us, len(data), len(data)) + data)
    path.write_bytes(b"".join(parts))
    return path


def pcapng_block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def write_pcapng(
    path: Path, frames: Sequence[bytes], order: str = "<", resolution: int | None = None
) -> Path:
    """The same as pcapng, time in units of 10**-resolution s (microseconds by default)."""
    section = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    options = b""
    if resolution is not None:
        options = struct.pack(order + "HHB3x", 9, 1, resolution) + struct.pack(order + "HH", 0, 0)
    interface = struct.pack(order + "HHI", 1, 0, 0) + options
    parts = [pcapng_block(0x0A0D0D0A, section, order), pcapng_block(1, interface, order)]
    parts.append(pcapng_block(0x0BAD, b"somebody's own block", order))
    for index, data in enumerate(frames):
        units = (1_700_000_000_000_000 + index) * 10 ** (resolution or 6) // 10**6
        head = struct.pack(order + "5I", 0, units >> 32, units & 0xFFFFFFFF, len(data), len(data))
        parts.append(pcapng_block(6, head + data, order))
    path.write_bytes(b"".join(parts))
    return path


@contextmanager
def make_ring(capacity: int = 4096) -> Iterator[RingBuffer]:
    with RingBuffer.create(ring_name("shim"), capacity, ORDER_DTYPE, ["reader"]) as ring:
        yield ring


def drain(ring: RingBuffer) -> npt.NDArray[Any]:
    """All that was published and not read, copied; the slots are given back."""
    first = int(ring.cursors["reader"][0]) + 1
    count = ring.published - first + 1
    parts = [view.copy() for view in ring.views(first, count)] if count else []
    ring.cursors["reader"][0] = first + count - 1
    return np.concatenate(parts) if parts else np.zeros(0, ORDER_DTYPE)


def without_time(records: npt.NDArray[Any]) -> bytes:
    timeless = records.copy()
    timeless["rx_ts_ns"] = 0
    return timeless.tobytes()


def records_of(text: str, **options: Any) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Everything that one port gives until it is quiet for a while, and its account."""
    with make_ring(1 << 14) as ring, Shim([parse_port(text)], ring, **options) as shim:
        shim.run(timeout_s=BOUND_S if text.startswith("pcap") else 0.3)
        return drain(ring), shim.account()


def in_namespace(work: Callable[[], Any]) -> Any:
    """Run ``work`` in a forked child with network interfaces of its own (lo, and va - vb joined by
    a cable) and return what it returns, through JSON.  The namespace goes with the child."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    out = os.memfd_create("said")
    pid = os.fork()
    if pid == 0:
        reply: dict[str, Any] = {"error": "killed"}
        try:
            signal.alarm(600)
            enter_namespace()
            reply = {"result": work()}
        except BaseException:
            reply = {"error": traceback.format_exc()}
        os.write(out, json.dumps(reply).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    text = os.pread(out, 1 << 24, 0)
    os.close(out)
    reply = json.loads(text) if text else {"error": "the child ended without a word"}
    if reply.get("error") == "no namespace":
        pytest.skip("no network namespaces here")
    assert "error" not in reply, reply["error"]
    return reply["result"]


def enter_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError("no namespace")
    ip("link set lo up")
    ip("link add va type veth peer name vb")
    for name in ("va", "vb"):
        # Nothing but our frames on the cable.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip(f"link set {name} up")
    # The kernel lets a link send in a work queue, some time after it is up; until then what is sent
    # vanishes.
    for name in ("va", "vb"):
        wait_until(partial(sends, name))


def sends(interface: str) -> bool:
    (link,) = json.loads(ip(f"-json link show {interface}"))
    return link["operstate"] == "UP" and link["qdisc"] != "noop"


def ip(arguments: str) -> str:
    command = ["ip", *arguments.split()]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def raw_socket(interface: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind((interface, 3))
    raw.settimeout(2)
    return raw


def build_mold(records: Any, session: bytes, first_seq: int, per_packet: int = 22) -> list[bytes]:
    """MoldUDP64 packets that carry ``records`` (64 bytes each) as messages, numbered on."""
    if not 1 <= per_packet <= 22:
        raise ValueError(f"a packet holds 1 to 22 records, not {per_packet}")
    packets = []
    for at in range(0, len(records), per_packet):
        part = records[at : at + per_packet]
        header = session.ljust(10)[:10] + struct.pack(">QH", first_seq + at, len(part))
        packets.append(header + b"".join(b"\0\x40" + record.tobytes() for record in part))
    return packets
