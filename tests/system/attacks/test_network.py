"""Attacks by datagrams: what was executed once is never executed again, and nobody on a network is
the exchange operator, silences another, or makes the receiver forget."""

import json
import os
import random
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.names import SENDERS_MAX
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.events import events_of
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ring import remove_dead_segments
from openoutcry.wire.enums import CommandKind, EventKind, Phase
from tests.support.deaths import STAGES, ended, forked, run_to_death
from tests.support.dpdk_shim.packet_door import PacketDoor
from tests.support.dpdk_shim.udp_runs import (
    killed,
    limit_orders,
    listening,
    replied_events,
    started,
    stopped,
)
from tests.support.processes import free_port, left_since
from tests.support.waiting import BOUND_S, wait_until

ORDERS = 600


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """No run below waits for a compiler."""
    compile_kernels(lambda what, done, total: None)


def executed(journal: Path) -> list[int]:
    """Ids of every order in the journal."""
    batches = events_of(JournalReader(journal))
    return [int(i) for batch in batches for i in batch.commands["order_id"]]


def options(folder: Path, port: int, **more: Any) -> Options:
    return Options(
        ports=[parse_port(f"udp:127.0.0.1:{port}")],
        source_kind="udp",
        instruments=GeneratedFlow("normal", 1, 1).instruments,
        journal=folder / "j",
        resume=Journal.exists(folder / "j"),
        order_capacity=1 << 12,
        housekeeping_cores=0,
        **more,
    )


def send_all(client: socket.socket, packets: list[bytes], rng: random.Random) -> None:
    """Every packet, now and then doubled and in another order."""
    again = packets if rng.random() < 0.5 else sorted(2 * packets)
    for data in again:
        with suppress(ConnectionRefusedError, BlockingIOError):
            client.send(data)


def lives(folder: Path, seed: int, deaths: int) -> dict[str, Any]:
    """A client sends, all processes die at a sequence number, the pipeline is resumed, and the
    client sends all it has sent once more, and the same again; returns the last run's result."""
    rng = random.Random(seed)
    port = free_port()
    packets = build_packets(limit_orders(ORDERS), 9, 1, 0, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        for life in range(1, deaths + 1):
            done = len(executed(folder / "j")) if Journal.exists(folder / "j") else 0
            until = ORDERS * life // (deaths + 1)
            death = Death(
                rng.choice(STAGES),
                rng.randint(done + 1, until),
                rng.choice(list(Place)),
                everything=True,
            )

            def send(sent: list[bytes] = packets[:until]) -> None:
                # A full queue drops datagrams, as a network does: so all of them until it dies.
                send_all(client, sent, rng)

            run_to_death(options(folder, port, deaths=(death,)), folder / "error", meanwhile=send)
        return last_life(folder, port, lambda: send_all(client, packets, rng))


def last_life(folder: Path, port: int, send: Callable[[], None]) -> dict[str, Any]:
    """Until every order is sequenced; the result."""
    answer = folder / "answer"

    def work() -> None:
        result = run(options(folder, port))
        answer.write_text(json.dumps({key: result[key] for key in ("replay", "source")}))

    pid = forked(work, folder / "error")

    def all_sequenced() -> bool:
        send()
        return any(
            pipeline.owner.pid == pid and pipeline.positions()["sequenced"] >= ORDERS
            for pipeline in running()
        )

    wait_until(all_sequenced, "every order is sequenced")
    os.kill(pid, signal.SIGINT)
    assert ended(pid) == 0, (folder / "error").read_text()
    return dict(json.loads(answer.read_text()))


def check_once(folder: Path, result: dict[str, Any], seed: int) -> None:
    ids = executed(folder / "j")
    assert len(ids) == len(set(ids)), f"seed {seed}: executed twice"
    assert sorted(ids) == list(range(1, ORDERS + 1)), f"seed {seed}"
    assert result["replay"]["equal"]
    assert result["source"]["account"]["duplicate_packets"] > 0
    assert not left_since(set())


@pytest.mark.promise(
    "Each order of a sender is delivered at most once, although packets are duplicated, "
    "delayed and reordered; with a journal also across SIGKILL of all processes and "
    "`--resume`. Replies of another exchange are counted and ignored by the client",
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
                    sent: list[bytes] = packets[:count],
                    passed: int = passed,
                    pipeline: RunningPipeline = pipeline,
                ) -> bool:
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
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
    group="network",
)
def test_no_sender_on_the_network_is_the_exchange_operator(tmp_path: Path) -> None:
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
    "A jump of more than 2^20 sequence numbers is rejected; no sender is forgotten: with "
    "3,072 known, further ones are rejected. Epochs of one session take no other session's "
    "place",
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
    "A jump of more than 2^20 sequence numbers is rejected; no sender is forgotten: with "
    "3,072 known, further ones are rejected. Epochs of one session take no other session's "
    "place",
    group="network",
)
def test_a_flood_of_senders_reopens_no_past() -> None:
    """More forged senders than are remembered: a known one's old datagrams stay old, his new ones
    are heard."""
    first, second = build_packets(limit_orders(2), 2**32 - 1, 1, 0, 1)
    with (
        PacketDoor() as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.connect(receiver.at)

        def take() -> int:
            return len(receiver.take())

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


@pytest.mark.long
@pytest.mark.parametrize("seed", range(25))
def test_a_datagram_is_executed_once_at_many_moments(seed: int, tmp_path: Path) -> None:
    check_once(tmp_path, lives(tmp_path, seed, deaths=4), seed)
