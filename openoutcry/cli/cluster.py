"""``outcry cluster``: the JetStream that a venue's journal is replicated in."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from openoutcry.cli.backup import backup
from openoutcry.cli.columns import print_columns
from openoutcry.cli.drill import drill
from openoutcry.cli.options import PathArgument, as_json_option

if TYPE_CHECKING:
    from openoutcry.replica.cluster import Cluster

folder_argument = click.argument("folder", type=PathArgument)


@click.group()
def cluster() -> None:
    """Run, inspect, copy or break the cluster of a journal.

    The journal is in a NATS JetStream cluster of three nodes.

    \b
    outcry cluster up cluster
    outcry cluster status cluster
    outcry cluster down cluster
    """


cluster.add_command(backup)
cluster.add_command(drill)


@cluster.command()
@folder_argument
@click.option(
    "--host",
    "hosts",
    required=True,
    multiple=True,
    help="Address, or name in DNS, of a node's host. Three or more, an odd number.",
)
def make(folder: Path, hosts: tuple[str, ...]) -> None:
    """Lay out a cluster on several hosts in FOLDER, and start nothing.

    Copy FOLDER to each host. There, start its node alone with `outcry cluster up FOLDER --node
    HOST`; `--nats FOLDER` connects to all of them."""
    from openoutcry.replica.cluster import NODES, Cluster

    if len(hosts) < NODES or len(hosts) % 2 == 0 or len(set(hosts)) < len(hosts):
        raise click.UsageError(f"--host: give {NODES} or more different ones, an odd number")
    made = Cluster.make(folder, [(host, "") for host in hosts])
    for node in made.nodes:
        click.echo(f"{node.name} on {node.host}: ports {node.client_port} and {node.route_port}")


@cluster.command()
@folder_argument
@click.option("--node", help="Start this node alone: its name, or its host. Others may be away.")
@click.option(
    "--until-killed",
    is_flag=True,
    help="Keep running, and stop the nodes when this command ends.",
)
@as_json_option
def up(folder: Path, node: str | None, until_killed: bool, as_json: bool) -> None:
    """Start the cluster of FOLDER; create it if it does not exist.

    A new cluster gets free ports, certificates and passwords. It runs until `outcry cluster
    down`."""
    from openoutcry.replica.cluster import Cluster
    from openoutcry.replica.store import damaged

    if node is not None:
        _start_alone(Cluster.load(folder), node, until_killed)
        return
    is_new = not Cluster.exists(folder)
    nats_cluster = Cluster.make(folder) if is_new else Cluster.load(folder)
    wrong = {} if is_new else damaged(nats_cluster)
    try:
        nats_cluster.start(
            [node for node in nats_cluster.nodes if node.name not in wrong], not until_killed
        )
        nats_cluster.wait_ready()
    except BaseException:
        nats_cluster.stop(
            node for node in nats_cluster.nodes if node.name in nats_cluster.processes
        )
        raise
    if as_json:
        click.echo(json.dumps(_document(nats_cluster)))
    else:
        click.echo(
            f"{folder}: {len(nats_cluster.nodes) - len(wrong)} nodes; use it with --nats {folder}"
        )
    for name, flaw in wrong.items():
        click.echo(
            f"outcry: {name} is damaged and was not started: {flaw}; `outcry cluster resync "
            f"{folder} {name}` lets it get everything from the others",
            err=True,
        )
    if until_killed:
        _stay(nats_cluster)
    if wrong:
        sys.exit(1)


def _start_alone(nats_cluster: "Cluster", name: str, until_killed: bool) -> None:
    """Start one node.  Raises :class:`ReplicaError` if its store is damaged or it ends at once."""
    from openoutcry.replica.store import damaged
    from openoutcry.wire.errors import ReplicaError

    node = nats_cluster.node(name)
    if flaw := damaged(nats_cluster).get(node.name):
        raise ReplicaError(f"{node.name} is damaged and was not started: {flaw}")
    nats_cluster.start([node], not until_killed)
    nats_cluster.wait_listening(node)
    click.echo(f"{node.name}: tls://{node.host}:{node.client_port}", err=True)
    if until_killed:
        _stay(nats_cluster)


def _stay(nats_cluster: "Cluster") -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        nats_cluster.stop()


@cluster.command()
@folder_argument
def down(folder: Path) -> None:
    """Stop the nodes of FOLDER; their data stays."""
    from openoutcry.replica.cluster import Cluster

    nats_cluster = Cluster.load(folder)
    running = sum(nats_cluster.identity(node) is not None for node in nats_cluster.nodes)
    nats_cluster.stop()
    click.echo(f"{folder}: {running} nodes ended")


@cluster.command()
@folder_argument
@click.option(
    "--every-s",
    type=click.FloatRange(0.1, 86_400),
    default=60,
    show_default=True,
    help="Seconds between two checks; each reads everything that the nodes store.",
)
def watch(folder: Path, every_s: float) -> None:
    """Verify the disks of the running nodes of FOLDER.

    The command runs until Control-C. It stops a damaged node before that node can lead with
    incomplete data."""
    from openoutcry.replica.cluster import Cluster
    from openoutcry.replica.watch import watch as look

    try:
        look(Cluster.load(folder), lambda text: click.echo(text, err=True), every_s)
    except KeyboardInterrupt:
        return


@cluster.command()
@folder_argument
@click.argument("node")
def resync(folder: Path, node: str) -> None:
    """Wipe a NODE of FOLDER and copy everything from the others."""
    from openoutcry.replica.cluster import Cluster
    from openoutcry.replica.resync import resync_node

    nats_cluster = Cluster.load(folder)
    blocks = resync_node(nats_cluster, nats_cluster.node(node))
    click.echo(f"{node}: wiped, and copied again from the others: {blocks}")


@cluster.command()
@click.argument("cluster", metavar="FOLDER|URLS")
@as_json_option
def status(cluster: str, as_json: bool) -> None:
    """Show each stream's leader, lag, epochs and leases.

    For a cluster on this machine, also show each node's disk and its last verified block."""
    from openoutcry.replica.cluster import Cluster
    from openoutcry.replica.cluster_status import status_document

    folder = Path(cluster)
    here = Cluster.load(folder) if "://" not in cluster and Cluster.exists(folder) else None
    document = status_document(cluster, here)
    if as_json:
        click.echo(json.dumps(document))
        return
    console = Console()
    if here is not None:
        rows = [
            (
                row["node"],
                str(row["pid"] or "does not run"),
                row["url"],
                f"{row['bytes']:,}",
                row["verified"],
            )
            for row in document["nodes"]
        ]
        print_columns(console, ("node", "pid", "url", "disk", "verified"), rows, right=("disk",))
    for row in document["nodes"]:
        if row["trouble"]:
            click.echo(
                f"{row['node']} could not write, and does not count ({row['free_bytes']:,} bytes "
                f"are free now): {row['trouble']}; make room, then `outcry cluster resync`"
            )
    for stream in document["streams"]:
        _print_stream(stream)
    if document["trouble"]:
        click.echo(f"no answer: {document['trouble']}")


def _print_stream(stream: dict[str, Any]) -> None:
    lease = stream["lease"]
    held = f"lease {lease['holder']}, epoch {lease['epoch']}" if lease else "no lease"
    click.echo(
        f"{stream['venue']}: {stream['messages']:,} messages, {stream['bytes']:,} bytes; leader "
        f"{stream['leader'] or 'none'}; {held}; command {stream['last_seq']:,}, block "
        f"{stream['last_block']:,}, epoch {stream['epoch']}"
    )
    for peer in stream["peers"]:
        state = "offline" if peer["offline"] else "current" if peer["current"] else "behind"
        click.echo(f"  {peer['name']}: {state}, lag {peer['lag']:,}")


def _document(nats_cluster: "Cluster") -> dict[str, Any]:
    return {
        "folder": os.fspath(nats_cluster.folder),
        "urls": [server.text for server in nats_cluster.access.servers],
        "pids": {
            n.name: (i.pid if (i := nats_cluster.identity(n)) else None) for n in nats_cluster.nodes
        },
    }
