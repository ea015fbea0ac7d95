"""Where a venue's journal is replicated, as its page shows it: gate, lease, stream, nodes, standby.

What this venue has published and had acknowledged is in its shared memory.  A standby reports on
itself in ``standby.json``.  A separate thread asks the cluster once a second, over one connection
and for all viewers: nodes that do not answer keep only that thread waiting.
"""

import json
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from openoutcry.operations.metrics import lease_left_ns
from openoutcry.pipeline.gate_policy import gate_policy
from openoutcry.pipeline.top import RunningPipeline
from openoutcry.pipeline.topology import REPLICA
from openoutcry.replica.access import access_of
from openoutcry.replica.actions import node_of
from openoutcry.replica.cluster import Cluster
from openoutcry.replica.cluster_status import nodes_as_known, stream_row
from openoutcry.replica.hot_standby import STATUS_FILE
from openoutcry.replica.jetstream import JetStream
from openoutcry.replica.link import Link, connect
from openoutcry.replica.place import PLACE_FILE
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.file import VenueFile
from openoutcry.wire import OutcryError

ALARMS = ("ReplicaBehind", "QuorumLost")
ASK_S, DISKS_S = 1.0, 5.0
WRONG = (OutcryError, OSError, ValueError, KeyError, TypeError, AttributeError)
"""Errors that a lost cluster may raise, and files that other processes write."""
STANDBY = ("venue", "holder", "role", "reason", "epoch", "last_block", "last_seq", "lag_blocks",
           "commands", "verified_seq", "verified_checks", "verified_states", "state_hash",
           "event_hash", "prepared", "takeover_ms", "trouble")  # fmt: skip
SILENT_S = 5.0
"""A standby that follows writes its status four times a second."""


class ClusterLook:
    """The cluster's last answer, requested again each ``ASK_S``."""

    def __init__(self, named: str, venue: str) -> None:
        self.named, self.venue = named, venue
        self._report: dict[str, Any] = {"stream": None, "nodes": [], "trouble": "not asked yet"}
        self._asked_s = self._disks_s = self._renewed_s = 0.0
        self._link: Link | None = None
        self._tries = 0
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True, name="console-cluster")

    def start(self) -> None:
        """Begin to ask the cluster in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which may wait for a node: after 1 s it is left."""
        self._over.set()
        self._thread.join(1)  # it may wait for a node: it ends with the process

    def report(self) -> dict[str, Any]:
        """Return at once the last answer, its age, and what has been wrong since."""
        now_s = time.monotonic()
        age_s = round(now_s - self._asked_s, 1) if self._asked_s else None
        renewed_s = round(now_s - self._renewed_s, 1) if self._renewed_s else None
        return self._report | {"age_s": age_s, "renewed_s": renewed_s}

    def _run(self) -> None:
        while not self._over.is_set():
            begun_s = time.monotonic()
            self._look(begun_s)
            self._over.wait(max(0.0, begun_s + ASK_S - time.monotonic()))
        self._leave()

    def _look(self, now_s: float) -> None:
        """One look.  The disks first: they can be read when no node answers."""
        report = dict(self._report)
        try:
            if not self._disks_s or now_s - self._disks_s >= DISKS_S:
                report["nodes"], self._disks_s = self._disks(), now_s
                self._report = report
            stream = self._ask()
            before = report["stream"] or {}
            if stream["lease"] != before.get("lease"):
                self._renewed_s = time.monotonic()
            self._asked_s = time.monotonic()
            self._report = report | {"stream": stream, "trouble": ""}
        except WRONG as error:
            self._leave()
            self._tries += 1
            self._report = report | {"trouble": str(error) or type(error).__name__}

    def _disks(self) -> list[dict[str, Any]]:
        """Return the nodes' disks if the cluster is on this machine; else an empty list."""
        folder = Path(self.named)
        if "://" in self.named or not Cluster.exists(folder):
            return []
        return nodes_as_known(Cluster.load(folder))

    def _ask(self) -> dict[str, Any]:
        if self._link is None:
            self._link = connect(access_of(self.named), self._tries)
        return stream_row(JetStream(self._link, self.venue))

    def _leave(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class ReplicationView:
    """The replication of one venue; ``standbys``: journals of its standbys that can be read from
    here."""

    def __init__(self, file: VenueFile, standbys: Sequence[Path] = ()) -> None:
        self.file = file
        self.journals = list(dict.fromkeys((file.journal, *standbys)))
        replication = file.replication
        self.cluster = (
            ClusterLook(replication.nats, replication.venue) if replication is not None else None
        )
        self._seen: deque[tuple[float, int]] = deque(maxlen=3_600)
        """When how many commands were sequenced, of those that may not be acknowledged yet."""

    def start(self) -> None:
        """Begin to ask the cluster, if the venue has one."""
        if self.cluster is not None:
            self.cluster.start()

    def stop(self) -> None:
        """Ask the cluster no more."""
        if self.cluster is not None:
            self.cluster.stop()

    def view(
        self,
        pipeline: RunningPipeline | None,
        latency: list[dict[str, Any]],
        alarms: list[dict[str, Any]],
    ) -> dict[str, Any]:
        """Return the view for JSON; called once a second. Sequences are commands; ``latency`` and
        ``alarms`` are rows of the page's own."""
        replication, policy = self.file.replication, self.file.policy
        if replication is None or self.cluster is None:
            text = f'this venue\'s journal is not replicated (durability "{self.file.durability}")'
            return {"replicated": False, "text": text}
        gate = gate_policy(policy, True)
        report = self.cluster.report()
        return {
            "replicated": True,
            "text": f"an event is released when its command is {gate.text}",
            "policy": policy,
            "waits_for": list(gate.waits_for),
            "which": gate.which,
            "stream": replication.venue,
            "nats": access_of(replication.nats).text,
            "lease_ms": replication.lease_ms,
            "published": self._published(pipeline, latency),
            "acknowledged": self._acknowledged(),
            "lease": self._lease(report, pipeline),
            "cluster": {key: report[key] for key in ("age_s", "trouble")} | _stream_of(report),
            "nodes": _nodes_of(report),
            "standbys": [row for journal in self.journals if (row := standby_row(journal))],
            "alarms": [row for row in alarms if row["name"] in ALARMS],
        }

    def _published(
        self, pipeline: RunningPipeline | None, latency: list[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Return what this venue has published, as its stage reports it; None where it does not run
        here."""
        if pipeline is None or (at := pipeline.table.index.get(REPLICA.name)) is None:
            self._seen.clear()
            return None
        control = pipeline.control
        safe_seq = control.stage(at).safe_seq
        sequenced, now_s = pipeline.positions()["sequenced"], time.monotonic()
        self._seen.append((now_s, sequenced))
        while self._seen and self._seen[0][1] <= safe_seq:
            self._seen.popleft()
        spans = next((row for row in latency if row["name"] == REPLICA.name), None)
        return {
            "sequenced": sequenced,
            "seq": max(safe_seq, control.stage(at).published_seq),
            "block": control.stage(at).published_block,
            "acknowledged_seq": safe_seq,
            "lag_commands": max(0, sequenced - safe_seq),
            "lag_bytes": control.stage(at).lag_bytes,
            "behind_ms": round(1e3 * (now_s - self._seen[0][0])) if self._seen else 0,
            "second_ns": spans["second"] if spans else None,
        }

    def _acknowledged(self) -> dict[str, Any] | None:
        """The chain's end as the publisher has last noted it in the journal's folder, for its next
        start: at most once a second, and not while nothing moves."""
        try:
            place = json.loads((self.file.journal / PLACE_FILE).read_text())
            return {
                "block": int(place["next_block"]) - 1,
                "seq": int(place["last_seq"]),
                "epoch": int(place["epoch"]),
                "message": int(place["position"]),
            }
        except WRONG:
            return None

    def _lease(
        self, report: dict[str, Any], pipeline: RunningPipeline | None
    ) -> dict[str, Any] | None:
        """The lease and its holder.  Only the holder knows when it ends, by the holder's clock;
        others see when it was renewed."""
        lease = (report["stream"] or {}).get("lease")
        left_ns = None
        if pipeline is not None and (at := pipeline.table.index.get(REPLICA.name)) is not None:
            left_ns = lease_left_ns(pipeline.control, at)
        if lease is None and left_ns is None:
            return None
        lease = lease or {"holder": "", "epoch": 0, "given_up": False}
        here = f"{socket.gethostname()}:{self.file.journal.resolve()}"
        until = utc_text(time.time_ns() + left_ns) if left_ns is not None else ""
        return {
            "holder": lease["holder"],
            "here": node_of(lease["holder"]) == here,
            "epoch": lease["epoch"],
            "given_up": lease["given_up"],
            "until": until,
            "left_ms": round(left_ns / 1e6) if left_ns is not None else None,
            "renewed_s": report["renewed_s"],
        }


def _stream_of(report: dict[str, Any]) -> dict[str, Any]:
    keys = ("leader", "messages", "bytes", "epoch", "last_seq", "last_block", "flaw")
    stream = report["stream"]
    return {key: stream[key] if stream else None for key in keys}


def _nodes_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each node that is known here, or to the stream's leader."""
    stream, rows = report["stream"] or {}, {row["node"]: dict(row) for row in report["nodes"]}
    peers = {peer["name"]: peer for peer in stream.get("peers", ())}
    if stream.get("leader"):
        peers[stream["leader"]] = {"current": True, "offline": False, "lag": 0, "leads": True}
    empty = {
        "pid": None,
        "url": "",
        "bytes": None,
        "free_bytes": None,
        "trouble": "",
        "verified": None,
        "local": False,
    }
    nodes = []
    for name in sorted(rows.keys() | peers.keys()):
        row, peer = rows.get(name), peers.get(name)
        state = "unknown"
        if row is not None and row["pid"] is None:
            state = "does not run"
        elif peer is not None and not report["trouble"]:
            state = "offline" if peer["offline"] else "current" if peer["current"] else "behind"
            state = "leader" if peer.get("leads") else state
        known = empty | row | {"local": True} if row is not None else empty
        nodes.append(known | {"node": name, "state": state, "lag": peer["lag"] if peer else None})
    return nodes


def standby_row(journal: Path) -> dict[str, Any] | None:
    """Return the report of a journal's standby; None where there has been none."""
    path = journal / STATUS_FILE
    try:
        status, age_s = json.loads(path.read_text()), time.time() - path.stat().st_mtime
        row = {key: status.get(key) for key in STANDBY}
        follows = row["role"] not in ("leading", "stopped")
        return row | {
            "journal": journal.name if journal.parent == Path() else str(journal),
            "age_s": round(max(0.0, age_s), 1),
            "silent": follows and age_s > SILENT_S,
            "level": follows and row["lag_blocks"] == 0,
        }
    except FileNotFoundError:
        return None
    except WRONG as error:
        return dict.fromkeys(STANDBY) | {
            "journal": str(journal),
            "age_s": None,
            "silent": True,
            "level": False,
            "trouble": f"{STATUS_FILE} cannot be read: {error}",
        }
