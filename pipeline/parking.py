"""Where the stages of a standby's run wait until it leads: forked, their kernels loaded, asleep.

To fork the stages, load what they need and touch their memory is most of a start (of 1.5 s on a
quiet machine 1.3, of 5 s on a busy one 4.8), and nothing of it depends on where the journal ends.
So it is done while the node follows; what a stage cannot know before is in a :class:`Start`.
"""

import importlib
import os
import pickle
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openoutcry.journal.writer import Handover
from openoutcry.pipeline import control as ct
from openoutcry.pipeline.options import Replication
from openoutcry.wire.memory import epoch_offset_ns

if TYPE_CHECKING:
    from openoutcry.pipeline.topology import Group
    from openoutcry.pipeline.worker import Work

FOLLOW_MS = 200
"""So often a parked stage takes what the journal has got since."""


@dataclass(frozen=True)
class Start:
    """What the stages learn when their standby leads."""

    seq: int
    """The journal's last command."""
    resumed_lanes: dict[str, int]
    journal: tuple[int, dict[str, Any], Handover]
    """Its number, its first block's document, and where its writer stands."""
    replication: Replication


class Parking:
    """A pipe with a byte for each process that waits; made before they are forked."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._start, self._snapshot = os.memfd_create("start"), os.memfd_create("snapshot")

    def wait(self, follow: Callable[[], object] | None = None) -> None:
        """In a process that waits: return when it may go on.  ``follow`` is called meanwhile."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not poll.poll(FOLLOW_MS if follow else None):
            assert follow is not None
            follow()
        os.read(self._read, 1)

    def start(self) -> Start:
        """What was told, behind :meth:`wait`.  It comes from our own parent by memory."""
        start: Start = pickle.loads(_all_of(self._start))
        return start

    def snapshot(self) -> bytes:
        """Of the core behind the journal's last command."""
        return _all_of(self._snapshot)

    def open(self, start: Start, snapshot: bytes, count: int) -> None:
        """Let ``count`` processes go on."""
        for fd, data in ((self._start, pickle.dumps(start)), (self._snapshot, snapshot)):
            with os.fdopen(os.dup(fd), "wb") as file:
                file.write(data)
        os.write(self._write, b"\0" * count)

    def close(self) -> None:
        for fd in (self._read, self._write, self._start, self._snapshot):
            os.close(fd)


def _all_of(fd: int) -> bytes:
    with open(f"/proc/self/fd/{fd}", "rb") as file:
        return file.read()


def load_modules(work: "Work") -> None:
    """Everything that a stage imports, once, before any is forked."""
    for row in work.table.stages:
        importlib.import_module(row.module)


def parked(work: "Work", group: "Group", prepare: Callable[["Work", tuple[str, ...]], Any]) -> None:
    """In a stage's process: be ready, wait, and know afterwards what the start says.  ``prepare``
    makes compiled stages (``worker.StageGroup``)."""
    parking = work.parking
    assert parking is not None
    rows = [work.table[name] for name in group.stages]
    if all(row.compiled for row in rows):
        # Over rings in which nothing is: its kernels are loaded, its memory is there.
        for engine in prepare(work, group.stages).engines.values():
            work.core.restored(engine.snapshot())
    follow = None
    if work.sessions is not None and work.sessions.stage_name in group.stages:
        assert work.journal is not None
        journal = work.journal
        follow = lambda: work.sessions.follow(journal)  # noqa: E731
        follow()
    parking.wait(follow)
    take_start(work, parking.start())


def take_start(work: "Work", start: Start) -> None:
    """What was not known when the process was forked."""
    work.start = start
    work.replication = start.replication
    work.shared.resumed_lanes = start.resumed_lanes
    if work.receiver is not None:
        work.receiver.set_clock(work.shared.control[ct.EPOCH_OFFSET])


def set_clock(work: "Work") -> None:
    """The run begins now, not when it was parked: from the monotonic clock to the epoch."""
    work.shared.control[ct.EPOCH_OFFSET] = epoch_offset_ns()
