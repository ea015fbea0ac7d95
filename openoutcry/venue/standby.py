"""A venue's standby: follows until it leads, and then is the venue.

Once it is level with the primary it prepares as much of the venue's run as it can
(``warm_run.py``): the stages are forked and wait.  A takeover then only gives them the journal's
end and opens the ports.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.host.build import this_build
from openoutcry.host.processes import STOP_SIGNALS, fork, handling
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import Watcher
from openoutcry.pipeline.warm_run import Stale, WarmRun
from openoutcry.replica.access import access_of
from openoutcry.replica.actions import node_of
from openoutcry.replica.driver import LEASE_KEY, lease_of
from openoutcry.replica.hot_standby import STATUS_FILE, HotStandby, Lead, keep_lease
from openoutcry.replica.jetstream import JetStream, Refused
from openoutcry.replica.link import connect
from openoutcry.replica.place import HAND_OVER_FILE
from openoutcry.replica.stage import holder_at, timing_of
from openoutcry.ring import ProcessIdentity
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.work import PipelineError
from openoutcry.venue import days
from openoutcry.venue.file import VenueFile
from openoutcry.venue.run_parts import wiring_of
from openoutcry.venue.serve import Venue
from openoutcry.wire.errors import Unreachable

LEAD_SIGNAL = signal.SIGUSR1
"""Makes a standby lead without waiting for the lease's end."""
LOOK_S = 0.005
TAKEN_S = 30.0
"""How long a standby may take, on a busy machine, to lead once the old primary has ended."""


class StandbyVenue:
    """One node of a replicated venue that is not the primary."""

    def __init__(self, file: VenueFile, watcher: Watcher, clock: Any, **how: int) -> None:
        """``how``: ``patience_ns`` and ``trusted`` of :class:`HotStandby`."""
        if file.replication is None:
            raise PipelineError('a standby needs a venue with durability = "replicated"')
        self.file = file
        self.watcher = watcher
        self.clock = clock
        self.how = how
        self.stopping = self.told_to_lead = False

    def run(self) -> dict[str, Any]:
        """Follow; when promoted, serve the venue.  Returns what the one or the other came to."""
        file, replication = self.file, self.file.replication
        assert replication is not None, "looked at when it was made"
        this_build()
        compile_kernels(self.watcher.compiling, wiring_of(file), generates=False)
        standby = HotStandby(
            file.journal,
            access_of(replication.nats),
            replication.venue,
            holder_at(file.journal),
            timing_of(replication),
            say=self.watcher.note,
            **self.how,
        )
        try:
            self.watcher.note(f"standby of {replication.venue}: following")
            self.watcher.phase("following")
            served = self._run(standby)
        finally:
            standby.close()
            standby.local.lock.release()
        led = served is not None
        return {"venue": file.name, "led": led, "standby": standby.status()} | (served or {})

    def _run(self, standby: HotStandby) -> dict[str, Any] | None:
        """Return the venue's result; None if this node never led."""
        lead = self._follow(standby, lambda: standby.is_level)
        while lead is None and not self.stopping:
            warm_run = WarmRun(standby, partial(self._follow_on, standby))
            venue = Venue(self.file, self.watcher, self.clock, warm_run=warm_run)
            try:
                served = venue.serve(resume=True)
                return served if warm_run.begun else None
            except Stale:
                lead = warm_run.lead
        return None if lead is None else self._serve_cold(standby, lead)

    def _follow(self, standby: HotStandby, enough: Callable[[], bool]) -> Lead | None:
        """Follow until it leads; None if it was stopped before, or that is ``enough``."""
        with handling(self._stop, *STOP_SIGNALS), handling(self._lead, LEAD_SIGNAL):
            return standby.follow(lambda: self.stopping or enough(), self._was_told_to_lead)

    def _follow_on(self, standby: HotStandby, changed: Callable[[], bool]) -> Lead | None:
        lead = self._follow(standby, changed)
        if lead is not None:
            self._say(lead)
            standby.close(keep_lock=True)
        elif self.stopping:
            raise KeyboardInterrupt
        return lead

    def _say(self, lead: Lead) -> None:
        self.watcher.note(f"leads in epoch {lead.tip.epoch}, after command {lead.tip.last_seq:,}")

    def _serve_cold(self, standby: HotStandby, lead: Lead) -> dict[str, Any]:
        """Serve with nothing prepared: of a node that leads before it has followed."""
        replication = self.file.replication
        assert replication is not None
        standby.close()
        standby.save_checkpoint()
        standby.local.lock.release()
        self._say(lead)
        keeping = fork(
            partial(keep_lease, access_of(replication.nats), replication.venue, lead), STOP_SIGNALS
        )
        try:
            return Venue(self.file, self.watcher, self.clock, lead=lead).serve(resume=True)
        finally:
            with suppress(ProcessLookupError):
                os.kill(keeping, signal.SIGKILL)
            os.waitpid(keeping, 0)

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def _lead(self, number: int, frame: Any) -> None:
        self.told_to_lead = True

    def _was_told_to_lead(self) -> bool:
        told_to_lead, self.told_to_lead = self.told_to_lead, False
        return told_to_lead


def hand_over(file: VenueFile, wait_s: float, say: Callable[[str], None]) -> None:
    """Stop the venue of ``file`` so that a standby takes over at once.

    It reports when the lease was released and its new holder.  It returns when the venue has ended
    and a standby leads, or no standby has taken the lease within TAKEN_S.  Raises
    :class:`PipelineError` if no venue is served there, or it does not end."""
    journal, replication = file.journal, file.replication
    status = days.read_status(journal) if journal.is_dir() else None
    if status is None or status["state"] in ("stopped", "dead"):
        raise PipelineError(f"{journal}: no venue runs on this journal")
    if replication is None:
        raise PipelineError(f"{file.name} is not replicated, so no standby can take over")
    venue = ProcessIdentity(int(status["pid"]), int(status["start_ticks"]))
    leases = _Leases(replication)
    (journal / HAND_OVER_FILE).touch()
    os.kill(venue.pid, signal.SIGTERM)
    begun_s, ended_s = time.monotonic(), 0.0
    while not ended_s or (not leases.taken and _since(ended_s) < TAKEN_S):
        if what := leases.poll():
            say(f"{1000 * _since(begun_s):.0f} ms: {what}")
        if not ended_s and not venue.alive():
            ended_s = time.monotonic()
            say(f"{1000 * _since(begun_s):.0f} ms: the old primary has ended")
        if not ended_s and _since(begun_s) > wait_s:
            raise PipelineError(f"{journal}: the venue did not end within {wait_s:.0f} s")
        time.sleep(LOOK_S)
    if not leases.taken:
        say(f"no standby took the lease within {TAKEN_S:.0f} s")


def _since(begun_s: float) -> float:
    return time.monotonic() - begun_s


class _Leases:
    """The holder of a venue's lease, as any client may look it up."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._connect()
        self._holder = self._read()[0]
        self.given_up = self.taken = False

    def _connect(self) -> None:
        link = connect(access_of(self._replication.nats))
        self._jetstream = JetStream(link, self._replication.venue)

    def _read(self) -> tuple[str, int, bool]:
        entry = self._jetstream.get(LEASE_KEY)
        lease = None if entry is None else lease_of(entry.value)
        return (lease.holder, lease.epoch, lease.given_up) if lease else ("", 0, False)

    def poll(self) -> str:
        """Return what has changed, in words."""
        try:
            holder, epoch, given_up = self._read()
        except Refused:
            return ""  # the cluster chooses a leader
        except Unreachable:  # an observer delays no other process
            self._jetstream.link.close()
            with suppress(Unreachable):
                self._connect()
            return ""
        if holder != self._holder:
            self._holder, self.taken = holder, True
            return f"{node_of(holder)} has the lease, in epoch {epoch}"
        if given_up and not self.given_up:
            self.given_up = True
            return "everything is replicated and answered; the lease is released"
        return ""


def take_over(journal: Path, wait_s: float) -> dict[str, float]:
    """Make the standby over ``journal`` lead now; returns how long each part of the takeover
    took (ms; nothing if it had prepared none).  Raises :class:`PipelineError` if none follows
    there, or it does not lead in time."""
    try:
        document = json.loads((journal / STATUS_FILE).read_text())
        if document["role"] in ("stopped", "leading"):
            raise PipelineError(f"{journal}: its standby does not follow: {document['role']}")
        os.kill(int(document["pid"]), LEAD_SIGNAL)
        deadline_s = time.monotonic() + wait_s
        while (status := json.loads((journal / STATUS_FILE).read_text()))["role"] != "leading":
            if time.monotonic() > deadline_s:
                raise PipelineError(f"{journal}: the standby did not lead within {wait_s:.0f} s")
            time.sleep(LOOK_S)
        while document["prepared"] and "takeover_ms" not in status:
            if time.monotonic() > deadline_s:
                raise PipelineError(
                    f"{journal}: the standby leads, but did not open within {wait_s:.0f} s"
                )
            time.sleep(LOOK_S)
            status = json.loads((journal / STATUS_FILE).read_text())
        return dict(status.get("takeover_ms", {}))
    except (OSError, ValueError, KeyError):
        raise PipelineError(f"{journal}: no standby follows with this journal") from None
