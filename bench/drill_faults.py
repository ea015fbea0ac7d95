"""What a drill does to a venue: each fault says which node it hit, and what was seen."""

import random
import signal
import time
from collections.abc import Callable

from openoutcry.bench.drill import STOPPED_S, Drill
from openoutcry.replica.cluster import Node
from openoutcry.replica.place import HAND_OVER_FILE
from openoutcry.replica.resync import resync_node
from openoutcry.replica.store import damaged, verify_node

Outcome = tuple[str, str]
DRAIN_S = 0.2
"""Time by which everything that has left the old primary is with the client."""
DOWN_S = 1.0
"""How long a node that was killed stays down."""


def kill_primary(drill: Drill, rng: random.Random) -> Outcome:
    """The standby takes over; the killed primary comes back as its standby."""
    primary = drill.primary
    primary.kill()
    return primary.name, ""


def hand_over(drill: Drill, rng: random.Random) -> Outcome:
    """Planned: the primary gives its lease up after all that it took."""
    primary = drill.primary
    (primary.journal / HAND_OVER_FILE).touch()
    primary.stop()
    return primary.name, ""


def kill_standby(drill: Drill, rng: random.Random) -> Outcome:
    """SIGKILL to the standby, which comes back as one."""
    standby = drill.standby
    standby.kill()
    return standby.name, ""


def stop_primary(drill: Drill, rng: random.Random) -> Outcome:
    """Stop the primary until another node leads and answers. Continued then, with orders waiting at
    its port and in its rings, it must release nothing."""
    primary, standby = drill.primary, drill.standby
    place = drill.venues.index(primary)
    primary.send(signal.SIGSTOP)
    drill.wait(lambda: standby.serves, "the standby does not take over")
    led_s = time.monotonic()
    drill.wait(lambda: drill.client.answered_since(led_s) > 0, "the new primary does not answer")
    before = drill.client.events_from(place)
    primary.send(signal.SIGCONT)
    drill.wait(lambda: not primary.lives, "the old primary continues")
    time.sleep(DRAIN_S)
    released = drill.client.events_from(place) - before
    drill.woken += 1
    drill.released_by_woken += released
    return primary.name, f"woken after another led: {released} events released by it"


def cut_primary(drill: Drill, rng: random.Random) -> Outcome:
    """The primary is cut off from all others for STOPPED_S seconds."""
    primary = drill.primary
    drill.network.cut(primary.name)
    time.sleep(STOPPED_S)
    drill.network.mend(primary.name)
    return primary.name, ""


def _killed(drill: Drill, nodes: list[Node]) -> None:
    for node in nodes:
        drill.cluster.signal(node, signal.SIGKILL)
    time.sleep(DOWN_S)
    drill.cluster.start(nodes)


def kill_leader(drill: Drill, rng: random.Random) -> Outcome:
    """SIGKILL to the stream's leader, which starts again DOWN_S seconds later."""
    leader = drill.leader()
    _killed(drill, [leader])
    return leader.name, ""


def kill_follower(drill: Drill, rng: random.Random) -> Outcome:
    """The same with a node that does not lead."""
    node = drill.follower(rng)
    _killed(drill, [node])
    return node.name, ""


def kill_both(drill: Drill, rng: random.Random) -> Outcome:
    """The primary and the stream's leader at once."""
    leader, primary = drill.leader(), drill.primary
    primary.kill()
    _killed(drill, [leader])
    return f"{primary.name} and {leader.name}", ""


def kill_majority(drill: Drill, rng: random.Random) -> Outcome:
    """Two of three: nothing may be released until one is back."""
    nodes = rng.sample(list(drill.cluster.nodes), 2)
    _killed(drill, nodes)
    return " and ".join(node.name for node in nodes), ""


def kill_all(drill: Drill, rng: random.Random) -> Outcome:
    """Everything cold."""
    primary, standby = drill.primary, drill.standby
    standby.kill()
    primary.kill()
    for node in drill.cluster.nodes:
        drill.cluster.signal(node, signal.SIGKILL)
    drill.cluster.start()
    primary.start("serve")
    standby.start("standby")
    return "everything", ""


def _stopped(drill: Drill, node: Node) -> Outcome:
    drill.cluster.signal(node, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    drill.cluster.signal(node, signal.SIGCONT)
    return node.name, ""


def stop_leader(drill: Drill, rng: random.Random) -> Outcome:
    """SIGSTOP to the stream's leader for STOPPED_S seconds."""
    return _stopped(drill, drill.leader())


def stop_follower(drill: Drill, rng: random.Random) -> Outcome:
    """The same with a node that does not lead."""
    return _stopped(drill, drill.follower(rng))


def _cut(drill: Drill, node: Node) -> Outcome:
    drill.network.cut(node.name)
    time.sleep(STOPPED_S)
    drill.network.mend(node.name)
    return node.name, ""


def cut_leader(drill: Drill, rng: random.Random) -> Outcome:
    """The stream's leader is cut off from all others for STOPPED_S seconds."""
    return _cut(drill, drill.leader())


def cut_follower(drill: Drill, rng: random.Random) -> Outcome:
    """The same with a node that does not lead."""
    return _cut(drill, drill.follower(rng))


def corrupt_follower(drill: Drill, rng: random.Random) -> Outcome:
    """A bit of a stopped node's disk is flipped, or a file cut: it must not start until it is wiped
    and has everything from the others again."""
    node = drill.follower(rng)
    verify_node(drill.cluster, node)  # as anybody does who checks the cluster's status
    drill.cluster.signal(node, signal.SIGKILL)
    block_files = sorted(
        drill.cluster.store_of(node).glob("jetstream/*/streams/OUTCRY-*/msgs/*.blk")
    )
    path = rng.choice([path for path in block_files if path.stat().st_size > 0])
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


FAULTS: dict[str, Callable[[Drill, random.Random], Outcome]] = {
    "kill primary": kill_primary,
    "hand over": hand_over,
    "kill standby": kill_standby,
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
