"""A venue has processes outside its run: its console, its metrics.  Each publishes in shared memory
which build and which configuration it runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import openoutcry
from openoutcry.host.build import this_build
from openoutcry.ring import ProcessIdentity, Segment, list_segments
from openoutcry.ring.segment import segment_name
from openoutcry.wire import LAYOUT_HASH, OutcryError

WHAT = "process"
ROOM = 4096


@dataclass(frozen=True)
class Announcement:
    """A process's announcement of itself."""

    role: str
    pid: int
    build: int
    version: str
    layout: int
    config: int
    """``VenueFile.number`` as it read it; 0: it read none."""
    journal: str
    """Journal of the venue; '' for a process that checks every pipeline."""


@contextmanager
def announced(role: str, journal: Path | None = None, config: int = 0) -> Iterator[None]:
    """Announce the process while the block runs."""
    me, shown = ProcessIdentity.mine(), str(journal.absolute()) if journal else ""
    announcement = Announcement(
        role, me.pid, this_build().number, openoutcry.__version__, LAYOUT_HASH, config, shown
    )
    data = json.dumps(asdict(announcement)).encode()
    segment = Segment.create(segment_name(me, WHAT), ROOM)
    try:
        segment.view[: len(data)] = bytearray(data)
        yield
    finally:
        segment.unlink()


def announcements() -> list[Announcement]:
    """Return the announcements of all such processes of this user that are alive."""
    processes = []
    for name, owner in list_segments():
        if not name.endswith(f".{WHAT}") or not owner.alive():
            continue
        with suppress(OutcryError, ValueError, TypeError):
            segment = Segment.attach(name, read_only=True)
            processes.append(Announcement(**json.loads(bytes(segment.view).rstrip(b"\0"))))
    return processes
