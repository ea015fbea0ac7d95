"""A venue's standby: follows until it leads, and then is the venue.

Everything that a start needs (modules, kernels, the venue file) is there before it is needed, and
the core is at the journal's end; so a takeover forks the stages and opens the ports.
"""

import json
import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.host.processes import STOP_SIGNALS, fork, handling
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.options import PipelineError
from openoutcry.pipeline.replica_stage import holder_at, timing_of
from openoutcry.pipeline.run import Watcher
from openoutcry.pipeline.venue import days
from openoutcry.pipeline.venue.file import VenueFile
from openoutcry.pipeline.venue.serve import Venue, wiring_of
from openoutcry.replica.access import access_of
from openoutcry.replica.hot_standby import STATUS_FILE, HotStandby, keep_lease
from openoutcry.replica.place import HAND_OVER_FILE
from openoutcry.ring import ProcessIdentity

LEAD_SIGNAL = signal.SIGUSR1
"""Tells a standby to lead without waiting for the lease's end."""
LOOK_S = 0.05


class StandbyVenue:
    """One node of a replicated venue that is not the primary."""

    def __init__(self, file: VenueFile, watcher: Watcher, clock: Any, **how: int) -> None:
        """``how``: ``patience_ns`` and ``trusted`` of :class:`HotStandby`."""
        if file.replication is None:
            raise PipelineError('a standby is of a venue with durability = "replicated"')
        self.file = file
        self.watcher = watcher
        self.clock = clock
        self.how = how
        self.stopping = self.told = False

    def run(self) -> dict[str, Any]:
        """Follow; when promoted, serve the venue.  Returns what the one or the other came to."""
        file, replication = self.file, self.file.replication
        assert replication is not None, "looked at when it was made"
        compile_kernels(self.watcher.compiling, wiring_of(file))
        standby = HotStandby(
            file.journal, access_of(replication.nats), replication.venue,
            holder_at(file.journal), timing_of(replication), say=self.watcher.note, **self.how,
        )  # fmt: skip
        lead = None
        with handling(self._stop, *STOP_SIGNALS), handling(self._lead, LEAD_SIGNAL):
            self.watcher.note(f"standby of {replication.venue}: following")
            self.watcher.phase("following")
            try:
                lead = standby.follow(lambda: self.stopping, self._was_told)
            finally:
                standby.close(checkpoint=lead is not None)
        if lead is None:
            return {"venue": file.name, "led": False, "standby": standby.status()}
        self.watcher.note(f"leads in epoch {lead.tip.epoch}, behind command {lead.tip.last_seq:,}")
        keeping = fork(
            partial(keep_lease, access_of(replication.nats), replication.venue, lead), STOP_SIGNALS
        )
        try:
            served = Venue(file, self.watcher, self.clock, lead=lead).serve(resume=True)
        finally:
            with suppress(ProcessLookupError):
                os.kill(keeping, signal.SIGKILL)
            os.waitpid(keeping, 0)
        return {"led": True, "standby": standby.status()} | served

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def _lead(self, number: int, frame: Any) -> None:
        self.told = True

    def _was_told(self) -> bool:
        told, self.told = self.told, False
        return told


def hand_over(journal: Path, wait_s: float) -> None:
    """Stop the venue that writes ``journal`` so that a standby takes over at once; returns when it
    has ended.  Raises :class:`PipelineError` if none is served there, or it does not end."""
    found = days.read_status(journal) if journal.is_dir() else None
    if found is None or found["state"] in ("stopped", "dead"):
        raise PipelineError(f"{journal}: no venue is served from it")
    asked = journal / HAND_OVER_FILE
    asked.touch()
    os.kill(int(found["pid"]), signal.SIGTERM)
    deadline_s = time.monotonic() + wait_s
    venue = ProcessIdentity(int(found["pid"]), int(found["start_ticks"]))
    while venue.alive():
        if time.monotonic() > deadline_s:
            raise PipelineError(f"{journal}: its venue has not ended within {wait_s:.0f} s")
        time.sleep(LOOK_S)


def take_over(journal: Path) -> None:
    """Tell the standby over ``journal`` to lead now.  Raises :class:`PipelineError` if none
    follows there."""
    try:
        document = json.loads((journal / STATUS_FILE).read_text())
        if document["role"] in ("stopped", "leading"):
            raise PipelineError(f"{journal}: its standby does not follow: {document['role']}")
        os.kill(int(document["pid"]), LEAD_SIGNAL)
    except (OSError, ValueError, KeyError):
        raise PipelineError(f"{journal}: no standby follows there") from None
