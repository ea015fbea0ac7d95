"""Bring packets in and out: order records from the network, events back to who caused them."""

from openoutcry.dpdk_shim.packets import (
    MAX_PACKET_BYTES,
    PacketError,
    build_packets,
    parse_packet,
    read_packet,
)
from openoutcry.dpdk_shim.receive_window import Counter
from openoutcry.dpdk_shim.udp import (
    STATE_WORDS,
    NetworkError,
    UdpReceiver,
    parse_endpoint,
    receive_burst,
    resolve,
    send_events,
)

__all__ = [
    "MAX_PACKET_BYTES",
    "STATE_WORDS",
    "Counter",
    "NetworkError",
    "PacketError",
    "UdpReceiver",
    "build_packets",
    "parse_endpoint",
    "parse_packet",
    "read_packet",
    "receive_burst",
    "resolve",
    "send_events",
]
