"""Sessions that are added, changed or removed while the venue trades.

What the venue file says of a session is its row.  A document says what is different since: it is
JSON, it has a version, and it comes as pieces of 16 bytes, each a RISK command (``SESSION``).  So
the sessions of a journal follow from its commands, on every machine that has them.  A password is
in it as the salted hash that the acceptor verifies, never itself.

A session that is added takes a slot, a row of the file that has a protocol and nothing else.  The
document names the row that it was made for by a digest: once the file has another row in that
place, the file counts again.

In memory a document is a :class:`DocumentRow`, one for each session after one for all, in the
segment that stage, acceptor and the venue's own process share.  Its block says what the document
does before the document is published, so no login reaches a session that is half made.
"""

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from hashlib import blake2b
from ipaddress import ip_network
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.projections import Setting
from openoutcry.order_entry.spec import (
    CancelOnDisconnect,
    Protocol,
    SessionSpec,
    Takeover,
    ThrottlePolicy,
)
from openoutcry.wire.enums import CommandKind, SelfTrade
from openoutcry.wire.layout import Layout, area, i64

PIECE_BYTES, MAX_PIECES = 16, 64
MAX_BYTES = PIECE_BYTES * MAX_PIECES
ENUMS: dict[str, Any] = {
    "cancel_on_disconnect": CancelOnDisconnect,
    "throttle_policy": ThrottlePolicy,
    "self_trade": SelfTrade,
    "takeover": Takeover,
}
NOT_CHANGED = ("protocol", "group", "key", "uid", "gid", "acts_for", "rings", "slot", "removed")
"""Fields that no document has: a session keeps its protocol, and secrets that are no hashes stay
where they are."""
CHANGED = tuple(field.name for field in fields(SessionSpec) if field.name not in NOT_CHANGED)
OF, VERSION, REMOVED = "of", "version", "removed"


class DocumentRow(Layout, size_bytes=2112):
    """The document of a session, and the pieces of the one that is coming."""

    version: int = i64(
        "of the document; 0: no document; below 0: it is being written; of the row for all, 1: "
        "the journal's documents are still to be read"
    )
    length: int = i64("of its text")
    pieces: int = i64("of the document that is coming: pieces so far,")
    total: int = i64("and how many there will be")
    text: int = area(MAX_BYTES, "its text", at=64)
    coming: int = area(MAX_BYTES, "text of the one that is coming", at=64 + MAX_BYTES)


ROW_BYTES = DocumentRow.size_bytes
VERSION_WORD, LENGTH, PIECES, TOTAL = (
    DocumentRow.offset(name) // 8 for name in ("version", "length", "pieces", "total")
)
TEXT, COMING = DocumentRow.offset("text"), DocumentRow.offset("coming")


def digest_of(row: SessionSpec) -> str:
    """Return the digest of a row of the venue file, 12 hexadecimal digits.  One without limits of
    what it may enter has that of the versions before there were any."""
    limits = repr(row.admission) if row.admission.limits_orders else ""
    return blake2b(f"{row!r}{limits}".encode(), digest_size=6).hexdigest()


def document_of(row: SessionSpec, wanted: SessionSpec, version: int) -> str:
    """The document by which the session of a row of the file is ``wanted``.

    Raises ``ValueError`` if it is too long."""
    document: dict[str, Any] = {OF: digest_of(row), VERSION: version}
    if wanted.removed:
        document[REMOVED] = True
    for name in CHANGED:
        value = getattr(wanted, name)
        if value != getattr(row, name):
            document[name] = [str(one) for one in value] if name == "networks" else value
    text = json.dumps(document, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(
            f"name, password and networks of the session need {len(text)} characters, but "
            f"at most {MAX_BYTES} fit; name fewer networks"
        )
    return text


def session_of(row: SessionSpec, text: str) -> SessionSpec:
    """The session by a row of the file and the document about it; the row itself if the text is no
    document, or one of another row."""
    try:
        document = json.loads(text)
        if document.get(OF) != digest_of(row):
            return row
        values = {name: document[name] for name in CHANGED if name in document}
        if "networks" in values:
            values["networks"] = tuple(ip_network(value) for value in values["networks"])
        for name, kind in ENUMS.items():
            if name in values:
                values[name] = kind(values[name])
        removed = bool(document.get(REMOVED, False))
        return replace(row, slot=row.slot and "name" not in values, removed=removed, **values)
    except (ValueError, TypeError, AttributeError):
        return row


def pieces_of(index: int, text: str) -> list[tuple[int, int, int]]:
    """The pieces that a document about the session ``index`` comes in: ``qty_lots``,
    ``price_ticks`` and ``aux`` of the commands."""
    data = text.encode()
    count = -(-len(data) // PIECE_BYTES)
    words = np.frombuffer(data.ljust(count * PIECE_BYTES, b" "), np.int64).reshape(count, 2)
    return [
        (index << 16 | count << 8 | which, first, second)
        for which, (first, second) in enumerate(words.tolist())
    ]


class Documents:
    """The documents of the sessions of one run, in its memory."""

    def __init__(self, words: npt.NDArray[np.int64], sessions: Iterable[SessionSpec]) -> None:
        """``words``: a row of them for each session, after one for all; ``sessions``: by the venue
        file."""
        self.filed = tuple(sessions)
        self.words = words.reshape(1 + len(self.filed), ROW_BYTES // 8)
        self.bytes = self.words.view(np.uint8)
        self._parsed: dict[int, tuple[int, SessionSpec]] = {}

    @property
    def versions(self) -> npt.NDArray[np.int64]:
        """The version of each session's document, starting at index 1; a new version means a new
        session."""
        return self.words[1:, VERSION_WORD]

    @property
    def is_awaited(self) -> bool:
        """Return whether the journal's documents are still to be read."""
        return bool(self.words[0, VERSION_WORD])

    @is_awaited.setter
    def is_awaited(self, value: bool) -> None:
        self.words[0, VERSION_WORD] = int(value)

    def version(self, index: int) -> int:
        """Return the version of a session's document (``index`` from 1); 0 if it has none."""
        return abs(int(self.words[index, VERSION_WORD]))

    def row(self, index: int) -> SessionSpec:
        """The session as it is now; of one whose document is being written, as it was."""
        version = int(self.words[index, VERSION_WORD])
        known = self._parsed.get(index)
        if version < 0:
            return known[1] if known is not None else self.filed[index - 1]
        if known is None or known[0] != version:
            row = self.latest(index)
            if int(self.words[index, VERSION_WORD]) != version:
                return self.row(index)
            known = self._parsed[index] = version, row
        return known[1]

    def latest(self, index: int) -> SessionSpec:
        """The session by its document, published or not: for the process that writes it."""
        filed = self.filed[index - 1]
        if self.words[index, VERSION_WORD] == 0:
            return filed
        return session_of(filed, self.text(index))

    def text(self, index: int) -> str:
        """Return the text of a session's document, whether published or not."""
        length = min(int(self.words[index, LENGTH]), MAX_BYTES)
        return bytes(self.bytes[index, TEXT : TEXT + length]).decode("utf-8", "replace")

    def rows(self) -> list[SessionSpec]:
        """Return the sessions as they are now, by their slots."""
        return [self.row(index) for index in range(1, len(self.words))]

    def all_latest(self) -> list[SessionSpec]:
        """Return the sessions by their documents, published or not, by their slots."""
        return [self.latest(index) for index in range(1, len(self.words))]

    def put(self, index: int, text: str) -> bool:
        """Write a document, unless one that is as new is there; returns whether it is to be
        published."""
        try:
            version = int(json.loads(text)[VERSION])
        except (ValueError, TypeError, KeyError):
            return False
        word, data = self.words[index], np.frombuffer(text.encode(), np.uint8)
        if not self.version(index) <= version < 1 << 62 or version < 1 or len(data) > MAX_BYTES:
            return False
        if version == word[VERSION_WORD]:
            return False
        self.row(index)  # what it was is known while the new one is written
        word[VERSION_WORD] = -version
        word[LENGTH] = len(data)
        self.bytes[index, TEXT : TEXT + len(data)] = data
        return True

    def publish(self, index: int) -> None:
        """Let the acceptor see what :meth:`put` wrote."""
        self.words[index, VERSION_WORD] = self.version(index)

    def take(self, commands: npt.NDArray[Any]) -> list[int]:
        """Follow a journal's commands; returns whose documents are to be published."""
        ours = (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.SESSION)
        if not ours.any():
            return []
        changed = []
        for command in commands[ours]:
            if command["error_code"] or command["participant"]:
                continue
            place = int(command["qty_lots"])
            index, count, which = place >> 16, place >> 8 & 0xFF, place & 0xFF
            if not 1 <= index < len(self.words) or not which < count <= MAX_PIECES:
                continue
            text = self._piece(index, count, which, command)
            if text and self.put(index, text):
                changed.append(index)
        return changed

    def _piece(self, index: int, count: int, which: int, command: Any) -> str:
        """Keep a piece; the whole text if it was the last one."""
        word = self.words[index]
        if which == 0:
            word[PIECES], word[TOTAL] = 0, count
        if (int(word[PIECES]), int(word[TOTAL])) != (which, count):
            word[PIECES] = word[TOTAL] = 0
            return ""
        at = (COMING + PIECE_BYTES * which) // 8
        word[at], word[at + 1] = command["price_ticks"], command["aux"]
        word[PIECES] = which + 1
        if which + 1 < count:
            return ""
        word[PIECES] = word[TOTAL] = 0
        whole = bytes(self.bytes[index, COMING : COMING + PIECE_BYTES * count])
        return whole.decode("utf-8", "replace").rstrip()

    def saved(self) -> npt.NDArray[np.int64]:
        """Return the documents for a checkpoint: a row each, the session's index first."""
        there = 1 + np.flatnonzero(self.words[1:].any(axis=1))
        return np.column_stack([there, self.words[there]]).astype(np.int64)

    def put_back(self, saved: npt.NDArray[np.int64]) -> list[int]:
        """Know what :meth:`saved` gave, unless newer is known; returns as :meth:`take`."""
        changed = []
        for index, *values in saved.tolist():
            if not 1 <= index < len(self.words):
                continue
            row = np.array(values, np.int64)
            length = int(row[LENGTH])
            text = bytes(row.view(np.uint8)[TEXT : TEXT + length]).decode("utf-8", "replace")
            self.words[index, [PIECES, TOTAL]] = row[[PIECES, TOTAL]]
            self.words[index, COMING // 8 :] = row[COMING // 8 :]
            if row[VERSION_WORD] and self.put(index, text):
                changed.append(index)
        return changed


class NamesOfSessions:
    """The sessions' names of a journal whose commands pass, for those that read it later."""

    def __init__(self, count: int) -> None:
        slots = [SessionSpec("", 0, Protocol.OUCH50, "")] * count
        words = np.zeros((1 + count) * ROW_BYTES // 8, np.int64)
        self.documents = Documents(words, slots)

    def take(self, commands: npt.NDArray[Any]) -> None:
        """Follow the changes of sessions in some commands, ORDER_DTYPE of (n,)."""
        self.documents.take(commands)

    def named(self, known: list[str]) -> list[str]:
        """``NAME PROTOCOL of participant N`` of each, from the same by the venue file."""
        named = list(known)
        for index in np.flatnonzero(self.documents.versions).tolist():
            document = json.loads(self.documents.text(index + 1))
            _, protocol, *_ = f"{known[index]}  ".split(" ")
            if "name" in document:
                who = document.get("participant", 0)
                named[index] = f"{document['name']} {protocol} of participant {who}"
        return named
