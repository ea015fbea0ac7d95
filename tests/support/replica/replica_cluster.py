"""One cluster for all tests of a worker, and what they do to it."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalWriter
from openoutcry.replica.cluster import Cluster
from openoutcry.replica.link import Link, reach
from openoutcry.replica.publisher import Publisher
from openoutcry.wire import ORDER_DTYPE
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.user_commands import environment
from tests.support.waiting import BOUND_S, wait_until


@pytest.fixture
def link(cluster: Cluster) -> Iterator[Link]:
    connection = reach(cluster.access)
    yield connection
    connection.close()


def new_journal(folder: Path) -> JournalWriter:
    return Journal.create(folder, {"of": folder.name})


def append(writer: JournalWriter, blocks: int, records: int = 10, order_id: bool = False) -> None:
    for _ in range(blocks):
        first = writer.written_seq + 1
        orders = np.zeros(records, ORDER_DTYPE)
        orders["seq"] = np.arange(first, first + records)
        if order_id:
            orders["order_id"] = orders["seq"]
        data = [orders.view("u1").data]
        writer.append(first, data, records, time.time_ns(), durable=True)


def drain(publisher: Publisher) -> None:
    """Publish all there is, until it is acknowledged."""

    def done() -> bool:
        publisher.read()
        publisher.turn(0.02)
        return publisher.idle or bool(publisher.stopped)

    wait_until(done, "the journal is published")


def thread_states(pid: int) -> set[str]:
    """What the threads of a process do, by the letters of proc(5)."""
    states = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states


class Frozen:
    """Nodes that are stopped as long as this lasts."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        self.cluster, self.nodes = cluster, cluster.nodes[:count]

    def __enter__(self) -> None:
        for node in self.nodes:
            self.cluster.signal(node, signal.SIGSTOP)
        # The signal wakes one thread, which stops the others once it runs: on busy cores they still
        # work for a while.
        for node in self.nodes:
            pid = self.cluster.processes[node.name].pid
            wait_until(lambda pid=pid: thread_states(pid) == {"T"}, f"{node.name} is stopped")

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            self.cluster.signal(node, signal.SIGCONT)
        self.cluster.wait_ready(BOUND_S)


def replicated_run(
    cluster: Cluster, folder: Path, stream: str, orders: int, rate: int
) -> tuple[subprocess.Popen[str], list[str]]:
    """``outcry run`` in ``folder``, replicated over the cluster: the process, leader of a group of
    its own, and its command."""
    words = [*OUTCRY, "run", "--orders", str(orders), "--rate", str(rate), "--json"]
    words += ["--durability", "replicated", "--nats", str(cluster.folder)]
    words += ["--stream", stream, "--journal", "day"]
    running = warm_outcry.Process(
        words,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return running, words
