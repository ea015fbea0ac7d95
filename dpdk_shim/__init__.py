"""Bring packets in and out: order records from the network, events back to their senders."""

from openoutcry.dpdk_shim.packets import (
    MAX_PACKET_BYTES,
    PacketError,
    build_packets,
    parse_packet,
    read_packet,
)
from openoutcry.dpdk_shim.udp import NetworkError, parse_endpoint, resolve

__all__ = [
    "MAX_PACKET_BYTES",
    "NetworkError",
    "PacketError",
    "build_packets",
    "parse_endpoint",
    "parse_packet",
    "read_packet",
    "resolve",
]
