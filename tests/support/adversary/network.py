"""What the tests of network in several tiers share."""

import json
import os
import random
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from openoutcry.pipeline.top import running
from openoutcry.replay.events import events_of
from tests.support.deaths import STAGES, ended, forked, run_to_death
from tests.support.dpdk_shim.udp_runs import (
    limit_orders,
)
from tests.support.processes import free_port, left_behind
from tests.support.waiting import wait_until

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
        listen=("127.0.0.1", port), source_kind="udp",
        instruments=GeneratedFlow("normal", 1, 1).instruments, journal=folder / "j",
        resume=Journal.exists(folder / "j"), order_capacity=1 << 12, housekeeping_cores=0, **more,
    )  # fmt: skip


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
            death = Death(rng.choice(STAGES), rng.randint(done + 1, until),
                          rng.choice(list(Place)), everything=True)  # fmt: skip

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
    assert left_behind() == set()
