"""Attacks by datagrams: what was executed once is never executed again, and nobody on a network is
the exchange operator, silences another, or makes the receiver forget."""

import random
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import free_port, left_behind
from udp_runs import killed, limit_orders, listening, replied_events, started, stopped

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.receive_window import SENDERS_MAX
from openoutcry.dpdk_shim.udp import UdpReceiver, receive_burst
from openoutcry.journal import JournalReader
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.replay.events import events_of
from openoutcry.ring import remove_dead_segments
from openoutcry.wire.enums import CommandKind, EventKind, Phase
from openoutcry.wire.records import ORDER_DTYPE

ORDERS = 600


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """No run below waits for a compiler."""
    compile_kernels(lambda what, done, total: None)


def executed(journal: Path) -> list[int]:
    """Ids of every order in the journal."""
    batches = events_of(JournalReader(journal))
    return [int(i) for batch in batches for i in batch.commands["order_id"]]


def disasters(folder: Path, seed: int, kills: int) -> dict[str, Any]:
    """A client sends, everything is killed, it is resumed, and the client sends all it has sent
    once more, and the same again; returns the last run's result."""
    rng = random.Random(seed)
    port = free_port()
    packets = build_packets(limit_orders(ORDERS), 9, 1, 0, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        sent = 0
        for kill in range(kills + 1):
            with listening(folder, port, *(["--resume"] if kill else [])) as process:
                pipeline = started(process)
                # Everything from before again, doubled and in another order now and then.
                again = [*range(sent)] if rng.random() < 0.5 else sorted(2 * [*range(sent)])
                for number in again:
                    client.send(packets[number])
                until = ORDERS if kill == kills else sent + (ORDERS - sent) // (kills + 1 - kill)
                for number in range(sent, until):
                    client.send(packets[number])
                sent = until
                if kill < kills:
                    time.sleep(rng.uniform(0.0, 0.05))
                    killed(process, folder / "j")
                    remove_dead_segments()
                    continue
                deadline = time.monotonic() + 300
                while pipeline.positions()["sequenced"] < ORDERS and time.monotonic() < deadline:
                    # A full queue drops datagrams, as a network does: so once more.
                    time.sleep(0.5)
                    for number in range(ORDERS):
                        client.send(packets[number])
                return stopped(process)
    raise AssertionError("no run")


def check_once(folder: Path, seed: int, kills: int) -> None:
    result = disasters(folder, seed, kills)
    ids = executed(folder / "j")
    assert len(ids) == len(set(ids)), f"seed {seed}: executed twice"
    assert sorted(ids) == list(range(1, ORDERS + 1)), f"seed {seed}"
    assert result["replay"]["equal"]
    assert result["source"]["account"]["duplicate_packets"] > 0
    assert left_behind() == set()


def test_a_datagram_is_executed_once_whatever_is_killed(tmp_path: Path) -> None:
    """SIGKILL of everything, --resume, and the very same datagrams again: at most once, and what
    was lost with the kill is taken when it comes again."""
    check_once(tmp_path, seed=1, kills=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(25))
def test_a_datagram_is_executed_once_at_many_moments(seed: int, tmp_path: Path) -> None:
    check_once(tmp_path, seed, kills=4)


def operators() -> np.ndarray:
    """What only the exchange operator may say: halt, cancel everybody's, end of time; and an order
    in his name."""
    orders = limit_orders(4)
    orders["participant"] = 0
    orders["kind"][:3] = CommandKind.PHASE, CommandKind.MASS_CANCEL, CommandKind.TIME
    orders["aux"][:3] = Phase.HALT, 1, 2**62
    return orders


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
        client.settimeout(300)
        for data in build_packets(mixed, 9, 1, 0, 4):
            client.send(data)
        while pipeline.positions()["events"] < 4:
            time.sleep(0.01)
        result = stopped(process)
    assert result["commands"] == result["open_orders"] == 4
    assert result["event_kinds"] == {"ACCEPTED": 4}
    assert result["source"]["account"]["operator_records"] == 4


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
        client.settimeout(300)
        heard = []
        for data in (packets[0], *forged, *packets[1:]):
            client.send(data)
            if data != forged[0]:
                heard += replied_events(client.recv(4_096))["order_id"].tolist()
        result = stopped(process)
    assert heard == [1, 77, *range(2, 11)]
    assert result["event_kinds"] == {EventKind.ACCEPTED.name: 11}
    assert result["source"]["account"]["jump_packets"] == 1


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
