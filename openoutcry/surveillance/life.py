"""What people did with cases: reviewed, escalated, closed; append-only, each entry with a hash.

A case is closed by two persons: one asks, another agrees.  New hits open it again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openoutcry.surveillance.cases import Case
from openoutcry.surveillance.chained_lines import Entry, Locked, append_entry, read_entries
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


@dataclass(frozen=True)
class CaseState:
    """The status of a case, and the person that set it."""

    status: str
    who: str = ""
    hits: int = 0
    """Hits that the case had then."""


def case_state_of(case: Case, entries: list[Entry]) -> CaseState:
    """Return a case's state from its entries, in order."""
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


def read_life(folder: Path, begin: bytes) -> list[Entry]:
    """Every entry; ``begin`` is the hash before the first.  Raises :class:`SurveillanceError`."""
    return read_entries(folder / NAME, begin)


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
    with Locked(folder / NAME):
        entries = read_life(folder, begin)
        now = case_state_of(case, entries)
        if now.status == CLOSED and action != "reopen":
            raise SurveillanceError(f"case {case.number} is closed: reopen it first")
        if now.status != CLOSED and action == "reopen":
            raise SurveillanceError(f"case {case.number} is not closed")
        if action == "close" and now.status == CLOSING and now.who == who:
            raise SurveillanceError(
                f"case {case.number}: {who} has asked to close it; another person has to agree"
            )
        fields = {
            "case": case.number,
            "action": action,
            "who": who,
            "when_ns": time.time_ns(),
            "why": why.strip(),
            "hits": case.hits,
            "head": case.head,
        }
        entry = append_entry(folder / NAME, begin, entries, fields)
        noted(entry, len(entries) + 1)
        return case_state_of(case, [*entries, entry])
