"""What people did with cases: reviewed, escalated, closed; append-only, each entry with a hash.

A case is closed by two persons: one asks, another agrees.  New hits open it again.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.surveillance.cases import Case
from openoutcry.wire.errors import SurveillanceError

NAME = "life.jsonl"
OPEN, REVIEWED, ESCALATED, CLOSING, CLOSED, SUPPRESSED = (
    "open",
    "reviewed",
    "escalated",
    "closing",
    "closed",
    "suppressed",
)
Entry = dict[str, Any]


@dataclass(frozen=True)
class CaseState:
    """The status of a case, and the person that set it."""

    status: str
    who: str = ""
    hits: int = 0
    """Hits that the case had then."""


def case_state_of(case: Case, entries: list[Entry]) -> CaseState:
    """By the entries about this case, in their order."""
    case_state = CaseState(SUPPRESSED if case.suppressed else OPEN)
    for entry in entries:
        if entry["case"] != case.number:
            continue
        case_state = _next(case_state, entry)
    if case_state.status in (CLOSING, CLOSED) and case.hits > case_state.hits:
        return CaseState(OPEN, "", case.hits)
    return case_state


def _next(case_state: CaseState, entry: Entry) -> CaseState:
    action, who, hits = entry["action"], entry["who"], entry["hits"]
    if action == "close":
        # Who asked before the last hits came has to ask again.
        agreed = case_state.status == CLOSING and case_state.who != who and case_state.hits == hits
        return CaseState(CLOSED if agreed else CLOSING, who, hits)
    status = {"review": REVIEWED, "escalate": ESCALATED, "reopen": OPEN}[action]
    return CaseState(status, who, hits)


def hash_of(entry: Entry) -> str:
    """Over everything but the hash itself."""
    text = json.dumps({k: v for k, v in entry.items() if k != "hash"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def _line(entry: Entry) -> bytes:
    """The one way in which an entry is written."""
    return (json.dumps(entry, sort_keys=True) + "\n").encode()


def read_life(folder: Path, begin: bytes) -> list[Entry]:
    """Every entry; ``begin`` is the hash before the first.

    Raises :class:`SurveillanceError` naming the first line that was changed, or is missing.
    """
    path = folder / NAME
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    entries: list[Entry] = []
    previous = begin.hex()
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            holds = entry["previous"] == previous and entry["hash"] == hash_of(entry)
            holds = holds and line == _line(entry)
        except (ValueError, KeyError, TypeError):
            holds = False
        if not holds:
            raise SurveillanceError(f"{path}: line {number} was changed: its hash does not hold")
        previous = entry["hash"]
        entries.append(entry)
    return entries


def act(
    folder: Path,
    begin: bytes,
    case: Case,
    action: str,
    who: str,
    why: str,
    noted: Callable[[Entry, int], None] = lambda entry, count: None,
) -> CaseState:
    """Record an officer's action on a case; returns the case as it is then.

    ``noted`` is called with the entry and the count of entries, once the entry is on the disk.

    Raises :class:`SurveillanceError` where that cannot be: without a reason, of a case that is
    closed, and where the same person would close it twice.
    """
    if not why.strip():
        raise SurveillanceError("a reason is needed")
    with _lock(folder):
        entries = read_life(folder, begin)
        now = case_state_of(case, entries)
        if now.status == CLOSED and action != "reopen":
            raise SurveillanceError(f"case {case.number} is closed: reopen it first")
        if now.status != CLOSED and action == "reopen":
            raise SurveillanceError(f"case {case.number} is not closed")
        if action == "close" and now.status == CLOSING and now.who == who:
            raise SurveillanceError(
                f"case {case.number}: {who} has asked to close it; another has to agree"
            )
        entry = {
            "case": case.number,
            "action": action,
            "who": who,
            "when_ns": time.time_ns(),
            "why": why.strip(),
            "hits": case.hits,
            "head": case.head,
            "previous": entries[-1]["hash"] if entries else begin.hex(),
        }
        entry["hash"] = hash_of(entry)
        _append(folder / NAME, _line(entry))
        noted(entry, len(entries) + 1)
        return case_state_of(case, [*entries, entry])


def _append(path: Path, data: bytes) -> None:
    """All of it and durable, or nothing: after half an entry no other would hold."""
    with open(path, "ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            os.ftruncate(file.fileno(), before)
            raise SurveillanceError(
                f"{path}: {error.strerror}: nothing of it was written"
            ) from None


class _lock:  # noqa: N801
    """No other process writes an entry meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._file = open(folder / ".life.lock", "w")  # noqa: SIM115

    def __enter__(self) -> None:
        import fcntl

        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
