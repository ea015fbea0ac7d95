"""Looks at the disks of a cluster's nodes while they run, and ends one that is damaged.

A server does not read again what it wrote until it is asked for it, and then serves a hole as
well as a message.  So each node's files are read past it, from the first message on, again and
again.

What another client published, or deleted, is so on all nodes alike.  It is no damage of a disk: to
end nodes for it would end them all, with the streams of other venues.  It is reported, and the
nodes run.  The primary is safe without them: nothing leaves its gate that a stream has not got.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable

from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.store import Verified, verify_node

AGAIN_S = 0.5
"""A flaw is checked again: a server may have been writing there."""


def flaw_of(cluster: Cluster, node: Node, rows: list[Verified], foreign: set[str]) -> str:
    """Return what is wrong with the node's disk by a look at it, but for what is ``foreign``; in
    words, empty if nothing, or if it only seemed so."""
    flaws = {row.text for row in rows if row.flaw} - foreign
    if flaws:
        time.sleep(AGAIN_S)
        flaws &= {row.text for row in verify_node(cluster, node) if row.flaw}
    return "; ".join(sorted(flaws))


def foreign_in(looks: list[list[Verified]]) -> set[str]:
    """Return what all of several nodes have alike, and no venue has published."""
    found = [{row.text for row in rows if row.may_be_foreign} for rows in looks]
    return set.intersection(*found) if len(found) > 1 else set()


def lost_in(cluster: Cluster, looks: list[list[Verified]]) -> dict[str, str]:
    """Streams that a majority of the cluster has lost, and what is said of each."""
    counts = Counter(row.venue for rows in looks for row in rows if row.is_lost)
    texts = {row.venue: row.text for rows in looks for row in rows if row.is_lost}
    return {one: texts[one] for one, count in counts.items() if 2 * count > len(cluster.nodes)}


def look(cluster: Cluster, running: list[Node]) -> list[list[Verified]]:
    """Return what is on the disks of the nodes; of a stream that some have lost, once all had the
    time to lose it."""
    looks = [verify_node(cluster, node) for node in running]
    if any(row.is_lost for rows in looks for row in rows):
        time.sleep(AGAIN_S)
        looks = [verify_node(cluster, node) for node in running]
    return looks


def watch(
    cluster: Cluster,
    say: Callable[[str], None],
    every_s: float,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Look at all that run, each ``every_s``, until ``stop``.  A damaged one is ended at once: it
    leaves, and the others continue without it."""
    reported: set[str] = set()

    def alarm(name: str, text: str) -> None:
        if name not in reported:
            reported.add(name)
            say(text)

    while not stop():
        running = [node for node in cluster.nodes if cluster.identity(node) is not None]
        looks = look(cluster, running)
        lost, foreign = lost_in(cluster, looks), foreign_in(looks)
        for text in foreign:
            alarm(
                text,
                f"{text}: all nodes have it, so another client published it, and no node was "
                "stopped",
            )
        for venue, text in lost.items():
            alarm(
                f"{venue} is lost",
                f"ALARM: {text}: most nodes have lost it, so it was deleted, and no node is ended. "
                f"The venue {venue} releases nothing until it has another stream",
            )
        for node, rows in zip(running, looks, strict=True):
            own = [row for row in rows if row.venue not in lost]
            if flaw := flaw_of(cluster, node, own, foreign):
                # It may not say goodbye: what it would write would be of what it holds.
                cluster.signal(node, signal.SIGKILL)
                say(
                    f"{node.name} is damaged and was ended: {flaw}; `outcry cluster resync "
                    f"{cluster.folder} {node.name}` lets it get everything from the others"
                )
        due_s = time.monotonic() + every_s
        while time.monotonic() < due_s and not stop():
            time.sleep(min(AGAIN_S, every_s))
