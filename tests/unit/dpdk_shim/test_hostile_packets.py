"""Hostile packets as frames of a capture: the receiver takes, refuses and counts as the rules in
plain Python do (tests/oracles/dpdk_shim/packet_receiver.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import PacketSession, Sessions, seal
from openoutcry.dpdk_shim.names import SENDERS_MAX
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.wire.records import ORDER_DTYPE
from tests.oracles.dpdk_shim.packet_receiver import PacketReceiver
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.hostile_packets import SESSIONS, hostile_packets
from tests.support.dpdk_shim.shim_sequence import numbered
from tests.support.dpdk_shim.shim_wire import drain, frame, make_ring, write_pcap

_built = shared._built
ADDRESS = ("10.0.0.1", 5_000)
"""Where all frames of ``frame`` come from."""


def through(folder: Path, packets: list[bytes], sessions: Sessions | None) -> tuple[Any, Any]:
    """What a receiver makes of a capture of these packets: orders, and its counters."""
    path = write_pcap(folder / "in.pcap", [frame(data) for data in packets])
    with make_ring(1 << 14) as ring, Shim([parse_port(f"pcap:{path}")], ring) as shim:
        if sessions is not None:
            shim.authenticate(sessions)
        parts = []
        while not shim.ended:
            shim.poll()
            parts.append(drain(ring))
        account = shim.account()
    assert account["unaccounted"] == 0
    return np.concatenate(parts), account


@pytest.mark.promise(
    "Authenticated packets of a venue: no bit can be changed, and only a holder of the key trades"
    " and reads replies. None is accepted twice or from an earlier epoch, also after a crash",
    group="network",
)
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("seed", [11, 12])
def test_frames_are_taken_by_the_rules(tmp_path: Path, sealed: bool, seed: int) -> None:
    sessions = SESSIONS if sealed else ()
    reference = PacketReceiver(sessions)
    packets = [data for _, data in hostile_packets(seed, 600, sealed)]
    wanted = [order for data in packets for order in reference.take(data, ADDRESS).orders]
    records, account = through(tmp_path, packets, Sessions(SESSIONS) if sealed else None)
    expected = np.frombuffer(b"".join(wanted), ORDER_DTYPE).copy()
    for name in ("rx_ts_ns", "seq"):
        expected[name] = records[name] = 0
    assert len(expected) > 500
    assert records.tobytes() == expected.tobytes()
    assert {name: account[name] for name in reference.counts} == reference.counts


def test_a_killed_client_begins_again_and_its_old_packets_are_over(tmp_path: Path) -> None:
    """A session's numbers belong to its epoch, whose older ones are refused; what is taken is the
    session's, whichever participant its records name."""
    key = bytes(range(32))
    first, second, third = (numbered(number, 2, sender=7) for number in (1, 1, 3))
    packets = [seal(key, first, 5), seal(key, second, 6), seal(key, third, 5), seal(key, third, 6)]
    records, account = through(tmp_path, packets, Sessions([PacketSession(7, key)]))
    assert records["order_id"].tolist() == [1, 2, 1, 2, 3, 4]
    assert set(records["participant"].tolist()) == {7}
    assert account["rejected_unauthenticated"] == 1
    assert account["senders"] == 1


@pytest.mark.promise(
    "A jump of more than 2^20 sequence numbers is rejected; no sender is forgotten: with "
    "3,072 known, further ones are rejected. Epochs of one session take no other session's "
    "place",
    group="network",
)
def test_thousands_of_epochs_of_one_session_leave_the_others_their_places(tmp_path: Path) -> None:
    """More epochs than senders are remembered, then another client's new life; what the flooding
    session sends in its own newest epoch is taken as well, and nothing of the older ones."""
    first, other = bytes(range(32)), bytes(range(1, 33))
    packets = [seal(first, numbered(1, 1, sender=7), epoch) for epoch in range(1, SENDERS_MAX + 50)]
    packets += [seal(other, numbered(1, 2, sender=8), 5), seal(other, numbered(1, 1, sender=8), 6)]
    packets += [
        packets[0],
        packets[SENDERS_MAX + 48],
        seal(first, numbered(2, 1, 7), SENDERS_MAX + 49),
    ]
    sessions = Sessions([PacketSession(7, first), PacketSession(8, other)])
    records, account = through(tmp_path, packets, sessions)
    ids = records["order_id"][records["participant"] == 7].tolist()
    assert ids == [1] * (SENDERS_MAX + 49) + [2]
    assert records["order_id"][records["participant"] == 8].tolist() == [1, 2, 1]
    assert account["sender_refused_packets"] == 0
    assert account["senders"] == 2
    assert account["rejected_unauthenticated"] == 1, "of an old epoch"
    assert account["duplicate_packets"] == 1
