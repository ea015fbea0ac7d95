"""A cluster on this machine: nothing of it is left behind, and damage does not start."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from openoutcry.replica import resync
from openoutcry.replica.access import Access, access_of
from openoutcry.replica.chain import Tip
from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.cluster_status import status_document
from openoutcry.replica.jetstream import (
    NO_QUORUM,
    JetStream,
    Refused,
    retry_until_leader,
    venues,
)
from openoutcry.replica.link import Link, connect, reach
from openoutcry.replica.place import PLACE_FILE
from openoutcry.replica.publisher import Publisher
from openoutcry.replica.resync import resync_node
from openoutcry.replica.store import Verified, damaged, verify_node
from openoutcry.replica.watch import lost_in, watch
from openoutcry.wire.errors import Absent, ReplicaError, Unreachable
from tests.support.pipeline import warm_outcry
from tests.support.processes import ended
from tests.support.replica import replica_full_disk
from tests.support.replica.replica_cluster import append, drain, new_journal
from tests.support.waiting import BOUND_S, wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for this file alone: it verifies whole nodes, and tests of other files leave
    streams behind that they have filled with what does not verify."""
    nodes = Cluster.make(tmp_path_factory.mktemp("nats") / "cluster")
    try:
        nodes.start()
        nodes.wait_ready(BOUND_S)
        yield nodes
    finally:
        nodes.stop()


SCRIPT = """
import sys, time
from pathlib import Path
from openoutcry.replica.cluster import Cluster
cluster = Cluster.make(Path(sys.argv[1]))
cluster.start()
print(*(cluster.identity(node).pid for node in cluster.nodes), flush=True)
time.sleep(1000)
"""


def test_nodes_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "cluster")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    assert len(pids) == 3
    wait_until(lambda: all(ended(pid) for pid in pids), "all nodes end with their parent")


def test_only_its_owner_can_read_a_cluster_and_its_passwords_differ(tmp_path: Path) -> None:
    clusters = [Cluster.make(tmp_path / name) for name in ("a", "b")]
    files = [path for path in clusters[0].folder.rglob("*") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert clusters[0].access.password != clusters[1].access.password
    for node in clusters[0].nodes:
        conf = clusters[0].folder_of(node) / "server.conf"
        assert "sync_interval: always" in conf.read_text()
    with pytest.raises(ReplicaError, match="is not empty"):
        Cluster.make(tmp_path)


def test_nodes_on_three_hosts_are_laid_out_once_copied_and_started_each_by_itself(
    tmp_path: Path,
) -> None:
    """Three addresses of one machine: each host has a copy of the folder, and one node."""
    hosts = [f"127.0.77.{k}" for k in (1, 2, 3)]
    seed = tmp_path / "seed"
    options = [word for host in hosts for word in ("--host", host)]
    made = warm_outcry.run(["cluster", "make", seed, *options], tmp_path)
    assert made.returncode == 0, made.stderr
    started = []
    try:
        for k, host in enumerate(hosts):
            copy = tmp_path / f"host{k}"
            shutil.copytree(seed, copy)
            words = ["cluster", "up", str(copy), "--node", host, "--until-killed"]
            command = [sys.executable, "-m", "openoutcry", *words]
            started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
            assert started[k].stderr is not None
            assert started[k].stderr.readline() == f"node-{k + 1}: tls://{host}:4222\n"
        nodes = Cluster.load(tmp_path / "host1")
        nodes.wait_ready(BOUND_S)
        writer = new_journal(tmp_path / "journal")
        append(writer, 10)
        publisher = Publisher(tmp_path / "journal", nodes.access, "ABROAD", "here/1")
        publisher.begin(BOUND_S)
        drain(publisher)
        publisher.close()
        writer.close()
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.communicate(timeout=BOUND_S)
    assert [process.returncode for process in started] == [0, 0, 0]
    for k in range(3):
        copy = Cluster.load(tmp_path / f"host{k}")
        assert [copy.identity(node) for node in copy.nodes] == [None] * 3


@pytest.mark.parametrize("hosts", [(), ("a",), ("a", "b"), ("a", "b", "b"), ("a", "b", "c", "d")])
def test_a_cluster_of_hosts_has_an_odd_number_of_different_ones(
    hosts: tuple[str, ...], tmp_path: Path
) -> None:
    options = [word for host in hosts for word in ("--host", host)]
    made = warm_outcry.run(["cluster", "make", tmp_path / "cluster", *options], tmp_path)
    assert made.returncode == 2
    assert "--host" in made.stderr
    assert not (tmp_path / "cluster").exists()


def test_a_damaged_node_is_named_before_it_starts_and_one_command_mends_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    writer = new_journal(tmp_path / "journal")
    append(writer, 30)
    publisher = Publisher(tmp_path / "journal", cluster.access, "DAMAGE", "here/1")
    publisher.begin(BOUND_S)
    drain(publisher)
    place = publisher.machine.tip
    node = cluster.nodes[1]

    def has_it() -> bool:
        rows = {row.venue: row for row in verify_node(cluster, node)}
        return "DAMAGE" in rows and rows["DAMAGE"].tip.position >= place.position

    wait_until(has_it, "the node follows")
    cluster.stop([node])
    (path,) = cluster.store_of(node).glob("jetstream/*/streams/OUTCRY-DAMAGE/msgs/1.blk")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for data, words in (
        (bytes(flipped), "DAMAGED"),
        (whole[: len(whole) // 2], "it ends at message"),
        (b"", "its stream is gone|it ends at message 0"),
    ):
        path.write_bytes(data)
        wrong = damaged(cluster)
        assert list(wrong) == [node.name]
        assert any(word in wrong[node.name] for word in words.split("|")), wrong
    size = int.from_bytes(whole[:4], "little") & 0x7FFFFFFF
    assert size < len(whole) // 2, "the first of several records"
    for place_of_bit in range(size):
        # Its number, time, headers and checksum as well: the server would drop the message.
        flipped = bytearray(whole)
        flipped[place_of_bit] ^= 1 << place_of_bit % 8
        path.write_bytes(flipped)
        assert list(damaged(cluster)) == [node.name], f"byte {place_of_bit} of {size}"
    assert "DAMAGE block" in resync_node(cluster, node)
    assert not damaged(cluster)
    rows = {row.venue: row for row in verify_node(cluster, node)}
    assert rows["DAMAGE"].tip.hash == place.hash
    writer.abandon()
    publisher.close()


def test_a_node_damaged_while_it_runs_is_ended_and_the_others_continue(
    cluster: Cluster, tmp_path: Path
) -> None:
    writer = new_journal(tmp_path / "journal")
    append(writer, 30)
    publisher = Publisher(tmp_path / "journal", cluster.access, "RUNNING", "here/1")
    publisher.begin(BOUND_S)
    drain(publisher)
    place, node = publisher.machine.tip, cluster.nodes[2]

    def has_it() -> bool:
        rows = {row.venue: row for row in verify_node(cluster, node)}
        return "RUNNING" in rows and rows["RUNNING"].tip.position >= place.position

    wait_until(has_it, "the node follows")
    notices: list[str] = []
    rounds = iter([False, True])
    watch(cluster, notices.append, 0.0, lambda: next(rounds))
    assert not notices
    (path,) = cluster.store_of(node).glob("jetstream/*/streams/OUTCRY-RUNNING/msgs/1.blk")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    rounds = iter([False, True])
    watch(cluster, notices.append, 0.0, lambda: next(rounds))
    assert len(notices) == 1
    assert notices[0].startswith(f"{node.name} is damaged and was ended: RUNNING block ")
    assert [cluster.identity(one) is None for one in cluster.nodes] == [False, False, True]
    append(writer, 3)
    drain(publisher)
    assert "RUNNING block" in resync_node(cluster, node)
    assert not damaged(cluster)
    writer.abandon()
    publisher.close()


def test_what_somebody_else_publishes_ends_no_node(tmp_path: Path) -> None:
    """It is on all of them alike, as the server wrote it."""
    nodes = Cluster.make(tmp_path / "cluster")
    try:
        nodes.start()
        nodes.wait_ready(BOUND_S)
        link = connect(nodes.access)
        stream = JetStream(link, "EVIL")
        stream.open()
        retry_until_leader(lambda: link.request(stream.subject, b"no message of ours", BOUND_S))
        link.close()

        def is_on(node: Node) -> bool:
            return any(row.may_be_foreign for row in verify_node(nodes, node))

        wait_until(lambda: all(is_on(node) for node in nodes.nodes), "all nodes have it")
        notices: list[str] = []
        rounds = iter([False, True])
        watch(nodes, notices.append, 0.0, lambda: next(rounds))
        assert len(notices) == 1
        assert notices[0].startswith("EVIL block -1 (message 0), then DAMAGED: message 1 of the ")
        assert all(nodes.identity(node) is not None for node in nodes.nodes)
    finally:
        nodes.stop()


@pytest.mark.promise(
    "The access that venues have to a cluster deletes no stream. One that was deleted is an alarm "
    "and ends no node, and no primary takes an empty stream for it",
    group="venue",
)
def test_a_deleted_stream_is_an_alarm_and_ends_no_node(tmp_path: Path) -> None:
    """The access that venues have cannot delete it, and no primary takes an empty one for it."""
    nodes, journal = Cluster.make(tmp_path / "cluster"), tmp_path / "journal"
    writer = new_journal(journal)
    append(writer, 3)

    def publish() -> int:
        publisher = Publisher(journal, nodes.access, "GONE", "here/1")
        try:
            publisher.begin(BOUND_S)
            drain(publisher)
            return publisher.machine.tip.position
        finally:
            publisher.close()

    def delete(access: Access) -> None:
        with closing(connect(access)) as link:
            JetStream(link, "GONE").call("STREAM.DELETE.OUTCRY-GONE")

    def looks() -> list[Verified]:
        return [row for node in nodes.nodes for row in verify_node(nodes, node)]

    def look_twice() -> list[str]:
        notices: list[str] = []
        rounds = iter([False, True] * 2)
        for _ in range(2):
            watch(nodes, notices.append, 0.0, lambda: next(rounds))
        return notices

    try:
        nodes.start()
        nodes.wait_ready(BOUND_S)
        position = publish()
        wait_until(lambda: [one.tip.position for one in looks()] == [position] * 3, "all have it")
        with pytest.raises(ReplicaError, match="Permissions Violation"):
            delete(nodes.access)
        assert [one.tip.position for one in looks()] == [position] * 3
        delete(nodes.keeper)
        wait_until(lambda: all(one.is_lost for one in looks()), "all nodes have lost it")
        alarm, _ = look_twice()
        assert alarm.startswith(
            "ALARM: GONE block -1 (message 0), then DAMAGED: its stream is gone"
        )
        assert all(nodes.identity(node) is not None for node in nodes.nodes)
        with pytest.raises(ReplicaError, match="it was wiped"):
            publish()
        (journal / PLACE_FILE).unlink()
        assert publish() >= position, "once the operator has decided, the journal has everything"
    finally:
        nodes.stop()
        writer.abandon()


def test_a_stream_that_one_node_alone_has_lost_is_that_nodes_damage(cluster: Cluster) -> None:
    lost, whole = Verified("V", Tip(), "its stream is gone", is_lost=True), Verified("V", Tip())
    assert lost_in(cluster, [[lost], [whole], [whole]]) == {}
    assert lost_in(cluster, [[lost], [lost], [whole]]) == {"V": lost.text}
    assert lost_in(cluster, [[lost]]) == {}


def test_a_resync_continues_while_the_cluster_chooses_a_leader(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusals are put in by hand, all else is real."""
    refusals = [Refused(NO_QUORUM[0], "JetStream system temporarily unavailable")] * 2

    def asked(link: Link) -> list[str]:
        if refusals:
            raise refusals.pop()
        return venues(link)

    monkeypatch.setattr(resync, "venues", asked)
    assert resync_node(cluster, cluster.nodes[0])
    assert not refusals


def test_a_node_with_a_full_disk_reports_it_and_the_others_continue(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted: it needs root")
    command = [sys.executable, replica_full_disk.__file__, str(tmp_path / "cluster")]
    done = warm_outcry.run_command(command)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["done"] == replica_full_disk.MESSAGES
    one, two, small = document["nodes"]
    assert not one["trouble"]
    assert not two["trouble"]
    assert "no space left on device" in small["trouble"]


def test_a_leader_that_logs_a_followers_full_disk_has_room_itself(tmp_path: Path) -> None:
    """nats-server's words: the leader's of a follower that gave up its catch-up, then its own."""
    cluster = Cluster.make(tmp_path / "cluster")
    one = cluster.nodes[0]
    log = cluster.folder_of(one) / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    full = "write /store/node-3/msgs/4.blk: no space left on device"
    log.write_text(
        "[9] 2026/11/23 11:40:20.000000 [INF] Starting nats-server\n"
        "[9] 2026/11/23 11:40:21.078019 [WRN] Catchup for stream 'OUTCRY > OUTCRY-FULL' was "
        f'aborted on the remote due to: "{full}"\n'
    )
    assert not cluster.disk_trouble(one)
    with log.open("a") as file:
        file.write(f"[9] 2026/11/23 11:40:22.000000 [ERR] JetStream: {full}\n")
    assert full in cluster.disk_trouble(one)


def test_status_names_leader_lease_epoch_and_the_last_verified_block(
    cluster: Cluster, tmp_path: Path
) -> None:
    writer = new_journal(tmp_path / "journal")
    append(writer, 3)
    publisher = Publisher(tmp_path / "journal", cluster.access, "STATUS", "here/1")
    publisher.begin(BOUND_S)
    drain(publisher)
    document: dict[str, Any] = {}

    def answered() -> bool:  # a busy node may not be in time
        document.update(status_document(str(cluster.folder), cluster))
        peers = [one for row in document["streams"] for one in row["peers"]]
        return not document["trouble"] and not any(one["offline"] for one in peers)

    wait_until(answered, "the status is answered")
    (row,) = (row for row in document["streams"] if row["venue"] == "STATUS")
    assert row["leader"] in {node.name for node in cluster.nodes}
    assert (row["lease"]["holder"], row["epoch"], row["last_seq"], row["last_block"]) == (
        "here/1",
        publisher.epoch,
        30,
        3,
    )
    assert len(row["peers"]) == 2
    for node in document["nodes"]:
        assert node["pid"]
        assert node["bytes"] > 0
    writer.abandon()
    publisher.close()


def test_words_for_what_is_no_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ReplicaError, match="neither URLs"):
        access_of("nowhere")
    with pytest.raises(ReplicaError, match="not nats://HOST:PORT"):
        access_of("http://localhost")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ReplicaError, match="is not JSON with urls"):
        access_of(str(tmp_path / "bad.json"))
    with pytest.raises(Unreachable, match="refused"):
        connect(access_of("nats://127.0.0.1:1"))
    urls = ",".join(server.text for server in cluster.access.servers)
    with pytest.raises(ReplicaError, match="not trusted"):
        connect(access_of(urls))
    wrong = access_of(str(cluster.folder))
    with pytest.raises(ReplicaError, match="refuses our credentials"):
        connect(type(wrong)(wrong.servers, "outcry", "wrong", wrong.authority))


@pytest.mark.parametrize(
    ("scheme", "answer", "words"),
    [
        ("tls", "", "closed the connection while TLS began"),
        ("nats", "-ERR 'Authentication Timeout'\r\n", "Authentication Timeout"),
    ],
)
def test_a_server_that_was_too_busy_to_take_us_is_unreachable(
    scheme: str, answer: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the next one is asked, and this one again: it has not refused us."""
    monkeypatch.setattr("openoutcry.replica.link.CONNECT_S", BOUND_S)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            connection = server.accept()[0]
            with connection:
                connection.sendall(b"INFO {}\r\n")
                connection.recv(1 << 12)
                connection.sendall(answer.encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 12)

        served = pool.submit(serve)
        with pytest.raises(Unreachable, match=words):
            connect(access_of(f"{scheme}://127.0.0.1:{server.getsockname()[1]}"))
        served.result()


def test_a_start_waits_for_servers_that_are_there_and_not_for_others(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(access: Access, first: int = 0) -> Link:
        if len(tried) < 2:
            tried.append(first)
            raise Unreachable("no answer within 2 s")
        return connect(access, first)

    tried: list[int] = []
    monkeypatch.setattr("openoutcry.replica.link.connect", busy)
    monkeypatch.setattr("openoutcry.replica.link.REACH_S", BOUND_S)
    reach(cluster.access, 1).close()
    assert tried == [1, 1]
    with pytest.raises(Absent, match="refused"):
        reach(access_of("nats://127.0.0.1:1"))


def test_a_server_that_is_no_nats_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openoutcry.replica.link.CONNECT_S", BOUND_S)
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket\ns=socket.create_server(('127.0.0.1',0))\n"
            "print(s.getsockname()[1],flush=True)\nc,_=s.accept()\nc.send(b'SSH-2.0\\r\\n')\nc.recv(1)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    with pytest.raises(ReplicaError, match="is not a NATS server"):
        connect(access_of(f"nats://127.0.0.1:{port}"))
    os.kill(server.pid, signal.SIGKILL)
    server.communicate()
