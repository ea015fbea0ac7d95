"""Breaks a replicated venue on purpose, again and again, and proves that nothing was lost.

The real command runs, in a namespace of its own, over a real cluster of three whose nodes live in
theirs.  A client sends orders all the time and notes each answer.  In the end every answered order
must be, once and in its place, in the journal that is restored from the stream alone; the replay of
that journal and of the primary's must come to the same state; every node's disk must hold the same
chain.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.drill_client import DrillClient
from openoutcry.bench.drill_network import Network
from openoutcry.host.processes import die_with_parent
from openoutcry.journal import JournalReader
from openoutcry.replay.replay import replay
from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.disaster import Copier, restore
from openoutcry.replica.errors import ReplicaError, Unreachable
from openoutcry.replica.jetstream import JetStream
from openoutcry.replica.link import connect
from openoutcry.replica.store import verify_node
from openoutcry.wire.errors import OutcryError

NODES = ("node-1", "node-2", "node-3")
PRIMARY = "primary"
STREAM = "DRILL"
PORT = 9000
RATE = 200
STOPPED_S = 5.0
"""How long what is stopped or cut off stays so: longer than a lease."""
RECOVER_S = 120.0
"""How long the way back may take before the drill gives up."""
STEADY = 100
"""Answers after which a fault is over."""


@dataclass
class Fault:
    """One thing that was done, and what came of it."""

    kind: str
    target: str
    at_s: float
    gap_s: float = 0.0
    note: str = ""


@dataclass
class Drill:
    """A throw-away cluster, a primary, a client, in ``folder``."""

    folder: Path
    network: Network
    rate: int = RATE
    say: Callable[[str], None] = print
    faults: list[Fault] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    """Processes of the primary when it was signalled last."""

    def __post_init__(self) -> None:
        hosts = [(self.network.addresses[n], self.network.namespace(n)) for n in NODES]
        self.cluster = Cluster.make(self.folder / "cluster", hosts)
        self.journal = self.folder / "journal"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = DrillClient((self.network.addresses[PRIMARY], PORT), self.rate)
        self.log = open(self.folder / "primary.log", "ab")  # noqa: SIM115

    # The venue

    def begin(self) -> None:
        self.cluster.start()
        self.cluster.wait_ready()
        self.start_primary()
        self.client.start()
        self.wait_steady(time.monotonic())

    def start_primary(self) -> None:
        command = [
            "nsenter", f"--net={self.network.namespace(PRIMARY)}",
            sys.executable, "-m", "openoutcry", "run",
            "--udp", f"{self.network.addresses[PRIMARY]}:{PORT}",
            "--durability", "replicated", "--nats", str(self.cluster.folder),
            "--stream", STREAM, "--journal", str(self.journal), "--participant-rate", "max",
            "--participant-orders", "max", "--housekeeping-cores", "3", "--checkpoint-every", "0",
            *(["--resume"] if self.journal.exists() else []),
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            cwd=self.folder, preexec_fn=die_with_parent, start_new_session=True,
        )  # fmt: skip

    def kill_primary(self) -> None:
        """SIGKILL to every process of it."""
        assert self.process is not None
        self.signal_primary(signal.SIGKILL)
        self.process.wait()
        for pid in self.stages:
            while os.path.exists(f"/proc/{pid}"):
                time.sleep(0.005)

    def signal_primary(self, number: int) -> None:
        assert self.process is not None
        if number != signal.SIGCONT:
            self.stages = _descendants(self.process.pid)
        for pid in [self.process.pid, *self.stages]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def wait_steady(self, since_s: float) -> None:
        """Until answers come again, and every node has what the others have."""
        deadline_s = time.monotonic() + RECOVER_S
        while self.client.answered_since(since_s) < STEADY:
            if self.process is not None and self.process.poll() is not None:
                # What an operator's service manager does.
                self.start_primary()
            self._require_time(deadline_s, "no answers")
            time.sleep(0.02)
        while not self._all_current():
            self._require_time(deadline_s, "a node does not catch up")
            time.sleep(0.1)

    def _require_time(self, deadline_s: float, why: str) -> None:
        if time.monotonic() > deadline_s:
            raise OutcryError(
                f"the drill ends: {why} for {RECOVER_S:g} s; {self.folder} is kept: "
                f"{self._last_words()}"
            )

    def _last_words(self) -> str:
        lines = (self.folder / "primary.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:])

    def _all_current(self) -> bool:
        try:
            link = connect(self.cluster.access)
        except ReplicaError:
            return False
        try:
            tail = JetStream(link, STREAM).tail()
            return len(tail.peers) == len(NODES) - 1 and all(
                peer.get("current") and not peer.get("offline") and peer.get("lag", 0) < self.rate
                for peer in tail.peers
            )
        except ReplicaError:
            return False
        finally:
            link.close()

    # Who is who

    def leader(self) -> Node:
        """The node that leads the stream."""
        deadline_s = time.monotonic() + RECOVER_S
        while True:
            try:
                link = connect(self.cluster.access)
                try:
                    name = JetStream(link, STREAM).tail().leader
                finally:
                    link.close()
                if name:
                    return self.cluster.node(name)
            except Unreachable:
                pass
            self._require_time(deadline_s, "no leader")
            time.sleep(0.1)

    def follower(self, rng: random.Random) -> Node:
        leader = self.leader()
        return rng.choice([node for node in self.cluster.nodes if node != leader])

    # The end

    def finish(self) -> dict[str, Any]:
        """Stop everything in its order and prove what is left; returns the report."""
        self.client.stop()
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        deadline_s = time.monotonic() + RECOVER_S
        while not self._all_current():
            self._require_time(deadline_s, "a node does not catch up")
            time.sleep(0.1)
        copier = Copier(self.cluster.access, STREAM, self.folder / "copy")
        copier.copy()
        copier.close()
        self.cluster.stop()
        restored = self.folder / "restored"
        restore(self.folder / "copy", restored)
        return self._report(restored)

    def _report(self, restored: Path) -> dict[str, Any]:
        mine, copy = replay(self.journal), replay(restored)
        until = replay(self.journal, until_seq=copy["commands"])
        tips = {
            node.name: [(row.tip.position, row.tip.hash.hex(), row.flaw) for row in rows]
            for node in self.cluster.nodes
            if (rows := verify_node(self.cluster, node)) is not None
        }
        return {
            "faults": [vars(fault) for fault in self.faults],
            "sent": self.client.sent,
            "acknowledged": len(self.client.acknowledged),
            **judged(self.client, restored),
            "commands": mine["commands"],
            "replicated_commands": copy["commands"],
            "state_hash": until["state_hash"],
            "restored_state_hash": copy["state_hash"],
            "event_digests": copy["event_digests"],
            "hashes_equal": until["state_hash"] == copy["state_hash"]
            and copy["wrong_seq"] is None and mine["wrong_seq"] is None,
            "nodes_equal": len({json.dumps(rows) for rows in tips.values()}) == 1
            and not any(flaw for rows in tips.values() for _, _, flaw in rows),
        }  # fmt: skip

    def close(self) -> None:
        """End everything that may still run."""
        self.client.stop()
        if self.process is not None and self.process.poll() is None:
            self.signal_primary(signal.SIGCONT)
            self.kill_primary()
        self.cluster.stop()
        self.network.close()
        self.log.close()


def judged(client: DrillClient, restored: Path) -> dict[str, int]:
    """Answered orders that the journal made of the stream alone has not (``lost``), has twice or
    was told of twice (``doubled``), or has in another order than they were sent (``reordered``)."""
    parts = [orders[["seq", "order_id"]].copy() for _, orders in JournalReader(restored).chunks()]
    rows = np.concatenate(parts)
    ids, counts = np.unique(rows["order_id"], return_counts=True)
    twice = {int(one) for one in ids[counts > 1]}
    by_seq = dict(zip(rows["seq"].tolist(), rows["order_id"].tolist(), strict=True))
    answered = client.acknowledged
    lost = sum(by_seq.get(seq) != order_id for order_id, seq in answered.items())
    seqs = np.array([answered[order_id] for order_id in sorted(answered)], np.int64)
    return {
        "lost": lost,
        "doubled": len(client.doubled) + len(twice & set(answered)),
        "reordered": int(np.count_nonzero(np.diff(seqs) <= 0)),
    }


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found
