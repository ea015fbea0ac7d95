"""What a drill does to a venue: each fault says whom it hit, and what was seen."""

import random
import signal
import time
from collections.abc import Callable

from openoutcry.bench.drill import PRIMARY, STOPPED_S, Drill
from openoutcry.replica.cluster import Node
from openoutcry.replica.resync import resync_node
from openoutcry.replica.store import damaged, verify_node

Told = tuple[str, str]
DOWN_S = 1.0
"""How long a node that was killed stays down."""


def kill_primary(drill: Drill, rng: random.Random) -> Told:
    drill.kill_primary()
    drill.start_primary()
    return PRIMARY, ""


def stop_primary(drill: Drill, rng: random.Random) -> Told:
    """Longer than its lease; woken, it must not release before the lease is its own again."""
    drill.signal_primary(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    drill.signal_primary(signal.SIGCONT)
    return PRIMARY, ""


def cut_primary(drill: Drill, rng: random.Random) -> Told:
    drill.network.cut(PRIMARY)
    time.sleep(STOPPED_S)
    drill.network.mend(PRIMARY)
    return PRIMARY, ""


def _killed(drill: Drill, nodes: list[Node]) -> None:
    for node in nodes:
        drill.cluster.signal(node, signal.SIGKILL)
    time.sleep(DOWN_S)
    drill.cluster.start(nodes)


def kill_leader(drill: Drill, rng: random.Random) -> Told:
    leader = drill.leader()
    _killed(drill, [leader])
    return leader.name, ""


def kill_follower(drill: Drill, rng: random.Random) -> Told:
    node = drill.follower(rng)
    _killed(drill, [node])
    return node.name, ""


def kill_both(drill: Drill, rng: random.Random) -> Told:
    """The primary and the stream's leader at once."""
    leader = drill.leader()
    drill.kill_primary()
    drill.cluster.signal(leader, signal.SIGKILL)
    drill.start_primary()
    time.sleep(DOWN_S)
    drill.cluster.start([leader])
    return f"{PRIMARY} and {leader.name}", ""


def kill_majority(drill: Drill, rng: random.Random) -> Told:
    """Two of three: nothing may be released until one is back."""
    nodes = rng.sample(list(drill.cluster.nodes), 2)
    _killed(drill, nodes)
    return " and ".join(node.name for node in nodes), ""


def kill_all(drill: Drill, rng: random.Random) -> Told:
    """Everything cold."""
    drill.kill_primary()
    for node in drill.cluster.nodes:
        drill.cluster.signal(node, signal.SIGKILL)
    drill.cluster.start()
    drill.start_primary()
    return "everything", ""


def _stopped(drill: Drill, node: Node) -> Told:
    drill.cluster.signal(node, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    drill.cluster.signal(node, signal.SIGCONT)
    return node.name, ""


def stop_leader(drill: Drill, rng: random.Random) -> Told:
    return _stopped(drill, drill.leader())


def stop_follower(drill: Drill, rng: random.Random) -> Told:
    return _stopped(drill, drill.follower(rng))


def _cut(drill: Drill, node: Node) -> Told:
    drill.network.cut(node.name)
    time.sleep(STOPPED_S)
    drill.network.mend(node.name)
    return node.name, ""


def cut_leader(drill: Drill, rng: random.Random) -> Told:
    return _cut(drill, drill.leader())


def cut_follower(drill: Drill, rng: random.Random) -> Told:
    return _cut(drill, drill.follower(rng))


def corrupt_follower(drill: Drill, rng: random.Random) -> Told:
    """A bit of a stopped node's disk is flipped, or a file cut: it must not start until it is wiped
    and has everything from the others again."""
    node = drill.follower(rng)
    verify_node(drill.cluster, node)  # as anybody does who looks at the cluster's status
    drill.cluster.signal(node, signal.SIGKILL)
    found = sorted(drill.cluster.store_of(node).glob("jetstream/*/streams/OUTCRY-*/msgs/*.blk"))
    path = rng.choice([path for path in found if path.stat().st_size > 0])
    data = bytearray(path.read_bytes())
    how = rng.choice(("flip", "cut", "remove"))
    if how == "flip":
        data[rng.randrange(len(data) // 2)] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(data[: rng.randrange(len(data) // 2)])
    else:
        path.unlink()
    wrong = damaged(drill.cluster)
    if node.name not in wrong:
        return node.name, f"{how}: NOT DETECTED"
    resync_node(drill.cluster, node)
    return node.name, f"{how}: found before it served, resynced"


FAULTS: dict[str, Callable[[Drill, random.Random], Told]] = {
    "kill primary": kill_primary,
    "stop primary": stop_primary,
    "partition primary": cut_primary,
    "kill leader": kill_leader,
    "kill follower": kill_follower,
    "kill primary and leader": kill_both,
    "kill majority": kill_majority,
    "kill everything": kill_all,
    "stop leader": stop_leader,
    "stop follower": stop_follower,
    "partition leader": cut_leader,
    "partition follower": cut_follower,
    "corrupt follower": corrupt_follower,
}
