"""Attacks by datagrams: what was executed once is never executed again, and nobody on a network is
the exchange operator, silences another, or makes the receiver forget."""

import random
import socket
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.receive_window import SENDERS_MAX
from openoutcry.dpdk_shim.udp import UdpReceiver, receive_burst
from openoutcry.pipeline.top import RunningPipeline
from openoutcry.ring import remove_dead_segments
from openoutcry.wire.enums import CommandKind, EventKind, Phase
from openoutcry.wire.records import ORDER_DTYPE
from tests.support.adversary import network as shared
from tests.support.adversary.network import ORDERS, check_once, lives, send_all
from tests.support.dpdk_shim.udp_runs import (
    killed,
    limit_orders,
    listening,
    replied_events,
    started,
    stopped,
)
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, wait_until

_compiled = shared._compiled


@pytest.mark.promise(
    "With a journal the same holds across SIGKILL of everything and `--resume`: who sent"
    " each command is kept with it",
    group="network",
)
def test_a_datagram_is_executed_once_whatever_dies(tmp_path: Path) -> None:
    """SIGKILL of everything, a resumed journal, and the very same datagrams again: at most once,
    and what was lost with the death is taken when it comes again."""
    check_once(tmp_path, lives(tmp_path, seed=1, deaths=3), seed=1)


def test_a_datagram_is_executed_once_by_a_command_killed_from_outside(tmp_path: Path) -> None:
    """SIGKILL of the real command once a sequence has passed, --resume, and all datagrams again."""
    rng, port = random.Random(2), free_port()
    packets = build_packets(limit_orders(ORDERS), 9, 1, 0, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        for arguments, count in ((), ORDERS // 2), (("--resume",), ORDERS):
            with listening(tmp_path, port, *arguments) as process:
                pipeline = started(process)
                passed = rng.randint(1, count) if count < ORDERS else ORDERS

                def has_passed(
                    sent: list[bytes] = packets[:count], passed: int = passed,
                    pipeline: RunningPipeline = pipeline,
                ) -> bool:  # fmt: skip
                    send_all(client, sent, rng)
                    return pipeline.positions()["sequenced"] >= passed

                wait_until(has_passed, f"{passed} orders are sequenced")
                if count < ORDERS:
                    killed(process, tmp_path / "j")
                    remove_dead_segments()
                else:
                    check_once(tmp_path, stopped(process), seed=2)


def operators() -> np.ndarray:
    """What only the exchange operator may say: halt, cancel everybody's, end of time; and an order
    in his name."""
    orders = limit_orders(4)
    orders["participant"] = 0
    orders["kind"][:3] = CommandKind.PHASE, CommandKind.MASS_CANCEL, CommandKind.TIME
    orders["aux"][:3] = Phase.HALT, 1, 2**62
    return orders


@pytest.mark.smoke
@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are "
    "left out and counted",
    group="network",
)
def test_nobody_on_the_network_is_the_exchange_operator(tmp_path: Path) -> None:
    """PHASE, MASS_CANCEL of everybody and TIME of participant 0 change nothing and are counted; the
    participant's orders between them, in the same datagrams, are taken."""
    port = free_port()
    mixed = np.concatenate([limit_orders(2), operators(), limit_orders(4)[2:]])
    with (
        listening(tmp_path, port) as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        pipeline = started(process)
        client.connect(("127.0.0.1", port))
        client.settimeout(BOUND_S)
        for data in build_packets(mixed, 9, 1, 0, 4):
            client.send(data)
        wait_until(lambda: pipeline.positions()["events"] >= 4, "the four orders are accepted")
        result = stopped(process)
    assert result["commands"] == result["open_orders"] == 4
    assert result["event_kinds"] == {"ACCEPTED": 4}
    assert result["source"]["account"]["operator_records"] == 4


@pytest.mark.promise(
    "A jump of more than 2^20 sequence numbers is refused; a smaller forged one "
    "leaves its sender's own packets acceptable",
    group="network",
)
def test_a_forged_sequence_does_not_silence_its_sender(tmp_path: Path) -> None:
    """From the sender's own address and number, the farthest that is believed and the farthest
    there is: the sender is heard as before."""
    port = free_port()
    packets = build_packets(limit_orders(10), 9, 1, 0, 1)
    order = limit_orders(1)
    order["order_id"] = 77
    forged = [build_packets(order, 9, first, 0)[0] for first in (2**61, 2**20)]
    with (
        listening(tmp_path, port) as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        started(process)
        client.connect(("127.0.0.1", port))
        client.settimeout(BOUND_S)
        heard = []
        for data in (packets[0], *forged, *packets[1:]):
            client.send(data)
            if data != forged[0]:
                heard += replied_events(client.recv(4_096))["order_id"].tolist()
        result = stopped(process)
    assert heard == [1, 77, *range(2, 11)]
    assert result["event_kinds"] == {EventKind.ACCEPTED.name: 11}
    assert result["source"]["account"]["jump_packets"] == 1


@pytest.mark.promise(
    "No sender is forgotten: with 3,072 known, further ones are refused",
    group="network",
)
def test_a_flood_of_senders_reopens_no_past() -> None:
    """More forged senders than are remembered: a known one's old datagrams stay old, his new ones
    are heard."""
    out = np.zeros(64 * 22, ORDER_DTYPE)
    first, second = build_packets(limit_orders(2), 2**32 - 1, 1, 0, 1)
    with (
        UdpReceiver("127.0.0.1", 0) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.connect((receiver.host, receiver.port))

        def take() -> int:
            return int(receive_burst(receiver.rx_addr, out.ctypes.data, len(out)))

        client.send(first)
        assert take() == 1
        heard = 0
        for sender in range(SENDERS_MAX + 500):
            client.send(build_packets(limit_orders(1), sender, 1, 0)[0])
            heard += take()
        assert heard == SENDERS_MAX - 1
        client.send(first)
        assert take() == 0
        client.send(second)
        assert take() == 1
    assert receiver.counters()["sender_refused_packets"] == 501
