"""The chain over an audit trail's parts: a line each, naming its files' hashes and the line before.

The hash of a day's last line is the day's head.  Who knows it knows every byte up to it: published
(printed, sent to a regulator, put in a newspaper) it cannot be made to fit another trail.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import AuditError

CHAIN, PLAN, STATE = "chain.jsonl", "plan.json", "state"
NO_HASH = "0" * 64


@dataclass(frozen=True)
class Link:
    """One part; times are ingress times (ns since the epoch), hashes BLAKE3 in hexadecimal."""

    day: str
    first_seq: int
    last_seq: int
    first_ts_ns: int
    last_ts_ns: int
    rows: int
    min_order_id: int
    max_order_id: int
    parquet: str
    index: str
    open_until_block: int | None
    """None: closed, it never changes; else what the journal had when it was written."""
    previous: str
    hash: str = ""

    @property
    def name(self) -> str:
        """Path of its files below the trail's folder, without a suffix."""
        return f"{self.day}/part-{self.first_seq:015d}"

    def document(self) -> dict[str, Any]:
        """Return the link as JSON has it, without its own hash."""
        document = asdict(self)
        del document["hash"]
        return document

    def sealed(self) -> "Link":
        """The line with its hash."""
        text = canonical(self.document()).encode()
        return Link(**{**self.document(), "hash": blake3(text).hexdigest()})


def canonical(document: dict[str, Any]) -> str:
    """The one text of a document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def read_chain(folder: Path) -> list[Link]:
    """Every line; raises :class:`AuditError` naming the first that was changed."""
    path = folder / CHAIN
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    links: list[Link] = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        try:
            link = Link(**json.loads(line))
        except (ValueError, TypeError):
            raise AuditError(f"{path}: line {number} is damaged") from None
        if (canonical(asdict(link)) + "\n").encode() != line or link.sealed() != link:
            raise AuditError(f"{path}: line {number} was changed after it was written")
        if link.previous != (links[-1].hash if links else NO_HASH):
            raise AuditError(f"{path}: line {number} does not follow the one before")
        if links and link.first_seq != links[-1].last_seq + 1:
            raise AuditError(f"{path}: line {number} leaves out commands")
        links.append(link)
    return links


def write_chain(folder: Path, links: list[Link]) -> None:
    """Whole or not at all, and durable."""
    text = "".join(canonical(asdict(link)) + "\n" for link in links)
    write_whole(folder / CHAIN, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write under another name and rename, durably.  Raises :class:`AuditError` naming the file."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise AuditError(f"{path}: cannot write: {error.strerror}") from None


def heads(links: list[Link]) -> list[dict[str, Any]]:
    """A row for each day: its last line's hash, and whether anything of the day can still come."""
    rows: dict[str, dict[str, Any]] = {}
    for link in links:
        row = rows.setdefault(link.day, {"day": link.day, "rows": 0, "first_seq": link.first_seq})
        row["rows"] += link.rows
        row |= {"last_seq": link.last_seq, "closed": link.open_until_block is None}
        row["head"] = link.hash
    days = list(rows.values())
    return days


def hash_file(path: Path) -> str:
    """BLAKE3 of a file, hexadecimal.  Raises :class:`AuditError` if it cannot be read."""
    try:
        return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
    except OSError as error:
        raise AuditError(f"{path}: cannot read: {error.strerror}") from None
