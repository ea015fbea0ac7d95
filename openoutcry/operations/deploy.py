"""Whether every process of a venue is of one build, one layout and one configuration.

It reads the runs' control segments, what other processes announce of themselves
(``pipeline/announce.py``), and the files from which a process that starts now would run.
"""

import ctypes
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import openoutcry
from openoutcry.host.build import build_text, read_build
from openoutcry.host.processes import named_children
from openoutcry.pipeline.announce import announcements
from openoutcry.ring import ProcessIdentity, Segment, list_segments
from openoutcry.runtime import control
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.wire import LAYOUT_HASH, OutcryError
from openoutcry.wire.records import CONTROL_MAGIC

KEYS = ("build", "layout", "config")
MASK = 2**64 - 1
INSTALLED = "what is installed"


@dataclass
class Row:
    """A process."""

    process: str
    pid: int
    build: int
    layout: int
    config: int | None
    """None: it has read no configuration."""
    run: int = 0
    """The pid of the supervisor whose run it is of; 0: of none."""
    odd: list[str] = field(default_factory=list)
    """Its differences from the others."""

    def shown(self) -> dict[str, Any]:
        """The row as plain JSON, with builds as text."""
        return {
            "process": self.process,
            "pid": self.pid,
            "build": build_text(self.build),
            "layout": build_text(self.layout),
            "config": None if self.config is None else build_text(self.config),
            "odd": self.odd,
        }


def compare(venue: VenueFile | None = None) -> list[Row]:
    """Every process of a venue, or without one of every pipeline of this user; each that differs
    from the rest says in what.

    Raises :class:`OutcryError` if the venue is not open, or nothing runs."""
    only = 0
    if venue is not None:
        status = read_status(venue.journal) if venue.journal.is_dir() else None
        if status is None or status["state"] != "open":
            raise OutcryError(f"{venue.path}: the venue is not open; none of its stages runs")
        only = int(status["pid"])
    rows = list(_runs(only))
    if not rows:
        raise OutcryError("no pipeline is running")
    journal = str(venue.journal.absolute()) if venue else ""
    for process in announcements():
        if venue is None or process.journal in ("", journal):
            config = process.config if process.journal and venue else None
            rows.append(Row(process.role, process.pid, process.build, process.layout, config))
    here = read_build()
    config = venue.number if venue is not None else None
    rows.append(Row(INSTALLED, 0, here.number, LAYOUT_HASH, config))
    _mark(rows, venue is not None)
    return rows


def _runs(only: int) -> Iterable[Row]:
    for name, owner in list_segments():
        if name.endswith(".control") and only in (0, owner.pid) and owner.alive():
            with suppress(OutcryError):
                yield from _run(Segment.attach(name, read_only=True), owner)


def _run(segment: Segment, owner: ProcessIdentity) -> Iterable[Row]:
    """Return a run by its words alone: a run of another layout cannot be attached to, but is
    reported here."""
    words = np.zeros(control.CONTROL_BYTES // 8, np.int64)  # that segment may be shorter
    there = segment.words(0, min(segment.size_bytes // 8, len(words)))
    words[: len(there)] = there
    block = control.ControlSegment(words.ctypes.data)
    if block.magic != CONTROL_MAGIC:
        return
    layout = block.layout_hash & MASK
    yield Row("supervisor", owner.pid, block.build, layout, block.config, owner.pid)
    names = _stage_names(block)
    for index in range(control.MAX_STAGES):
        stage = control.StageBlock(block.stage_blocks + index * control.STAGE_BYTES)
        if stage.pid and ProcessIdentity(stage.pid, stage.start).alive():
            name = names[index] if index < len(names) else f"stage {index}"
            yield Row(name, stage.pid, stage.build, layout, stage.config, owner.pid)
    # The feed's and the acceptor's were forked by the supervisor and run nothing but its image.
    for name, pid in named_children(owner.pid):
        yield Row(name, pid, block.build, layout, block.config, owner.pid)


def _stage_names(block: control.ControlSegment) -> list[str]:
    """Return the names of the stages from the topology's text; none if its form is unknown here."""
    with suppress(ValueError, KeyError, TypeError, IndexError):
        size = min(max(block.table_bytes, 0), control.MAX_TABLE_BYTES)
        text = ctypes.string_at(block.table, size).decode()
        return [str(stage["name"]) for stage in json.loads(text)["stages"]]
    return []


def _mark(rows: list[Row], one_config: bool) -> None:
    """The value of most processes counts; in a tie the first one's, which is a supervisor's.
    Without a venue each run has a separate configuration."""
    for key in KEYS:
        groups: dict[int, list[Row]] = {}
        for row in rows:
            if getattr(row, key) is not None:
                together = key != "config" or one_config
                groups.setdefault(0 if together else row.run, []).append(row)
        for group in groups.values():
            (most, _), *_ = Counter(getattr(row, key) for row in group).most_common()
            for row in group:
                if getattr(row, key) != most:
                    row.odd.append(key)


def sentences(rows: list[Row]) -> list[str]:
    """A line for each that differs."""
    words = {
        "build": "another build",
        "layout": "another layout",
        "config": "another configuration",
    }
    return [
        f"{row.process}{f' (pid {row.pid})' if row.pid else ''} is of "
        + " and ".join(words[key] for key in row.odd)
        for row in rows
        if row.odd
    ]


def document(rows: list[Row]) -> dict[str, Any]:
    """Return the result document of a comparison of builds."""
    return {
        "same": not any(row.odd for row in rows),
        "version": openoutcry.__version__,
        "processes": [row.shown() for row in rows],
        "odd": sentences(rows),
    }
