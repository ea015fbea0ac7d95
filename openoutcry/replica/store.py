"""What a node of a cluster here has on its disk, read past its server and proven by our own chain.

A server that was damaged may lead and serve a stream with a hole while it says that it is current
(nats-server #7549, #7556).  So a node's files are read before its server starts: every message,
every block, every hash, from the first on.  What is not whole does not start; wiped, the node gets
everything from the others.

A file of messages holds records.  Each is: length (u32, its highest bit: with headers), number,
time (u64 each), subject (u16 length), headers (u32 length), the message, and a checksum.  The
checksum is the server's HighwayHash-64 of number, time, subject, headers and message, under the
SHA-256 of STREAM-FILE.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.replica.certificates import write_private
from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.cluster import Cluster, Node
from openoutcry.replica.highway import highway_hash
from openoutcry.replica.jetstream import PREFIX
from openoutcry.replica.message import unpack
from openoutcry.wire.errors import ReplicaError

RECORD = struct.Struct("<IQQH")
WITH_HEADERS = 1 << 31
TAIL_BYTES = 8
VERIFIED_FILE = "verified.json"
LOOK_FILE = "look.json"
"""The result of the last look, for readers of the status."""
MAX_RECORD_BYTES = 8 << 20


@dataclass(frozen=True)
class Verified:
    """One stream on one node's disk: proven up to ``tip``; ``flaw`` says what is wrong after it."""

    venue: str
    tip: Tip
    flaw: str = ""
    may_be_foreign: bool = False
    """A record is there whose checksum agrees, and it is not a message of the venue's: if all
    nodes have the same, it was published so."""
    is_lost: bool = False
    """It was further once, or was there: if all nodes have lost it, it was deleted."""

    @property
    def text(self) -> str:
        """A line for people: how far the proof goes, and the flaw after it."""
        place = f"{self.venue} block {self.tip.next_block - 1} (message {self.tip.position})"
        return f"{place}, then DAMAGED: {self.flaw}" if self.flaw else place


def verify_node(cluster: Cluster, node: Node) -> list[Verified]:
    """Every stream that the node has, read from its disk; also while it runs.

    The furthest place that was ever proven is noted next to the store: one that ends before it
    has been cut.
    """
    known = _known(cluster, node)
    rows = []
    for folder in sorted(_streams(cluster.store_of(node))):
        venue = folder.name.removeprefix(PREFIX)
        row = _verify(venue, folder)
        before = known.get(venue, 0)
        if not row.flaw and row.tip.position < before:
            flaw = f"it ends at message {row.tip.position}, and it has had {before}"
            row = Verified(venue, row.tip, flaw, is_lost=True)
        rows.append(row)
        known[venue] = max(before, row.tip.position)
    gone = set(known) - {row.venue for row in rows}
    rows += [Verified(one, Tip(), "its stream is gone", is_lost=True) for one in sorted(gone)]
    text = json.dumps(known).encode()
    write_private(cluster.folder_of(node) / VERIFIED_FILE, text)
    look = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    text = json.dumps(look | {"streams": verified_document(rows)}).encode()
    write_private(cluster.folder_of(node) / LOOK_FILE, text)
    return rows


def last_look(cluster: Cluster, node: Node) -> dict[str, Any] | None:
    """Return when :func:`verify_node` was last at this node's disk, and what it found; None if
    never."""
    try:
        document = json.loads((cluster.folder_of(node) / LOOK_FILE).read_text())
        return {"at": str(document["at"]), "streams": list(document["streams"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def damaged(cluster: Cluster) -> dict[str, str]:
    """Return the faults of nodes that are about to start, by name; whole ones are not there."""
    return {
        node.name: row.text
        for node in cluster.nodes
        if cluster.identity(node) is None
        for row in verify_node(cluster, node)
        if row.flaw
    }


def forget(cluster: Cluster, node: Node) -> None:
    """The node begins again: it has never had anything."""
    for name in (VERIFIED_FILE, LOOK_FILE):
        (cluster.folder_of(node) / name).unlink(missing_ok=True)


def _known(cluster: Cluster, node: Node) -> dict[str, int]:
    try:
        document = json.loads((cluster.folder_of(node) / VERIFIED_FILE).read_text())
        return {str(name): int(position) for name, position in document.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _streams(store: Path) -> Iterator[Path]:
    for folder in store.glob(f"jetstream/*/streams/{PREFIX}*"):
        if (folder / "msgs").is_dir():
            yield folder


def _verify(venue: str, folder: Path) -> Verified:
    tip = Tip()
    files = sorted((folder / "msgs").glob("*.blk"), key=lambda path: int(path.stem))
    try:
        for path in files:
            for where, position, data in _records(path, last=path == files[-1]):
                if position != tip.position + 1:
                    flaw = f"{where}: message {position} where {tip.position + 1} belongs"
                    return Verified(venue, tip, flaw)
                try:
                    message = unpack(data, position)
                except ReplicaError as error:
                    return Verified(venue, tip, str(error), may_be_foreign=True)
                verdict = judge(tip, message)
                if verdict == Verdict.DEAD:
                    tip = passed(tip, position)
                elif verdict == Verdict.LIVE:
                    tip = extended(tip, message)
                else:
                    flaw = f"message {position} breaks the chain ({verdict.name.lower()})"
                    return Verified(venue, tip, flaw, may_be_foreign=True)
    except (ReplicaError, OSError) as error:
        return Verified(venue, tip, str(error))
    return Verified(venue, tip)


def _records(path: Path, last: bool) -> Iterator[tuple[str, int, bytes]]:
    """Place, number and message of each record.  The last file may end within one: it is being
    written, or was when the power went.  Raises :class:`ReplicaError` for what is not a record, and
    for one whose checksum, nats-server's own, does not agree."""
    stream = path.parent.parent.name
    key = hashlib.sha256(f"{stream}-{path.stem}".encode()).digest()
    with open(path, "rb", buffering=1 << 20) as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            where = f"{path.name}: byte {at}"
            head = file.read(RECORD.size)
            if len(head) < RECORD.size:
                if last:
                    return
                raise ReplicaError(f"{where}: the file ends inside a message")
            length, number, _, subject_bytes = RECORD.unpack(head)
            with_headers, length = length & WITH_HEADERS, length & ~WITH_HEADERS
            if not RECORD.size + TAIL_BYTES <= length <= MAX_RECORD_BYTES:
                raise ReplicaError(f"{where}: no message begins there")
            rest = file.read(length - RECORD.size)
            if len(rest) < length - RECORD.size:
                if last:
                    return
                raise ReplicaError(f"{where}: the file ends inside a message")
            begin = subject_bytes
            if with_headers:
                begin += 4 + int.from_bytes(rest[begin : begin + 4], "little")
            if begin > len(rest) - TAIL_BYTES:
                raise ReplicaError(f"{where}: no message is there")
            # All but the lengths: with another time or header, too, the server drops the message.
            checked = head[4:20] + rest[:subject_bytes]
            checked += rest[subject_bytes + 4 * bool(with_headers) : -TAIL_BYTES]
            if highway_hash(checked, key) != rest[-TAIL_BYTES:]:
                raise ReplicaError(f"{where}: message {number} is not as the server wrote it")
            yield where, number, rest[begin:-TAIL_BYTES]
            at += length


def verified_document(rows: list[Verified]) -> list[dict[str, Any]]:
    """Return the verified state for JSON."""
    return [
        {
            "venue": row.venue,
            "block": row.tip.next_block - 1,
            "message": row.tip.position,
            "last_seq": row.tip.last_seq,
            "epoch": row.tip.epoch,
            "flaw": row.flaw,
        }
        for row in rows
    ]
