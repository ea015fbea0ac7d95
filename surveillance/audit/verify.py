"""Whether every byte of an audit trail is the one that was written."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from openoutcry.replay.projections import JournalError, checkpoint_seqs, read_checkpoint
from openoutcry.surveillance.audit.build import LOCK, Plan, build, files_of, read_plan
from openoutcry.surveillance.audit.chain import (
    CHAIN,
    PLAN,
    STATE,
    Link,
    hash_file,
    heads,
    read_chain,
)
from openoutcry.surveillance.audit.errors import AuditError

MAX_FAULTS = 20


def verify(folder: Path, published: dict[str, str] | None = None) -> dict[str, Any]:
    """Read every byte of the trail.  ``published``: heads noted elsewhere, by day.

    Returns ``parts``, ``rows``, ``bytes``, ``days`` (:func:`chain.heads`) and ``faults``, a
    sentence each: none, and the trail is what was written.  What is damaged is never an error
    here, it is a fault; only that there is no trail raises :class:`AuditError`.
    """
    faults: list[str] = []
    plan, links = _told(folder, faults)
    expected = {folder / PLAN, folder / CHAIN, folder / LOCK}
    size_bytes = 0
    for link in links:
        for path, wanted in zip(files_of(folder, link), (link.parquet, link.index), strict=True):
            expected.add(path)
            try:
                found = hash_file(path)
                size_bytes += path.stat().st_size
            except AuditError as error:
                faults.append(str(error))
                continue
            if found != wanted:
                faults.append(f"{path} is not what was written")
    faults += _state_faults(folder, plan, expected)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in expected:
            faults.append(f"{path} belongs to no part")
    if (folder / LOCK).exists() and (folder / LOCK).stat().st_size:
        faults.append(f"{folder / LOCK} is not empty")
    days = heads(links)
    faults += _head_faults(days, published or {})
    if plan is not None and (links[-1].last_seq if links else 0) < plan.until_seq:
        faults.append(f"{folder}: a build was ended before its end: run it again")
    return {"parts": len(links), "rows": sum(k.rows for k in links), "bytes": size_bytes,
            "days": days, "faults": faults[:MAX_FAULTS]}  # fmt: skip


def _told(folder: Path, faults: list[str]) -> tuple[Plan | None, list[Link]]:
    plan: Plan | None = None
    links: list[Link] = []
    if not (folder / PLAN).exists() and not (folder / CHAIN).exists():
        raise AuditError(f"{folder} holds no audit trail: make one with `outcry audit build`")
    try:
        plan = read_plan(folder)
        if plan is None:
            faults.append(f"{folder / PLAN} is gone")
    except AuditError as error:
        faults.append(str(error))
    try:
        links = read_chain(folder)
    except AuditError as error:
        faults.append(str(error))
    return plan, links


def _state_faults(folder: Path, plan: Plan | None, expected: set[Path]) -> list[str]:
    faults = []
    state = folder / STATE
    for seq in checkpoint_seqs(state) if state.is_dir() else []:
        path = state / f"checkpoint-{seq:015d}.occ"
        expected.add(path)
        try:
            found = read_checkpoint(path)
        except JournalError as error:
            faults.append(str(error))
            continue
        if plan is not None and found.journal_id != plan.journal_id:
            faults.append(f"{path} is another journal's")
    return faults


def _head_faults(days: list[dict[str, Any]], published: dict[str, str]) -> list[str]:
    known = {row["day"]: row["head"] for row in days}
    faults = []
    for day, head in published.items():
        if day not in known:
            faults.append(f"the trail has no day {day}, whose head was published")
        elif known[day] != head:
            faults.append(f"{day}: the head is {known[day]}, published was {head}")
    return faults


def compare_with_journal(directory: Path, folder: Path) -> list[str]:
    """Make the trail again from the journal, elsewhere, and compare the chains: a sentence for each
    part that differs.  What is open may have become longer since."""
    plan, links = read_plan(folder), read_chain(folder)
    if plan is None:
        raise AuditError(f"{folder} holds no audit trail: make one with `outcry audit build`")
    other = Path(tempfile.mkdtemp(prefix=".outcry-again-", dir=folder.absolute().parent))
    try:
        build(directory, other, part_commands=plan.part_commands)
        again = {link.first_seq: link for link in read_chain(other)}
    finally:
        shutil.rmtree(other, ignore_errors=True)
    faults = []
    for link in links:
        new = again.get(link.first_seq)
        if new is None:
            faults.append(f"{link.name}: the journal has no such commands")
        elif new.last_seq == link.last_seq and (new.parquet, new.index) != (
            link.parquet,
            link.index,
        ):
            faults.append(f"{link.name} is not what the journal gives")
    return faults
