"""The venue's process as a portal sees it: whether it runs, takes orders and has work, and up to
which command what it has done is safe."""

import os
import time

from openoutcry.pipeline.top import RunningPipeline, attached, running_owners
from openoutcry.runtime.loop import sleep_on
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.wire.layout import SharedWord

CONFIRMING = ("journal", "replica")
"""Stages whose word that a command is safe the gate waits for."""
NO_LIMIT = 2**62


class VenueWatch:
    """Watches one venue's process."""

    def __init__(self, file: VenueFile) -> None:
        self.file = file
        self.state = "never opened"
        self.seq = 0
        """The last command that was taken."""
        self.inode = 0
        """Of the journal's folder; 0: not open yet."""
        self._pipeline: RunningPipeline | None = None
        self._releasing: list[int] = []
        self._woken: tuple[RunningPipeline | None, int] = (None, 0)

    def look(self) -> None:
        """Find the venue's process again; now and then."""
        journal = self.file.journal
        status = read_status(journal) if journal.is_dir() else None
        self.state = str(status["state"]) if status else "never opened"
        pid = int(status["pid"]) if status and status["state"] == "open" else 0
        if self._pipeline is not None and self._pipeline.owner.pid == pid:
            if not self._pipeline.owner.alive():
                pid = 0
            elif not self._pipeline.is_ending:
                return
        owners = running_owners(pid) if pid else []
        self._pipeline = attached(owners[0]) if owners else None
        if self._pipeline is not None:
            index = self._pipeline.table.index
            self._releasing = [index[name] for name in CONFIRMING if name in index]

    @property
    def has_lost_venue(self) -> bool:
        """Return whether no venue runs, as far as :meth:`look` knows, or that one is gone:
        another may have begun since.  A microsecond."""
        if self._pipeline is None or self._pipeline.is_ending:
            return True
        try:
            os.kill(self._pipeline.owner.pid, 0)
        except OSError:  # also where the number is another user's process now
            return True
        return False

    @property
    def is_open(self) -> bool:
        """Return whether the venue takes orders now."""
        return self._pipeline is not None and self.state == "open"

    @property
    def is_carried_over(self) -> bool:
        """Return whether another folder has the journal's name now: the venue continues in it, by
        another file."""
        return self.inode != 0 and self.inode != self.file.journal.stat().st_ino

    def released_seq(self) -> int:
        """Commands up to here are safe.  While no venue runs, all that the journal has is, unless
        the venue died and other machines may not have its end: that waits until it runs again."""
        if self._pipeline is None:  # look() finds out; to ask here costs more than all else
            is_certain = self.file.replication is None or self.state not in ("dead", "open")
            return NO_LIMIT if is_certain else self.seq
        return min(self._pipeline.control.stage(index).safe_seq for index in self._releasing)

    def wait_for_work(self, seconds: float) -> bool:
        """Sleep, so long at most, until the venue's stages have work; True if they had some since
        the last call.  For one thread that does nothing else."""
        pipeline = self._pipeline  # mapped as long as it is waited for
        if pipeline is None:
            time.sleep(seconds)
            return True
        wake = pipeline.control.block.address_of("woken")
        known, seen = self._woken
        has_worked = known is not pipeline or sleep_on(wake, seen, int(seconds * 1e6)) != 0
        self._woken = pipeline, SharedWord(wake).value
        return has_worked
