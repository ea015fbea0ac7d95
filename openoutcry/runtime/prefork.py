"""Where the stages of a standby's run wait until it leads: forked, their kernels loaded, asleep.

Most of a start is forking the stages, loading their kernels and touching their memory: 1.3 of 1.5 s
on a quiet machine, 4.8 of 5 on a busy one.  None of it depends on where the journal ends.  So it is
done while the node follows; a :class:`Start` carries what a stage cannot know before.
"""

import os
import pickle
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openoutcry.journal.writer import Handover

FOLLOW_MS = 200
"""Interval at which a prepared stage takes what the journal has got since."""


@dataclass(frozen=True)
class Replication:
    """Into which stream a run publishes its journal."""

    venue: str
    """Names the stream (``OUTCRY-venue``)."""
    nats: str
    """Which cluster (replica/access.py)."""
    lease_ms: int = 3_000
    """Cut off from the quorum for this long, the primary releases nothing more."""
    lead: Any = None
    """The state from which the first run of a promoted standby continues (replica/hot_standby.py).
    """


@dataclass(frozen=True)
class Start:
    """Data that the stages get when their standby leads."""

    seq: int
    """The journal's last command."""
    resumed_lanes: dict[str, int]
    journal: tuple[int, dict[str, Any], Handover]
    """Its number, its first block's document, and its writer's place."""
    replication: Replication


class Prefork:
    """A pipe with a byte for each process that waits; made before they are forked."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._start, self._snapshot = os.memfd_create("start"), os.memfd_create("snapshot")

    def wait(self, follow: Callable[[], object] | None = None) -> None:
        """Wait, in a waiting process, until it may continue. Calls ``follow`` meanwhile."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not poll.poll(FOLLOW_MS if follow else None):
            assert follow is not None
            follow()
        os.read(self._read, 1)

    def start(self) -> Start:
        """Return what :meth:`open` passed on, after :meth:`wait`. It comes from our parent by
        memory."""
        start: Start = pickle.loads(_all_of(self._start))
        return start

    def snapshot(self) -> bytes:
        """Return a snapshot of the core after the journal's last command."""
        return _all_of(self._snapshot)

    def open(self, start: Start, snapshot: bytes, count: int) -> None:
        """Let ``count`` processes continue."""
        for fd, data in ((self._start, pickle.dumps(start)), (self._snapshot, snapshot)):
            with os.fdopen(os.dup(fd), "wb") as file:
                file.write(data)
        os.write(self._write, b"\0" * count)

    def close(self) -> None:
        """Close the pipes to the processes."""
        for fd in (self._read, self._write, self._start, self._snapshot):
            os.close(fd)


def _all_of(fd: int) -> bytes:
    with open(f"/proc/self/fd/{fd}", "rb") as file:
        return file.read()
