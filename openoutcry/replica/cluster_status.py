"""What a cluster is like: its nodes, and each venue's stream with its leader, copies and lease."""

from typing import Any

from openoutcry.replica.access import access_of
from openoutcry.replica.cluster import Cluster, status_of
from openoutcry.replica.driver import LEASE_KEY, lease_of
from openoutcry.replica.jetstream import JetStream, Refused, venues
from openoutcry.replica.link import connect
from openoutcry.replica.message import unpack
from openoutcry.replica.store import last_look, verified_document, verify_node
from openoutcry.wire.errors import ReplicaError, Unreachable


def status_document(named: str, here: Cluster | None) -> dict[str, Any]:
    """The cluster is ``named`` as for ``--nats``.  If it is of this machine, ``here`` is that
    cluster, and its disks are read as well.  Raises :class:`ReplicaError` for what is not a
    cluster.  A cluster that does not answer is named in ``trouble``."""
    document: dict[str, Any] = {"nodes": [], "streams": [], "trouble": ""}
    if here is not None:
        for node, row in zip(here.nodes, status_of(here), strict=True):
            rows = verify_node(here, node)
            text = "; ".join(one.text for one in rows) or "nothing"
            document["nodes"].append(row | {"verified": text, "streams": verified_document(rows)})
    try:
        link = connect(access_of(named))
        try:
            document["streams"] = [stream_row(JetStream(link, venue)) for venue in venues(link)]
        finally:
            link.close()
    except (Refused, Unreachable) as error:  # no server, or no leader now
        document["trouble"] = str(error)
    return document


def nodes_as_known(here: Cluster) -> list[dict[str, Any]]:
    """The nodes of a cluster of this machine, without reading all that they hold.  The last look at
    their disks found ``verified``; None: without a look."""
    return [
        row | {"verified": last_look(here, node)}
        for node, row in zip(here.nodes, status_of(here), strict=True)
    ]


def stream_row(jetstream: JetStream) -> dict[str, Any]:
    """One venue's stream.  Raises :class:`ReplicaError` without one, or without an answer."""
    tail = jetstream.tail()
    entry = jetstream.get(LEASE_KEY)
    row: dict[str, Any] = {
        "venue": jetstream.venue,
        "messages": tail.last,
        "bytes": tail.bytes,
        "leader": tail.leader,
        "lease": None,
        "epoch": 0,
        "last_seq": 0,
        "last_block": -1,
        "flaw": "",
        "peers": [
            {
                "name": peer["name"],
                "current": bool(peer.get("current")),
                "offline": bool(peer.get("offline")),
                "lag": int(peer.get("lag", 0)),
            }
            for peer in tail.peers
        ],
    }
    try:
        if entry is not None:
            row["lease"] = lease_of(entry.value)._asdict()
        if tail.last:
            message = unpack(jetstream.message(tail.last), tail.last)
            row["epoch"], row["last_seq"] = message.epoch, message.blocks.last_seq
            row["last_block"] = message.blocks.next_block - 1
    except ReplicaError as error:
        row["flaw"] = str(error)
    return row
