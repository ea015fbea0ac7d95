"""The commands themselves, with real processes and a real kill: a standby takes a venue over, the
node that was killed comes back as a standby, and is handed the venue."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client.ouch import ClientError
from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoints import checkpoint_seqs
from openoutcry.journal.events import commands_of
from openoutcry.order_entry.sessions_checkpoint import newest_seq
from openoutcry.replica.place import PLACE_FILE
from openoutcry.venue.file import read_venue
from openoutcry.venue.standby import hand_over
from tests.support.backtest.venue_days import require_days
from tests.support.journal.outsider import require_same_reading
from tests.support.pipeline import warm_outcry
from tests.support.replica.replica_nodes import Node
from tests.support.venue.served_venue import VENUE
from tests.support.waiting import BOUND_S


def tokens(journal):
    """Orders of the journal: order ids are given by the venue, so each is there once."""
    order_ids = []
    for block in JournalReader(journal).all_blocks():
        commands = commands_of(block)
        order_ids += commands["order_id"][commands["kind"] == 1].tolist()
    return order_ids


ORDERS = 12


SPANS = ["lease", "epoch block", "core", "journal", "stages woken", "stages ready"]


def lose_a_waiting_stage(node):
    """A process of the run that is prepared dies: another run is prepared, and waits."""
    main = node.process.pid
    (children,) = Path(f"/proc/{main}/task").glob(f"{main}/children")
    # Behind the one that writes checkpoints.
    os.kill(int(children.read_text().split()[1]), signal.SIGKILL)
    node.wait(lambda: node.output().count("a run is prepared and waiting") == 2)


def next_messages(client, count):
    return [client.next() for _ in range(count)]


def require_read(journal):
    """The commands, a reader that has none of our code, and a backtest read a replicated journal
    as any other."""
    assert require_same_reading(journal) >= {"CONFIG", "COMMANDS", "lanes", "notes"}
    assert require_days(journal) == ["GOLD"]
    for command, key in (("verify", "sound"), ("ls", "segments")):
        done = CliRunner().invoke(main, ["journal", command, str(journal), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)[key]


def test_a_venue_goes_from_node_to_node_and_no_order_is_lost_or_doubled(
    tmp_path, cluster, monkeypatch
):
    # A lease that holds, however busy its keeper is, until the node is killed.
    a = Node(tmp_path / "a", "PAIR", cluster.folder, lease_ms=10_000)
    b = Node(tmp_path / "b", "PAIR", cluster.folder, lease_ms=10_000, every=4)
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        client = a.client("ONE")
        for count in range(ORDERS):
            client.buy("GOLD", 10 + count, "100.00")
        before = next_messages(client, ORDERS)
        b.wait(lambda: b.standby().get("commands", 0) >= ORDERS)
        b.wait(lambda: b.standby()["verified_states"] > 0)
        b.wait(lambda: b.standby()["prepared"])
        # So its own restart is short, too.
        b.wait(lambda: checkpoint_seqs(b.journal) and newest_seq(b.journal) >= ORDERS - 4)
        place = b.journal / PLACE_FILE
        b.wait(place.exists)
        b.wait(lambda: json.loads(place.read_text())["last_seq"] >= ORDERS)
        lose_a_waiting_stage(b)
        a.kill()

        b.wait_until_open()
        assert list(b.standby()["takeover_ms"]) == SPANS
        client = b.client("ONE")
        after = next_messages(client, 2 * ORDERS)
        assert [str(m) for m in after[:ORDERS]] == [str(m) for m in before]
        assert {m["token"] for m in after[ORDERS:]} == {m["token"] for m in before}, "cancelled"
        client.buy("GOLD", 5, "99.00", name="MORE")
        assert client.next()["token"] == "MORE"

        a.start("standby")
        a.wait(lambda: a.standby().get("commands", 0) >= ORDERS + 1)
        done = warm_outcry.run_command(
            [sys.executable, "-m", "openoutcry", "venue", "failover", str(b.file)]
        )
        assert done.returncode == 0, done.stderr
        # The third, or a later one if a lease ran out on a busy machine.
        assert re.search(rf":{re.escape(str(a.journal))} has the lease, in epoch \d+", done.stdout)
        assert b.end()["led"]
        a.wait_until_open()
        client = a.client("ONE")
        assert [str(m) for m in next_messages(client, 2 * ORDERS)] == [str(m) for m in after]
        assert client.next()["token"] == "MORE"
        said = []
        monkeypatch.setattr("openoutcry.venue.standby.TAKEN_S", 0.2)
        hand_over(read_venue(a.file), BOUND_S, said.append)
        assert said[-1] == "no standby took the lease within 0 s"
        result = a.end()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
        order_ids = tokens(a.journal)
        assert len(order_ids) == len(set(order_ids)) == ORDERS + 1
        for node in (a, b):
            require_read(node.journal)
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()


def test_the_command_follows_until_it_is_stopped(tmp_path, cluster):
    node = Node(tmp_path / "a", "ALONE2", cluster.folder)
    node.process = warm_outcry.Process(
        [sys.executable, "-m", "openoutcry", "venue", "standby", str(node.file), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    node.wait(lambda: node.standby().get("role") == "following")
    node.process.send_signal(signal.SIGTERM)
    out, err = node.process.communicate(timeout=BOUND_S)
    assert node.process.returncode == 0, err
    document = json.loads(out)
    assert document["led"] is False
    assert document["standby"]["commands"] == 0


def test_a_venue_that_is_not_replicated_has_no_standby(tmp_path):
    (tmp_path / "venue.toml").write_text(VENUE)
    (tmp_path / "venue.toml").chmod(0o600)
    done = warm_outcry.run_command(
        [sys.executable, "-m", "openoutcry", "venue", "standby", "venue.toml"], cwd=tmp_path
    )
    assert done.returncode == 1
    assert 'a standby needs a venue with durability = "replicated"' in done.stderr
    assert not (tmp_path / "journal").exists()


def test_failover_without_a_venue_is_reported(tmp_path, cluster):
    node = Node(tmp_path / "a", "NOBODY", cluster.folder)
    for arguments in ([], ["--force"]):
        done = warm_outcry.run_command(
            [sys.executable, "-m", "openoutcry", "venue", "failover", *arguments, str(node.file)]
        )
        assert done.returncode == 1
        assert "no " in done.stderr
        assert len(done.stderr.splitlines()) == 1


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
