"""A venue that is open continues with its file as it is now: rehearsed first, while it trades."""

import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from openoutcry.host.processes import STOP_SIGNALS, fork_reporting, outcome
from openoutcry.venue.carry import rehearse
from openoutcry.venue.desk import DeskError, Work
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.wire import ORDER_DTYPE

NOTHING = np.zeros(0, ORDER_DTYPE)
BUSY = "the venue is being carried over already"


class Carrying:
    """One request at a time; ``go`` ends the run and has the venue continue with a file."""

    def __init__(self, file: VenueFile, go: Callable[[VenueFile], None]) -> None:
        self.file, self.go = file, go
        self._pid, self._fd = 0, -1
        self._report: dict[str, Any] = {}
        self._is_busy = False

    def work_of(self, number: object) -> Work:
        """Return the work of a request; ``number``: of the file that the operator has seen.

        Raises :class:`DeskError`, or what is wrong with the file."""
        if self._is_busy:
            raise DeskError(BUSY)
        new = read_venue(self.file.path)
        if number != new.number:
            raise DeskError(f"{new.path} has changed since it was read: ask again")
        new_symbols = [symbol for symbol in new.symbols if symbol not in self.file.symbols]
        names = ", ".join(new_symbols) or "none"
        return Work(
            NOTHING,
            [f"the venue continues with {new.path.name} as it is now; new instruments: {names}"],
            refused=self._refused,
            ready=self._is_ready,
            begun=partial(self._begin, new),
            ended=partial(self._end, new),
        )

    def _begin(self, new: VenueFile) -> None:
        self._is_busy = True
        self._pid, self._fd = fork_reporting(partial(_rehearse, new), STOP_SIGNALS)

    def _is_ready(self) -> bool:
        if self._pid:
            ended, _ = os.waitpid(self._pid, os.WNOHANG)
            if not ended:
                return False
            self._pid = 0
            self._report = outcome(self._fd) or {"error": "the rehearsal was killed"}
            os.close(self._fd)
        return True

    def _refused(self) -> str:
        return str(self._report.get("error", ""))

    def _end(self, new: VenueFile) -> None:
        """The request is answered, or its operator is gone."""
        is_done = bool(self._report) and "error" not in self._report
        self._is_busy, self._report = False, {}
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._fd)
            self._pid = 0
        if is_done:
            self.go(new)


def _rehearse(file: VenueFile) -> dict[str, Any]:
    os.nice(19)
    return rehearse(file)
