# SPDX-License-Identifier: Apache-2.0
"""Payloads: packets of orders with their sender's numbers, and the frames around them.

No simulator and no other library is needed: what a bench drives can be looked at, kept in a
capture or sent by a socket.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openoutcry.wire.enums import PacketKind
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import (
    MAX_PACKET_RECORDS,
    ORDER_DTYPE,
    PACKET_HEADER_DTYPE,
    PACKET_MAGIC,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_VLAN = 0x8100
PROTOCOL_UDP = 17
IPV4_BYTES, UDP_BYTES = 20, 8


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a frame comes from and goes to.  A ``vlan`` of None sends no tag."""

    source_mac: bytes = b"\x02\0\0\0\0\x01"
    destination_mac: bytes = b"\x02\0\0\0\0\x02"
    source_ip: bytes = b"\x0a\0\0\x01"
    destination_ip: bytes = b"\x0a\0\0\x02"
    source_port: int = 40_000
    destination_port: int = 9_000
    vlan: int | None = None


def internet_checksum(data: bytes) -> int:
    """The sum of RFC 1071 that is written into a header."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet_frame(payload: bytes, addresses: Addresses, *, checksum: bool = True) -> bytes:
    """Ethernet, IPv4 and UDP around a payload, without the check sequence that a MAC adds.

    Without ``checksum`` the UDP checksum is 0: the sender gave none.
    """
    udp_length = UDP_BYTES + len(payload)
    udp = struct.pack(">HHHH", addresses.source_port, addresses.destination_port, udp_length, 0)
    ends = addresses.source_ip + addresses.destination_ip
    if checksum:
        pseudo = ends + struct.pack(">BBH", 0, PROTOCOL_UDP, udp_length)
        # A sum of 0 is sent as all ones: 0 says that the packet has no checksum.
        udp = udp[:6] + struct.pack(">H", internet_checksum(pseudo + udp + payload) or 0xFFFF)
    ip = (
        struct.pack(">BBHHHBBH", 0x45, 0, IPV4_BYTES + udp_length, 0, 0x4000, 64, PROTOCOL_UDP, 0)
        + ends
    )
    ip = ip[:10] + struct.pack(">H", internet_checksum(ip)) + ip[12:]
    tag = b"" if addresses.vlan is None else struct.pack(">HH", ETHERTYPE_VLAN, addresses.vlan)
    ethernet = addresses.destination_mac + addresses.source_mac + tag
    return ethernet + struct.pack(">H", ETHERTYPE_IPV4) + ip + udp + payload


class PacketSender:
    """One sender of packets: it numbers its records from ``first_seq`` and never repeats one."""

    def __init__(
        self, sender: int = 1, first_seq: int = 1, addresses: Addresses | None = None
    ) -> None:
        self.sender, self.next_seq = sender, first_seq
        self.addresses = addresses or Addresses()

    def payloads(
        self, orders: "NDArray[Any]", per_packet: int = MAX_PACKET_RECORDS, sent_ts_ns: int = 0
    ) -> list[bytes]:
        """The next packets of this sender: ``orders`` (``ORDER_DTYPE``) in their order,
        ``per_packet`` (1 to 22) of them in each."""
        if orders.dtype != ORDER_DTYPE:
            raise ValueError("a packet of orders is made of ORDER_DTYPE")
        if not 1 <= per_packet <= MAX_PACKET_RECORDS:
            raise ValueError(f"a packet holds 1 to {MAX_PACKET_RECORDS} records, not {per_packet}")
        header = np.zeros(1, PACKET_HEADER_DTYPE)
        header["magic"], header["layout_tag"] = PACKET_MAGIC, LAYOUT_HASH & 0xFFFFFFFF
        header["sender"], header["kind"] = self.sender, PacketKind.ORDERS
        header["sent_ts_ns"] = sent_ts_ns
        packets = []
        for at in range(0, len(orders), per_packet):
            part = orders[at : at + per_packet]
            header["first_seq"], header["count"] = self.next_seq, len(part)
            self.next_seq += len(part)
            packets.append(header.tobytes() + part.tobytes())
        return packets

    def frames(
        self, orders: "NDArray[Any]", per_packet: int = MAX_PACKET_RECORDS, sent_ts_ns: int = 0
    ) -> list[bytes]:
        """The same as whole frames to this sender's :class:`Addresses`."""
        return [
            ethernet_frame(payload, self.addresses)
            for payload in self.payloads(orders, per_packet, sent_ts_ns)
        ]
