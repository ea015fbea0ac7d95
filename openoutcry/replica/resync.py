"""A node that was damaged, or whose disk was full, gets everything from the others again."""

import time

from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.jetstream import JetStream, retry_until_leader, venues
from openoutcry.replica.link import connect
from openoutcry.replica.store import forget, verify_node
from openoutcry.wire.errors import ReplicaError, Unreachable

RESYNC_S = 600.0


def resync_node(cluster: Cluster, node: Node, timeout_s: float = RESYNC_S) -> str:
    """End the node, wipe it, start it, wait until it has what the others have, and prove it from
    its disk; returns what that is, in words.

    Raises :class:`ReplicaError` if the others are not a majority that is whole: nothing is wiped.
    """
    others = [other for other in cluster.nodes if other != node]
    for other in others:
        if cluster.identity(other) is None:
            raise ReplicaError(f"{other.name} does not run: {node.name} would be the only copy")
        for row in verify_node(cluster, other):
            if row.flaw:
                raise ReplicaError(f"{other.name}: {row.text}: nothing is wiped")
    cluster.stop([node])
    cluster.wipe(node)
    forget(cluster, node)
    cluster.start([node], stay=True)
    deadline_s = time.monotonic() + timeout_s
    wanted = _wanted(cluster, deadline_s)
    while True:
        rows = {row.venue: row for row in verify_node(cluster, node)}
        if flaws := [row.text for row in rows.values() if row.flaw]:
            raise ReplicaError(f"{node.name}: {flaws[0]}")
        if all(v in rows and rows[v].tip.position >= last for v, last in wanted.items()):
            return "; ".join(row.text for row in rows.values()) or "nothing"
        if time.monotonic() > deadline_s:
            raise Unreachable(f"{node.name}: not there after {timeout_s:g} s")
        time.sleep(0.2)


def _wanted(cluster: Cluster, deadline_s: float) -> dict[str, int]:
    """The last message of each venue's stream; a stream whose leader the node was has none for a
    while."""
    cluster.wait_ready()

    def ask() -> dict[str, int]:
        link = connect(cluster.access)
        try:
            return {venue: JetStream(link, venue).tail().last for venue in venues(link)}
        finally:
            link.close()

    return retry_until_leader(ask, deadline_s - time.monotonic())
