"""One set of frames, and every driver makes the same of it: tags in replies, and fragments."""

import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim.ports import hardware_address_of
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.wire import EVENT_DTYPE
from tests.support.dpdk_shim import shim_paths as shared
from tests.support.dpdk_shim.shim_wire import (
    UDP_PORT,
    checksum,
    drain,
    frame,
    in_namespace,
    ip,
    make_ring,
    needs_shim,
    packets_of,
    random_orders,
    raw_socket,
)
from tests.support.waiting import wait_until

_built = shared._built
AF_PACKET_DRIVER = "dpdk:net_af_packet,iface=vb,blocksz=4096,framesz=2048"
DRIVERS = (
    "packet:vb",
    "xdp:vb:0",
    AF_PACKET_DRIVER,
    "dpdk:net_af_xdp,iface=vb,busy_budget=0",
    "dpdk:net_pcap,iface=vb",
)
TAGS: list[list[tuple[int, int]]] = [
    [],
    [(0x8100, 5)],
    [(0x88A8, 6)],
    [(0x88A8, 7), (0x8100, 8)],
    [(0x8100, 9), (0x8100, 10)],
    [(0x88A8, 11), (0x88A8, 12)],
]
"""TPID and TCI of each tag, from the outside."""
SOL_PACKET, PACKET_AUXDATA = 263, 8
STATUS_VLAN_VALID = 1 << 4


def tagged(data: bytes, tags: list[tuple[int, int]]) -> bytes:
    """A frame with these tags behind its addresses."""
    return data[:12] + b"".join(struct.pack(">HH", *tag) for tag in tags) + data[12:]


def tags_of(data: bytes, taken_out: list[tuple[int, int]]) -> list[tuple[int, int]]:
    tags, at = list(taken_out), 12
    while (tag := struct.unpack_from(">HH", data, at))[0] in (0x8100, 0x88A8):
        tags.append(tag)
        at += 4
    return tags


def received(cable: socket.socket) -> tuple[bytes, list[tuple[int, int]]]:
    """The next frame that came from the other end, and the tag that the kernel took out of it."""
    while True:
        data, control, _, address = cable.recvmsg(2048, 256)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        for level, kind, value in control:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value)
                return data, [(tpid, tci)] if status & STATUS_VLAN_VALID else []
        return data, []


def _take(shim: Shim, ring: Any, packets: int) -> list[int]:
    """Ids of the orders once so many packets have come."""
    ids: list[int] = []

    def came() -> bool:
        shim.poll()
        ids.extend(drain(ring)["order_id"].tolist())
        return shim.counters()["packets"] >= packets

    wait_until(came)
    return ids


def _replies(text: str) -> Any:
    macs = hardware_address_of("va"), hardware_address_of("vb")
    found = []
    with (
        raw_socket("va") as cable,
        make_ring() as ring,
        Shim([parse_port(text)], ring) as shim,
    ):
        cable.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        orders = random_orders(2 * len(TAGS))
        for at, data in enumerate(packets_of(orders, 1)):
            asked = tagged(frame(data, ip6=at % 2 == 1, macs=macs), TAGS[at // 2])
            cable.send(asked)
            before = shim.counters()["packets"]
            assert _take(shim, ring, before + 1) == [int(orders["order_id"][at])]
            events = np.zeros(1, EVENT_DTYPE)
            events["participant"] = orders["participant"][at]
            shim.reply(events)
            answer, taken_out = received(cable)
            assert answer[:12] == macs[0] + macs[1]
            found.append(tags_of(answer, taken_out))
    return found


@pytest.mark.parametrize("text", DRIVERS)
def test_a_reply_has_the_tags_of_its_order(text: str) -> None:
    needs_shim(dpdk=text.startswith("dpdk"))
    wanted = [[list(tag) for tag in tags] for tags in TAGS for _ in range(2)]
    if text == AF_PACKET_DRIVER:
        # It does not say of which kind the outer tag was that the kernel took out.
        wanted = [[[0x8100, tags[0][1]], *tags[1:]] if tags else [] for tags in wanted]
    assert in_namespace(partial(_replies, text)) == wanted


def fragments4(whole: bytes) -> list[bytes]:
    """An IPv4 frame's datagram in two fragments."""
    head, body = whole[14:34], whole[34:]

    def part(offset: int, data: bytes, more: int) -> bytes:
        fields = struct.pack(">HHH", 20 + len(data), 7, more << 13 | offset // 8)
        header = head[:2] + fields + head[8:10] + bytes(2) + head[12:]
        return whole[:14] + header[:10] + struct.pack(">H", checksum(header)) + header[12:] + data

    return [part(0, body[:64], 1), part(64, body[64:], 0)]


def fragments6(whole: bytes) -> list[bytes]:
    """The same of IPv6."""
    head, body = whole[14:54], whole[54:]

    def part(offset: int, data: bytes, more: int) -> bytes:
        header = head[:4] + struct.pack(">HB", 8 + len(data), 44) + head[7:]
        return whole[:14] + header + struct.pack(">BBHI", 17, 0, offset | more, 7) + data

    return [part(0, body[:64], 1), part(64, body[64:], 0)]


FRAGMENTS: dict[bool, Callable[[bytes], list[bytes]]] = {False: fragments4, True: fragments6}


def _fragments(text: str, ip6: bool) -> Any:
    macs = hardware_address_of("va"), hardware_address_of("vb")
    if text.startswith("udp"):
        Path("/proc/sys/net/ipv6/conf/vb/disable_ipv6").write_text("0")
        ip("addr add 10.0.0.2/24 dev vb")
        ip("addr add fe80::2/64 dev vb nodad")
    with (
        raw_socket("va") as cable,
        make_ring() as ring,
        Shim([parse_port(text)], ring) as shim,
    ):
        orders = random_orders(3)
        frames = [frame(data, ip6=ip6, macs=macs) for data in packets_of(orders, 1)]
        first, second = FRAGMENTS[ip6](frames[0])
        for data in (first, second, FRAGMENTS[ip6](frames[1])[0], frames[2]):
            cable.send(data)
        ids: list[int] = []

        def came() -> bool:
            shim.poll()
            ids.extend(drain(ring)["order_id"].tolist())
            return int(orders["order_id"][2]) in ids

        wait_until(came)
        account = shim.account()
        numbers = [orders["order_id"].tolist().index(one) for one in ids]
        return {"taken": numbers, "refused": account["rejected_fragment"]}


@pytest.mark.parametrize("ip6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("text", [f"udp:[::]:{UDP_PORT}", *DRIVERS])
def test_a_datagram_in_fragments_is_refused(text: str, ip6: bool) -> None:
    """Two fragments of one, and a lone one of another; then a whole datagram, which is taken."""
    needs_shim(dpdk=text.startswith("dpdk"))
    outcome = in_namespace(partial(_fragments, text, ip6))
    if text == AF_PACKET_DRIVER and not ip6:
        # The kernel puts the first together for this driver, which does not say so.
        assert outcome == {"taken": [0, 2], "refused": 0}
        return
    # The kernel gives a socket one datagram for both, and a lone fragment not at all.
    assert outcome == {"taken": [2], "refused": 1 if text.startswith("udp") else 3}
