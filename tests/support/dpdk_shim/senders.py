"""What the tests of senders in several tiers share."""

import socket
from pathlib import Path

import numpy as np

from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import parse_port
from tests.support.dpdk_shim.shim_sequence import numbered
from tests.support.dpdk_shim.shim_wire import drain, frame, make_ring, write_pcap

NUMBER = 7
ADDRESS = int.from_bytes(socket.inet_aton("10.0.0.1"), "little")
PORT = int.from_bytes((5_000).to_bytes(2, "big"), "little")
"""Port of the frames of ``frame``, in network order."""
KEYS = [(NUMBER | PORT << 32 | 4 << 48, ADDRESS, 0, 0), (8 | 1 << 32, 12, 0, 0)]
"""The sender of :func:`taken`, and a session in an epoch."""


def taken(folder: Path, state: np.ndarray, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Packets (first number, count) of one sender that a receiver with this state hands on."""
    packets = [numbered(first, count, NUMBER) for first, count in parts]
    path = write_pcap(folder / "in.pcap", [frame(data) for data in packets])
    with make_ring(1 << 12) as ring, Shim([parse_port(f"pcap:{path}")], ring, state=state) as shim:
        ids: list[int] = []
        while not shim.ended:
            shim.poll()
            ids += drain(ring)["order_id"].tolist()
    handed_on = []
    for first, count in parts:
        if ids[:count] == list(range(first, first + count)):
            handed_on.append((first, count))
            del ids[:count]
    assert not ids
    return handed_on
