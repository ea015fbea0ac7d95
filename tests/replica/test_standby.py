"""The commands themselves, with real processes and a real kill: a standby takes a venue over, the
node that was killed comes back as a standby, and is handed the venue."""

import subprocess
import sys

from replica_nodes import Node

from openoutcry.journal import JournalReader
from openoutcry.replay.events import commands_of

ORDERS = 12


def tokens(journal):
    """Orders of the journal: order ids are given by the venue, so each is there once."""
    found = []
    for block in JournalReader(journal).all_blocks():
        commands = commands_of(block)
        found += commands["order_id"][commands["kind"] == 1].tolist()
    return found


def told(client, count):
    return [client.next() for _ in range(count)]


def test_a_venue_goes_from_node_to_node_and_no_order_is_lost_or_doubled(tmp_path, cluster):
    a = Node(tmp_path / "a", "PAIR", cluster.folder)
    b = Node(tmp_path / "b", "PAIR", cluster.folder)
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        client = a.client("ONE")
        for count in range(ORDERS):
            client.buy("GOLD", 10 + count, "100.00")
        before = told(client, ORDERS)
        b.wait(lambda: b.standby().get("commands", 0) >= ORDERS)
        b.wait(lambda: b.standby()["verified_states"] > 0)
        a.kill()

        b.wait_until_open()
        client = b.client("ONE")
        after = told(client, 2 * ORDERS)
        assert [str(m) for m in after[:ORDERS]] == [str(m) for m in before]
        assert {m["token"] for m in after[ORDERS:]} == {m["token"] for m in before}, "cancelled"
        client.buy("GOLD", 5, "99.00", name="MORE")
        assert client.next()["token"] == "MORE"

        a.start("standby")
        a.wait(lambda: a.standby().get("commands", 0) >= ORDERS + 1)
        done = subprocess.run(
            [sys.executable, "-m", "openoutcry", "failover", str(b.file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert b.end()["led"]
        a.wait_until_open()
        client = a.client("ONE")
        assert [str(m) for m in told(client, 2 * ORDERS)] == [str(m) for m in after]
        assert client.next()["token"] == "MORE"
        result = a.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
        found = tokens(a.journal)
        assert len(found) == len(set(found)) == ORDERS + 1
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()


def test_failover_of_nothing_is_told(tmp_path, cluster):
    node = Node(tmp_path / "a", "NOBODY", cluster.folder)
    for arguments in ([], ["--force"]):
        done = subprocess.run(
            [sys.executable, "-m", "openoutcry", "failover", *arguments, str(node.file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "no " in done.stderr
        assert len(done.stderr.splitlines()) == 1
