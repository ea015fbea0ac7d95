"""What it costs that any one machine may burn, and how long its clients wait when one does.

``replicated_commands`` is a whole run as fast as it goes, each event held until its command is on
this disk and on two of three nodes. The same run with this disk alone is ``local``. At a paced
rate, ``replicated_p50`` is sequenced -> released, the same two ways.

``publish_bytes`` is a journal of generated orders published by the protocol (compressed, with
chain, epoch, lease). One peer is JetStream given the same blocks as the journal stores them
(``bare_jetstream``). Another is JetStream given the very same messages (``bare_compressed``: what
is left is our own work). As many are on their way in each. All count the journal's bytes.

The gaps are what a client of a drill (``drill.py``) sees: the longest time without an answer. All
nodes are on this machine and this disk.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.results import missing
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from openoutcry.pipeline.stages.journal import MAX_REPLICATED_RECORDS
from openoutcry.replica.cluster import Cluster
from openoutcry.replica.jetstream import JetStream, acknowledged, messages
from openoutcry.replica.link import connect
from openoutcry.replica.message import unpack
from openoutcry.replica.primary import WINDOW
from openoutcry.replica.publisher import Publisher
from openoutcry.runtime.prefork import Replication
from openoutcry.wire import OutcryError

ORDERS, QUICK_ORDERS = 5_000_000, 100_000
PACED, QUICK_PACED = 500_000, 20_000
RATE = 100_000
BLOCKS, QUICK_BLOCKS = 1_000, 100
GAPS = {
    "gap_primary": "kill primary",
    "gap_leader": "kill leader",
    "gap_both": "kill primary and leader",
    "gap_planned": "hand over",
    "cold_start": "kill everything",
}


def bench_replication(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    with _cluster() as (cluster, folder):

        def one_round(number: int, add: Add) -> None:
            for who in rotated(("ours", "local"), number):
                fast = _run(cluster, folder, who == "ours", QUICK_ORDERS if quick else ORDERS, 0)
                paced = _run(cluster, folder, who == "ours", QUICK_PACED if quick else PACED, RATE)
                add("replicated_commands", "1/s", "higher", float(fast["commands_per_s"]), who)
                (row,) = (row for row in paced["stages"] if row["name"] == "release")
                add("replicated_p50", "ns", "lower", float(row["p50"]), who)
            blocks = QUICK_BLOCKS if quick else BLOCKS
            seconds, packed, plain = _publish(cluster, folder, blocks)
            journal_bytes = sum(map(len, plain))
            add("publish_bytes", "B/s", "higher", journal_bytes / seconds)
            for who, payloads in (("bare_jetstream", plain), ("bare_compressed", packed)):
                bare_s = _bare(cluster, payloads)
                add("publish_bytes", "B/s", "higher", journal_bytes / bare_s, who)
            if not quick:
                _add_gaps(number, add)

        gathered.run(one_round)
    if quick:
        gathered.missing += [missing(name, "left out of a quick run") for name in GAPS]
    return gathered.document("replication", command, {})


@contextmanager
def _cluster() -> Iterator[tuple[Cluster, Path]]:
    folder = Path(tempfile.mkdtemp(prefix=".outcry-bench-replication-", dir="."))
    cluster = None
    try:
        cluster = Cluster.make(folder / "cluster")
        cluster.start()
        cluster.wait_ready()
        yield cluster, folder
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _name(what: str) -> str:
    """The name of a separate stream: each run's journal is another."""
    return f"{what}-{time.monotonic_ns()}"


def _run(cluster: Cluster, folder: Path, replicated: bool, count: int, rate: int) -> dict[str, Any]:
    journal = folder / _name("journal")
    source = GeneratedFlow("normal", count, 3)
    replication = Replication(_name("RUN"), str(cluster.folder)) if replicated else None
    try:
        result = run(
            Options(
                source=source,
                orders=count,
                seed=3,
                topology="processes",
                rate=rate,
                verify=False,
                durability="replicated" if replicated else "durable",
                replication=replication,
                journal=journal,
                checkpoint_every=0,
                volatile_journal=True,
            )
        )
    finally:
        shutil.rmtree(journal, ignore_errors=True)
    if result["lost"] or result["duplicated"]:
        raise OutcryError("bench replication: a run lost or doubled commands")
    return result


def _publish(cluster: Cluster, folder: Path, blocks: int) -> tuple[float, list[bytes], list[bytes]]:
    """A journal into a stream: the seconds that it took, the messages that the stream holds then,
    and of each its blocks as the journal stores them."""
    journal, venue = folder / _name("journal"), _name("PUBLISH")
    flow = GeneratedFlow("normal", blocks * MAX_REPLICATED_RECORDS, 3)
    orders = np.concatenate(list(flow.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    with Journal.create(journal, {"of": "bench"}, direct=False) as writer:
        for part in np.array_split(orders, blocks):
            first = int(part["seq"][0])
            writer.append(first, [part.view("u1").data], len(part), time.time_ns())
    publisher = Publisher(journal, cluster.access, venue, "bench/1")
    try:
        publisher.begin()
        before, began = publisher.machine.tip.position, time.perf_counter()
        while publisher.read() or not publisher.idle:
            publisher.turn(0.01)
        seconds = time.perf_counter() - began
        last = publisher.machine.tip.position
    finally:
        publisher.close()
        shutil.rmtree(journal, ignore_errors=True)
    link = connect(cluster.access)
    try:
        published = list(messages(JetStream(link, venue), before + 1, last))
    finally:
        link.close()
    plain = [bytes(unpack(data, position).blocks.data) for position, data in published]
    return seconds, [data for _, data in published], plain


def _bare(cluster: Cluster, payloads: list[bytes]) -> float:
    """The seconds that these messages take, as many on their way, without our protocol."""
    link = connect(cluster.access)
    try:
        stream = JetStream(link, _name("BARE"))
        stream.open()
        began, done, sent = time.perf_counter(), 0, 0
        while done < len(payloads):
            while sent < len(payloads) and sent - done < WINDOW:
                sent += 1
                stream.publish(sent, payloads[sent - 1])
            link.wait(0.1)
            while (message := link.take()) is not None:
                acknowledged(message)
                done += 1
        return time.perf_counter() - began
    finally:
        link.close()


def _add_gaps(number: int, add: Add) -> None:
    """One fault of each kind, seen by a client."""
    # A drill leaves the machine's network, so it runs in a separate process.
    command = [
        sys.executable,
        "-m",
        "openoutcry",
        "cluster",
        "drill",
        "--json",
        "--seed",
        str(number + 1),
        "--kinds",
        ",".join(GAPS.values()),
        "--faults",
        str(len(GAPS)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise OutcryError("bench replication: the drill failed: " + done.stdout.strip()[-500:])
    gaps = {row["kind"]: row["gap_s"] for row in json.loads(done.stdout)["faults"]}
    for name, kind in GAPS.items():
        add(name, "ns", "lower", gaps[kind] * 1e9)
