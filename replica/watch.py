"""Looks at the disks of a cluster's nodes while they run, and ends one that is damaged.

A server does not read again what it wrote until it is asked for it, and then serves a hole as
well as a message.  So each node's files are read past it, from the first message on, again and
again.

What somebody else published is on all nodes alike.  It is no damage: to end nodes for it would end
them all.
"""

import signal
import time
from collections.abc import Callable

from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.store import Verified, verify_node

AGAIN_S = 0.5
"""A flaw is checked again: a server may have been writing there."""


def flaw_of(cluster: Cluster, node: Node, rows: list[Verified], foreign: set[str]) -> str:
    """What is wrong with the node's disk by a look at it, but for what is ``foreign``; in words,
    empty if nothing, or if it only seemed so."""
    flaws = {row.text for row in rows if row.flaw} - foreign
    if flaws:
        time.sleep(AGAIN_S)
        flaws &= {row.text for row in verify_node(cluster, node) if row.flaw}
    return "; ".join(sorted(flaws))


def foreign_in(looks: list[list[Verified]]) -> set[str]:
    """What all of several nodes have alike, and no venue has published."""
    found = [{row.text for row in rows if row.may_be_foreign} for rows in looks]
    return set.intersection(*found) if len(found) > 1 else set()


def watch(
    cluster: Cluster,
    say: Callable[[str], None],
    every_s: float,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Look at all that run, each ``every_s``, until ``stop``.  A damaged one is ended at once: it
    leaves, and the others continue without it."""
    told: set[str] = set()
    while not stop():
        running = [node for node in cluster.nodes if cluster.identity(node) is not None]
        looks = [verify_node(cluster, node) for node in running]
        foreign = foreign_in(looks)
        for text in foreign - told:
            told.add(text)
            say(f"{text}: all nodes have it, so somebody else published it, and no node is ended")
        for node, rows in zip(running, looks, strict=True):
            if flaw := flaw_of(cluster, node, rows, foreign):
                # It may not say goodbye: what it would write would be of what it holds.
                cluster.signal(node, signal.SIGKILL)
                say(
                    f"{node.name} is damaged and was ended: {flaw}; `outcry cluster resync "
                    f"{cluster.folder} {node.name}` lets it get everything from the others"
                )
        due_s = time.monotonic() + every_s
        while time.monotonic() < due_s and not stop():
            time.sleep(min(AGAIN_S, every_s))
