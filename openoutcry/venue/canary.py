"""The canary: a build that has not served a journal yet replays it before it may open the venue.

The replay has to produce the hashes that the run before recorded.  They are the events' (stored
with their blocks), the state's at the end of each finished day, and those of a clean stop.  The
result is stored in the journal's folder; ``canary = true`` in the venue file requires it.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.build import this_build
from openoutcry.journal import Journal, JournalError, JournalReader
from openoutcry.journal.event_hash import hash_text
from openoutcry.journal.events import NO_LIMIT, Batch, events_of, starting_point
from openoutcry.journal.replay import EventDigests
from openoutcry.journal.state_layout import other_layout
from openoutcry.journal.unwritten import is_unwritten
from openoutcry.runtime.work import PipelineError
from openoutcry.venue import days
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import CommandKind, EventKind

NAME = "canary.json"
SERVED_NAME = "served.json"
"""Which build has served the journal last."""
SHOWN = 20
"""Events of a differing block that are listed."""


def canary(journal: Path, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Replay a journal through this build.  Returns ``build``, ``journal_id``, ``until_seq``,
    ``state_hash``, ``compared`` (hashes that were), ``differences`` (sentences; none: the same),
    ``not_compared`` (why hashes of states were not: another release wrote them) and ``events`` (of
    the first block that differs, as this build makes them).

    Raises ``JournalError`` for a journal that cannot be read or recorded nothing to compare with.
    """
    reader = JournalReader(journal)
    point = starting_point(reader)
    digests, parts = EventDigests(point.seq), list[str]()
    ends = {row["last_seq"]: row for row in days.finished_days(journal)}
    states = _States()
    compared, suspect, due = 0, _Suspect(), [seq for seq in sorted(ends) if seq > point.seq]
    stop = due.pop(0) if due else NO_LIMIT
    batches = events_of(reader, point, until_seq=NO_LIMIT, every=0)
    for batch in batches:
        digests.compare(batch.header, batch.after_seq)
        if digests.wrong_seq is None:
            suspect.take(batch, digests.verified_seq)
        if batch.ends_block:
            digests.block_ended(point.seq, point.chain)
        if progress is not None and len(batch.commands):
            progress(point.seq)
        while point.seq >= stop:
            if point.seq == stop:
                what, replayed_hash = "the state", point.engine.state_hash()
                what += f" at the end of {ends[stop]['day']}"
                states.take(what, ends[stop], replayed_hash)
            stop = due.pop(0) if due else NO_LIMIT
    recorded, wrong_seq = reader.evidence, digests.wrong_seq
    if recorded is not None and recorded["commands"] == point.seq:
        states.take("state hash at the end", recorded, point.engine.state_hash())
        replayed = {
            "events": point.engine.event_count,
            "trades": point.trades,
            "event_hash": hash_text(point.chain),
        }
        if replayed["event_hash"] != recorded["event_hash"]:
            wrong_seq = wrong_seq or point.seq  # after the last hash of a block
        compared += len(replayed)
        for key, value in replayed.items():
            parts += _same(f"{key.replace('_', ' ')} at the end", recorded[key], value)
    compared += digests.checked + states.compared
    parts += states.differences
    if wrong_seq is not None:
        parts.insert(
            0, f"the events of commands {digests.verified_seq + 1:,} to {wrong_seq:,} differ"
        )
    if not compared and not parts and point.seq:
        raise JournalError(f"{journal}: the journal has no hash to compare with")
    return {
        "build": this_build().text,
        "journal_id": f"{reader.journal_id:016x}",
        "until_seq": point.seq,
        "state_hash": point.engine.state_hash(),
        "compared": compared,
        "differences": parts,
        "not_compared": states.not_compared,
        "events": suspect.listed(wrong_seq) if wrong_seq is not None else [],
    }


def _same(what: str, recorded: Any, replayed: Any) -> list[str]:
    return [] if recorded == replayed else [f"{what}: recorded {recorded}, replayed {replayed}"]


class _States:
    """Hashes of states: those of another layout are not compared, unless they are equal."""

    def __init__(self) -> None:
        self.compared = 0
        self.differences: list[str] = []
        self.not_compared = ""

    def take(self, what: str, recorded: dict[str, Any], replayed: str) -> None:
        layout = "" if recorded["state_hash"] == replayed else other_layout(recorded)
        if layout:
            self.not_compared = layout
            return
        self.compared += 1
        self.differences += _same(what, recorded["state_hash"], replayed)


class _Suspect:
    """The events after the last hash that was the same."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def take(self, batch: Batch, verified_seq: int) -> None:
        kept = [one for one in self.batches if one.after_seq + len(one.commands) > verified_seq]
        self.batches = [*kept, batch._replace(events=batch.events.copy())]

    def listed(self, wrong_seq: int) -> list[str]:
        events = [batch.events for batch in self.batches]
        rows = np.concatenate(events) if events else np.zeros(0, EVENT_DTYPE)
        rows = rows[rows["cause_seq"] <= wrong_seq]
        commands = {int(row["seq"]): row for batch in self.batches for row in batch.commands}
        lines = []
        for row in rows[:SHOWN]:
            seq = int(row["cause_seq"])
            kind = CommandKind(int(commands[seq]["kind"])).name if seq in commands else "?"
            lines.append(
                f"command {seq:,} ({kind}, order {row['order_id']}): now "
                f"{EventKind(int(row['kind'])).name} {row['qty_lots']} at "
                f"{row['price_ticks']}"
            )
        more = len(rows) - len(lines)
        return [*lines, f"and {more:,} more"] if more else lines


def note_canary(journal: Path, report: dict[str, Any]) -> None:
    """Store the replay's result in the journal's folder."""
    _write(journal / NAME, report)


def note_served(journal: Path) -> None:
    """This build serves the journal now."""
    _write(journal / SERVED_NAME, {"build": this_build().text})


def _write(path: Path, document: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        document = json.loads(path.read_text(encoding="utf-8"))
        return document if isinstance(document, dict) else {}
    return {}


def require_canary(journal: Path) -> None:
    """Raises :class:`PipelineError` unless this build may open the journal.

    It may if the venue has no journal yet, if this build served it last, or if its canary has
    replayed it to the end of its last finished day."""
    if not Journal.exists(journal) or is_unwritten(journal):
        return
    build = this_build().text
    if _read(journal / SERVED_NAME).get("build") == build:
        return
    report = _read(journal / NAME)
    command = f"outcry venue deploy canary {journal}"
    if report.get("build") != build:
        raise PipelineError(
            f"build {build} has not served {journal} yet, and the venue file requires its "
            f"canary; run `{command}`"
        )
    if report.get("journal_id") != f"{JournalReader(journal).journal_id:016x}":
        raise PipelineError(f"{journal / NAME} belongs to another journal; run `{command}`")
    if report["differences"]:
        raise PipelineError(
            f"the canary of build {build} found differences: {'; '.join(report['differences'])}"
        )
    done = days.finished_days(journal)
    if done and report["until_seq"] < done[-1]["last_seq"]:
        raise PipelineError(
            f"the canary of build {build} has seen {report['until_seq']:,} commands, and the last "
            f"day ended with {done[-1]['last_seq']:,}: `{command}`"
        )
