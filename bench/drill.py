"""Breaks a replicated venue on purpose, again and again, and proves that nothing was lost.

The real commands run, a primary and its standby, each in a separate network namespace, over a real
cluster of three whose nodes live in theirs. A client sends orders all the time and notes each
answer. In the end:

- Every answered order must be, once and in its place, in the journal that is restored from the
  stream alone.

- The replay of that journal and of each venue node's must come to the same state.

- Every cluster node's disk must hold the same chain.
"""

import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.drill_client import DrillClient
from openoutcry.bench.drill_network import Network
from openoutcry.bench.drill_venue import LEASE_MS, PORT, VenueNode
from openoutcry.journal import JournalReader
from openoutcry.journal.replay import replay
from openoutcry.replica.backup import Copier, restore
from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.cluster_status import status_document
from openoutcry.replica.jetstream import JetStream, Tail
from openoutcry.replica.link import connect
from openoutcry.replica.store import verify_node
from openoutcry.wire.errors import OutcryError, ReplicaError, Unreachable

NODES = ("node-1", "node-2", "node-3")
VENUES = ("venue-a", "venue-b")
STREAM = "DRILL"
RATE = 200
STOPPED_S = 5.0
"""How long what is stopped or cut off stays so: longer than a lease."""
RECOVER_S = 600.0
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
    """Without an answer, at most, until STEADY answers have come again."""
    gap_until_whole_s: float = 0.0
    """The same until all nodes are back: their start, next to the venue, may delay answers, too."""
    note: str = ""


@dataclass
class Drill:
    """A throw-away cluster, a primary, its standby, a client, in ``folder``."""

    folder: Path
    network: Network
    rate: int = RATE
    say: Callable[[str], None] = print
    faults: list[Fault] = field(default_factory=list)
    answered_s: float = 0.0
    """When answers had come again after the last fault."""
    woken: int = 0
    """Old primaries that were woken after another led,"""
    released_by_woken: int = 0
    """and what clients had from them then."""

    def __post_init__(self) -> None:
        hosts = [(self.network.addresses[n], self.network.namespace(n)) for n in NODES]
        self.cluster = Cluster.make(self.folder / "cluster", hosts)
        self.venues = [
            VenueNode(
                name,
                self.folder / name,
                self.cluster.folder,
                self.network.addresses[name],
                self.network.namespace(name),
            )
            for name in VENUES
        ]
        self.client = DrillClient(tuple((venue.address, PORT) for venue in self.venues), self.rate)

    # The venue

    def begin(self) -> None:
        """Start the cluster, the primary, its standby and the client, and wait until all of it
        works.  Raises :class:`OutcryError` if it does not in RECOVER_S."""
        self.cluster.start()
        self.cluster.wait_ready()
        self.venues[0].start("serve")
        self.wait(lambda: self.venues[0].serves, "the venue does not open")
        self.venues[1].start("standby")
        self.client.start()
        self.wait_steady(time.monotonic())

    @property
    def primary(self) -> VenueNode:
        """The node whose venue is open; of two that believe it, whose process is younger."""
        serving = [venue for venue in self.venues if venue.serves]
        return max(serving or self.venues, key=lambda v: v.process.pid if v.process else 0)

    @property
    def standby(self) -> VenueNode:
        """The other node than :attr:`primary`."""
        return self.venues[1 - self.venues.index(self.primary)]

    def wait_steady(self, since_s: float) -> None:
        """Wait until answers come again, every node of the cluster has what the others have, and
        the standby follows. A venue's process that has ended comes back as a standby, as an
        operator's service manager would have it."""

        self.answered_s = 0.0

        def steady() -> bool:
            if not self.answered_s and self.client.answered_since(since_s) >= STEADY:
                self.answered_s = time.monotonic()
            for venue in self.venues:
                if not venue.lives:
                    venue.start("standby")
            return (
                self.answered_s > 0
                and sum(venue.serves for venue in self.venues) == 1
                and any(venue.follows for venue in self.venues)
                and self._all_current()
            )

        self.wait(steady, "it does not come back")

    def wait(self, true: Callable[[], bool], why: str) -> None:
        """Raises :class:`OutcryError` saying ``why`` if it does not become true in RECOVER_S."""
        deadline_s = time.monotonic() + RECOVER_S
        while not true():
            if time.monotonic() > deadline_s:
                last_words = "; ".join(venue.last_words() for venue in self.venues if venue.process)
                raise OutcryError(f"the drill ends: {why} in {RECOVER_S:g} s: {last_words}")
            time.sleep(0.05)

    def _all_current(self) -> bool:
        try:
            link = connect(self.cluster.access)
        except ReplicaError:
            return False
        try:
            jetstream = JetStream(link, STREAM)
            # Each has a separate leader: a lease without one cannot be renewed.
            return all(self._is_whole(jetstream.tail(bucket)) for bucket in (False, True))
        except ReplicaError:
            return False
        finally:
            link.close()

    def _is_whole(self, tail: Tail) -> bool:
        return len(tail.peers) == len(NODES) - 1 and all(
            peer.get("current") and not peer.get("offline") and peer.get("lag", 0) < self.rate
            for peer in tail.peers
        )

    def diagnosis(self) -> dict[str, Any]:
        """The part and state of each venue and the cluster, to find out why the venue did not come
        back."""
        venues = {
            venue.name: {
                "lives": venue.lives,
                "serves": venue.serves,
                "follows": venue.follows,
                "standby": venue.document("standby.json"),
                "said": venue.last_words(),
            }
            for venue in self.venues
        }
        try:
            cluster = status_document(str(self.cluster.folder), self.cluster)
        except ReplicaError as error:
            cluster = {"trouble": str(error)}
        answered = (
            {"last_answer_s_ago": round(time.monotonic() - self.client.at_s[-1], 1)}
            if (self.client.at_s)
            else {}
        )
        return {"venues": venues, "cluster": cluster, **answered}

    # Roles

    def leader(self) -> Node:
        """The node that leads the stream."""
        leaders: list[Node] = []

        def known() -> bool:
            try:
                link = connect(self.cluster.access)
                try:
                    name = JetStream(link, STREAM).tail().leader
                finally:
                    link.close()
            except Unreachable:
                return False
            leaders.extend(node for node in self.cluster.nodes if node.name == name)
            return bool(leaders)

        self.wait(known, "no leader")
        return leaders[-1]

    def follower(self, rng: random.Random) -> Node:
        """A node that does not lead the stream, drawn from ``rng``."""
        leader = self.leader()
        return rng.choice([node for node in self.cluster.nodes if node != leader])

    # The end

    def finish(self) -> dict[str, Any]:
        """Stop everything in its order and prove what is left; returns the report."""
        self.client.stop()
        primary = self.primary
        self.standby.stop()
        primary.stop()
        self.wait(self._all_current, "a node does not catch up")
        copier = Copier(self.cluster.access, STREAM, self.folder / "copy")
        copier.copy()
        copier.close()
        self.cluster.stop()
        restored = self.folder / "restored"
        restore(self.folder / "copy", restored)
        return self._report(primary, restored)

    def _report(self, primary: VenueNode, restored: Path) -> dict[str, Any]:
        copy = replay(restored)
        hashes, wrong = {"restored": copy["state_hash"]}, copy["wrong_seq"]
        for venue in self.venues:
            last = min(copy["commands"], last_of(venue.journal))
            mine = replay(venue.journal, until_seq=last)
            same = copy if last == copy["commands"] else replay(restored, until_seq=last)
            hashes[venue.name] = mine["state_hash"]
            wrong = wrong or mine["wrong_seq"] or (mine["state_hash"] != same["state_hash"])
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
            "replicated_commands": copy["commands"],
            "state_hash": hashes[primary.name],
            "restored_state_hash": copy["state_hash"],
            "state_hashes": hashes,
            "event_digests": copy["event_digests"],
            "lease_ms": LEASE_MS,
            "hashes_equal": not wrong and hashes[primary.name] == copy["state_hash"],
            "woken_primaries": self.woken,
            "released_by_woken": self.released_by_woken,
            "nodes_equal": len({json.dumps(rows) for rows in tips.values()}) == 1
            and not any(flaw for rows in tips.values() for _, _, flaw in rows),
        }

    def close(self) -> None:
        """End everything that may still run."""
        self.client.stop()
        for venue in self.venues:
            if venue.lives:
                venue.send(signal.SIGCONT)
                venue.kill()
        self.cluster.stop()
        self.network.close()


def last_of(journal: Path) -> int:
    """The last command of a journal."""
    last = 0
    for first_seq, orders in JournalReader(journal).chunks():
        last = first_seq + len(orders) - 1
    return last


def judged(client: DrillClient, restored: Path) -> dict[str, int]:
    """Answered orders that the journal made of the stream alone lacks (``lost``) or has in another
    order than they were sent (``reordered``). An order is ``doubled`` if that journal has it twice,
    or if the client received two answers for it."""
    parts = [orders[["seq", "order_id"]].copy() for _, orders in JournalReader(restored).chunks()]
    rows = np.concatenate(parts)
    ids, counts = np.unique(rows["order_id"], return_counts=True)
    twice = {int(order_id) for order_id in ids[counts > 1]}
    by_seq = dict(zip(rows["seq"].tolist(), rows["order_id"].tolist(), strict=True))
    answered = client.acknowledged
    lost = sum(by_seq.get(seq) != order_id for order_id, seq in answered.items())
    seqs = np.array([answered[order_id] for order_id in sorted(answered)], np.int64)
    return {
        "lost": lost,
        "doubled": len(client.doubled) + len(twice & set(answered)),
        "reordered": int(np.count_nonzero(np.diff(seqs) <= 0)),
    }
