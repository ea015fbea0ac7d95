"""Whether every byte of an audit trail is the one that was written."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from openoutcry.journal.projections import JournalError, checkpoint_seqs, read_checkpoint
from openoutcry.journal.tables import SPEAKS_NS, arrow
from openoutcry.surveillance.audit.build import LOCK, Plan, files_of, made_again, read_plan
from openoutcry.surveillance.audit.chain import (
    CHAIN,
    PLAN,
    STATE,
    Link,
    hash_file,
    heads,
    read_chain,
)
from openoutcry.wire.errors import AuditError

MAX_FAULTS = 20


def verify(folder: Path, published: dict[str, str] | None = None) -> dict[str, Any]:
    """Read every byte of the trail.  ``published``: heads noted elsewhere, by day.

    Returns ``parts``, ``rows``, ``bytes``, ``days`` (:func:`chain.heads`) and ``faults``, a
    sentence each: none, and the trail is what was written.  What is damaged is never an error
    here, it is a fault; only that there is no trail raises :class:`AuditError`.
    """
    faults: list[str] = []
    plan, links = _plan_and_links(folder, faults)
    expected = {folder / PLAN, folder / CHAIN, folder / LOCK}
    size_bytes = 0
    for link in links:
        for path, recorded in zip(files_of(folder, link), (link.parquet, link.index), strict=True):
            expected.add(path)
            try:
                actual = hash_file(path)
                size_bytes += path.stat().st_size
            except AuditError as error:
                faults.append(str(error))
                continue
            if actual != recorded:
                faults.append(f"{path} was changed after it was written")
    faults += _state_faults(folder, plan, expected)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in expected:
            faults.append(f"{path} belongs to no part")
    if (folder / LOCK).exists() and (folder / LOCK).stat().st_size:
        faults.append(f"{folder / LOCK} is not empty")
    days = heads(links)
    faults += _head_faults(days, published or {})
    if plan is not None and (links[-1].last_seq if links else 0) < plan.until_seq:
        faults.append(f"{folder}: a build was interrupted; run it again")
    return {
        "parts": len(links),
        "rows": sum(k.rows for k in links),
        "bytes": size_bytes,
        "days": days,
        "faults": faults[:MAX_FAULTS],
    }


def _plan_and_links(folder: Path, faults: list[str]) -> tuple[Plan | None, list[Link]]:
    plan: Plan | None = None
    links: list[Link] = []
    if not (folder / PLAN).exists() and not (folder / CHAIN).exists():
        raise AuditError(f"{folder} holds no audit trail: make one with `outcry audit build`")
    try:
        plan = read_plan(folder)
        if plan is None:
            faults.append(f"{folder / PLAN} is missing")
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
            checkpoint = read_checkpoint(path)
        except JournalError as error:
            faults.append(str(error))
            continue
        if plan is not None and checkpoint.journal_id != plan.journal_id:
            faults.append(f"{path} belongs to another journal")
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
    """Make the trail again from what the journal had when it was made, elsewhere, with parts that
    end where its parts end: a sentence for each that differs.

    Raises :class:`AuditError` if there is no trail, or it is not of this journal.
    """
    plan, links = read_plan(folder), read_chain(folder)
    if plan is None:
        raise AuditError(f"{folder} holds no audit trail: make one with `outcry audit build`")
    other = Path(tempfile.mkdtemp(prefix=".outcry-again-", dir=folder.absolute().parent))
    try:
        rebuilt, ends = made_again(directory, other, plan, [link.last_seq for link in links])
        again = {link.first_seq: link for link in rebuilt}
        # A day that was declared over while it lasted: clock records to come could still have
        # spoken of its last rows.
        early = next((link.last_ts_ns for link in links if link.last_seq not in ends), None)
        faults = []
        for link in links:
            new = again.get(link.first_seq)
            if new is None or new.last_seq != link.last_seq:
                faults.append(f"{link.name}: the journal has no such commands")
            elif _facts(new) != _facts(link):
                faults.append(f"{link.name}: its line of the chain differs from the journal")
            elif (new.parquet, new.index) != (link.parquet, link.index) and not (
                early is not None
                and new.index == link.index
                and _equal(files_of(folder, link)[0], files_of(other, new)[0], early)
            ):
                faults.append(f"{link.name} differs from the journal")
        return faults
    finally:
        shutil.rmtree(other, ignore_errors=True)


def _facts(link: Link) -> tuple[Any, ...]:
    """Return the facts by which a part is found."""
    return (
        link.day,
        link.rows,
        link.first_ts_ns,
        link.last_ts_ns,
        link.min_order_id,
        link.max_order_id,
    )


def _equal(path: Path, again: Path, early_ns: int) -> bool:
    """Return whether a part's rows are those of another but for the bound of what came shortly
    before ``early_ns``."""
    pa = arrow()
    try:
        tables = [pa.parquet.read_table(part, partitioning=None) for part in (path, again)]
        rest = [table.drop_columns("bound_ns") for table in tables]
        known = pa.compute.less(rest[1]["ts_ns"], early_ns - SPEAKS_NS)
        bounds = [table["bound_ns"].filter(known) for table in tables]
    except (OSError, KeyError, pa.ArrowException):
        return False
    return bool(bounds[0].equals(bounds[1]) and rest[0].equals(rest[1]))
