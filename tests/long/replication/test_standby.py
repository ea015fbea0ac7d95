"""The commands themselves, with real processes and a real kill: a standby takes a venue over, the
node that was killed comes back as a standby, and is handed the venue."""

import json
import signal
import time

import pytest

from openoutcry.client.ouch import ClientError
from tests.support.replica.replica_nodes import Node
from tests.support.replica.standby import tokens

ROUNDS = 10


@pytest.mark.long
def test_ten_kills_and_ten_planned_failovers(tmp_path, cluster):
    """The venue goes to and fro; prints how long clients waited."""
    nodes = [Node(tmp_path / name, "MANY", cluster.folder) for name in "ab"]
    gaps = {"kill": [], "planned": []}
    tokens_told = []
    try:
        nodes[0].start("serve")
        nodes[0].wait_until_open()
        client = nodes[0].client("ONE", sequence=0)
        for count in range(2 * ROUNDS):
            kind = ("kill", "planned")[count % 2]
            old, new = nodes
            new.start("standby")
            new.wait(lambda new=new: new.standby().get("prepared"))
            client.connection.close()  # it has sent no heartbeats while the standby began
            client = answering(old)
            for number in range(20):
                tokens_told.append(f"{count}A{number}")
                client.buy("GOLD", 10, "100.00", name=tokens_told[-1])
            accepted = set()
            while accepted != set(tokens_told[-20:]):
                message = client.next()
                accepted |= {message["token"]} & set(tokens_told[-20:])
            commands = 20 * (count + 1)
            new.wait(lambda new=new, c=commands: new.standby().get("commands", 0) >= c)
            begin_s = time.monotonic()
            if kind == "kill":
                old.kill()
            else:
                (old.journal / "hand-over").touch()
                old.process.send_signal(signal.SIGTERM)
            client = answering(new)
            name = f"{count}Z"
            client.buy("GOLD", 5, "99.00", name=name)
            while client.next()["token"] != name:
                pass
            gaps[kind].append(round(time.monotonic() - begin_s, 3))
            tokens_told.append(name)
            if kind == "planned":
                old.end()
            nodes.reverse()
        assert nodes[0].stop()["last_run"]["duplicated"] == 0
        order_ids = tokens(nodes[0].journal)
        assert len(order_ids) == len(set(order_ids)) == len(tokens_told)
        print(json.dumps(gaps))
    finally:
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()


def answering(node):
    """A client of it, as soon as it takes one."""
    while True:
        try:
            return node.client("ONE", sequence=0)
        except (ClientError, OSError):
            assert node.process.poll() is None, node.output()
            time.sleep(0.01)
