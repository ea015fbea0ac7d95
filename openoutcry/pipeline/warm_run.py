"""A run that is prepared as far as it can be, and waits there until its standby leads.

Its shared memory, its sessions' memory and its stages exist before.  A takeover is what is left:
the stages receive the journal's end, the ports open, and input is let in.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from openoutcry.journal import Journal, JournalWriter
from openoutcry.journal.block import Block
from openoutcry.journal.events import Point
from openoutcry.pipeline.progress import RunState, Watcher
from openoutcry.pipeline.supervisor import Supervisor
from openoutcry.replica.driver import now_ns
from openoutcry.replica.hot_standby import HotStandby, Lead
from openoutcry.runtime.lanes import noted_lanes
from openoutcry.runtime.prefork import Prefork, Start
from openoutcry.runtime.table import Topology
from openoutcry.runtime.work import Work
from openoutcry.wire.errors import JournalError
from openoutcry.wire.memory import epoch_offset_ns

LOOK_S = 0.25


class Stale(Exception):
    """The prepared run does not fit any more, and is prepared again."""


class WarmRun:
    """The prepared run of one node, and the standby that decides when it begins."""

    def __init__(
        self,
        standby: HotStandby,
        follow: Callable[[Callable[[], bool]], Lead | None],
    ) -> None:
        """``follow`` follows until it leads, is stopped (then it raises ``KeyboardInterrupt``), or
        what it is given becomes true (None)."""
        self.standby, self.follow = standby, follow
        self.note: Callable[[str], None] = lambda text: None
        self.fits: Callable[[], bool] = lambda: True
        """Whether what was prepared is still what a start would prepare now."""
        self.lead: Lead | None = None
        """State with which this node leads, from its promotion on."""
        self.begun = False
        """The run has gone on with it."""
        self.times_ns: dict[str, int] = {}
        """When each part of the takeover was done, CLOCK_BOOTTIME."""

    def mark(self, what: str) -> None:
        """Note the time at which something was reached."""
        self.times_ns[what] = now_ns()

    def wait(
        self, work: Work, state: RunState, watcher: Watcher, policy: Any, stack: ExitStack
    ) -> Supervisor:
        """Fork the stages, and follow until this node leads.  Raises :class:`Stale`."""
        self.note = watcher.note
        prefork = work.prefork = Prefork()
        stack.callback(prefork.close)
        supervisor = Supervisor(work, state, watcher, policy)
        stack.callback(supervisor.kill_all)
        supervisor.on_go = self.open
        self.waiting = supervisor.start()
        if work.sessions is not None:
            work.sessions.make_listeners()
            work.kept.append(work.sessions.open_doors(prefork.wait))
            self.waiting += 1
        cuts, due_s = self.standby.cuts, 0.0
        stale = False

        def changed() -> bool:
            nonlocal due_s, stale
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + LOOK_S
                stale = supervisor.lost_one or not self.fits()
            stale = stale or self.standby.cuts != cuts
            return stale

        self.note("a run is prepared and waiting")
        self.standby.prepared = True
        self.lead = self.follow(changed)
        self.standby.prepared = False
        if self.lead is None or self.standby.cuts != cuts:
            raise Stale
        self.mark("leads")
        return supervisor

    def begin(self, work: Work, writer: JournalWriter) -> None:
        """The journal is resumed and the rings are set to its end: let the stages continue."""
        assert work.prefork is not None
        assert work.replication is not None
        point = self.standby.point
        assert point is not None
        self.begun = True
        self.mark("resumed")
        # The run begins now, not when it was prepared: from the monotonic clock to the epoch.
        work.shared.control.block.epoch_offset = epoch_offset_ns()
        if work.ports is not None:
            work.ports.bind()
        if work.sessions is not None:
            work.sessions.bind()
            work.sessions.listen(self.note)
        start = Start(
            point.seq,
            work.shared.resumed_lanes,
            (writer.journal_id, writer.document, writer.hand_over()),
            replace(work.replication, lead=self.lead),
        )
        work.prefork.open(start, point.engine.snapshot(), self.waiting)
        work.prefork = None
        work.take_start(start)
        # One that dies from here on finds its place as any other does.
        work.start = None
        self.mark("woken")

    def known(self, durable: bool) -> tuple[JournalWriter | None, Point]:
        """The journal's writer, if it need not be read again, and the core at its end."""
        local, point = self.standby.local, self.standby.point
        assert point is not None
        handover, writer = local.hand_over(), None
        if handover is not None:
            writer = Journal.take_over(
                local.directory, local.journal_id, local.document, handover, direct=durable
            )
        return writer, point

    def lanes(self, table: Topology) -> dict[str, int] | None:
        """Return how many of each lane's commands the journal has; None if it must be looked up."""
        last = self.standby.local.last_commands
        if last is None or len(table.lanes) == 1:
            return None
        return noted_lanes(Block(0, *last).note, table)

    def open(self) -> None:
        """Input is let in: say how long it took, and do what could wait."""
        self.mark("open")
        spans = ", ".join(f"{what} {ms:.0f} ms" for what, ms in self.spans_ms().items())
        self.note(f"took over in {sum(self.spans_ms().values()):.0f} ms: {spans}")
        self.standby.write_status("leading", takeover_ms=self.spans_ms())
        try:
            self.standby.save_checkpoint()
        except JournalError as error:  # it has taken over, and continues without
            self.note(f"cannot write a checkpoint of the takeover: {error}")

    def spans_ms(self) -> dict[str, float]:
        """Return the durations of the takeover's steps in order, from the request for the lease on,
        in ms."""
        times = self.standby.machine.times_ns | self.times_ns
        names = ("lease", "epoch block", "core", "journal", "stages woken", "stages ready")
        at = [
            times[what]
            for what in ("claimed", "leased", "led", "leads", "resumed", "woken", "open")
        ]
        pairs = zip(names, at, at[1:], strict=False)
        return {name: round((end - begin) / 1e6, 1) for name, begin, end in pairs}
